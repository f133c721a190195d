"""When a call is made again, and on which host: decisions without a clock or a network of their own.

Source of what may be repeated: https://pay.weixin.qq.com/doc/v3/merchant/4012081709.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import httpx

from wechatpay_async.chain import READS
from wechatpay_async.errors import APIError, BadSignature, ConfigError, OutcomeUnknown, RateLimited, TransportError
from wechatpay_async.settings import check_duration, check_kind

if TYPE_CHECKING:
    from wechatpay_async.catalog import Operation

__all__ = ["Decision", "Hosts", "Retry", "RetryBudget", "business_number", "decide"]

#: Seconds that a host is left alone after connections to it failed: at first, and at most.
FIRST_REST: Final = 30.0
LONGEST_REST: Final = 300.0
#: Seconds within which one call alone tries a host that comes back.
_TRIAL: Final = 10.0

# The merchant's own number for what a write creates or changes: WeChat Pay executes it once, however often it comes.
_BUSINESS_NUMBER = re.compile(r"(?:combine_)?out_(?!card_|shop_|parking_)(?:[a-z]+_)+no|partner_trade_no|mch_billno")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long to try.

    `attempts` counts the first one too. Pauses are in seconds: a random part of `first_pause`, then of twice that, and so on up to
    `longest_pause`. `writes` says which writes are repeated when their answer was lost: those whose business number makes it safe
    (`"safe"`), none, or `"all"`, which is the caller's own promise that a second execution does no harm.
    """

    attempts: int = 3
    first_pause: float = 0.5
    longest_pause: float = 8.0
    writes: Literal["safe", "never", "all"] = "safe"

    def __post_init__(self) -> None:
        check_kind("retry", self.attempts, int, "attempts as a number", hint="Retry(attempts=3)")
        for pause in (self.first_pause, self.longest_pause):
            check_duration("retry", pause, zero=True)
        if self.attempts < 1:
            raise ConfigError("retry", f"attempts is {self.attempts}", hint="1 tries once")
        if self.first_pause > self.longest_pause:
            raise ConfigError("retry", "pauses must be 0 <= first_pause <= longest_pause", hint="both are in seconds")
        if self.writes not in ("safe", "never", "all"):
            raise ConfigError("retry", f"unknown value {self.writes!r} of writes", hint='"safe", "never" or "all"')


class Decision(NamedTuple):
    """Whether to try again, and after how many seconds."""

    again: bool
    after: float = 0.0


def decide(retry: Retry, error: Exception, *, attempt: int, repeatable: bool, chance: float) -> Decision:
    """What follows from the failure of the `attempt`-th attempt (1 is the first). `chance` is a random number from 0 to 1.

    `repeatable` says that a second execution does no harm: a read, or a write whose business number makes it so. A request that was not
    accepted (429, no connection) is repeated whatever it is; a 4xx never.
    """
    harmless = repeatable or isinstance(error, RateLimited) or (isinstance(error, TransportError) and not isinstance(error, OutcomeUnknown))
    if attempt >= retry.attempts or not harmless:
        return Decision(again=False)
    if isinstance(error, BadSignature) and error.probe:
        return Decision(again=True)
    if not (isinstance(error, TransportError) or (isinstance(error, APIError) and error.retryable)):
        return Decision(again=False)
    pause = chance * min(retry.longest_pause, retry.first_pause * 2 ** (attempt - 1))
    wanted = error.retry_after if isinstance(error, APIError) else None
    return Decision(again=True, after=pause if wanted is None else wanted + pause)


def is_repeatable(retry: Retry, method: str, operation: Operation | None) -> bool:
    """Whether the call can be executed twice without harm."""
    if method in READS or retry.writes == "all":
        return True
    return retry.writes == "safe" and operation is not None and business_number(operation) is not None


def business_number(operation: Operation) -> str | None:
    """The field that makes a write safe to repeat with the same body; None where the catalogue has none that must be given."""
    required = [*(operation.body or {}).get("required", ()), *(parameter["name"] for parameter in operation.path_params)]
    return next((name for name in required if _BUSINESS_NUMBER.fullmatch(name)), None)


class RetryBudget:
    """Keeps an outage from being made worse: repeats must be earned by calls that go well.

    `capacity` repeats can be made at once; every ten successes earn another one.
    """

    __slots__ = ("_capacity", "_tenths")

    def __init__(self, capacity: int = 20) -> None:
        self._capacity = capacity * 10
        self._tenths = self._capacity

    def take(self) -> bool:
        """Pay for one repeat; whether there was enough."""
        if self._tenths < 10:
            return False
        self._tenths -= 10
        return True

    def earn(self) -> None:
        """A call went well."""
        self._tenths = min(self._capacity, self._tenths + 1)


class Hosts:
    """The hosts in their order, and which of them connections can be made to.

    A host to which a connection failed rests, each time longer, and is then tried by one call alone. Only failures to connect count:
    a host that answered, whatever it answered, works.
    """

    __slots__ = ("_failures", "_resting_until", "urls")

    def __init__(self, urls: Sequence[httpx.URL]) -> None:
        self.urls: tuple[httpx.URL, ...] = tuple(urls)
        self._failures = [0] * len(self.urls)
        self._resting_until = [0.0] * len(self.urls)

    def choose(self, now: float) -> httpx.URL:
        """The first host that is not resting at `now` (seconds); the one that rests the shortest where all are."""
        for index, until in enumerate(self._resting_until):
            if until <= now:
                if self._failures[index]:
                    self._resting_until[index] = now + _TRIAL  # the others stay away until this call knows
                return self.urls[index]
        return self.urls[min(range(len(self.urls)), key=self._resting_until.__getitem__)]

    def failed(self, url: httpx.URL, now: float) -> None:
        """A connection to the host failed."""
        index = self.urls.index(url)
        self._failures[index] += 1
        self._resting_until[index] = now + min(LONGEST_REST, FIRST_REST * 2 ** (self._failures[index] - 1))

    def worked(self, url: httpx.URL) -> None:
        """The host answered."""
        index = self.urls.index(url)
        if self._failures[index]:
            self._failures[index] = 0
            self._resting_until[index] = 0.0
