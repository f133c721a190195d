"""Stocks of cash coupons (代金券批次): made, activated, paused and restarted by their merchant, stopped by the clock.

    unactivated -> running <-> paused;  -> stoped at the end of its time

https://pay.weixin.qq.com/doc/v3/merchant/4012534633, https://pay.weixin.qq.com/docs/merchant/apis/cash-coupons/stock/start-stock.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ..clock import rfc3339
from ..models import Book
from ..wire import Answer, Refusal
from .accounts import available, hold
from .context import Ask, Routes, parse_moment, text_limit

__all__ = ["ROUTES", "Stock", "check_request_no", "find_own", "page_of", "stop"]

_DAY = 86_400
#: A stock has at least five coupons and at most ten million, of at most 1,000 yuan each and 100 million together.
_FEWEST, _MOST = 5, 10_000_000
_MOST_FACE, _MOST_AMOUNT = 100_000, 10_000_000_000
_MOST_PER_USER = 60
#: The largest page of a list of stocks, of merchants, of goods.
_PAGES = {"stocks": 10, "merchants": 50, "items": 100}


@dataclass
class Stock:
    """A stock of coupons, each worth `face` fen. Where `has_cash`, its merchant pays what the payers are spared: `held` is kept back."""

    stock_id: str
    mchid: str
    terms: dict[str, Any]
    created: float
    begins: float
    ends: float
    status: str = "unactivated"
    started: float = 0
    paused: float = 0
    restarted: float = 0
    #: The goods that its coupons are for; all, where none is named.
    goods: list[str] = field(default_factory=list[str])
    held: int = 0
    sent: int = 0
    sent_to: dict[str, int] = field(default_factory=dict[str, int])
    sent_on: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def rule(self) -> dict[str, Any]:
        """How its coupons may be used."""
        found: dict[str, Any] = self.terms["coupon_use_rule"]
        return found

    @property
    def face(self) -> int:
        return int(self.rule["fixed_normal_coupon"]["coupon_amount"])

    @property
    def has_cash(self) -> bool:
        return not self.terms["no_cash"]

    @property
    def description(self) -> str:
        return str(self.terms.get("pattern_info", {}).get("description", ""))


def create(ask: Ask) -> Answer:
    """创建代金券批次."""
    body, book = ask.body, ask.book
    if body["belong_merchant"] != ask.mchid:
        raise Refusal(400, "INVALID_REQUEST", "非法的商户号，归属商户号须为创建批次的商户号")
    check_request_no(body["out_request_no"])
    shelf, key = book.shelf("stock_requests"), (ask.mchid, body["out_request_no"])
    known: Stock | None = shelf.get(key)
    if known is not None:
        if known.terms != body:
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", "创建请求重入，但本次请求与上次请求信息不一致")
        return Answer(data=_made(known))
    _check_terms(body)
    begins, ends = _time_of(body, book.now)
    goods = list(body["coupon_use_rule"].get("available_items", []))
    made = Stock(f"1{book.numbers.digits(9)}", ask.mchid, body, book.now, begins, ends, goods=goods)
    shelf[key] = made
    book.shelf("stocks")[made.stock_id] = made
    book.schedule(ends, "stock", made)
    return Answer(data=_made(made))


def check_request_no(number: str) -> None:
    """The number of a request to make a stock or to send a coupon."""
    if not re.fullmatch(r"[0-9A-Za-z|_*\-]{1,128}", number):
        raise _wrong("商户单据号须为1至128个字符，只能是数字、大小写字母和|_*-", "/body/out_request_no", number)


def _check_terms(body: dict[str, Any]) -> None:
    name, rule, coupon = body["stock_name"], body["stock_use_rule"], body["coupon_use_rule"].get("fixed_normal_coupon")
    if not 1 <= len(name) <= 20 or sum(not letter.isascii() for letter in name) > 9 or re.search(r"[_,;|]", name):
        raise _wrong("批次名称最多9个汉字或20个字母，不能包含_,;|", "/body/stock_name", name)
    if "comment" in body:
        text_limit(body["comment"], 60, "/body/comment")
    if body["stock_type"] != "NORMAL" or coupon is None:
        raise _wrong("批次类型须为NORMAL，并填写固定面额满减券使用规则", "/body/stock_type", body["stock_type"])
    face, least, most = coupon["coupon_amount"], coupon["transaction_minimum"], rule["max_coupons"]
    for is_right, message, field_name, value in (
        (1 < face <= _MOST_FACE, "面额须大于1分且不超过1000元", "coupon_use_rule/fixed_normal_coupon/coupon_amount", face),
        (least > face, "使用门槛须大于优惠金额", "coupon_use_rule/fixed_normal_coupon/transaction_minimum", least),
        (_FEWEST <= most <= _MOST, "发放总个数须为5至1000万", "stock_use_rule/max_coupons", most),
        (rule["max_amount"] == face * most, "批次预算等于批次面额乘以发券数", "stock_use_rule/max_amount", rule["max_amount"]),
        (rule["max_amount"] <= _MOST_AMOUNT, "批次总预算最多1亿元", "stock_use_rule/max_amount", rule["max_amount"]),
        (
            1 <= rule["max_coupons_per_user"] <= min(most, _MOST_PER_USER),
            "单个用户可领个数须为1至60，且不大于发放总个数",
            "stock_use_rule/max_coupons_per_user",
            rule["max_coupons_per_user"],
        ),
        (
            0 < rule.get("max_amount_by_day", 1) <= rule["max_amount"],
            "单天发放上限金额须大于0，且不大于总预算",
            "stock_use_rule/max_amount_by_day",
            rule.get("max_amount_by_day"),
        ),
    ):
        if not is_right:
            raise _wrong(message, f"/body/{field_name}", value)
    if not body["coupon_use_rule"].get("available_merchants"):
        raise _wrong("可核销商户号是必填项", "/body/coupon_use_rule/available_merchants", None)


def _time_of(body: dict[str, Any], now: float) -> tuple[float, float]:
    begins, ends = parse_moment(body["available_begin_time"]), parse_moment(body["available_end_time"])
    if not int(now) <= begins <= now + 365 * _DAY:
        raise _wrong("批次开始时间不可早于当前时间，也不可晚于365天后", "/body/available_begin_time", body["available_begin_time"])
    if not begins < ends <= begins + 90 * _DAY:
        raise _wrong("批次可用时间范围最长为90天", "/body/available_end_time", body["available_end_time"])
    return begins, ends


def _wrong(message: str, where: str, value: Any) -> Refusal:
    return Refusal(400, "PARAM_ERROR", message, {"location": "body", "field": where, "value": value})


def _made(stock: Stock) -> dict[str, Any]:
    return {"stock_id": stock.stock_id, "create_time": rfc3339(stock.created)}


def find_own(ask: Ask, source: Any, stock_id: str) -> Stock:
    """A stock of the merchant that asks, which must be the `stock_creator_mchid` that it names."""
    found: Stock | None = ask.book.shelf("stocks").get(stock_id)
    if found is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "批次不存在")
    creator = source.get("stock_creator_mchid", ask.mchid)
    if creator != found.mchid:
        detail = {"location": "body", "field": "stock_creator_mchid", "value": creator}
        raise Refusal(400, "PARAM_ERROR", "批次号须由stock_creator_mchid所创建", detail)
    if ask.mchid != found.mchid:
        raise Refusal(403, "REQUEST_BLOCKED", "批次不支持跨商户操作")
    return found


def start(ask: Ask) -> Answer:
    """激活代金券批次: the budget of a stock with cash is locked in the merchant's account."""
    stock = find_own(ask, ask.body, ask.path["stock_id"])
    if stock.status == "unactivated":
        budget = int(stock.terms["stock_use_rule"]["max_amount"]) if stock.has_cash else 0
        if budget > available(ask.book, stock.mchid):
            raise Refusal(403, "NOT_ENOUGH", "激活失败：账户余额不足，请充值")
        hold(ask.book, stock.mchid, budget)
        stock.status, stock.started, stock.held = "running", ask.book.now, budget
    _refuse_unless(stock, "running")
    return Answer(data={"start_time": rfc3339(stock.started), "stock_id": stock.stock_id})


