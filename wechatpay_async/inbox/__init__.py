"""Remembers which notifications are taken and which are done, so that each one is acted on once.

WeChat Pay delivers a notification at least once, and in no order. An `Inbox` lets one worker at a time take an id (`claim`), and keeps it
from everybody after `done`. A worker that dies holds its id only until its lease ends; then the next delivery may take it.

`SQLiteInbox` needs nothing but a file. `wechatpay_async.inbox.redis.RedisInbox` and `wechatpay_async.inbox.postgres.PostgresInbox` serve
several machines.
"""

from wechatpay_async.inbox.model import DEFAULT_KEEP, DEFAULT_LEASE, Claim, Held, Inbox
from wechatpay_async.inbox.sqlite import SQLiteInbox

__all__ = ["DEFAULT_KEEP", "DEFAULT_LEASE", "Claim", "Held", "Inbox", "SQLiteInbox"]
