"""What a schema says of its values: asked by the corrections and by the check for faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["has_type", "off_type", "stray_required"]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "file": (str,),
}


def has_type(value: object, kind: str | None) -> bool:
    """Whether a value is of a schema's type; anything is where the type is not known."""
    if kind is None:
        return True
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def off_type(schema: Mapping[str, Any], values: list[Any]) -> list[Any]:
    """Those of the values that are not of the schema's type."""
    return [value for value in values if not has_type(value, schema.get("type"))]


def stray_required(schema: Mapping[str, Any]) -> list[str]:
    """The names that are required though no property has them."""
    required = schema.get("required")
    if not isinstance(required, list):
        return []
    return [name for name in cast("list[str]", required) if name not in schema.get("properties", {})]
