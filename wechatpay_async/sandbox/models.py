"""What the sandbox remembers: orders, refunds, pay-score orders, notices to send. Plain data, times in seconds, money in fen."""

from __future__ import annotations

import heapq
import random
import string
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .clock import Clock, compact_time

__all__ = ["NO_PROMOTION", "RETRY_AFTER", "Book", "Notice", "Numbers", "Order", "Owner", "Posting", "Promotion", "Refund", "ScoreOrder"]

#: Who an order belongs to: the merchant that signs, and its sub-merchant ("" for a direct merchant).
Owner = tuple[str, str]


#: Seconds from one attempt of a notification to the next: 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h.
RETRY_AFTER = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)


class Numbers:
    """Makes the platform's numbers, the same ones for the same seed."""

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator

    def digits(self, count: int) -> str:
        return "".join(self._generator.choices(string.digits, k=count))

    def letters(self, count: int) -> str:
        return "".join(self._generator.choices(string.ascii_letters + string.digits, k=count))

    def hexadecimal(self, count: int) -> str:
        return "".join(self._generator.choices("0123456789abcdef", k=count))

    def dated(self, prefix: str, now: float, tail: int) -> str:
        """A number with the day in it: `4200001234202511251234567890`."""
        return f"{prefix}{compact_time(now)[:8]}{self.digits(tail)}"


@dataclass(frozen=True)
class Promotion:
    """A coupon that an order was paid with: `amount` fen that the payer was spared.

    Where it `has_cash`, the merchant that gave the coupon away pays them; without, nobody does, and the payee has so much less.
    """

    coupon_id: str = ""
    stock_id: str = ""
    name: str = ""
    creator: str = ""
    amount: int = 0
    has_cash: bool = True
    #: What each of the goods was spared, where the coupon is for some goods alone.
    goods: tuple[dict[str, Any], ...] = ()

    def unpaid(self, amount: int) -> int:
        """How much of what the coupon bears is paid by nobody."""
        return 0 if self.has_cash else amount


NO_PROMOTION = Promotion()


@dataclass
class Order:
    """A payment order. `terms` is the body that it was placed with; the same number again must have the same terms."""

    owner: Owner
    out_trade_no: str
    trade_type: str
    terms: dict[str, Any]
    total: int
    created: float
    expires: float
    state: str = "NOTPAY"
    prepay_id: str = ""
    prepay_expires: float = 0
    transaction_id: str = ""
    paid_at: float = 0
    bank_type: str = ""
    openid: str = ""
    currency: str = "CNY"
    notify_url: str = ""
    #: Set where the order is a part of a combined one, or was collected for a pay-score order.
    combine_out_trade_no: str = ""
    score_order_no: str = ""
    #: Placed through APIv2: notifications are XML.
    v2: bool = False
    profit_sharing: bool = False
    #: Fen that went to receivers of profit sharing, less what they gave back; and whether the rest is free.
    shared: int = 0
    unfrozen: bool = False
    refunds: list[str] = field(default_factory=list[str])
    promotion: Promotion = NO_PROMOTION

    @property
    def mchid(self) -> str:
        """The merchant that gets the money."""
        return self.owner[1] or self.owner[0]

    @property
    def is_paid(self) -> bool:
        return self.state in {"SUCCESS", "REFUND"}

    @property
    def payer_total(self) -> int:
        """What the payer pays."""
        return self.total - self.promotion.amount

    @property
    def settlement_total(self) -> int:
        """What the payee gets."""
        return self.total - self.promotion.unpaid(self.promotion.amount)


@dataclass
class Refund:
    """A refund: PROCESSING, then SUCCESS, ABNORMAL or CLOSED."""

    owner: Owner
    out_refund_no: str
    refund_id: str
    out_trade_no: str
    transaction_id: str
    terms: dict[str, Any]
    total: int
    refund: int
    created: float
    status: str = "PROCESSING"
    due: float = 0
    finished: float = 0
    notify_url: str = ""
    v2: bool = False
    #: The coupon that the order was paid with, and how much of the refund is its.
    promotion: Promotion = NO_PROMOTION
    discount: int = 0

    @property
    def payer_refund(self) -> int:
        """What the payer gets back."""
        return self.refund - self.discount

    @property
    def settlement_refund(self) -> int:
        """What the payee gives back."""
        return self.refund - self.promotion.unpaid(self.discount)


