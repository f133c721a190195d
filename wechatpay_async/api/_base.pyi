"""What the generated chain classes have in common; for type checkers and editors alone."""

from typing import TypeAlias, TypedDict

import httpx

from wechatpay_async.chain import Node

Timeout: TypeAlias = float | httpx.Timeout | None

class NoBody(TypedDict):
    """The body of an operation that has none: leave it out, or pass `{}`."""

class TypedNode:
    """A documented point of the chain: its names complete, a misspelt one is an error."""

    def __getitem__(self, segment: str, /) -> Node:
        """One literal segment, or `"{name}"` for a placeholder; from here on the chain is not typed."""
