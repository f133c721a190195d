"""A delivery, from raw request to answer: verified, claimed, handled, settled. Any server can call `Dispatcher.handle`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

import anyio

from wechatpay_async import catalog
from wechatpay_async.catalog import API
from wechatpay_async.errors import (
    ConfigError,
    MalformedMessage,
    RequestError,
    SignatureError,
    TransportError,
    ValidationWarning,
    WechatpayError,
)
from wechatpay_async.inbox import Claim, Held, Inbox
from wechatpay_async.notifications import QUESTIONS, Answer, Notification, fail, v2
from wechatpay_async.settings import check_duration, check_function, check_kind
from wechatpay_async.spelling import nearest

if TYPE_CHECKING:
    from wechatpay_async.api.events import EventType

__all__ = ["DEFAULT_BUDGET", "Dispatcher", "Handler", "Handlers", "Parser", "check_receiving", "current_claim", "deliver", "refusal"]

_log = logging.getLogger("wechatpay_async.deliveries")
_claim: ContextVar[Claim] = ContextVar("wechatpay_claim")

#: Seconds for one delivery; the sender waits 5 s (https://pay.weixin.qq.com/doc/v3/merchant/4012791861).
DEFAULT_BUDGET: Final = 4.0
# What is left for the way back, when a question is answered within the time that its own page gives.
_SHARE_OF_A_QUESTION = 0.8

#: What acts on a notification. None means `notification.ack()`.
Handler: TypeAlias = Callable[[Notification], Awaitable[Answer | None]]
_Handler = TypeVar("_Handler", bound=Callable[..., object])
_AnyHandler = TypeVar("_AnyHandler", bound=Handler)


@runtime_checkable
class Parser(Protocol):
    """`Notifications`, or what else parses as it does (`EitherNotifications` takes APIv2's XML, too)."""

    async def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """The verified notification, or an error of this package."""
        ...


def current_claim() -> Claim:
    """Inside a handler: the claim on the notification, for an inbox's `settle_in`. Raises `RequestError` where there is none."""
    try:
        return _claim.get()
    except LookupError:
        raise RequestError("there is no claim here", hint="inside a handler, with an inbox, and not for a question") from None


async def deliver(
    notifications: Parser,
    headers: Mapping[str, str],
    body: bytes,
    handler_for: Callable[[Notification], Handler | None],
    *,
    inbox: Inbox | None,
    budget: float = DEFAULT_BUDGET,
) -> Answer:
    """Verify one delivery, let its handler act once, and say what to answer. Raises nothing but cancellation.

    `handler_for` picks who acts; None makes the answer a failure, so that the event is not lost.
    Without an `inbox` a repeated delivery is handled again. What the key source and the inbox take comes off the `budget`.
    """
    start = anyio.current_time()
    notification: Notification | None = None
    try:
        with anyio.move_on_after(budget):
            notification = await notifications.parse(headers, body)
    except WechatpayError as error:
        return _failure(body, *refusal(error))
    if notification is None:
        _log.warning("the platform key did not come in time")
        return _failure(body, 503, "timed out")
    handler = handler_for(notification)
    if handler is None:
        _log.warning("nobody handles %s; it stays with WeChat Pay for now", notification.event_type)
        return notification.fail(f"no handler for {notification.event_type}", status=501)
    question = QUESTIONS.get(notification.event_type)
    if question is not None:
        # A question is asked again because the last answer did not arrive: it is answered afresh, never from the inbox.
        return await _call(handler, notification, start + min(budget, question.seconds * _SHARE_OF_A_QUESTION))
    if inbox is None:
        return await _call(handler, notification, start + budget)
    return await _claim_and_call(handler, notification, inbox, start + budget)


async def _claim_and_call(handler: Handler, notification: Notification, inbox: Inbox, deadline: float) -> Answer:
    try:
        claim = await inbox.claim(notification.id)
    except Exception:  # noqa: BLE001 — whatever database driver is below, its errors mean the same: nobody may act without a claim
        _log.exception("the inbox cannot be reached; %r is asked for again", notification)
        return notification.fail("the inbox cannot be reached", status=503)
    if not isinstance(claim, Claim):
        done = claim is Held.DONE
        return notification.ack() if done else notification.fail("being handled by another worker", status=503)
    answer, settled = Answer(500), False
    token = _claim.set(claim)
    try:
        answer = await _call(handler, notification, deadline)
    finally:
        _claim.reset(token)
        # Also when this task is being cancelled: the next delivery should not have to wait for the lease.
        with anyio.CancelScope(shield=True):
            settled = await _settle(inbox, claim, accepted=answer.accepted)
    return answer if settled else notification.fail("the outcome could not be written down", status=503)


async def _settle(inbox: Inbox, claim: Claim, *, accepted: bool) -> bool:
    try:
        if not accepted:
            await inbox.release(claim)
        elif not await inbox.done(claim):
            _log.warning("notification %s took longer than its lease, and another worker took it, too", claim.id)
    except Exception:  # noqa: BLE001 — as above
        _log.exception("the inbox cannot be reached; notification %s can be handled again after its lease", claim.id)
        return False
    return True


async def _call(handler: Handler, notification: Notification, deadline: float) -> Answer:
    """The handler's answer, or a failure when it raises or is not done by the deadline."""
    try:
        with anyio.move_on_after(deadline - anyio.current_time()):
            return await handler(notification) or notification.ack()
    except Exception:  # noqa: BLE001 — whatever a handler raises, the event must be sent again
        _log.exception("handling %r failed", notification)
        return notification.fail("the handler failed")
    _log.error("handling %r took too long", notification)
    return notification.fail("timed out", status=503)


def refusal(error: WechatpayError) -> tuple[int, str]:
    """Status and message for what could not be verified or opened. They tell a forger nothing but the kind of error."""
    kind = type(error).__name__
    if isinstance(error, SignatureError):
        if not error.probe:  # a probe is logged where it is found
            _log.warning("a notification was refused: %s", error)
        return 401, kind
    if isinstance(error, TransportError):
        _log.warning("the platform key could not be fetched: %s", error)
        return 503, kind
    if isinstance(error, MalformedMessage | RequestError):
        _log.warning("a notification cannot be read: %s", error)
        return 400, kind
    # Genuine, and a setting here is wrong: it must come again when the setting is right.
    _log.error("a genuine notification cannot be opened: %s", error)
    return 500, kind


def _failure(body: object, status: int, message: str) -> Answer:
    """A failure in the language of the message that it answers."""
    is_xml = isinstance(body, bytes) and body.lstrip()[:1] == b"<"
    return v2.fail(message, status=status) if is_xml else fail(message, status=status)


def check_receiving(notifications: Parser | None, inbox: Inbox | None, budget: float) -> None:
    """Refuse what could not receive: at the first notification it would be too late. Raises `ConfigError`."""
    if notifications is not None:
        check_kind("notifications", notifications, Parser, "something that parses", hint="of a client: wxpay.notifications")
    if inbox is not None:
        check_kind("inbox", inbox, Inbox, "an Inbox, or None", hint='SQLiteInbox("inbox.sqlite")')
    check_duration("budget", budget, zero=True)


class Handlers(Generic[_Handler]):
    """Who handles which event."""

    def __init__(self) -> None:
        self._by_event: dict[tuple[API, str], _Handler] = {}
        self._otherwise: _Handler | None = None

    def add(self, event_types: tuple[str, ...], handler: _Handler, api: API | None = None) -> None:
        """Let `handler` act on these events, or on all that nobody else acts on. Raises `ConfigError` where somebody acts already."""
        check_function("on", handler, "a function that takes the notification", hint='@….on("TRANSACTION.SUCCESS")')
        for event_type in event_types:
            check_kind("on", event_type, str, "events as text", hint='on("TRANSACTION.SUCCESS", "REFUND.SUCCESS")')
        if not event_types:
            if self._otherwise is not None:
                raise ConfigError("on", "two handlers for all other events")
            self._otherwise = handler
        for event_type in event_types:
            key = (api or _api(event_type), event_type)
            if key in self._by_event:
                raise ConfigError("on", f"two handlers for {event_type}")
            self._by_event[key] = handler

    def __call__(self, notification: Notification) -> _Handler | None:
        """Who acts on this notification."""
        api: API = "v2" if isinstance(notification, v2.V2Notification) else "v3"
        return self._by_event.get((api, notification.event_type), self._otherwise)


class Dispatcher:
    """Delivers to handlers, without any framework.

        dispatcher = Dispatcher(wxpay.notifications, inbox=SQLiteInbox("inbox.sqlite"))

        @dispatcher.on("TRANSACTION.SUCCESS")
        async def paid(notification: Notification) -> None: ...

        answer = await dispatcher.handle(request.headers, await request.body())

    `inbox`: remembers what was handled; None if handlers may run again for a repeated delivery. `budget`: seconds for one delivery.
    Raises `ConfigError`.
    """

    def __init__(self, notifications: Parser, *, inbox: Inbox | None, budget: float = DEFAULT_BUDGET) -> None:
        check_receiving(notifications, inbox, budget)
        self._notifications = notifications
        self._inbox = inbox
        self._budget = budget
        self._handlers = Handlers[Handler]()

    def on(self, *event_types: EventType | str, api: API | None = None) -> Callable[[_AnyHandler], _AnyHandler]:
        """Register a coroutine function for these events; without any, for all that nobody else handles.

        It takes the `Notification` and returns None (acknowledged) or an `Answer`. If it raises, the notification comes again.
        `api`: "v2" for APIv2's `TRANSACTION.SUCCESS` and `TRANSACTION.FAIL` (deposits), which share their names with APIv3's.
        """

        def register(handler: _AnyHandler) -> _AnyHandler:
            self._handlers.add(event_types, handler, api)
            return handler

        return register

    async def handle(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """What to answer to one delivery. Raises nothing but cancellation."""
        return await deliver(self._notifications, headers, body, self._handlers, inbox=self._inbox, budget=self._budget)


def _api(event_type: str) -> API:
    """Whose event this is; warns of one that the catalogue does not have: a spelling, or one that is newer than this release."""
    if event_type == v2.PAYMENT_FAILED:
        return "v2"
    event = catalog.event(event_type)
    if event is None:
        near = nearest(event_type, (known.event for known in catalog.events()))
        hint = f"; did you mean {near[0]}?" if near else ""
        warnings.warn(f"{event_type} is in no catalogue of this release{hint}", ValidationWarning, stacklevel=4)
    return "v3" if event is None else event.api
