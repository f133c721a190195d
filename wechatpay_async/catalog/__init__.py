"""The facts of every documented operation and notification; nothing is read before it is asked for."""

from __future__ import annotations

from .matching import match
from .model import API, Event, Operation, OperationKey, Parameter, Schema, SchemaType, TreeNode, Value
from .store import event, events, operation, operations, services, tree

__all__ = [
    "API",
    "Event",
    "Operation",
    "OperationKey",
    "Parameter",
    "Schema",
    "SchemaType",
    "TreeNode",
    "Value",
    "event",
    "events",
    "match",
    "operation",
    "operations",
    "services",
    "tree",
]
