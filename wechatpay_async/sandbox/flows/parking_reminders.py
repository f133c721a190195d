"""Parking reminders (停车缴费服务): car parks are examined and taken in, then tell of each car that comes, pays and goes.

    car park: AUDIT_STATUS_PENDING -> AUDIT_STATUS_APPROVED;  -> AUDIT_STATUS_REJECTED, AUDIT_STATUS_WITHDRAWN
    car:      PARKING_STATE_ENTERED -> PARKING_STATE_EXITED;  PAY_STATUS_UNPAID -> PAY_STATUS_PAID

https://pay.weixin.qq.com/doc/v3/partner/4019557757, https://pay.weixin.qq.com/doc/v3/partner/4019557765,
https://pay.weixin.qq.com/doc/v3/partner/4019557725
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..models import Book
from ..wire import Answer, Refusal
from .context import Ask, Routes

__all__ = ["ROUTES", "CarPark", "Stay", "approve", "examine", "find_car_park", "reject"]

_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
#: A province, then six or seven letters or digits.
_PLATE = re.compile(r"[\u4e00-\u9fff][0-9A-Z]{6,7}")
_EXAMINING = 86_400
_MOST_PAGE = 100
_WITH_WECHAT_PAY = "PAY_TYPE_WXPAY"


@dataclass
class CarPark:
    """A car park's application, and the car park once it is approved."""

    mchid: str
    audit_no: str
    terms: dict[str, Any]
    submitted: int
    state: str = "PENDING"
    wx_number: str = ""
    field: str = ""
    reason: str = ""

    @property
    def number(self) -> str:
        return str(self.terms["out_parking_lot_id"])


@dataclass
class Stay:
    """One car's stay, as the car park has told of it: amounts in fen, times in seconds."""

    serial_number: str
    terms: dict[str, Any]
    left: int = 0
    total: int = 0
    paid: int = 0
    is_paid: bool = False


# -- car parks


def apply(ask: Ask) -> Answer:
    """提交停车场进件申请: while one is examined or approved, its number is taken."""
    lot, book = ask.body["parking_lot"], ask.book
    if not _NUMBER.fullmatch(lot["out_parking_lot_id"]):
        raise _wrong("商户停车场ID须为1至64个字母、数字、下划线或连字符", "/body/parking_lot/out_parking_lot_id")
    for known in _car_parks(ask):
        if known.number == lot["out_parking_lot_id"] and known.state in {"PENDING", "APPROVED"}:
            if known.terms == lot:
                return Answer(data={"parking_lot_audit_no": known.audit_no})
            raise Refusal(400, "INVALID_REQUEST", "商户停车场ID已有审核中或审核通过的申请单")
    made = CarPark(ask.mchid, book.numbers.dated("PLA", book.now, 6), lot, int(book.now))
    book.shelf("car_parks")[made.audit_no] = made
    book.schedule(book.now + _EXAMINING, "car_park", made)
    return Answer(data={"parking_lot_audit_no": made.audit_no})


def examine(book: Book, item: CarPark) -> None:
    """By the clock: nothing is wrong with a car park that nobody has rejected."""
    if item.state == "PENDING":
        approve(book, item)


def approve(book: Book, item: CarPark) -> None:
    """WeChat Pay takes a car park in, under a number of its own."""
    _must_be_pending(item)
    item.state, item.wx_number = "APPROVED", book.numbers.digits(32)


def reject(item: CarPark, name: str, reason: str) -> None:
    """WeChat Pay wants something put right; the car park applies anew."""
    _must_be_pending(item)
    item.state, item.field, item.reason = "REJECTED", name, reason


def find_car_park(book: Book, number: str) -> CarPark:
    """The newest application of that `out_parking_lot_id` or `parking_lot_audit_no`. Raises `LookupError`."""
    found: list[CarPark] = [item for item in book.shelf("car_parks").values() if number in (item.number, item.audit_no)]
    if not found:
        raise LookupError(f"no car park {number!r}")
    return found[-1]


def withdraw(ask: Ask) -> Answer:
    """撤回停车场进件申请."""
    item = _application(ask, ask.body)
    _must_be_pending(item)
    item.state = "WITHDRAWN"
    return Answer(status=204)


def _must_be_pending(item: CarPark) -> None:
    if item.state != "PENDING":
        raise Refusal(400, "INVALID_REQUEST", f"停车场进件申请单状态为 AUDIT_STATUS_{item.state}，不能进行该操作")


