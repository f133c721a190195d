"""What the last row of a bill says about the rows before it, as sums that can be checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wechatpay_async.bills.amounts import format_micro, micro_yuan, sum_micro
from wechatpay_async.bills.rows import Columns, split_line
from wechatpay_async.errors import BillMismatch, MalformedMessage

__all__ = ["Summary", "Tally", "Total", "totals_for"]


class Total(NamedTuple):
    """What is counted: rows (`column` None) or the sum of a column; `where` limits it to rows with this value in a column."""

    column: int | None
    where: tuple[int, str] | None = None


class Tally:
    """What the rows read so far add up to, for every name that a summary may hold.

    A summary says which of them it holds only after the last row; names for one and the same sum are added once.
    """

    def __init__(self, names: Mapping[str, Total]) -> None:
        self._names = names
        self._values = dict.fromkeys(names.values(), 0)

    def add(self, rows: Sequence[list[str]]) -> None:
        """Count or add these rows in."""
        for total in self._values:
            column, where = total
            chosen = rows if where is None else [row for row in rows if row[where[0]] == where[1]]
            self._values[total] += len(chosen) if column is None else sum_micro([row[column] for row in chosen])

    def compare(self, name: str, stated: str) -> bool:
        """Whether this name is known, and so was compared. Raises `BillMismatch` when the rows add up to something else."""
        total = self._names.get(name)
        if total is None:
            return False
        found = self._values[total]
        if total.column is not None:
            if micro_yuan(stated) != found:
                raise BillMismatch(name, stated=stated, found=format_micro(found))
        elif not stated.isdecimal() or int(stated) != found:
            raise BillMismatch(name, stated=stated, found=str(found))
        return True


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary row, by the names of its header. `checked` are those that the rows were found to add up to, `unchecked` the others."""

    values: dict[str, str]
    checked: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    raw: str = ""

    def __getitem__(self, name: str) -> str:
        return self.values[name]


#: Names in the summary -> the column that it adds up, newest first. Official pages: 4013071227 (trade), 4013071228 (fund flow).
_SUMS: dict[str, str] = {
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
    "总交易额": "总金额",
    "总退款金额": "退款金额",
    "总企业红包退款金额": "企业红包退款金额",
    "总代金券或立减优惠退款金额": "代金券或立减优惠退款金额",
}
_COUNTS = ("总交易单数", "资金流水总笔数")
_DIRECTIONS = {"收入": ("收入笔数", "收入金额"), "支出": ("支出笔数", "支出金额")}
_FLOW_AMOUNTS = ("收支金额(元)", "收支金额（元）", "收支金额")


def totals_for(columns: Columns) -> dict[str, Total]:
    """Every total that a bill with these columns can be asked for."""
    totals = {name: Total(None) for name in _COUNTS}
    totals.update((name, Total(columns[source])) for name, source in _SUMS.items() if source in columns)
    amount = next((columns[name] for name in _FLOW_AMOUNTS if name in columns), None)
    if "收支类型" in columns and amount is not None:
        for word, (count, total) in _DIRECTIONS.items():
            where = (columns["收支类型"], word)
            totals[count] = Total(None, where)
            totals[total] = Total(amount, where)
    return totals


def is_summary_header(line: str) -> bool:
    """Whether a line is the header of the summary: it has no back-ticks, and its first name is a number of rows or a total."""
    first = line.split(",", 1)[0]
    if first.startswith("`"):
        return first[1:] in _COUNTS
    return "总" in first or first.endswith(("笔数", "单数"))


def read_summary(header: str, line: str, tally: Tally) -> Summary:
    """The summary row; raises `BillMismatch` naming the first total that differs from what was read."""
    names, values = split_line(header), split_line(line)
    if len(names) != len(values):
        raise MalformedMessage(f"the summary of a bill has {len(names)} names and {len(values)} values")
    stated = dict(zip(names, (value.strip() for value in values), strict=True))
    checked = tuple(name for name, value in stated.items() if tally.compare(name, value))
    return Summary(stated, checked, tuple(name for name in stated if name not in checked), line)
