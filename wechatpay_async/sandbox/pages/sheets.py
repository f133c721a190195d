"""What the payer sees of a thing: an order, a pay-score order, a transfer, a contract, a complaint, a parked car; and what he can do."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import segno

from ..flows import coupons
from ..flows.complaints import PROBLEM_TYPES, Complaint
from ..flows.contracts import Contract
from ..flows.parking import Entry
from ..flows.transfers import Transfer
from ..models import Book, Order, ScoreOrder

if TYPE_CHECKING:
    from ..core import Sandbox

__all__ = [
    "Action",
    "Sheet",
    "act",
    "all_waiting",
    "find_sheet",
    "order_by_prepay_id",
    "sheet_of_order",
    "sheet_of_score",
    "sheet_of_transfer",
]


@dataclass(frozen=True)
class Action:
    """A button: what it does, and what it says."""

    name: str
    label: str
    primary: bool = False


@dataclass
class Sheet:
    """One thing that waits for the payer, or did. `facts` are label, kind of value (text, yuan, moment) and value."""

    kind: str
    mchid: str
    sub_mchid: str
    number: str
    title: str
    amount: int | None
    state: str
    facts: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])
    actions: list[Action] = field(default_factory=list[Action])
    #: What the payer can still do with a thing that does not wait for him.
    afterwards: list[Action] = field(default_factory=list[Action])
    #: The label of a text that goes with the actions; empty where none does.
    asks: str = ""
    code_url: str = ""
    #: The coupon that an order is paid with where the payer wants one.
    coupon_id: str = ""
    expires: float = 0

    @property
    def waits(self) -> bool:
        return bool(self.actions)

    @property
    def key(self) -> dict[str, str]:
        """What finds it again."""
        return {"kind": self.kind, "mchid": self.mchid, "sub_mchid": self.sub_mchid, "no": self.number}

    @property
    def qr(self) -> str:
        """The QR code of a native order, as SVG for the page."""
        out = io.BytesIO()
        segno.make(self.code_url, error="m").save(
            out, kind="svg", xmldecl=False, svgns=False, nl=False, border=3, light="#fff", omitsize=True
        )
        return out.getvalue().decode()


def _code_url(order: Order) -> str:
    return f"weixin://wxpay/bizpayurl?pr={order.prepay_id[-13:-4]}" if order.trade_type == "NATIVE" and order.prepay_id else ""


def sheet_of_order(book: Book, order: Order) -> Sheet:
    """An order, or the whole combined order that it is a part of."""
    parts = [other for other in book.orders.values() if _together(order, other)] if order.combine_out_trade_no else [order]
    made = Sheet(
        kind="order",
        mchid=order.owner[0],
        sub_mchid=order.owner[1],
        number=order.out_trade_no,
        title="Combined payment" if order.combine_out_trade_no else "Payment",
        amount=sum(part.total for part in parts),
        state=order.state,
        code_url=_code_url(order),
        expires=order.expires,
    )
    made.facts = [("Payee", "text", order.mchid)]
    for part in parts:
        text = str(part.terms.get("description") or part.terms.get("body") or "")
        made.facts.append(("Description", "text", text) if len(parts) == 1 else ("Part", "text", f"{text} · {part.out_trade_no}"))
    made.facts += [("Order number", "text", order.combine_out_trade_no or order.out_trade_no), ("Trade type", "text", order.trade_type)]
    if order.transaction_id:
        made.facts.append(("Transaction number", "text", order.transaction_id))
    if order.state in {"NOTPAY", "USERPAYING"}:
        typing = order.state == "USERPAYING"
        made.facts.append(("Expires", "moment", order.expires))
        made.actions = [
            Action("pay", "Pay", primary=True),
            Action("decline", "Do not type the password") if typing else Action("cancel", "Cancel"),
            Action("expire", "Let it expire"),
        ]
        if not order.combine_out_trade_no and (coupon := coupons.best_of(book, order)) is not None:
            made.coupon_id = coupon.coupon_id
            made.facts.append(("Coupon", "yuan", coupon.face))
            made.actions.insert(1, Action("pay_with_coupon", "Pay with the coupon"))
    elif order.is_paid:
        if order.promotion.coupon_id:
            made.facts.append(("Coupon", "yuan", order.promotion.amount))
        _add_complaint(book, order, made)
    return made


#: What the payer complains of, by the button.
_PROBLEMS: Mapping[str, Literal["OTHERS", "REFUND"]] = {"complain": "OTHERS", "demand_refund": "REFUND"}


def _add_complaint(book: Book, order: Order, made: Sheet) -> None:
    """A complaint that there is, or the buttons that file one."""
    complaint = next((item for item in _complaints(book) if item.order is order), None)
    if complaint is None:
        made.asks = "What is wrong"
        made.afterwards = [Action("complain", "Complain"), Action("demand_refund", "Ask for the money back")]
    else:
        made.facts.append(("Complaint", "text", f"{complaint.complaint_id} {complaint.state}"))


def _together(order: Order, other: Order) -> bool:
    return other.combine_out_trade_no == order.combine_out_trade_no and other.prepay_id == order.prepay_id


def sheet_of_score(order: ScoreOrder) -> Sheet:
    """A pay-score order: to be confirmed, and later to be paid."""
    made = Sheet(
        kind="score",
        mchid=order.owner[0],
        sub_mchid=order.owner[1],
        number=order.out_order_no,
        title="Pay-score order",
        amount=order.total_amount,
        state=f"{order.state} {order.state_description}".strip(),
        facts=[
            ("Payee", "text", order.owner[1] or order.owner[0]),
            ("Service", "text", order.terms.get("service_introduction", "")),
            ("Order number", "text", order.out_order_no),
            ("Deposit or risk amount", "yuan", order.risk_amount),
        ],
    )
    if order.state == "CREATED":
        made.expires = order.created + 3_600
        made.facts.append(("Expires", "moment", made.expires))
        made.actions = [Action("confirm", "Confirm", primary=True), Action("cancel", "Cancel"), Action("expire", "Let it expire")]
    elif order.collection == "USER_PAYING":
        made.actions = [Action("pay", "Pay now", primary=True), Action("cancel", "Cancel")]
    return made


def sheet_of_transfer(item: Transfer) -> Sheet:
    """A transfer, which its receiver confirms."""
    made = Sheet(
        kind="transfer",
        mchid=item.mchid,
        sub_mchid="",
        number=item.number,
        title="Transfer to the user",
        amount=item.amount,
        state=item.state,
        facts=[
            ("Merchant", "text", item.mchid),
            ("Remark", "text", item.terms.get("transfer_remark", "")),
            ("Number", "text", item.number),
        ],
    )
    if item.state == "WAIT_USER_CONFIRM":
        made.expires = item.created + 86_400
        made.facts.append(("Expires", "moment", made.expires))
        made.actions = [Action("confirm", "Receive the money", primary=True), Action("cancel", "Cancel"), Action("expire", "Let it expire")]
    return made


def _sheet_of_contract(mchid: str, code: str, contract: dict[str, Any]) -> Sheet:
    signed = contract["state"] == 1
    return Sheet(
        kind="contract",
        mchid=mchid,
        sub_mchid="",
        number=code,
        title="Contract",
        amount=None,
        state=contract["contract_id"] if signed else "-",
        facts=[("Merchant", "text", mchid), ("Number", "text", code)],
        actions=[] if signed else [Action("confirm", "Agree", primary=True), Action("cancel", "Cancel")],
    )


#: Whose name stands beside an entry of a complaint's history, as a label.
_SPEAKERS = {"投诉人": "Payer", "商户": "Merchant", "微信支付客服": "Customer service", "系统": "System"}


def sheet_of_complaint(item: Complaint) -> Sheet:
    """A complaint and what was said so far; the user can go on with it."""
    made = Sheet(
        kind="complaint",
        mchid=item.order.owner[0],
        sub_mchid=item.order.owner[1],
        number=item.complaint_id,
        title="Complaint",
        amount=item.refund_amount or item.order.total,
        state=item.state,
        facts=[
            ("Merchant", "text", item.mchid),
            ("Order number", "text", item.order.out_trade_no),
            ("Kind", "text", PROBLEM_TYPES[item.problem_type]),
        ],
        asks="What the payer says",
    )
    made.facts += [(_SPEAKERS[each.operator], "text", f"{each.kind} {each.text}".strip()) for each in item.history]
    if item.is_open:
        help_action = Action("dismiss_platform", "No more help") if item.has_platform else Action("call_platform", "Ask for help")
        made.actions = [Action("message", "Send", primary=True), help_action, Action("revoke", "Take it back")]
    else:
        made.afterwards = [Action("complain_again", "Complain again"), Action("confirm", "Confirm")]
    return made


def sheet_of_parking(book: Book, entry: Entry) -> Sheet:
    """A car that came in, whose user opens and closes the service of its plate."""
    number, color = entry.plate
    plate = book.shelf("plates").get(entry.plate)
    made = Sheet(
        kind="parking",
        mchid=entry.owner[0],
        sub_mchid=entry.owner[1],
        number=entry.number,
        title="Parking",
        amount=None,
        state=f"{entry.state} {entry.trouble}".strip(),
        facts=[
            ("Payee", "text", entry.owner[1]),
            ("Car park", "text", entry.terms["parking_name"]),
            ("Plate", "text", f"{number} {color}"),
        ],
    )
    if plate is None or plate.state != "NORMAL":
        made.afterwards.append(Action("open", "Open the service"))
    else:
        made.afterwards += [Action("pause", "Pause the service"), Action("close", "End the service")]
    if plate is not None and plate.debts:
        made.afterwards.append(Action("repay", "Clear the debt"))
    return made


def _complaints(book: Book) -> Iterator[Complaint]:
    return iter(book.shelf("complaints").values())


def _transfers(book: Book) -> Iterator[Transfer]:
    return iter(book.shelf("transfers").values())


def _contracts(book: Book) -> Iterator[Sheet]:
    for (owner, code), contract in book.shelf("contracts").items():
        yield _sheet_of_contract(owner[0], code, contract)
    for item in book.shelf("contracts_v3").values():
        yield _sheet_of_v3_contract(item)


def _sheet_of_v3_contract(item: Contract) -> Sheet:
    made = Sheet(
        kind="contract",
        mchid=item.owner[0],
        sub_mchid=item.owner[1],
        number=item.code,
        title="Contract",
        amount=None,
        state=item.state or "-",
        facts=[("Merchant", "text", item.owner[1] or item.owner[0]), ("Number", "text", item.code)],
    )
    if not item.state:
        made.actions = [Action("confirm", "Agree", primary=True), Action("cancel", "Cancel")]
    elif item.state == "SIGNED":
        made.afterwards = [Action("terminate", "End the contract")]
    return made


def all_waiting(book: Book) -> list[Sheet]:
    """Everything that the payer can act on, newest first; a combined order once."""
    seen: set[str] = set()
    found: list[Sheet] = []
    for order in reversed(book.orders.values()):
        if order.state not in {"NOTPAY", "USERPAYING"} or (order.combine_out_trade_no and order.prepay_id in seen):
            continue
        seen.add(order.prepay_id)
        found.append(sheet_of_order(book, order))
    found += [sheet_of_score(order) for order in reversed(book.score_orders.values())]
    found += [sheet_of_transfer(item) for item in reversed(list(_transfers(book)))]
    found += _contracts(book)
    found += [sheet_of_complaint(item) for item in reversed(list(_complaints(book)))]
    return [sheet for sheet in found if sheet.waits]


def find_sheet(book: Book, kind: str, mchid: str, sub_mchid: str, number: str) -> Sheet | None:
    """The thing that a page's address names."""
    if kind == "order":
        order = book.orders.get(((mchid, sub_mchid), number))
        return None if order is None else sheet_of_order(book, order)
    if kind == "score":
        score = book.score_orders.get(((mchid, sub_mchid), number))
        return None if score is None else sheet_of_score(score)
    if kind == "transfer":
        found = book.shelf("transfers").get((mchid, number))
        return None if found is None else sheet_of_transfer(found)
    if kind == "complaint":
        complaint = book.shelf("complaints").get(number)
        return None if complaint is None or complaint.order.owner != (mchid, sub_mchid) else sheet_of_complaint(complaint)
    if kind == "parking":
        entry = book.shelf("parkings").get((mchid, number))
        return None if entry is None else sheet_of_parking(book, entry)
    wanted = (mchid, sub_mchid, number)
    return next(
        (sheet for sheet in _contracts(book) if kind == "contract" and (sheet.mchid, sheet.sub_mchid, sheet.number) == wanted), None
    )


