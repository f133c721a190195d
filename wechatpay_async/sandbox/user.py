"""What happens in a sandbox without a call of the merchant's API: what users do, what the console does, what the clock does.

Each action is a function of the sandbox and plain values, so that it can be kept and done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from wechatpay_async import catalog

from . import life
from .flows import applyments, complaints, contracts, parking, parking_reminders, payscore, transfers
from .models import RETRY_AFTER, Book, Notice, Order, Refund, ScoreOrder
from .parties import Merchant, Mode, SigningKey
from .synthesis import make_resource
from .wire import Refusal

if TYPE_CHECKING:
    from .core import Sandbox

__all__ = ["ACTIONS", "Applyments", "Complaints", "Parking", "ScoreUser", "find_order", "find_refund"]


def find_order(book: Book, out_trade_no: str, mchid: str = "") -> Order:
    """The order of that number, a waiting one before others; for a combined order's number one of its parts.

    Where several merchants have that number, `mchid` says whose is meant: the payee's, or the one that signs for it.
    """
    found = [order for (_, number), order in book.orders.items() if out_trade_no in (number, order.combine_out_trade_no)]
    if mchid:
        found = [order for order in found if order.mchid == mchid] or [order for order in found if order.owner[0] == mchid]
    if not found:
        raise LookupError(f"no order {out_trade_no!r}" + (f" of merchant {mchid}" if mchid else ""))
    found = [order for order in found if order.state in {"NOTPAY", "USERPAYING"}] or found
    whose = {order.prepay_id if order.combine_out_trade_no else order.owner: order.mchid for order in found}
    if len(whose) > 1:
        raise LookupError(
            f"several merchants have an order {out_trade_no!r}: say whose with mchid=, one of {', '.join(sorted(whose.values()))}"
        )
    return found[-1]


def find_refund(book: Book, out_refund_no: str) -> Refund:
    """The newest refund of that number."""
    found = [refund for (_, number), refund in book.refunds.items() if number == out_refund_no]
    if not found:
        raise LookupError(f"no refund {out_refund_no!r}")
    return found[-1]


def find_score_order(book: Book, out_order_no: str) -> ScoreOrder:
    """The newest pay-score order of that number."""
    found = [order for (_, number), order in book.score_orders.items() if number == out_order_no]
    if not found:
        raise LookupError(f"no pay-score order {out_order_no!r}")
    return found[-1]


def find_notice(book: Book, notice_id: str) -> Notice:
    """The notice of that id."""
    found = book.pending.get(notice_id) or next((notice for notice in book.notices if notice.id == notice_id), None)
    if found is None:
        raise LookupError(f"no notice {notice_id!r}")
    return found


def pay(sandbox: Sandbox, out_trade_no: str, openid: str = "", bank_type: str = "OTHERS", mchid: str = "", coupon_id: str = "") -> Order:
    """The payer pays an order, with a coupon where one is named."""
    order = find_order(sandbox.book, out_trade_no, mchid)
    life.pay(sandbox.book, order, openid=openid, bank_type=bank_type, coupon_id=coupon_id)
    return order


def ask_password(sandbox: Sandbox, auth_code: str) -> None:
    """The payer with this payment code must type the password."""
    sandbox.book.shelf("passwords")[auth_code] = True


def decline(sandbox: Sandbox, out_trade_no: str, mchid: str = "") -> Order:
    """The payer does not type the password."""
    order = find_order(sandbox.book, out_trade_no, mchid)
    if order.state != "USERPAYING":
        raise Refusal(400, "INVALID_REQUEST", "订单不在用户支付中状态")
    order.state = "PAYERROR"
    return order


def confirm_score(sandbox: Sandbox, out_order_no: str, openid: str = "") -> ScoreOrder:
    """The user confirms a pay-score order."""
    order = find_score_order(sandbox.book, out_order_no)
    payscore.confirm(sandbox.book, order, openid=openid)
    return order


def pay_score(sandbox: Sandbox, out_order_no: str) -> Order:
    """The amount of a pay-score order is collected."""
    return payscore.user_pays(sandbox.book, find_score_order(sandbox.book, out_order_no))


def confirm_transfer(sandbox: Sandbox, out_bill_no: str) -> transfers.Transfer:
    """The receiver confirms a transfer."""
    transfer = transfers.find_transfer(sandbox.book, out_bill_no)
    transfers.confirm(sandbox.book, transfer)
    return transfer


def approve_applyment(sandbox: Sandbox, number: str) -> applyments.Applyment:
    """WeChat Pay approves an application."""
    item = applyments.find_applyment(sandbox.book, number)
    applyments.approve(sandbox.book, item)
    return item


def reject_applyment(sandbox: Sandbox, number: str, field: str, reason: str) -> applyments.Applyment:
    """WeChat Pay rejects an application."""
    item = applyments.find_applyment(sandbox.book, number)
    applyments.reject(item, field, reason)
    return item


def sign_applyment(sandbox: Sandbox, number: str) -> applyments.Applyment:
    """The applicant signs."""
    item = applyments.find_applyment(sandbox.book, number)
    applyments.sign(item)
    return item


def cannot_receive(sandbox: Sandbox, openid: str, reason: str = "ACCOUNT_FROZEN") -> None:
    """Transfers of a batch to this user fail, for this reason, from now on."""
    sandbox.book.shelf("cannot_receive")[openid] = reason


def sign_contract(sandbox: Sandbox, contract_code: str, openid: str = "") -> str:
    """The user signs a contract, APIv3's or APIv2's."""
    found: list[dict[str, Any]] = [known for (_, code), known in sandbox.book.shelf("contracts").items() if code == contract_code]
    newer = contracts.find_contract(sandbox.book, contract_code)
    if newer is not None and not (found and newer.state):
        contracts.sign(sandbox.book, newer, openid)
        return newer.contract_id
    if not found:
        raise LookupError(f"no contract {contract_code!r}")
    contract_id = sandbox.book.numbers.dated("Wx", sandbox.book.now, 18)
    signer = openid or "o" + sandbox.book.numbers.letters(27)
    found[-1] |= {"state": 1, "contract_id": contract_id, "signed_at": sandbox.book.now, "openid": signer}
    return contract_id


def terminate_contract(sandbox: Sandbox, contract_code: str) -> contracts.Contract:
    """The user ends an APIv3 contract."""
    item = contracts.find_contract(sandbox.book, contract_code)
    if item is None:
        raise LookupError(f"no contract {contract_code!r}")
    contracts.terminate(sandbox.book, item, "USER_TERMINATE", "用户解约")
    return item


def complain(
    sandbox: Sandbox,
    out_trade_no: str,
    detail: str,
    problem_type: str = "OTHERS",
    phone: str = "",
    refund_amount: str = "",
    chat: str = "",
    mchid: str = "",
) -> complaints.Complaint:
    """The payer complains about a payment; an amount in fen, and "yes" for a chat, are texts here, as a page's form sends them."""
    if refund_amount and not refund_amount.isdecimal():
        raise Refusal(400, "PARAM_ERROR", "申请退款金额须为整数")
    return complaints.complain(
        sandbox.book,
        find_order(sandbox.book, out_trade_no, mchid),
        detail,
        problem_type=problem_type,
        phone=phone,
        refund_amount=int(refund_amount or 0),
        urgent=chat == "yes",
    )


