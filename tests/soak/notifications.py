"""The soak of notifications: `python -m tests.soak.notifications [COUNT]` sends 20,000 and prints what became of them.

The sandbox composes and signs them; they go over a socket to a FastAPI app on uvicorn (`tests.soak.shop`), which is killed five times
without warning. 5 % come twice, 5 % are forged, 1 % come as a probe first. What is not acknowledged is sent again, as WeChat Pay does, only
sooner. In the end every genuine one must have been handled exactly once, and nothing else.
"""

from __future__ import annotations

import json
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx

from tests.soak.shop import PATH
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.models import Notice
from wechatpay_async.sandbox.notifier import Kind

ROOT = Path(__file__).parent.parent.parent
TOGETHER = 24
KILLS = 5


@dataclass
class Shop:
    """The server process, which can be killed and started again on its port."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.soak.shop", str(self.folder / "settings.json"), str(self.folder / "shop.sqlite")]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen([*command, str(self.port)], cwd=ROOT, stdout=log, stderr=log)

    async def ready(self) -> None:
        """Wait until the server accepts connections."""
        with anyio.fail_after(30):
            while True:
                try:
                    connection = await anyio.connect_tcp("127.0.0.1", self.port)
                except OSError:
                    await anyio.sleep(0.05)
                else:
                    await connection.aclose()
                    return

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def memory(self) -> float:
        """Resident memory in MB."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4096 / 1e6


@dataclass
class Outcome:
    """What the soak counts."""

    genuine: int
    handled: int = 0
    handled_twice: int = 0
    lost: int = 0
    forged_accepted: int = 0
    probes_accepted: int = 0
    kills: int = 0
    sent: Counter[str] = field(default_factory=Counter[str])
    answers: Counter[str] = field(default_factory=Counter[str])
    memory: list[float] = field(default_factory=list[float])
    seconds: float = 0.0

    def lines(self) -> Iterable[str]:
        """The report."""
        yield f"genuine notifications      {self.genuine}"
        yield f"requests sent              {sum(self.sent.values())}: " + ", ".join(f"{n} {kind}" for kind, n in sorted(self.sent.items()))
        yield "answers                    " + ", ".join(f"{n} x {status}" for status, n in sorted(self.answers.items()))
        yield f"server killed              {self.kills} times"
        yield f"handled exactly once       {self.handled - self.handled_twice}"
        yield f"handled twice              {self.handled_twice}"
        yield f"lost                       {self.lost}"
        yield f"forged accepted            {self.forged_accepted}"
        yield f"probes accepted            {self.probes_accepted}"
        yield "server memory              " + " -> ".join(f"{megabytes:.1f}" for megabytes in self.memory) + " MB in its last life"
        yield f"seconds                    {self.seconds:.0f} ({sum(self.sent.values()) / self.seconds:.0f} requests/s)"


