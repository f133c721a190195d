"""Refunds: at most 50 for an order, never more than was paid, a minute apart, one number one refund.

Rules: https://pay.weixin.qq.com/doc/v3/merchant/4012791862 and https://pay.weixin.qq.com/doc/v3/merchant/4012791863.
"""

from __future__ import annotations

import re
from typing import Any

from ..clock import rfc3339
from ..models import Book, Order, Owner, Posting, Refund
from ..wire import Answer, Refusal
from . import coupons
from .context import Ask, Routes, check_notify_url, text_limit

__all__ = ["ROUTES", "finish", "refund_order"]

_OUT_REFUND_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
_YEAR = 365 * 86_400
#: Seconds from the request to the money's arrival; the real one takes from seconds to days.
_PROCESSING = 3
_MOST = 50
_A_MINUTE = 60


def create(ask: Ask) -> Answer:
    """申请退款."""
    body, book = ask.body, ask.book
    if not _OUT_REFUND_NO.fullmatch(body["out_refund_no"]):
        detail = {"location": "body", "field": "/body/out_refund_no", "value": body["out_refund_no"]}
        raise Refusal(400, "PARAM_ERROR", "商户退款单号须为1至64个字符，只能是数字、大小写字母和_-|*@", detail)
    if "reason" in body:
        text_limit(body["reason"], 80, "/body/reason")
    if "notify_url" in body:
        check_notify_url(body["notify_url"])
    amount = body["amount"]
    if amount["currency"] != "CNY":
        raise Refusal(400, "PARAM_ERROR", "退款币种只支持CNY", {"location": "body", "field": "/body/amount/currency"})
    if "from" in amount and sum(part["amount"] for part in amount["from"]) != amount["refund"]:
        raise Refusal(400, "INVALID_REQUEST", "出资账户金额之和须等于退款金额")
    order = _order(ask, (ask.mchid, body.get("sub_mchid", "")))
    refund = refund_order(
        book, order, body["out_refund_no"], amount["refund"], amount["total"], terms=body, notify_url=body.get("notify_url", "")
    )
    return Answer(data=view(refund))


def _order(ask: Ask, owner: Owner) -> Order:
    transaction, number = ask.body.get("transaction_id"), ask.body.get("out_trade_no")
    if transaction is None and number is None:
        raise Refusal(400, "PARAM_ERROR", "transaction_id和out_trade_no须填写一个", {"location": "body", "field": "/body/transaction_id"})
    order = ask.book.transactions.get(transaction) if transaction else ask.book.orders.get((owner, number or ""))
    if order is None or order.owner != owner or (number is not None and order.out_trade_no != number):
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在")
    return order


def refund_order(
    book: Book, order: Order, out_refund_no: str, refund: int, total: int, *, terms: dict[str, Any], notify_url: str = "", v2: bool = False
) -> Refund:
    """A new refund of an order, or the known one when the same is asked again. Raises `Refusal`."""
    known = book.refunds.get((order.owner, out_refund_no))
    if known is not None:
        if known.transaction_id != order.transaction_id or (known.refund, known.total) != (refund, total):
            raise Refusal(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试")
        return known
    _check(book, order, refund, total)
    made = Refund(
        owner=order.owner,
        out_refund_no=out_refund_no,
        refund_id=book.numbers.dated("5030", book.now, 17),
        out_trade_no=order.out_trade_no,
        transaction_id=order.transaction_id,
        terms=terms,
        total=total,
        refund=refund,
        created=book.now,
        due=book.now + _PROCESSING,
        notify_url=notify_url,
        v2=v2,
        promotion=order.promotion,
        discount=coupons.share_of_refund(book, order, refund),
    )
    book.refunds[(order.owner, out_refund_no)] = made
    order.refunds.append(out_refund_no)
    order.state = "REFUND"
    book.schedule(made.due, "refund", made)
    return made


def _check(book: Book, order: Order, refund: int, total: int) -> None:
    if not order.is_paid:
        raise Refusal(400, "INVALID_REQUEST", "订单未支付，不能退款")
    if total != order.total:
        raise Refusal(400, "INVALID_REQUEST", "原订单金额与支付时不一致，请核实后再试")
    if refund < 1:
        raise Refusal(400, "PARAM_ERROR", "退款金额须大于0", {"location": "body", "field": "/body/amount/refund", "value": refund})
    if book.now - order.paid_at > _YEAR:
        raise Refusal(400, "INVALID_REQUEST", "订单支付时间超过一年，不能退款")
    earlier = [item for item in book.refunds_of(order) if item.status != "CLOSED"]
    left = order.total - sum(item.refund for item in earlier)
    if left == 0:
        raise Refusal(400, "INVALID_REQUEST", "订单已全额退款")
    if refund > left:
        raise Refusal(400, "INVALID_REQUEST", f"退款金额大于可退金额 {left} 分")
    if len(earlier) >= _MOST:
        raise Refusal(400, "INVALID_REQUEST", "一笔订单最多退款50次")
    if order.refunds and book.now - book.refunds[(order.owner, order.refunds[-1])].created < _A_MINUTE:
        raise Refusal(429, "FREQUENCY_LIMITED", "同一笔订单多次退款的请求须相隔1分钟")
    settled = refund - order.promotion.unpaid(coupons.share_of_refund(book, order, refund))
    if order.profit_sharing and settled > order.settlement_total - order.shared - sum(item.settlement_refund for item in earlier):
        raise Refusal(403, "NOT_ENOUGH", "订单剩余的待分账金额不足以退款，请先回退分账")


def query(ask: Ask) -> Answer:
    """查询单笔退款."""
    return Answer(data=view(_find(ask, (ask.mchid, ask.query.get("sub_mchid", "")), ask.path["out_refund_no"])))


def _find(ask: Ask, owner: Owner, number: str) -> Refund:
    refund = ask.book.refunds.get((owner, number))
    if refund is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return refund


def apply_abnormal(ask: Ask) -> Answer:
    """发起异常退款: an ABNORMAL refund is tried again to another account."""
    refund = _find(ask, (ask.mchid, ask.body.get("sub_mchid", "")), ask.body["out_refund_no"])
    if refund.refund_id != ask.path["refund_id"]:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    if refund.status != "ABNORMAL":
        raise Refusal(400, "INVALID_REQUEST", "退款单不是退款异常状态")
    refund.status, refund.due = "PROCESSING", ask.book.now + _PROCESSING
    ask.book.schedule(refund.due, "refund", refund)
    return Answer(data=view(refund))


def view(refund: Refund) -> dict[str, Any]:
    """A refund as the API shows it."""
    data: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": rfc3339(refund.created),
        "status": refund.status,
        "funds_account": refund.terms.get("funds_account", "UNSETTLED"),
        "amount": _amounts(refund) | {"currency": "CNY", "from": refund.terms.get("amount", {}).get("from", [])},
        "promotion_detail": _promotion_detail(refund),
    }
    if refund.status == "SUCCESS":
        data["success_time"] = rfc3339(refund.finished)
    return data


