"""Finds out why a signature fails, by trying the usual mistakes until one of them fits."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote, unquote_plus, urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from wechatpay_async.crypto import rsa
from wechatpay_async.crypto.keys import PUBLIC_KEY_ID_PREFIX, same_key
from wechatpay_async.errors import DecryptionError, MalformedMessage, MissingSignature
from wechatpay_async.merchant import Merchant
from wechatpay_async.protocol import v3

__all__ = ["LINES", "Finding", "NotificationMaterial", "RequestMaterial", "Verdict", "compare", "explain_notification", "explain_request"]

#: What the five lines of a signed message are.
LINES = ("method", "request target", "timestamp", "nonce", "body")
_FIELDS = ("mchid", "nonce_str", "signature", "timestamp", "serial_no")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, in the order of looking."""

    part: str
    good: bool
    english: str
    chinese: str


@dataclass
class Verdict:
    """What was found; `cause` is a name of `CAUSES`, or empty where nothing is wrong."""

    cause: str = ""
    findings: list[Finding] = field(default_factory=list[Finding])

    def good(self, part: str, english: str, chinese: str) -> None:
        """Note what is right."""
        self.findings.append(Finding(part, good=True, english=english, chinese=chinese))

    def wrong(self, cause: str, part: str, english: str, chinese: str) -> None:
        """Note what is wrong; the first cause is the verdict."""
        self.findings.append(Finding(part, good=False, english=english, chinese=chinese))
        self.cause = self.cause or cause


@dataclass(frozen=True)
class RequestMaterial:
    """What is known of a request that was refused with `SIGN_ERROR`: as it was sent, as it was signed, as the server saw it."""

    method: str = ""
    target: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    signed: bytes | None = None
    seen: bytes | None = None

    @property
    def is_sent(self) -> bool:
        """Whether the request itself is known."""
        return bool(self.method and self.target)


@dataclass(frozen=True)
class NotificationMaterial:
    """A notification, or a signed answer: headers and raw body."""

    headers: Mapping[str, str]
    body: bytes


def explain_request(material: RequestMaterial, merchant: Merchant | None = None, *, now: float) -> Verdict:
    """Why the server refused a request. `now` is in seconds; with the merchant's settings more can be told."""
    verdict = Verdict()
    fields = _authorization(material, verdict)
    if fields and not verdict.cause:
        _check_fields(fields, merchant, now, verdict)
    if verdict.cause:
        return verdict
    expected = _expected(material, fields)
    if material.signed is not None and (reference := expected if expected is not None else material.seen) is not None:
        _compare_with(material.signed, reference, verdict, truncated=expected is None)
    elif material.signed is not None:
        _check_alone(material.signed, verdict)
    elif expected is not None and merchant is not None:
        _try_variants(material, fields, expected, merchant.private_key.public_key(), verdict)
    return verdict


def explain_notification(material: NotificationMaterial, merchant: Merchant | None = None, *, now: float) -> Verdict:
    """Why a notification or an answer was refused."""
    verdict = Verdict()
    if _check_shape(material.body, verdict):
        return verdict
    try:
        headers = v3.signature_headers(material.headers)
    except MissingSignature as error:
        verdict.wrong("header_missing", "headers", error.message, f"缺少：{error.message.removeprefix('missing ')}")
        return verdict
    if headers.signature.startswith(v3.PROBE_PREFIX):
        verdict.wrong("probe", v3.SIGNATURE_HEADER, f"begins with {v3.PROBE_PREFIX}", f"以 {v3.PROBE_PREFIX} 开头")
        return verdict
    _check_clock(headers.timestamp, now, v3.TIMESTAMP_HEADER, verdict)
    if merchant is not None:
        _check_reply_signature(headers, material.body, merchant, verdict)
        if not verdict.cause or verdict.cause == "clock":
            _check_resource(material.body, merchant, verdict)
    return verdict


def compare(signed: bytes, seen: bytes, *, truncated: bool = False) -> str:
    """The cause for which two messages differ, or "" where they are the same; `truncated`: the second may be cut off."""
    if signed == seen or (truncated and len(seen) < len(signed) and signed.startswith(seen)):
        return ""
    if signed + b"\n" == seen or (truncated and not signed.endswith(b"\n") and len(_split(signed)) < len(LINES)):
        return "no_final_newline"
    if b"\r\n" in signed and signed.replace(b"\r\n", b"\n") == seen:
        return "crlf"
    ours, theirs = _split(signed), _split(seen)
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other and not (truncated and number == len(theirs) - 1 and mine.startswith(other)):
            return _cause_of_line(number, mine, other, ours, theirs)
    return "body_differs"


