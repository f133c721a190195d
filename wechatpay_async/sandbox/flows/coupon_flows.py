"""What became of a stock's coupons, as files: each use, and each refund of what was paid with one.

https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter9_1_10.shtml, https://pay.weixin.qq.com/docs/partner/apis/cash-coupons/stock/refund-flow.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import bills
from ..clock import BEIJING, rfc3339
from ..models import Book, Order
from ..wire import Answer, Refusal
from .context import Ask, Routes
from .statements import asked_day, offer_file, sha1
from .stocks import Stock, find_own

__all__ = ["ROUTES", "Flow", "record"]

#: From ten o'clock on the day after the stock's last.
_READY = 34 * 3_600
_DAY = 86_400
#: Seconds that an address lives.
_LIFE = 30
_COLUMNS = {
    "use_flows": "优惠金额（元）,订单总金额（元）,交易类型,支付单号,消耗时间",
    "refund_flows": "优惠退款金额（元）,退款总金额（元）,交易类型,支付单号,退款单号,退款时间",
}


@dataclass(frozen=True)
class Flow:
    """A use of a coupon, or a refund: fen of the coupon's, of fen altogether."""

    at: float
    coupon_id: str
    amount: int
    total: int
    order: Order
    refund_id: str = ""


def record(book: Book, kind: str, stock: Stock, flow: Flow) -> None:
    """Write down one more use (`use_flows`) or refund (`refund_flows`)."""
    book.shelf(kind).setdefault(stock.stock_id, []).append(flow)


def use_flow(ask: Ask) -> Answer:
    """下载批次核销明细."""
    return Answer(data=_whole(ask, "use_flows"))


def refund_flow(ask: Ask) -> Answer:
    """下载批次退款明细."""
    return Answer(data=_whole(ask, "refund_flows"))


def _whole(ask: Ask, kind: str) -> dict[str, Any]:
    stock = find_own(ask, {}, ask.path["stock_id"])
    last = datetime.fromtimestamp(stock.ends, BEIJING).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    found = _flows(ask, kind, stock) if ask.book.now >= last + _READY else []
    text = _text(kind, stock, found)
    return {"url": offer_file(ask, text, _LIFE), "hash_value": sha1(text), "hash_type": "SHA1"}


def use_flow_of_day(ask: Ask) -> Answer:
    """获取批次核销明细下载链接."""
    url, digest, count = _of_day(ask, "use_flows")
    return Answer(data={"url": url, "stock_useflow_hash": digest, "stock_useflow_count": count})


def refund_flow_of_day(ask: Ask) -> Answer:
    """获取批次退款明细下载链接."""
    url, digest, count = _of_day(ask, "refund_flows")
    return Answer(data={"url": url, "stock_refundflow_hash": digest, "stock_refundflow_count": count})


def _of_day(ask: Ask, kind: str) -> tuple[str, str, str]:
    stock, start = find_own(ask, {}, ask.path["stock_id"]), asked_day(ask).timestamp()
    found = [flow for flow in _flows(ask, kind, stock) if start <= flow.at < start + _DAY]
    text = _text(kind, stock, found)
    return offer_file(ask, text, _LIFE), sha1(text), str(len(found))


def _flows(ask: Ask, kind: str, stock: Stock) -> list[Flow]:
    found: list[Flow] = ask.book.shelf(kind).get(stock.stock_id, [])
    return found


def _text(kind: str, stock: Stock, flows: list[Flow]) -> bytes:
    if not flows:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "账单文件不存在")
    columns = f"批次id,优惠id,优惠类型,{_COLUMNS[kind]},消耗商户号,设备号,银行流水号,单品信息"
    return ("\r\n".join([columns, *(_line(kind, stock, flow) for flow in flows)]) + "\r\n").encode()


def _line(kind: str, stock: Stock, flow: Flow) -> str:
    """Values after back-ticks; the last three columns, empty here, have none."""
    values = [stock.stock_id, flow.coupon_id, "预充值" if stock.has_cash else "免充值", bills.yuan(flow.amount), bills.yuan(flow.total)]
    values += [flow.order.trade_type, flow.order.transaction_id, *([flow.refund_id] if kind == "refund_flows" else [])]
    values += [rfc3339(flow.at)[:19].replace("T", " "), flow.order.mchid]
    return ",".join(f"`{value}" for value in values) + ",,,"


_STOCK = "/v3/marketing/favor/stocks/{stock_id}"

ROUTES: Routes = {
    f"GET {_STOCK}/use-flow": use_flow,
    f"GET {_STOCK}/refund-flow": refund_flow,
    f"GET {_STOCK}/use-flow-by-day": use_flow_of_day,
    f"GET {_STOCK}/refund-flow-by-day": refund_flow_of_day,
}
