"""What is compared: a payment or a refund under its number, with its amount and its status, on either side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from wechatpay_async.bills import Row, TradeRow, fen, unescape
from wechatpay_async.errors import InvalidData, RequestError

__all__ = ["BillEntries", "Kind", "LedgerEntry", "ledger_entries"]

Kind: TypeAlias = Literal["payment", "refund"]
#: Kind, number, fen, status ("" where it is not to be compared).
Entry: TypeAlias = tuple[Kind, str, int, str]

#: The words of a bill for the status of a refund, in those of the refund API: D/4013071227 and D/4013070371.
_REFUND_STATUS: Final = {"FAIL": "CLOSED", "CHANGE": "ABNORMAL"}
#: An order that was paid and then refunded has the trade state REFUND in the API; the bill keeps SUCCESS for its payment.
_PAYMENT_STATUS: Final = {"REFUND": "SUCCESS"}
#: Trade states without a payment: such an order is in no bill.
UNPAID: Final = frozenset({"NOTPAY", "CLOSED", "USERPAYING", "PAYERROR", "ACCEPT"})
_CACHED = 50_000


class LedgerEntry(NamedTuple):
    """A line of the merchant's own books.

    `number` is the `out_trade_no` of a payment or the `out_refund_no` of a refund, `amount` fen, always positive. `status` is the trade
    state or the refund status in the words of the API; None leaves it out of the comparison.
    """

    number: str
    amount: int
    kind: Kind = "payment"
    status: str | None = None


def ledger_entries(lines: Iterable[object], first: int) -> list[Entry]:
    """Lines of the ledger, checked; tuples of the same order do as well. `first` is the number of the first one, for errors."""
    entries: list[Entry] = []
    for position, line in enumerate(lines, first):
        number, amount, kind, status = _fields(line, position)
        if not isinstance(number, str) or not number:
            raise InvalidData(f"$.ledger[{position}].number", f"text is wanted, not {number!r}")
        if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
            raise InvalidData(
                f"$.ledger[{position}].amount", f"whole fen, not negative, are wanted, not {amount!r}", hint="12.34 yuan are 1234"
            )
        word = str(status) if status else ""
        if kind == "payment":
            entries.append(("payment", number, amount, _PAYMENT_STATUS.get(word, word)))
        elif kind == "refund":
            entries.append(("refund", number, amount, word))
        else:
            raise InvalidData(f"$.ledger[{position}].kind", f'"payment" or "refund" is wanted, not {kind!r}')
    return entries


def _fields(line: object, position: int) -> tuple[object, object, object, object]:
    values = list(cast("tuple[object, ...]", line)) if isinstance(line, tuple) else []
    if not 2 <= len(values) <= 4:
        raise InvalidData(f"$.ledger[{position}]", "a LedgerEntry is wanted", hint="LedgerEntry(number, amount, kind, status)")
    number, amount, kind, status = values + ["payment", None][len(values) - 2 :]
    return number, amount, kind, status


class BillEntries:
    """Rows of a trade bill as entries. Columns are looked up once and amounts that repeat are converted once: rows come by the million."""

    def __init__(self) -> None:
        self._fen: dict[str, int] = {}

    def read(self, rows: Sequence[TradeRow]) -> list[Entry]:
        """Rows of one bill, one at least: payments under `out_trade_no`, refunds and reversals under `out_refund_no`."""
        at = _Places(rows[0])
        entries: list[Entry] = []
        for row in rows:
            written = row.written
            if written[at.state] in ("REFUND", "REVOKED"):
                number = at.text(written, at.refund_no)
                status = at.text(written, at.refund_status)
                amount = self._amount(written[at.refund_total])
                # A reversal of a code payment may have no number of its own.
                name = number if number not in ("", "0") else written[at.trade_no]
                entries.append(("refund", unescape(name), amount, _REFUND_STATUS.get(status, status)))
            else:
                entries.append(("payment", unescape(written[at.trade_no]), self._amount(written[at.total]), written[at.state]))
        return entries

    def _amount(self, text: str) -> int:
        amount = self._fen.get(text)
        if amount is None:
            if len(self._fen) >= _CACHED:
                self._fen.clear()
            amount = self._fen[text] = fen(text)
        return amount


class _Places:
    """Where a bill has the columns that are compared."""

    def __init__(self, row: Row) -> None:
        columns = row.columns

        def first(*names: str) -> int:
            return next((columns[name] for name in names if name in columns), -1)

        self.state = first("交易状态")
        self.trade_no = first("商户订单号")
        self.total = first("订单金额", "总金额", "应结订单金额")
        self.refund_no = first("商户退款单号")
        self.refund_total = first("申请退款金额", "退款金额")
        self.refund_status = first("退款状态")
        if min(self.state, self.trade_no) < 0 or max(self.total, self.refund_total) < 0:
            raise RequestError("a trade bill is wanted: this one lacks 交易状态, 商户订单号 or its amounts", hint="wxpay.bills.trade(…)")

    @staticmethod
    def text(written: list[str], place: int) -> str:
        return written[place] if place >= 0 else ""