def pause(ask: Ask) -> Answer:
    """暂停代金券批次: no more coupons are sent; those that were can be used."""
    stock = find_own(ask, ask.body, ask.path["stock_id"])
    if stock.status == "running":
        stock.status, stock.paused = "paused", ask.book.now
    _refuse_unless(stock, "paused")
    return Answer(data={"pause_time": rfc3339(stock.paused), "stock_id": stock.stock_id})


def restart(ask: Ask) -> Answer:
    """重启代金券批次."""
    stock = find_own(ask, ask.body, ask.path["stock_id"])
    if stock.status == "paused":
        stock.status, stock.restarted = "running", ask.book.now
    if not stock.restarted:
        raise _not_active()
    _refuse_unless(stock, "running")
    return Answer(data={"restart_time": rfc3339(stock.restarted), "stock_id": stock.stock_id})


def _refuse_unless(stock: Stock, status: str) -> None:
    """Asked again, the same is answered; from another state there is no way."""
    if stock.status != status:
        raise _not_active()


def _not_active() -> Refusal:
    return Refusal(400, "INVALID_REQUEST", "活动已结束或未激活")


def stop(book: Book, stock: Stock) -> None:
    """Its time is over: what is left of the budget is free again."""
    stock.status = "stoped"
    hold(book, stock.mchid, -stock.held)
    stock.held = 0


