"""The two sides put side by side by an embedded database: a table filled in bulk, one sorted pass over it. Blocking: for worker threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast

from wechatpay_async.reconcile.entries import Entry, Kind

__all__ = ["HERE", "THERE", "Group", "Matcher"]

HERE: Final = 0
THERE: Final = 1

# Nothing in it is worth keeping after a crash; the sort has two threads, each with as much memory as the cache (in KiB).
_SETTINGS = ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "temp_store=FILE", "cache_size=-24576", "threads=2")
# One statement for many rows is twice as fast as `executemany`; older SQLite takes 999 values in one.
_ROWS: Final = 200
_INSERT = "INSERT INTO entry VALUES "
_LETTERS: dict[Kind, str] = {"payment": "p", "refund": "r"}
_KINDS: dict[str, Kind] = {"p": "payment", "r": "refund"}
# With one entry a side, sums over both and over the bill's side tell the values of each. Status 0 is one that is not compared.
_GROUPS = """
    SELECT key, count(*), sum(side), sum(amount), sum(amount * side), sum(status), sum(status * side) FROM entry GROUP BY key
    HAVING count(*) <> 2 OR sum(side) <> 1 OR sum(amount) <> 2 * sum(amount * side)
        OR (sum(status) <> 2 * sum(status * side) AND sum(status) <> sum(status * side) AND sum(status * side) <> 0)
"""


class Group(NamedTuple):
    """The entries of one number that do not simply match: how many, their amounts (added up where there are several), their status."""

    kind: Kind
    number: str
    here: int
    there: int
    here_amount: int
    there_amount: int
    here_status: str
    there_status: str


class Matcher:
    """A temporary database in a folder. Add entries, then ask for the groups that do not match."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "entries.sqlite", isolation_level=None, check_same_thread=False)
        for setting in _SETTINGS:
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE entry (key TEXT, side INTEGER, amount INTEGER, status INTEGER)")
        self._database.execute("BEGIN")
        self._statuses: dict[str, int] = {"": 0}

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def add(self, side: Literal[0, 1], entries: Sequence[Entry]) -> None:
        """Keep these entries of one side."""
        values: list[str | int] = []
        statuses = self._statuses
        for kind, number, amount, status in entries:
            code = statuses.get(status)
            if code is None:
                code = statuses[status] = len(statuses)
            values += (f"{_LETTERS[kind]}{number}", side, amount, code)
        for start in range(0, len(values), _ROWS * 4):
            some = values[start : start + _ROWS * 4]
            self._database.execute(_INSERT + ",".join(["(?,?,?,?)"] * (len(some) // 4)), some)

    def unmatched(self) -> Iterator[Group]:
        """Every number whose entries are not one and one, alike; ordered by kind and number."""
        self._database.execute("COMMIT")
        names = list(self._statuses)
        rows = cast("Iterator[tuple[str, int, int, int, int, int, int]]", self._database.execute(_GROUPS))
        for key, count, there, amount, there_amount, status, there_status in rows:
            here = count - there
            yield Group(
                _KINDS[key[0]],
                key[1:],
                here,
                there,
                amount - there_amount,
                there_amount,
                names[status - there_status] if here == 1 else "",
                names[there_status] if there == 1 else "",
            )
