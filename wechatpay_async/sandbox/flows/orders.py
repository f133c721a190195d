"""Payment orders of direct merchants and of partners: place, query, close, pay by code, reverse; and the payer's part.

Rules: https://pay.weixin.qq.com/doc/v3/merchant/4012791856 and https://pay.weixin.qq.com/doc/v3/merchant/4012791858.
"""

from __future__ import annotations

import re
from typing import Any

from ..clock import rfc3339
from ..models import NO_PROMOTION, Book, Order, Owner, Posting, Promotion
from ..wire import Answer, Refusal
from . import coupons
from .context import Ask, Routes, check_notify_url, parse_moment, refuse_foreign, text_limit

__all__ = [
    "ROUTES",
    "check_out_trade_no",
    "give_all_back",
    "keep",
    "lapse",
    "new_prepay_id",
    "payer_pays",
    "tell_paid",
]

_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
_WEEK = 7 * 86_400
_TWO_HOURS = 2 * 3_600
_FIVE_MINUTES = 300

TRADE_STATES = {
    "SUCCESS": "支付成功",
    "REFUND": "转入退款",
    "NOTPAY": "订单未支付",
    "CLOSED": "订单已关闭",
    "REVOKED": "订单已撤销",
    "USERPAYING": "用户支付中",
    "PAYERROR": "支付失败，请重新下单支付",
}


def owner_of(ask: Ask, source: dict[str, Any] | Any) -> Owner:
    """Whose order a request is about; refuses a request for somebody else."""
    if "/partner/" in ask.operation.path:
        refuse_foreign(ask, source.get("sp_mchid"))
        return ask.mchid, str(source.get("sub_mchid", ""))
    refuse_foreign(ask, source.get("mchid"))
    return ask.mchid, ""


def check_out_trade_no(number: str) -> None:
    """6 to 32 of the documented characters."""
    if not _OUT_TRADE_NO.fullmatch(number):
        detail = {"location": "body", "field": "/body/out_trade_no", "value": number}
        raise Refusal(400, "PARAM_ERROR", "商户订单号须为6至32个字符，只能是数字、大小写字母和_-|*", detail)


def new_prepay_id(book: Book, order: Order) -> str:
    """A fresh `prepay_id`, good for two hours."""
    order.prepay_id = f"wx{rfc3339(book.now)[:19].translate({45: None, 58: None, 84: None})}{book.numbers.hexadecimal(16)}0000"
    order.prepay_expires = book.now + _TWO_HOURS
    return order.prepay_id


def place(ask: Ask, trade_type: str) -> Order:
    """A new order, or the waiting one when the same order is placed again with the same terms."""
    body, book = ask.body, ask.book
    owner = owner_of(ask, body)
    check_out_trade_no(body["out_trade_no"])
    text_limit(body["description"], 127, "/body/description")
    if "attach" in body:
        text_limit(body["attach"], 128, "/body/attach")
    if "notify_url" in body:
        check_notify_url(body["notify_url"])
    _check_amount(body["amount"])
    expires = _expiry(body, book.now)
    known = book.orders.get((owner, body["out_trade_no"]))
    if known is not None:
        _refuse_other_terms(known, trade_type, body)
        return known
    order = Order(
        owner=owner,
        out_trade_no=body["out_trade_no"],
        trade_type=trade_type,
        terms=body,
        total=body["amount"]["total"],
        created=book.now,
        expires=expires,
        currency=body["amount"].get("currency", "CNY"),
        notify_url=body.get("notify_url", ""),
        openid=_openid(body.get("payer", {})),
        profit_sharing=bool(body.get("settle_info", {}).get("profit_sharing", False)),
    )
    keep(book, order)
    return order


def _check_amount(amount: dict[str, Any]) -> None:
    detail = {"location": "body", "field": "/body/amount/total", "value": amount["total"]}
    if amount["total"] < 1 or amount["total"] != int(amount["total"]):
        raise Refusal(400, "PARAM_ERROR", "输入源“/body/amount/total”映射到数值字段“总金额”规则校验失败，值低于最小值 1", detail)
    if amount.get("currency", "CNY") != "CNY":
        raise Refusal(400, "PARAM_ERROR", "境内商户的货币类型只支持CNY", {"location": "body", "field": "/body/amount/currency"})


def _expiry(body: dict[str, Any], now: float) -> float:
    if "time_expire" not in body:
        return now + _WEEK
    expires = parse_moment(body["time_expire"])
    if expires < now + 60:
        detail = {"location": "body", "field": "/body/time_expire", "value": body["time_expire"]}
        raise Refusal(400, "PARAM_ERROR", "交易结束时间须晚于当前时间1分钟以上", detail)
    return expires