def query(ask: Ask) -> Answer:
    """查询批次详情."""
    return Answer(data=_view(find_own(ask, ask.query, ask.path["stock_id"])))


def query_list(ask: Ask) -> Answer:
    """条件查询批次列表: by the time at which they were made, and their status."""
    if ask.query["stock_creator_mchid"] != ask.mchid:
        raise Refusal(403, "REQUEST_BLOCKED", "调用商户无权限")
    since = parse_moment(ask.query["create_start_time"]) if "create_start_time" in ask.query else 0.0
    until = parse_moment(ask.query["create_end_time"]) if "create_end_time" in ask.query else ask.book.now
    wanted = ask.query.get("status")
    found: list[Stock] = [
        stock
        for stock in ask.book.shelf("stocks").values()
        if stock.mchid == ask.mchid and since <= int(stock.created) <= until and wanted in {None, stock.status}
    ]
    return Answer(data=page_of(ask, [_view(stock) for stock in found], _PAGES["stocks"]))


def query_merchants(ask: Ask) -> Answer:
    """查询代金券可用商户."""
    stock = find_own(ask, ask.query, ask.path["stock_id"])
    return Answer(data=page_of(ask, stock.rule["available_merchants"], _PAGES["merchants"]) | {"stock_id": stock.stock_id})


def query_items(ask: Ask) -> Answer:
    """查询代金券可用单品."""
    stock = find_own(ask, ask.query, ask.path["stock_id"])
    return Answer(data=page_of(ask, stock.goods, _PAGES["items"]) | {"stock_id": stock.stock_id})


def page_of(ask: Ask, things: list[Any], most: int, usual: int = 0) -> dict[str, Any]:
    """One page of a list: `offset` counts pages, from 0."""
    offset, limit = ask.query.get("offset", 0), ask.query.get("limit", usual)
    if offset < 0 or not 1 <= limit <= most:
        raise Refusal(400, "PARAM_ERROR", f"页大小超过阈值 {most}", {"location": "query", "field": "/query/limit", "value": limit})
    return {"total_count": len(things), "offset": offset, "limit": limit, "data": things[offset * limit : (offset + 1) * limit]}


def modify_goods(ask: Ask) -> Answer:
    """修改可用单品编码."""
    stock = find_own(ask, ask.body, ask.path["stock_id"])
    if not stock.goods:
        raise Refusal(400, "INVALID_REQUEST", "该批次不是单品券批次")
    gone = set(ask.body.get("delete_goods_id_list", []))
    kept = [goods_id for goods_id in stock.goods if goods_id not in gone]
    kept += [goods_id for goods_id in ask.body.get("add_goods_id_list", []) if goods_id not in kept]
    if not kept:
        raise _wrong("须保留至少一个可用单品编码", "/body/delete_goods_id_list", None)
    stock.goods = kept
    return Answer(data={"pause_time": rfc3339(ask.book.now), "stock_id": stock.stock_id})


def _view(stock: Stock) -> dict[str, Any]:
    names = ("stock_name", "available_begin_time", "available_end_time", "stock_use_rule", "no_cash", "stock_type")
    data: dict[str, Any] = {name: stock.terms[name] for name in names}
    data |= {
        "stock_id": stock.stock_id,
        "stock_creator_mchid": stock.mchid,
        "status": stock.status,
        "description": stock.description,
        "create_time": rfc3339(stock.created),
        "singleitem": bool(stock.goods),
        "distributed_coupons": stock.sent,
    }
    if stock.started:
        data["start_time"] = rfc3339(stock.started)
    if stock.status == "stoped":
        data["stop_time"] = rfc3339(stock.ends)
    return data


_STOCK = "/v3/marketing/favor/stocks/{stock_id}"

ROUTES: Routes = {
    "POST /v3/marketing/favor/coupon-stocks": create,
    "GET /v3/marketing/favor/stocks": query_list,
    f"GET {_STOCK}": query,
    f"GET {_STOCK}/merchants": query_merchants,
    f"GET {_STOCK}/items": query_items,
    f"POST {_STOCK}/start": start,
    f"POST {_STOCK}/pause": pause,
    f"POST {_STOCK}/restart": restart,
    f"POST {_STOCK}/modify-goods-id": modify_goods,
}
