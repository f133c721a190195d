"""What happens without a call of the merchant's: time passes, users pay, money arrives; and the merchant is told."""

from __future__ import annotations

from typing import Any

from . import v2
from .flows import (
    applyments,
    batches,
    combine,
    complaints,
    contracts,
    coupons,
    orders,
    parking,
    parking_reminders,
    payscore,
    profitsharing,
    refunds,
    stocks,
    transfers,
)
from .models import NO_PROMOTION, Book, Order, Refund
from .wire import Refusal

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
    elif what == "car_park":
        parking_reminders.examine(book, thing)
    elif what == "stock":
        stocks.stop(book, thing)
    elif what == "coupon":
        coupons.expire(thing)


def pay(book: Book, order: Order, *, openid: str = "", bank_type: str = "OTHERS", coupon_id: str = "") -> None:
    """The payer pays an order, with a coupon where one is named; one that is part of a combined order cannot be paid alone."""
    coupon = coupons.find_coupon(book, coupon_id) if coupon_id else None
    combined = combine.combined_of(book, order.owner[0], order.combine_out_trade_no)
    if combined is not None:
        if coupon is not None:
            raise Refusal(400, "INVALID_REQUEST", "沙箱的合单支付不能使用代金券")
        combine.user_pays(book, combined, openid=openid, bank_type=bank_type)
        return
    promotion = NO_PROMOTION if coupon is None else coupons.choose(book, coupon, order, openid, bank_type)
    payer = openid if coupon is None else coupon.openid
    orders.payer_pays(book, order, openid=payer, bank_type=bank_type, promotion=promotion)
    if coupon is not None:
        coupons.use(book, coupon, order)
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