def follow_complaint(sandbox: Sandbox, number: str, what: str, text: str = "") -> complaints.Complaint:
    """The user, or WeChat Pay's people, go on with a complaint."""
    item = complaints.find_complaint(sandbox.book, number)
    complaints.follow(sandbox.book, item, what, text)
    return item


def set_plate(sandbox: Sandbox, plate_number: str, state: str, plate_color: str = "BLUE", openid: str = "") -> parking.Plate:
    """The user opens, pauses or ends the parking service of a number plate."""
    return parking.set_plate(sandbox.book, plate_number, plate_color, state, openid)


def run_short(sandbox: Sandbox, plate_number: str, plate_color: str = "BLUE", advanced: str = "yes") -> parking.Plate:
    """The user of a plate has no money; "yes": WeChat Pay advances what is due."""
    return parking.run_short(sandbox.book, plate_number, plate_color, advanced=advanced == "yes")


def repay_parking(sandbox: Sandbox, out_trade_no: str) -> parking.Payment:
    """The user pays back what WeChat Pay has advanced."""
    payment = parking.find_payment(sandbox.book, out_trade_no)
    parking.repay(sandbox.book, payment)
    return payment


def approve_car_park(sandbox: Sandbox, number: str) -> parking_reminders.CarPark:
    """WeChat Pay approves a car park."""
    item = parking_reminders.find_car_park(sandbox.book, number)
    parking_reminders.approve(sandbox.book, item)
    return item


