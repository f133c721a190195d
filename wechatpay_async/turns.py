"""Whose turn it is in the event loop, so that many calls at once do not keep it from everybody else."""

from __future__ import annotations

from collections import deque

import anyio
import anyio.lowlevel

__all__ = ["Turns"]


class Turns:
    """One piece of work in each turn of the event loop, in the order in which they came; whoever else is ready comes between two of them.

    Fifty answers that arrive together would otherwise be verified, and fifty requests signed, before anybody else can run.
    """

    def __init__(self) -> None:
        self._line: deque[anyio.Event] = deque()
        self._taken = False
        self._just_given = False

    async def take(self, *, join: bool = False) -> None:
        """Wait for a turn of one's own; what follows up to the next `await` is done in it.

        With `join`, work that nobody has come before since the last turn was given belongs to it: a caller that has read one answer and
        makes its next call does not wait twice.
        """
        if join and self._just_given:
            self._just_given = False
            return
        mine: anyio.Event | None = None
        try:
            if self._taken:
                mine = anyio.Event()
                self._line.append(mine)
                await mine.wait()
            else:
                self._taken = True
                await anyio.lowlevel.checkpoint()
        except BaseException:
            if mine is not None and not mine.is_set():
                self._line.remove(mine)
            else:
                self._pass_on()
            raise
        self._pass_on()
        self._just_given = True

    def _pass_on(self) -> None:
        if self._line:
            self._line.popleft().set()
        else:
            self._taken = False
