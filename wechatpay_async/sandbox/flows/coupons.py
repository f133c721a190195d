"""Cash coupons (代金券) of users: sent by a merchant, used when an order is paid, given back with its refund, expired by the clock.

    SENDED -> USED;  -> EXPIRED;  USED -> SENDED when all of the payment was given back in time

https://pay.weixin.qq.com/doc/v3/merchant/4012463767, https://pay.weixin.qq.com/docs/merchant/apis/cash-coupons/check-notice.html,
refunds: https://pay.weixin.qq.com/docs/merchant/products/refund/introduction.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..clock import BEIJING, rfc3339
from ..models import Book, Order, Posting, Promotion, Refund
from ..wire import Answer, Refusal, as_object
from .accounts import hold
from .context import Ask, Routes, check_notify_url, parse_moment, refuse_foreign
from .coupon_flows import Flow, record
from .stocks import Stock, check_request_no, find_own, page_of

__all__ = ["ROUTES", "Coupon", "best_of", "choose", "expire", "find_coupon", "give_back", "share_of_refund", "use"]

_DAY = 86_400
_MOST_SHOWN, _USUALLY_SHOWN = 100, 20


@dataclass
class Coupon:
    """A coupon of a user's."""

    coupon_id: str
    stock: Stock
    openid: str
    appid: str
    sender: str
    created: float
    begins: float
    ends: float
    status: str = "SENDED"
    used: float = 0
    order: Order | None = None

    @property
    def face(self) -> int:
        return self.stock.face

    @property
    def least(self) -> int:
        return int(self.stock.rule["fixed_normal_coupon"]["transaction_minimum"])


def send(ask: Ask) -> Answer:
    """发放代金券."""
    body, book, openid = ask.body, ask.book, ask.path["openid"]
    check_request_no(body["out_request_no"])
    stock = find_own(ask, body, body["stock_id"])
    if "coupon_value" in body or "coupon_minimum" in body:
        raise Refusal(400, "PARAM_ERROR", "常规发券场景请勿填写面额和门槛", {"location": "body", "field": "/body/coupon_value"})
    shelf, key = book.shelf("coupon_requests"), (ask.mchid, body["out_request_no"])
    known: tuple[dict[str, Any], str, Coupon] | None = shelf.get(key)
    if known is not None:
        if known[:2] != (body, openid):
            raise Refusal(400, "INVALID_REQUEST", "商户单据号重复，且与原请求参数不一致")
        return Answer(data={"coupon_id": known[2].coupon_id})
    _check_limits(stock, openid, book.now)
    coupon = _make(ask, stock, openid)
    shelf[key] = (body, openid, coupon)
    return Answer(data={"coupon_id": coupon.coupon_id})


def _check_limits(stock: Stock, openid: str, now: float) -> None:
    rule = stock.terms["stock_use_rule"]
    if stock.status != "running":
        raise Refusal(400, "INVALID_REQUEST", "活动已结束或未激活")
    if now < stock.begins:
        raise Refusal(403, "REQUEST_BLOCKED", "活动未开始或已结束")
    if stock.sent >= rule["max_coupons"]:
        raise Refusal(403, "NOT_ENOUGH", "批次预算不足")
    if stock.sent_on.get(_day(now), 0) + stock.face > rule.get("max_amount_by_day", rule["max_amount"]):
        raise Refusal(403, "NOT_ENOUGH", "发券超过单天限额")
    if stock.sent_to.get(openid, 0) >= rule["max_coupons_per_user"]:
        raise Refusal(403, "REQUEST_BLOCKED", "用户被限领拦截，领取已经达到上限")


def _day(moment: float) -> str:
    return rfc3339(moment)[:10]


