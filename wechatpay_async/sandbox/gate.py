"""The gateway's checks of an APIv3 request, before any business looks at it.

Statuses and codes: https://pay.weixin.qq.com/doc/v3/merchant/4012081717 and https://pay.weixin.qq.com/doc/v3/merchant/4012365342.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from .parties import Merchant
from .seal import signature_fits
from .wire import Call, Refusal, Request, as_array, as_object

__all__ = ["Gate", "read_json"]

SCHEME = "WECHATPAY2-SHA256-RSA2048"
BRAND_SCHEME = "WECHATPAY-BRAND-SHA256-RSA2048"
#: Seconds that a request's timestamp may be away from the platform's clock.
TOLERANCE = 300

_PAIR = r'[a-z_]+="[^"]*"'
_CREDENTIALS = re.compile(rf"{_PAIR}(?:,{_PAIR})*")
_NONCE = re.compile(r"[0-9A-Za-z]{1,32}")
#: The length at which `truncated_sign_message` is cut.
_SHOWN = 1024


@dataclass(frozen=True)
class Credentials:
    """What the `Authorization` header says."""

    account: str
    nonce: str
    signature: str
    timestamp: int
    serial: str


class Gate:
    """Lets a request in, or raises the `Refusal` that the official gateway would give.

    It remembers nonces for as long as their timestamps are acceptable: the same request cannot come in twice.
    """

    def __init__(self, merchants: Mapping[str, Merchant]) -> None:
        self._merchants = merchants
        self._nonces: dict[tuple[str, str], int] = {}
        self._spent: deque[tuple[str, str]] = deque()

    def admit(self, request: Request, call: Call, now: float, *, signed_body: bytes | None = None) -> Merchant:
        """The merchant that signed the request.

        `signed_body` is what stands in the message in place of the body: the `meta` of an upload.
        """
        check_headers(request)
        credentials = read_authorization(request)
        call.mchid = credentials.account
        check_timestamp(credentials, now)
        merchant = self._merchants.get(credentials.account)
        if merchant is None:
            _sign_error("mchid", f"商户号 {credentials.account} 不存在", "mchid unknown")
        if credentials.serial != merchant.serial:
            _sign_error("serial_no", "商户证书序列号有误，请使用签名私钥匹配的商户证书序列号", "serial_no is not this merchant's")
        self._check_signature(request, call, credentials, merchant, request.body if signed_body is None else signed_body)
        self.spend_nonce(credentials, now)
        return merchant

    def _check_signature(self, request: Request, call: Call, credentials: Credentials, merchant: Merchant, body: bytes) -> None:
        message = f"{request.method}\n{request.target}\n{credentials.timestamp}\n{credentials.nonce}\n".encode() + body + b"\n"
        shown = message.decode("utf-8", "replace")
        call.expected_message, call.signature = shown, credentials.signature
        call.signature_fits = signature_fits(merchant.private_key.public_key(), message, credentials.signature)
        if not call.signature_fits:
            raise Refusal(
                401,
                "SIGN_ERROR",
                "签名错误，请检查后再试",
                {
                    "field": "signature",
                    "location": "authorization",
                    "detail": {"issue": "sign not match"},
                    "sign_information": {
                        "method": request.method,
                        "url": request.target,
                        "truncated_sign_message": shown[:_SHOWN],
                        "sign_message_length": len(message),
                    },
                },
                signed=False,
            )

    def spend_nonce(self, credentials: Credentials, now: float) -> None:
        """Let a nonce be used once. Raises `Refusal` for one that was."""
        while self._spent and now - self._nonces[self._spent[0]] > TOLERANCE:
            del self._nonces[self._spent.popleft()]
        key = (credentials.account, credentials.nonce)
        used_at = self._nonces.get(key)
        if used_at is None:
            self._spent.append(key)
        elif abs(now - used_at) <= TOLERANCE:
            _sign_error("nonce_str", "随机串 nonce_str 重复，请求可能被重放", "nonce_str was used before")
        self._nonces[key] = credentials.timestamp


def check_headers(request: Request) -> None:
    """`Accept` and `User-Agent` must both be there, and the answer's JSON must be acceptable."""
    accept = request.headers.get("accept", "")
    if not accept or not request.headers.get("user-agent", ""):
        raise Refusal(400, "PARAM_ERROR", "Http头缺少Accept或User-Agent", {"location": "header"}, signed=False)
    kinds = {part.partition(";")[0].strip() for part in accept.split(",")}
    if not kinds & {"application/json", "application/*", "*/*"}:
        raise Refusal(400, "PARAM_ERROR", "Http头Accept须为application/json", {"location": "header", "field": "Accept"}, signed=False)


