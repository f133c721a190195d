"""When things break: a server that misbehaves at random, and calls that are given up half-way."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

from tests.soak.chaos import run
from tests.support.loopback import Loopback, Received, until
from tests.support.platform import settings
from wechatpay_async import Wechatpay

pytestmark = pytest.mark.anyio


async def test_every_call_ends_well_or_in_the_right_error() -> None:
    report = await run(200)

    assert report.wrong == []
    assert sum(report.ends.values()) == 200
    assert (report.left_open, report.left_running) == (0, 0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_same_over_aiohttp() -> None:
    report = await run(200, transport="fast")

    assert report.wrong == []
    assert sum(report.ends.values()) == 200
    assert (report.left_open, report.left_running) == (0, 0)


async def never(request: Received, stream: SocketStream) -> bool:
    """Wait until the client has gone."""
    await stream.receive()
    return False


def requests_in_memory() -> int:
    gc.collect()
    return sum(isinstance(thing, httpx.Request) for thing in gc.get_objects())


async def cancel_a_hundred_calls(server: Loopback, wxpay: Wechatpay) -> None:
    await anyio.wait_all_tasks_blocked()  # the server's own task has begun
    tasks_before, requests_before = len(anyio.get_running_tasks()), requests_in_memory()
    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(wxpay.chain("v3/new").post, {"number": number})
        await until(lambda: len(server.requests) == 100)
        assert server.open == 100
        tasks.cancel_scope.cancel()
    await until(lambda: server.open == 0)
    # The server's own task for each connection goes with it.
    await until(lambda: len(anyio.get_running_tasks()) <= tasks_before)
    assert requests_in_memory() <= requests_before  # what earlier tests left may have gone meanwhile
    assert len(gc.garbage) == 0


async def test_a_hundred_cancelled_calls_leave_nothing_behind() -> None:
    server = Loopback(never)
    async with server.serving() as url, Wechatpay(**settings(base_url=url)) as wxpay:
        await cancel_a_hundred_calls(server, wxpay)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_same_over_the_fast_transport() -> None:
    server = Loopback(never)
    async with server.serving() as url, Wechatpay(**settings(base_url=url, transport="fast")) as wxpay:
        await cancel_a_hundred_calls(server, wxpay)


async def test_after_the_cancelled_calls_come_others() -> None:
    server = Loopback(never)
    async with server.serving() as url, Wechatpay(**settings(base_url=url)) as wxpay:
        await cancel_a_hundred_calls(server, wxpay)
        server.handler = Loopback().handler
        results: list[Any] = []

        async def call() -> None:
            results.append((await wxpay.chain("v3/new").post({})).data)

        async with anyio.create_task_group() as tasks:
            for _ in range(120):
                tasks.start_soon(call)
        assert results == [{"code_url": "weixin://"}] * 120
