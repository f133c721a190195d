"""Things that go wrong on purpose, by operation and rate."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

__all__ = ["Fault", "FaultKind", "Faults"]

FaultKind = Literal[
    "wrong_signature",  # the signature is another message's
    "unsigned",  # no Wechatpay-* header
    "stale",  # the timestamp is ten minutes old
    "unknown_serial",  # signed by a key that nobody was told of
    "probe",  # a signature that begins WECHATPAY/SIGNTEST/
    "tampered",  # one bit of the body changed after signing
    "server_error",  # 500 SYSTEM_ERROR; the operation was executed
    "unavailable",  # 503 SERVICE_UNAVAILABLE; the operation was not executed
    "bad_gateway",  # 502, an HTML page, unsigned; the operation was not executed
    "rate_limited",  # 429 FREQUENCY_LIMITED; the operation was not executed
    "reset",  # the operation was executed and the connection breaks before the answer
    "refused",  # the connection breaks before the operation is executed
    "half",  # the answer breaks off in the middle
    "latency",  # the answer takes its time
]


@dataclass
class Fault:
    """One fault. `operation` is an operation's id, a path, or a part of one; "" is every operation."""

    kind: FaultKind
    operation: str = ""
    rate: float = 1.0
    times: int | None = None
    seconds: float = 0.0
    struck: int = 0


@dataclass
class Faults:
    """The switchboard: which faults are on."""

    generator: random.Random = field(repr=False)
    active: list[Fault] = field(default_factory=list[Fault])

    def add(self, kind: FaultKind, operation: str = "", *, rate: float = 1.0, times: int | None = None, seconds: float = 0.0) -> Fault:
        """Switch a fault on, for a share of the calls (`rate`), and off again after it struck so many `times`.

        `seconds` is how long `latency` takes. Raises `ValueError` for a kind that does not exist.
        """
        if kind not in get_args(FaultKind):
            raise ValueError(f"no fault {kind!r}; there are: {', '.join(get_args(FaultKind))}")
        fault = Fault(kind, operation, rate, times, seconds)
        self.active.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Switch a fault off."""
        self.active = [other for other in self.active if other is not fault]

    def clear(self) -> None:
        """Switch every fault off."""
        self.active = []

    @contextmanager
    def on(
        self, kind: FaultKind, operation: str = "", *, rate: float = 1.0, times: int | None = None, seconds: float = 0.0
    ) -> Generator[Fault]:
        """A fault for the length of a `with` block."""
        fault = self.add(kind, operation, rate=rate, times=times, seconds=seconds)
        try:
            yield fault
        finally:
            self.remove(fault)

    def strike(self, operation: str, target: str) -> Fault | None:
        """The fault that hits this call, if one does."""
        for fault in self.active:
            if fault.operation and fault.operation not in {operation, target} and fault.operation not in f"{operation} {target}":
                continue
            if self.generator.random() >= fault.rate:
                continue
            fault.struck += 1
            if fault.times is not None and fault.struck >= fault.times:
                self.remove(fault)
            return fault
        return None