def _amounts(refund: Refund) -> dict[str, int]:
    used = refund.promotion
    return {
        "total": refund.total,
        "refund": refund.refund,
        "payer_total": refund.total - used.amount,
        "payer_refund": refund.payer_refund,
        "settlement_total": refund.total - used.unpaid(used.amount),
        "settlement_refund": refund.settlement_refund,
        "discount_refund": refund.discount,
    }


def _promotion_detail(refund: Refund) -> list[dict[str, Any]]:
    used = refund.promotion
    if not used.coupon_id:
        return []
    return [
        {
            "promotion_id": used.coupon_id,
            "scope": "SINGLE" if used.goods else "GLOBAL",
            "type": "COUPON" if used.has_cash else "DISCOUNT",
            "amount": used.amount,
            "refund_amount": refund.discount,
        }
    ]


def finish(book: Book, refund: Refund, status: str) -> None:
    """End a refund as SUCCESS, ABNORMAL (the payer's account takes nothing) or CLOSED; the merchant is told."""
    if refund.status != "PROCESSING":
        raise Refusal(400, "INVALID_REQUEST", "退款单已结束")
    refund.status, refund.finished = status, book.now
    order = book.orders[(refund.owner, refund.out_trade_no)]
    if status == "SUCCESS":
        book.post(Posting(book.now, order.mchid, "退款", -refund.settlement_refund, refund.transaction_id, order=order, refund=refund))
        coupons.give_back(book, order, refund)
    elif status == "CLOSED" and all(item.status == "CLOSED" for item in book.refunds_of(order)):
        order.state = "SUCCESS"
    if not refund.v2:
        _tell(book, refund)


def _tell(book: Book, refund: Refund) -> None:
    partner, amounts = bool(refund.owner[1]), _amounts(refund)
    resource: dict[str, Any] = ({"sp_mchid": refund.owner[0], "sub_mchid": refund.owner[1]} if partner else {"mchid": refund.owner[0]}) | {
        "out_trade_no": refund.out_trade_no,
        "transaction_id": refund.transaction_id,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_status": refund.status,
        "user_received_account": "支付用户零钱",
        "amount": {name: amounts[name] for name in ("total", "refund", "payer_total", "payer_refund")},
    }
    if refund.status == "SUCCESS":
        resource["success_time"] = rfc3339(refund.finished)
    summaries = {"SUCCESS": "退款成功", "ABNORMAL": "退款异常", "CLOSED": "退款关闭"}
    book.notify(refund.owner[0], refund.notify_url, f"REFUND.{refund.status}", "refund", summaries[refund.status], resource)


ROUTES: Routes = {
    "POST /v3/refund/domestic/refunds": create,
    "GET /v3/refund/domestic/refunds/{out_refund_no}": query,
    "POST /v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund": apply_abnormal,
}
