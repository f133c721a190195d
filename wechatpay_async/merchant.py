"""Who calls: a merchant's number, keys and secrets, checked once when the client is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from wechatpay_async.crypto.keys import (
    PUBLIC_KEY_ID_PREFIX,
    KeyText,
    PlatformKey,
    PlatformKeySource,
    PrivateKeySource,
    certificate_serial,
    load_certificate,
    load_platform_key,
    load_private_key,
    normalise_serial,
    same_key,
)
from wechatpay_async.crypto.masking import masked
from wechatpay_async.errors import ConfigError
from wechatpay_async.settings import check_kind

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Merchant", "load_merchant"]

SECRET_BYTES = 32
_LOOKS_LIKE_A_SERIAL = re.compile(rf"\s*{PUBLIC_KEY_ID_PREFIX}\w*\s*|[0-9A-Fa-f:\s]*")


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant's identity, every part of it checked against the others. Its `repr` shows no key and no secret."""

    mchid: str
    serial: str
    private_key: RSAPrivateKey = field(repr=False)
    platform_keys: tuple[PlatformKey, ...] = field(default=(), repr=False)
    apiv3_key: bytes | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    certificate: x509.Certificate | None = field(default=None, repr=False)
    brand_id: str | None = None


def load_merchant(
    *,
    mchid: str,
    serial: str | None,
    private_key: PrivateKeySource,
    private_key_password: str | bytes | None = None,
    certs: Mapping[str, PlatformKeySource] | None = None,
    apiv3_key: str | bytes | None = None,
    secret: str | bytes | None = None,
    merchant_cert: KeyText | x509.Certificate | None = None,
    brand_id: str | None = None,
) -> Merchant:
    """Check everything that can be checked without a network. Raises `ConfigError` that names the parameter and the cure."""
    number = _mchid(mchid)
    try:
        key = load_private_key(private_key, password=private_key_password)
        certificate = None if merchant_cert is None else load_certificate(merchant_cert, parameter="merchant_cert")
        own_serial = _own_serial(serial, certificate, key)
        platform_keys = () if certs is None else _platform_keys(certs, own_serial, key)
    except ConfigError as error:
        # The readers hold the key as plain text, and error reporters show the variables of each frame of a traceback.
        raise error.with_traceback(None) from None
    return Merchant(
        number,
        own_serial,
        key,
        platform_keys,
        None if apiv3_key is None else _thirty_two_bytes("apiv3_key", masked(apiv3_key)),
        None if secret is None else masked(_thirty_two_bytes("secret", masked(secret)).decode("ascii")),
        certificate,
        _brand_id(brand_id),
    )


def _mchid(mchid: str) -> str:
    check_kind("mchid", mchid, str, "text", hint="the number in quotes")
    if not (mchid.isascii() and mchid.isdigit() and 8 <= len(mchid) <= 32):
        hint = "this looks like an appid; the merchant number has 8 to 10 digits" if mchid.startswith("wx") else "8 to 10 digits"
        raise ConfigError("mchid", "not a merchant number", hint=hint)
    return mchid


def _brand_id(brand_id: str | None) -> str | None:
    if brand_id is None:
        return None
    check_kind("brand_id", brand_id, str, "text", hint="the brand's id in quotes")
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", brand_id):
        raise ConfigError("brand_id", "not a brand's id", hint="letters and digits: it goes into the Authorization header")
    return brand_id


def _own_serial(serial: str | None, certificate: x509.Certificate | None, key: RSAPrivateKey) -> str:
    """The merchant certificate's serial, from the certificate where that is given."""
    if serial is not None:
        check_kind("serial", serial, str, "text", hint="40 hexadecimal digits in quotes")
    if certificate is None:
        if serial is None:
            raise ConfigError(
                "serial", "missing", hint="the serial of apiclient_cert.pem, or give merchant_cert= and it is taken from there"
            )
        return normalise_serial(serial, parameter="serial")
    if not same_key(key, certificate.public_key()):
        raise ConfigError(
            "private_key", "does not belong to merchant_cert", hint="apiclient_key.pem and apiclient_cert.pem of one download"
        )
    own = certificate_serial(certificate)
    if serial is not None and normalise_serial(serial, parameter="serial") != own:
        raise ConfigError("serial", f"the certificate in merchant_cert has the serial {own}", hint="leave serial out")
    return own


def _platform_keys(certs: Mapping[str, PlatformKeySource], own_serial: str, key: RSAPrivateKey) -> tuple[PlatformKey, ...]:
    check_kind("certs", certs, Mapping, "a mapping of serials to keys", hint='certs={"PUB_KEY_ID_…": "pub_key.pem"}')
    loaded: list[PlatformKey] = []
    for name, source in certs.items():
        check_kind("certs", name, str, "serials as text", hint='"PUB_KEY_ID_…", or 40 hexadecimal digits')
        # What is no serial may be a key that stands in the wrong place: it is not shown.
        parameter = f"certs[{name!r}]" if len(name) < 24 or _LOOKS_LIKE_A_SERIAL.fullmatch(name) else "certs"
        serial = name.strip() if name.strip().startswith(PUBLIC_KEY_ID_PREFIX) else normalise_serial(name, parameter=parameter)
        if serial == own_serial:
            raise ConfigError(
                parameter,
                "this is the merchant certificate's own serial",
                hint="certs holds WeChat Pay's keys: PUB_KEY_ID_… from API security, or platform certificates",
            )
        platform_key = load_platform_key(serial, source, parameter=parameter)
        if same_key(key, platform_key.public_key):
            raise ConfigError(
                parameter,
                "this is the merchant's own key",
                hint="not apiclient_cert.pem but WeChat Pay's public key (pub_key.pem) or a platform certificate",
            )
        loaded.append(platform_key)
    return tuple(loaded)


def _thirty_two_bytes(parameter: str, value: str | bytes) -> bytes:
    check_kind(parameter, value, (str, bytes), "text or bytes")
    raw = value.encode() if isinstance(value, str) else value
    name, place = ("APIv3 key", "API security, APIv3 key") if parameter == "apiv3_key" else ("APIv2 key", "API security, APIv2 key")
    if len(raw) != SECRET_BYTES:
        hint = " (white space around it?)" if len(raw.strip()) == SECRET_BYTES else ""
        raise ConfigError(parameter, f"has {len(raw)} bytes{hint}", hint=f"the {name} has {SECRET_BYTES}: merchant platform, {place}")
    if not raw.isascii():
        raise ConfigError(parameter, "has characters that are not ASCII", hint=f"the {name} is {SECRET_BYTES} letters and digits")
    return raw
