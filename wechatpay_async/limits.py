"""How many calls a second each family of operations may have: paced here, before WeChat Pay answers 429.

Source of the documented rates: https://pay.weixin.qq.com/doc/v3/merchant/4012081709 and the pages of the operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import anyio

from wechatpay_async.errors import ConfigError
from wechatpay_async.settings import check_kind

__all__ = ["DOCUMENTED_RATES", "Pace", "RateLimits"]

#: Calls a second of one merchant number, by the method and the path that a family of operations begins with.
DOCUMENTED_RATES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "POST /v3/refund": 150.0,
        "POST /v3/ecommerce/refunds": 150.0,
        "POST /v3/fund-app/mch-transfer/transfer-bills": 100.0,
        "POST /v3/transfer/batches": 100.0,
        "GET /v3/bill/fundflowbill": 3.0,
        "GET /v3/certificates": 1000.0,
    }
)


class Pace:
    """Evenly spaced moments, so many in a second: a decision without a clock of its own. Times are in seconds."""

    __slots__ = ("_interval", "_next")

    def __init__(self, rate: float) -> None:
        self._interval = 1.0 / rate
        self._next = float("-inf")

    def pause(self, now: float) -> float:
        """How long to wait for the next moment."""
        return max(0.0, self._next - now)

    def take(self, now: float) -> None:
        """Use the moment that has come."""
        self._next = max(now, self._next + self._interval) if now - self._next < self._interval else now + self._interval


class _Gate:
    """Lets tasks through at a pace, in the order in which they came; one that is cancelled leaves its place to the next."""

    __slots__ = ("_lock", "_pace")

    def __init__(self, rate: float) -> None:
        self._pace = Pace(rate)
        self._lock: anyio.Lock | None = None  # made in the event loop that it serves

    async def pass_through(self) -> None:
        if self._lock is None:
            self._lock = anyio.Lock()
        async with self._lock:
            pause = self._pace.pause(anyio.current_time())
            if pause:
                await anyio.sleep(pause)
            self._pace.take(anyio.current_time())


class RateLimits:
    """One merchant's limits: `"METHOD /path"` -> calls a second, for that path and all below it; the longest that fits counts.

    Raises `ConfigError` for a rate that is none.
    """

    __slots__ = ("_found", "_gates")

    def __init__(self, rates: Mapping[str, float]) -> None:
        check_kind("rate_limits", rates, Mapping, "a mapping of families to calls a second", hint='or "documented"')
        for family, rate in rates.items():
            check_kind("rate_limits", family, str, "families as text", hint='"POST /v3/refund"')
            if not family.partition(" ")[2].startswith("/"):
                raise ConfigError(
                    "rate_limits", f"{family[:64]!r} is no family", hint='"POST /v3/refund": a method and the start of a path'
                )
            check_kind("rate_limits", rate, (int, float), "calls a second as a number", hint="a number above 0")
            if not rate > 0:
                raise ConfigError("rate_limits", f"{family}: {rate!r} calls a second", hint="a number above 0")
        self._gates = {family: _Gate(rate) for family, rate in rates.items()}
        self._found: dict[tuple[str, str], _Gate | None] = {}

    async def wait(self, method: str, template: str) -> None:
        """Return when the operation may be called."""
        operation = method, template
        if operation not in self._found:
            self._found[operation] = self._gate(f"{method} {template}/")
        gate = self._found[operation]
        if gate is not None:
            await gate.pass_through()

    def _gate(self, operation: str) -> _Gate | None:
        families = [family for family in self._gates if operation.startswith(family.rstrip("/") + "/")]
        return self._gates[max(families, key=len)] if families else None
