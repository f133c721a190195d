"""Builds values from the facts: the official examples, put together, and what is wrong with one field."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wechatpay_async.catalog import Parameter

PLAIN: Mapping[str, Any] = {"string": "text", "integer": 1, "number": 1, "boolean": True}
KINDS: Mapping[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


def example(schema: Mapping[str, Any]) -> Any:
    """A value of a schema: its own example where that has the right type, or else its first enum value, or a plain one."""
    kind = schema.get("type", "string")
    if kind == "object":
        return {_numbered(name): example(value) for name, value in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema["items"])] if "items" in schema else []
    allowed = schema.get("enum", [])
    shown = schema.get("example", allowed[0] if allowed else PLAIN[kind])
    if allowed and shown not in allowed:
        shown = allowed[0]
    return shown if isinstance(shown, KINDS[kind]) and (kind == "boolean" or not isinstance(shown, bool)) else PLAIN[kind]


def example_of_parameters(parameters: Iterable[Parameter]) -> dict[str, Any]:
    """The example of a query."""
    return {parameter["name"]: example(parameter) for parameter in parameters}


def without(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The value without one field."""
    return {key: each for key, each in value.items() if key != name}


def with_a_wrong_type(value: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each field, the value with something there that no field takes."""
    for name in value:
        wrong = copy.deepcopy(dict(value))
        wrong[name] = {1, 2}
        yield name, wrong


def _numbered(name: str) -> str:
    return name.replace("$n", "0").replace("$m", "0")
