"""Pay score, for merchants and for partners: a service used now and paid afterwards.

    CREATED -> DOING (USER_CONFIRM) -> DOING (MCH_COMPLETE, collection USER_PAYING) -> DONE (collection USER_PAID)
    CREATED or DOING (USER_CONFIRM) -> REVOKED;  CREATED -> EXPIRED after an hour, DOING (USER_CONFIRM) -> EXPIRED after 30 days

Rules: https://pay.weixin.qq.com/doc/v3/merchant/4012587957, https://pay.weixin.qq.com/doc/v3/merchant/4012587902,
https://pay.weixin.qq.com/doc/v3/partner/4013138559.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from ..clock import compact_time
from ..models import Book, Order, Owner, Posting, ScoreOrder
from ..wire import Answer, Refusal
from .context import Ask, Routes, check_notify_url, text_limit

__all__ = ["ROUTES", "confirm", "lapse", "user_pays"]

_OUT_ORDER_NO = re.compile(r"[0-9A-Za-z_\-|*]{1,32}")
_HOUR = 3_600
_THIRTY_DAYS = 30 * 86_400
_TERMINAL = {"DONE": ("ORDER_DONE", "订单已完成"), "REVOKED": ("ORDER_CANCELED", "订单已取消"), "EXPIRED": ("ORDER_EXPIRED", "订单已失效")}


def _is_partner(ask: Ask) -> bool:
    return "/partner/" in ask.operation.path


def _owner(ask: Ask, source: dict[str, Any] | Any) -> Owner:
    return ask.mchid, str(source.get("sub_mchid", "")) if _is_partner(ask) else ""


def create(ask: Ask) -> Answer:
    """创建支付分订单."""
    order = _new(ask)
    data = view(order)
    if order.package:
        data["package"] = order.package
    return Answer(data=data)


def _new(ask: Ask) -> ScoreOrder:
    body, book, owner = ask.body, ask.book, _owner(ask, ask.body)
    if not _OUT_ORDER_NO.fullmatch(body["out_order_no"]):
        detail = {"location": "body", "field": "/body/out_order_no", "value": body["out_order_no"]}
        raise Refusal(400, "PARAM_ERROR", "商户服务订单号须为1至32个字符，只能是数字、大小写字母和_-|*", detail)
    text_limit(body["service_introduction"], 20, "/body/service_introduction")
    if "notify_url" in body:
        check_notify_url(body["notify_url"])
    _check_time_range(body["time_range"])
    if body.get("risk_fund", {"amount": 1})["amount"] < 1:
        raise Refusal(400, "PARAM_ERROR", "风险金额须大于0", {"location": "body", "field": "/body/risk_fund/amount"})
    known = book.score_orders.get((owner, body["out_order_no"]))
    if known is not None:
        if known.terms != body:
            raise Refusal(400, "INVALID_REQUEST", "商户服务订单号重复，且与原创单参数不一致")
        return known
    needs_user = body.get("need_user_confirm", True)
    order = ScoreOrder(
        owner=owner,
        out_order_no=body["out_order_no"],
        order_id=book.numbers.dated("1500", book.now, 18),
        query_id=book.numbers.digits(20),
        terms=body,
        created=book.now,
        package=book.numbers.letters(40) if needs_user else "",
    )
    book.score_orders[(owner, order.out_order_no)] = order
    if needs_user:
        book.schedule(order.created + _HOUR, "score", order)
    else:
        _start(book, order)
    return order


def _check_time_range(span: dict[str, Any]) -> None:
    start, end = span.get("start_time"), span.get("end_time")
    forms = r"[0-9]{8}|[0-9]{14}"
    for name, value, pattern in (("start_time", start, forms + "|OnAccept"), ("end_time", end, forms)):
        if value is not None and (not re.fullmatch(pattern, value, re.ASCII) or not _is_day(value)):
            where = f"/body/time_range/{name}"
            raise Refusal(400, "PARAM_ERROR", f"{where} 须为yyyyMMdd或yyyyMMddHHmmss", {"location": "body", "field": where, "value": value})


def _is_day(value: str) -> bool:
    try:
        datetime.strptime(value, "%Y%m%d%H%M%S" if len(value) == 14 else "%Y%m%d")
    except ValueError:
        return value == "OnAccept"
    return True


def _find(ask: Ask, source: dict[str, Any] | Any) -> ScoreOrder:
    order = ask.book.score_orders.get((_owner(ask, source), ask.path["out_order_no"]))
    if order is None:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    _check_same(order, source, "service_id")
    if not _is_partner(ask):
        _check_same(order, source, "appid")
    return order


def _check_same(order: ScoreOrder, source: dict[str, Any] | Any, name: str) -> None:
    if name in source and source[name] != order.terms[name]:
        raise Refusal(400, "PARAM_ERROR", f"{name}与创单时不一致", {"location": "body", "field": f"/body/{name}", "value": source[name]})


def query(ask: Ask) -> Answer:
    """查询支付分订单, by either number."""
    number, query_id = ask.query.get("out_order_no"), ask.query.get("query_id")
    if (number is None) == (query_id is None):
        raise Refusal(400, "PARAM_ERROR", "out_order_no和query_id须填写且只填写一个", {"location": "query"})
    owner = _owner(ask, ask.query)
    if number is not None:
        order = ask.book.score_orders.get((owner, number))
    else:
        order = next((item for item in ask.book.score_orders.values() if item.owner == owner and item.query_id == query_id), None)
    if order is None:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    _check_same(order, ask.query, "service_id")
    return Answer(data=view(order, whole=True))


def complete(ask: Ask) -> Answer:
    """完结支付分订单."""
    order, body = _find(ask, ask.body), ask.body
    if order.collection or order.state == "DONE":
        if order.completion != body:
            raise Refusal(400, "ORDER_DONE", "订单已完结，且与原完结参数不一致")
        return _done(ask, order)
    _refuse_terminal(order)
    if order.state != "DOING":
        raise Refusal(400, "INVALID_ORDER_STATE", "用户尚未确认订单，不能完结")
    _check_total(body, order.risk_amount)
    _check_time_range(body.get("time_range", {}))
    order.completion = body
    _collect(ask.book, order, body)
    return _done(ask, order)


def _collect(book: Book, order: ScoreOrder, bill: dict[str, Any]) -> None:
    order.total_amount = bill["total_amount"]
    order.state_description = "MCH_COMPLETE"
    order.collection = "USER_PAYING"
    if order.total_amount == 0:
        order.state, order.collection, order.state_description = "DONE", "", ""
        _tell(book, order, "PAYSCORE.USER_PAID", "用户支付成功")


def _check_total(body: dict[str, Any], limit: int) -> None:
    payments = sum(item.get("amount", 0) for item in body["post_payments"])
    discounts = sum(item.get("amount", 0) for item in body.get("post_discounts", []))
    detail = {"location": "body", "field": "/body/total_amount", "value": body["total_amount"]}
    if any(item.get("amount", 0) < 0 for item in [*body["post_payments"], *body.get("post_discounts", [])]) or body["total_amount"] < 0:
        raise Refusal(400, "PARAM_ERROR", "金额不能为负数", detail)
    if body["total_amount"] != payments - discounts:
        raise Refusal(400, "PARAM_ERROR", f"总金额须等于付费项目之和减优惠之和，即 {payments - discounts}", detail)
    if body["total_amount"] > limit:
        raise Refusal(400, "PARAM_ERROR", f"总金额不能超过 {limit}", detail)


def _done(ask: Ask, order: ScoreOrder) -> Answer:
    return Answer(status=204) if _is_partner(ask) else Answer(data=view(order))


def direct_complete(ask: Ask) -> Answer:
    """创单结单合并: used without a confirmation, completed at once."""
    if not {"post_payments", "total_amount"} <= ask.body.keys():
        raise Refusal(400, "PARAM_ERROR", "须填写后付费项目和总金额")
    _check_total(ask.body, ask.body["total_amount"])
    ask.body.setdefault("need_user_confirm", False)
    order = _new(ask)
    if not order.completion:
        order.completion = ask.body
        _collect(ask.book, order, ask.body)
    return _done(ask, order)


def modify(ask: Ask) -> Answer:
    """修改订单金额: only downwards, only while the payer has not paid."""
    order, body = _find(ask, ask.body), ask.body
    _refuse_terminal(order)
    if order.collection != "USER_PAYING" or order.total_amount is None:
        raise Refusal(400, "INVALID_ORDER_STATE", "只有待支付（USER_PAYING）的订单可以修改金额")
    text_limit(body["reason"], 50, "/body/reason")
    _check_total(body, order.total_amount)
    order.total_amount = body["total_amount"]
    order.completion = order.completion | {
        "post_payments": body["post_payments"],
        "post_discounts": body.get("post_discounts", []),
        "total_amount": body["total_amount"],
    }
    return Answer(status=204) if _is_partner(ask) else Answer(data=view(order, whole=True))


def cancel(ask: Ask) -> Answer:
    """取消支付分订单: before it is completed."""
    order = _find(ask, ask.body)
    text_limit(ask.body["reason"], 50, "/body/reason")
    if order.state != "REVOKED":
        _refuse_terminal(order)
        if order.collection:
            raise Refusal(400, "INVALID_ORDER_STATE", "订单已完结，不能取消")
        order.state, order.state_description = "REVOKED", ""
    if _is_partner(ask):
        return Answer(status=204)
    data = {"appid": order.terms["appid"], "mchid": order.owner[0], "out_order_no": order.out_order_no}
    return Answer(data=data | {"service_id": order.terms["service_id"], "order_id": order.order_id})


def sync(ask: Ask) -> Answer:
    """同步服务订单信息: the payer paid the merchant in another way."""
    order, body = _find(ask, ask.body), ask.body
    paid_time = body["detail"]["paid_time"]
    if body["type"] != "Order_Paid":
        raise Refusal(400, "PARAM_ERROR", "场景类型须为Order_Paid", {"location": "body", "field": "/body/type", "value": body["type"]})
    if not re.fullmatch(r"[0-9]{14}", paid_time, re.ASCII) or not _is_day(paid_time):
        detail = {"location": "body", "field": "/body/detail/paid_time", "value": paid_time}
        raise Refusal(400, "PARAM_ERROR", "收款成功时间须为yyyyMMddHHmmss", detail)
    _refuse_terminal(order)
    if order.collection != "USER_PAYING":
        raise Refusal(400, "INVALID_ORDER_STATE", "只有待支付（USER_PAYING）的订单可以同步")
    _settle(order, "MCH", paid_time, "")
    return Answer(status=204) if _is_partner(ask) else Answer(data=view(order, whole=True))


def pay(ask: Ask) -> Answer:
    """商户发起催收扣款."""
    order = _find(ask, ask.body)
    _refuse_terminal(order)
    if order.collection != "USER_PAYING":
        raise Refusal(400, "INVALID_ORDER_STATE", "只有待支付（USER_PAYING）的订单可以发起催收")
    if _is_partner(ask):
        return Answer(status=204)
    data = {"appid": order.terms["appid"], "mchid": order.owner[0], "out_order_no": order.out_order_no}
    return Answer(data=data | {"service_id": order.terms["service_id"], "order_id": order.order_id})


def _refuse_terminal(order: ScoreOrder) -> None:
    if order.state in _TERMINAL:
        code, message = _TERMINAL[order.state]
        raise Refusal(400, code, message)


_ECHOED = ("service_id", "appid", "sub_mchid", "sub_appid", "service_introduction", "risk_fund", "attach", "notify_url")


def view(order: ScoreOrder, *, whole: bool = False) -> dict[str, Any]:
    """A pay-score order as the API shows it; `whole` adds what only a query shows."""
    data: dict[str, Any] = {name: order.terms[name] for name in _ECHOED if name in order.terms}
    data |= {"mchid": order.owner[0], "out_order_no": order.out_order_no, "order_id": order.order_id, "state": order.state}
    if order.state_description:
        data["state_description"] = order.state_description
    for name in ("time_range", "location"):
        if merged := order.terms.get(name, {}) | order.completion.get(name, {}):
            data[name] = merged
    for name in ("post_payments", "post_discounts"):
        if listed := order.completion.get(name, order.terms.get(name)):
            data[name] = listed
    if order.total_amount is not None:
        data |= {"total_amount": order.total_amount, "need_collection": bool(order.total_amount)}
    if whole and order.collection:
        data["collection"] = _collection(order)
    for name in ("openid", "sub_openid"):
        if whole and name in order.terms:
            data[name] = order.terms[name]
    return data


def _collection(order: ScoreOrder) -> dict[str, Any]:
    paid = sum(item["amount"] for item in order.details)
    total = order.total_amount or 0
    data: dict[str, Any] = {"state": order.collection, "total_amount": total, "paying_amount": total - paid, "paid_amount": paid}
    return data | ({"details": order.details} if order.details else {})


def _start(book: Book, order: ScoreOrder) -> None:
    order.state, order.state_description, order.doing_since = "DOING", "USER_CONFIRM", book.now
    book.schedule(book.now + _THIRTY_DAYS, "score", order)


def confirm(book: Book, order: ScoreOrder, *, openid: str = "") -> None:
    """The user's part: the order is confirmed in WeChat."""
    _refuse_terminal(order)
    if order.state != "CREATED":
        raise Refusal(400, "INVALID_ORDER_STATE", "订单已确认")
    order.terms = {"openid": openid or "o" + book.numbers.letters(27)} | order.terms
    _start(book, order)
    _tell(book, order, "PAYSCORE.USER_CONFIRM", "用户确认订单")


