"""The query of a request target, encoded once and for all: what is built here is what is signed and what is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from wechatpay_async.errors import InvalidData

__all__ = ["encode_query"]

_BIGGEST = 1 << 63


def encode_query(params: Mapping[str, Any]) -> str:
    """`name=value&…` with everything but the unreserved characters percent-encoded; a list repeats its name.

    Raises `InvalidData` that names the parameter, for `None`, NaN, mappings and other values without a form in a query.
    """
    pairs: list[str] = []
    for name, value in params.items():
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise InvalidData("params", f"has a name of type {type(name).__name__}", hint="names are text")
        values = cast("Sequence[Any]", value) if isinstance(value, (list, tuple)) else (value,)
        encoded = _encode(name, "params")
        pairs += (f"{encoded}={_encode(item, f'params.{name}')}" for item in values)
    return "&".join(pairs)


def _encode(value: object, path: str) -> str:
    if isinstance(value, str):
        try:
            return quote(value, safe="")
        except UnicodeEncodeError:
            raise InvalidData(path, "has half a surrogate pair", hint="the text was decoded wrongly") from None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if not -_BIGGEST <= value < _BIGGEST:
            raise InvalidData(path, "is an integer beyond 64 bits")
        return str(int(value))
    if isinstance(value, float) and value - value == 0.0:
        return quote(repr(value), safe="")
    if value is None:
        raise InvalidData(path, "is None", hint="leave the parameter out")
    if isinstance(value, (Mapping, list, tuple)):
        raise InvalidData(
            path, f"is a {type(cast('object', value)).__name__}", hint="a JSON document in the query is text: json.dumps(value)"
        )
    raise InvalidData(path, f"is a {type(value).__name__} without a form in a query", hint="convert it to text")