def reject_car_park(sandbox: Sandbox, number: str, field: str, reason: str) -> parking_reminders.CarPark:
    """WeChat Pay rejects a car park."""
    item = parking_reminders.find_car_park(sandbox.book, number)
    parking_reminders.reject(item, field, reason)
    return item


def finish_refund(sandbox: Sandbox, out_refund_no: str, status: str = "SUCCESS") -> Refund:
    """End a refund now."""
    refund = find_refund(sandbox.book, out_refund_no)
    life.finish_refund(sandbox.book, refund, status)
    return refund


def add_merchant(sandbox: Sandbox, mchid: str, mode: Mode = "public_key") -> Merchant:
    """One more merchant."""
    if mchid in sandbox.merchants:
        raise ValueError(f"merchant {mchid} is there already")
    made = Merchant.make(mchid, mode, sandbox.authority, sandbox.vault, sandbox.yesterday())
    sandbox.merchants[mchid] = made
    return made


def new_certificate(sandbox: Sandbox, sign_with_it: bool = True) -> SigningKey:
    """One more platform certificate."""
    return sandbox.platform.add_certificate(sandbox.yesterday(), sign_with_it=sign_with_it)


def retire_certificate(sandbox: Sandbox, serial: str) -> None:
    """One platform certificate less."""
    sandbox.platform.retire_certificate(serial)


def start_switch(sandbox: Sandbox, mchid: str) -> None:
    """A merchant begins to move to the public key."""
    sandbox.merchants[mchid].switch_started = sandbox.book.now


def finish_switch(sandbox: Sandbox, mchid: str) -> None:
    """A merchant has the public key alone."""
    sandbox.merchants[mchid].mode, sandbox.merchants[mchid].switch_started = "public_key", None


def emit(
    sandbox: Sandbox, event_type: str, url: str, mchid: str, api: Literal["v2", "v3"] = "v3", fields: Mapping[str, Any] | None = None
) -> Notice:
    """Something of which the sandbox has no rules is told all the same."""
    event = catalog.event(event_type, api=api)
    if event is None:
        raise LookupError(f"no event {event_type!r} in {api}")
    given = {name: mchid for name in ("mchid", "mch_id", "sp_mchid", "combine_mch_id") if name in event.resource.get("properties", {})}
    resource = make_resource(event, seed=sandbox.seed, now=sandbox.book.now, fields=given | dict(fields or {}))
    original = event.original_types[0] if event.original_types else event_type.partition(".")[0].lower()
    notice = sandbox.book.notify(mchid, url, event_type, original, event.title, resource, v2=api == "v2")
    if notice is None:
        raise LookupError("no address to tell it to")
    return notice


def set_console_url(sandbox: Sandbox, url: str, mchid: str) -> None:
    """A merchant writes an address for refunds into the console."""
    sandbox.book.shelf("console_urls")[mchid] = url


def attempt(sandbox: Sandbox, notice_id: str) -> None:
    """An attempt to notify is made; the next one is due by the schedule."""
    notice = find_notice(sandbox.book, notice_id)
    notice.attempts += 1
    notice.due = sandbox.book.now + RETRY_AFTER[notice.attempts - 1] if notice.attempts <= len(RETRY_AFTER) else None
    if notice.due is None:
        sandbox.book.pending.pop(notice_id, None)


def taken(sandbox: Sandbox, notice_id: str) -> None:
    """The merchant has taken a notification."""
    notice = find_notice(sandbox.book, notice_id)
    notice.acknowledged, notice.due = True, None
    sandbox.book.pending.pop(notice_id, None)


