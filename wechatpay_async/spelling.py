"""Finds what was probably meant, for errors that say `did you mean`."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(word: str, known: Iterable[str], count: int = 1, *, likeness: float = 0.6) -> list[str]:
    """The known words that are most like `word`, at most `count` of them, the nearest first; `likeness` goes from 0 to 1."""
    from difflib import get_close_matches  # only when something is wrong: the import costs as much as ten calls

    return get_close_matches(word, list(known), count, likeness)
