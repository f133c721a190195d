"""The shop's tables and how they are reached: SQLite or PostgreSQL, by the address alone."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from wechatpay_async.inbox import Inbox, SQLiteInbox

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


class Base(DeclarativeBase):
    """What the tables have in common."""


class Order(Base):
    """Something that somebody wants to buy. `state` is WeChat Pay's `trade_state`; a payment that was refunded stays SUCCESS."""

    __tablename__ = "orders"

    number: Mapped[str] = mapped_column(primary_key=True)
    item: Mapped[str]
    total: Mapped[int]  # fen
    way: Mapped[str]  # "native" or "jsapi"
    created: Mapped[float]
    state: Mapped[str] = mapped_column(default="NOTPAY")
    code_url: Mapped[str] = mapped_column(default="")
    paid_at: Mapped[str] = mapped_column(default="", index=True)  # RFC 3339 with +08:00: its first ten characters are the day of the bill


class Shipment(Base):
    """What was sent out. Its key is the order's, so that the database itself refuses a second one."""

    __tablename__ = "shipments"

    order_number: Mapped[str] = mapped_column(ForeignKey("orders.number"), primary_key=True)


class Refund(Base):
    """The refund of an order, of all of it. `state` is WeChat Pay's `status`."""

    __tablename__ = "refunds"

    order_number: Mapped[str] = mapped_column(ForeignKey("orders.number"), primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    amount: Mapped[int]  # fen
    state: Mapped[str] = mapped_column(default="PROCESSING")
    ended_at: Mapped[str] = mapped_column(default="", index=True)


def open_database(address: str) -> AsyncEngine:
    """An engine for `sqlite:///file` or `postgresql://user@host/name`."""
    scheme, _, rest = address.partition("://")
    return create_async_engine(f"{_DRIVERS[scheme]}://{rest}")


def open_inbox(address: str) -> Inbox:
    """The memory of notifications, in the same database."""
    if address.startswith("sqlite:///"):
        return SQLiteInbox(address.removeprefix("sqlite:///"))
    from wechatpay_async.inbox.postgres import PostgresInbox  # its driver is needed with PostgreSQL alone

    return PostgresInbox(address)
