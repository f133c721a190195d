"""Parking on pay score (微信支付分停车): a car comes in, its plate is watched while it stands, its fee is collected when it leaves.

    plate:   NORMAL, PAUSE or OUT_SERVICE, as the user wants
    entry:   NORMAL <-> BLOCKED, with the plate; over once its fee is accepted or the plate comes in anew
    payment: ACCEPTED -> SUCCESS -> REFUND;  -> PAY_FAIL where the user has no money and WeChat Pay advances none

https://pay.weixin.qq.com/wiki/doc/apiv3_partner/apis/chapter8_8_2.shtml, https://pay.weixin.qq.com/doc/v3/partner/4012534427,
https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter8_8_6.shtml
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..clock import rfc3339
from ..models import Book, Order, Owner
from ..wire import Answer, Refusal
from .context import Ask, Routes, check_notify_url, parse_moment, text_limit
from .orders import payer_pays

__all__ = ["ROUTES", "Entry", "Payment", "Plate", "collect", "find_entry", "find_payment", "find_plate", "repay", "run_short", "set_plate"]

_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-*]{1,32}", re.ASCII)
_COLORS = {"BLUE", "GREEN", "YELLOW", "BLACK", "WHITE", "LIMEGREEN"}
_PLATE_STATES = {"NORMAL", "PAUSE", "OUT_SERVICE", "EVALUATION_FAILED"}
_WEEK = 7 * 86_400
#: Seconds from the acceptance of a fee to its collection.
_COLLECTING = 3
#: The bank that a payment names which WeChat Pay has advanced.
_ADVANCED = "BPA"


@dataclass
class Plate:
    """A number plate whose user has at some time opened the service. `EVALUATION_FAILED` is open, and no car may leave on it."""

    number: str
    color: str
    openid: str
    opened: float
    state: str = "NORMAL"
    #: The user has no money: WeChat Pay advances it ("ADVANCED"), or does not ("FAIL").
    shortfall: str = ""
    #: Numbers of the payments that WeChat Pay has advanced and the user has not paid back.
    debts: list[str] = field(default_factory=list[str])

    @property
    def trouble(self) -> str:
        """Why no fee can be collected by this plate now; empty when it can."""
        return ("OVERDUE" if self.debts else "") if self.state == "NORMAL" else self.state


@dataclass
class Entry:
    """A car that came in; `trouble` is empty while it is NORMAL."""

    owner: Owner
    number: str
    entry_id: str
    terms: dict[str, Any]
    created: float
    trouble: str
    is_over: bool = False

    @property
    def state(self) -> str:
        return "BLOCKED" if self.trouble else "NORMAL"

    @property
    def plate(self) -> tuple[str, str]:
        return self.terms["plate_number"], self.terms["plate_color"]


@dataclass
class Payment:
    """The fee of an entry."""

    entry: Entry
    order: Order
    is_repaid: bool = False

    @property
    def state(self) -> str:
        return _STATES.get(self.order.state, "PAY_FAIL")


_STATES: Mapping[str, str] = {"NOTPAY": "ACCEPTED", "SUCCESS": "SUCCESS", "REFUND": "REFUND"}
_SAID: Mapping[str, str] = {
    "ACCEPTED": "已受理，等待扣款",
    "SUCCESS": "支付成功",
    "REFUND": "转入退款",
    "PAY_FAIL": "支付失败，请重新下单支付",
}


# -- what users do


def set_plate(book: Book, number: str, color: str, state: str, openid: str = "") -> Plate:
    """The user opens, pauses or ends the service of a plate, or is not trusted with it; whoever has the car inside is told."""
    if color not in _COLORS or state not in _PLATE_STATES:
        raise Refusal(400, "PARAM_ERROR", "车牌颜色或车牌服务状态不在可选取值中")
    shelf: dict[tuple[str, str], Plate] = book.shelf("plates")
    plate = shelf.get((number, color))
    if plate is None:
        plate = shelf[(number, color)] = Plate(number, color, openid or "o" + book.numbers.letters(27), book.now)
    if state == "NORMAL":
        plate.shortfall = ""
        plate.openid = openid or plate.openid
    if plate.state == "OUT_SERVICE" and state != "OUT_SERVICE":
        plate.opened = book.now
    plate.state = state
    _watch(book, plate)
    return plate


def run_short(book: Book, number: str, color: str, *, advanced: bool) -> Plate:
    """The user has no money from now on, until the plate is opened again or a debt is paid; WeChat Pay may advance it."""
    plate = find_plate(book, number, color)
    plate.shortfall = "ADVANCED" if advanced else "FAIL"
    return plate


def repay(book: Book, payment: Payment) -> None:
    """The user pays back what WeChat Pay has advanced; the merchant is told."""
    order, plate = payment.order, find_plate(book, *payment.entry.plate)
    if order.out_trade_no not in plate.debts:
        raise Refusal(400, "INVALID_REQUEST", "订单没有待还款的垫资")
    payment.is_repaid, plate.shortfall = True, ""
    plate.debts.remove(order.out_trade_no)
    _tell(book, payment, "TRANSACTION.PAY_BACK", "用户还款成功")
    _watch(book, plate)


def find_plate(book: Book, number: str, color: str) -> Plate:
    """A plate whose user has opened the service. Raises `LookupError`."""
    found: Plate | None = book.shelf("plates").get((number, color))
    if found is None:
        raise LookupError(f"no plate {number!r} in {color}")
    return found


def find_entry(book: Book, out_parking_no: str) -> Entry:
    """The newest entry of that number. Raises `LookupError`."""
    found: list[Entry] = [item for (_, number), item in book.shelf("parkings").items() if number == out_parking_no]
    if not found:
        raise LookupError(f"no parking entry {out_parking_no!r}")
    return found[-1]


def find_payment(book: Book, out_trade_no: str) -> Payment:
    """The newest parking payment of that number. Raises `LookupError`."""
    found: list[Payment] = [item for (_, number), item in book.shelf("parking_payments").items() if number == out_trade_no]
    if not found:
        raise LookupError(f"no parking payment {out_trade_no!r}")
    return found[-1]


def _watch(book: Book, plate: Plate) -> None:
    """Let the car inside have its plate's state, and tell the car park when it changes between usable and not."""
    entry: Entry | None = book.shelf("parked").get((plate.number, plate.color))
    if entry is None:
        return
    before, entry.trouble = entry.state, plate.trouble
    if entry.state != before:
        terms = entry.terms
        resource = {
            "sp_mchid": entry.owner[0],
            "sub_mchid": entry.owner[1],
            "parking_id": entry.entry_id,
            "out_parking_no": entry.number,
            **{name: terms[name] for name in ("plate_number", "plate_color", "start_time", "parking_name", "free_duration")},
            "parking_state": entry.state,
            "state_update_time": rfc3339(book.now),
        }
        if entry.trouble:
            resource["blocked_state_description"] = entry.trouble
        # The official example of this notification has an empty original_type.
        book.notify(entry.owner[0], terms["notify_url"], "VEHICLE.ENTRANCE_STATE_CHANGE", "", "停车入场状态通知", resource)


