"""The operations of APIv3 that have real state, each flow a module of rules and handlers; the others are synthesised."""

from __future__ import annotations

from . import (
    applyments,
    batches,
    certificates,
    combine,
    complaints,
    contracts,
    coupon_flows,
    coupons,
    orders,
    parking,
    parking_reminders,
    payscore,
    profitsharing,
    refunds,
    statements,
    stocks,
    transfers,
)
from .context import Ask, Handler, Routes

__all__ = ["ROUTES", "Ask", "Handler", "Routes"]

ROUTES: Routes = {
    **orders.ROUTES,
    **combine.ROUTES,
    **refunds.ROUTES,
    **payscore.ROUTES,
    **profitsharing.ROUTES,
    **transfers.ROUTES,
    **batches.ROUTES,
    **applyments.ROUTES,
    **contracts.ROUTES,
    **complaints.ROUTES,
    **parking.ROUTES,
    **parking_reminders.ROUTES,
    **stocks.ROUTES,
    **coupons.ROUTES,
    **coupon_flows.ROUTES,
    **statements.ROUTES,
    **certificates.ROUTES,
}