def _make(ask: Ask, stock: Stock, openid: str) -> Coupon:
    book = ask.book
    begins, ends = _time_of(stock, book.now)
    coupon = Coupon(f"4{book.numbers.digits(10)}", stock, openid, ask.body["appid"], ask.mchid, book.now, begins, ends)
    stock.sent += 1
    stock.sent_to[openid] = stock.sent_to.get(openid, 0) + 1
    stock.sent_on[_day(book.now)] = stock.sent_on.get(_day(book.now), 0) + stock.face
    book.shelf("coupons")[coupon.coupon_id] = coupon
    book.shelf("coupons_of").setdefault(openid, []).append(coupon)
    book.schedule(ends, "coupon", coupon)
    return coupon


def _time_of(stock: Stock, now: float) -> tuple[float, float]:
    """From when and until when a coupon sent now is good: never beyond the stock's own time. The field is in minutes."""
    rule = stock.rule["coupon_available_time"]
    begins = _midnight(now) + _DAY if rule.get("second_day_available") else now
    ends = begins + 60 * rule["available_time_after_receive"] if "available_time_after_receive" in rule else stock.ends
    if "available_begin_time" in rule:
        begins = max(begins, parse_moment(rule["available_begin_time"]))
    if "available_end_time" in rule:
        ends = min(ends, parse_moment(rule["available_end_time"]))
    return begins, min(ends, stock.ends)


def _midnight(moment: float) -> float:
    return datetime.fromtimestamp(moment, BEIJING).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def expire(coupon: Coupon) -> None:
    """Its time is over."""
    if coupon.status == "SENDED":
        coupon.status = "EXPIRED"


def query(ask: Ask) -> Answer:
    """查询代金券详情."""
    found: Coupon | None = ask.book.shelf("coupons").get(ask.path["coupon_id"])
    if found is None or found.openid != ask.path["openid"] or ask.mchid != found.stock.mchid:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "券不存在")
    if found.appid != ask.query["appid"]:
        raise Refusal(400, "INVALID_REQUEST", "openid与appid不匹配")
    return Answer(data=_view(found))


def query_list(ask: Ask) -> Answer:
    """根据商户号查用户的券: those that the merchant that asks has made or takes, by who made, sent or takes them."""
    wanted = ask.query
    found: list[Coupon] = [
        coupon
        for coupon in ask.book.shelf("coupons_of").get(ask.path["openid"], [])
        if ask.mchid in {coupon.stock.mchid, *coupon.stock.rule["available_merchants"]}
        and coupon.appid == wanted["appid"]
        and wanted.get("stock_id") in {None, coupon.stock.stock_id}
        and wanted.get("status") in {None, coupon.status}
        and wanted.get("creator_mchid") in {None, coupon.stock.mchid}
        and wanted.get("sender_mchid") in {None, coupon.sender}
        and wanted.get("available_mchid") in {None, *coupon.stock.rule["available_merchants"]}
    ]
    return Answer(data={"offset": 0} | page_of(ask, [_view(coupon) for coupon in found], _MOST_SHOWN, _USUALLY_SHOWN))


def _view(coupon: Coupon) -> dict[str, Any]:
    stock = coupon.stock
    data: dict[str, Any] = {
        "stock_creator_mchid": stock.mchid,
        "stock_id": stock.stock_id,
        "coupon_id": coupon.coupon_id,
        "coupon_name": stock.terms["stock_name"],
        "status": coupon.status,
        "description": stock.description,
        "create_time": rfc3339(coupon.created),
        "coupon_type": "NORMAL",
        "no_cash": not stock.has_cash,
        "singleitem": bool(stock.goods),
        "available_begin_time": rfc3339(coupon.begins),
        "available_end_time": rfc3339(coupon.ends),
        "normal_coupon_information": {"coupon_amount": coupon.face, "transaction_minimum": coupon.least},
    }
    if coupon.status == "USED" and coupon.order is not None:
        consumed: dict[str, Any] = {
            "consume_time": rfc3339(coupon.used),
            "consume_mchid": coupon.order.mchid,
            "transaction_id": coupon.order.transaction_id,
        }
        if goods := coupon.order.promotion.goods:
            consumed["goods_detail"] = [
                {"price" if name == "unit_price" else name: value for name, value in item.items()} for item in goods
            ]
        data["consume_information"] = consumed
    return data


