"""A notification whose signature was right: who sent it is known, and what it says is readable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from wechatpay_async.errors import RequestError
from wechatpay_async.notifications.answers import QUESTIONS, Answer, BusinessAnswer, Signer, ack, business_answer, fail
from wechatpay_async.notifications.core import Envelope

if TYPE_CHECKING:
    from wechatpay_async.api.events import ResourceAs


class Notification:
    """One verified notification of APIv3 (https://pay.weixin.qq.com/doc/v3/merchant/4012791861).

    `resource`: the decrypted resource; `resource_as("TRANSACTION.SUCCESS")` gives it typed.
    `raw`: the body as it came. `mchid`: the merchant whose keys fit.
    """

    __slots__ = ("_clock", "_envelope", "_signer", "mchid", "raw", "resource")

    def __init__(
        self, envelope: Envelope, resource: dict[str, Any], raw: bytes, mchid: str, signer: Signer | None, clock: Callable[[], float]
    ) -> None:
        self._envelope = envelope
        self.resource: dict[str, Any] = resource
        self.raw: bytes = raw
        self.mchid: str = mchid
        self._signer = signer
        self._clock = clock

    @property
    def id(self) -> str:
        """The notification's own number; a repetition carries the same one."""
        return self._envelope.id

    @property
    def event_type(self) -> str:
        """What happened, as in `TRANSACTION.SUCCESS`."""
        return self._envelope.event_type

    @property
    def create_time(self) -> datetime:
        """When it was made, with the offset; the time of the signature where the message has no time that can be read."""
        return self._envelope.create_time

    @property
    def summary(self) -> str:
        """A few words for people, "" where absent."""
        return self._envelope.summary

    @property
    def resource_type(self) -> str:
        """`encrypt-resource`, "" where absent."""
        return self._envelope.resource_type

    @property
    def original_type(self) -> str:
        """What kind of object the resource is, "" where absent: `transaction`, `refund`, `profitsharing` …"""
        return self._envelope.original_type

    @property
    def resource_as(self) -> ResourceAs:
        """`resource` as the `TypedDict` of an event: `notification.resource_as("REFUND.SUCCESS")["refund_status"]`.

        The name must be this notification's `event_type`; raises `RequestError` if it is another's.
        """
        return cast("ResourceAs", self._resource_as)

    @property
    def is_question(self) -> bool:
        """Whether WeChat Pay asks for facts in the answer: give them with `answer`."""
        return self.event_type in QUESTIONS

    def ack(self) -> Answer:
        """The answer that ends the deliveries. Raises `RequestError` for a question, which wants `answer`."""
        if self.is_question:
            raise RequestError(f"{self.event_type} is a question", hint=f"answer({{…}}), see {QUESTIONS[self.event_type].page}")
        return ack()

    def fail(self, message: str, *, status: int = 500) -> Answer:
        """The answer that asks for another delivery. `message` goes to WeChat Pay: no secrets."""
        return fail(message, status=status)

    def answer(self, data: BusinessAnswer) -> Answer:
        """The answer to a question, signed where the event wants that. Raises `InvalidData` that names what is absent."""
        return business_answer(self.event_type, cast("Mapping[str, Any]", data), self._signer, timestamp=int(self._clock()))

    def __repr__(self) -> str:
        # The summary and the resource can hold personal data.
        return f"<Notification {self.id} {self.event_type} {self.create_time.isoformat()} mchid={self.mchid}>"

    def _resource_as(self, event_type: str) -> dict[str, Any]:
        if event_type != self.event_type:
            raise RequestError(f"this notification is {self.event_type}, not {event_type}", hint="look at event_type first")
        return self.resource