# -- the plate and the entry


def find_service(ask: Ask) -> Answer:
    """查询车牌服务开通信息: a plate that another user has opened is not open for this one."""
    asked = ask.query
    data = {name: asked[name] for name in ("plate_number", "plate_color", "openid")}
    plate: Plate | None = ask.book.shelf("plates").get((asked["plate_number"], asked["plate_color"]))
    if plate is None or plate.openid != asked["openid"] or plate.state == "OUT_SERVICE":
        return Answer(data=data | {"service_state": "OUT_SERVICE"})
    state = "PAUSE" if plate.state == "PAUSE" else "NORMAL"
    return Answer(data=data | {"service_state": state, "service_open_time": rfc3339(plate.opened)})


def enter(ask: Ask) -> Answer:
    """创建停车入场: of the entries of one plate the newest is the valid one."""
    body, book = ask.body, ask.book
    for name, limit in (("out_parking_no", 64), ("plate_number", 32), ("parking_name", 128)):
        text_limit(body[name], limit, f"/body/{name}")
    check_notify_url(body["notify_url"])
    if body["free_duration"] < 0:
        raise _wrong("免费时长须不小于0", "/body/free_duration", body["free_duration"])
    shelf, key = book.shelf("parkings"), (ask.mchid, body["out_parking_no"])
    known: Entry | None = shelf.get(key)
    if known is not None:
        if known.terms != body:
            raise Refusal(400, "INVALID_REQUEST", "商户入场id重复，且与原请求参数不一致")
        return Answer(data=_entry_view(known))
    plate: Plate | None = book.shelf("plates").get((body["plate_number"], body["plate_color"]))
    made = Entry(
        owner=(ask.mchid, body["sub_mchid"]),
        number=body["out_parking_no"],
        entry_id=book.numbers.letters(19).upper(),
        terms=body,
        created=book.now,
        trouble="OUT_SERVICE" if plate is None else plate.trouble,
    )
    shelf[key] = book.shelf("parking_ids")[made.entry_id] = made
    earlier: Entry | None = book.shelf("parked").get(made.plate)
    if earlier is not None:
        earlier.is_over = True
    book.shelf("parked")[made.plate] = made
    return Answer(data=_entry_view(made))


