"""APIv3 as pure functions: the messages that are signed, the headers that carry signatures, and what an error body says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from wechatpay_async.crypto import rsa
from wechatpay_async.errors import (
    APIError,
    AuthError,
    BadSignature,
    Conflict,
    InvalidData,
    InvalidRequest,
    MalformedMessage,
    MissingSignature,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    StaleTimestamp,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
BRAND_SCHEME: Final = "WECHATPAY-BRAND-SHA256-RSA2048"
BRAND_PREFIX: Final = "/brand/"
#: Seconds between a signature's timestamp and the clock from which on it is refused.
TOLERANCE: Final = 300
PROBE_PREFIX: Final = "WECHATPAY/SIGNTEST/"

TIMESTAMP_HEADER: Final = "Wechatpay-Timestamp"
NONCE_HEADER: Final = "Wechatpay-Nonce"
SIGNATURE_HEADER: Final = "Wechatpay-Signature"
SERIAL_HEADER: Final = "Wechatpay-Serial"
REQUEST_ID_HEADER: Final = "Request-ID"

_SIGNATURE_HEADERS = tuple(name.lower() for name in (TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER, SERIAL_HEADER))
_KEPT_BODY = 4096
_BIGGEST = 1 << 63
_TO_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_DECODER = json.JSONDecoder()
_WHITE_SPACE = " \t\r\n"
_LINE_NAMES = ("method", "request target", "timestamp", "nonce", "body")
_CLASS_BY_STATUS: Mapping[int, type[APIError]] = {
    400: InvalidRequest,
    401: AuthError,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}
# The codes that decide whatever the status is: some arrive with another status than the official table's.
_CLASS_BY_CODE: Mapping[str, type[APIError]] = {
    "SIGN_ERROR": AuthError,
    "FREQUENCY_LIMITED": RateLimited,
    "FREQUENCY_LIMIT_EXCEED": RateLimited,
    "RATELIMIT_EXCEEDED": RateLimited,
    "RATE_LIMITED": RateLimited,
    "SYSTEM_ERROR": ServerError,
    "SERVICE_UNAVAILABLE": ServerError,
}
_HINTS: Mapping[str, str] = {
    "SIGN_ERROR": "the private key must belong to the certificate whose serial is sent; compare the two messages line by line",
    "APPID_MCHID_NOT_MATCH": "bind the appid to this merchant number in the merchant platform",
    "MCH_NOT_EXISTS": "check the merchant number",
    "NO_AUTH": "apply for this product in the merchant platform; a partner also needs the sub-merchant's authorisation",
    "OUT_TRADE_NO_USED": "an order with this out_trade_no and other parameters exists: query it, or use a new number for a new order",
    "STATEMENT_CREATING": "the bill is being made: come back after 10:00 Asia/Shanghai",
    "NO_STATEMENT_EXIST": "there was nothing to bill on that day",
    "FREQUENCY_LIMITED": "slow down, then repeat",
    "SYSTEM_ERROR": "the outcome is unknown: query, or repeat with the same parameters",
}


class SignatureHeaders(NamedTuple):
    """The four headers that a signed reply or notification carries."""

    timestamp: str
    nonce: str
    signature: str
    serial: str


def request_message(method: str, target: str, timestamp: int | str, nonce: str, body: bytes) -> bytes:
    """The five lines that a request's signature covers. `target` is the path and query exactly as sent.

    Source: https://pay.weixin.qq.com/doc/v3/merchant/4012365342
    """
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def reply_message(timestamp: str, nonce: str, body: bytes) -> bytes:
    """The three lines that a reply's or a notification's signature covers, on the raw body.

    Source: https://pay.weixin.qq.com/doc/v3/merchant/4013053249
    """
    return f"{timestamp}\n{nonce}\n".encode("utf-8", "surrogatepass") + body + b"\n"


def authorization(scheme: str, account: str, nonce: str, signature: str, timestamp: int | str, serial: str) -> str:
    """The `Authorization` header. `account` is the merchant number, or the brand's id under the brand scheme."""
    account_field = "brand_id" if scheme == BRAND_SCHEME else "mchid"
    return f'{scheme} {account_field}="{account}",nonce_str="{nonce}",signature="{signature}",timestamp="{timestamp}",serial_no="{serial}"'


