"""What happens without a call of the merchant's: time passes, users pay, money arrives; and the merchant is told."""

from __future__ import annotations

from . import v2
from .flows import combine, orders, payscore, profitsharing, refunds, transfers
from .models import Book, Order, Refund

__all__ = ["finish_refund", "pay", "tick"]


def tick(book: Book) -> None:
    """Let happen what is due by the clock."""
    orders.expire(book)
    payscore.expire(book)
    profitsharing.finish_due(book)
    transfers.finish_due(book)
    for refund in refunds.due(book):
        with book.at(refund.due):
            finish_refund(book, refund, "SUCCESS")


def pay(book: Book, order: Order, *, openid: str = "", bank_type: str = "OTHERS") -> None:
    """The payer pays an order; one that is part of a combined order cannot be paid alone."""
    combined = combine.combined_of(book, order.owner[0], order.combine_out_trade_no)
    if combined is not None:
        combine.user_pays(book, combined, openid=openid, bank_type=bank_type)
        return
    orders.payer_pays(book, order, openid=openid, bank_type=bank_type)
    if order.v2:
        v2.flows.tell_paid(book, order)
    else:
        orders.tell_paid(book, order)


def finish_refund(book: Book, refund: Refund, status: str) -> None:
    """End a refund: SUCCESS, ABNORMAL or CLOSED."""
    refunds.finish(book, refund, status)
    if refund.v2:
        v2.flows.tell_refunded(book, refund)