def user_pays(book: Book, order: ScoreOrder) -> Order:
    """The user's part: the amount is collected. The payment becomes an order that can be refunded."""
    _refuse_terminal(order)
    if order.collection != "USER_PAYING" or not order.total_amount:
        raise Refusal(400, "INVALID_ORDER_STATE", "订单不在待支付状态")
    payment = Order(
        owner=order.owner,
        out_trade_no=order.order_id[-32:],
        trade_type="PAYSCORE",
        terms={name: order.terms[name] for name in ("appid", "sub_mchid", "sub_appid") if name in order.terms},
        total=order.total_amount,
        created=book.now,
        expires=book.now,
        state="SUCCESS",
        transaction_id=book.numbers.dated("4200", book.now, 16),
        paid_at=book.now,
        bank_type="OTHERS",
        openid=order.terms.get("openid", ""),
        score_order_no=order.out_order_no,
        profit_sharing=bool(order.completion.get("profit_sharing", False)),
    )
    payment.terms |= {"mchid": order.owner[0], "description": order.terms.get("service_introduction", "")}
    book.orders[(payment.owner, payment.out_trade_no)] = payment
    book.transactions[payment.transaction_id] = payment
    book.post(Posting(book.now, payment.mchid, "交易", payment.total, payment.transaction_id, order=payment))
    _settle(order, "NEWTON", compact_time(book.now), payment.transaction_id)
    _tell(book, order, "PAYSCORE.USER_PAID", "用户支付成功")
    return payment


