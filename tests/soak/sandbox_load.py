"""Mixed load on a sandbox in a process of its own: how many calls, what went wrong, what its memory did.

`python -m tests.soak.sandbox_load 600 200` calls it for 600 seconds, 200 times a second, and prints the figures.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import anyio
import httpx

from tests.sandbox.examples import native_order, refund_of, score_order
from wechatpay_async import Wechatpay, WechatpayError
from wechatpay_async.retry import Retry

__all__ = ["Figures", "load"]

WORKERS = 16
#: Of ten calls: orders and pay-score orders are few, and asked for often, as in life.
MIX = ("place", "query", "query", "query", "pay", "query", "refund", "query", "score", "complaints")
ORDERS = 500


@dataclass
class Figures:
    """What was measured. Memory is the server's, in MiB; `errors` counts what was not an answer, by kind.

    `server` and `client` are the processor's time that each took, in seconds: what stays the same however busy the machine is.
    """

    calls: int = 0
    seconds: float = 0
    errors: Counter[str] = field(default_factory=Counter[str])
    memory: list[float] = field(default_factory=list[float])
    slowest: float = 0
    server: float = 0
    client: float = 0

    def __str__(self) -> str:
        rate = self.calls / self.seconds if self.seconds else 0
        memory = " ".join(f"{each:.0f}" for each in self.memory)
        what = f"{self.calls} calls in {self.seconds:.0f} s ({rate:.0f}/s), errors: {dict(self.errors) or 'none'}"
        server, client = (1000 * each / max(self.calls, 1) for each in (self.server, self.client))
        busy = f"processor time a call: server {server:.2f} ms, client {client:.2f} ms"
        return f"{what}, slowest {self.slowest:.2f} s, {busy}, memory of the server in MiB: {memory}"


class Customer:
    """Makes the calls of one worker, over the same few hundred orders again and again, so that memory has no reason to grow."""

    def __init__(self, wxpay: Wechatpay, people: httpx.AsyncClient, mchid: str, number: int) -> None:
        self.wxpay = wxpay
        self.people = people
        self.mchid = mchid
        self.number = number
        self.turn = number

    def order(self) -> str:
        return f"load-{self.turn % (ORDERS // WORKERS):04}-{self.number:02}"

    async def pay(self) -> None:
        answer = await self.people.post("/_sandbox/pay", json={"out_trade_no": self.order()})
        if answer.status_code != 200 and answer.json().get("code") not in {"ORDERPAID", "NOT_FOUND"}:
            raise NotPaid(answer.text)

    async def step(self) -> None:
        self.turn += 1
        kind = MIX[self.turn % len(MIX)]
        v3 = self.wxpay.v3
        if kind == "place" or self.turn <= self.number + ORDERS // WORKERS:
            await v3.pay.transactions.native.post(native_order(self.order(), notify_url="http://127.0.0.1:9/none"))  # type: ignore[arg-type]  # a plain dict
        elif kind == "pay":
            await self.pay()
        elif kind == "refund":
            number = self.order()
            await v3.refund.domestic.refunds.post(refund_of(number, f"r{number}"[:32], 1))  # type: ignore[arg-type]  # a plain dict
        elif kind == "score":
            await v3.payscore.serviceorder.post(score_order(f"s{self.order()}"))  # type: ignore[arg-type]  # a plain dict
        elif kind == "complaints":
            await v3.merchant_service.complaints_v2.get(params={"begin_date": "2026-11-25", "end_date": "2026-11-25"})
        else:
            await v3.pay.transactions.out_trade_no._out_trade_no_.get(out_trade_no=self.order(), params={"mchid": self.mchid})


class NotPaid(Exception):
    """The payer saw something that is no answer of a phone."""


#: Refusals that the business has good reasons for: paid already, not paid yet, refunded a moment ago.
EXPECTED = {
    "ORDERPAID",
    "INVALID_REQUEST",
    "FREQUENCY_LIMITED",
    "ORDER_CLOSED",
    "OUT_TRADE_NO_USED",
    "ORDER_NOT_EXIST",
    "RESOURCE_NOT_EXISTS",
}


async def load(seconds: float, rate: float) -> Figures:
    """Call a sandbox of its own process for so long and so often."""
    server = subprocess.Popen(  # noqa: ASYNC220 - it lives as long as the load
        [sys.executable, "-u", "-m", "wechatpay_async.sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        assert found is not None
        return await _drive(found[0], server.pid, seconds, rate)
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


async def _drive(url: str, pid: int, seconds: float, rate: float) -> Figures:
    with urlopen(f"{url}/_sandbox/settings") as answer:  # noqa: S310, ASYNC210 - the sandbox, before anything runs
        ((mchid, environment),) = json.load(answer).items()
    figures = Figures(server=-_processor(pid), client=-time.process_time())
    started = time.monotonic()
    async with (
        httpx.AsyncClient(base_url=url) as people,
        Wechatpay.from_env({**environment, "WECHATPAY_BASE_URL": url}, retry=Retry(attempts=1)) as wxpay,
        anyio.create_task_group() as group,
    ):
        for number in range(WORKERS):
            group.start_soon(_work, Customer(wxpay, people, mchid, number), figures, started, seconds, rate / WORKERS)
        group.start_soon(_watch, pid, figures, started, seconds)
    figures.seconds = time.monotonic() - started
    figures.server += _processor(pid)
    figures.client += time.process_time()
    return figures


async def _work(customer: Customer, figures: Figures, started: float, seconds: float, rate: float) -> None:
    made = 0
    while (elapsed := time.monotonic() - started) < seconds:
        await anyio.sleep(max(0.0, made / rate - elapsed))
        made += 1
        before = time.monotonic()
        try:
            await customer.step()
        except (WechatpayError, NotPaid, httpx.HTTPError) as error:
            code: Any = getattr(error, "code", type(error).__name__)
            if code not in EXPECTED:
                figures.errors[f"{code}: {error}"[:120]] += 1
        figures.calls += 1
        figures.slowest = max(figures.slowest, time.monotonic() - before)


async def _watch(pid: int, figures: Figures, started: float, seconds: float) -> None:
    """The server's memory, ten times."""
    for part in range(1, 11):
        await anyio.sleep(max(0.0, started + seconds * part / 10 - time.monotonic()))
        figures.memory.append(_resident(pid))


def _resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _processor(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    print(anyio.run(load, float(sys.argv[1]), float(sys.argv[2])))
