"""What the shop does, apart from how people see it: orders, payments, refunds. Every step may be repeated without harm."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from wechatpay_async import Wechatpay
from wechatpay_async.errors import APIError, NotFound, RateLimited, ServerError, WechatpayError
from wechatpay_async.payloads import JsapiPayload
from wechatpay_async.reconcile import LedgerEntry

from .database import Order, Refund, Shipment
from .settings import Settings

__all__ = ["ITEMS", "Shop", "Way", "WrongAmount"]

_log = logging.getLogger("shop")

Way = Literal["native", "jsapi"]

#: What is sold, in fen.
ITEMS: Mapping[str, int] = {"tea": 4200, "cup": 6800, "pot": 12800}


class WrongAmount(Exception):
    """WeChat Pay took another amount than the order has: a person must look at it."""


class Shop:
    """The shop over its database and WeChat Pay. `clock` gives seconds."""

    def __init__(
        self, wxpay: Wechatpay, sessions: async_sessionmaker[AsyncSession], settings: Settings, clock: Callable[[], float]
    ) -> None:
        self.wxpay = wxpay
        self.sessions = sessions
        self.settings = settings
        self.clock = clock

    # -- orders

    async def place(self, item: str, way: Way) -> Order:
        """Write down an order, before WeChat Pay hears of it. Its number cannot be guessed, so it is also the buyer's key to its page."""
        order = Order(number=secrets.token_hex(16), item=item, total=ITEMS[item], way=way, created=self.clock(), state="NOTPAY")
        async with self.sessions.begin() as session:
            session.add(order)
        return order

    async def find(self, number: str) -> tuple[Order, Refund | None] | None:
        """An order and its refund."""
        async with self.sessions() as session:
            order = await session.get(Order, number)
            return None if order is None else (order, await session.get(Refund, number))

    async def orders(self, limit: int = 100) -> list[tuple[Order, Refund | None]]:
        """The newest orders, with their refunds."""
        query = select(Order, Refund).outerjoin(Refund).order_by(Order.created.desc()).limit(limit)
        async with self.sessions() as session:
            return [(order, refund) for order, refund in await session.execute(query)]

    # -- payments

    async def code_url(self, order: Order) -> str:
        """What the QR code says. Asked for again after a failure, it is the same order: same number, same body."""
        response = await self.wxpay.v3.pay.transactions.native.post(
            {
                "appid": self.settings.appid,
                "mchid": self.settings.mchid,
                "description": order.item,
                "out_trade_no": order.number,
                "notify_url": self.settings.notify_url,
                "amount": {"total": order.total, "currency": "CNY"},
            }
        )
        async with self.sessions.begin() as session:
            await session.execute(update(Order).where(Order.number == order.number).values(code_url=response.data["code_url"]))
        return response.data["code_url"]

    async def jsapi(self, order: Order, openid: str) -> JsapiPayload:
        """What the page hands to WeChat, for this buyer."""
        response = await self.wxpay.v3.pay.transactions.jsapi.post(
            {
                "appid": self.settings.appid,
                "mchid": self.settings.mchid,
                "description": order.item,
                "out_trade_no": order.number,
                "notify_url": self.settings.notify_url,
                "amount": {"total": order.total, "currency": "CNY"},
                "payer": {"openid": openid},
            }
        )
        return self.wxpay.payloads.jsapi(appid=self.settings.appid, prepay_id=response.data["prepay_id"])

    async def ask(self, number: str) -> str:
        """Ask WeChat Pay what became of an order, and book it. Gives the `trade_state`; NOTPAY for an order that it has never heard of."""
        query = self.wxpay.v3.pay.transactions.out_trade_no._out_trade_no_
        try:
            response = await query.get(params={"mchid": self.settings.mchid}, out_trade_no=number)
        except NotFound:
            return "NOTPAY"
        transaction: Mapping[str, Any] = response.data
        if transaction["trade_state"] in {"SUCCESS", "REFUND"}:
            await self.book_payment(transaction)
        return str(transaction["trade_state"])

    async def book_payment(self, transaction: Mapping[str, Any]) -> bool:
        """Mark an order as paid and send it out; False where that was done before, or where the order is not this shop's.

        Raises `WrongAmount`, and books nothing.
        """
        number, total = transaction["out_trade_no"], transaction["amount"]["total"]
        async with self.sessions.begin() as session:
            order = await session.get(Order, number)
            if order is None:
                _log.warning("a payment for %s, which is no order of this shop", number)
                return False
            if order.total != total:
                raise WrongAmount(f"order {number} costs {order.total} fen, and {total} were paid")
            # The condition decides between two workers that do this at the same moment: one of them changes no row.
            unpaid = update(Order).where(Order.number == number, Order.state != "SUCCESS")
            changed = await session.execute(unpaid.values(state="SUCCESS", paid_at=transaction["success_time"]).returning(Order.number))
            if changed.first() is None:
                return False
            session.add(Shipment(order_number=number))
        _log.info("order %s is paid", number)
        return True

    async def close(self, number: str) -> None:
        """Close an order that nobody paid, so that nobody can any more."""
        with suppress(NotFound):  # WeChat Pay has not heard of an order whose buyer went away at once
            await self.wxpay.v3.pay.transactions.out_trade_no._out_trade_no_.close.post({"mchid": self.settings.mchid}, out_trade_no=number)
        async with self.sessions.begin() as session:
            await session.execute(update(Order).where(Order.number == number, Order.state == "NOTPAY").values(state="CLOSED"))

    # -- refunds

    async def refund(self, number: str) -> None:
        """Refund an order, once. Raises `LookupError` for one that is not paid, and what WeChat Pay answers.

        The refund is written down first. Where the answer is lost it stays PROCESSING, and the night finds out.
        """
        try:
            async with self.sessions.begin() as session:
                order = await session.get(Order, number)
                if order is None or order.state != "SUCCESS":
                    raise LookupError(number)
                refund = Refund(order_number=number, number=f"{number}-1", amount=order.total, state="PROCESSING")
                session.add(refund)
        except IntegrityError:
            return  # somebody was quicker
        await self._send_refund(refund)

    async def _send_refund(self, refund: Refund) -> None:
        try:
            await self.wxpay.v3.refund.domestic.refunds.post(
                {
                    "out_trade_no": refund.order_number,
                    "out_refund_no": refund.number,
                    "notify_url": self.settings.notify_url,
                    "amount": {"refund": refund.amount, "total": refund.amount, "currency": "CNY"},
                }
            )
        except (RateLimited, ServerError):
            raise
        except APIError:
            # Refused for good, as the till may be empty: then staff may try again.
            async with self.sessions.begin() as session:
                await session.delete(refund)
            raise

    async def ask_refund(self, refund: Refund) -> None:
        """Ask WeChat Pay what became of a refund, and book it; one that never arrived there is sent again under the same number."""
        try:
            response = await self.wxpay.v3.refund.domestic.refunds._out_refund_no_.get(out_refund_no=refund.number)
        except NotFound:
            await self._send_refund(refund)
            return
        await self.book_refund(refund.number, response.data["status"], response.data.get("success_time", ""))

    async def book_refund(self, number: str, status: str, success_time: str) -> None:
        """Write down how a refund stands. What has ended stays as it ended: notifications come in any order."""
        async with self.sessions.begin() as session:
            open_refund = update(Refund).where(Refund.number == number, Refund.state.in_(("PROCESSING", "ABNORMAL")))
            await session.execute(open_refund.values(state=status, ended_at=success_time))
        _log.info("refund %s: %s", number, status)

    # -- the night

    async def settle(self, older_than: float = 7200) -> None:
        """Ask for everything whose end was not told: orders after `older_than` seconds (then they are closed), and every open refund."""
        async with self.sessions() as session:
            waiting = select(Order.number).where(Order.state == "NOTPAY", Order.created <= self.clock() - older_than)
            numbers = (await session.scalars(waiting)).all()
            refunds = (await session.scalars(select(Refund).where(Refund.state == "PROCESSING"))).all()
        for number in numbers:
            try:
                if await self.ask(number) == "NOTPAY":
                    await self.close(number)
            except (WechatpayError, WrongAmount):
                _log.exception("order %s could not be settled", number)
        for refund in refunds:
            try:
                await self.ask_refund(refund)
            except WechatpayError:
                _log.exception("refund %s could not be settled", refund.number)

    async def ledger(self, day: str) -> AsyncGenerator[LedgerEntry]:
        """The payments and the refunds of a day (`2026-11-24`, China's) as reconciliation takes them, streamed."""
        payments = select(Order.number, Order.total, Order.state).where(Order.paid_at.startswith(day))
        refunds = select(Refund.number, Refund.amount, Refund.state).where(Refund.ended_at.startswith(day))
        async with self.sessions() as session:
            async for number, total, state in await session.stream(payments):
                yield LedgerEntry(number, total, "payment", state)
            async for number, amount, state in await session.stream(refunds):
                yield LedgerEntry(number, amount, "refund", state)
