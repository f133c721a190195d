"""The places that an inbox can live in, each under a name and an address that a second process can open, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wechatpay_async.inbox import Inbox, SQLiteInbox
from wechatpay_async.inbox.postgres import PostgresInbox
from wechatpay_async.inbox.redis import RedisInbox

KINDS = ("sqlite", "redis", "postgres")


@dataclass(frozen=True)
class Place:
    """Where one test's inboxes meet: a kind, and its address."""

    kind: str
    address: str

    def open(self, **settings: Any) -> Inbox:
        """One more inbox on this place."""
        if self.kind == "sqlite":
            return SQLiteInbox(self.address, **settings)
        if self.kind == "redis":
            url, prefix = self.address.split(" ")
            return RedisInbox(url, prefix=prefix, **settings)
        return PostgresInbox(self.address, **settings)


class Clock:
    """Seconds under the test's hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
