"""The facts of every documented operation and notification; nothing is read before it is asked for."""

from __future__ import annotations

from .lookup import Description, Field, describe, search
from .matching import match
from .model import API, Event, Operation, OperationKey, Parameter, Schema, SchemaType, TreeNode, Value
from .store import event, events, operation, operations, services, tree
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
