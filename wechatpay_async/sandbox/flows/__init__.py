"""The operations that have real state, each flow a module of rules and handlers; the others are synthesised."""

from __future__ import annotations

from ..models import Book, Order
from . import certificates, orders, payscore, refunds
from .context import Ask, Handler, Routes
from .refunds import finish as finish_refund

__all__ = ["ROUTES", "Ask", "Handler", "Routes", "finish_refund", "pay", "tick"]

ROUTES: Routes = {**orders.ROUTES, **refunds.ROUTES, **payscore.ROUTES, **certificates.ROUTES}


def tick(book: Book) -> None:
    """Let happen what the time that has passed brings about."""
    orders.expire(book)
    refunds.finish_due(book)
    payscore.expire(book)


def pay(book: Book, order: Order, *, openid: str = "", bank_type: str = "OTHERS") -> None:
    """The payer pays an order, and the merchant is told."""
    orders.payer_pays(book, order, openid=openid, bank_type=bank_type)
    orders.tell_paid(book, order)
