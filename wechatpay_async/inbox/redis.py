"""An inbox in Redis, for several machines; needs the extra `redis`.

It remembers as long as the server does: a server that keeps nothing on disk forgets what was done when it restarts (`appendonly yes`,
`appendfsync always` keeps everything).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import redis

from wechatpay_async.inbox.model import DEFAULT_KEEP, DEFAULT_LEASE, Claim, Held, Inbox
from wechatpay_async.settings import check_kind

# Each script is one atomic step on one key, a hash of `token`, `done` and `expires` (seconds, by the server's clock unless one is given).
_NOW = """
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
"""
_TAKE = (
    _NOW
    + """
local row = redis.call('HMGET', KEYS[1], 'done', 'expires')
if row[2] and tonumber(row[2]) > now then return row[1] == '1' and 'done' or 'busy' end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'done', '0', 'expires', string.format('%.6f', now + ARGV[3]))
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[4] * 1000))
return 'taken'
"""
)
_SETTLE = (
    _NOW
    + """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'done', '1', 'expires', string.format('%.6f', now + ARGV[3]))
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[3] * 1000))
return 1
"""
)
_GIVE_BACK = """
local row = redis.call('HMGET', KEYS[1], 'token', 'done')
if row[1] ~= ARGV[1] or row[2] == '1' then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisInbox(Inbox):
    """An inbox in the Redis server at `server`: a URL, or a `redis.Redis` of yours, which is borrowed and never closed.

    Keys begin with `prefix`. The blocking client in worker threads serves asyncio and trio alike.
    """

    def __init__(
        self,
        server: str | redis.Redis,
        *,
        prefix: str = "wechatpay:inbox:",
        lease: float = DEFAULT_LEASE,
        keep: float = DEFAULT_KEEP,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(lease=lease, keep=keep, clock=clock)
        check_kind("server", server, (str, redis.Redis), "a URL or a redis.Redis", hint="the blocking client: it runs in worker threads")
        self._borrowed = not isinstance(server, str)
        self._client = _connect(server) if isinstance(server, str) else server
        self._prefix = prefix
        self._scripts = {text: self._client.register_script(text) for text in (_TAKE, _SETTLE, _GIVE_BACK)}

    def purge(self) -> None:
        """Nothing to do: Redis forgets each key by itself."""

    def close(self) -> None:
        """Close the connections, unless the client is yours."""
        if not self._borrowed:
            self._client.close()

    def _take(self, claim: Claim, now: float | None) -> Held | None:
        answer = self._run(_TAKE, claim, _seconds(now), self._lease, self._keep)
        return {b"done": Held.DONE, b"busy": Held.BUSY, b"taken": None}[answer]

    def _settle(self, claim: Claim, now: float | None) -> bool:
        return bool(self._run(_SETTLE, claim, _seconds(now), self._keep))

    def _give_back(self, claim: Claim) -> bool:
        return bool(self._run(_GIVE_BACK, claim))

    def _run(self, script: str, claim: Claim, *arguments: str | float) -> Any:
        answer = self._scripts[script](keys=[self._prefix + claim.id], args=[claim.token, *arguments])
        return answer.encode() if isinstance(answer, str) else answer  # a client with decode_responses=True


def _connect(url: str) -> redis.Redis:
    # The sender waits 5 s, so a server that does not answer is given up before that.
    return cast("redis.Redis", cast("Any", redis.Redis).from_url(url, socket_timeout=3.0))  # its keywords have no types


def _seconds(now: float | None) -> str:
    """The argument that stands for the time; an empty one asks the script to look at the server's clock."""
    return "" if now is None else repr(now)
