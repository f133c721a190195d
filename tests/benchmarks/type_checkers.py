"""How long mypy and pyright take over a user's file of 50 lines.

    python -m tests.benchmarks.type_checkers

Run it with a Python that has the package and the two checkers, and little else: mypy also follows what else lies there. Each figure is the
median of `--rounds` runs in a folder of its own; cold is without any cache. Beside them stands the same for a file that imports the
dependencies alone, which nobody who uses httpx gets around.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

DEPENDENCIES = "import anyio\nimport cryptography.x509\nimport httpx\n"
USER = '''"""A shop's payments."""

from __future__ import annotations

from wechatpay_async import Wechatpay
from wechatpay_async.api.types.pay import PayTransactionsJsapiPostBody


class Shop:
    def __init__(self, wxpay: Wechatpay, appid: str, mchid: str) -> None:
        self.wxpay = wxpay
        self.appid = appid
        self.mchid = mchid

    async def order(self, number: str, fen: int, openid: str) -> str:
        order: PayTransactionsJsapiPostBody = {
            "appid": self.appid,
            "mchid": self.mchid,
            "description": "Image形象店-深圳腾大-QQ公仔",
            "out_trade_no": number,
            "notify_url": "https://example.com/paid",
            "amount": {"total": fen, "currency": "CNY"},
            "payer": {"openid": openid},
        }
        response = await self.wxpay.v3.pay.transactions.jsapi.post(order)
        return response.data["prepay_id"]

    async def state(self, number: str) -> str:
        by_number = self.wxpay.v3.pay.transactions.out_trade_no._out_trade_no_
        response = await by_number.get(out_trade_no=number, params={"mchid": self.mchid})
        return response.data["trade_state"]

    async def close(self, number: str) -> None:
        by_number = self.wxpay.v3.pay.transactions.outTradeNo._out_trade_no_
        await by_number.close.post({"mchid": self.mchid}, out_trade_no=number)

    async def refund(self, number: str, refund_number: str, fen: int, total: int) -> str:
        response = await self.wxpay.v3.refund.domestic.refunds.post(
            {
                "out_trade_no": number,
                "out_refund_no": refund_number,
                "amount": {"refund": fen, "total": total, "currency": "CNY"},
            }
        )
        return response.data["status"]

    async def licence(self, path: str) -> str:
        response = await self.wxpay.v3.merchant.media.upload.post(file=path)
        return response.data["media_id"]
'''


class Taken(NamedTuple):
    """Seconds on the clock, and seconds of a processor: where others work on the machine, only these say something."""

    wall: float
    cpu: float


def seconds(command: list[str], folder: Path) -> Taken:
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(text: str, rounds: int) -> dict[str, Taken]:
    """The median seconds of each checker over a file with this text."""
    python = [sys.executable, "-m"]
    mypy = [*python, "mypy", "--strict", "shop.py"]
    pyright = [*python, "pyright", "--pythonpath", sys.executable, "shop.py"]
    taken: dict[str, list[Taken]] = {"mypy, cold": [], "mypy, warm": [], "mypy, after an edit": [], "pyright": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            file = folder / "shop.py"
            file.write_text(text, encoding="utf-8")
            taken["mypy, cold"].append(seconds(mypy, folder))
            taken["mypy, warm"].append(seconds(mypy, folder))
            file.write_text(f"{text}\n\nEDITED = True\n", encoding="utf-8")
            taken["mypy, after an edit"].append(seconds(mypy, folder))
            shutil.rmtree(folder / ".mypy_cache")
            taken["pyright"].append(seconds(pyright, folder))
    return {name: Taken(median(each.wall for each in times), median(each.cpu for each in times)) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    alone, with_us = measure(DEPENDENCIES, rounds), measure(USER, rounds)
    print(f"{len(USER.splitlines())} lines, median of {rounds}")
    print(f"{'':20} {'wall s':>7} {'CPU s':>7}   the dependencies alone: wall s, CPU s")
    for name, figure in with_us.items():
        print(f"{name:20} {figure.wall:7.2f} {figure.cpu:7.2f}   {alone[name].wall:.2f}, {alone[name].cpu:.2f}")


if __name__ == "__main__":
    main()
