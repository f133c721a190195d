"""The facts of every documented operation and notification; nothing is read before it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .matching import match
from .model import API, Event, Operation, OperationKey, Parameter, Schema, SchemaType, TreeNode, Value
from .store import event, events, operation, operations, services, tree

# A service that only makes calls searches nothing, and validates at its first call.
if TYPE_CHECKING:
    from .lookup import Description, Field, describe, search
    from .validation import Problem, Validator, compile_validator

__all__ = [
    "API",
    "Description",
    "Event",
    "Field",
    "Operation",
    "OperationKey",
    "Parameter",
    "Problem",
    "Schema",
    "SchemaType",
    "TreeNode",
    "Validator",
    "Value",
    "compile_validator",
    "describe",
    "event",
    "events",
    "match",
    "operation",
    "operations",
    "search",
    "services",
    "tree",
]

_LATER: Final = {
    **dict.fromkeys(("Description", "Field", "describe", "search"), ".lookup"),
    **dict.fromkeys(("Problem", "Validator", "compile_validator"), ".validation"),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name], __name__), name)
