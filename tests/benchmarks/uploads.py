"""What uploads cost: memory, and how long they keep the event loop from anything else.

    python -m tests.benchmarks.uploads

A sandbox in a process of its own takes one file of 20 MB, then 200 of 2 MB with 20 in flight, and checks each digest. Printed are the
growth of this process' memory and the longest time that a task which only sleeps was late, beside what it was late with nothing going on.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from wechatpay_async import Wechatpay
from wechatpay_async.sandbox import Sandbox

MEGABYTE = 1_000_000
TICK = 0.001


def memory() -> float:
    """The memory of this process at most so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(path: Path, megabytes: int) -> None:
    """Bytes of no known kind; written in pieces, so that making the file does not hide what sending it costs."""
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MEGABYTE))


async def longest_delay(work: Callable[[], Awaitable[None]]) -> float:
    """How late, in milliseconds, a sleeping task was at most while `work` went on."""
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            start = time.perf_counter()
            await anyio.sleep(TICK)
            worst = max(worst, time.perf_counter() - start - TICK)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await work()
        group.cancel_scope.cancel()
    return worst * 1000


def serve() -> None:
    """Serve until the other side closes our standard input."""
    sandbox = Sandbox()
    with sandbox.serve() as url:
        settings = sandbox.settings(base_url=url)
        print(json.dumps({name: value for name, value in settings.items() if isinstance(value, str | dict)}), flush=True)
        sys.stdin.read()


async def measure(wxpay: Wechatpay, large: Path, small: Path) -> None:
    async def upload(path: Path) -> None:
        response = await wxpay.v3.merchant.media.upload.post(file=path)
        assert response.data["media_id"]

    async def many() -> None:
        limit = anyio.CapacityLimiter(20)

        async def one() -> None:
            async with limit:
                await upload(small)

        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(one)

    await upload(small)
    idle = await longest_delay(lambda: anyio.sleep(1))
    before = memory()
    delay = await longest_delay(lambda: upload(large))
    print(f"20 MB: {memory() - before:.1f} MB more memory, the loop late by {delay:.1f} ms at most ({idle:.1f} ms when idle)")
    before = memory()
    start = time.perf_counter()
    delay = await longest_delay(many)
    seconds = time.perf_counter() - start
    print(f"200 × 2 MB, 20 in flight: {seconds:.1f} s, {memory() - before:.1f} MB more memory, the loop late by {delay:.1f} ms at most")


async def upload_to(settings: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.bin", Path(folder) / "small.bin"
        write(large, 20)
        write(small, 2)
        async with Wechatpay(**settings, timeout=60) as wxpay:
            await measure(wxpay, large, small)


def main() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.uploads", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server, contextlib.ExitStack() as stack:
        assert server.stdin is not None
        assert server.stdout is not None
        stack.callback(server.stdin.close)
        anyio.run(upload_to, json.loads(server.stdout.readline()))


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve()
    else:
        main()