def read_authorization(request: Request) -> Credentials:
    """The parts of the `Authorization` header; the scheme and the name of the account go by the path."""
    brand = request.path.startswith("/brand/")
    scheme, account_name = (BRAND_SCHEME, "brand_id") if brand else (SCHEME, "mchid")
    given, _, rest = request.headers.get("authorization", "").partition(" ")
    if not rest:
        _sign_error("authorization", "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》", "header missing or malformed")
    if given != scheme:
        _sign_error("authorization", f"Http头Authorization认证类型不正确，须为 {scheme}", f"unknown scheme {given}")
    if not _CREDENTIALS.fullmatch(rest):
        _sign_error("authorization", "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》", "pairs malformed")
    pairs = [pair.split("=", 1) for pair in re.findall(_PAIR, rest)]
    values = {name: value[1:-1] for name, value in pairs}
    if len(pairs) != len(values) or set(values) != {account_name, "nonce_str", "signature", "timestamp", "serial_no"}:
        _sign_error("authorization", "Http头Authorization的字段缺失或重复", "names missing, doubled or unknown")
    if not _NONCE.fullmatch(values["nonce_str"]):
        _sign_error("nonce_str", "Http头Authorization中的nonce_str须为32个字符以内的字母或数字", "nonce_str malformed")
    if not re.fullmatch(r"[0-9]{10}", values["timestamp"], re.ASCII):
        _sign_error("timestamp", "Http头Authorization中的timestamp须为以秒为单位的时间戳", "timestamp malformed")
    return Credentials(values[account_name], values["nonce_str"], values["signature"], int(values["timestamp"]), values["serial_no"])


def check_timestamp(credentials: Credentials, now: float) -> None:
    """Five minutes, either side."""
    if abs(now - credentials.timestamp) > TOLERANCE:
        _sign_error("timestamp", "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟", "timestamp out of range")


def _sign_error(field: str, message: str, issue: str) -> NoReturn:
    detail = {"field": field, "location": "authorization", "detail": {"issue": issue}}
    raise Refusal(401, "SIGN_ERROR", message, detail, signed=False)


def read_json(request: Request) -> Any:
    """The body as JSON, refusing what the gateway refuses: another content type, `null`, a name twice, characters beyond the BMP."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" or parameters.strip().lower() not in {"", "charset=utf-8"}:
        raise Refusal(400, "PARAM_ERROR", "Http头Content-Type须为application/json", {"location": "header", "field": "Content-Type"})
    try:
        data = json.loads(request.body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "PARAM_ERROR", "请求中含有无法解析的JSON", {"location": "body"}) from None
    _refuse_null_and_emoji(data, "/body")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse_null_and_emoji(value: Any, where: str) -> None:
    if value is None:
        raise Refusal(400, "PARAM_ERROR", f"输入源“{where}”不能为null", {"location": "body", "field": where})
    if isinstance(value, str):
        if not value.isascii() and any(not _in_plane_zero(letter) for letter in value):
            raise Refusal(400, "PARAM_ERROR", f"输入源“{where}”含有不支持的字符", {"location": "body", "field": where})
    elif (members := as_object(value)) is not None:
        for name, member in members.items():
            _refuse_null_and_emoji(name, where)
            _refuse_null_and_emoji(member, f"{where}/{name}")
    else:
        for index, item in enumerate(as_array(value) or []):
            _refuse_null_and_emoji(item, f"{where}/{index}")


def _in_plane_zero(letter: str) -> bool:
    return letter <= "\uffff" and not "\ud800" <= letter <= "\udfff"
