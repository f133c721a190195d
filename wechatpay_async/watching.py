"""What is told of each attempt at a call: a log line, and a record for whoever watches. Never a body, a header or a value in a path."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias, TypeVar, cast

import httpx

from wechatpay_async.settings import check_function, checked_list

__all__ = ["Attempt", "Watcher", "Watchers"]

_log = logging.getLogger("wechatpay_async.calls")


class _Answer(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> httpx.Headers: ...


A = TypeVar("A", bound=_Answer)


class Attempt(NamedTuple):
    """One attempt at a call, when it is over.

    `template` is the path with its placeholders, `number` counts the attempts of one call from 1. `status` is None where no answer came,
    `error` the name of the exception where there was one. `started` is in seconds since the epoch, `duration` in seconds.
    """

    method: str
    template: str
    host: str
    mchid: str
    number: int
    status: int | None
    request_id: str | None
    error: str | None
    started: float
    duration: float

    def __str__(self) -> str:
        result = " ".join(str(part) for part in (self.status, self.error) if part is not None)
        request_id = f", Request-ID {self.request_id}" if self.request_id else ""
        return f"{self.method} {self.template} {result} in {self.duration:.3f} s, attempt {self.number} at {self.host}{request_id}"


#: Is called in the event loop after each attempt: keep it short. What it raises is logged, and the call goes on.
Watcher: TypeAlias = Callable[[Attempt], object]


class Watchers:
    """Tells the log and every watcher."""

    def __init__(self, watchers: Sequence[Watcher] = ()) -> None:
        listed = checked_list("watchers", watchers, "a list of functions", hint="watchers=[…]: each takes an Attempt")
        for watcher in listed:
            check_function("watchers", watcher, "functions", hint="each takes an Attempt")
        self._watchers = cast("tuple[Watcher, ...]", listed)

    async def over(self, work: Awaitable[A], *, method: str, template: str, host: str, mchid: str, number: int) -> A:
        """Await one attempt and tell how it went. Gives and raises what `work` does."""
        started, start = time.time(), time.perf_counter()
        status: int | None = None
        request_id: str | None = None
        failure: str | None = None
        try:
            answer = await work
        except BaseException as error:
            status, request_id, failure = getattr(error, "status", None), getattr(error, "request_id", None), type(error).__name__
            raise
        else:
            status, request_id = answer.status_code, answer.headers.get("Request-ID")
            return answer
        finally:
            if self._watchers or _log.isEnabledFor(logging.INFO):
                duration = time.perf_counter() - start
                self._tell(Attempt(method, template, host, mchid, number, status, request_id, failure, started, duration))

    def _tell(self, attempt: Attempt) -> None:
        _log.log(logging.INFO if attempt.error is None else logging.WARNING, "%s", attempt)
        for watcher in self._watchers:
            try:
                watcher(attempt)
            except Exception:  # noqa: BLE001 — a payment does not fail because somebody's counter does
                _log.exception("the watcher %s failed", getattr(watcher, "__name__", type(watcher).__name__))
