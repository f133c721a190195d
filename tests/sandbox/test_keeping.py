"""A sandbox that keeps its story goes on where it was: after a restart, after a kill, in another place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.examples import native_order, refund_of, score_order
from tests.sandbox.test_coupons import activated, sent, stock
from tests.support.handmade import Handmade
from tests.support.handmade_v2 import HandmadeV2
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

NATIVE = "/v3/pay/transactions/native"


async def a_story(sandbox: Sandbox) -> None:
    """A bit of everything."""
    async with Handmade(sandbox.settings()) as client, HandmadeV2(sandbox.settings()) as v2:
        await client.call("POST", NATIVE, native_order())
        sandbox.pay("native-0001")
        await client.call("POST", "/v3/refund/domestic/refunds", refund_of("native-0001", refund=30))
        await client.call("POST", "/v3/payscore/serviceorder", score_order())
        sandbox.payscore.confirm("score-0001")
        await client.call("POST", NATIVE, native_order("native-0002", time_expire="2025-11-25T12:30:00+08:00"))
        sandbox.clock.advance(hours=1)
        await v2.call(
            "/pay/micropay",
            {
                "appid": "wx1",
                "body": "x",
                "out_trade_no": "v2-1",
                "total_fee": 1,
                "spbill_create_ip": "8.8.8.8",
                "auth_code": "120061098828009406",
            },
        )
        assert await client.refused("POST", NATIVE, native_order("native-0003", amount={"total": 0})) == (400, "PARAM_ERROR")
        await client.call("POST", "/v3/merchant/fund/withdraw", WITHDRAWAL)
        later = {"available_begin_time": "2025-11-25T13:00:00+08:00"}
        coupon = await sent(client, await activated(client, stock(no_cash=False, **later)))
        await client.call("POST", NATIVE, native_order("native-0004"))
        sandbox.pay("native-0004", coupon_id=coupon)
    sandbox.notifier.receiver = _taking
    await sandbox.deliver()
    sandbox.add_merchant("1900000110", "certificate")
    sandbox.new_certificate()


WITHDRAWAL = {"out_request_no": "20190611222222222200000000012122", "amount": 100, "account_type": "BASIC"}


async def _taking(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def seen(sandbox: Sandbox) -> dict[str, Any]:
    """Everything that a merchant can tell."""
    return {
        "orders": {number: vars(order) for (_, number), order in sandbox.book.orders.items()},
        "refunds": {number: vars(refund) for (_, number), refund in sandbox.book.refunds.items()},
        "scores": {number: vars(order) for (_, number), order in sandbox.book.score_orders.items()},
        "notices": [vars(notice) for notice in sandbox.book.notices],
        "moved": sandbox.book.moved,
        "held": sandbox.book.shelf("held"),
        "coupons": {number: vars(coupon) for number, coupon in sandbox.book.shelf("coupons").items()},
        "settings": {mchid: {**sandbox.settings(mchid=mchid), "transport": None, "clock": sandbox.clock()} for mchid in sandbox.merchants},
    }


async def test_a_restart_goes_on(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    first = make_sandbox(state=path)
    await a_story(first)
    again = make_sandbox(state=path)
    assert seen(again) == seen(first)
    async with Handmade(again.settings()) as client:
        await client.call("POST", NATIVE, native_order("native-0009"))
        assert (await client.call("GET", "/v3/refund/domestic/refunds/refund-0001"))["status"] == "SUCCESS"
    third = make_sandbox(state=path)
    assert seen(third) == seen(again)


async def test_a_story_is_written_and_read(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    path, copy = tmp_path / "story.jsonl", tmp_path / "copy.db"
    first = make_sandbox(state=":memory:")
    await a_story(first)
    first.export(path)
    assert '"do": "pay"' in path.read_text(encoding="utf-8")
    told = Sandbox.from_story(path, clock=lambda: 1_764_043_200.0)
    assert seen(told) == seen(first)
    assert seen(Sandbox.from_story(path, state=copy, clock=lambda: 1_764_043_200.0)) == seen(first)
    assert seen(make_sandbox(state=copy)) == seen(first)
    with pytest.raises(ValueError, match="has a story already"):
        Sandbox.from_story(path, state=copy)
    path.write_text("no step\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1 of"):
        Sandbox.from_story(path)
    with pytest.raises(ValueError, match="keeps no story"):
        make_sandbox().export(path)


KILLED = """
import sys, threading
from wechatpay_async.sandbox import Sandbox
sandbox = Sandbox(state=sys.argv[1])
with sandbox.serve() as url:
    print(url, sandbox.merchant.serial, flush=True)
    threading.Event().wait()
"""


async def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    numbers: list[str] = []
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - it is killed before anything waits
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[0]
            async with Handmade(Sandbox(state=path).settings(base_url=url)) as client:
                for number in numbers:
                    query = f"/v3/pay/transactions/out-trade-no/{number}?mchid=1900000109"
                    assert (await client.call("GET", query))["trade_state"] == "NOTPAY"
                for index in range(20):
                    numbers.append(f"killed-{len(numbers):04}-{index}")
                    await client.call("POST", NATIVE, native_order(numbers[-1]))
        finally:
            process.kill()
            process.communicate()
    assert {number for _, number in Sandbox(state=path).book.orders} == set(numbers)
