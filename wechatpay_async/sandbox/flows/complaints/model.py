"""A complaint, what has been said about it, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...models import Book, Order

__all__ = [
    "MERCHANT",
    "PLATFORM",
    "PROBLEM_TYPES",
    "SYSTEM",
    "USER",
    "Complaint",
    "Saying",
    "complaint_about",
    "find_complaint",
    "given_back",
    "note",
    "tell",
]

#: Whose name stands beside what was said.
USER, PLATFORM, MERCHANT, SYSTEM = "投诉人", "微信支付客服", "商户", "系统"
#: The kinds of problem, and what the user has chosen on the phone for each.
PROBLEM_TYPES: Mapping[str, str] = {"REFUND": "申请退款", "SERVICE_NOT_WORK": "服务权益未生效", "OTHERS": "其他问题"}


@dataclass
class Saying:
    """One entry of a complaint's history: who did what, and what was said."""

    log_id: str
    at: float
    operator: str
    kind: str
    text: str = ""
    images: list[str] = field(default_factory=list[str])
    message: dict[str, Any] | None = None


@dataclass
class Complaint:
    """A complaint about one payment."""

    complaint_id: str
    order: Order
    detail: str
    problem_type: str
    filed: float
    phone: str = ""
    refund_amount: int = 0
    state: str = "PENDING"
    times: int = 1
    #: The user has said something that the merchant has not answered.
    is_waiting: bool = False
    is_fully_refunded: bool = False
    is_revoked: bool = False
    #: WeChat Pay's people help; the user waits in the chat.
    has_platform: bool = False
    is_urgent: bool = False
    #: What the merchant decided about the refund: APPROVE or REJECT.
    decision: str = ""
    history: list[Saying] = field(default_factory=list[Saying])
    #: Answers in the chat by their `idempotent_id`.
    answers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def mchid(self) -> str:
        return self.order.mchid

    @property
    def is_open(self) -> bool:
        return self.state != "PROCESSED"


def find_complaint(book: Book, number: str) -> Complaint:
    """A complaint by its own number, or the newest about the payment of that number. Raises `LookupError`."""
    found: list[Complaint] = [
        item
        for item in book.shelf("complaints").values()
        if number in (item.complaint_id, item.order.out_trade_no, item.order.transaction_id)
    ]
    if not found:
        raise LookupError(f"no complaint {number!r}")
    return found[-1]


def complaint_about(book: Book, order: Order) -> Complaint | None:
    """The complaint about an order; there is at most one."""
    shelf: dict[str, Complaint] = book.shelf("complaints")
    return next((item for item in shelf.values() if item.order is order), None)


def given_back(book: Book, order: Order) -> int:
    """What of an order's money has arrived at the payer again, in fen."""
    return sum(refund.refund for refund in book.refunds_of(order) if refund.status == "SUCCESS")


def note(
    book: Book,
    item: Complaint,
    operator: str,
    kind: str,
    text: str = "",
    *,
    images: list[str] | None = None,
    message: dict[str, Any] | None = None,
) -> Saying:
    """Write down one more entry of a complaint's history."""
    made = Saying(book.numbers.dated("3002", book.now, 15), book.now, operator, kind, text, images or [], message)
    item.history.append(made)
    return made


def tell(book: Book, item: Complaint, action: str) -> None:
    """A partner hears of the complaints about all its sub-merchants, each of these of its own."""
    event, summary = ("COMPLAINT.CREATE", "产生新投诉") if action == "CREATE_COMPLAINT" else ("COMPLAINT.STATE_CHANGE", "投诉单状态变化")
    for mchid in filter(None, item.order.owner):
        url = book.shelf("complaint_urls").get(mchid, "")
        book.notify(mchid, url, event, "complaint", summary, {"complaint_id": item.complaint_id, "action_type": action})