def _cause_of_line(number: int, mine: bytes, other: bytes, ours: list[bytes], theirs: list[bytes]) -> str:
    match LINES[number]:
        case "method":
            return "method_case"
        case "request target":
            return _cause_of_target(mine.decode("utf-8", "replace"), other.decode("utf-8", "replace"))
        case "timestamp":
            if len(mine) == 13 and mine.isdigit():
                return "milliseconds"
            return "order_swapped" if len(theirs) > 3 and mine == theirs[3] else "timestamp_differs"
        case "nonce":
            return "nonce_differs"
        case _:
            return _cause_of_body(mine.removesuffix(b"\n"), other.removesuffix(b"\n"), ours)


def _cause_of_target(mine: str, other: str) -> str:
    if mine.startswith(("http://", "https://")):
        return "host_in_target"
    if "?" in other and "?" not in mine and other.split("?")[0] == mine:
        return "query_missing"
    if unquote_plus(mine) == unquote_plus(other):
        return "query_encoding"
    return "target_differs"


def _cause_of_body(mine: bytes, other: bytes, ours: list[bytes]) -> str:
    if not mine and other:
        return "body_missing"
    if mine and not other:
        return "body_extra"
    if b"Content-Disposition: form-data" in mine:
        return "body_multipart"
    if (parsed := _parsed(mine)) is not None and parsed == _parsed(other):
        return "body_reserialised"
    if ours and _decoded(mine, "gbk") is not None and _decoded(mine, "utf-8") is None:
        return "body_encoding"
    return "body_differs"


def _authorization(material: RequestMaterial, verdict: Verdict) -> dict[str, str]:
    """The fields of the Authorization header; empty where none was given."""
    header = _header(material.headers, "authorization")
    if header is None:
        if material.is_sent:
            verdict.wrong("authorization_malformed", "Authorization", "the header is missing", "缺少该请求头")
        return {}
    scheme, _, rest = header.partition(" ")
    expected = v3.BRAND_SCHEME if material.target.startswith(v3.BRAND_PREFIX) else v3.SCHEME
    if scheme != expected:
        verdict.wrong("scheme", "Authorization", f"the scheme is {scheme[:40]!r}", f"认证类型是 {scheme[:40]!r}")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    account = "brand_id" if expected == v3.BRAND_SCHEME else "mchid"
    missing = [name for name in (account, *_FIELDS[1:]) if not fields.get(name)]
    if missing:
        verdict.wrong("authorization_malformed", "Authorization", f"missing {', '.join(missing)}", f"缺少 {', '.join(missing)}")
    elif re.search(r'",\s', rest):
        verdict.wrong("authorization_malformed", "Authorization", "white space after a comma", "逗号后有空白")
    elif not verdict.cause:
        verdict.good("Authorization", "the scheme and all fields are there", "认证类型和各字段齐全")
    return fields


def _check_fields(fields: Mapping[str, str], merchant: Merchant | None, now: float, verdict: Verdict) -> None:
    _check_serial(fields["serial_no"], merchant, verdict)
    if merchant is not None and fields.get("mchid", merchant.mchid) != merchant.mchid:
        verdict.wrong(
            "mchid_differs", "mchid", f"{fields['mchid']}, configured is {merchant.mchid}", f"{fields['mchid']}，配置的是 {merchant.mchid}"
        )
    _check_clock(fields["timestamp"], now, "timestamp", verdict)
    _check_signature_text(fields["signature"], verdict)


def _check_serial(serial: str, merchant: Merchant | None, verdict: Verdict) -> None:
    platform = {key.serial for key in merchant.platform_keys} if merchant else set[str]()
    if serial.startswith(PUBLIC_KEY_ID_PREFIX) or serial in platform:
        verdict.wrong("serial_is_platform", "serial_no", f"{serial} is WeChat Pay's", f"{serial} 是微信支付的")
    elif merchant is not None and serial != merchant.serial:
        verdict.wrong("serial_differs", "serial_no", f"{serial}, configured is {merchant.serial}", f"{serial}，配置的是 {merchant.serial}")
    elif merchant is not None:
        verdict.good("serial_no", "the configured certificate's", "是所配置证书的序列号")


