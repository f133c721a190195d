"""APIv2's flows: orders, code payment, refunds, red packets, contracts and bills, on the same book as APIv3's.

https://pay.weixin.qq.com/doc/v2/merchant/4011935214
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import bills
from ..clock import BEIJING, compact_time, rfc3339
from ..flows.orders import TRADE_STATES, give_all_back, keep, new_prepay_id, payer_pays
from ..flows.refunds import refund_order
from ..models import Book, Notice, Order, Owner, Refund
from ..parties import Merchant
from ..wire import Answer, Refusal

__all__ = ["ROUTES", "AskV2", "Declined", "tell_paid", "tell_refunded"]

_TWO_HOURS = 2 * 3_600
_DAY = 86_400
#: `err_code` of what the shared rules refuse, by their APIv3 code.
_CODES = {
    "ORDERPAID": "ORDERPAID",
    "ORDER_CLOSED": "ORDERCLOSED",
    "FREQUENCY_LIMITED": "FREQUENCY_LIMITED",
    "NOT_ENOUGH": "NOTENOUGH",
    "PARAM_ERROR": "PARAM_ERROR",
}


class Declined(Exception):
    """`return_code` SUCCESS, `result_code` FAIL: the business says no."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


@dataclass(frozen=True)
class AskV2:
    """A request that the gate has let in."""

    merchant: Merchant
    book: Book
    fields: Mapping[str, Any]
    base_url: str

    @property
    def owner(self) -> Owner:
        return self.merchant.mchid, str(self.fields.get("sub_mch_id", ""))

    def text(self, name: str) -> str:
        return str(self.fields.get(name, ""))

    def number(self, name: str) -> int:
        return int(self.fields.get(name, 0) or 0)


Fields = dict[str, Any]
HandlerV2 = Callable[[AskV2], "Fields | Answer"]


def unifiedorder(ask: AskV2) -> Fields:
    """统一下单."""
    trade_type = ask.text("trade_type")
    if trade_type not in {"JSAPI", "NATIVE", "APP", "MWEB"}:
        raise Declined("PARAM_ERROR", "trade_type参数错误")
    if trade_type == "JSAPI" and not (ask.text("openid") or ask.text("sub_openid")):
        raise Declined("PARAM_ERROR", "缺少参数 openid")
    if trade_type == "NATIVE" and not ask.text("product_id"):
        raise Declined("PARAM_ERROR", "缺少参数 product_id")
    order = _place(ask, trade_type)
    answer: Fields = {"trade_type": trade_type, "prepay_id": new_prepay_id(ask.book, order)}
    if trade_type == "NATIVE":
        answer["code_url"] = f"weixin://wxpay/bizpayurl?pr={order.prepay_id[-13:-4]}"
    if trade_type == "MWEB":
        answer["mweb_url"] = f"{ask.base_url}/_sandbox/h5?prepay_id={order.prepay_id}"
    return answer


def _place(ask: AskV2, trade_type: str) -> Order:
    book, number = ask.book, ask.text("out_trade_no")
    if not re.fullmatch(r"[0-9A-Za-z_\-|*@]{1,32}", number):
        raise Declined("PARAM_ERROR", "out_trade_no参数格式错误")
    if ask.number("total_fee") < 1:
        raise Declined("PARAM_ERROR", "total_fee须大于0")
    terms = {name: value for name, value in ask.fields.items() if name not in {"nonce_str", "sign", "sign_type"}}
    known = book.orders.get((ask.owner, number))
    if known is not None:
        if known.is_paid:
            raise Declined("ORDERPAID", "该订单已支付")
        if known.state == "CLOSED":
            raise Declined("ORDERCLOSED", "该订单已关闭")
        if known.terms != terms:
            raise Declined("OUT_TRADE_NO_USED", "商户订单号重复")
        return known
    order = Order(
        owner=ask.owner,
        out_trade_no=number,
        trade_type=trade_type,
        terms=terms,
        total=ask.number("total_fee"),
        created=book.now,
        expires=_expiry(ask),
        openid=ask.text("openid") or ask.text("sub_openid"),
        currency=ask.text("fee_type") or "CNY",
        notify_url=ask.text("notify_url"),
        v2=True,
        profit_sharing=ask.text("profit_sharing") == "Y",
    )
    keep(book, order)
    return order


