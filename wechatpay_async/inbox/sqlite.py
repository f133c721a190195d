"""An inbox in one SQLite file, safe across the threads and processes of one machine."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from os import PathLike, fspath

from wechatpay_async.errors import LeaseLost
from wechatpay_async.inbox.model import DEFAULT_KEEP, DEFAULT_LEASE, Claim, Held, Inbox
from wechatpay_async.settings import check_kind

# The sender waits 5 s: a claim that cannot be written by then had better fail, and be delivered again.
_WAIT_FOR_LOCK = 3.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS wechatpay_inbox (
    id TEXT PRIMARY KEY, token TEXT NOT NULL, done INTEGER NOT NULL, expires REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS wechatpay_inbox_expires ON wechatpay_inbox (expires);
"""
_TAKE = """
INSERT INTO wechatpay_inbox (id, token, done, expires) VALUES (:id, :token, 0, :now + :lease)
ON CONFLICT (id) DO UPDATE SET token = excluded.token, done = 0, expires = excluded.expires WHERE wechatpay_inbox.expires <= :now
RETURNING token
"""
_SETTLE = "UPDATE wechatpay_inbox SET done = 1, expires = :now + :keep WHERE id = :id AND token = :token"
_GIVE_BACK = "DELETE FROM wechatpay_inbox WHERE id = :id AND token = :token AND done = 0"
_PURGE = "DELETE FROM wechatpay_inbox WHERE expires <= :now AND (done = 1 OR expires <= :now - :keep)"


class SQLiteInbox(Inbox):
    """An inbox in the file `path`, in WAL mode: any number of processes of one machine, no network file system.

    `settle_in(connection, claim)` marks a notification as done inside a transaction of yours on the same file: then your change and the
    mark are committed together, and even a process killed between the two leaves nothing half done.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        lease: float = DEFAULT_LEASE,
        keep: float = DEFAULT_KEEP,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(lease=lease, keep=keep, clock=clock)
        check_kind("path", path, (str, PathLike), "a path", hint='SQLiteInbox("inbox.sqlite")')
        self._path = fspath(path)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def settle_in(self, connection: sqlite3.Connection, claim: Claim) -> None:
        """Mark the notification as done in your own transaction. Raises `LeaseLost` if another worker took it: roll back then."""
        parameters = {"id": claim.id, "token": claim.token, "now": self._now(), "keep": self._keep}
        if connection.execute(_SETTLE, parameters).rowcount != 1:
            raise LeaseLost(claim.id)

    def purge(self) -> None:
        """Forget what `keep` has passed for."""
        self._write(_PURGE, {"now": self._now(), "keep": self._keep})

    def close(self) -> None:
        """Close the file; the next operation opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _take(self, claim: Claim, now: float | None) -> Held | None:
        with self._lock:
            connection = self._opened()
            if connection.execute(_TAKE, {"id": claim.id, "token": claim.token, "now": now, "lease": self._lease}).fetchone():
                return None
            row = connection.execute("SELECT done FROM wechatpay_inbox WHERE id = ?", (claim.id,)).fetchone()
        # A row that went away between the two statements was released: the next delivery takes it.
        return Held.DONE if row and row[0] else Held.BUSY

    def _settle(self, claim: Claim, now: float | None) -> bool:
        return self._write(_SETTLE, {"id": claim.id, "token": claim.token, "now": now, "keep": self._keep}) == 1

    def _give_back(self, claim: Claim) -> bool:
        return self._write(_GIVE_BACK, {"id": claim.id, "token": claim.token}) == 1

    def _write(self, statement: str, parameters: dict[str, object]) -> int:
        with self._lock:
            return self._opened().execute(statement, parameters).rowcount

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            # Autocommit: each statement is a transaction of its own, and no lock outlives it.
            connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            _switch_to_wal(connection)
            connection.execute(f"PRAGMA busy_timeout = {int(_WAIT_FOR_LOCK * 1_000)}")
            connection.execute("PRAGMA synchronous = FULL")  # a done mark survives a power cut, too
            connection.executescript(_SCHEMA)
            self._connection = connection
        return self._connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Ask for WAL until it is granted: of several processes that open a new file at once, SQLite lets one switch and turns the others away
    without waiting (https://www.sqlite.org/wal.html, "Sometimes Queries Return SQLITE_BUSY In WAL Mode").
    """
    deadline = time.monotonic() + _WAIT_FOR_LOCK
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                connection.close()
                raise
            time.sleep(0.01)
        else:
            return
