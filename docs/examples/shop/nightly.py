"""The shop's night: settle what is open, then compare yesterday's books with WeChat Pay's bill."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from wechatpay_async.reconcile import Report, reconcile

from .service import Shop

__all__ = ["close_the_day", "yesterday"]

_CHINA = timezone(timedelta(hours=8))


def yesterday(now: float) -> str:
    """The newest day that has a bill. `now` is in seconds."""
    return (datetime.fromtimestamp(now, _CHINA) - timedelta(days=1)).date().isoformat()


async def close_the_day(shop: Shop, day: str) -> Report:
    """Settle, then reconcile. Raises `BillNotReady` before about ten in the morning."""
    await shop.settle()
    return await reconcile(shop.ledger(day), shop.wxpay.bills.trade(day))
