"""The sandbox's time: the real one, moved ahead by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

__all__ = ["BEIJING", "Clock", "compact_time", "rfc3339"]

#: WeChat Pay writes its times in this zone.
BEIJING = timezone(timedelta(hours=8))


class Clock:
    """Seconds since 1970, as `time.time` gives them, plus what `advance` has added.

    Call it for the time. `source` is where the unmoved time comes from; a constant function makes time stand still between advances.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._ahead = 0.0
        self._watchers: list[Callable[[float], None]] = []
        self._pinned: float | None = None

    def __call__(self) -> float:
        return self._source() + self._ahead if self._pinned is None else self._pinned

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Move time ahead; whatever falls due on the way happens. Raises `ValueError` for a step backwards."""
        step = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days).total_seconds()
        if step < 0:
            raise ValueError("time only goes ahead")
        self._ahead += step
        for watcher in self._watchers:
            watcher(step)

    def on_advance(self, watcher: Callable[[float], None]) -> None:
        """Call `watcher` with the seconds of each advance, after it."""
        self._watchers.append(watcher)

    def pin(self, moment: float | None) -> None:
        """Let it be this time, while a story is told again; None lets time go on."""
        self._pinned = moment


def rfc3339(moment: float) -> str:
    """A time as APIv3 writes it: `2018-06-08T10:34:56+08:00`."""
    return datetime.fromtimestamp(int(moment), BEIJING).isoformat()


def compact_time(moment: float) -> str:
    """A time as APIv2 and pay score write it: `20180608103456`."""
    return datetime.fromtimestamp(int(moment), BEIJING).strftime("%Y%m%d%H%M%S")
