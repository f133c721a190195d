"""Combined orders: up to fifty orders, of several merchants, paid at once.

https://pay.weixin.qq.com/doc/v3/partner/4012760633
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..clock import rfc3339
from ..models import Book, Order
from ..wire import Answer, Refusal
from .context import Ask, Routes, check_notify_url, parse_moment, refuse_foreign, text_limit
from .orders import check_out_trade_no, keep, new_prepay_id, payer_pays

__all__ = ["ROUTES", "Combined", "combined_of", "user_pays"]

_MOST = 50
_WEEK = 7 * 86_400


@dataclass
class Combined:
    """A combined order: its parts are orders like others."""

    mchid: str
    number: str
    trade_type: str
    terms: dict[str, Any]
    parts: list[Order]
    transaction_id: str = ""


def place(ask: Ask, trade_type: str) -> Combined:
    """A new combined order, or the waiting one when the same is placed again."""
    body, book = ask.body, ask.book
    refuse_foreign(ask, body["combine_mchid"])
    number = body["combine_out_trade_no"]
    check_out_trade_no(number)
    if "notify_url" in body:
        check_notify_url(body["notify_url"])
    if not 1 <= len(body["sub_orders"]) <= _MOST:
        raise Refusal(400, "PARAM_ERROR", "子单数须为1至50", {"location": "body", "field": "/body/sub_orders"})
    known = combined_of(book, ask.mchid, number)
    if known is not None:
        if known.terms != body or known.trade_type != trade_type:
            raise Refusal(403, "OUT_TRADE_NO_USED", "合单商户订单号重复，且与原下单参数不一致")
        if any(part.state != "NOTPAY" for part in known.parts):
            raise Refusal(400, "ORDERPAID" if known.parts[0].is_paid else "ORDER_CLOSED", "该订单已支付或已关闭")
        return known
    parts = [_part(ask, item, trade_type) for item in body["sub_orders"]]
    if len({(part.owner, part.out_trade_no) for part in parts}) != len(parts):
        raise Refusal(400, "PARAM_ERROR", "子单商户订单号重复", {"location": "body", "field": "/body/sub_orders"})
    for part in parts:
        if (part.owner, part.out_trade_no) in book.orders:
            raise Refusal(403, "OUT_TRADE_NO_USED", f"子单商户订单号 {part.out_trade_no} 重复")
    for part in parts:
        keep(book, part)
    made = Combined(ask.mchid, number, trade_type, body, parts)
    book.shelf("combine")[(ask.mchid, number)] = made
    return made


def _part(ask: Ask, item: dict[str, Any], trade_type: str) -> Order:
    check_out_trade_no(item["out_trade_no"])
    text_limit(item["description"], 127, "/body/sub_orders/description")
    amount = item["amount"]["total_amount"]
    if amount < 1:
        raise Refusal(400, "PARAM_ERROR", "子单金额须大于0", {"location": "body", "field": "/body/sub_orders/amount/total_amount"})
    expires = parse_moment(ask.body["time_expire"]) if "time_expire" in ask.body else ask.book.now + _WEEK
    return Order(
        owner=(item.get("mchid", ask.mchid), item.get("sub_mchid", "")),
        out_trade_no=item["out_trade_no"],
        trade_type=trade_type,
        terms=item,
        total=amount,
        created=ask.book.now,
        expires=expires,
        currency=item["amount"].get("currency", "CNY"),
        combine_out_trade_no=ask.body["combine_out_trade_no"],
        profit_sharing=bool(item.get("settle_info", {}).get("profit_sharing", False)),
    )


def combined_of(book: Book, mchid: str, number: str) -> Combined | None:
    """The combined order of a number."""
    found = book.shelf("combine").get((mchid, number))
    return found if isinstance(found, Combined) else None


def _prepay_id(ask: Ask, combined: Combined) -> str:
    prepay_id = new_prepay_id(ask.book, combined.parts[0])
    for part in combined.parts:
        part.prepay_id, part.prepay_expires = prepay_id, combined.parts[0].prepay_expires
    return prepay_id


def jsapi(ask: Ask) -> Answer:
    """合单下单-JSAPI, 小程序."""
    return Answer(data={"prepay_id": _prepay_id(ask, place(ask, "JSAPI"))})


def app(ask: Ask) -> Answer:
    """合单下单-APP."""
    return Answer(data={"prepay_id": _prepay_id(ask, place(ask, "APP"))})


def native(ask: Ask) -> Answer:
    """合单下单-Native."""
    return Answer(data={"code_url": f"weixin://wxpay/bizpayurl?pr={_prepay_id(ask, place(ask, 'NATIVE'))[-13:-4]}"})


def h5(ask: Ask) -> Answer:
    """合单下单-H5."""
    return Answer(data={"h5_url": f"{ask.base_url}/_sandbox/h5?prepay_id={_prepay_id(ask, place(ask, 'MWEB'))}"})


def _find(ask: Ask) -> Combined:
    shelf = ask.book.shelf("combine")
    number = ask.path.get("combine_out_trade_no") or ask.book.shelf("combine_ids").get(ask.path.get("combine_transaction_id"))
    found: Combined | None = shelf.get((ask.mchid, number))
    if found is None:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    return found


def query(ask: Ask) -> Answer:
    """合单查询订单."""
    return Answer(data=view(_find(ask)))


def close(ask: Ask) -> Answer:
    """合单关闭订单: all parts, named one by one."""
    combined = _find(ask)
    named = {(item.get("mchid", ask.mchid), item["out_trade_no"]) for item in ask.body["sub_orders"]}
    if ask.body["combine_appid"] != combined.terms["combine_appid"] or named != {
        (part.owner[0], part.out_trade_no) for part in combined.parts
    }:
        raise Refusal(400, "INVALID_REQUEST", "关单的子单须与下单时一致")
    if any(part.is_paid for part in combined.parts):
        raise Refusal(400, "ORDERPAID", "订单已支付，不能关闭")
    for part in combined.parts:
        part.state = "CLOSED"
    return Answer(status=204)


def view(combined: Combined) -> dict[str, Any]:
    """A combined order as a query and its notification show it."""
    data: dict[str, Any] = {
        "combine_appid": combined.terms["combine_appid"],
        "combine_mchid": combined.mchid,
        "combine_out_trade_no": combined.number,
        "sub_orders": [_part_view(part) for part in combined.parts],
    }
    if combined.transaction_id:
        data |= {"combine_transaction_id": combined.transaction_id, "combine_payer_info": {"openid": combined.parts[0].openid}}
    if device := combined.terms.get("scene_info", {}).get("device_id"):
        data["scene_info"] = {"device_id": device}
    return data


def _part_view(part: Order) -> dict[str, Any]:
    data: dict[str, Any] = {"mchid": part.owner[0], "out_trade_no": part.out_trade_no, "attach": part.terms.get("attach", "")}
    if part.owner[1]:
        data["sub_mchid"] = part.owner[1]
    data |= {"trade_type": part.trade_type, "trade_state": part.state, "amount": {"total_amount": part.total, "currency": part.currency}}
    if part.is_paid:
        data |= {
            "transaction_id": part.transaction_id,
            "bank_type": part.bank_type,
            "success_time": rfc3339(part.paid_at),
            "amount": {"total_amount": part.total, "payer_amount": part.total, "currency": part.currency, "payer_currency": part.currency},
        }
    return data


def user_pays(book: Book, combined: Combined, *, openid: str = "", bank_type: str = "OTHERS") -> None:
    """The payer pays all parts at once."""
    openid = openid or combined.terms.get("combine_payer_info", {}).get("openid", "") or "o" + book.numbers.letters(27)
    for part in combined.parts:
        payer_pays(book, part, openid=openid, bank_type=bank_type)
    combined.transaction_id = book.numbers.dated("4200", book.now, 16)
    book.shelf("combine_ids")[combined.transaction_id] = combined.number
    book.notify(combined.mchid, combined.terms.get("notify_url", ""), "TRANSACTION.SUCCESS", "transaction", "支付成功", view(combined))


_BASE = "/v3/combine-transactions"

ROUTES: Routes = {
    f"POST {_BASE}/jsapi": jsapi,
    f"POST {_BASE}/miniprogram": jsapi,
    f"POST {_BASE}/app": app,
    f"POST {_BASE}/native": native,
    f"POST {_BASE}/h5": h5,
    f"GET {_BASE}/out-trade-no/{{combine_out_trade_no}}": query,
    f"GET {_BASE}/id/{{combine_transaction_id}}": query,
    f"POST {_BASE}/out-trade-no/{{combine_out_trade_no}}/close": close,
}
