"""What a merchant's server answers to a notification: the exact status, headers and body.

A plain event is acknowledged without a body. A few are questions, which want facts in the body, some of them signed.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from wechatpay_async.crypto import rsa
from wechatpay_async.errors import InvalidData, RequestError
from wechatpay_async.protocol.v3 import SCHEME, authorization, encode_json, reply_message
from wechatpay_async.settings import check_kind

_JSON: Final = MappingProxyType({"Content-Type": "application/json"})
#: A failure's message is for people who read WeChat Pay's logs; longer ones serve nobody.
_LONGEST_MESSAGE = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, for whatever server sends it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def accepted(self) -> bool:
        """Whether WeChat Pay takes the notification as delivered, and does not send it again."""
        return self.status in (200, 204)


def ack() -> Answer:
    """The notification is dealt with: 204 without a body (https://pay.weixin.qq.com/doc/v3/merchant/4012791861)."""
    return Answer(204)


def fail(message: str, *, status: int = 500) -> Answer:
    """The notification is not dealt with, and shall be sent again: a 4xx or 5xx `status` with `{"code": "FAIL", "message": …}`.

    Raises `RequestError` for another status: WeChat Pay would take the notification as delivered.
    """
    check_failure(message, status)
    text = message[:_LONGEST_MESSAGE]
    return Answer(status, _JSON, json.dumps({"code": "FAIL", "message": text}, ensure_ascii=True).encode("ascii"))


def check_failure(message: object, status: object) -> None:
    """Refuse a failure that would not be one. Raises `RequestError`."""
    if not isinstance(message, str):
        raise RequestError(f"the message of a failure: expected text, got {type(message).__name__}")
    if not isinstance(status, int) or not 400 <= status < 600:
        raise RequestError(f"the status of a failure: {status!r:.20}", hint="4xx or 5xx; anything else ends the deliveries")


class CollectionCode(TypedDict):
    """Answer to `CROSS_BORDER_PAY.GET_MCH_INFO`: what the scanned code collects for."""

    acq_tid: str
    #: Fen; for a code with a fixed amount.
    fix_recv_amount: NotRequired[int]
    mch_id: str
    sub_mch_id: NotRequired[str]
    limit_bank_acc_type: Literal["UNLIMIT", "NO_CREDIT"]
    client_ip: str


class PushedOrder(TypedDict):
    """Answer to `CROSS_BORDER_PAY.PUSH_ORDER_INFO`: the order that was made for the payer."""

    acq_tid: str
    prepay_id: str
    #: RFC 3339.
    expire_time: str
    client_ip: str


class ParkingFee(TypedDict):
    """Answer to `PARKING_FEE.QUERY_TRANS_INFO`: what the parking costs now. Amounts in fen, times in seconds."""

    total_amount: NotRequired[int]
    parking_timestamp: NotRequired[int]
    parking_state: NotRequired[str]
    pay_state: NotRequired[str]
    allowed_exit_timestamp: NotRequired[int]
    next_raise_price: NotRequired[int]
    next_raise_timestamp: NotRequired[int]
    payable_amount: NotRequired[int]
    paid_amount: NotRequired[int]


class RetentionCoupon(TypedDict):
    """The coupon of a `Retention`."""

    state: Literal["SEND_COUPON", "UNUSED_COUPON", "NOT_SEND_COUPON"]
    coupon_id: NotRequired[str]


class Retention(TypedDict):
    """Answer to `ENTRUST.TERMINATE_RETENTION`: what is offered to a user who is about to end a contract."""

    retention_type: Literal["COUPON"]
    coupon_info: RetentionCoupon


BusinessAnswer: TypeAlias = CollectionCode | PushedOrder | ParkingFee | Retention


class Question(NamedTuple):
    """How an event that is a question wants to be answered. `seconds` is how long the sender waits."""

    required: tuple[str, ...]
    signed: bool
    seconds: float
    page: str


#: The events that are questions. They are asked again after every time-out, so each one is answered afresh.
QUESTIONS: Final[Mapping[str, Question]] = MappingProxyType(
    {
        "CROSS_BORDER_PAY.GET_MCH_INFO": Question(
            required=("acq_tid", "mch_id", "limit_bank_acc_type", "client_ip"),
            signed=True,
            seconds=3.0,
            page="https://pay.weixin.qq.com/doc/v3/institution/4019762388",
        ),
        "CROSS_BORDER_PAY.PUSH_ORDER_INFO": Question(
            required=("acq_tid", "prepay_id", "expire_time", "client_ip"),
            signed=True,
            seconds=3.0,
            page="https://pay.weixin.qq.com/doc/v3/institution/4019762399",
        ),
        "PARKING_FEE.QUERY_TRANS_INFO": Question(
            required=(), signed=False, seconds=3.0, page="https://pay.weixin.qq.com/doc/v3/partner/4024070065"
        ),
        "ENTRUST.TERMINATE_RETENTION": Question(
            required=(), signed=False, seconds=1.0, page="https://pay.weixin.qq.com/doc/v3/merchant/4012312222"
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs an answer: a merchant, with its certificate's serial and its private key."""

    mchid: str
    serial: str
    private_key: RSAPrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        check_kind("mchid", self.mchid, str, "text", hint="the number in quotes")
        check_kind("serial", self.serial, str, "text", hint="40 hexadecimal digits in quotes")
        check_kind("private_key", self.private_key, RSAPrivateKey, "a key object", hint="load_private_key(path)")

    def authorization(self, body: bytes, timestamp: int, nonce: str) -> str:
        """The `Authorization` header of an answer, over timestamp, nonce and body as in any reply."""
        signature = rsa.sign(self.private_key, reply_message(str(timestamp), nonce, body))
        return authorization(SCHEME, self.mchid, nonce, signature, timestamp, self.serial)


def business_answer(event_type: str, data: Mapping[str, Any], signer: Signer | None, *, timestamp: int, nonce: str | None = None) -> Answer:
    """The answer to a question: 200 with `{"code": "SUCCESS", …data}`, signed by `signer` where the event wants that.

    Raises `InvalidData` for a field that is absent, and where a signature is wanted and nobody can sign.
    """
    question = QUESTIONS.get(event_type)
    if question is None:
        raise InvalidData("event_type", f"{event_type} is no question", hint="acknowledge it with ack()")
    for name in question.required:
        if name not in data:
            raise InvalidData(f"$.{name}", "is missing", hint=question.page)
    body = encode_json({"code": "SUCCESS", "message": "", **data})
    if not question.signed:
        return Answer(200, _JSON, body)
    if signer is None:
        raise InvalidData("signer", f"the answer to {event_type} is signed", hint="give the merchant its serial and private key")
    header = signer.authorization(body, timestamp, nonce or secrets.token_hex(16))
    return Answer(200, {**_JSON, "Authorization": header}, body)
