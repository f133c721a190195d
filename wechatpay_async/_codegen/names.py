"""Gives classes, modules and fields their Python names; those of the chain's attributes are `chain.attribute_names`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

__all__ = ["camel", "class_name", "identifier", "is_field_name", "module_name", "url_segments"]


def identifier(text: str) -> str:
    """A Python name for a segment: hyphens become underscores, a keyword gets a trailing one."""
    name = text.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def module_name(segment: str) -> str:
    """The module of a path segment; a placeholder's begins with `by_`."""
    return identifier(f"by_{segment[1:-1]}" if segment.startswith("{") else segment)


def class_name(segments: Iterable[str]) -> str:
    """The class of a path: `PayTransactionsIdByTransactionId`."""
    return "".join(f"By{camel(segment[1:-1])}" if segment.startswith("{") else camel(segment) for segment in segments)


def camel(text: str) -> str:
    """`out_trade_no`, `out-trade-no` and `TRANSACTION.SUCCESS` in the manner of classes; capitals inside a mixed word stay."""
    words = re.findall(r"[0-9A-Za-z]+", text)
    return "".join(word.capitalize() if word.isupper() else word[0].upper() + word[1:] for word in words)


def is_field_name(name: str) -> bool:
    """Whether a key can be a field of a class body."""
    return name.isidentifier() and not keyword.iskeyword(name)


def url_segments(path: str) -> list[str]:
    """The segments of a path template, without the `v3` that APIv3 begins with and without a trailing slash."""
    segments = [segment for segment in path.split("/") if segment]
    return segments[1:] if segments[0] == "v3" else segments