def _check_clock(timestamp: str, now: float, part: str, verdict: Verdict) -> None:
    if not timestamp.isdigit():
        verdict.wrong("clock", part, f"{timestamp[:20]!r} is no number", f"{timestamp[:20]!r} 不是数字")
    elif len(timestamp) == 13:
        verdict.wrong("milliseconds", part, f"{timestamp} has 13 digits", f"{timestamp} 有 13 位")
    elif abs(distance := now - int(timestamp)) >= v3.TOLERANCE:
        side, side_zh = ("old", "之前") if distance > 0 else ("ahead", "之后")
        verdict.wrong("clock", part, f"{abs(distance):.0f} s {side}", f"{abs(distance):.0f} 秒{side_zh}")
    else:
        verdict.good(part, f"{abs(distance):.0f} s from now", f"与现在相差 {abs(distance):.0f} 秒")


def _check_signature_text(signature: str, verdict: Verdict) -> None:
    try:
        size = len(base64.b64decode(signature, validate=True))
    except (binascii.Error, ValueError):
        verdict.wrong("signature_encoding", "signature", "no base64", "不是 base64")
        return
    if re.fullmatch(r"[0-9A-Fa-f]{32,512}", signature) or size % 128:
        verdict.wrong(
            "signature_encoding", "signature", f"{size} bytes, an RSA-2048 signature has 256", f"{size} 字节，RSA-2048 签名是 256 字节"
        )
    else:
        verdict.good("signature", f"base64 of {size} bytes", f"{size} 字节的 base64")


def _expected(material: RequestMaterial, fields: Mapping[str, str]) -> bytes | None:
    """The message that the request should have been signed over."""
    if not (material.is_sent and fields):
        return None
    body = _meta(material) or material.body
    return v3.request_message(material.method, _target(material.target), fields["timestamp"], fields["nonce_str"], body)


def _target(target: str) -> str:
    if not target.startswith(("http://", "https://")):
        return target
    parts = urlsplit(target)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _meta(material: RequestMaterial) -> bytes | None:
    """The text of the part `meta`, where the request is an upload."""
    if not (_header(material.headers, "content-type") or "").startswith("multipart/form-data"):
        return None
    found = re.search(rb'name="meta"[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n(.*?)\r?\n--', material.body, re.DOTALL)
    return found[1] if found else None


def _compare_with(signed: bytes, reference: bytes, verdict: Verdict, *, truncated: bool) -> None:
    """Go through the lines of two messages."""
    cause = compare(signed, reference, truncated=truncated)
    if not cause:
        verdict.good("message", "signed and seen are the same", "签名串与服务器看到的一致")
        verdict.wrong("key_mismatch", "private key", "the messages are equal and the signature is refused", "签名串一致，签名却被拒绝")
        return
    ours, theirs = _split(signed), _split(reference)
    for number, name in enumerate(LINES):
        mine = ours[number] if number < len(ours) else b""
        other = theirs[number] if number < len(theirs) else b""
        part = f"line {number + 1}, {name}"
        if mine == other or (truncated and number == len(theirs) - 1 and mine.startswith(other)):
            verdict.good(part, "the same", "一致")
        else:
            verdict.wrong(cause, part, f"signed {_shown(mine)}, seen {_shown(other)}", f"签名时 {_shown(mine)}，服务器看到 {_shown(other)}")
    verdict.cause = cause
    if all(finding.good for finding in verdict.findings):
        verdict.wrong(cause, "message", "the ends of the messages differ", "签名串的结尾不同")


def _check_alone(signed: bytes, verdict: Verdict) -> None:
    """What a signed message shows by itself."""
    lines = _split(signed)
    if b"\r\n" in signed:
        verdict.wrong("crlf", "message", "has \\r\\n", "含有 \\r\\n")
    elif not signed.endswith(b"\n") or signed.count(b"\n") < len(LINES):
        verdict.wrong(
            "no_final_newline",
            "message",
            f"{signed.count(10)} newlines, at least 5 belong there",
            f"只有 {signed.count(10)} 个换行，至少应有 5 个",
        )
    elif not lines[0].isupper():
        verdict.wrong("method_case", "line 1, method", _shown(lines[0]), _shown(lines[0]))
    elif not lines[1].startswith(b"/"):
        verdict.wrong("host_in_target", "line 2, request target", _shown(lines[1]), _shown(lines[1]))
    elif len(lines[2]) == 13:
        verdict.wrong("milliseconds", "line 3, timestamp", _shown(lines[2]), _shown(lines[2]))
    else:
        verdict.good("message", "five lines in the right form", "五行，格式正确")
        verdict.wrong("key_mismatch", "private key", "nothing is wrong with the message", "签名串没有问题")


