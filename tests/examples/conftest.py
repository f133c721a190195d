"""The shop of the documentation, with a sandbox: in the process, and in a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.conninfo import conninfo_to_dict
from shop.app import make_app
from shop.service import Shop
from shop.settings import Settings

from tests.inbox.servers import postgres_server
from tests.sandbox.conftest import NOON, make_key, patient_notifier
from wechatpay_async import Retry, Wechatpay
from wechatpay_async.sandbox import Sandbox

__all__ = ["make_key", "patient_notifier"]

#: Repeats as the shop does in life, without the pauses.
AT_ONCE = Retry(first_pause=0, longest_pause=0)
STAFF = ("anyone", "correct horse")


@pytest.fixture
def anyio_backend() -> str:
    """SQLAlchemy and uvicorn know asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="module")
def postgres() -> Generator[dict[str, Any]]:
    """A PostgreSQL server."""
    with postgres_server() as dsn:
        yield conninfo_to_dict(dsn)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database: SQLite unless a test asks for the other as well (`on_both_databases`)."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path}/shop.sqlite"
    server: dict[str, Any] = request.getfixturevalue("postgres")
    name = f"shop_{uuid4().hex}"
    with psycopg.connect(**server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql://{server['user']}@{server['host']}:{server['port']}/{name}"


def settings(database: str, public_url: str = "https://shop.example.com", **changes: Any) -> Settings:
    """What the tests tell the shop."""
    return Settings(
        mchid="1900000109",
        public_url=public_url,
        staff_password=STAFF[1],
        appid="wxd678efh567hg6787",
        app_secret="the secret of the official account",
        database=database,
        **changes,
    )


@dataclass
class Street:
    """The shop, the sandbox that it calls, and a buyer's browser without scripts."""

    app: FastAPI
    sandbox: Sandbox
    buyer: httpx.AsyncClient

    @property
    def shop(self) -> Shop:
        made: Shop = self.app.state.shop
        return made

    async def order(self, item: str = "tea", way: str = "native") -> str:
        """Order something, and open its page; gives its number."""
        answer = await self.buyer.post(f"/buy/{item}/{way}")
        shown = await self.buyer.get(answer.headers["location"])
        assert shown.status_code == 200
        return str(answer.headers["location"]).rpartition("/")[2]

    async def state(self, number: str) -> str:
        """How the order's page knows that it has moved on."""
        return (await self.buyer.get(f"/orders/{number}/state")).text.strip()

    async def said(self, number: str) -> str:
        """What the order's page tells its buyer."""
        found = re.search(r'id="state"[^>]*>([^<]*)<', (await self.buyer.get(f"/orders/{number}")).text)
        assert found
        return found[1]


@pytest.fixture
async def street(database: str, make_key: Callable[[], Any]) -> AsyncGenerator[Street]:
    sandbox = Sandbox(clock=lambda: NOON, make_key=make_key)
    app = make_app(settings(database), lambda: Wechatpay(**sandbox.settings(), validate="strict", retry=AT_ONCE), sandbox.clock)
    sandbox.notifier.receiver = app
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="https://shop.example.com") as buyer:
        yield Street(app, sandbox, buyer)
