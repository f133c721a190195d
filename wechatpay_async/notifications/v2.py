"""APIv2's notifications: XML to a verified `V2Notification`, and the XML that answers it.

A payment, a contract, a combined payment: signed fields. A refund: `req_info`, sealed with the secret. A deposit (`CHECK.*`,
`TRANSACTION.*`): signed, and sealed with the APIv3 key. Source: https://pay.weixin.qq.com/doc/v2/merchant/4011985891
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast, overload, runtime_checkable

from wechatpay_async.crypto import aes
from wechatpay_async.crypto.digests import md5_hex, sha256_hex
from wechatpay_async.errors import ConfigError, MalformedMessage
from wechatpay_async.notifications.answers import Answer, check_failure
from wechatpay_async.notifications.core import Envelope, raw_body
from wechatpay_async.notifications.model import Notification
from wechatpay_async.protocol import v2, v3, xml
from wechatpay_async.settings import check_function, check_kind

if TYPE_CHECKING:
    from wechatpay_async.api.types import v2_events as _t

__all__ = ["EitherNotifications", "V2Notification", "V2Notifications", "ack", "fail"]

_XML: Final[Mapping[str, str]] = {"Content-Type": v2.CONTENT_TYPE}
_LONGEST_MESSAGE: Final = 128
_APIV3_KEY_BYTES: Final = 32
_BEIJING: Final = timezone(timedelta(hours=8))
#: A payment that did not come about is told by the same message as one that did; it gets a name of its own, lest it is taken for money.
PAYMENT_FAILED: Final = "transaction-failed"
# What only one kind of message has. A payment's field comes last, since others have it, too.
_EVENT_BY_FIELD: Final = (
    ("req_info", "refund-processed"),
    ("combine_mch_id", "combined-transactions-success"),
    ("change_type", "pap-contract-state-changed"),
    ("transaction_id_list", "transactions-risk-occurred"),
    ("vehicle_event_createtime", "vehicle-state-changed-for-parking"),
    ("out_trade_no", "transaction-success"),
)
# The fields that are the same in every repetition of one message, and in no other message.
_IDENTITY: Final[Mapping[str, tuple[str, ...]]] = {
    "refund-processed": ("refund_id", "refund_status"),
    "combined-transactions-success": ("combine_out_trade_no", "result_code"),
    "pap-contract-state-changed": ("contract_id", "change_type", "operate_time"),
    "transactions-risk-occurred": ("event_code",),
    "transaction-success": ("transaction_id",),
}
_TIMES: Final = ("event_create_time", "time_end", "success_time", "operate_time", "vehicle_event_createtime")
_CHANGING: Final = frozenset({"nonce_str", "sign", "req_info"})


class V2Notification(Notification):
    """One verified notification of APIv2.

    `event_type` is the catalogue's name: `transaction-success` (a failed payment is `transaction-failed`), `refund-processed`,
    `pap-contract-state-changed`, `combined-transactions-success`, `CHECK.SUCCESS` …; "" for a kind that the catalogue does not have.
    `resource` holds the fields, all text; of a sealed message it holds what was inside, and `fields` has the outside.
    `id` is made of the message's business numbers, so that a repetition carries the same one.
    """

    __slots__ = ("fields",)

    def __init__(self, envelope: Envelope, resource: dict[str, Any], fields: Mapping[str, Any], raw: bytes, mchid: str) -> None:
        super().__init__(envelope, resource, raw, mchid, None, time.time)
        self.fields: Mapping[str, Any] = fields

    @overload
    def typed(self, event_type: Literal["transaction-success", "transaction-failed"]) -> _t.V2TransactionSuccessNotification: ...
    @overload
    def typed(self, event_type: Literal["refund-processed"]) -> _t.V2RefundProcessedResource: ...
    @overload
    def typed(self, event_type: Literal["pap-contract-state-changed"]) -> _t.V2PapContractStateChangedNotification: ...
    @overload
    def typed(self, event_type: Literal["combined-transactions-success"]) -> _t.V2CombinedTransactionsSuccessNotification: ...
    @overload
    def typed(self, event_type: Literal["transactions-risk-occurred"]) -> _t.V2TransactionsRiskOccurredNotification: ...
    @overload
    def typed(self, event_type: Literal["vehicle-state-changed-for-parking"]) -> _t.V2VehicleStateChangedForParkingNotification: ...
    @overload
    def typed(self, event_type: Literal["CHECK.SUCCESS"]) -> _t.V2CheckSuccessResource: ...
    @overload
    def typed(self, event_type: Literal["CHECK.FAIL"]) -> _t.V2CheckFailResource: ...
    @overload
    def typed(self, event_type: Literal["TRANSACTION.SUCCESS"]) -> _t.V2TransactionSuccessResource: ...
    @overload
    def typed(self, event_type: Literal["TRANSACTION.FAIL"]) -> _t.V2TransactionFailResource: ...

    def typed(self, event_type: str) -> Any:
        """`resource` as the `TypedDict` of this event. Raises `RequestError` if the notification is another event."""
        return self._resource_as(event_type)

    def content(self, name: str) -> Any:
        """The value of a field that holds a JSON document: `content("sub_order_list")["order_list"]`. Raises `MalformedMessage`."""
        return v3.decode_json(str(self.resource.get(name, "")).encode())

    def ack(self) -> Answer:
        """The answer that ends the deliveries."""
        return ack()

    def fail(self, message: str, *, status: int = 500) -> Answer:
        """The answer that asks for another delivery. `message` goes to WeChat Pay: no secrets."""
        return fail(message, status=status)


class V2Notifications:
    """Verifies and opens the notifications of one merchant.

    `secret`: the APIv2 key, 32 bytes. `apiv3_key`: needed for deposits alone. `clock`: seconds as float, for tests.
    Raises `ConfigError`.
    """

    def __init__(self, *, mchid: str, secret: bytes, apiv3_key: bytes | None = None, clock: Callable[[], float] = time.time) -> None:
        check_kind("mchid", mchid, str, "text", hint="the number in quotes")
        if apiv3_key is not None:
            check_kind("apiv3_key", apiv3_key, bytes, "bytes", hint="key.encode()")
            if len(apiv3_key) != _APIV3_KEY_BYTES:
                raise ConfigError("apiv3_key", f"expected {_APIV3_KEY_BYTES} bytes, got {len(apiv3_key)}")
        check_function("clock", clock, "a function that gives seconds", hint="clock=time.time")
        self._mchid = mchid
        self._secret = v2.check_secret(secret)
        self._apiv3_key = apiv3_key
        self._clock = clock

    def __repr__(self) -> str:
        return f"<V2Notifications mchid={self._mchid}>"

    def parse(self, body: bytes) -> V2Notification:
        """Verify a notification and open it. `body`: the raw bytes of the request.

        Look at `event_type` before anything else: a failed payment is told, too.
        Raises `RequestError` (a body that is not raw bytes), `MalformedMessage`, `MissingSignature`, `BadSignature`, `SignatureError`
        (about another merchant), `DecryptionError` (`req_info` is not sealed with this secret), `ConfigError` (a deposit, and no
        `apiv3_key`). Answer each with `fail`.
        """
        raw = raw_body(body)
        fields = _read(raw)
        v2.check_addressee(fields, self._mchid)
        if "req_info" in fields:
            resource = self._open_refund(fields)
        else:
            v2.check_sign(fields, self._secret)
            resource = self._open_deposit(fields) if "event_ciphertext" in fields else dict(fields)
        event_type = _event_type(fields)
        moment = _moment({**fields, **resource}) or datetime.fromtimestamp(self._clock(), _BEIJING)
        envelope = Envelope(_identity(event_type, fields, resource), event_type, moment, "", "", "", {})
        return V2Notification(envelope, resource, fields, raw, self._mchid)

    def _open_refund(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What `req_info` holds. It is not signed: that it opens shows that its maker has the secret. The outside proves nothing."""
        key = md5_hex(self._secret).encode()
        _, values = xml.parse(aes.ecb_decrypt(key, "".join(_text(fields, "req_info").split())))
        if not isinstance(values, dict):
            raise MalformedMessage("req_info: expected elements")
        return cast("dict[str, Any]", values)

    def _open_deposit(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        if self._apiv3_key is None:
            raise ConfigError("apiv3_key", "missing, and this notification is sealed with it")
        sealed = {
            "algorithm": fields.get("event_algorithm"),
            "nonce": fields.get("event_nonce"),
            "ciphertext": fields.get("event_ciphertext"),
            "associated_data": fields.get("event_associated_data"),
        }
        values = v3.decode_json(v3.decrypt_resource(sealed, self._apiv3_key))
        if not isinstance(values, dict):
            raise MalformedMessage("event_ciphertext: expected a JSON object")
        return cast("dict[str, Any]", values)


@runtime_checkable
class AsyncParser(Protocol):
    """Something that parses as `Notifications` does."""

    async def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """The verified notification, or an error of this package."""
        ...


class EitherNotifications:
    """Both kinds behind one address: XML goes to `v2`, everything else to `v3`. It parses as `Notifications` does. Raises `ConfigError`."""

    def __init__(self, v3: AsyncParser | None, v2: V2Notifications) -> None:
        check_kind("v2", v2, V2Notifications, "V2Notifications", hint="of a client: wxpay.v2_notifications")
        if v3 is not None:
            check_kind("v3", v3, AsyncParser, "Notifications", hint="of a client: wxpay.notifications")
        self._v3 = v3
        self._v2 = v2

    async def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Verify and open a notification of either kind. Raises what the two raise."""
        if self._v3 is None or raw_body(body).lstrip().startswith(b"<"):
            return self._v2.parse(body)
        return await self._v3.parse(headers, body)


def ack() -> Answer:
    """The notification is dealt with."""
    return Answer(200, _XML, xml.build("xml", {"return_code": "SUCCESS", "return_msg": "OK"}))


def fail(message: str, *, status: int = 500) -> Answer:
    """The notification is not dealt with, and shall be sent again. Raises `RequestError` for a `status` that is neither 4xx nor 5xx."""
    check_failure(message, status)
    text = "".join(char if char.isprintable() else " " for char in message[:_LONGEST_MESSAGE])
    return Answer(status, _XML, xml.build("xml", {"return_code": "FAIL", "return_msg": text}))


def _read(raw: bytes) -> dict[str, Any]:
    if raw.lstrip().startswith(b"{"):
        raise MalformedMessage("the body is JSON: an APIv3 notification", hint="await wxpay.notifications.parse(headers, body)")
    root, values = xml.parse(raw)
    if root != "xml" or not isinstance(values, dict):
        raise MalformedMessage(f"expected <xml> with elements, got <{root[:32]}>")
    return cast("dict[str, Any]", values)


def _event_type(fields: Mapping[str, Any]) -> str:
    if "event_ciphertext" in fields:
        return _text(fields, "event_type")
    name = next((event for field, event in _EVENT_BY_FIELD if field in fields), "")
    if name == "transaction-success" and not _succeeded(fields):
        return PAYMENT_FAILED
    return name


def _succeeded(fields: Mapping[str, Any]) -> bool:
    codes = (fields.get("return_code", "SUCCESS"), fields.get("result_code", "SUCCESS"), fields.get("trade_state", "SUCCESS"))
    return codes == ("SUCCESS", "SUCCESS", "SUCCESS")


def _identity(event_type: str, fields: Mapping[str, Any], resource: Mapping[str, Any]) -> str:
    if fields.get("event_id"):
        return f"v2:{_text(fields, 'event_id')[:64]}"
    names = _IDENTITY.get(event_type, ())
    values = [str(resource[name]) for name in names if resource.get(name)]
    if not values or len(values) < len(names):
        stable = {name: value for name, value in resource.items() if name not in _CHANGING}
        values = [sha256_hex(v2.string_to_sign(stable).encode())]
    return ":".join(["v2", event_type, *(value[:64] for value in values)])


def _moment(fields: Mapping[str, Any]) -> datetime | None:
    """The message's own time, which is Beijing's: 14 digits, or `2018-05-09 13:00:00`."""
    text = next((str(fields[name]) for name in _TIMES if fields.get(name)), "")
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%S") if len(text) == 14 else datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=_BEIJING)


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedMessage(f"{name}: expected one text")
    return value
