"""How fast a trade bill is read, beside the bare `csv` module on the same file, in turns.

    python -m tests.benchmarks.bills 5000000

A generator makes the file (27 columns, amounts nearly all different). Each reader (`bills` is the parser alone, `async` is what a user
writes, `async for row in bill`) takes turns with `csv`, each time in a process of its own so that its memory can be told.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import anyio

from tests.benchmarks.pairing import Figure, paired
from wechatpay_async.bill_downloads import Bill
from wechatpay_async.bills import CHUNK, BillParser, TradeRow

HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,"
    "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


def yuan(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def trade_bill(rows: int, seed: int = 1) -> Iterator[str]:
    """The lines of a bill with one refund in twenty rows and a summary that fits."""
    chance = random.Random(seed)  # noqa: S311 - repeatable rows, no secrets
    yield HEADER
    paid = refunded = fees = 0
    for number in range(rows):
        amount = chance.randrange(1, 500_000)
        fee = (amount * 6 + 500) // 1000
        moment = f"2026-11-24 {number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
        ids = f"`wx8888888888888888,`1900000109,`0,`,`42000022{number:020d},`ORDER20261124{number:012d},`oUpF8uMuAJO_M2pxb{number:012d}"
        if number % 20:
            paid, fees = paid + amount, fees + fee
            yield (
                f"`{moment},{ids},`JSAPI,`SUCCESS,`CMB_DEBIT,`CNY,`{yuan(amount)},`0.00,`0,`0,`0.00,`0.00,`,`,"
                f"`一杯咖啡,`,`{yuan(fee)},`0.60%,`{yuan(amount)},`0.00,`"
            )
        else:
            refunded, fees = refunded + amount, fees - fee
            yield (
                f"`{moment},{ids},`JSAPI,`REFUND,`CMB_DEBIT,`CNY,`0.00,`0.00,`50000022{number:020d},`REFUND20261124{number:012d},"
                f"`{yuan(amount)},`0.00,`ORIGINAL,`SUCCESS,`一杯咖啡,`,`{yuan(-fee)},`0.60%,`0.00,`{yuan(amount)},`"
            )
    yield SUMMARY
    yield f"`{rows},`{yuan(paid)},`{yuan(refunded)},`0.00,`{yuan(fees)},`{yuan(paid)},`{yuan(refunded)}"


def write_bill(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.writelines(f"{line}\r\n" for line in trade_bill(rows))


def read_with_csv(path: Path) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sum(1 for _row in csv.reader(file)) - 3


def read_with_parser(path: Path) -> int:
    parser = BillParser(TradeRow)
    rows = 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            for _row in parser.feed(piece):
                rows += 1
    for _row in parser.finish():
        rows += 1
    assert parser.summary is not None
    assert len(parser.summary.checked) == 7
    return rows


def read_as_users_do(path: Path) -> int:
    """`async for row in bill`, from a file that was downloaded and proven."""

    async def read() -> int:
        async def fetch(file: IO[bytes]) -> bool:
            os.dup2(os.open(path, os.O_RDONLY), file.fileno())
            return True

        rows = 0
        async for _row in Bill(fetch, TradeRow):
            rows += 1
        return rows

    return anyio.run(read)


READERS = {"csv": read_with_csv, "bills": read_with_parser, "async": read_as_users_do}


def one(reader: str, path: Path) -> None:
    start = time.perf_counter()
    rows = READERS[reader](path)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(rows, seconds, memory)


def rows_per_second(reader: str, path: Path, rows: int) -> float:
    """One reading in a process of its own, which also prints its memory."""
    command = [sys.executable, "-m", "tests.benchmarks.bills", "--one", reader, str(path)]
    found, took, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(found) == rows
    print(f"  {reader:6} {rows / float(took):>12,.0f} rows/s   {float(peak):6.1f} MB at most", flush=True)
    return rows / float(took)


def compare(reader: str, rows: int, rounds: int) -> Figure:
    """A reader beside the bare `csv` module."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bill.csv"
        write_bill(path, rows)
        return paired(
            f"trade bill of {rows:,} rows, {reader}",
            lambda: rows_per_second(reader, path, rows),
            lambda: rows_per_second("csv", path, rows),
            unit="rows/s",
            goal="0.60 or more",
            rounds=rounds,
        )


def bill_rows() -> Figure:
    """`async for row in bill`, types and totals and all, beside the bare `csv` module."""
    return compare("async", 500_000, 5)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("rows", type=int, nargs="?", default=500_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--one", nargs=2, metavar=("READER", "FILE"))
    given = arguments.parse_args()
    if given.one:
        one(given.one[0], Path(given.one[1]))
    else:
        for name in ("bills", "async"):
            print(compare(name, given.rows, given.rounds).line())
