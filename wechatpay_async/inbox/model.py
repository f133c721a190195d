"""What every inbox promises, and the bridge from its blocking calls to asyncio and trio."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self

import anyio.to_thread

from wechatpay_async.errors import ConfigError, RequestError
from wechatpay_async.settings import check_duration, check_function

#: Seconds. Longer than any handler may run (the sender waits 5 s), and over before the third delivery (30 s after the first).
DEFAULT_LEASE = 20.0
#: Seconds. A notification is repeated for 24 h 4 min; three days leave room for somebody who sends it again by hand.
DEFAULT_KEEP = 3 * 86_400.0

_PURGE_EVERY = 256
_LONGEST_ID = 256


class Held(Enum):
    """Why a claim was not given."""

    #: The notification has been dealt with: acknowledge it and do nothing.
    DONE = "done"
    #: Another worker has it now. Answer with a failure, so that it comes again if that worker dies.
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to act on one notification, until the lease ends. `token` tells this claim from a later one on the same id."""

    id: str
    token: str = field(repr=False)


class Inbox(ABC):
    """A memory of notifications, shared by all workers that are given the same place.

    `lease`: seconds until a claim that was neither done nor released can be taken by another. It must be longer than a handler may run.
    `keep`: seconds for which a done notification is remembered.
    `clock`: seconds as float, for tests. By default the time of the place itself (the server's, so that machines need not agree).

    Each operation has a blocking form for code without an event loop, and an async form that runs it in a worker thread.
    """

    def __init__(self, *, lease: float = DEFAULT_LEASE, keep: float = DEFAULT_KEEP, clock: Callable[[], float] | None = None) -> None:
        check_duration("lease", lease)
        check_duration("keep", keep)
        if clock is not None:
            check_function("clock", clock, "a function that gives seconds", hint="clock=time.time")
        if not keep >= lease:
            raise ConfigError("keep", "must not be shorter than the lease", hint="a notification is repeated for 24 hours and 4 minutes")
        self._lease = lease
        self._keep = keep
        self._clock = clock
        self._claims = 0

    async def claim(self, id: str) -> Claim | Held:  # noqa: A002 — the notification's own field name
        """Take `id` if nobody has it. Returns a `Claim`, or why there is none."""
        return await anyio.to_thread.run_sync(self.claim_blocking, id)

    async def done(self, claim: Claim) -> bool:
        """Remember that the notification was dealt with. False when the lease had ended and another worker took it."""
        return await anyio.to_thread.run_sync(self.done_blocking, claim)

    async def release(self, claim: Claim) -> bool:
        """Give the notification back at once, for the next delivery. False when it was no longer this claim's."""
        return await anyio.to_thread.run_sync(self.release_blocking, claim)

    async def aclose(self) -> None:
        """Let go of connections that this inbox opened."""
        await anyio.to_thread.run_sync(self.close)

    def claim_blocking(self, id: str) -> Claim | Held:  # noqa: A002 — the notification's own field name
        """`claim`, blocking."""
        if not isinstance(id, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise RequestError(f"an id is text, got {type(id).__name__}")
        if not 0 < len(id) <= _LONGEST_ID:
            raise RequestError(f"an id has 1 to {_LONGEST_ID} characters, got {len(id)}")
        self._claims += 1
        if self._claims % _PURGE_EVERY == 0:
            self.purge()
        claim = Claim(id, secrets.token_hex(16))
        return self._take(claim, self._now()) or claim

    def done_blocking(self, claim: Claim) -> bool:
        """`done`, blocking."""
        return self._settle(claim, self._now())

    def release_blocking(self, claim: Claim) -> bool:
        """`release`, blocking."""
        return self._give_back(claim)

    @abstractmethod
    def purge(self) -> None:
        """Forget what `keep` has passed for. Called now and then by `claim`."""

    @abstractmethod
    def close(self) -> None:
        """`aclose`, blocking."""

    @abstractmethod
    def _take(self, claim: Claim, now: float | None) -> Held | None:
        """Write the claim down in one atomic step, or say who holds the id. `now` is None where the place's own clock counts."""

    @abstractmethod
    def _settle(self, claim: Claim, now: float | None) -> bool:
        """Mark the id as done, if it is still this claim's."""

    @abstractmethod
    def _give_back(self, claim: Claim) -> bool:
        """Forget the claim, if the id is still this claim's and not done."""

    def _now(self) -> float | None:
        return None if self._clock is None else self._clock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()
