"""Bills made from the book: what a merchant's day looks like in the official text format.

Back-ticks before values, amounts in yuan, a summary at the end: https://pay.weixin.qq.com/doc/v3/merchant/4013071227
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from datetime import datetime

from .clock import rfc3339
from .models import Book, Posting

__all__ = ["FUND_COLUMNS", "TRADE_COLUMNS", "fee", "fund_flow_bill", "gzipped", "trade_bill", "yuan"]

TRADE_COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,"
    "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
FUND_COLUMNS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号"
)
FUND_SUMMARY = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"

_DAY = 86_400
#: What a merchant has in its account before the sandbox's first day, in fen.
OPENING_BALANCE = 100_000_000


def fee(amount: int) -> int:
    """The fee on a payment, at 0.6 %, in fen."""
    return (amount * 6 + 500) // 1000


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def gzipped(text: bytes) -> bytes:
    """The same bytes for the same text."""
    return gzip.compress(text, mtime=0)


def _of_day(book: Book, mchid: str, day: datetime) -> list[Posting]:
    start = day.timestamp()
    return [item for item in book.postings if item.mchid == mchid and start <= item.at < start + _DAY]


def trade_bill(book: Book, mchid: str, day: datetime, bill_type: str = "ALL", *, v2: bool = False) -> bytes | None:
    """The trade bill of a day: ALL, SUCCESS (payments) or REFUND; None where there is nothing. `v2` adds a BOM."""
    kinds = {"SUCCESS": {"交易"}, "REFUND": {"退款", "撤销"}}.get(bill_type, {"交易", "退款", "撤销"})
    # Whoever signed may ask: a partner sees its merchants' trades in its own bill.
    wanted = [
        item
        for item in book.postings
        if item.order is not None
        and item.kind in kinds
        and mchid in {item.mchid, item.order.owner[0]}
        and day.timestamp() <= item.at < day.timestamp() + _DAY
    ]
    if not wanted:
        return None
    paid = [item.amount for item in wanted if item.kind == "交易"]
    back = [-item.amount for item in wanted if item.kind != "交易"]
    ordered, applied = sum(map(_ordered, wanted)), sum(map(_applied, wanted))
    coupons = sum(map(_coupon_refund, wanted))
    fees = sum(map(fee, paid)) - sum(map(fee, back))
    summary = [str(len(wanted)), yuan(sum(paid)), yuan(sum(back)), yuan(coupons), yuan(fees), yuan(ordered), yuan(applied)]
    text = _text(TRADE_COLUMNS, (_trade_row(item) for item in wanted), TRADE_SUMMARY, summary)
    return (b"\xef\xbb\xbf" + text) if v2 else text


def _ordered(item: Posting) -> int:
    """The amount of the order that was paid."""
    return item.order.total if item.order is not None and item.kind == "交易" else 0


def _applied(item: Posting) -> int:
    """The amount that was to be given back, the coupon's share in it."""
    if item.order is None or item.kind == "交易":
        return 0
    return item.order.total if item.refund is None else item.refund.refund


def _coupon_refund(item: Posting) -> int:
    """The share of a coupon that was paid for."""
    if item.order is None or item.kind == "交易" or not item.order.promotion.has_cash:
        return 0
    return item.order.promotion.amount if item.refund is None else item.refund.discount


def _trade_row(item: Posting) -> list[str]:
    order, refund, is_payment = item.order, item.refund, item.kind == "交易"
    assert order is not None  # noqa: S101 - the caller has chosen postings of orders
    state = "SUCCESS" if is_payment else "REVOKED" if refund is None else "REFUND"
    returned = 0 if is_payment else -item.amount
    return [
        rfc3339(item.at)[:19].replace("T", " "),
        str(order.terms.get("appid", order.terms.get("sp_appid", ""))),
        order.owner[0],
        order.owner[1] or "0",
        str(order.terms.get("scene_info", {}).get("device_id", "")) if isinstance(order.terms.get("scene_info"), dict) else "",
        order.transaction_id,
        order.out_trade_no,
        order.openid,
        order.trade_type,
        state,
        order.bank_type,
        order.currency,
        yuan(item.amount if is_payment else 0),
        yuan(order.promotion.amount if is_payment else 0),
        refund.refund_id if refund else "0",
        refund.out_refund_no if refund else "0",
        yuan(returned),
        yuan(_coupon_refund(item)),
        "" if is_payment else "ORIGINAL",
        "" if is_payment else "SUCCESS",
        str(order.terms.get("description", order.terms.get("body", ""))),
        str(order.terms.get("attach", "")),
        # The fee is written with five decimals.
        yuan(fee(item.amount) if is_payment else -fee(-item.amount)) + "000",
        "0.60%",
        yuan(_ordered(item)),
        yuan(_applied(item)),
        "",
    ]


def fund_flow_bill(book: Book, mchid: str, day: datetime) -> bytes | None:
    """The fund-flow bill of a day: every movement, fees apart, with the balance after each; None where there is none."""
    start = day.timestamp()
    balance = OPENING_BALANCE + sum(moved for item in book.postings if item.mchid == mchid and item.at < start for _, moved in _moves(item))
    rows: list[list[str]] = []
    gained: list[int] = []
    spent: list[int] = []
    for item in _of_day(book, mchid, day):
        for name, moved in _moves(item):
            balance += moved
            (gained if moved > 0 else spent).append(abs(moved))
            number = item.refund.refund_id if item.refund is not None else item.transaction_id
            rows.append(
                [
                    rfc3339(item.at)[:19].replace("T", " "),
                    item.transaction_id,
                    f"1{len(rows):09d}{number[-18:]}",
                    name,
                    name,
                    "收入" if moved > 0 else "支出",
                    yuan(abs(moved)),
                    yuan(balance),
                    "system",
                    item.note,
                    number,
                ]
            )
    if not rows:
        return None
    summary = [str(len(rows)), str(len(gained)), yuan(sum(gained)), str(len(spent)), yuan(sum(spent))]
    return _text(FUND_COLUMNS, rows, FUND_SUMMARY, summary)


def _moves(item: Posting) -> list[tuple[str, int]]:
    """A posting as the movements that the fund-flow bill lists; the fee of a payment is one of its own."""
    fees = {"交易": -fee(item.amount), "退款": fee(-item.amount), "撤销": fee(-item.amount)}.get(item.kind, 0)
    return [(item.kind, item.amount), *([("扣除交易手续费" if fees < 0 else "退还交易手续费", fees)] if fees else [])]


def _text(columns: str, rows: Iterable[Sequence[str]], summary_columns: str, summary: Sequence[str]) -> bytes:
    lines = [columns, *(_line(row) for row in rows), summary_columns, _line(summary)]
    return ("\r\n".join(lines) + "\r\n").encode()


def _line(values: Sequence[str]) -> str:
    return ",".join("`" + _escaped(value) for value in values)


def _escaped(value: str) -> str:
    # As published bills have it: a comma arrives as "\ ", a line break as "\n".
    return value.replace(",", "\\ ").replace("\r", "").replace("\n", "\\n")
