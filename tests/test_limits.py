"""Calls are paced by family, in the order in which they came."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.support.platform import Platform, client, settings
from wechatpay_async import ConfigError, Wechatpay
from wechatpay_async.limits import DOCUMENTED_RATES, Pace, RateLimits

pytestmark = pytest.mark.anyio


def test_moments_are_evenly_spaced() -> None:
    pace = Pace(4)
    assert pace.pause(100.0) == 0
    pace.take(100.0)
    assert pace.pause(100.0) == 0.25
    pace.take(100.25)
    assert [pace.pause(now) for now in (100.25, 100.4, 100.5, 200.0)] == [0.25, pytest.approx(0.1), 0, 0]
    pace.take(200.0)  # time that passed unused is not saved up
    assert pace.pause(200.0) == 0.25


def test_the_documented_rates() -> None:
    assert DOCUMENTED_RATES["POST /v3/refund"] == 150
    assert DOCUMENTED_RATES["POST /v3/fund-app/mch-transfer/transfer-bills"] == 100
    assert DOCUMENTED_RATES["GET /v3/bill/fundflowbill"] == 3
    assert DOCUMENTED_RATES["GET /v3/certificates"] == 1000


async def test_a_family_is_a_path_and_what_lies_below() -> None:
    limits = RateLimits({"POST /v3/a": 1000, "POST /v3/a/b": 2000})
    gates = [limits._gate(f"{operation}/") for operation in ("POST /v3/a", "POST /v3/a/c", "POST /v3/a/b/{id}", "POST /v3/ab", "GET /v3/a")]  # pyright: ignore[reportPrivateUsage] — the choice of a gate shows nowhere else
    assert gates[0] is gates[1] is not None
    assert gates[2] not in (None, gates[0])
    assert gates[3:] == [None, None]


async def test_tasks_go_in_turn_and_a_cancelled_one_takes_no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, order, now, asleep = RateLimits({"GET /v3/a": 4}), list[int](), [100.0], list[tuple[float, anyio.Event]]()

    async def sleep(seconds: float) -> None:
        asleep.append((seconds, anyio.Event()))
        await asleep[-1][1].wait()

    async def call(number: int, scope: anyio.CancelScope) -> None:
        with scope:
            await limits.wait("GET", "/v3/a")
            order.append(number)

    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(anyio, "current_time", lambda: now[0])
    scopes = [anyio.CancelScope() for _ in range(5)]
    async with anyio.create_task_group() as tasks:
        for number, scope in enumerate(scopes):
            tasks.start_soon(call, number, scope)
            await anyio.wait_all_tasks_blocked()
        scopes[1].cancel()  # it sleeps
        scopes[3].cancel()  # it waits behind the others
        for _ in range(2):
            await anyio.wait_all_tasks_blocked()
            now[0] += 0.25
            asleep[-1][1].set()
    assert order == [0, 2, 4]
    assert [seconds for seconds, _ in asleep] == [0.25, 0.25, 0.25]


async def test_calls_are_paced() -> None:
    async with client(Platform(), rate_limits={"GET /v3/certificates": 500}) as wxpay:
        start = anyio.current_time()
        for _ in range(3):
            await wxpay.v3.certificates.get()
            await wxpay.chain("v3/other").get()
        assert anyio.current_time() - start >= 2 / 500


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"/v3/a": 1}, "'/v3/a' is no family"),
        ({"GET /v3/a": 0}, "GET /v3/a: 0 calls a second"),
        ({"GET /v3/a": float("nan")}, "nan calls a second"),
        ("document", "did you mean 'documented'"),
    ],
)
def test_wrong_limits(rates: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^rate_limits: .*{message}"):
        Wechatpay(**settings(rate_limits=rates))


def test_the_documented_limits_by_name() -> None:
    assert Wechatpay(**settings(rate_limits="documented"))