def signature_headers(headers: Mapping[str, str]) -> SignatureHeaders:
    """Read the four headers, their names compared without case. Raises `MissingSignature` that names what is absent."""
    by_name = {name.lower(): value for name, value in headers.items()}
    values = [by_name.get(name, "") for name in _SIGNATURE_HEADERS]
    if not all(values):
        names = (TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER, SERIAL_HEADER)
        absent = ", ".join(name for name, value in zip(names, values, strict=True) if not value)
        raise MissingSignature(
            f"missing {absent}",
            hint="a proxy or a framework may drop headers; an answer that does not come from WeChat Pay has none",
            request_id=by_name.get(REQUEST_ID_HEADER.lower()),
            serial=by_name.get(SERIAL_HEADER.lower()),
        )
    return SignatureHeaders(*values)


def check_timestamp(headers: SignatureHeaders, now: float) -> None:
    """Refuse a signature that is 300 s or more away from `now` (seconds since the epoch). Raises `StaleTimestamp`."""
    text = headers.timestamp
    # int() would also take "+1", " 1" and digits of other scripts, which no genuine message has.
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise StaleTimestamp("Wechatpay-Timestamp is not a number of seconds", serial=headers.serial)
    distance = now - int(text)
    if not -TOLERANCE < distance < TOLERANCE:
        side = "behind" if distance > 0 else "ahead of"
        raise StaleTimestamp(
            f"the signature's timestamp is {abs(distance):.0f} s {side} the clock; {TOLERANCE} s are the limit",
            hint="check this machine's clock (NTP); otherwise an old message is being replayed",
            serial=headers.serial,
        )


def check_signature(key: RSAPublicKey, headers: SignatureHeaders, body: bytes) -> None:
    """Verify a reply or a notification with the key that its serial names. Raises `BadSignature`."""
    message = reply_message(headers.timestamp, headers.nonce, body)
    if rsa.verify(key, message, headers.signature):
        return
    probe = headers.signature.startswith(PROBE_PREFIX)
    raise BadSignature(
        "a probe: WeChat Pay signed this wrong on purpose, to see it refused" if probe else "the signature does not fit the raw body",
        hint="answer a notification with an error and it is sent again; a read can be repeated"
        if probe
        else f"is the key filed under {headers.serial} WeChat Pay's own, and is the body the raw one?",
        serial=headers.serial,
        probe=probe,
    )


def encode_json(value: Any) -> bytes:
    """The final bytes of a JSON body: UTF-8, compact, nothing changed in silence.

    Raises `InvalidData` that names the field, for what JSON or the server cannot take: `None`, NaN, bytes, keys that are not text,
    characters beyond the Basic Multilingual Plane (emoji), integers beyond 64 bits, a value within itself.
    """
    try:
        _refuse(value, "$")
        return _TO_JSON(value).encode("utf-8")
    except RecursionError:
        raise InvalidData("$", "is nested too deeply, or holds itself") from None


def api_error(status: int, headers: Mapping[str, str], body: bytes, *, signed_message: bytes | None = None) -> APIError:
    """The error that an answer stands for, as the class that its code and status call for. Never raises.

    `signed_message` is what this client signed; it is shown beside the server's for `SIGN_ERROR`.
    """
    by_name = {name.lower(): value for name, value in headers.items()}
    envelope = error_envelope(body)
    code = str(envelope.get("code") or "")
    message = str(envelope.get("message") or "") or _describe_body(status, by_name, body)
    detail = envelope.get("detail")
    error_class = _CLASS_BY_CODE.get(code) or _CLASS_BY_STATUS.get(status) or (ServerError if status >= 500 else APIError)
    hint = _HINTS.get(code)
    signed = server = None
    if code == "SIGN_ERROR" and signed_message is not None:
        signed = signed_message.decode("utf-8", "replace")
        server = _server_message(envelope)
        hint = _difference(signed, server) or hint
    return error_class(
        status,
        code,
        message,
        detail,
        by_name.get(REQUEST_ID_HEADER.lower()),
        hint=hint,
        headers=headers,
        body=body[:_KEPT_BODY],
        signed_message=signed,
        server_message=server,
        retry_after=_seconds(by_name.get("retry-after")),
    )


