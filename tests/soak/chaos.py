"""Calls to a server that resets, stalls, half-answers, fails, forges and closes idle connections: what each call may end in.

python -m tests.soak.chaos 10000
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import SocketStream

from tests.support.loopback import ANSWER, Loopback, Received, http, reset, signed, until
from tests.support.platform import settings
from wechatpay_async import OutcomeUnknown, TransportError, Wechatpay, WechatpayError
from wechatpay_async.errors import APIError, RateLimited, ServerError, SignatureError
from wechatpay_async.retry import Retry

#: What the server does, and how often in a hundred.
ODDS = {
    "well": 60,
    "reset": 6,
    "reset_half_way": 4,
    "half_a_body": 4,
    "stall": 1,
    "error": 6,
    "busy": 6,
    "forged": 5,
    "unsigned": 3,
    "close_idle": 5,
}
BUSY = http(429, b'{"code":"FREQUENCY_LIMITED","message":"slow down"}')
ERROR = http(500, b'{"code":"SYSTEM_ERROR","message":"try again"}')
FORGED = signed(Wechatpay_Signature="AAAA")
UNSIGNED = http(200, b'{"code_url":"weixin://evil"}', {"Content-Type": "application/json"})
DEADLINE = 5.0
#: How late a call may be, in seconds: a busy machine may stand still for a while, and what hangs is later still.
GRACE = 60.0


@dataclass
class Chaos:
    """The server's dice, and how often each numbered call was executed: received whole and not refused as too much."""

    dice: random.Random
    executed: Counter[str] = field(default_factory=Counter[str])
    deeds: Counter[str] = field(default_factory=Counter[str])

    async def handle(self, request: Received, stream: SocketStream) -> bool:
        deed = self.dice.choices([*ODDS], [*ODDS.values()])[0]
        self.deeds[deed] += 1
        if deed != "busy":
            number = re.search(r"N\d+", request.target) or re.search(r"N\d+", request.body.decode())
            assert number is not None
            self.executed[number[0]] += 1
        return await self._do(deed, stream)

    async def _do(self, deed: str, stream: SocketStream) -> bool:
        match deed:
            case "reset":
                await reset(stream)
            case "reset_half_way":
                await stream.send(ANSWER[:40])
                await reset(stream)
            case "half_a_body":
                await stream.send(ANSWER[:-10])
            case "stall":
                await stream.receive()
            case "busy" | "error" | "forged" | "unsigned":
                await stream.send({"busy": BUSY, "error": ERROR, "forged": FORGED, "unsigned": UNSIGNED}[deed])
                return True
            case _:
                await stream.send(ANSWER)
                return deed == "well"
        return False


@dataclass
class Report:
    """How the calls ended, by what was asked and what came of it; `wrong` says what must not be."""

    ends: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    left_open: int = 0
    left_running: int = 0


async def run(calls: int, *, seed: int = 1, at_once: int = 20, **changes: Any) -> Report:
    """Make the calls and judge each end."""
    chaos, report = Chaos(random.Random(seed)), Report()  # noqa: S311 - repeatable mischief, no secrets
    server = Loopback(chaos.handle)
    numbers = iter(range(calls))
    before = len(anyio.get_running_tasks())
    async with server.serving() as url:
        options = {"base_url": url, "timeout": 0.5, "deadline": DEADLINE, "validate": "off", "retry": Retry(first_pause=0.001), **changes}
        async with Wechatpay(**settings(**options)) as wxpay:

            async def work() -> None:
                for number in numbers:
                    await _one(wxpay, number, chaos, report)

            async with anyio.create_task_group() as tasks:
                for _ in range(at_once):
                    tasks.start_soon(work)
        await until(lambda: server.open == 0)
        report.left_open = server.open
    report.left_running = len(anyio.get_running_tasks()) - before
    return report


async def _one(wxpay: Wechatpay, number: int, chaos: Chaos, report: Report) -> None:
    name, kind = f"N{number}", ("read", "safe write", "unsafe write")[number % 3]
    start = time.monotonic()
    try:
        response = await _call(wxpay, kind, name)
    except WechatpayError as error:
        end: WechatpayError | None = error
    else:
        end = None
        if response.data != {"code_url": "weixin://"}:
            report.wrong.append(f"{kind} {name}: unverified data {response.data}")
    if time.monotonic() - start > DEADLINE + GRACE:
        report.wrong.append(f"{kind} {name}: over its deadline")
    report.ends[f"{kind}: {type(end).__name__ if end else 'answered'}"] += 1
    report.wrong += _faults(kind, name, end, chaos.executed[name])


async def _call(wxpay: Wechatpay, kind: str, name: str) -> Any:
    if kind == "read":
        return await wxpay.chain("v3/pay/transactions/id/{transaction_id}").get(transaction_id=name)
    path = "v3/pay/transactions/native" if kind == "safe write" else "v3/new/thing"
    return await wxpay.chain(path).post({"out_trade_no": name})


def _faults(kind: str, name: str, end: WechatpayError | None, executed: int) -> list[str]:
    """What is wrong with how a call ended."""
    faults: list[str] = []
    if kind == "unsafe write" and executed > 1:
        faults.append("was sent again")
    if end is None and not executed:
        faults.append("was answered by nobody")
    if end is not None and not isinstance(end, (TransportError, ServerError, RateLimited, SignatureError)):
        faults.append(f"ended in {end!r}")
    unknown = isinstance(end, OutcomeUnknown) or (isinstance(end, APIError) and end.outcome_unknown)
    if kind != "read" and end is not None and executed and not unknown and not isinstance(end, SignatureError):
        faults.append(f"may have been executed, and {end!r} hides it")
    return [f"{kind} {name}: {fault}" for fault in faults]


async def main(calls: int) -> None:
    for transport in (None, "fast"):
        start = time.monotonic()
        report = await run(calls, at_once=50, transport=transport)
        print(f"{transport or 'default'}: {calls} calls in {time.monotonic() - start:.0f} s, wrong: {len(report.wrong)}")
        print(json.dumps(dict(sorted(report.ends.items())), indent=1), *report.wrong[:20], sep="\n")


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