def _entry_view(entry: Entry) -> dict[str, Any]:
    names = ("out_parking_no", "plate_number", "plate_color", "start_time", "parking_name", "free_duration")
    data = {"id": entry.entry_id, "state": entry.state} | {name: entry.terms[name] for name in names}
    return data | ({"block_reason": entry.trouble} if entry.trouble else {})


def _wrong(message: str, where: str, value: Any) -> Refusal:
    return Refusal(400, "PARAM_ERROR", message, {"location": "body", "field": where, "value": value})


# -- the fee


def accept(ask: Ask) -> Answer:
    """扣费受理: the car may leave; the fee is collected after it."""
    body, book = ask.body, ask.book
    _check_terms(body)
    owner = (ask.mchid, body["sub_mchid"])
    known: Payment | None = book.shelf("parking_payments").get((owner, body["out_trade_no"]))
    if known is not None and known.order.terms == body:
        return Answer(data=_view(known))
    if (owner, body["out_trade_no"]) in book.orders:
        raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复，且与原请求参数不一致")
    entry = _valid_entry(ask, owner)
    _check_times(book, body["parking_info"])
    plate = find_plate(book, *entry.plate)
    order = Order(
        owner=owner,
        out_trade_no=body["out_trade_no"],
        trade_type="PAP",
        terms=body,
        total=body["amount"]["total"],
        created=book.now,
        expires=book.now + _WEEK,
        notify_url=body["notify_url"],
        openid=plate.openid,
        profit_sharing=body.get("profit_sharing") == "Y",
    )
    made = Payment(entry, order)
    book.orders[(owner, order.out_trade_no)] = order
    book.shelf("parking_payments")[(owner, order.out_trade_no)] = made
    entry.is_over = True
    del book.shelf("parked")[entry.plate]
    book.schedule(book.now + _COLLECTING, "parking", made)
    return Answer(data=_view(made))


def _check_terms(body: dict[str, Any]) -> None:
    if not _OUT_TRADE_NO.fullmatch(body["out_trade_no"]):
        raise _wrong("商户订单号须为1至32个字符，只能是数字、大小写字母和_-*", "/body/out_trade_no", body["out_trade_no"])
    for name, limit in (("description", 128), ("attach", 128), ("goods_tag", 32)):
        if name in body:
            text_limit(body[name], limit, f"/body/{name}")
    check_notify_url(body["notify_url"])
    if body["trade_scene"] != "PARKING":
        raise _wrong("交易场景只支持PARKING", "/body/trade_scene", body["trade_scene"])
    if "parking_info" not in body:
        raise _wrong("交易场景为PARKING时，停车场景信息是必填的", "/body/parking_info", None)
    if body["amount"]["total"] < 1:
        raise _wrong("订单金额须大于0", "/body/amount/total", body["amount"]["total"])


