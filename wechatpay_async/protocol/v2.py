"""APIv2 as pure functions: a call's fields to signed bytes, and a reply's bytes to checked values or to the error that it stands for.

A call is `build_request(operation, data, …)`, its answer `read_reply(operation, headers, body, …)`; what is signed, with which digest and
under which name the merchant number travels is read from the facts of the operation.
Source of the signature: https://pay.weixin.qq.com/doc/v2/merchant/4011985891
"""

from __future__ import annotations

import codecs
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from wechatpay_async.catalog.model import Operation, Schema
from wechatpay_async.catalog.model import Value as Fact
from wechatpay_async.crypto.digests import hmac_sha256_hex, md5_hex
from wechatpay_async.errors import (
    APIError,
    AuthError,
    BadSignature,
    ConfigError,
    Conflict,
    InvalidData,
    InvalidRequest,
    MalformedMessage,
    MissingSignature,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestError,
    ServerError,
    SignatureError,
)
from wechatpay_async.protocol import v3, xml

SignType: TypeAlias = Literal["MD5", "HMAC-SHA256"]

SIGN_TYPES: Final = cast("tuple[SignType, ...]", get_args(SignType))
CONTENT_TYPE: Final = "text/xml; charset=utf-8"
SECRET_LENGTH: Final = 32
#: The names under which the caller's merchant number travels.
MERCHANT_NAMES: Final = ("mch_id", "mchid", "combine_mch_id")
#: The names under which the caller's appid travels.
APPID_NAMES: Final = ("appid", "combine_appid", "wxappid", "mch_appid")

_HMAC_DIGITS: Final = 64
_KEPT_BODY: Final = 4096
_NUMBER_DIGITS: Final = 3
# What WeCom's own signature covers. Source: https://developer.work.weixin.qq.com/document/path/90281
_WORKWX_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "/mmpaymkttransfers/sendworkwxredpack": (
        "act_name",
        "mch_billno",
        "mch_id",
        "nonce_str",
        "re_openid",
        "total_amount",
        "wxappid",
    ),
    "/mmpaymkttransfers/promotion/paywwsptrans2pocket": (
        "amount",
        "appid",
        "desc",
        "mch_id",
        "nonce_str",
        "openid",
        "partner_trade_no",
        "ww_msg_type",
    ),
}
# APIv2 answers 200 whatever happened, so the class goes by the code; those of the same meaning as in APIv3 have APIv3's class.
_CLASS_BY_CODE: Final[Mapping[str, type[APIError]]] = {
    **dict.fromkeys(
        ("SYSTEMERROR", "SYSTEM_ERROR", "SERVICE_UNAVAILABLE", "BANKERROR", "BIZERR_NEED_RETRY"),
        ServerError,
    ),
    **dict.fromkeys(
        ("FREQUENCY_LIMITED", "FREQUENCY_LIMIT_EXCEED", "RATELIMIT_EXCEEDED", "RATE_LIMITED", "FREQ_LIMIT"),
        RateLimited,
    ),
    **dict.fromkeys(("SIGNERROR", "SIGN_ERROR", "CA_ERROR"), AuthError),
    **dict.fromkeys(
        (
            "ACCOUNTERROR",
            "ACCOUNT_ERROR",
            "AMOUNT_LIMIT",
            "MONEY_LIMIT",
            "NOAUTH",
            "NO_AUTH",
            "NOTENOUGH",
            "NOT_ENOUGH",
            "OUT_TRADE_NO_USED",
            "RULELIMIT",
            "RULE_LIMIT",
            "TRADE_ERROR",
            "USER_ACCOUNT_ABNORMAL",
            "V2_ACCOUNT_SIMPLE_BAN",
        ),
        PermissionDenied,
    ),
    **dict.fromkeys(
        ("NOT_FOUND", "ORDERNOTEXIST", "ORDER_NOT_EXIST", "REFUNDNOTEXIST", "REFUND_NOT_EXIST", "RESOURCE_NOT_EXISTS"),
        NotFound,
    ),
    **dict.fromkeys(("USERPAYING", "PROCESSING"), Conflict),
}
_CLASS_BY_STATUS: Final[Mapping[int, type[APIError]]] = {
    401: AuthError,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}