def order_by_prepay_id(book: Book, prepay_id: str) -> Order | None:
    """The order that a `prepay_id` was given for."""
    return next((order for order in reversed(book.orders.values()) if order.prepay_id and order.prepay_id == prepay_id), None)


def find_by_scan(book: Book, text: str) -> Sheet | None:
    """What a `code_url`, a `prepay_id` or a business number means."""
    if not text:
        return None
    for order in reversed(book.orders.values()):
        if text in {_code_url(order), order.prepay_id, order.out_trade_no, order.combine_out_trade_no, order.transaction_id}:
            return sheet_of_order(book, order)
    for score in reversed(book.score_orders.values()):
        if text in {score.out_order_no, score.order_id, score.package}:
            return sheet_of_score(score)
    for item in reversed(list(_transfers(book))):
        if text in {item.number, item.bill_no, item.package}:
            return sheet_of_transfer(item)
    for complaint in _complaints(book):
        if text == complaint.complaint_id:
            return sheet_of_complaint(complaint)
    for entry in reversed(book.shelf("parkings").values()):
        if text in {entry.number, entry.entry_id}:
            return sheet_of_parking(book, entry)
    return next((sheet for sheet in _contracts(book) if sheet.number == text), None)


def act(sandbox: Sandbox, sheet: Sheet, action: str, text: str = "") -> None:
    """Do what a button says. Raises `Refusal` or `LookupError`; cancelling changes nothing, as on the phone."""
    if action not in {offered.name for offered in (*sheet.actions, *sheet.afterwards)}:
        raise LookupError(action)
    if action == "expire":
        sandbox.clock.advance(max(0.0, sheet.expires - sandbox.clock()) + 1)
    elif action == "decline":
        sandbox.decline(sheet.number, mchid=sheet.sub_mchid or sheet.mchid)
    elif sheet.kind == "order" and action in {"pay", "pay_with_coupon"}:
        chosen = sheet.coupon_id if action == "pay_with_coupon" else None
        sandbox.pay(sheet.number, mchid=sheet.sub_mchid or sheet.mchid, coupon_id=chosen)
    elif sheet.kind == "order" and action in _PROBLEMS:
        sandbox.complain(sheet.number, text, problem_type=_PROBLEMS[action], mchid=sheet.sub_mchid or sheet.mchid)
    elif sheet.kind == "complaint":
        sandbox.act("follow_complaint", number=sheet.number, what=action, text=text)
    elif sheet.kind == "parking":
        _act_for_the_car(sandbox, sandbox.book.shelf("parkings")[(sheet.mchid, sheet.number)], action)
    elif sheet.kind == "score" and action == "confirm":
        sandbox.payscore.confirm(sheet.number)
    elif sheet.kind == "score" and action == "pay":
        sandbox.payscore.pay(sheet.number)
    elif sheet.kind == "transfer" and action == "confirm":
        sandbox.confirm_transfer(sheet.number)
    elif sheet.kind == "contract" and action == "confirm":
        sandbox.sign_contract(sheet.number)
    elif sheet.kind == "contract" and action == "terminate":
        sandbox.terminate_contract(sheet.number)


def _act_for_the_car(sandbox: Sandbox, entry: Entry, action: str) -> None:
    if action == "repay":
        for number in list(sandbox.book.shelf("plates")[entry.plate].debts):
            sandbox.parking.repay(number)
        return
    deeds = {"open": sandbox.parking.open, "pause": sandbox.parking.pause, "close": sandbox.parking.close}
    deeds[action](*entry.plate)