class Soak:
    """One run."""

    def __init__(self, count: int, folder: Path, seed: int = 1) -> None:
        self.chance = random.Random(seed)  # noqa: S311 — the same run again, no secrets
        self.sandbox = Sandbox()
        self.shop = Shop(folder, _free_port())
        self.database = folder / "shop.sqlite"
        self.outcome = Outcome(count)
        self.acknowledged: set[str] = set()
        settings = {
            name: value for name, value in self.sandbox.settings(base_url="http://127.0.0.1").items() if name not in {"clock", "transport"}
        }
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        with sqlite3.connect(self.database) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE handled (id TEXT, out_trade_no TEXT)")
        connection.close()

    async def run(self) -> Outcome:
        start = time.monotonic()
        self.shop.start()
        try:
            await self.shop.ready()
            await self._send_all(self._plan())
            self.outcome.memory.append(self.shop.memory())
        finally:
            self.shop.kill()
        self.outcome.seconds = time.monotonic() - start
        self._count()
        return self.outcome

    def _plan(self) -> list[tuple[Notice, Kind]]:
        """What is sent first, in a random order; repetitions come by themselves."""
        plan: list[tuple[Notice, Kind]] = []
        for number in range(self.outcome.genuine):
            notice = self._notice(f"EV-{number}", number)
            if number % 100 == 50:
                plan.append((notice, "probe"))
            plan.append((notice, "genuine"))
            if number % 20 == 10:
                plan.append((notice, "duplicate"))
            if number % 20 == 15:
                plan.append((self._notice(f"FORGED-{number}", number), "forged"))
        self.chance.shuffle(plan)
        return plan

    def _notice(self, name: str, number: int) -> Notice:
        resource = {"out_trade_no": f"T{number:08d}", "trade_state": "SUCCESS", "amount": {"total": 100}, "attach": "一杯咖啡"}
        return Notice(name, self.sandbox.merchant.mchid, PATH, "TRANSACTION.SUCCESS", "transaction", "支付成功", resource, time.time())

    async def _send_all(self, plan: list[tuple[Notice, Kind]]) -> None:
        kill_at = [len(plan) * (turn + 1) // (KILLS * 2) for turn in range(KILLS)]  # in the first half; the second shows the memory
        look_at = [len(plan) * share // 100 for share in (60, 80)]
        waiting = list(reversed(plan))
        first_attempts = 0
        limits = httpx.Limits(max_connections=TOGETHER, max_keepalive_connections=TOGETHER)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.shop.port}", limits=limits, timeout=5.0, trust_env=False) as http:
            while waiting:
                batch = [waiting.pop() for _ in range(min(TOGETHER * 4, len(waiting)))]
                again: list[tuple[Notice, Kind]] = []
                async with anyio.create_task_group() as tasks:
                    for notice, kind in batch:
                        tasks.start_soon(self._send, http, notice, kind, again)
                    first_attempts += len(batch)
                    if kill_at and first_attempts >= kill_at[0]:
                        kill_at.pop(0)
                        tasks.start_soon(self._kill_and_start)
                if look_at and first_attempts >= look_at[0]:
                    look_at.pop(0)
                    self.outcome.memory.append(self.shop.memory())
                # What failed goes to the end of the queue; when nothing else is left, it waits for leases of killed servers to end.
                waiting = again + waiting
                if len(waiting) == len(again) and again:
                    await anyio.sleep(0.2)

    async def _kill_and_start(self) -> None:
        await anyio.sleep(self.chance.random() * 0.05)  # while requests are under way
        self.shop.kill()
        self.outcome.kills += 1
        self.shop.start()
        await self.shop.ready()

    async def _send(self, http: httpx.AsyncClient, notice: Notice, kind: Kind, again: list[tuple[Notice, Kind]]) -> None:
        composed = self.sandbox.notifier.compose(notice, kind)
        self.outcome.sent[kind] += 1
        try:
            answer = await http.post(PATH, content=composed.body, headers=composed.headers)
        except httpx.HTTPError:
            self.outcome.answers["none"] += 1
            again.append((notice, kind))
            return
        self.outcome.answers[str(answer.status_code)] += 1
        if kind == "forged":
            self.outcome.forged_accepted += answer.is_success
        elif kind == "probe":
            self.outcome.probes_accepted += answer.is_success
        elif answer.is_success:
            self.acknowledged.add(notice.id)
        else:
            again.append((notice, kind))

    def _count(self) -> None:
        connection = sqlite3.connect(self.database)
        rows = dict(connection.execute("SELECT id, count(*) FROM handled GROUP BY id"))
        connection.close()
        genuine = {f"EV-{number}" for number in range(self.outcome.genuine)}
        self.outcome.handled = len(rows)
        self.outcome.handled_twice = sum(times > 1 for times in rows.values())
        self.outcome.lost = len(genuine - rows.keys()) + len(genuine - self.acknowledged)
        self.outcome.forged_accepted += len(rows.keys() - genuine)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def soak(count: int) -> Outcome:
    """Run it in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(Soak(count, Path(folder)).run)


if __name__ == "__main__":
    print(*soak(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000).lines(), sep="\n")
