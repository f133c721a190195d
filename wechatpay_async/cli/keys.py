"""The merchant's identity from `WECHATPAY_*`, without a client around it."""

from __future__ import annotations

from collections.abc import Mapping

from wechatpay_async.errors import ConfigError
from wechatpay_async.merchant import Merchant, load_merchant

__all__ = ["load_settings"]


def load_settings(environ: Mapping[str, str]) -> Merchant:
    """The checked merchant. Raises `ConfigError` that names the variable's parameter and the cure."""
    for name in ("WECHATPAY_MCHID", "WECHATPAY_PRIVATE_KEY"):
        if not environ.get(name):
            raise ConfigError(name, "missing", hint="set it in the environment or in --env-file")
    key_id, key = environ.get("WECHATPAY_PUBLIC_KEY_ID"), environ.get("WECHATPAY_PUBLIC_KEY")
    return load_merchant(
        mchid=environ["WECHATPAY_MCHID"],
        serial=environ.get("WECHATPAY_SERIAL") or None,
        private_key=environ["WECHATPAY_PRIVATE_KEY"],
        private_key_password=environ.get("WECHATPAY_PRIVATE_KEY_PASSWORD") or None,
        certs={key_id: key} if key_id and key else None,
        apiv3_key=environ.get("WECHATPAY_APIV3_KEY") or None,
        secret=environ.get("WECHATPAY_SECRET") or None,
        merchant_cert=environ.get("WECHATPAY_MERCHANT_CERT") or None,
        brand_id=environ.get("WECHATPAY_BRAND_ID") or None,
    )
