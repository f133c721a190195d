"""Times two ways of doing the same thing in alternating rounds, so that a busy machine hurts both alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One result: how `ours` compares with `theirs`, in `unit`, with the ratio of each round."""

    name: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    spread: tuple[float, float]
    goal: str

    def line(self) -> str:
        """The figure as one line for a terminal."""
        low, high = self.spread
        ours = f"{self.ours:.4g} {self.unit} beside {self.theirs:.4g} {self.unit}"
        return f"{self.name:<44} {ours:<36} ratio {self.ratio:.3f} ({low:.3f} to {high:.3f}), goal {self.goal}"

    def as_json(self) -> dict[str, object]:
        """The figure for the file that the documentation shows."""
        return asdict(self)


def paired(name: str, ours: Callable[[], float], theirs: Callable[[], float], *, unit: str, goal: str, rounds: int = 5) -> Figure:
    """Measure both, round by round, each round in the other order.

    `ours` and `theirs` do the work once and return what it took (or reached), in `unit`. The ratio is the median of the rounds' ratios.
    """
    mine: list[float] = []
    others: list[float] = []
    for number in range(rounds):
        for measure, results in [(ours, mine), (theirs, others)][:: 1 if number % 2 else -1]:
            results.append(measure())
    return compare(name, mine, others, unit=unit, goal=goal)


def compare(name: str, mine: Sequence[float], others: Sequence[float], *, unit: str, goal: str) -> Figure:
    """Compare what was measured in the same rounds."""
    ratios = [a / b for a, b in zip(mine, others, strict=True)]
    return Figure(
        name=name,
        unit=unit,
        ours=statistics.median(mine),
        theirs=statistics.median(others),
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        goal=goal,
    )
