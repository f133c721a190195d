"""What happens to a complaint without the merchant: users and WeChat Pay's people go on with it, refunds arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...models import Book, Order
from ...wire import Refusal
from ..context import text_limit
from .model import PLATFORM, PROBLEM_TYPES, SYSTEM, USER, Complaint, complaint_about, given_back, note, tell

__all__ = ["DEEDS", "complain", "follow", "refund_arrived"]


@dataclass(frozen=True)
class Deed:
    """What a user or WeChat Pay's people do about a complaint: whose name stands beside it, how it is logged, and how told."""

    operator: str
    kind: str
    action: str = ""
    #: Possible while the complaint is open, or only once it is over.
    while_open: bool = True


DEEDS: Mapping[str, Deed] = {
    "message": Deed(USER, "USER_RESPONSE", "USER_RESPONSE"),
    "complain_again": Deed(USER, "USER_CONTINUE_COMPLAINT", "CONTINUE_COMPLAINT", while_open=False),
    "confirm": Deed(USER, "USER_COMFIRM_COMPLAINT", while_open=False),
    "revoke": Deed(USER, "USER_REVOKE_COMPLAINT"),
    "call_platform": Deed(USER, "USER_APPLY_PLATFORM_SERVICE", "USER_APPLY_PLATFORM_SERVICE"),
    "dismiss_platform": Deed(USER, "USER_CANCEL_PLATFORM_SERVICE", "USER_CANCEL_PLATFORM_SERVICE"),
    "platform_message": Deed(PLATFORM, "PLATFORM_RESPONSE", "RESPONSE_BY_PLATFORM"),
    "platform_finish": Deed(PLATFORM, "PLATFORM_SERVICE_FINISHED", "PLATFORM_SERVICE_FINISHED"),
}


def complain(
    book: Book, order: Order, detail: str, *, problem_type: str, phone: str = "", refund_amount: int = 0, urgent: bool = False
) -> Complaint:
    """The payer complains about a payment; whoever it concerns is told. Raises `Refusal` where the phone would show an error."""
    if not order.is_paid:
        raise Refusal(400, "INVALID_REQUEST", "订单未支付，不能投诉")
    if problem_type not in PROBLEM_TYPES:
        raise Refusal(400, "PARAM_ERROR", f"问题类型须为 {'、'.join(PROBLEM_TYPES)} 之一")
    text_limit(detail, 300, "/body/complaint_detail")
    if refund_amount > order.total:
        raise Refusal(400, "PARAM_ERROR", "申请退款金额不能大于订单金额")
    if complaint_about(book, order) is not None:
        raise Refusal(400, "INVALID_REQUEST", "该订单已有投诉单，请继续投诉")
    made = Complaint(
        complaint_id=book.numbers.dated("2000", book.now, 15),
        order=order,
        detail=detail,
        problem_type=problem_type,
        filed=book.now,
        phone=phone,
        refund_amount=(refund_amount or order.total) if problem_type == "REFUND" else 0,
        is_urgent=urgent,
        is_fully_refunded=given_back(book, order) >= order.total,
    )
    book.shelf("complaints")[made.complaint_id] = made
    note(book, made, USER, "USER_CREATE_COMPLAINT", detail)
    tell(book, made, "CREATE_COMPLAINT")
    return made


def follow(book: Book, item: Complaint, what: str, text: str = "") -> None:
    """The user or WeChat Pay's people do one of the `DEEDS` about a complaint. Raises `Refusal` when it is not the time for it."""
    deed = DEEDS.get(what)
    if deed is None:
        raise Refusal(400, "PARAM_ERROR", f"操作须为 {'、'.join(DEEDS)} 之一")
    if deed.while_open != item.is_open or (what in {"dismiss_platform", "platform_finish"} and not item.has_platform):
        raise Refusal(400, "INVALID_REQUEST", f"投诉单状态为 {item.state}，不能进行该操作")
    if what in {"message", "complain_again", "platform_message"}:
        text_limit(text, 300, "/body/text")
    if what == "message":
        item.is_waiting = True
    elif what == "complain_again":
        item.state, item.times, item.is_waiting = "PENDING", item.times + 1, True
        item.decision, item.is_revoked = "", False
    elif what == "revoke":
        item.state, item.is_revoked = "PROCESSED", True
    elif what == "call_platform":
        item.has_platform = True
    elif what in {"dismiss_platform", "platform_finish"}:
        item.has_platform = False
    note(book, item, deed.operator, deed.kind, text)
    if deed.action:
        tell(book, item, deed.action)


def refund_arrived(book: Book, order: Order) -> None:
    """Money of an order came back to the payer: its complaint is over, where the merchant had agreed to a refund."""
    item, back = complaint_about(book, order), given_back(book, order)
    if item is None:
        return
    if back >= order.total:
        item.is_fully_refunded = True
        note(book, item, SYSTEM, "COMPLAINT_FULL_REFUNDED_SYSTEM_MESSAGE", "商户已全额退款")
        tell(book, item, "SELLER_REFUND")
    else:
        note(book, item, SYSTEM, "COMPLAINT_PARTIAL_REFUNDED_SYSTEM_MESSAGE", "商户已部分退款")
    if item.decision == "APPROVE" and item.is_open and back >= item.refund_amount:
        item.state = "PROCESSED"
        note(book, item, SYSTEM, "COMPLAINT_REFUND_RECEIVED_SYSTEM_MESSAGE", "退款已到账")
        tell(book, item, "REFUND_SUCCESS")
