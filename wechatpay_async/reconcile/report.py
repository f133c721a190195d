"""What a reconciliation found: as data, and as text for a terminal. The page for a browser is in `page`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from unicodedata import east_asian_width

from wechatpay_async.bills import format_micro
from wechatpay_async.bills.amounts import MICRO_PER_FEN
from wechatpay_async.reconcile.entries import Kind
from wechatpay_async.reconcile.words import WORDS, Language, Problem, Words

__all__ = ["Difference", "Report", "Sums"]


@dataclass(frozen=True, slots=True)
class Sums:
    """Numbers and fen of payments and of refunds."""

    payments: int = 0
    payments_amount: int = 0
    refunds: int = 0
    refunds_amount: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One number on which the two sides disagree. Amounts are fen, None where the side has no such entry."""

    kind: Kind
    number: str
    problem: Problem
    here_amount: int | None
    there_amount: int | None
    here_status: str
    there_status: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared, what matched and what did not.

    `here` is the ledger, `there` the bill. `counts` holds every problem that was found, `differences` the first of them, in the order of
    their numbers. `unpaid` are orders of the ledger that were never paid and that the bill, rightly, does not have.
    """

    here: Sums
    there: Sums
    matched: Sums
    unpaid: int
    counts: Mapping[Problem, int]
    differences: tuple[Difference, ...]

    @property
    def total(self) -> int:
        """How many differences there are."""
        return sum(self.counts.values())

    @property
    def agrees(self) -> bool:
        """Whether the two sides agree."""
        return self.total == 0

    @property
    def truncated(self) -> bool:
        """Whether there are more differences than are listed."""
        return self.total > len(self.differences)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return {**asdict(self), "agrees": self.agrees, "total": self.total, "truncated": self.truncated}

    def as_text(self, language: Language = "en") -> str:
        """Tables for a terminal; amounts in yuan."""
        words = WORDS[language]
        sides = (self.here, self.there, self.matched)
        summary = [["", *words.sides], *([name, *(cell(side) for side in sides)] for name, cell in zip(words.sums, SUMS, strict=True))]
        lines = [*_table(summary, right=True), ""]
        if self.unpaid:
            lines.append(words.unpaid.format(count=self.unpaid))
        if self.agrees:
            return "\n".join([*lines, words.agrees])
        lines += [f"{count:,} × {words.problems[problem]}" for problem, count in self.counts.items() if count]
        lines.append("")
        lines += _table([list(words.columns), *(row_of(difference, words) for difference in self.differences)])
        if self.truncated:
            lines.append(words.more.format(count=self.total - len(self.differences)))
        return "\n".join(lines)

    def as_html(self, title: str | None = None, language: Language = "en") -> str:
        """A page of its own, without anything fetched from elsewhere; light or dark as the reader's system is."""
        from wechatpay_async.reconcile.page import render

        words = WORDS[language]
        return render(self, title or words.title, words)


def yuan(fen: int | None) -> str:
    """1234567 -> `12,345.67`; `–` for None."""
    if fen is None:
        return "–"
    whole, _, cents = format_micro(fen * MICRO_PER_FEN).partition(".")
    return f"{int(whole):,}.{cents}" if not whole.startswith("-0") else f"{whole}.{cents}"


#: The cells of a side's sums, in the order of `Words.sums`.
SUMS: Final[tuple[Callable[[Sums], str], ...]] = (
    lambda side: f"{side.payments:,}",
    lambda side: yuan(side.payments_amount),
    lambda side: f"{side.refunds:,}",
    lambda side: yuan(side.refunds_amount),
)


def row_of(difference: Difference, words: Words) -> list[str]:
    """A difference as the cells of a table."""
    return [
        words.kinds[difference.kind],
        difference.number,
        words.problems[difference.problem],
        yuan(difference.here_amount),
        yuan(difference.there_amount),
        difference.here_status or "–",
        difference.there_status or "–",
    ]


def _table(rows: list[list[str]], *, right: bool = False) -> list[str]:
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        cells = [_pad(cell, width, right=right and place > 0) for place, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return [lines[0], "  ".join("─" * width for width in widths), *lines[1:]]


def _width(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    # What a bill or a ledger holds must not move the reader's cursor.
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return space + shown if right else shown + space
