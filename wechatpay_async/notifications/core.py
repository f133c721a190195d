"""From headers and body to what a notification says: pure functions, one a step, cheap checks first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wechatpay_async.crypto import rsa
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.errors import BadSignature, DecryptionError, MalformedMessage, RequestError
from wechatpay_async.protocol import sensitive
from wechatpay_async.protocol.v3 import (
    NONCE_HEADER,
    SERIAL_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SignatureHeaders,
    check_signature,
    decode_json,
    decrypt_resource,
    signature_headers,
)

#: Bytes. A genuine notification has a few thousand.
LARGEST_BODY = 1 << 20

_LOWER_CASE = itemgetter(*(name.lower() for name in (TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER, SERIAL_HEADER)))
_BEIJING = timezone(timedelta(hours=8))
_RAW_BODY = "FastAPI and starlette: await request.body(); aiohttp: await request.read(); Django: request.body; Flask: request.get_data()"


class Envelope(NamedTuple):
    """The outside of a notification, before its resource is opened."""

    id: str
    event_type: str
    create_time: datetime
    summary: str
    resource_type: str
    original_type: str
    resource: Mapping[str, Any]


def raw_body(body: object) -> bytes:
    """The body as bytes, exactly as they came. Raises `RequestError` for what a framework has already changed."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, bytearray):
        return bytes(body)
    kind = type(body).__name__
    raise RequestError(f"the body must be the raw bytes, got {kind}: the signature covers them, and parsing loses them", hint=_RAW_BODY)


def check_shape(body: bytes) -> None:
    """Refuse what cannot be an APIv3 notification, before any key is touched. Raises `MalformedMessage`."""
    if len(body) > LARGEST_BODY:
        raise MalformedMessage(f"the body has {len(body)} bytes; {LARGEST_BODY} are the limit")
    if body[:1] != b"{" and body.lstrip()[:1] == b"<":
        raise MalformedMessage(
            "the body is XML: an APIv2 notification",
            hint="a refund made without notify_url, or in the merchant platform, notifies in APIv2 XML to the address that is set there, "
            "whatever API made the payment (https://pay.weixin.qq.com/doc/v3/merchant/4013071200): send notify_url with each refund, "
            "or give the APIv2 secret and parse it as APIv2",
        )


def read_signature(headers: Mapping[str, str]) -> SignatureHeaders:
    """The four `Wechatpay-*` headers, their names in any case. Raises `MissingSignature`, or `RequestError` for what is no mapping."""
    if not hasattr(headers, "items"):
        raise RequestError(f"headers must be a mapping of names to values, got {type(headers).__name__}", hint="dict(pairs)")
    try:
        # Servers hand over lower-case names, or a mapping that does not mind the case: then there is no need to walk all of them.
        direct = _LOWER_CASE(headers)
        if all(direct) and "".join(direct):
            return SignatureHeaders(*direct)
    except (KeyError, TypeError):  # another case, or a value that is no text
        pass
    texts = ((_header_text(name), _header_text(value)) for name, value in headers.items())
    return signature_headers({name: value for name, value in texts if name is not None and value is not None})


def verify(key: PlatformKey, headers: SignatureHeaders, body: bytes) -> None:
    """Check the signature, with a hint that fits the body. Raises `BadSignature`."""
    try:
        check_signature(key.public_key, headers, body)
    except BadSignature as error:
        if not error.probe and looks_reserialised(body):
            error.hint = f"the body looks re-serialised, and the signature covers the raw bytes. {_RAW_BODY}"
        raise


def looks_reserialised(body: bytes) -> bool:
    """Whether the body has traces of a JSON library that WeChat Pay's own compact JSON does not have."""
    return b'": ' in body or b'", "' in body or b"\\u" in body


def read_envelope(body: bytes, signed_at: int) -> Envelope:
    """The outside of a verified notification. Raises `MalformedMessage` that names the field.

    `signed_at` (seconds) stands in for a `create_time` that is absent or in a form that nobody has seen: money must not wait for a date.
    """
    message = decode_json(body)
    if not isinstance(message, dict):
        raise MalformedMessage(f"expected a JSON object, got {type(message).__name__}")
    fields = cast("dict[str, Any]", message)
    resource = fields.get("resource")
    if not isinstance(resource, dict):
        raise MalformedMessage(f"resource: expected an object, got {type(resource).__name__}")
    number, event_type = fields.get("id"), fields.get("event_type")
    if not (isinstance(number, str) and isinstance(event_type, str) and number and event_type):
        raise MalformedMessage("id and event_type: expected text in both")
    return Envelope(
        number,
        event_type,
        _moment(fields.get("create_time"), signed_at),
        _text(fields.get("summary")),
        _text(fields.get("resource_type")),
        _text(cast("dict[str, Any]", resource).get("original_type")),
        cast("dict[str, Any]", resource),
    )


def open_resource(resource: Mapping[str, Any], ciphers: tuple[AESGCM, ...]) -> dict[str, Any] | None:
    """The decrypted resource, or None if no key opens it. Raises `MalformedMessage` for a shape that the protocol does not know."""
    for cipher in ciphers:
        try:
            plaintext = decrypt_resource(resource, cipher)
        except DecryptionError:
            continue
        value = decode_json(plaintext)
        if not isinstance(value, dict):
            raise MalformedMessage(f"the decrypted resource is no JSON object but {type(value).__name__}")
        return cast("dict[str, Any]", value)
    return None


def open_fields(resource: dict[str, Any], event_type: str, private_key: RSAPrivateKey) -> dict[str, Any]:
    """The resource with the fields opened that a few events encrypt once more, for the merchant's certificate.

    A value that is no ciphertext stays as it came. Raises `DecryptionError` that names the field for one that is, and does not open.
    """
    plan = _sealed_fields(event_type)
    if plan is None:
        return resource

    def opened(text: str) -> bytes:
        return rsa.oaep_decrypt(private_key, text) if rsa.is_ciphertext(private_key, text) else text.encode()

    fields: dict[str, Any] = sensitive.unseal(resource, plan, opened, root="resource")
    return fields


@lru_cache(maxsize=256)
def _sealed_fields(event_type: str) -> sensitive.Plan | None:
    from wechatpay_async import catalog

    event = catalog.event(event_type, api="v3")
    return None if event is None else sensitive.event_plan(event)


def _header_text(value: object) -> str | None:
    """A header's name or value as text; ASGI has them as bytes."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None


def _text(value: object) -> str:
    """A field that nothing depends on: what is no text counts as absent, so that no event is refused for it."""
    return value if isinstance(value, str) else ""


def _moment(value: object, signed_at: int) -> datetime:
    """RFC 3339, or the 14 digits (Beijing time) that some products send: https://pay.weixin.qq.com/doc/v3/merchant/4012312222."""
    if isinstance(value, str):
        try:
            moment = datetime.strptime(value, "%Y%m%d%H%M%S") if len(value) == 14 else datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=_BEIJING)
    return datetime.fromtimestamp(signed_at, _BEIJING)
