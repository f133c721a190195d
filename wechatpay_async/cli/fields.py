"""A schema of the catalogue as a flat list of fields, for tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Facts", "fields_of", "kind_of"]

#: A schema as it stands in the catalogue.
Facts = Mapping[str, Any]


def fields_of(schema: Facts, prefix: str = "") -> Iterator[tuple[str, Facts, bool]]:
    """Every field of a body by its path (`amount.total`, `goods_detail[].price`), its schema, and whether it is required."""
    if "items" in schema:
        yield from fields_of(schema["items"], f"{prefix.removesuffix('.')}[].")
    for alternative in schema.get("anyOf", []):
        yield from fields_of(alternative, prefix)
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield f"{prefix}{name}", field, name in required
        yield from fields_of(field, f"{prefix}{name}.")


def kind_of(schema: Facts) -> str:
    """The type in words: `string (date-time)`, `array of object`."""
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "array":
        return f"array of {kind_of(schema['items'])}" if "items" in schema else "array"
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)