# Accepted and not finished: neither done nor refused.
_UNFINISHED: Final = frozenset({"USERPAYING", "PROCESSING"})
_HINTS: Final[Mapping[str, str]] = {
    "SYSTEMERROR": "the outcome is unknown: query, or repeat with the same parameters",
    "BANKERROR": "the outcome is unknown: query before anything else",
    "USERPAYING": "the user is entering a password: query every 5 s, reverse after 30 s; wxpay.flows.micropay does it",
    "PROCESSING": "accepted and not finished: query with the same number later",
    "SIGNERROR": "is `secret` the APIv2 key that is set in the merchant platform today?",
    "CA_ERROR": "is merchant_cert the merchant's current API certificate?",
    "NOAUTH": "apply for this product in the merchant platform; a partner also needs the sub-merchant's authorisation",
    "NOTENOUGH": "the balance is too low",
    "APPID_MCHID_NOT_MATCH": "bind the appid to this merchant number in the merchant platform",
    "OUT_TRADE_NO_USED": "an order with this out_trade_no and other parameters exists: query it, or use a new number for a new order",
    "FREQUENCY_LIMITED": "slow down, then repeat",
}


@dataclass(frozen=True, slots=True)
class V2Request:
    """What goes on the wire for one call: the fields are in `body` (POST), `query` (GET) or `form` (the text parts of an upload).

    A POST has a `query` beside its body where the facts document one; nothing of that is signed.
    """

    body: bytes = field(default=b"", repr=False)
    query: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    form: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    content_type: str | None = None
    #: The appid that was sent: the reply must be about it.
    appid: str | None = None


