"""The words of a report, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from wechatpay_async.reconcile.entries import Kind

__all__ = ["WORDS", "Language", "Problem", "Words"]

Language: TypeAlias = Literal["en", "zh"]
Problem: TypeAlias = Literal["missing_here", "missing_there", "amount", "status", "duplicate"]


@dataclass(frozen=True, slots=True)
class Words:
    """What a report says, apart from its numbers."""

    code: str
    title: str
    sides: tuple[str, str, str]
    sums: tuple[str, str, str, str]
    columns: tuple[str, str, str, str, str, str, str]
    kinds: Mapping[Kind, str]
    problems: Mapping[Problem, str]
    differences: str
    agrees: str
    disagrees: str
    unpaid: str
    more: str


WORDS: Final[Mapping[Language, Words]] = {
    "en": Words(
        code="en",
        title="Reconciliation",
        sides=("Ledger", "Bill", "Matched"),
        sums=("Payments", "Paid, yuan", "Refunds", "Refunded, yuan"),
        columns=("Kind", "Number", "Problem", "Ledger, yuan", "Bill, yuan", "Ledger status", "Bill status"),
        kinds={"payment": "payment", "refund": "refund"},
        problems={
            "missing_here": "on the bill, not in the ledger",
            "missing_there": "in the ledger, not on the bill",
            "amount": "the amounts differ",
            "status": "the statuses differ",
            "duplicate": "more than once on a side",
        },
        differences="Differences",
        agrees="The ledger and the bill agree.",
        disagrees="{count:,} differences.",
        unpaid="{count:,} orders of the ledger were never paid; the bill does not have them, rightly.",
        more="… and {count:,} more",
    ),
    "zh": Words(
        code="zh-CN",
        title="对账结果",
        sides=("账目", "账单", "一致"),
        sums=("支付笔数", "支付金额（元）", "退款笔数", "退款金额（元）"),
        columns=("类型", "单号", "问题", "账目（元）", "账单（元）", "账目状态", "账单状态"),
        kinds={"payment": "支付", "refund": "退款"},
        problems={
            "missing_here": "账单有，账目没有",
            "missing_there": "账目有，账单没有",
            "amount": "金额不一致",
            "status": "状态不一致",
            "duplicate": "一边出现多次",
        },
        differences="差异",
        agrees="账目与账单一致。",
        disagrees="共 {count:,} 处差异。",
        unpaid="账目中有 {count:,} 笔订单从未支付，本来就不在账单里。",
        more="…… 另有 {count:,} 处",
    ),
}