def _try_variants(material: RequestMaterial, fields: Mapping[str, str], expected: bytes, key: RSAPublicKey, verdict: Verdict) -> None:
    """Look for the message that the signature does fit."""
    signature = fields["signature"]
    if rsa.verify(key, expected, signature):
        verdict.good("signature", "fits the request and the configured key", "与请求及所配置的密钥相符")
        verdict.wrong("registration", "certificate", "WeChat Pay refuses it all the same", "微信支付仍然拒绝")
        return
    for cause, message in _request_variants(material, fields, expected):
        if rsa.verify(key, message, signature):
            verdict.wrong(cause, "signature", f"fits this message instead: {_shown(message)}", f"与另一个签名串相符：{_shown(message)}")
            return
    verdict.wrong("message_or_key", "signature", "fits no variant of the request", "与请求的任何变化都不符")


def _request_variants(material: RequestMaterial, fields: Mapping[str, str], expected: bytes) -> Iterator[tuple[str, bytes]]:
    """The messages of the usual mistakes."""
    method, target, body = material.method, _target(material.target), _meta(material) or material.body
    timestamp, nonce = fields["timestamp"], fields["nonce_str"]

    def message(*, method: str = method, target: str = target, timestamp: str = timestamp, nonce: str = nonce, body: bytes = body) -> bytes:
        return v3.request_message(method, target, timestamp, nonce, body)

    yield "no_final_newline", expected[:-1]
    yield "crlf", expected.replace(b"\n", b"\r\n")
    yield "method_case", message(method=method.lower())
    for host in ("https://api.mch.weixin.qq.com", "api.mch.weixin.qq.com"):
        yield "host_in_target", message(target=host + target)
    yield "query_missing", message(target=target.split("?")[0])
    for decoded in {unquote(target), unquote_plus(target), target.replace("+", "%20"), target.replace("%20", "+")} - {target}:
        yield "query_encoding", message(target=decoded)
    yield "milliseconds", message(timestamp=f"{timestamp}000")
    yield "order_swapped", message(timestamp=nonce, nonce=timestamp)
    yield "body_missing", message(body=b"")
    if material.body != body:
        yield "body_multipart", message(body=material.body)
    if not body:
        yield from (("body_extra", message(body=extra)) for extra in (b"{}", b"null", b'""', b"[]"))
    yield from (("body_reserialised", message(body=other)) for other in _reserialised(body))
    if (text := _decoded(body, "utf-8")) is not None and not text.isascii():
        yield "body_encoding", message(body=text.encode("gbk", "replace"))


def _reserialised(body: bytes) -> Iterable[bytes]:
    """One JSON body as the usual libraries write it."""
    value = _parsed(body)
    if value is None:
        return
    written = set[str]()
    for ascii_only in (True, False):
        for sort in (False, True):
            written.add(json.dumps(value, ensure_ascii=ascii_only, sort_keys=sort))
            written.add(json.dumps(value, ensure_ascii=ascii_only, sort_keys=sort, separators=(",", ":")))
            written.add(json.dumps(value, ensure_ascii=ascii_only, sort_keys=sort, separators=(",", ":")).replace("/", "\\/"))
            written.update(json.dumps(value, ensure_ascii=ascii_only, sort_keys=sort, indent=indent) for indent in (2, 4))
    for text in written:
        yield text.encode()
        yield text.encode() + b"\n"


def _check_shape(body: bytes, verdict: Verdict) -> bool:
    """Look at the body from outside; true where that says enough."""
    start = body.lstrip()[:100].lower()
    if not body:
        verdict.wrong("empty_body", "body", "0 bytes", "0 字节")
    elif start.startswith((b"<!doctype html", b"<html")):
        verdict.wrong("html", "body", f"{len(body)} bytes of HTML", f"{len(body)} 字节的 HTML")
    elif start.startswith(b"<"):
        verdict.wrong("xml", "body", f"{len(body)} bytes of XML", f"{len(body)} 字节的 XML")
    return bool(verdict.cause)


