"""Answers for the operations without rules of their own: made from the response schema, echoing what was sent before.

The same seed and the same calls give the same answers. What a call sent and got is remembered under every number in it,
so that a query by one of these numbers, below the same part of the API, shows it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from wechatpay_async.catalog import Event, Operation, Schema

from .clock import rfc3339
from .flows.statements import SYNTHETIC_FILE
from .wire import as_array, as_object

__all__ = ["Memory", "make_answer", "make_resource"]

#: How deep a schema is followed; the deepest of the catalogue has eight levels.
_DEPTH = 12
#: The Python types of JSON's scalars.
_TYPES: Mapping[str, type | tuple[type, ...]] = {"string": str, "file": str, "integer": int, "number": (int, float), "boolean": bool}
#: The most bytes that RSA-2048 OAEP takes, with some room for what is not ASCII.
_SEALABLE = 60
#: Of the file that every synthesised `download_url` leads to.
_FILE_SHA1 = hashlib.sha1(SYNTHETIC_FILE, usedforsecurity=False).hexdigest()


class Memory:
    """What earlier calls sent and got, found again by a number that the path or the query names."""

    def __init__(self, limit: int = 20_000) -> None:
        self._limit = limit
        self._records: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}

    def remember(self, mchid: str, operation: Operation, record: Mapping[str, Any]) -> None:
        """Keep a record under each of its top-level numbers."""
        while len(self._records) >= self._limit:
            self._records.pop(next(iter(self._records)))
        for name, value in record.items():
            if isinstance(value, str) and value and _names_something(name):
                self._records.setdefault((mchid, value), {})[operation.path] = dict(record)

    def recall(self, mchid: str, operation: Operation, named: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of the things that a request names; the newest record of the nearest path wins."""
        found: dict[str, Any] = {}
        for value in named.values():
            kept = self._records.get((mchid, str(value)), {})
            for path in sorted(kept, key=lambda path: _nearness(path, operation.path)):
                if _nearness(path, operation.path) >= 2:
                    found |= kept[path]
        return found


def _names_something(name: str) -> bool:
    return name == "id" or name.endswith(("_no", "_id", "_code", "_number"))


def _nearness(one: str, other: str) -> int:
    """How many literal segments two templates share from the start, the version left aside."""
    shared = 0
    for left, right in zip(one.split("/")[2:], other.split("/")[2:], strict=False):
        if left != right or left.startswith("{"):
            break
        shared += 1
    return shared


def make_answer(
    operation: Operation, *, seed: int, now: float, sent: Mapping[str, Any], known: Mapping[str, Any], file_url: str
) -> tuple[int, Any]:
    """The status and the data (None for an empty body) of a synthesised answer.

    `sent` are the values of path, query and body; `known` is what was remembered of them;
    `file_url` is where any file of a synthesised answer is downloaded.
    """
    status, schema = _success(operation)
    if schema is None:
        return status, None
    subject = json.dumps([operation.id, sent], sort_keys=True, ensure_ascii=False, default=str)
    file = {"download_url": file_url, "hash_type": "SHA1", "hash_value": _FILE_SHA1}
    maker = _Maker(f"{seed}:{subject}", now, {**_flat(known), **_flat(sent), **file})
    data = maker.make(schema, "", 0)
    return status, data


def make_resource(event: Event, *, seed: int, now: float, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The resource of a notification (APIv2: its fields), the given fields in place.

    A document that travels inside a field is there as an object: it is encrypted or written as text with the whole.
    """
    subject = json.dumps([event.event, fields], sort_keys=True, ensure_ascii=False, default=str)
    maker = _Maker(f"{seed}:{subject}", now, _flat(fields))
    made = as_object(maker.make(event.resource, "", 0)) or {}
    for name, schema in event.resource.get("properties", {}).items():
        if "contentSchema" in schema:
            made[name] = maker.make(schema["contentSchema"], "", 1)
    return made | dict(fields)


def _success(operation: Operation) -> tuple[int, Schema | None]:
    for status in sorted(operation.responses):
        if status.startswith(("2", "3")):
            return int(status), operation.responses[status]
    return 204, None


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every named value at every depth; the shallower wins."""
    found: dict[str, Any] = {}
    for name, value in _pairs(values):
        found.setdefault(name, value)
    return found


def _pairs(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from values.items()
    for value in values.values():
        yield from _pairs(as_object(value) or {})


class _Maker:
    """Makes values for schemas."""

    def __init__(self, subject: str, now: float, echo: Mapping[str, Any]) -> None:
        self._subject = subject
        self._now = now
        self._echo = echo

    def make(self, schema: Schema, name: str, depth: int) -> Any:
        if name and name in self._echo and _fits(schema, self._echo[name]):
            return self._echo[name]
        if "anyOf" in schema:
            return self.make(schema["anyOf"][0], name, depth)
        kind = schema.get("type", "string")
        if kind == "object":
            inner = schema.get("properties", {}) if depth < _DEPTH else {}
            return {key: self.make(member, key, depth + 1) for key, member in inner.items()}
        if kind == "array":
            return [self.make(schema.get("items", {}), name, depth + 1)] if depth < _DEPTH else []
        if kind in {"integer", "number", "boolean"}:
            return self._scalar(schema, kind)
        return self._text(schema, name)

    def _scalar(self, schema: Schema, kind: str) -> Any:
        if schema.get("enum"):
            return schema.get("enum", [0])[0]
        example = schema.get("example")
        if kind == "boolean":
            return example if isinstance(example, bool) else True
        if isinstance(example, (int, float)) and not isinstance(example, bool):
            return example if kind == "number" else int(example)
        return max(1, int(schema.get("minimum", 1)))

    def _text(self, schema: Schema, name: str) -> str:
        if schema.get("enum"):
            example = schema.get("example")
            return str(example if example in schema.get("enum", []) else schema.get("enum", [""])[0])
        if schema.get("format") == "date-time":
            return rfc3339(self._now)
        example = schema.get("example")
        if example is None and schema.get("format") == "json":
            return "{}"
        text = example if isinstance(example, str) and example else "沙箱" if example is None else str(example)
        if schema.get("sensitive"):
            return text[:_SEALABLE]
        if _names_something(name) and "format" not in schema and "pattern" not in schema:
            text = self._own_digits(name, text)
        return text[: schema.get("maxLength", len(text))]

    def _own_digits(self, name: str, example: str) -> str:
        """The example with other digits, so that two things do not have the same number."""
        stream = iter(hashlib.shake_256(f"{self._subject}:{name}".encode()).hexdigest(len(example)))
        return "".join(str(int(next(stream), 16) % 10) if letter.isascii() and letter.isdigit() else letter for letter in example)


def _fits(schema: Schema, value: Any) -> bool:
    """Whether a value that was sent or remembered can stand in an answer as it is."""
    if "anyOf" in schema and not any(_fits(choice, value) for choice in schema["anyOf"]):
        return False
    if schema.get("enum") and value not in schema.get("enum", []):
        return False
    kind = schema.get("type", "string")
    if kind == "object":
        return _object_fits(schema, value)
    if kind == "array":
        items = as_array(value)
        return items is not None and all(_fits(schema.get("items", {}), item) for item in items)
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _object_fits(schema: Schema, value: Any) -> bool:
    members = as_object(value)
    if members is None:
        return False
    known = schema.get("properties", {})
    return set(schema.get("required", [])) <= members.keys() and all(
        (name in known and _fits(known[name], member)) or not known for name, member in members.items()
    )