def send_again(sandbox: Sandbox, notice_id: str) -> Notice:
    """One more attempt is due now."""
    notice = find_notice(sandbox.book, notice_id)
    notice.due = sandbox.book.now
    sandbox.book.pending[notice_id] = notice
    return notice


def advance(sandbox: Sandbox, seconds: float) -> None:
    """The clock was moved ahead; what fell due on the way happens."""
    if sandbox.is_retelling:
        sandbox.clock.advance(seconds)
    sandbox.tick()


ACTIONS: Mapping[str, Callable[..., Any]] = {
    action.__name__: action
    for action in (
        pay,
        ask_password,
        decline,
        confirm_score,
        pay_score,
        confirm_transfer,
        approve_applyment,
        reject_applyment,
        sign_applyment,
        cannot_receive,
        sign_contract,
        terminate_contract,
        complain,
        follow_complaint,
        set_plate,
        run_short,
        repay_parking,
        approve_car_park,
        reject_car_park,
        finish_refund,
        add_merchant,
        new_certificate,
        retire_certificate,
        start_switch,
        finish_switch,
        emit,
        set_console_url,
        attempt,
        taken,
        send_again,
        advance,
    )
}


class ScoreUser:
    """`sandbox.payscore`: confirms and pays pay-score orders, as the user does in WeChat."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def find(self, out_order_no: str) -> ScoreOrder:
        """The newest pay-score order of that number. Raises `LookupError`."""
        return find_score_order(self._sandbox.book, out_order_no)

    def confirm(self, out_order_no: str, *, openid: str = "") -> ScoreOrder:
        """The user confirms the order: it is DOING. Raises `LookupError`, or `Refusal` when it cannot be confirmed."""
        order: ScoreOrder = self._sandbox.act("confirm_score", out_order_no=out_order_no, openid=openid)
        return order

    def pay(self, out_order_no: str) -> Order:
        """The amount is collected from the user: the order is DONE. Gives the payment, which can be refunded."""
        payment: Order = self._sandbox.act("pay_score", out_order_no=out_order_no)
        return payment


class Applyments:
    """`sandbox.applyments`: examines applications as WeChat Pay does, and signs as the applicant; each by the application's own number."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def find(self, number: str) -> applyments.Applyment:
        """The newest application of that `out_request_no` or `business_code`. Raises `LookupError`."""
        return applyments.find_applyment(self._sandbox.book, number)

    def approve(self, number: str) -> applyments.Applyment:
        """Approve it now: NEED_SIGN, with a `sub_mchid`. Raises `LookupError`, or `Refusal` when it is not being examined."""
        item: applyments.Applyment = self._sandbox.act("approve_applyment", number=number)
        return item

    def reject(self, number: str, field: str = "id_card_copy", reason: str = "照片不清晰，请重新上传") -> applyments.Applyment:
        """Reject it for a field: REJECTED, until it is sent again. Raises `LookupError`, or `Refusal` when it is not being examined."""
        item: applyments.Applyment = self._sandbox.act("reject_applyment", number=number, field=field, reason=reason)
        return item

    def sign(self, number: str) -> applyments.Applyment:
        """The applicant signs: FINISH. Raises `LookupError`, or `Refusal` when there is nothing to sign."""
        item: applyments.Applyment = self._sandbox.act("sign_applyment", number=number)
        return item