def find_coupon(book: Book, coupon_id: str) -> Coupon:
    """The coupon of that id. Raises `LookupError`."""
    found: Coupon | None = book.shelf("coupons").get(coupon_id)
    if found is None:
        raise LookupError(f"no coupon {coupon_id!r}")
    return found


def choose(book: Book, coupon: Coupon, order: Order, openid: str, bank_type: str) -> Promotion:
    """What an order's payer is spared with a coupon. Raises `Refusal` where the phone would not offer it."""
    rule, now = coupon.stock.rule, book.now
    if (openid or order.openid or coupon.openid) != coupon.openid:
        raise _unusable("代金券不属于支付用户")
    if coupon.status != "SENDED":
        raise _unusable(f"代金券状态为 {coupon.status}")
    if now < coupon.begins or not _in_time(rule["coupon_available_time"].get("fix_available_time", {}), now):
        raise _unusable("代金券不在可用时间内")
    if order.mchid not in rule["available_merchants"]:
        raise _unusable(f"代金券不能在商户 {order.mchid} 使用")
    if rule.get("goods_tag") and order.terms.get("goods_tag") not in rule["goods_tag"]:
        raise _unusable("订单没有代金券要求的优惠标记")
    if rule.get("limit_pay") and bank_type not in rule["limit_pay"]:
        raise _unusable("代金券限指定的支付方式")
    goods = _goods_of(coupon.stock, order)
    worth = sum(item["unit_price"] * item["quantity"] for item in goods) if coupon.stock.goods else order.total
    if min(worth, order.total) < coupon.least:
        raise _unusable(f"未达到代金券使用门槛 {coupon.least} 分")
    return Promotion(
        coupon_id=coupon.coupon_id,
        stock_id=coupon.stock.stock_id,
        name=coupon.stock.terms["stock_name"],
        creator=coupon.stock.mchid,
        amount=coupon.face,
        has_cash=coupon.stock.has_cash,
        goods=tuple(_spared(goods, coupon.face)),
    )


def best_of(book: Book, order: Order) -> Coupon | None:
    """The coupon that spares an order's payer most; of any user's where the payer is not known yet."""
    held: dict[str, list[Coupon]] = book.shelf("coupons_of")
    offered = held.get(order.openid, []) if order.openid else [coupon for coupons in held.values() for coupon in coupons]
    return max((coupon for coupon in offered if _is_usable(book, coupon, order)), key=lambda coupon: coupon.face, default=None)


def _is_usable(book: Book, coupon: Coupon, order: Order) -> bool:
    try:
        choose(book, coupon, order, "", "OTHERS")
    except Refusal:
        return False
    return True


def _unusable(message: str) -> Refusal:
    return Refusal(400, "INVALID_REQUEST", message)


def _in_time(window: Mapping[str, Any], now: float) -> bool:
    """Whether a moment is on one of the weekdays (Sunday is 0) and within the hours, in seconds of the day."""
    moment = datetime.fromtimestamp(now, BEIJING)
    days = window.get("available_week_day") or range(7)
    return moment.isoweekday() % 7 in days and window.get("begin_time", 0) <= now - _midnight(now) <= window.get("end_time", _DAY)


def _goods_of(stock: Stock, order: Order) -> list[dict[str, Any]]:
    """The goods of an order that a coupon is good for, where it is for some alone."""
    listed: list[dict[str, Any]] = (as_object(order.terms.get("detail")) or {}).get("goods_detail", [])
    return [
        {"goods_id": item["merchant_goods_id"], "quantity": item["quantity"], "unit_price": item["unit_price"]}
        for item in listed
        if item["merchant_goods_id"] in stock.goods
    ]


def _spared(goods: list[dict[str, Any]], amount: int) -> list[dict[str, Any]]:
    """The goods with the share of the amount that each is spared; what rounding leaves is the last one's."""
    worth, left = sum(item["unit_price"] * item["quantity"] for item in goods), amount
    shared: list[dict[str, Any]] = []
    for number, item in enumerate(goods, start=1):
        share = left if number == len(goods) else amount * item["unit_price"] * item["quantity"] // worth
        left -= share
        shared.append(item | {"discount_amount": share})
    return shared