def _settle(order: ScoreOrder, paid_type: str, paid_time: str, transaction_id: str) -> None:
    order.state, order.state_description, order.collection = "DONE", "", "USER_PAID"
    detail: dict[str, Any] = {"seq": 1, "amount": order.total_amount, "paid_type": paid_type, "paid_time": paid_time}
    order.details = [detail | ({"transaction_id": transaction_id} if transaction_id else {})]


def _tell(book: Book, order: ScoreOrder, event_type: str, summary: str) -> None:
    book.notify(order.owner[0], order.terms.get("notify_url", ""), event_type, "payscore", summary, view(order, whole=True))


def lapse(book: Book, order: ScoreOrder) -> None:
    """Let an order lapse that nobody confirmed or completed in time."""
    unconfirmed = order.state == "CREATED" and book.now >= order.created + _HOUR
    uncompleted = order.state == "DOING" and not order.collection and book.now >= order.doing_since + _THIRTY_DAYS
    if unconfirmed or uncompleted:
        order.state, order.state_description = "EXPIRED", ""


_DIRECT, _PARTNER = "/v3/payscore/serviceorder", "/v3/payscore/partner/serviceorder"

ROUTES: Routes = {
    f"{method} {base}{tail}": handler
    for base in (_DIRECT, _PARTNER)
    for method, tail, handler in (
        ("POST", "", create),
        ("GET", "", query),
        ("POST", "/direct-complete", direct_complete),
        ("POST", "/{out_order_no}/complete", complete),
        ("POST", "/{out_order_no}/modify", modify),
        ("POST", "/{out_order_no}/cancel", cancel),
        ("POST", "/{out_order_no}/sync", sync),
        ("POST", "/{out_order_no}/pay", pay),
    )
}