def _check_times(book: Book, info: dict[str, Any]) -> None:
    # What the real one wants of the two times: https://developers.weixin.qq.com/community/pay/doc/00080860500538e3cac8f9f075b008
    start, end = parse_moment(info["start_time"]), parse_moment(info["end_time"])
    if not start < end <= book.now:
        raise _wrong("出场时间须晚于入场时间，且不晚于当前时间", "/body/parking_info/end_time", info["end_time"])


def _valid_entry(ask: Ask, owner: Owner) -> Entry:
    """The entry that a fee is for. What is refused here, and in which words, is in the same answers of the official community."""
    info = ask.body["parking_info"]
    entry: Entry | None = ask.book.shelf("parking_ids").get(info["parking_id"])
    if entry is None or entry.owner[0] != owner[0]:
        raise Refusal(400, "INVALID_REQUEST", "停车入场id不存在")
    if entry.is_over and ask.book.shelf("parked").get(entry.plate) is not None:
        raise Refusal(400, "INVALID_REQUEST", "停车入场id不存在")
    same = all(info[name] == entry.terms[name] for name in ("plate_number", "plate_color", "start_time", "parking_name"))
    if entry.is_over or entry.owner != owner or not same:
        raise Refusal(400, "INVALID_REQUEST", "场景信息和停车入场id不匹配")
    if entry.trouble:
        raise Refusal(400, "INVALID_REQUEST", f"停车入场状态不可用：{entry.trouble}")
    return entry


def collect(book: Book, payment: Payment) -> None:
    """By the clock: the fee comes from the user, from WeChat Pay in advance, or not at all; the merchant is told."""
    order, plate = payment.order, find_plate(book, *payment.entry.plate)
    if order.state != "NOTPAY":
        return
    if plate.shortfall == "FAIL":
        order.state = "PAYERROR"
        _tell(book, payment, "TRANSACTION.FAIL", "支付失败")
        return
    payer_pays(book, order, bank_type=_ADVANCED if plate.shortfall else "OTHERS")
    if plate.shortfall:
        plate.debts.append(order.out_trade_no)
    _tell(book, payment, "TRANSACTION.SUCCESS", "支付成功")
    _watch(book, plate)


def _tell(book: Book, payment: Payment, event: str, summary: str) -> None:
    book.notify(payment.order.owner[0], payment.order.notify_url, event, "transaction", summary, _view(payment))


def query(ask: Ask) -> Answer:
    """查询订单."""
    owner = (ask.mchid, ask.query.get("sub_mchid", ""))
    found = ask.book.shelf("parking_payments").get((owner, ask.path["out_trade_no"]))
    if found is None:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    return Answer(data=_view(cast("Payment", found)))


def _view(payment: Payment) -> dict[str, Any]:
    order, terms = payment.order, payment.order.terms
    names = ("appid", "sub_appid", "sub_mchid", "description", "out_trade_no", "trade_scene", "parking_info")
    data: dict[str, Any] = {name: terms[name] for name in names} | {
        "sp_mchid": order.owner[0],
        "create_time": rfc3339(order.created),
        "trade_state": payment.state,
        "trade_state_description": _SAID[payment.state],
        "payer": {"openid": order.openid, "sub_openid": order.openid},
        "amount": {"total": order.total, "currency": "CNY"},
        "promotion_detail": [],
    }
    if order.is_paid:
        data |= {"transaction_id": order.transaction_id, "success_time": rfc3339(order.paid_at), "bank_type": order.bank_type}
        data["amount"] |= {"payer_total": order.total, "discount_total": 0}
        if "attach" in terms:
            data["attach"] = terms["attach"]
        if order.bank_type == _ADVANCED:
            data["user_repaid"] = "Y" if payment.is_repaid else "N"
    return data


ROUTES: Routes = {
    "GET /v3/vehicle/parking/services/find": find_service,
    "POST /v3/vehicle/parking/parkings": enter,
    "POST /v3/vehicle/transactions/parking": accept,
    "GET /v3/vehicle/transactions/out-trade-no/{out_trade_no}": query,
}
