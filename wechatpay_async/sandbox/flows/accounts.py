"""What a merchant has in its account, and what of it waits to be paid out."""

from __future__ import annotations

from ..bills import OPENING_BALANCE
from ..models import Book

__all__ = ["available", "hold"]


def available(book: Book, mchid: str) -> int:
    """Fen that a merchant may spend: what it has, less what is held back."""
    held: int = book.shelf("held").get(mchid, 0)
    return OPENING_BALANCE + book.moved.get(mchid, 0) - held


def hold(book: Book, mchid: str, amount: int) -> None:
    """Hold fen back until they are paid out; let them go with a negative amount."""
    shelf = book.shelf("held")
    shelf[mchid] = shelf.get(mchid, 0) + amount