@dataclass
class ScoreOrder:
    """A pay-score order. `collection` is empty until it is completed, then USER_PAYING or USER_PAID."""

    owner: Owner
    out_order_no: str
    order_id: str
    query_id: str
    terms: dict[str, Any]
    created: float
    state: str = "CREATED"
    state_description: str = ""
    package: str = ""
    collection: str = ""
    doing_since: float = 0
    total_amount: int | None = None
    completion: dict[str, Any] = field(default_factory=dict[str, Any])
    details: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def risk_amount(self) -> int:
        return int(self.terms["risk_fund"]["amount"])


@dataclass
class Notice:
    """Something that happened and that the merchant's server is to be told."""

    id: str
    mchid: str
    url: str
    event_type: str
    original_type: str
    summary: str
    resource: dict[str, Any]
    created: float
    #: Attempts made so far, and when the next one is due; None when there will be none.
    attempts: int = 0
    due: float | None = 0
    acknowledged: bool = False
    #: An APIv2 notification: the resource is the XML's fields.
    v2: bool = False


@dataclass
class Posting:
    """A movement of money in the merchant's account, for the bills: fen, in when positive."""

    at: float
    mchid: str
    kind: str
    amount: int
    transaction_id: str
    order: Order | None = None
    refund: Refund | None = None
    note: str = ""


class Book:
    """Everything that happened, by number. The clock is asked for the time, never the machine."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self._moment: float | None = None
        self.numbers: Numbers = Numbers(random.Random(seed))  # noqa: S311 - repeatable numbers, no secrets
        #: For what leaves no trace in the book: nonces, request ids, tokens of addresses that expire.
        self.noise: Numbers = Numbers(random.Random(seed + 1))  # noqa: S311 - the same
        self.orders: dict[tuple[Owner, str], Order] = {}
        self.transactions: dict[str, Order] = {}
        self.refunds: dict[tuple[Owner, str], Refund] = {}
        self.score_orders: dict[tuple[Owner, str], ScoreOrder] = {}
        self.notices: list[Notice] = []
        #: The notices that have an attempt before them, by id.
        self.pending: dict[str, Notice] = {}
        self.postings: list[Posting] = []
        #: What each merchant has gained or spent so far, in fen.
        self.moved: dict[str, int] = {}
        self._agenda: list[tuple[float, int, str, Any]] = []
        self._agenda_count = 0
        #: State of the flows that live in their own modules, by the flow's name.
        self.shelves: dict[str, dict[Any, Any]] = {}

    @property
    def now(self) -> float:
        """The time: the clock's, or the moment that `at` has set."""
        return self.clock() if self._moment is None else self._moment

    @contextmanager
    def at(self, moment: float) -> Generator[None]:
        """Let it be one moment while something happens: that of a call, or the one at which a thing fell due."""
        before, self._moment = self._moment, moment
        try:
            yield
        finally:
            self._moment = before

    def schedule(self, moment: float, what: str, key: Any) -> None:
        """Let something fall due: `what` names the kind of thing, `key` the thing."""
        self._agenda_count += 1
        heapq.heappush(self._agenda, (moment, self._agenda_count, what, key))

    def next_due(self) -> tuple[float, str, Any] | None:
        """The earliest thing that is due by now, taken from the agenda; None when nothing is."""
        if not self._agenda or self._agenda[0][0] > self.now:
            return None
        moment, _, what, key = heapq.heappop(self._agenda)
        return moment, what, key

    def post(self, posting: Posting) -> None:
        """Write down a movement of money."""
        self.postings.append(posting)
        self.moved[posting.mchid] = self.moved.get(posting.mchid, 0) + posting.amount

    def shelf(self, name: str) -> dict[Any, Any]:
        """A flow's own records."""
        return self.shelves.setdefault(name, {})

    def notify(
        self, mchid: str, url: str, event_type: str, original_type: str, summary: str, resource: dict[str, Any], *, v2: bool = False
    ) -> Notice | None:
        """Write down that a merchant is to be told; nothing is sent where no address was given."""
        if not url:
            return None
        notice = Notice(
            id=self.numbers.hexadecimal(8) + "-" + self.numbers.hexadecimal(12),
            mchid=mchid,
            url=url,
            event_type=event_type,
            original_type=original_type,
            summary=summary,
            resource=resource,
            created=self.now,
            due=self.now,
            v2=v2,
        )
        self.notices.append(notice)
        self.pending[notice.id] = notice
        return notice

    def refunds_of(self, order: Order) -> Generator[Refund]:
        """An order's refunds, in the order in which they were asked for."""
        return (self.refunds[(order.owner, number)] for number in order.refunds)