def _check_reply_signature(headers: v3.SignatureHeaders, body: bytes, merchant: Merchant, verdict: Verdict) -> None:
    keys = {key.serial: key.public_key for key in merchant.platform_keys}
    own = next((serial for serial, key in keys.items() if same_key(merchant.private_key, key)), None)
    key = keys.get(headers.serial)
    if headers.serial == merchant.serial:
        verdict.wrong("serial_is_merchants", v3.SERIAL_HEADER, headers.serial, headers.serial)
    elif key is None:
        kind = "public_key_not_held" if headers.serial.startswith(PUBLIC_KEY_ID_PREFIX) else "certificate_not_held"
        held = ", ".join(keys) or "none"
        verdict.wrong(kind, v3.SERIAL_HEADER, f"{headers.serial}; held: {held}", f"{headers.serial}；持有：{held}")
    elif own is not None:
        verdict.wrong("platform_key_is_merchants", "certs", f"{own} is the merchant's own key", f"{own} 是商户自己的密钥")
    else:
        verdict.good(v3.SERIAL_HEADER, "a key that is held", "持有该公钥")
        _fit_reply(headers, body, key, {serial: other for serial, other in keys.items() if other is not key}, verdict)


def _fit_reply(headers: v3.SignatureHeaders, body: bytes, key: RSAPublicKey, others: Mapping[str, RSAPublicKey], verdict: Verdict) -> None:
    """Look for the body that the signature does fit."""

    def fits(candidate: bytes, with_key: RSAPublicKey = key) -> bool:
        return rsa.verify(with_key, v3.reply_message(headers.timestamp, headers.nonce, candidate), headers.signature)

    part = v3.SIGNATURE_HEADER
    if fits(body):
        verdict.good(part, "fits the raw body", "与原始正文相符")
        return
    for cause, candidate in _body_variants(body):
        if fits(candidate):
            verdict.wrong(cause, part, f"fits this body instead: {_shown(candidate)}", f"与另一个正文相符：{_shown(candidate)}")
            return
    for serial, other in others.items():
        if fits(body, other):
            verdict.wrong("key_under_other_serial", part, f"fits the key filed under {serial}", f"与放在 {serial} 下的公钥相符")
            return
    cause = "body_reserialised" if _looks_reserialised(body) else "not_json" if _parsed(body) is None else "body_or_key"
    verdict.wrong(cause, part, "fits no variant of the body", "与正文的任何变化都不符")


def _body_variants(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "trailing_white_space", body.rstrip()
    yield "byte_order_mark", body.removeprefix(b"\xef\xbb\xbf")
    yield "crlf", body.replace(b"\r\n", b"\n")
    if (text := _decoded(body, "gbk")) is not None:
        yield "body_encoding", text.encode()
    if (text := _decoded(body, "utf-8")) is not None and (bytes_again := _encoded(text, "latin-1")) is not None:
        yield "body_encoding", bytes_again
    yield from (("body_reserialised", other) for other in _reserialised(body))


def _looks_reserialised(body: bytes) -> bool:
    """WeChat Pay's own JSON is compact and has no escapes for Chinese."""
    return b'": ' in body or b"\\u" in body or b"\n " in body


def _check_resource(body: bytes, merchant: Merchant, verdict: Verdict) -> None:
    value = _parsed(body)
    if value is None:
        verdict.wrong("not_json", "body", f"{len(body)} bytes", f"{len(body)} 字节")
        return
    resource = cast("dict[str, Any]", value).get("resource") if isinstance(value, dict) else None
    if not isinstance(resource, dict):
        return
    if merchant.apiv3_key is None:
        verdict.wrong("apiv3_key_missing", "resource", "cannot be opened", "无法解密")
        return
    fields = cast("dict[str, Any]", resource)
    try:
        v3.decrypt_resource(fields, merchant.apiv3_key)
    except DecryptionError:
        signed = any(finding.good and finding.part == v3.SIGNATURE_HEADER for finding in verdict.findings)
        verdict.wrong("apiv3_key_wrong" if signed else "associated_data_changed", "resource", "does not open", "打不开")
    except MalformedMessage as error:
        verdict.wrong("associated_data_changed", "resource", str(error), str(error))
    else:
        verdict.good("resource", "opens with the APIv3 key", "可用 APIv3 密钥解密")


def _split(message: bytes) -> list[bytes]:
    """The lines of a message; the body is the rest, newlines included."""
    lines = message.split(b"\n", 4)
    if len(lines) == len(LINES):
        lines[4] = lines[4].removesuffix(b"\n")
    return lines


def _shown(value: bytes) -> str:
    text = value.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 120 else f"{text[:117]}...")


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)


def _parsed(body: bytes) -> object | None:
    try:
        return cast("object", json.loads(body))
    except (ValueError, RecursionError):
        return None


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _encoded(text: str, encoding: str) -> bytes | None:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return None
