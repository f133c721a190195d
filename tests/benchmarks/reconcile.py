"""How long it takes, and how much memory, to reconcile a bill with a ledger of the same size and planted differences.

    python -m tests.benchmarks.reconcile 5000000

The ledger comes in another order than the bill. A thousand numbers (or one in ten, of fewer rows) are left out, renamed, or have another
amount or status; all of them must be found and none else.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio

from tests.benchmarks.bills import write_bill
from wechatpay_async.bills import CHUNK, TradeRow, read_rows
from wechatpay_async.reconcile import LedgerEntry, reconcile

#: Prime, and no divisor of a round number: its multiples visit every number once, far apart.
STEP = 7_368_787


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


def ledger(path: Path, rows: int, planted: int) -> Iterator[LedgerEntry]:
    """The bill's entries in another order, with the planted differences; one of the four kinds in turn."""
    with path.open("rb") as file:
        for position in range(rows):
            number = position * STEP % rows
            file.seek(number * 4)
            amount = int.from_bytes(file.read(4), "little", signed=True)
            kind = number % 4 if number < planted else -1
            if kind == 0:
                continue
            refund = amount < 0
            name = f"{'REFUND' if refund else 'ORDER'}20261124{number:012d}"
            yield LedgerEntry(
                f"{name}X" if kind == 3 else name,
                abs(amount) + (kind == 1),
                "refund" if refund else "payment",
                "OTHER" if kind == 2 else "SUCCESS",
            )


def expected(planted: int) -> int:
    """One difference each, two for a number that was changed: it is missing on either side."""
    return planted + sum(number % 4 == 3 for number in range(planted))


def main(rows: int) -> None:
    planted = min(1000, rows // 10)
    with tempfile.TemporaryDirectory() as folder:
        path, book = Path(folder) / "bill.csv", Path(folder) / "ledger"
        write_bill(path, rows)
        with book.open("wb") as file:
            for row in read_rows(pieces(path), TradeRow):
                amount = -(row.refund_total or 0) if row.is_refund else row.total or 0
                file.write(amount.to_bytes(4, "little", signed=True))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.perf_counter()
        bill = read_rows(pieces(path), TradeRow)
        report = anyio.run(partial(reconcile, ledger(book, rows, planted), bill, folder=folder))
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{rows:,} rows a side: {seconds:.0f} s, {peak:.0f} MB at most ({before:.0f} before)")
    print(f"{report.total:,} differences found of {expected(planted):,}: {dict(report.counts)}")
    assert report.total == expected(planted)
    assert {int(difference.number.rstrip("X")[-12:]) for difference in report.differences} == set(range(planted))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