def _expiry(ask: AskV2) -> float:
    text = ask.text("time_expire")
    if not text:
        return ask.book.now + _TWO_HOURS
    try:
        expires = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()
    except ValueError:
        raise Declined("PARAM_ERROR", "time_expire参数格式错误") from None
    if expires < ask.book.now + 60:
        raise Declined("INVALID_REQUEST", "time_expire时间过短，失效时间须晚于1分钟")
    return expires


def _find(ask: AskV2) -> Order:
    book = ask.book
    transaction, number = ask.text("transaction_id"), ask.text("out_trade_no")
    if not transaction and not number:
        raise Declined("PARAM_ERROR", "transaction_id和out_trade_no须填写一个")
    order = book.transactions.get(transaction) if transaction else book.orders.get((ask.owner, number))
    if order is None or order.owner != ask.owner:
        raise Declined("ORDERNOTEXIST", "此交易订单号不存在")
    return order


def orderquery(ask: AskV2) -> Fields:
    """查询订单."""
    return _order_view(_find(ask))


def _order_view(order: Order) -> Fields:
    view: Fields = {
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state,
        "trade_state_desc": TRADE_STATES[order.state],
        "total_fee": order.total,
        "attach": order.terms.get("attach", ""),
    }
    return view | _paid_view(order) if order.is_paid else view


def _paid_view(order: Order) -> Fields:
    return {
        "openid": order.openid,
        "is_subscribe": "N",
        "trade_type": order.trade_type,
        "bank_type": order.bank_type,
        "total_fee": order.total,
        "fee_type": order.currency,
        "cash_fee": order.payer_total,
        "cash_fee_type": order.currency,
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "attach": order.terms.get("attach", ""),
        "time_end": compact_time(order.paid_at),
        **_coupon_view(order),
    }


def _coupon_view(order: Order) -> Fields:
    used = order.promotion
    if not used.coupon_id:
        return {}
    return {
        "settlement_total_fee": order.settlement_total,
        "coupon_fee": used.amount,
        "coupon_count": 1,
        "coupon_type_0": "CASH" if used.has_cash else "NO_CASH",
        "coupon_id_0": used.coupon_id,
        "coupon_fee_0": used.amount,
    }


def closeorder(ask: AskV2) -> Fields:
    """关闭订单."""
    order = _find(ask)
    if order.is_paid:
        raise Declined("ORDERPAID", "订单已支付，不能关闭")
    if order.state != "NOTPAY":
        raise Declined("ORDERCLOSED", "订单已关闭，无需重复调用")
    order.state = "CLOSED"
    return {"result_msg": "OK"}


def micropay(ask: AskV2) -> Fields:
    """提交付款码支付: paid at once, unless the payer must type the password."""
    book, code = ask.book, ask.text("auth_code")
    if not re.fullmatch(r"1[0-5][0-9]{16}", code, re.ASCII):
        raise Declined("AUTH_CODE_INVALID", "付款码须为以10至15开头的18位数字")
    order = _place(ask, "MICROPAY")
    if order.state == "USERPAYING":
        raise Declined("USERPAYING", "需要用户输入支付密码")
    if code in book.shelf("passwords"):
        order.state = "USERPAYING"
        raise Declined("USERPAYING", "需要用户输入支付密码")
    payer_pays(book, order)
    return _paid_view(order)


def reverse(ask: AskV2) -> Fields:
    """撤销订单."""
    order = _find(ask)
    if order.trade_type not in {"MICROPAY", "FACEPAY"}:
        raise Declined("INVALID_REQUEST", "只能撤销付款码支付的订单")
    if order.refunds:
        raise Declined("REVERSE_EXPIRE", "订单已退款，不能撤销")
    if ask.book.now - order.created > 7 * _DAY:
        raise Declined("REVERSE_EXPIRE", "订单超过7天，不能撤销")
    if order.is_paid:
        give_all_back(ask.book, order)
    order.state = "REVOKED"
    return {"recall": "N"}