def _refuse_other_terms(known: Order, trade_type: str, body: dict[str, Any]) -> None:
    if known.is_paid:
        raise Refusal(400, "ORDERPAID", "该订单已支付")
    if known.state != "NOTPAY":
        raise Refusal(400, "ORDER_CLOSED", "该订单已关闭，请重新下单")
    if known.trade_type != trade_type or known.terms != body:
        raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复，且与原下单参数不一致")


def _openid(payer: dict[str, Any]) -> str:
    return str(payer.get("openid") or payer.get("sub_openid") or payer.get("sp_openid") or "")


def jsapi(ask: Ask) -> Answer:
    """JSAPI下单, 小程序下单."""
    payer = ask.body["payer"]
    if "/partner/" in ask.operation.path and not payer.get("sp_openid") and not payer.get("sub_openid"):
        raise Refusal(400, "PARAM_ERROR", "sp_openid和sub_openid须填写一个", {"location": "body", "field": "/body/payer"})
    return Answer(data={"prepay_id": new_prepay_id(ask.book, place(ask, "JSAPI"))})


def app(ask: Ask) -> Answer:
    """APP下单."""
    return Answer(data={"prepay_id": new_prepay_id(ask.book, place(ask, "APP"))})


def h5(ask: Ask) -> Answer:
    """H5下单: the page may be opened for five minutes."""
    order = place(ask, "MWEB")
    prepay_id = new_prepay_id(ask.book, order)
    order.prepay_expires = ask.book.now + _FIVE_MINUTES
    return Answer(data={"h5_url": f"{ask.base_url}/_sandbox/h5?prepay_id={prepay_id}&package={ask.book.numbers.digits(10)}"})


def native(ask: Ask) -> Answer:
    """Native下单."""
    order = place(ask, "NATIVE")
    new_prepay_id(ask.book, order)
    return Answer(data={"code_url": f"weixin://wxpay/bizpayurl?pr={order.prepay_id[-13:-4]}"})


def codepay(ask: Ask) -> Answer:
    """付款码支付: paid at once, unless the payer must type the password."""
    book, auth_code = ask.book, ask.body["payer"]["auth_code"]
    if not re.fullmatch(r"1[0-5][0-9]{16}", auth_code, re.ASCII):
        raise Refusal(400, "PARAM_ERROR", "付款码须为以10至15开头的18位数字", {"location": "body", "field": "/body/payer/auth_code"})
    order = place(ask, "MICROPAY")
    if auth_code in book.shelf("passwords"):
        order.state = "USERPAYING"
        raise Refusal(202, "USERPAYING", "需要用户输入支付密码")
    payer_pays(book, order)
    return Answer(data=view(order))


def find(ask: Ask, owner: Owner) -> Order:
    """The order that the path names."""
    number, transaction = ask.path.get("out_trade_no"), ask.path.get("transaction_id")
    order = ask.book.orders.get((owner, number or "")) if transaction is None else ask.book.transactions.get(transaction)
    if order is None or order.owner != owner:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    return order


def query(ask: Ask) -> Answer:
    """查询订单, by either number."""
    return Answer(data=view(find(ask, owner_of(ask, ask.query))))


def close(ask: Ask) -> Answer:
    """关闭订单."""
    order = find(ask, owner_of(ask, ask.body))
    if order.is_paid:
        raise Refusal(400, "ORDERPAID", "该订单已支付，不能关闭")
    if order.state == "USERPAYING":
        raise Refusal(400, "USERPAYING", "用户支付中，不能关闭")
    if order.state == "CLOSED":
        raise Refusal(400, "ORDER_CLOSED", "订单已关闭")
    order.state = "CLOSED"
    return Answer(status=204)


def reverse(ask: Ask) -> Answer:
    """撤销: an order paid by code is closed, or given back when it was paid."""
    order = find(ask, owner_of(ask, ask.body))
    if order.trade_type != "MICROPAY":
        raise Refusal(400, "INVALID_REQUEST", "只能撤销付款码支付的订单")
    revoke(ask.book, order)
    return Answer(data={name: ask.body[name] for name in ask.body} | {"out_trade_no": order.out_trade_no})


def revoke(book: Book, order: Order) -> None:
    """The money of a paid order goes back at once."""
    if order.is_paid and order.refunds:
        raise Refusal(400, "INVALID_REQUEST", "订单已退款，不能撤销")
    if order.is_paid:
        give_all_back(book, order)
    order.state = "REVOKED"


def give_all_back(book: Book, order: Order) -> None:
    """The whole payment is undone."""
    book.post(Posting(book.now, order.mchid, "撤销", -order.settlement_total, order.transaction_id, order=order))
    coupons.give_back(book, order)


