"""The download of platform certificates, `GET /v3/certificates`: its reply read, its signature checked, and what its failures mean.

Source: https://pay.weixin.qq.com/doc/v3/merchant/4013053249.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from wechatpay_async.crypto.keys import PlatformKey, load_platform_key
from wechatpay_async.errors import APIError, ConfigError, DecryptionError, MalformedMessage, UnknownSerial
from wechatpay_async.protocol import v3

PATH = "/v3/certificates"
#: Beside it, SM2 certificates come as `AEAD_SM4_GCM`; whoever asks for both algorithms gets entries of both.
_ALGORITHM = "AEAD_AES_256_GCM"
_PUBLIC_KEY_MODE = "this merchant uses the public-key mode: WeChat Pay has no platform certificates for it"
_PUBLIC_KEY_CURE = (
    "give its public key, certs={'PUB_KEY_ID_…': 'pub_key.pem'}; both are in the merchant platform under account centre, API security"
)


def public_key_mode() -> ConfigError:
    """What to tell a merchant that has only a public key, and nothing to download."""
    return ConfigError("platform_keys", _PUBLIC_KEY_MODE, hint=_PUBLIC_KEY_CURE)


def download_error(status: int, headers: Mapping[str, str], body: bytes) -> ConfigError | APIError | None:
    """What a download that is no list of certificates means; None for a 200.

    A merchant in public-key mode gets 404 as a rule, with the code `RESOURCE_NOT_EXISTS` or `NOT_FOUND`; a 500 has been seen too, and
    then only the hint can say so.
    """
    if status == 200:
        return None
    if status == 404:
        return public_key_mode()
    error = v3.api_error(status, headers, body)
    if status == 500:
        error.hint = f"repeat later; if it stays, perhaps {_PUBLIC_KEY_MODE}: {_PUBLIC_KEY_CURE}"
    return error


def read_certificates(body: bytes, apiv3_key: bytes) -> dict[str, PlatformKey]:
    """The platform certificates of a reply, by serial; empty for a merchant in public-key mode.

    The AEAD with the APIv3 key proves that they are WeChat Pay's. Raises `DecryptionError` (wrong APIv3 key), `MalformedMessage`.
    """
    envelope = v3.decode_json(body)
    entries: object = cast("dict[str, object]", envelope).get("data") if isinstance(envelope, dict) else None
    if not isinstance(entries, list):
        raise MalformedMessage("certificates: expected a list under data")
    keys = [_read_certificate(entry, apiv3_key, place) for place, entry in enumerate(cast("Sequence[object]", entries))]
    return {key.serial: key for key in keys if key is not None}


def check_reply(headers: Mapping[str, str], body: bytes, now: float, known: Mapping[str, PlatformKey]) -> None:
    """Verify the signature of a download with the keys in `known`. `now` is in seconds. Raises a `SignatureError`."""
    signature = v3.signature_headers(headers)
    v3.check_timestamp(signature, now)
    key = known.get(signature.serial)
    if key is None:
        raise UnknownSerial(
            "the certificates are signed with a key that is not held", hint="they are not taken over", serial=signature.serial
        )
    v3.check_signature(key.public_key, signature, body)


def _read_certificate(entry: object, apiv3_key: bytes, place: int) -> PlatformKey | None:
    """One certificate of the list; None for one of another algorithm."""
    path = f"certificates.data[{place}]"
    if not isinstance(entry, dict):
        raise MalformedMessage(f"{path}: expected an object, got {type(entry).__name__}")
    fields = cast("dict[str, object]", entry)
    serial, sealed = fields.get("serial_no"), fields.get("encrypt_certificate")
    if not isinstance(serial, str) or not isinstance(sealed, dict):
        raise MalformedMessage(f"{path}: expected serial_no and encrypt_certificate")
    resource = cast("dict[str, Any]", sealed)
    if resource.get("algorithm") != _ALGORITHM:
        return None
    try:
        return load_platform_key(serial, v3.decrypt_resource(resource, apiv3_key), parameter=path)
    except DecryptionError as error:
        raise DecryptionError(error.message, hint=error.hint, field=path) from None
    except ConfigError as error:
        raise MalformedMessage(error.message) from None