def refund(ask: AskV2) -> Fields:
    """申请退款."""
    order = _find(ask)
    if not re.fullmatch(r"[0-9A-Za-z_\-|*@]{1,64}", ask.text("out_refund_no")):
        raise Declined("PARAM_ERROR", "out_refund_no参数格式错误")
    if not order.is_paid:
        raise Declined("TRADE_STATE_ERROR", "订单未支付，不能退款")
    try:
        made = refund_order(
            ask.book,
            order,
            ask.text("out_refund_no"),
            ask.number("refund_fee"),
            ask.number("total_fee"),
            terms=dict(ask.fields),
            notify_url=ask.text("notify_url") or order.notify_url,
            v2=True,
        )
    except Refusal as refusal:
        code = "REFUND_FEE_MISMATCH" if "与之前请求不一致" in refusal.message else _CODES.get(refusal.code, "INVALID_REQUEST")
        raise Declined(code, refusal.message) from None
    return {
        "transaction_id": made.transaction_id,
        "out_trade_no": made.out_trade_no,
        "out_refund_no": made.out_refund_no,
        "refund_id": made.refund_id,
        "refund_fee": made.refund,
        "total_fee": made.total,
        "cash_fee": order.payer_total,
        "cash_refund_fee": made.payer_refund,
        "coupon_refund_fee": made.discount,
        "coupon_refund_count": 1 if made.promotion.coupon_id else 0,
    }


def refundquery(ask: AskV2) -> Fields:
    """查询退款: one by its number, or all of an order from an offset on."""
    found = _refunds(ask)
    if not found:
        raise Declined("REFUNDNOTEXIST", "退款订单不存在")
    offset = ask.number("offset")
    shown = found[offset : offset + 10]
    order = ask.book.orders[(found[0].owner, found[0].out_trade_no)]
    view: Fields = {
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "total_fee": order.total,
        "fee_type": order.currency,
        "cash_fee": order.payer_total,
        "total_refund_count": len(found),
        "refund_count": len(shown),
    }
    for index, item in enumerate(shown):
        status = {"ABNORMAL": "CHANGE", "CLOSED": "REFUNDCLOSE"}.get(item.status, item.status)
        view |= {
            f"out_refund_no_{index}": item.out_refund_no,
            f"refund_id_{index}": item.refund_id,
            f"refund_channel_{index}": "ORIGINAL",
            f"refund_fee_{index}": item.refund,
            f"settlement_refund_fee_{index}": item.settlement_refund,
            f"coupon_refund_fee_{index}": item.discount,
            f"refund_status_{index}": status,
            f"refund_account_{index}": "REFUND_SOURCE_UNSETTLED_FUNDS",
            f"refund_recv_accout_{index}": "支付用户零钱",
        }
        if item.status == "SUCCESS":
            view[f"refund_success_time_{index}"] = _spaced(item.finished)
    return view


def _refunds(ask: AskV2) -> list[Refund]:
    book = ask.book
    if number := ask.text("out_refund_no"):
        one = book.refunds.get((ask.owner, number))
        return [] if one is None else [one]
    if number := ask.text("refund_id"):
        return [item for item in book.refunds.values() if item.owner == ask.owner and item.refund_id == number]
    if ask.text("transaction_id") or ask.text("out_trade_no"):
        return list(book.refunds_of(_find(ask)))
    raise Declined("PARAM_ERROR", "退款单号和订单号须填写一个")


def _spaced(moment: float) -> str:
    return rfc3339(moment)[:19].replace("T", " ")