def query_application(ask: Ask) -> Answer:
    """查询停车场进件申请单."""
    item = _application(ask, ask.query)
    return Answer(data={"application": _application_view(item)} | ({"wx_parking_lot_id": item.wx_number} if item.wx_number else {}))


def list_applications(ask: Ask) -> Answer:
    """查询停车场进件申请单列表, newest first."""
    offset, limit = ask.query.get("offset", 0), ask.query.get("limit", 10)
    if offset < 0 or not 1 <= limit <= _MOST_PAGE:
        raise Refusal(400, "PARAM_ERROR", f"条数须为1至{_MOST_PAGE}，偏移量须不小于0", {"location": "query", "field": "limit"})
    found = [item for item in reversed(_car_parks(ask)) if item.number == ask.query["out_parking_lot_id"]]
    data: dict[str, Any] = {"application_list": [_application_view(item) for item in found[offset : offset + limit]]}
    for item in found:
        if item.wx_number:
            data["wx_parking_lot_id"] = item.wx_number
    return Answer(data=data)


def query_car_park(ask: Ask) -> Answer:
    """查询停车场信息, by either number."""
    if not ask.query:
        raise Refusal(400, "INVALID_REQUEST", "商户停车场ID和微信停车场ID须填写一个")
    for item in reversed(_car_parks(ask)):
        shown = _car_park_view(item)
        if item.wx_number and ask.query.items() <= shown.items():
            return Answer(data=shown)
    raise Refusal(404, "RESOURCE_NOT_EXISTS", "停车场不存在")


def _car_parks(ask: Ask) -> list[CarPark]:
    return [item for item in ask.book.shelf("car_parks").values() if item.mchid == ask.mchid]


def _application(ask: Ask, source: Any) -> CarPark:
    found: CarPark | None = ask.book.shelf("car_parks").get(source["parking_lot_audit_no"])
    if found is None or (found.mchid, found.number) != (ask.mchid, source["out_parking_lot_id"]):
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "停车场进件申请单不存在")
    return found


def _application_view(item: CarPark) -> dict[str, Any]:
    data: dict[str, Any] = {
        "parking_lot_audit_no": item.audit_no,
        "audit_status": f"AUDIT_STATUS_{item.state}",
        "submit_time": item.submitted,
        "parking_lot": item.terms,
    }
    if item.state == "REJECTED":
        data["audit_comment"] = {"fields": [{"field": item.field, "comment": item.reason}], "recommendation": item.reason}
    return data


def _car_park_view(item: CarPark) -> dict[str, str]:
    terms = item.terms
    data: dict[str, str] = {name: terms[name] for name in ("out_parking_lot_id", "parking_lot_name", "parking_lot_address")}
    data |= {
        "wx_parking_lot_id": item.wx_number,
        "payment_mini_prog_path": terms["payment_path"],
        "enabled_state": "ENABLED_STATE_ENABLED",
    }
    names = {
        "payment_mini_prog_appid": "payment_mini_prog_appid",
        "parking_order_mini_prog_appid": "parking_order_mini_prog_appid",
        "parking_order_path": "parking_order_mini_prog_path",
    }
    return data | {shown: terms[name] for name, shown in names.items() if name in terms}


# -- cars


def enter(ask: Ask) -> Answer:
    """同步车辆入场通知."""
    body = ask.body
    if not _PLATE.fullmatch(body["plate_number"]):
        raise _wrong("车牌号须为省份简称加6至7位大写字母或数字", "/body/plate_number")
    _must_be_car_park(ask, body["parking_id"])
    shelf, key = ask.book.shelf("stays"), (ask.mchid, body["out_serial_number"])
    known: Stay | None = shelf.get(key)
    if known is None:
        known = shelf[key] = Stay(ask.book.numbers.dated("WX", ask.book.now, 8), body)
    elif known.terms != body:
        raise Refusal(400, "INVALID_REQUEST", "商户停车单号重复，且与原请求参数不一致")
    return Answer(data={"serial_number": known.serial_number})


def pay(ask: Ask) -> Answer:
    """同步支付结果通知."""
    stay = _stay(ask)
    _take_payment(stay, ask.body)
    return Answer(status=204)


