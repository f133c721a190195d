"""Faults on purpose: what each does to an answer, and whether the operation was executed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.examples import native_order
from tests.support.handmade import Handmade, verifies
from wechatpay_async.sandbox import FaultKind, Sandbox

pytestmark = pytest.mark.anyio

NATIVE = "/v3/pay/transactions/native"


async def order(client: Handmade) -> httpx.Response:
    return await client.send("POST", NATIVE, native_order())


def is_placed(sandbox: Sandbox) -> bool:
    return bool(sandbox.book.orders)


@pytest.mark.parametrize("kind", ["wrong_signature", "tampered", "probe"])
async def test_answers_that_do_not_verify(client: Handmade, sandbox: Sandbox, kind: FaultKind) -> None:
    with sandbox.faults.on(kind):
        response = await order(client)
    assert response.status_code == 200
    assert not verifies(client.platform[response.headers["wechatpay-serial"]], response.headers, response.content)
    assert is_placed(sandbox)
    assert sandbox.calls[-1].fault == kind
    assert kind != "probe" or response.headers["wechatpay-signature"].startswith("WECHATPAY/SIGNTEST/")
    assert kind != "probe" or len(response.headers["wechatpay-signature"]) == 355
    await client.call("POST", NATIVE, native_order())


async def test_answers_with_headers_that_are_wrong(client: Handmade, sandbox: Sandbox) -> None:
    with sandbox.faults.on("unsigned"):
        assert "wechatpay-signature" not in (await order(client)).headers
    with sandbox.faults.on("stale"):
        response = await order(client)
        assert int(response.headers["wechatpay-timestamp"]) == int(sandbox.clock()) - 600
        assert verifies(client.platform[response.headers["wechatpay-serial"]], response.headers, response.content)
    with sandbox.faults.on("unknown_serial"):
        assert (await order(client)).headers["wechatpay-serial"] not in client.platform


@pytest.mark.parametrize(
    ("kind", "status", "code", "placed"),
    [
        ("server_error", 500, "SYSTEM_ERROR", True),
        ("unavailable", 503, "SERVICE_UNAVAILABLE", False),
        ("rate_limited", 429, "FREQUENCY_LIMITED", False),
    ],
)
async def test_errors(client: Handmade, sandbox: Sandbox, kind: FaultKind, status: int, code: str, placed: bool) -> None:
    with sandbox.faults.on(kind):
        response = await order(client)
    assert (response.status_code, response.json()["code"], is_placed(sandbox)) == (status, code, placed)


async def test_a_gateway_page_instead_of_json(client: Handmade, sandbox: Sandbox) -> None:
    with sandbox.faults.on("bad_gateway"):
        response = await order(client)
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html")


@pytest.fixture(params=["in process", "over a socket"])
async def reached(request: pytest.FixtureRequest, sandbox: Sandbox) -> Any:
    if request.param == "in process":
        async with Handmade(sandbox.settings()) as client:
            yield client
    else:
        async with sandbox.serve() as url, Handmade(sandbox.settings(base_url=url)) as client:
            yield client


@pytest.mark.parametrize(("kind", "placed"), [("reset", True), ("refused", False), ("half", True)])
async def test_connections_that_break(reached: Handmade, sandbox: Sandbox, kind: FaultKind, placed: bool) -> None:
    with sandbox.faults.on(kind), pytest.raises(httpx.TransportError):
        await order(reached)
    assert is_placed(sandbox) is placed
    await reached.call("POST", NATIVE, native_order())


async def test_latency(client: Handmade, sandbox: Sandbox) -> None:
    with sandbox.faults.on("latency", seconds=0.001):
        assert (await order(client)).status_code == 200


async def test_faults_by_operation_number_and_rate(client: Handmade, sandbox: Sandbox) -> None:
    sandbox.faults.add("unavailable", "POST /v3/pay/transactions/jsapi")
    sandbox.faults.add("rate_limited", "/v3/pay/transactions/native", times=2)
    assert [(await order(client)).status_code for _ in range(3)] == [429, 429, 200]
    sandbox.faults.clear()
    sandbox.faults.add("rate_limited", rate=0.5)
    seen = [(await order(client)).status_code for _ in range(40)]
    assert set(seen) == {200, 429}
    with pytest.raises(ValueError, match="wrong_signature"):
        sandbox.faults.add("rainy")  # type: ignore[arg-type]  # a name that is none