def sendredpack(ask: AskV2) -> Fields:
    """发放红包, to one or to a group."""
    sent, number = ask.book.shelf("redpacks"), (ask.owner, ask.text("mch_billno"))
    if not re.fullmatch(r"[0-9A-Za-z]{1,28}", ask.text("mch_billno"), re.ASCII):
        raise Declined("PARAM_ERROR", "mch_billno参数格式错误")
    if not 100 <= ask.number("total_amount") // max(ask.number("total_num"), 1) <= 20_000:
        raise Declined("MONEY_LIMIT", "每个红包的金额须在1.00元至200.00元之间")
    terms = {name: value for name, value in ask.fields.items() if name not in {"nonce_str", "sign"}}
    known: dict[str, Any] = sent.setdefault(
        number, {"terms": terms, "at": ask.book.now, "list_id": ask.book.numbers.dated("1000", ask.book.now, 18)}
    )
    if known["terms"] != terms:
        raise Declined("PARAM_ERROR", "商户订单号重复，且与原参数不一致")
    echoed = ("mch_billno", "mch_id", "wxappid", "re_openid", "total_amount")
    return {name: ask.fields[name] for name in echoed if name in ask.fields} | {"send_listid": known["list_id"]}


def gethbinfo(ask: AskV2) -> Fields:
    """查询红包记录: taken at once."""
    known = ask.book.shelf("redpacks").get((ask.owner, ask.text("mch_billno")))
    if known is None:
        raise Declined("NOT_FOUND", "指定单号数据不存在")
    terms = known["terms"]
    return {
        "mch_billno": terms["mch_billno"],
        "mch_id": ask.merchant.mchid,
        "detail_id": known["list_id"],
        "status": "RECEIVED",
        "send_type": "API",
        "hb_type": "NORMAL" if int(terms["total_num"]) == 1 else "GROUP",
        "total_num": int(terms["total_num"]),
        "total_amount": int(terms["total_amount"]),
        "send_time": _spaced(known["at"]),
        "wishing": terms.get("wishing", ""),
        "remark": terms.get("remark", ""),
        "act_name": terms.get("act_name", ""),
        "hblist": {
            "hbinfo": [{"openid": terms["re_openid"], "amount": int(terms["total_amount"]), "rcv_time": _spaced(known["at"])}],
        },
    }


def preentrustweb(ask: AskV2) -> Fields:
    """APP纯签约: the user signs with `sandbox.sign_contract`."""
    contracts, number = ask.book.shelf("contracts"), (ask.merchant.mchid, ask.text("contract_code"))
    contracts.setdefault(number, {"terms": dict(ask.fields), "state": 0, "contract_id": ""})
    return {"pre_entrustweb_id": ask.book.numbers.dated("5", ask.book.now, 18)}


def querycontract(ask: AskV2) -> Fields:
    """查询签约关系."""
    known = _contract(ask)
    terms = known["terms"]
    return {
        "mch_id": ask.merchant.mchid,
        "contract_id": known["contract_id"],
        "plan_id": terms.get("plan_id", ""),
        "request_serial": terms.get("request_serial", ""),
        "contract_code": terms.get("contract_code", ""),
        "contract_display_account": terms.get("contract_display_account", ""),
        "contract_state": 0 if known["state"] == 1 else 1,
        "contract_signed_time": _spaced(known["signed_at"]),
        "contract_expired_time": _spaced(known["signed_at"] + 365 * _DAY),
        "openid": known["openid"],
    }


def deletecontract(ask: AskV2) -> Fields:
    """申请解约."""
    known = _contract(ask)
    known["state"] = 2
    return {
        "contract_id": known["contract_id"],
        "plan_id": known["terms"].get("plan_id", ""),
        "contract_code": known["terms"]["contract_code"],
    }


def _contract(ask: AskV2) -> dict[str, Any]:
    contract_id, code = ask.text("contract_id"), ask.text("contract_code")
    known: dict[str, Any]
    for (owner, number), known in ask.book.shelf("contracts").items():
        if owner == ask.merchant.mchid and known["state"] and (known["contract_id"] == contract_id or (not contract_id and number == code)):
            return known
    raise Declined("CONTRACT_NOT_EXIST", "签约协议不存在")


