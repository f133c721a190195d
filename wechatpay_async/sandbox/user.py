"""What the user of the phone does, for pay score, and finding the orders that the user means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .flows import payscore
from .models import Book, Order, Refund, ScoreOrder

if TYPE_CHECKING:
    from .core import Sandbox

__all__ = ["ScoreUser", "find_contract", "find_order", "find_refund"]


def find_order(book: Book, out_trade_no: str) -> Order:
    """The newest order of that number, whoever's it is; for a combined order's number the first of its parts."""
    found = [order for (_, number), order in book.orders.items() if out_trade_no in {number, order.combine_out_trade_no}]
    if not found:
        raise LookupError(f"no order {out_trade_no!r}")
    return found[-1]


def find_refund(book: Book, out_refund_no: str) -> Refund:
    """The newest refund of that number."""
    found = [refund for (_, number), refund in book.refunds.items() if number == out_refund_no]
    if not found:
        raise LookupError(f"no refund {out_refund_no!r}")
    return found[-1]


def find_contract(book: Book, contract_code: str) -> dict[str, Any]:
    """The newest APIv2 contract of that code."""
    found: list[dict[str, Any]] = [known for (_, number), known in book.shelf("contracts").items() if number == contract_code]
    if not found:
        raise LookupError(f"no contract {contract_code!r}")
    return found[-1]


class ScoreUser:
    """`sandbox.payscore`: confirms and pays pay-score orders, as the user does in WeChat."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def find(self, out_order_no: str) -> ScoreOrder:
        """The newest pay-score order of that number. Raises `LookupError`."""
        found = [order for (_, number), order in self._sandbox.book.score_orders.items() if number == out_order_no]
        if not found:
            raise LookupError(f"no pay-score order {out_order_no!r}")
        return found[-1]

    def confirm(self, out_order_no: str, *, openid: str = "") -> ScoreOrder:
        """The user confirms the order: it is DOING. Raises `LookupError`, or `Refusal` when it cannot be confirmed."""
        with self._sandbox.lock:
            self._sandbox.tick()
            order = self.find(out_order_no)
            payscore.confirm(self._sandbox.book, order, openid=openid)
            return order

    def pay(self, out_order_no: str) -> Order:
        """The amount is collected from the user: the order is DONE. Gives the payment, which can be refunded."""
        with self._sandbox.lock:
            self._sandbox.tick()
            return payscore.user_pays(self._sandbox.book, self.find(out_order_no))
