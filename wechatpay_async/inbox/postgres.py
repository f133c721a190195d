"""An inbox in PostgreSQL, for several machines; needs the extra `postgres`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from wechatpay_async.errors import LeaseLost
from wechatpay_async.inbox.model import DEFAULT_KEEP, DEFAULT_LEASE, Claim, Held, Inbox
from wechatpay_async.settings import check_kind

#: The table, for those whose service may not create it.
SCHEMA = """
CREATE TABLE IF NOT EXISTS wechatpay_inbox (
    id text PRIMARY KEY, token text NOT NULL, done boolean NOT NULL, expires double precision NOT NULL
);
CREATE INDEX IF NOT EXISTS wechatpay_inbox_expires ON wechatpay_inbox (expires);
"""
_NOW = "coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8)"
_TAKE = f"""
INSERT INTO wechatpay_inbox (id, token, done, expires) VALUES (%(id)s, %(token)s, false, {_NOW} + %(lease)s)
ON CONFLICT (id) DO UPDATE SET token = excluded.token, done = false, expires = excluded.expires WHERE wechatpay_inbox.expires <= {_NOW}
RETURNING token
"""  # noqa: S608 — made of constants
_SETTLE = f"UPDATE wechatpay_inbox SET done = true, expires = {_NOW} + %(keep)s WHERE id = %(id)s AND token = %(token)s"  # noqa: S608 — made of constants
_GIVE_BACK = "DELETE FROM wechatpay_inbox WHERE id = %(id)s AND token = %(token)s AND NOT done"
_PURGE = f"DELETE FROM wechatpay_inbox WHERE expires <= {_NOW} AND (done OR expires <= {_NOW} - %(keep)s)"  # noqa: S608 — made of constants
# Two processes that create the table at once would trip over each other; the number is this table's own.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(4013071200)"

# The sender waits 5 s: a claim that cannot be written by then had better fail, and be delivered again.
_WAIT_FOR_CONNECTION = 3.0


class PostgresInbox(Inbox):
    """An inbox in the table `wechatpay_inbox` of the database `server`: a connection string, or a `ConnectionPool` of yours, which is
    borrowed and never closed.

    The table is made when first needed, unless `create_table=False`; then make it with `SCHEMA`.
    `settle_in(connection, claim)` marks a notification as done inside a transaction of yours: your change and the mark are committed
    together. The blocking driver in worker threads serves asyncio and trio alike.
    """

    def __init__(
        self,
        server: str | ConnectionPool[Any],
        *,
        create_table: bool = True,
        lease: float = DEFAULT_LEASE,
        keep: float = DEFAULT_KEEP,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(lease=lease, keep=keep, clock=clock)
        check_kind("server", server, (str, ConnectionPool), "a connection string or a ConnectionPool")
        self._borrowed = not isinstance(server, str)
        self._pool: ConnectionPool[Any] = (
            ConnectionPool(server, min_size=1, max_size=4, timeout=_WAIT_FOR_CONNECTION, open=False) if isinstance(server, str) else server
        )
        self._lock = threading.Lock()
        self._ready = False
        self._create_table = create_table

    def settle_in(self, connection: psycopg.Connection[Any], claim: Claim) -> None:
        """Mark the notification as done in your own transaction. Raises `LeaseLost` if another worker took it: roll back then."""
        if connection.execute(_SETTLE, {"id": claim.id, "token": claim.token, "now": self._now(), "keep": self._keep}).rowcount != 1:
            raise LeaseLost(claim.id)

    def purge(self) -> None:
        """Forget what `keep` has passed for."""
        self._write(_PURGE, {"now": self._now(), "keep": self._keep})

    def close(self) -> None:
        """Close the connections, unless the pool is yours."""
        if not self._borrowed:
            self._pool.close()

    def _take(self, claim: Claim, now: float | None) -> Held | None:
        with self._opened().connection() as connection:
            taken = connection.execute(_TAKE, {"id": claim.id, "token": claim.token, "now": now, "lease": self._lease}).fetchone()
            if taken:
                return None
            row = connection.execute("SELECT done FROM wechatpay_inbox WHERE id = %s", (claim.id,)).fetchone()
        # A row that went away between the two statements was released: the next delivery takes it.
        return Held.DONE if row and row[0] else Held.BUSY

    def _settle(self, claim: Claim, now: float | None) -> bool:
        return self._write(_SETTLE, {"id": claim.id, "token": claim.token, "now": now, "keep": self._keep}) == 1

    def _give_back(self, claim: Claim) -> bool:
        return self._write(_GIVE_BACK, {"id": claim.id, "token": claim.token}) == 1

    def _write(self, statement: Any, parameters: dict[str, object]) -> int:
        with self._opened().connection() as connection:
            return int(connection.execute(statement, parameters).rowcount)

    def _opened(self) -> ConnectionPool[Any]:
        with self._lock:
            if not self._ready:
                if not self._borrowed:
                    self._pool.open()
                if self._create_table:
                    with self._pool.connection() as connection:
                        connection.execute(_ONE_AT_A_TIME)
                        connection.execute(SCHEMA)
                self._ready = True
        return self._pool
