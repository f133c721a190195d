"""Settings from the environment: every `WECHATPAY_…` variable that `Wechatpay.from_env` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wechatpay_async.errors import ConfigError
from wechatpay_async.settings import check_kind
from wechatpay_async.spelling import nearest

__all__ = ["settings_from"]

_VARIABLES: Mapping[str, str] = {
    "WECHATPAY_MCHID": "mchid",
    "WECHATPAY_SERIAL": "serial",
    "WECHATPAY_PRIVATE_KEY": "private_key",
    "WECHATPAY_PRIVATE_KEY_PASSWORD": "private_key_password",
    "WECHATPAY_APIV3_KEY": "apiv3_key",
    "WECHATPAY_SECRET": "secret",
    "WECHATPAY_AGENT_SECRET": "agent_secret",
    "WECHATPAY_MERCHANT_CERT": "merchant_cert",
    "WECHATPAY_PKCS12": "pkcs12",
    "WECHATPAY_PKCS12_PASSWORD": "pkcs12_password",
    "WECHATPAY_BRAND_ID": "brand_id",
    "WECHATPAY_BASE_URL": "base_url",
    "WECHATPAY_VALIDATE": "validate",
    "WECHATPAY_PLATFORM_KEYS": "platform_keys",
}
_SECONDS: Mapping[str, str] = {"WECHATPAY_TIMEOUT": "timeout", "WECHATPAY_DEADLINE": "deadline"}
_PUBLIC_KEY_ID, _PUBLIC_KEY = "WECHATPAY_PUBLIC_KEY_ID", "WECHATPAY_PUBLIC_KEY"


def settings_from(environ: Mapping[str, str]) -> dict[str, Any]:
    """The keyword arguments that `environ` holds. A name that is nearly one of them is an error, not a setting that is silently left out.

    Raises `ConfigError` that names the variable.
    """
    check_kind("environ", environ, Mapping, "a mapping of names to text", hint="from_env() reads os.environ")
    settings: dict[str, Any] = {setting: environ[name] for name, setting in _VARIABLES.items() if environ.get(name)}
    settings |= {setting: _seconds(name, environ[name]) for name, setting in _SECONDS.items() if environ.get(name)}
    known = [*_VARIABLES, *_SECONDS, _PUBLIC_KEY_ID, _PUBLIC_KEY]
    for name in environ:
        check_kind("environ", name, str, "names as text")
        if name.startswith("WECHATPAY_") and name not in known and (near := nearest(name, known, likeness=0.9)):
            raise ConfigError(name, "unknown variable", hint=f"did you mean {near[0]}?")
    key_id, key = environ.get(_PUBLIC_KEY_ID), environ.get(_PUBLIC_KEY)
    if bool(key_id) != bool(key):
        missing = _PUBLIC_KEY if key_id else _PUBLIC_KEY_ID
        raise ConfigError(missing, "missing", hint=f"{_PUBLIC_KEY_ID} and {_PUBLIC_KEY} go together")
    if key_id:
        settings["certs"] = {key_id: key}
    for name, setting in (("WECHATPAY_MCHID", "mchid"), ("WECHATPAY_PRIVATE_KEY", "private_key")):
        if setting not in settings:
            raise ConfigError(name, "missing from the environment")
    return settings


def _seconds(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(name, "expected seconds as a number", hint=f"{name}=30") from None
