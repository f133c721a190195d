"""Says which operations have real state in the sandbox, and which are answered from the catalogue alone."""

from __future__ import annotations

from wechatpay_async.catalog import Operation

from . import flows, v2

__all__ = ["has_state"]


def has_state(operation: Operation) -> bool:
    """Whether an operation has rules and state of its own; the others are checked, answered by their schema, and remembered."""
    return operation.id in (flows.ROUTES if operation.api == "v3" else v2.flows.ROUTES)