class Complaints:
    """`sandbox.complaints`: goes on with complaints as their users do, and WeChat Pay's people.

    Each by the complaint's number, or by one of the payment's. All raise `LookupError`, or `Refusal` when it is not the time for it.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def find(self, number: str) -> complaints.Complaint:
        """The complaint of that number, or about the payment of that number. Raises `LookupError`."""
        return complaints.find_complaint(self._sandbox.book, number)

    def message(self, number: str, text: str) -> complaints.Complaint:
        """The user writes to the merchant."""
        return self._follow(number, "message", text)

    def complain_again(self, number: str, text: str) -> complaints.Complaint:
        """The user is not content with what the merchant called done: PENDING again."""
        return self._follow(number, "complain_again", text)

    def confirm(self, number: str) -> complaints.Complaint:
        """The user agrees that it is done."""
        return self._follow(number, "confirm")

    def revoke(self, number: str) -> complaints.Complaint:
        """The user takes the complaint back: PROCESSED."""
        return self._follow(number, "revoke")

    def call_platform(self, number: str, reason: str) -> complaints.Complaint:
        """The user asks WeChat Pay to help."""
        return self._follow(number, "call_platform", reason)

    def dismiss_platform(self, number: str) -> complaints.Complaint:
        """The user needs WeChat Pay's help no longer."""
        return self._follow(number, "dismiss_platform")

    def platform_message(self, number: str, text: str) -> complaints.Complaint:
        """WeChat Pay's people write to both."""
        return self._follow(number, "platform_message", text)

    def platform_finish(self, number: str, text: str = "") -> complaints.Complaint:
        """WeChat Pay's people have helped."""
        return self._follow(number, "platform_finish", text)

    def _follow(self, number: str, what: str, text: str = "") -> complaints.Complaint:
        item: complaints.Complaint = self._sandbox.act("follow_complaint", number=number, what=what, text=text)
        return item


class Parking:
    """`sandbox.parking`: opens the service of number plates and pays back, as their users do; examines car parks, as WeChat Pay does."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def find(self, out_parking_no: str) -> parking.Entry:
        """The newest entry of that number. Raises `LookupError`."""
        return parking.find_entry(self._sandbox.book, out_parking_no)

    def open(self, plate_number: str, plate_color: str = "BLUE", *, openid: str = "") -> parking.Plate:
        """The service is open, also after a pause, and the user has money. A car inside becomes NORMAL, and its car park is told."""
        return self._set(plate_number, plate_color, "NORMAL", openid)

    def pause(self, plate_number: str, plate_color: str = "BLUE") -> parking.Plate:
        """The user pauses the service: a car inside becomes BLOCKED, with the reason PAUSE."""
        return self._set(plate_number, plate_color, "PAUSE")

    def close(self, plate_number: str, plate_color: str = "BLUE") -> parking.Plate:
        """The user ends the service: a car inside becomes BLOCKED, with the reason OUT_SERVICE."""
        return self._set(plate_number, plate_color, "OUT_SERVICE")

    def distrust(self, plate_number: str, plate_color: str = "BLUE") -> parking.Plate:
        """WeChat Pay does not trust the user any more: BLOCKED, with the reason EVALUATION_FAILED, until the plate is opened again."""
        return self._set(plate_number, plate_color, "EVALUATION_FAILED")

    def run_short(self, plate_number: str, plate_color: str = "BLUE", *, advanced: bool = True) -> parking.Plate:
        """The user has no money until the plate is opened again. Raises `LookupError`.

        `advanced`: WeChat Pay pays what is due, and the plate is OVERDUE until `repay`; without it the payment is PAY_FAIL.
        """
        plate: parking.Plate = self._sandbox.act(
            "run_short", plate_number=plate_number, plate_color=plate_color, advanced="yes" if advanced else "no"
        )
        return plate

    def repay(self, out_trade_no: str) -> parking.Payment:
        """The user pays back what WeChat Pay has advanced. Raises `LookupError`, or `Refusal` when there is nothing to pay back."""
        payment: parking.Payment = self._sandbox.act("repay_parking", out_trade_no=out_trade_no)
        return payment

    def approve_car_park(self, number: str) -> parking_reminders.CarPark:
        """Approve a car park now, by its `out_parking_lot_id`. Raises `LookupError`, or `Refusal` when it is not being examined."""
        item: parking_reminders.CarPark = self._sandbox.act("approve_car_park", number=number)
        return item

    def reject_car_park(
        self, number: str, field: str = "parking_lot_name", reason: str = "停车场名称不符合规范"
    ) -> parking_reminders.CarPark:
        """Reject a car park for a field. Raises `LookupError`, or `Refusal` when it is not being examined."""
        item: parking_reminders.CarPark = self._sandbox.act("reject_car_park", number=number, field=field, reason=reason)
        return item

    def _set(self, plate_number: str, plate_color: str, state: str, openid: str = "") -> parking.Plate:
        plate: parking.Plate = self._sandbox.act(
            "set_plate", plate_number=plate_number, plate_color=plate_color, state=state, openid=openid
        )
        return plate