def use(book: Book, coupon: Coupon, order: Order) -> None:
    """An order was paid with it: where the coupon has cash its merchant pays; that merchant is told."""
    stock = coupon.stock
    coupon.status, coupon.used, coupon.order = "USED", book.now, order
    if stock.has_cash:
        stock.held -= coupon.face
        hold(book, stock.mchid, -coupon.face)
        book.post(Posting(book.now, stock.mchid, "代金券", -coupon.face, order.transaction_id))
    record(book, "use_flows", stock, Flow(book.now, coupon.coupon_id, coupon.face, order.total, order))
    resource = _view(coupon)
    resource["consume_information"]["consume_amount"] = coupon.face
    url: str = book.shelf("coupon_callbacks").get(stock.mchid, "")
    book.notify(stock.mchid, url, "COUPON.USE", "coupon", "用券成功", resource)


def share_of_refund(book: Book, order: Order, refund: int) -> int:
    """How much of a refund the coupon had paid: in proportion, half a fen up for the payer, and what is left in the end."""
    earlier = [item for item in book.refunds_of(order) if item.status != "CLOSED"]
    payer_left = order.payer_total - sum(item.payer_refund for item in earlier)
    coupon_left = order.promotion.amount - sum(item.discount for item in earlier)
    payer = (2 * refund * order.payer_total + order.total) // (2 * order.total)
    return refund - min(max(payer, refund - coupon_left), payer_left)


def give_back(book: Book, order: Order, refund: Refund | None = None) -> None:
    """A refund has arrived, or (None) the whole payment is revoked: the coupon's money goes back, and the coupon when all has."""
    promotion = order.promotion
    if not promotion.coupon_id:
        return
    coupon = find_coupon(book, promotion.coupon_id)
    stock, amount = coupon.stock, promotion.amount if refund is None else refund.discount
    if stock.has_cash and amount:
        book.post(Posting(book.now, stock.mchid, "代金券退款", amount, order.transaction_id))
    total, refund_id = (order.total, "") if refund is None else (refund.refund, refund.refund_id)
    record(book, "refund_flows", stock, Flow(book.now, coupon.coupon_id, amount, total, order, refund_id))
    returned = sum(item.refund for item in book.refunds_of(order) if item.status == "SUCCESS")
    if refund is None or returned == order.total:
        _return(book, coupon)


def _return(book: Book, coupon: Coupon) -> None:
    coupon.status, coupon.order = "SENDED", None
    if book.now >= coupon.ends:
        expire(coupon)
    elif coupon.stock.has_cash:
        coupon.stock.held += coupon.face
        hold(book, coupon.stock.mchid, coupon.face)


def set_callback(ask: Ask) -> Answer:
    """设置消息通知地址; `switch` false turns the notifications off."""
    refuse_foreign(ask, ask.body["mchid"])
    check_notify_url(ask.body["notify_url"])
    ask.book.shelf("coupon_addresses")[ask.mchid] = ask.body["notify_url"]
    ask.book.shelf("coupon_callbacks")[ask.mchid] = ask.body["notify_url"] if ask.body.get("switch", True) else ""
    return Answer(data={"update_time": rfc3339(ask.book.now), "notify_url": ask.body["notify_url"]})


def query_callback(ask: Ask) -> Answer:
    """获取已设置的消息通知地址."""
    refuse_foreign(ask, ask.query["mchid"])
    url = ask.book.shelf("coupon_addresses").get(ask.mchid)
    if url is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "未设置消息通知地址")
    return Answer(data={"mchid": ask.mchid, "notify_url": url})


_USERS = "/v3/marketing/favor/users/{openid}/coupons"

ROUTES: Routes = {
    f"POST {_USERS}": send,
    f"GET {_USERS}": query_list,
    f"GET {_USERS}/{{coupon_id}}": query,
    "POST /v3/marketing/favor/callbacks": set_callback,
    "GET /v3/marketing/favor/callbacks": query_callback,
}