def check_secret(secret: str | bytes, *, parameter: str = "secret") -> bytes:
    """The APIv2 secret as bytes. Raises `ConfigError` unless it has 32 ASCII characters."""
    if not isinstance(secret, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise ConfigError(parameter, f"expected text or bytes, got {type(secret).__name__}")
    try:
        key = secret.encode("ascii") if isinstance(secret, str) else bytes(secret)
    except UnicodeEncodeError:
        raise ConfigError(parameter, "has characters that are not ASCII") from None
    if len(key) != SECRET_LENGTH:
        raise ConfigError(
            parameter,
            f"expected {SECRET_LENGTH} characters, got {len(key)}",
            hint="the APIv2 key is set in the merchant platform, under account settings, API security",
        )
    return key


def string_to_sign(fields: Mapping[str, object]) -> str:
    """`k=v&…`, sorted by the bytes of the names, without `sign`, empty values and `None`."""
    names = [name for name, value in fields.items() if name != "sign" and value is not None and value != ""]
    # Code points and UTF-8 bytes sort alike.
    names.sort()
    return "&".join([f"{name}={fields[name]}" for name in names])


def sign(fields: Mapping[str, object], secret: bytes, sign_type: SignType = "MD5") -> str:
    """The signature of the fields, in upper-case hexadecimal. Raises `ConfigError` where MD5 is forbidden by the machine's policy."""
    message = string_to_sign(fields).encode() + b"&key=" + secret
    digest = md5_hex(message) if sign_type == "MD5" else hmac_sha256_hex(secret, message)
    return digest.upper()


def workwx_sign(fields: Mapping[str, object], names: Iterable[str], agent_secret: str) -> str:
    """WeCom's second signature: MD5 over the fields of these names, with the secret of the paying WeCom application."""
    chosen = {name: fields[name] for name in names if name in fields}
    return md5_hex(f"{string_to_sign(chosen)}&secret={agent_secret}".encode()).upper()


def check_sign(values: Mapping[str, Any], secret: bytes) -> None:
    """Verify the `sign` of a reply or a notification: 64 digits are HMAC-SHA256, others MD5.

    Raises `MissingSignature`, `BadSignature`, and `MalformedMessage` for an element that stands twice or has others inside, since no
    signature covers that.
    """
    for name, value in values.items():
        if not isinstance(value, str):
            raise MalformedMessage(f"{name}: stands twice or has elements inside, and the message is signed")
    received: str = values.get("sign", "")
    if not received:
        raise MissingSignature("the message has no sign", hint="WeChat Pay signs this message: it may come from somebody else")
    sign_type: SignType = "HMAC-SHA256" if len(received) == _HMAC_DIGITS else "MD5"
    expected = sign(values, secret, sign_type)
    if not hmac.compare_digest(expected.encode(), received.upper().encode()):
        raise BadSignature(
            f"the {sign_type} signature does not fit", hint="is `secret` the APIv2 key that is set in the merchant platform?"
        )


def check_addressee(values: Mapping[str, Any], mchid: str, appid: str | None = None) -> None:
    """Refuse a message that is about another merchant or another appid. Raises `SignatureError`."""
    for name in MERCHANT_NAMES:
        if values.get(name) and str(values[name]) != mchid:
            raise SignatureError(f"{name}: the message is about another merchant than {mchid}")
    for name in APPID_NAMES:
        if appid and values.get(name) and values[name] != appid:
            raise SignatureError(f"{name}: the message is about another appid than {appid}")


def build_request(
    operation: Operation | None,
    data: Mapping[str, object],
    *,
    mchid: str,
    secret: bytes,
    nonce: str,
    agent_secret: str | None = None,
    method: str = "POST",
) -> V2Request:
    """Complete, sign and serialise the fields of one call.

    `data` holds the fields of the XML body, of the query (GET) or the text parts of an upload: text, integers, booleans; a mapping or a
    list becomes JSON text; `None` and "" are left out. The merchant number, `nonce_str`, `sign_type`, `workwx_sign` and `sign` are added
    as the facts want them. `nonce` has up to 32 characters, `agent_secret` is the secret of the WeCom application. `operation` is `None`
    for a path outside the catalogue, and then `method` counts.
    Raises `InvalidData` and `RequestError`, before anything is sent.
    """
    facts = _request_facts(operation)
    beside = _unsigned_query(operation, facts)
    query = {name: _text(name, data[name]) for name in beside if name in data}
    fields = {name: text for name, value in data.items() if name not in query and name != "sign" and (text := _text(name, value))}
    _add_merchant_number(fields, facts, mchid)
    if (operation is None or operation.nonce) and (not facts or "nonce_str" in facts):
        fields.setdefault("nonce_str", nonce)
    sign_type = _choose_sign_type(fields, facts, operation)
    if operation is not None and "workwx_sign" in facts:
        _add_workwx_sign(fields, operation, agent_secret)
    if not facts or "sign" in facts:
        fields["sign"] = sign(fields, secret, sign_type)
    appid = next((fields[name] for name in APPID_NAMES if name in fields), None)
    if (method if operation is None else operation.method) == "GET":
        return V2Request(query=fields, appid=appid)
    if operation is not None and operation.is_upload:
        return V2Request(form=fields, appid=appid)
    return V2Request(body=xml.build("xml", fields), query=query, content_type=CONTENT_TYPE, appid=appid)


def read_reply(
    operation: Operation | None,
    headers: Mapping[str, str],
    body: bytes,
    *,
    mchid: str,
    secret: bytes,
    appid: str | None = None,
    status: int = 200,
) -> Any:
    """The checked values of a reply: a dict (XML, JSON), bytes (a bill, a page), `None` (nothing documented, nothing came).

    The server's error is looked for first, then the signature is verified unless the facts say that there is none, then the reply must be
    about this merchant and this `appid`. The values of XML are text, as they came; an element that the facts call a list is a list.
    Raises `APIError` and its subclasses, `SignatureError` and its subclasses, `MalformedMessage`.
    """
    documented = _reply_schema(operation)
    kind = _kind_of(body)
    if operation is not None and documented is None:
        return _read_page(headers, body, status)
    if kind == "other":
        return _read_table(operation, headers, body, status)
    try:
        values = _read_xml(body) if kind == "xml" else _read_json(body)
    except MalformedMessage:
        if status < 400:
            raise
        error = _api_error({}, status, headers, body)
        if status == 400 and operation is not None and operation.client_cert:
            error.hint = "the gateway answers so where no client certificate was shown, or another merchant's"
        raise error from None
    if status >= 400 or _is_error(values):
        raise _api_error(values, status, headers, body)
    if _is_signed(operation):
        check_sign(values, secret)
    check_addressee(values, mchid, appid)
    return _shaped(values, documented) if documented else values


def fold_numbered(values: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    """The same values with numbered fields folded into lists, under the documented name.

    `coupon_id_0` and `coupon_id_1` become `{"coupon_id_$n": […, …]}`, `coupon_id_0_0` becomes `{"coupon_id_$n_$m": [[…]]}`; a number that
    is left out becomes `None`.
    """
    documented = _properties(_reply_schema(operation))
    folded: dict[str, Any] = {}
    for name, value in values.items():
        base, last = _number_at_end(name)
        outer, first = _number_at_end(base)
        if first is not None and last is not None and (template := f"{outer}_$n_$m") in documented:
            row = _extended(folded.setdefault(template, []), first)
            row[first] = row[first] or []
            _extended(row[first], last)[last] = value
        elif last is not None and (template := f"{base}_$n") in documented:
            _extended(folded.setdefault(template, []), last)[last] = value
        else:
            folded[name] = value
    return folded


def _request_facts(operation: Operation | None) -> Mapping[str, Fact]:
    """The documented fields of a call by name; empty where nothing is known."""
    if operation is None:
        return {}
    if operation.method == "GET":
        return {parameter["name"]: parameter for parameter in operation.query_params}
    if operation.is_upload:
        return {parameter["name"]: parameter for parameter in operation.form}
    return _properties(operation.body)


def _unsigned_query(operation: Operation | None, facts: Mapping[str, Fact]) -> list[str]:
    """The names of the query that a POST has beside its body."""
    if operation is None or operation.method == "GET":
        return []
    return [parameter["name"] for parameter in operation.query_params if parameter["name"] not in facts]


def _required(operation: Operation, name: str) -> bool:
    if operation.body is not None:
        return name in operation.body.get("required", ())
    return any(parameter["name"] == name and parameter["required"] for parameter in (*operation.query_params, *operation.form))


def _properties(schema: Schema | None) -> Mapping[str, Schema]:
    return schema.get("properties", {}) if schema else {}


def _text(name: str, value: object) -> str:
    """The one form of a value in which it is signed and sent; "" for what is left out."""
    xml.check_name(name, "$")
    if isinstance(value, str):
        xml.check_text(value, f"$.{name}")
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (Mapping, list, tuple)):
        return v3.encode_json(value).decode()
    raise InvalidData(
        f"$.{name}", f"is a {type(value).__name__}, which has no one form in XML", hint="give text; amounts are integers in fen"
    )


def _add_merchant_number(fields: dict[str, str], facts: Mapping[str, Fact], mchid: str) -> None:
    for name in MERCHANT_NAMES:
        if fields.get(name, mchid) != mchid:
            raise InvalidData(
                f"$.{name}",
                f"{fields[name]!r} is not this client's merchant number, {mchid}",
                hint="leave it out, or use the client of that merchant; a sub-merchant's number goes into sub_mch_id",
            )
    if not facts:
        if not any(name in fields for name in MERCHANT_NAMES):
            fields["mch_id"] = mchid
        return
    for name in MERCHANT_NAMES:
        if name in facts:
            fields[name] = mchid


def _choose_sign_type(fields: dict[str, str], facts: Mapping[str, Fact], operation: Operation | None) -> SignType:
    """The digest of this call, asked for or documented; it is sent along unless it is the default of the protocol, MD5."""
    asked = fields.get("sign_type")
    if asked is not None:
        return _known_sign_type(asked)
    fact = facts.get("sign_type")
    if operation is None or fact is None:
        return "MD5"
    example = fact.get("example")
    allowed = fact.get("enum") or [str(example)]
    if "MD5" in allowed and not _required(operation, "sign_type"):
        return "MD5"
    chosen = _known_sign_type(str(example if example in allowed else allowed[0]))
    fields["sign_type"] = chosen
    return chosen


def _known_sign_type(text: str) -> SignType:
    for known in SIGN_TYPES:
        if text == known:
            return known
    raise InvalidData("$.sign_type", f"{text[:32]!r} is not known", hint=" or ".join(SIGN_TYPES))


def _add_workwx_sign(fields: dict[str, str], operation: Operation, agent_secret: str | None) -> None:
    if "workwx_sign" in fields:
        return
    if agent_secret is None:
        raise RequestError(
            f"{operation.id} wants workwx_sign, and the secret of the WeCom application is not known",
            hint="give agent_secret, or workwx_sign itself",
        )
    fields["workwx_sign"] = workwx_sign(fields, _WORKWX_FIELDS[operation.path], agent_secret)


def _reply_schema(operation: Operation | None) -> Schema | None:
    return None if operation is None else operation.responses.get("200")


def _is_signed(operation: Operation | None) -> bool:
    """Whether the reply must carry a signature: the facts neither flag it unsigned nor list its fields without a `sign`."""
    if operation is None:
        return True
    documented = _properties(_reply_schema(operation))
    return operation.response_signed and (not documented or "sign" in documented)


def _kind_of(body: bytes) -> Literal["xml", "json", "other"]:
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "xml"
    head = body[:64].removeprefix(codecs.BOM_UTF8).lstrip()
    if head.startswith(b"<"):
        return "xml"
    return "json" if head.startswith(b"{") else "other"


def _read_xml(body: bytes) -> dict[str, Any]:
    root, values = xml.parse(body)
    if root != "xml" or not isinstance(values, dict):
        raise MalformedMessage(f"expected <xml> with elements, got <{root[:32]}>")
    if not isinstance(values.get("return_code"), str):
        raise MalformedMessage("return_code: absent, or not one text")
    return values


def _read_json(body: bytes) -> dict[str, Any]:
    values = v3.decode_json(body.removeprefix(codecs.BOM_UTF8))
    if "retcode" not in values and "code" not in values:
        raise MalformedMessage("the JSON has neither retcode nor code")
    return cast("dict[str, Any]", values)


def _read_page(headers: Mapping[str, str], body: bytes, status: int) -> bytes | None:
    """A page for the user's browser, or the error that came in its place."""
    try:
        values = _read_xml(body)
    except MalformedMessage:
        values = {}
    if status >= 400 or _is_error(values):
        raise _api_error(values, status, headers, body)
    return body or None


def _read_table(operation: Operation | None, headers: Mapping[str, str], body: bytes, status: int) -> bytes:
    """A bill or another table, as it came."""
    if status >= 400:
        raise _api_error({}, status, headers, body)
    if _is_signed(operation) or not body:
        raise MalformedMessage(f"expected XML, got {_content_type(headers)}, {len(body)} bytes")
    return body


def _is_error(values: Mapping[str, Any]) -> bool:
    if values.get("return_code", "SUCCESS") != "SUCCESS" or values.get("result_code", "SUCCESS") != "SUCCESS":
        return True
    return "code" in values or values.get("retcode", 0) not in (0, "0")


def _api_error(values: Mapping[str, Any], status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    code = _first_text(values, ("err_code", "error_code", "code", "retcode"))
    message = _first_text(values, ("err_code_des", "return_msg", "retmsg", "result_msg", "message"))
    error_class = _CLASS_BY_CODE.get(code) or _CLASS_BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequest)
    error = error_class(
        status,
        code,
        message or f"HTTP {status}, {_content_type(headers)}, {len(body)} bytes",
        {name: value for name, value in values.items() if name != "sign"} or None,
        _header(headers, v3.REQUEST_ID_HEADER),
        hint=_HINTS.get(code.replace("_", "")) or _HINTS.get(code),
        headers=headers,
        body=body[:_KEPT_BODY],
    )
    if code in _UNFINISHED:
        error.outcome_unknown = True
    return error


def _first_text(values: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first that says something: `return_msg` is `OK` where the business result is the error."""
    texts = (str(values.get(name, "")) for name in names)
    return next((text for text in texts if text not in ("", "0", "OK", "SUCCESS")), "")


def _content_type(headers: Mapping[str, str]) -> str:
    return _header(headers, "content-type") or "no content type"


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def _shaped(values: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """The same values with a list wherever the facts know one: an element that stands once does not look repeated."""
    documented = _properties(schema)
    return {name: _shape(value, documented.get(name)) for name, value in values.items()}


def _shape(value: object, fact: Schema | None) -> object:
    kind = fact.get("type") if fact else None
    if fact is not None and kind == "array":
        items = cast("list[object]", value) if isinstance(value, list) else [value] if value else []
        return [_shape(item, fact.get("items")) for item in items]
    if fact is not None and kind == "object":
        return _shaped(cast("dict[str, Any]", value), fact) if isinstance(value, dict) else value or {}
    return value


def _number_at_end(name: str) -> tuple[str, int | None]:
    """`coupon_id_0` in its two parts; a number is `None` where there is none or a list of that length would be absurd."""
    base, separator, digits = name.rpartition("_")
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _NUMBER_DIGITS and (digits == "0" or digits[0] != "0")
    return (base, int(digits)) if separator and is_number else (name, None)


def _extended(items: list[Any], index: int) -> list[Any]:
    items.extend([None] * (index + 1 - len(items)))
    return items
