"""What WeChat Pay tells the shop: verified, each one acted on once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from wechatpay_async.fastapi import WechatpayRouter
from wechatpay_async.inbox import Inbox
from wechatpay_async.notifications import Notification

from .service import Shop

__all__ = ["TheShop", "make_callbacks"]


def the_shop(request: Request) -> Shop:
    """The shop of this app."""
    shop: Shop = request.app.state.shop
    return shop


TheShop = Annotated[Shop, Depends(the_shop)]


def make_callbacks(inbox: Inbox) -> WechatpayRouter:
    """The router. What a handler raises is logged, and WeChat Pay sends the notification again."""
    router = WechatpayRouter("/wechatpay/notify", inbox=inbox)

    @router.on("TRANSACTION.SUCCESS")
    async def paid(notification: Notification, shop: TheShop) -> None:
        await shop.book_payment(notification.resource)

    @router.on("REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED")
    async def refunded(notification: Notification, shop: TheShop) -> None:
        refund = notification.resource
        await shop.book_refund(refund["out_refund_no"], refund["refund_status"], refund.get("success_time", ""))

    return router
