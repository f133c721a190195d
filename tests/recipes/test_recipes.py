"""Each recipe of the documentation: takes an order, hears of its payment once, believes no forgery."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from hypercorn.config import Config

from tests.docs.examples import LANGUAGES, ROOT
from tests.support.patience import PATIENCE
from wechatpay_async import Wechatpay
from wechatpay_async.inbox import SQLiteInbox
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

HOST = "https://shop.example.com"


@asynccontextmanager
async def aiohttp(sandbox: Sandbox) -> AsyncGenerator[httpx.AsyncClient]:
    from aiohttp import web
    from recipes.on_aiohttp import make_app

    runner = web.AppRunner(make_app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}", timeout=PATIENCE, trust_env=False) as client:
            yield client
    finally:
        await runner.cleanup()


@asynccontextmanager
async def litestar(sandbox: Sandbox) -> AsyncGenerator[httpx.AsyncClient]:
    from recipes.on_litestar import app

    async with app.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST) as client:  # type: ignore[arg-type]  # httpx's type of an app knows less than starlette's
        yield client


@asynccontextmanager
async def django(sandbox: Sandbox) -> AsyncGenerator[httpx.AsyncClient]:
    from recipes.on_django import app, dispatcher, wxpay

    async with wxpay(), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST) as client:  # type: ignore[arg-type]  # as above
        yield client
    dispatcher.cache_clear()
    wxpay.cache_clear()


Recipe = Callable[[Sandbox], AbstractAsyncContextManager[httpx.AsyncClient]]


async def buy(sandbox: Sandbox, service: httpx.AsyncClient) -> list[tuple[str, int | None]]:
    """Order and pay at the service; gives what it answered to each delivery."""
    answer = await service.post("/orders/BOOK20260101030")
    assert answer.json()["code_url"].startswith("weixin://wxpay/bizpayurl")
    sandbox.pay("BOOK20260101030")
    sandbox.notifier.mischief.forged = 1.0
    sandbox.notifier.mischief.duplicates = 1.0
    return [(delivery.kind, delivery.status) for delivery in await sandbox.deliver(_to(service))]


def _to(service: httpx.AsyncClient) -> httpx.AsyncClient:
    """The sandbox's way to the service, wherever it listens: notifications go to its path."""
    return httpx.AsyncClient(transport=_Redirected(service))


class _Redirected(httpx.AsyncBaseTransport):
    def __init__(self, service: httpx.AsyncClient) -> None:
        self._service = service

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._service.post(request.url.path, content=request.content, headers=request.headers)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("recipe", [aiohttp, litestar, django], ids=lambda recipe: str(recipe.__name__))
async def test_an_order_is_paid_once(recipe: Recipe, sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shop")

    async with recipe(sandbox) as service:
        deliveries = await buy(sandbox, service)

    assert deliveries == [("forged", 401), ("genuine", 204), ("duplicate", 204)]
    assert [record.getMessage() for record in caplog.records if record.name == "shop"] == ["paid: BOOK20260101030"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("recipe", [aiohttp, litestar, django], ids=lambda recipe: str(recipe.__name__))
async def test_a_body_beyond_a_megabyte_is_refused(recipe: Recipe, sandbox: Sandbox) -> None:
    async with recipe(sandbox) as service:
        answer = await service.post("/wechatpay/notify", content=b"x" * (1 << 20) + b"x", headers={"Content-Type": "application/json"})

    assert answer.status_code in {400, 413}


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_trio_service_is_told_and_asks(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    from recipes.on_trio import Service

    caplog.set_level(logging.INFO, "shop")
    serve: Any = import_module("hypercorn.trio").serve  # its own types do not fit starlette
    config, over = Config(), trio.Event()
    config.bind = ["127.0.0.1:0"]
    async with Wechatpay.from_env() as wxpay, SQLiteInbox("inbox.sqlite") as inbox, trio.open_nursery() as nursery:
        service = Service(wxpay, inbox)
        (address,) = await nursery.start(partial(serve, service.app, config, shutdown_trigger=over.wait))
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, trust_env=False) as client:
            deliveries = await buy(sandbox, client)
            await client.post("/orders/BOOK20260101031")
        over.set()
        await service.ask()
        assert service.waiting == {"BOOK20260101031"}
        sandbox.pay("BOOK20260101031")
        await service.ask()

    assert deliveries == [("forged", 401), ("genuine", 204), ("duplicate", 204)]
    messages = [record.getMessage() for record in caplog.records if record.name == "shop"]
    assert messages == ["paid: BOOK20260101030", "paid: BOOK20260101031"]


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_trio_service_survives_a_query_that_fails(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    from recipes.on_trio import Service

    async with Wechatpay.from_env() as wxpay, SQLiteInbox("inbox.sqlite") as inbox:
        service = Service(wxpay, inbox)
        service.waiting.add("NEVER20260101")
        await service.ask()

    assert "ORDER_NOT_EXIST" in caplog.text


_SHOWN = re.compile(r"<!-- (docs/examples/\S+) -->\n\n``` \{ \.python \.other \}\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_guide_shows_the_code_that_is_tested(language: str) -> None:
    page = (ROOT / "docs" / language / "guides" / "callbacks-elsewhere.md").read_text(encoding="utf-8")
    shown = dict(_SHOWN.findall(page))

    assert sorted(shown) == [f"docs/examples/recipes/on_{name}.py" for name in ("aiohttp", "django", "litestar", "trio")]
    assert all(code == Path(ROOT / path).read_text(encoding="utf-8") for path, code in shown.items())