def pappayapply(ask: AskV2) -> Fields:
    """申请扣款: collected from the user of a contract."""
    known = _contract(ask)
    if known["state"] != 1:
        raise Declined("CONTRACTERROR", "用户签约关系已解约")
    order = _place(ask, "PAP")
    payer_pays(ask.book, order, openid=known["openid"])
    tell_paid(ask.book, order)
    return {}


def downloadbill(ask: AskV2) -> Answer:
    """下载对账单: CSV, or XML where there is none."""
    text = ask.text("bill_date")
    try:
        day = datetime.strptime(text, "%Y%m%d").replace(tzinfo=BEIJING)
    except ValueError:
        return _bill_error("20001", "invalid bill_date")
    made = bills.trade_bill(ask.book, ask.merchant.mchid, day, ask.text("bill_type") or "ALL", v2=True)
    if day.timestamp() + _DAY > ask.book.now:
        return _bill_error("20001", "invalid bill_date")
    if made is None:
        return _bill_error("20002", "No Bill Exist")
    if ask.text("tar_type") == "GZIP":
        return Answer(content=bills.gzipped(made), media_type="application/gzip", signed=False)
    return Answer(content=made, media_type="text/plain", signed=False)


def _bill_error(code: str, message: str) -> Answer:
    from .document import write

    return Answer(content=write({"return_code": "FAIL", "return_msg": message, "error_code": code}), media_type="text/xml", signed=False)


def tell_paid(book: Book, order: Order) -> Notice | None:
    """The notification of a payment."""
    fields: Fields = {"appid": order.terms.get("appid", ""), "mch_id": order.owner[0], "result_code": "SUCCESS"}
    if order.owner[1]:
        fields["sub_mch_id"] = order.owner[1]
    fields |= _paid_view(order)
    return book.notify(order.owner[0], order.notify_url, "transaction-success", "v2", "支付成功", fields, v2=True)


def tell_refunded(book: Book, item: Refund, url: str) -> Notice | None:
    """The notification of a refund, whose fields travel encrypted in `req_info`."""
    status = {"ABNORMAL": "CHANGE", "CLOSED": "REFUNDCLOSE"}.get(item.status, item.status)
    inner: Fields = {
        "transaction_id": item.transaction_id,
        "out_trade_no": item.out_trade_no,
        "refund_id": item.refund_id,
        "out_refund_no": item.out_refund_no,
        "total_fee": item.total,
        "refund_fee": item.refund,
        "settlement_refund_fee": item.settlement_refund,
        "refund_status": status,
        "success_time": _spaced(item.finished),
        "refund_recv_accout": "支付用户零钱",
        "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
        "refund_request_source": "API",
    }
    order = book.orders[(item.owner, item.out_trade_no)]
    fields: Fields = {"appid": order.terms.get("appid", ""), "mch_id": item.owner[0]}
    if item.owner[1]:
        fields["sub_mch_id"] = item.owner[1]
    return book.notify(item.owner[0], url, "refund-processed", "v2", "退款结果", fields | {"req_info": inner}, v2=True)


ROUTES: Mapping[str, HandlerV2] = {
    "POST /pay/unifiedorder": unifiedorder,
    "POST /pay/orderquery": orderquery,
    "POST /pay/paporderquery": orderquery,
    "POST /pay/closeorder": closeorder,
    "POST /pay/micropay": micropay,
    "POST /secapi/pay/reverse": reverse,
    "POST /secapi/pay/refund": refund,
    "POST /secapi/pay/refundv2": refund,
    "POST /pay/refundquery": refundquery,
    "POST /pay/refundqueryv2": refundquery,
    "POST /mmpaymkttransfers/sendredpack": sendredpack,
    "POST /mmpaymkttransfers/sendgroupredpack": sendredpack,
    "POST /mmpaymkttransfers/gethbinfo": gethbinfo,
    "POST /papay/preentrustweb": preentrustweb,
    "POST /papay/querycontract": querycontract,
    "POST /papay/deletecontract": deletecontract,
    "POST /pay/pappayapply": pappayapply,
    "POST /pay/downloadbill": downloadbill,
}
