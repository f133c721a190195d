"""The shop as an ASGI application."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.ext.asyncio import async_sessionmaker

from wechatpay_async import Wechatpay
from wechatpay_async.fastapi import lifespan as wechatpay_lifespan

from .callbacks import make_callbacks
from .database import Base, open_database, open_inbox
from .pages import make_pages
from .service import Shop
from .settings import Settings

__all__ = ["make_app", "open_shop"]


@asynccontextmanager
async def open_shop(wxpay: Wechatpay, settings: Settings, clock: Callable[[], float] = time.time) -> AsyncGenerator[Shop]:
    """The shop over its database, whose tables are made when they are missing. `wxpay` is borrowed."""
    engine = open_database(settings.database)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    try:
        yield Shop(wxpay, async_sessionmaker(engine, expire_on_commit=False), settings, clock)
    finally:
        await engine.dispose()


def make_app(settings: Settings, client: Callable[[], Wechatpay] = Wechatpay.from_env, clock: Callable[[], float] = time.time) -> FastAPI:
    """The shop; `client` makes its WeChat Pay client when it starts, `clock` gives seconds."""
    # httpx writes each address into its log, and the address of a login has the app's secret in it.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    inbox = open_inbox(settings.database)
    around_wechatpay = wechatpay_lifespan(client, inbox)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with around_wechatpay(app), httpx.AsyncClient() as app.state.http, open_shop(app.state.wechatpay, settings, clock) as shop:
            app.state.shop = shop
            yield

    app = FastAPI(title="Shop", lifespan=lifespan, openapi_url=None)
    app.include_router(make_callbacks(inbox))
    app.include_router(make_pages())
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    policy = (
        f"default-src 'none'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; script-src 'self' {settings.sandbox_url}; frame-src 'self' {settings.sandbox_url}"
    )

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = policy
        # The number in an order's address is the key to it: it must not travel to other sites.
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    return app
