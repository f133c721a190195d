"""What a signed and verified call costs, and how many are made in a second, beside other ways of making them.

    python -m tests.benchmarks.calls --calls 2000 --rounds 5

All ways are measured in each round, every round in the other order, against one server in a process of its own (tests.benchmarks.server).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.pairing import Figure, compare
from tests.benchmarks.peers import NodePeer, Peer, Round, hand_written, ours, wechatpayv3
from tests.benchmarks.server import running
from tests.support.keys import MERCHANT_KEY
from wechatpay_async.crypto import rsa
from wechatpay_async.fast import FastTransport
from wechatpay_async.transport import DEFAULT_LIMITS, Lanes

OURS, FAST, HAND, V3, NPM = "default", "fast", "hand-written httpx", "wechatpayv3", "wechatpay-axios-plugin"
HAND_ON_LANES, HAND_ON_FAST = "hand-written, same connections", "hand-written, same connections (fast)"
IDLE = "a loop with nothing to do"
Results = dict[str, list[Round]]


@asynccontextmanager
async def all_peers(url: str) -> AsyncGenerator[dict[str, Peer]]:
    """Every way of calling that this machine has."""
    async with AsyncExitStack() as stack:
        ways = {
            OURS: ours(url),
            FAST: ours(url, transport="fast"),
            HAND: hand_written(url),
            HAND_ON_LANES: hand_written(url, Lanes()),
            HAND_ON_FAST: hand_written(url, FastTransport(DEFAULT_LIMITS)),
            V3: wechatpayv3(url),
        }
        peers: dict[str, Peer] = {name: await stack.enter_async_context(way) for name, way in ways.items()}
        if shutil.which("npm"):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, NPM]
            await asyncio.to_thread(subprocess.run, command, check=True)
            peers[NPM] = await stack.enter_async_context(NodePeer(url, Path(folder) / "node_modules"))
        yield peers


async def measure(calls: int, rounds: int) -> tuple[dict[int, Results], dict[str, list[float]]]:
    """Rounds by the number of calls in flight and by the way; the loop's stalls (99.9th percentile, ms) of each round at 50 in flight."""
    results: dict[int, Results] = {1: defaultdict(list), 50: defaultdict(list)}
    stalls: dict[str, list[float]] = defaultdict(list)
    with running() as url:
        async with all_peers(url) as peers:
            for peer in peers.values():
                await peer.run(200, 20)
            for number in range(rounds):
                for name, peer in [*peers.items()][:: 1 if number % 2 else -1]:
                    for in_flight, into in results.items():
                        gc.collect()
                        into[name].append(await peer.run(calls, in_flight))
                for name in (OURS, FAST, HAND, IDLE)[:: 1 if number % 2 else -1]:
                    stalls[name].append(await stall(asyncio.sleep(2) if name == IDLE else peers[name].run(calls, 50)))
    return results, stalls


async def stall(work: Coroutine[Any, Any, object]) -> float:
    """By how many milliseconds a task that wants to run each millisecond is late, at the 99.9th percentile, beside some work."""
    late: list[float] = []
    load = asyncio.create_task(work)
    while not load.done():
        start = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - start - 0.001)
    return sorted(late)[int(len(late) * 0.999)] * 1000


def signature_ms(repeats: int = 200) -> float:
    """Milliseconds of one core for one signature."""
    start = time.thread_time()
    for _ in range(repeats):
        rsa.sign(MERCHANT_KEY, b"x" * 300)
    return (time.thread_time() - start) / repeats * 1000


def figures(calls: int, rounds: int) -> list[Figure]:
    """Measure, and compare what the goals speak of."""
    results, stalls = asyncio.run(measure(calls, rounds))
    found: list[Figure] = []
    for name, mine, other, in_flight, goal in [
        ("CPU of a call", OURS, HAND_ON_LANES, 1, "<= 1.10"),
        ("CPU of a call, fast", FAST, HAND_ON_FAST, 1, "<= 1.10"),
        ("CPU of a call, 50 in flight", OURS, HAND, 50, "<= 1.00"),
    ]:
        both = [[round_.cpu_per_call for round_ in results[in_flight][way]] for way in (mine, other)]
        found.append(compare(f"{name}, beside {other}", *both, unit="us", goal=goal))
    for mine, other, in_flight, goal in [
        (OURS, HAND, 1, ""),
        (OURS, HAND, 50, ">= 1.0"),
        (FAST, V3, 1, ">= 1.15"),
        (FAST, V3, 50, ">= 2.4"),
        (FAST, NPM, 1, ">= 1.0"),
        (FAST, NPM, 50, ">= 1.2"),
    ]:
        if results[in_flight][other]:
            both = [[round_.rate for round_ in results[in_flight][way]] for way in (mine, other)]
            found.append(compare(f"calls a second, {mine}, {in_flight} in flight, beside {other}", *both, unit="/s", goal=goal))
    for mine, other, goal in [(OURS, IDLE, "<= 2 ms"), (FAST, IDLE, "<= 2 ms"), (FAST, HAND, "")]:
        name = f"stall of the loop p99.9, {mine}, 50 in flight, beside {other}"
        found += [compare(name, stalls[mine], stalls[other], unit="ms", goal=goal)]
    bound = (os.cpu_count() or 1) / signature_ms() * 1000
    rates = [round_.rate for round_ in results[50][FAST]]
    found += [compare("calls a second, fast, beside the bound (cores / signature time)", rates, [bound] * len(rates), unit="/s", goal="")]
    for in_flight, ways in results.items():
        for way, rounds_ in ways.items():
            rate, cpu = (statistics.median(getattr(one, key) for one in rounds_) for key in ("rate", "cpu_per_call"))
            print(f"  {in_flight:>2} in flight  {way:<40} {rate:7.0f} /s  {cpu:6.0f} us CPU", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for figure in figures(options.calls, options.rounds):
        print(figure.line())


if __name__ == "__main__":
    main()