def error_envelope(body: bytes) -> dict[str, Any]:
    """The `{code, message, detail}` of an error body; empty where the body is none (empty, HTML)."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def decode_json(body: bytes) -> Any:
    """The value of a JSON body. Raises `MalformedMessage`."""
    try:
        # The protocol says UTF-8, so there is nothing to guess; `json.loads` would spend a third of its time on that and on white space.
        text = body.decode().strip(_WHITE_SPACE)
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"the body is no JSON: {type(error).__name__}, {len(body)} bytes") from None
    if end != len(text):
        raise MalformedMessage(f"the body is no JSON: something follows the value, {len(body)} bytes")
    return value


def decrypt_resource(resource: Mapping[str, Any], apiv3_key: bytes | AESGCM) -> bytes:
    """Open the `resource` of a notification, or the `encrypt_certificate` of a certificate download, with the APIv3 key or its `AESGCM`.

    Raises `MalformedMessage` for a shape that the protocol does not know, `DecryptionError` for a key that does not fit.
    """
    algorithm = resource.get("algorithm")
    if algorithm != "AEAD_AES_256_GCM":
        raise MalformedMessage(f"resource.algorithm: expected AEAD_AES_256_GCM, got {_kind(algorithm)}")
    nonce, ciphertext, associated_data = resource.get("nonce"), resource.get("ciphertext"), resource.get("associated_data")
    if associated_data is None:  # null and absence both stand for none
        associated_data = ""
    if not (isinstance(nonce, str) and isinstance(ciphertext, str) and isinstance(associated_data, str)):
        values = {"nonce": nonce, "ciphertext": ciphertext, "associated_data": associated_data}
        name, value = next((name, value) for name, value in values.items() if not isinstance(value, str))
        raise MalformedMessage(f"resource.{name}: expected text, got {type(value).__name__}")
    # A JSON string can hold half a surrogate pair; that is a wrong nonce, not a crash.
    from wechatpay_async.crypto import aes  # a service that only makes calls decrypts nothing

    return aes.gcm_decrypt(apiv3_key, nonce.encode("utf-8", "surrogatepass"), ciphertext, associated_data.encode("utf-8", "surrogatepass"))


def _refuse(value: object, path: str) -> None:
    """Raise for the first value that must not be sent."""
    if isinstance(value, str):
        if not value.isascii():
            _refuse_text(value, path)
    elif isinstance(value, int):  # bool is one
        if not -_BIGGEST <= value < _BIGGEST:
            raise InvalidData(path, "is an integer beyond 64 bits")
    elif isinstance(value, float):
        if value - value != 0.0:
            raise InvalidData(path, f"is {value}, which JSON does not know")
    elif isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            if not isinstance(key, str):
                raise InvalidData(path, f"has a key of type {type(key).__name__}", hint="keys are text")
            if not key.isascii():
                _refuse_text(key, path)
            _refuse(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(cast("Sequence[object]", value)):
            _refuse(item, f"{path}[{index}]")
    elif value is None:
        raise InvalidData(path, "is None", hint="WeChat Pay refuses null: leave the field out")
    else:
        raise InvalidData(path, f"is a {type(value).__name__}, which JSON does not know", hint=_CURES.get(type(value).__name__))


def _refuse_text(text: str, path: str) -> None:
    if (worst := max(text)) > "\uffff":
        raise InvalidData(path, f"has a character beyond the BMP (U+{ord(worst):X})", hint="WeChat Pay refuses emoji: leave them out")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidData(path, "has half a surrogate pair", hint="the text was decoded wrongly")


_CURES: Mapping[str, str] = {
    "bytes": "decode it to text",
    "Decimal": "amounts are integers in fen: int(yuan * 100)",
    "datetime": "RFC 3339 text with the offset: value.isoformat(timespec='seconds')",
    "date": "text: value.isoformat()",
    "set": "a list",
}


def _kind(value: object) -> str:
    """What came, without giving away a value of any length."""
    return repr(value[:32]) if isinstance(value, str) else type(value).__name__


def _seconds(text: str | None) -> float | None:
    """`Retry-After` in its form of seconds; the form of a date is not used by WeChat Pay."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else None


def _describe_body(status: int, headers: Mapping[str, str], body: bytes) -> str:
    if not body:
        return f"HTTP {status} with an empty body"
    return f"HTTP {status} with a body that is no error envelope ({headers.get('content-type', 'no content type')}, {len(body)} bytes)"


def _server_message(envelope: Mapping[str, Any]) -> str | None:
    """`truncated_sign_message`, wherever the server nested it this time."""
    pending: list[object] = [envelope]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            found = cast("dict[object, object]", value).get("truncated_sign_message")
            if isinstance(found, str):
                return found
            pending.extend(cast("dict[object, object]", value).values())
        elif isinstance(value, list):
            pending.extend(cast("list[object]", value))
    return None


def _difference(signed: str, server: str | None) -> str | None:
    """Which of the five lines is not the one that the server saw."""
    if server is None:
        return None
    ours, theirs = signed.split("\n", 4), server.split("\n", 4)
    for name, mine, seen in zip(_LINE_NAMES, ours, theirs, strict=False):
        # The server cuts the message short, so its last line may be a beginning only.
        if mine != seen and not (seen is theirs[-1] and mine.startswith(seen)):
            return f"the {name} differs: signed {mine[:200]!r}, the server saw {seen[:200]!r}"
    return "both sides signed the same message: the private key does not belong to the serial that was sent"