def view(order: Order) -> dict[str, Any]:
    """An order as a query shows it."""
    partner = bool(order.owner[1])
    names = ("sp_appid", "sp_mchid", "sub_appid", "sub_mchid") if partner else ("appid", "mchid")
    data: dict[str, Any] = {name: order.terms[name] for name in names if name in order.terms}
    data |= {
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state,
        "trade_state_desc": TRADE_STATES[order.state],
        "attach": order.terms.get("attach", ""),
        "promotion_detail": _promotion_detail(order),
        "amount": {"total": order.total, "currency": order.currency},
    }
    if order.is_paid:
        payer = {"sp_openid": order.openid, "sub_openid": order.openid} if partner else {"openid": order.openid}
        data |= {
            "transaction_id": order.transaction_id,
            "trade_type": order.trade_type,
            "bank_type": order.bank_type,
            "success_time": rfc3339(order.paid_at),
            "payer": payer,
            "amount": {
                "total": order.total,
                "payer_total": order.payer_total,
                "currency": order.currency,
                "payer_currency": order.currency,
            },
        }
    if device := order.terms.get("scene_info", {}).get("device_id"):
        data["scene_info"] = {"device_id": device}
    return data


def _promotion_detail(order: Order) -> list[dict[str, Any]]:
    """The coupon that an order was paid with."""
    used = order.promotion
    if not used.coupon_id:
        return []
    own = used.creator == order.mchid
    data: dict[str, Any] = {
        "coupon_id": used.coupon_id,
        "name": used.name,
        "scope": "SINGLE" if used.goods else "GLOBAL",
        "type": "CASH" if used.has_cash else "NOCASH",
        "amount": used.amount,
        "stock_id": used.stock_id,
        "wechatpay_contribute": 0,
        "merchant_contribute": used.amount if own else 0,
        "other_contribute": 0 if own else used.amount,
        "currency": order.currency,
    }
    return [data | {"goods_detail": list(used.goods)} if used.goods else data]


def payer_pays(book: Book, order: Order, *, openid: str = "", bank_type: str = "OTHERS", promotion: Promotion = NO_PROMOTION) -> None:
    """The payer's side: money moves. Raises `Refusal` where the phone would show an error."""
    if order.is_paid:
        raise Refusal(400, "ORDERPAID", "该订单已支付")
    if order.state not in {"NOTPAY", "USERPAYING"} or book.now >= order.expires:
        raise Refusal(400, "ORDER_CLOSED", "订单已关闭")
    if order.prepay_id and book.now >= order.prepay_expires:
        raise Refusal(400, "ORDER_CLOSED", "预支付会话已过期，商户须用原订单号重新下单")
    if order.openid and openid and openid != order.openid:
        raise Refusal(500, "OPENID_MISMATCH", "支付用户与下单用户不一致")
    order.state, order.paid_at, order.bank_type, order.promotion = "SUCCESS", book.now, bank_type, promotion
    order.openid = order.openid or openid or "o" + book.numbers.letters(27)
    order.transaction_id = book.numbers.dated("4200", book.now, 16)
    book.transactions[order.transaction_id] = order
    book.post(Posting(book.now, order.mchid, "交易", order.settlement_total, order.transaction_id, order=order))


def tell_paid(book: Book, order: Order) -> None:
    """The notification of a payment."""
    resource = view(order)
    book.notify(order.owner[0], order.notify_url, "TRANSACTION.SUCCESS", "transaction", "支付成功", resource)


def lapse(order: Order) -> None:
    """Close an order that was not paid in time."""
    if order.state in {"NOTPAY", "USERPAYING"}:
        order.state = "CLOSED"


def keep(book: Book, order: Order) -> None:
    """Enter a new order into the book; it lapses when its time is over."""
    book.orders[(order.owner, order.out_trade_no)] = order
    book.schedule(order.expires, "order", order)


_DIRECT, _PARTNER = "/v3/pay/transactions", "/v3/pay/partner/transactions"

ROUTES: Routes = {
    f"{method} {base}/{tail}": handler
    for base in (_DIRECT, _PARTNER)
    for method, tail, handler in (
        ("POST", "jsapi", jsapi),
        ("POST", "jsapi-with-contract", jsapi),
        ("POST", "app", app),
        ("POST", "app-with-contract", app),
        ("POST", "h5", h5),
        ("POST", "native", native),
        ("POST", "codepay", codepay),
        ("GET", "id/{transaction_id}", query),
        ("GET", "out-trade-no/{out_trade_no}", query),
        ("POST", "out-trade-no/{out_trade_no}/close", close),
        ("POST", "out-trade-no/{out_trade_no}/reverse", reverse),
    )
} | {f"POST {_PARTNER}/miniprogram": jsapi}
