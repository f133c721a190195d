"""One reconciliation from its two streams to its report; the database and the sorting stay beside the event loop."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

from anyio import CancelScope, to_thread

from wechatpay_async.bills import TradeRow
from wechatpay_async.errors import RequestError
from wechatpay_async.reconcile.engine import HERE, THERE, Group, Matcher
from wechatpay_async.reconcile.entries import UNPAID, BillEntries, Entry, LedgerEntry, ledger_entries
from wechatpay_async.reconcile.report import Difference, Report, Sums
from wechatpay_async.reconcile.words import WORDS, Problem

__all__ = ["reconcile"]

T = TypeVar("T")
Stream: TypeAlias = "AsyncIterable[T] | Iterable[T]"

_BATCH = 2_000


async def reconcile(
    ledger: Stream[LedgerEntry],
    bill: Stream[TradeRow],
    *,
    limit: int = 10_000,
    folder: str | os.PathLike[str] | None = None,
) -> Report:
    """Compare the ledger of a day with the trade bill of that day.

    `ledger` is any iterable or async iterable of `LedgerEntry` (or of tuples in its order), `bill` a bill of `wxpay.bills.trade`, or rows
    read elsewhere. Payments meet payments under `out_trade_no`, refunds meet refunds under `out_refund_no`. At most `limit` differences are
    listed; all are counted. Both sides are kept on disk meanwhile, in `folder` or the system's one for temporary files: about 0.2 GB for a
    million rows a side.

    A status is compared where the ledger gives one. A bill is a snapshot: a refund that it calls PROCESSING may be SUCCESS in the ledger by
    now (D/4013071227). Raises `InvalidData` for a line of the ledger that cannot be right, `RequestError` where the disk is full or
    there is no folder for temporary files, and what the bill raises, as `BillMismatch`.
    """
    count = _Count(limit)
    async with _matcher(folder) as matcher:
        position = 0
        async with aclosing(_batches(ledger)) as batches:
            async for lines in batches:
                await to_thread.run_sync(_keep_lines, matcher, count, lines, position)
                position += len(lines)
        reader = BillEntries()
        async with aclosing(_batches(bill)) as batches_of_rows:
            async for rows in batches_of_rows:
                await to_thread.run_sync(_keep_rows, matcher, count, reader, rows)
        await to_thread.run_sync(_judge, matcher, count)
    return count.report()


@asynccontextmanager
async def _matcher(folder: str | os.PathLike[str] | None) -> AsyncGenerator[Matcher, None]:
    """A matcher in a folder of its own; even taking away a large file is done beside the event loop."""
    try:
        place = await to_thread.run_sync(partial(tempfile.TemporaryDirectory, dir=folder, prefix="wechatpay-reconcile-"))
        matcher = await to_thread.run_sync(Matcher, Path(place.name))
    except OSError as error:
        raise RequestError(f"no temporary files can be made: {error}", hint="folder= names a place for them") from error
    try:
        yield matcher
    except sqlite3.Error as error:
        raise RequestError(f"the temporary database failed: {error}", hint="folder= names a place with more room") from error
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(_take_away, matcher, place)


def _take_away(matcher: Matcher, place: tempfile.TemporaryDirectory[str]) -> None:
    matcher.close()
    place.cleanup()


def _keep_lines(matcher: Matcher, count: _Count, lines: list[LedgerEntry], position: int) -> None:
    entries = ledger_entries(lines, position)
    count.here.add(entries)
    matcher.add(HERE, entries)


def _keep_rows(matcher: Matcher, count: _Count, reader: BillEntries, rows: list[TradeRow]) -> None:
    entries = reader.read(rows)
    count.there.add(entries)
    matcher.add(THERE, entries)


def _judge(matcher: Matcher, count: _Count) -> None:
    for group in matcher.unmatched():
        count.judge(group)


class _Totals:
    """Numbers and fen of one side."""

    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter()
        self.amounts: Counter[str] = Counter()

    def add(self, entries: list[Entry]) -> None:
        for kind, _, amount, _ in entries:
            self.numbers[kind] += 1
            self.amounts[kind] += amount

    def sums(self, without: _Totals | None = None) -> Sums:
        numbers, amounts = Counter(self.numbers), Counter(self.amounts)
        if without is not None:
            numbers.subtract(without.numbers)
            amounts.subtract(without.amounts)
        return Sums(numbers["payment"], amounts["payment"], numbers["refund"], amounts["refund"])


class _Count:
    """What was found so far."""

    def __init__(self, limit: int) -> None:
        self.here, self.there = _Totals(), _Totals()
        self._unmatched = _Totals()
        self._limit = limit
        self._unpaid = 0
        self._problems: dict[Problem, int] = dict.fromkeys(WORDS["en"].problems, 0)
        self._differences: list[Difference] = []

    def judge(self, group: Group) -> None:
        """Name what is wrong with a number, if anything is."""
        problem = _problem_of(group)
        if problem is None:
            self._unpaid += not group.there
            return
        self._unmatched.numbers[group.kind] += group.there
        self._unmatched.amounts[group.kind] += group.there_amount
        self._problems[problem] += 1
        if len(self._differences) < self._limit:
            self._differences.append(
                Difference(
                    group.kind,
                    group.number,
                    problem,
                    group.here_amount if group.here else None,
                    group.there_amount if group.there else None,
                    group.here_status,
                    group.there_status,
                )
            )

    def report(self) -> Report:
        """The end of it."""
        matched = self.there.sums(self._unmatched)
        return Report(self.here.sums(), self.there.sums(), matched, self._unpaid, self._problems, tuple(self._differences))


def _problem_of(group: Group) -> Problem | None:
    """What is wrong; None for an unpaid order that the bill does not have, and for a refund that has ended since the bill was made."""
    if group.here > 1 or group.there > 1:
        return "duplicate"
    if not group.here:
        return "missing_here"
    if not group.there:
        return None if group.kind == "payment" and group.here_status in UNPAID else "missing_there"
    if group.here_amount != group.there_amount:
        return "amount"
    if group.kind == "refund" and group.there_status == "PROCESSING" and group.here_status == "SUCCESS":
        return None
    return "status"


async def _batches(stream: Stream[T]) -> AsyncGenerator[list[T], None]:
    """A stream in lists. A blocking one is read in a worker thread."""
    if not isinstance(stream, AsyncIterable):
        iterator: Iterator[T] = iter(stream)
        while some := await to_thread.run_sync(_some, iterator):
            yield some
        return
    batch: list[T] = []
    async with AsyncExitStack() as stack:
        if isinstance(stream, AsyncGenerator):
            await stack.enter_async_context(aclosing(cast("AsyncGenerator[T, None]", stream)))
        async for item in stream:
            batch.append(item)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _some(iterator: Iterator[T]) -> list[T]:
    return list(islice(iterator, _BATCH))
