"""What happens without a call of the merchant's: time passes, users pay, money arrives; and the merchant is told."""

from __future__ import annotations

from typing import Any

from . import v2
from .flows import applyments, batches, combine, complaints, contracts, orders, parking, payscore, profitsharing, refunds, transfers
from .models import Book, Order, Refund

__all__ = ["finish_refund", "pay", "tick"]


def tick(book: Book) -> None:
    """Let happen what is due by the clock, each thing at its moment and in their order."""
    while (found := book.next_due()) is not None:
        moment, what, thing = found
        with book.at(moment):
            _happen(book, what, thing)


def _happen(book: Book, what: str, thing: Any) -> None:
    if what == "order":
        orders.lapse(thing)
    elif what == "refund" and thing.status == "PROCESSING" and book.now >= thing.due:
        finish_refund(book, thing, "SUCCESS")
    elif what == "score":
        payscore.lapse(book, thing)
    elif what == "split":
        profitsharing.finish_split(book, thing)
    elif what == "return":
        profitsharing.finish_return(book, thing)
    elif what == "transfer":
        transfers.lapse(book, thing)
    elif what == "batch":
        batches.advance(book, thing)
    elif what == "applyment":
        applyments.advance(book, thing)
    elif what == "account":
        applyments.finish_change(book, thing)
    elif what == "deduction":
        contracts.deduct(book, thing)
    elif what == "parking":
        parking.collect(book, thing)


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
    if status == "SUCCESS":
        complaints.refund_arrived(book, book.orders[(refund.owner, refund.out_trade_no)])
    if refund.v2 or not refund.notify_url:
        # Without an address of its own, a refund is told to the console's, in APIv2 whatever it was asked in:
        # https://pay.weixin.qq.com/doc/v3/merchant/4013071200
        v2.flows.tell_refunded(book, refund, refund.notify_url or book.shelf("console_urls").get(refund.owner[0], ""))