def leave(ask: Ask) -> Answer:
    """同步车辆离场通知, which may tell of the payment as well."""
    body, stay = ask.body, _stay(ask)
    if body["plate_color"] != stay.terms["plate_color"]:
        raise Refusal(400, "INVALID_REQUEST", "车牌颜色与入场时不一致")
    if body["exit_timestamp"] < stay.terms["enter_timestamp"]:
        raise _wrong("车辆出场时间须不早于入场时间", "/body/exit_timestamp")
    if stay.left not in {0, body["exit_timestamp"]}:
        raise Refusal(400, "INVALID_REQUEST", "车辆已离场")
    if body.get("pay_state") == "PAY_STATUS_PAID":
        _take_payment(stay, body)
    stay.left = body["exit_timestamp"]
    return Answer(status=204)


def _take_payment(stay: Stay, body: dict[str, Any]) -> None:
    if body.get("pay_type") != _WITH_WECHAT_PAY:
        raise Refusal(400, "INVALID_REQUEST", "仅支持同步微信支付的支付结果")
    if "out_trade_no" not in body and "wx_trade_no" not in body:
        raise _wrong("out_trade_no和wx_trade_no须填写一个", "/body/out_trade_no")
    if not body.get("openid"):
        raise _wrong("支付类型为微信支付时，openid是必填的", "/body/openid")
    if not 1 <= body.get("paid_amount", 0) <= body.get("total_amount", 0):
        raise _wrong("已支付费用须大于0，且不大于总费用", "/body/paid_amount")
    stay.total, stay.paid, stay.is_paid = body["total_amount"], body["paid_amount"], True


def pay_otherwise(ask: Ask) -> Answer:
    """同步非临停扩展支付: kept as it is told, for no car's stay."""
    body = ask.body
    if any(item["amount"] < 1 for item in body["fee_items"]):
        raise _wrong("金额须大于0", "/body/fee_items")
    if "wx_parking_lot_id" in body:
        _must_be_car_park(ask, body["wx_parking_lot_id"])
    if ask.book.shelf("parking_extras").setdefault((ask.mchid, body["out_trade_no"]), body) != body:
        raise Refusal(400, "INVALID_REQUEST", "商户支付订单号重复，且与原请求参数不一致")
    return Answer(status=204)


def query_fee(ask: Ask) -> Answer:
    """查询停车费用: as far as the car park has told."""
    body, stay = ask.body, _stay(ask)
    if "out_parking_id" in body and body["out_parking_id"] != _must_be_car_park(ask, stay.terms["parking_id"]).number:
        raise Refusal(400, "INVALID_REQUEST", "商户停车场ID与入场时不一致")
    return Answer(
        data={
            "total_amount": stay.total,
            "paid_amount": stay.paid,
            "payable_amount": stay.total - stay.paid,
            "parking_timestamp": (stay.left or int(ask.book.now)) - stay.terms["enter_timestamp"],
            "parking_state": "PARKING_STATE_EXITED" if stay.left else "PARKING_STATE_ENTERED",
            "pay_state": "PAY_STATUS_PAID" if stay.is_paid else "PAY_STATUS_UNPAID",
        }
    )


def _must_be_car_park(ask: Ask, wx_number: str) -> CarPark:
    for item in _car_parks(ask):
        if item.wx_number == wx_number:
            return item
    raise Refusal(400, "INVALID_REQUEST", "微信停车场ID不存在")


def _stay(ask: Ask) -> Stay:
    """The stay that a request is about; what it repeats of the car must be what it was when the car came."""
    found: Stay | None = ask.book.shelf("stays").get((ask.mchid, ask.body["out_serial_number"]))
    if found is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "停车单不存在，请先同步车辆入场通知")
    for name in ("plate_number", "parking_id"):
        if ask.body.get(name, found.terms[name]) != found.terms[name]:
            raise Refusal(400, "INVALID_REQUEST", "车牌号或微信停车场ID与入场时不一致")
    return found


def _wrong(message: str, where: str) -> Refusal:
    return Refusal(400, "PARAM_ERROR", message, {"location": "body", "field": where})


_BASE = "/v3/parking/reminders"

ROUTES: Routes = {
    f"POST {_BASE}/application": apply,
    f"POST {_BASE}/application/withdraw": withdraw,
    f"GET {_BASE}/application/query": query_application,
    f"GET {_BASE}/applications": list_applications,
    f"GET {_BASE}/parking-lot": query_car_park,
    f"POST {_BASE}/entry": enter,
    f"POST {_BASE}/payment": pay,
    f"POST {_BASE}/exit": leave,
    f"POST {_BASE}/ext-payment": pay_otherwise,
    f"POST {_BASE}/parking-fee": query_fee,
}
