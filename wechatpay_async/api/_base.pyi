"""What the generated chain classes have in common; for type checkers and editors alone."""

from collections.abc import Mapping
from typing import Any, TypeAlias, TypedDict

import httpx

from wechatpay_async.chain import Node

# Aliases, since each stands in a thousand signatures and a checker reads a name faster than a union.

#: The second mapping of the JS shape: path values, `params` and `headers`. Its path values are not typed: give those as keywords.
Config: TypeAlias = Mapping[str, Any] | None
#: A query of which nothing is documented.
Query: TypeAlias = Mapping[str, Any] | None
Headers: TypeAlias = Mapping[str, str] | None
#: Seconds, or httpx's own; None waits for ever.
Timeout: TypeAlias = float | httpx.Timeout | None

class NoBody(TypedDict):
    """The body of an operation that has none: leave it out, or pass `{}`."""

class TypedNode:
    """A documented point of the chain: its names complete, a misspelt one is an error."""

    def __getitem__(self, segment: str, /) -> Node:
        """One literal segment, or `"{name}"` for a placeholder; from here on the chain is not typed."""
