"""Finds operations and notifications by words, and tells what is known of one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import RequestError
from .matching import match
from .model import API, Event, Operation, Value
from .store import event, events, operation, operations

__all__ = ["Description", "Field", "describe", "search"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `place` is `path`, `query`, `header`, `form`, `body`, `answer` or `resource`; `name` its path there (`amount.total`)."""

    place: str
    name: str
    type: str
    required: bool
    title: str
    sensitive: bool
    values: tuple[str | int, ...]

    def __str__(self) -> str:
        marks = [self.type, "required" if self.required else "", "encrypted" if self.sensitive else "", self.title]
        values = f" [{', '.join(map(str, self.values))}]" if self.values else ""
        return f"{self.name}: {', '.join(mark for mark in marks if mark)}{values}"


@dataclass(frozen=True, slots=True)
class Description:
    """What the catalogue knows of an operation or a notification; as text, a page to read.

    `flags` says in words what is special (another host, a client certificate, an unsigned answer, …).
    """

    name: str
    title: str
    tags: tuple[str, ...]
    roles: tuple[str, ...]
    flags: tuple[str, ...]
    fields: tuple[Field, ...]
    docs: tuple[str, ...]

    @property
    def page(self) -> str | None:
        """The first official page, where one is known."""
        return self.docs[0] if self.docs else None

    def __str__(self) -> str:
        head = [f"{self.name}  {self.title}", *(f"  {', '.join(line)}" for line in (self.tags, self.roles, self.flags) if line)]
        body: list[str] = []
        for place in dict.fromkeys(field.place for field in self.fields):
            body += [f"{place}:", *(f"  {field}" for field in self.fields if field.place == place)]
        return "\n".join([*head, *body, *self.docs])


def search(text: str, limit: int = 20) -> list[Operation | Event]:
    """The operations and notifications that have every word of the text in their title, business area, path or name.

    The closest come first, and of those as close the shortest. Chinese (`退款`) or English (`refund`); reads the whole catalogue once,
    which takes about 100 ms.
    """
    words = text.casefold().split()
    if not words:
        return []
    candidates: list[Operation | Event] = [*operations(), *events()]
    scored = [(score, candidate) for candidate in candidates if (score := _score(candidate, words))]
    scored.sort(key=lambda each: (-each[0], len(each[1].title), len(_name(each[1]))))
    return [candidate for _, candidate in scored[:limit]]


def _score(candidate: Operation | Event, words: list[str]) -> int:
    """0 unless every word is found; a word in the title counts most, a whole segment more than a part, what few look for less."""
    title = candidate.title.casefold()
    name = _name(candidate).casefold()
    tags = "" if isinstance(candidate, Event) else " ".join(candidate.tags).casefold()
    segments = name.replace(".", "/").replace(" ", "/").split("/")
    total = 0
    for word in words:
        score = 8 * (title == word) + 4 * (word in title) + 3 * (word in segments) + 2 * (word in name) + (word in tags)
        if not score:
            return 0
        total += score
    return max(1, total - 3 * _is_rare(candidate))


def _is_rare(candidate: Operation | Event) -> bool:
    """Deprecated, for testing, or on another host than a merchant in China calls."""
    if isinstance(candidate, Event):
        return False
    return candidate.deprecated or candidate.base_url is not None or "/global/" in candidate.path or "sandbox" in candidate.path


def _name(candidate: Operation | Event) -> str:
    return candidate.event if isinstance(candidate, Event) else candidate.id


def describe(target: Operation | Event | str) -> Description:
    """What is known of an operation (`POST /v3/pay/transactions/native`, template or concrete path) or a notification (`REFUND.SUCCESS`).

    Raises `RequestError` for a name that the catalogue has not, with the nearest ones.
    """
    found = _find(target) if isinstance(target, str) else target
    return _of_event(found) if isinstance(found, Event) else _of_operation(found)


def _find(name: str) -> Operation | Event:
    method, _, path = name.strip().partition(" ")
    api: API = "v3" if path.startswith("/v3/") else "v2"
    found = operation(api, method, path) or event(name.strip())
    if found is not None:
        return found
    matched = match(method, path)
    if matched is not None:
        return matched[0]
    known = [*map(_name, operations()), *map(_name, events())]
    near = difflib.get_close_matches(name, known, 3)
    raise RequestError(f"the catalogue has no {name!r}", hint=f"did you mean {' or '.join(near)}?" if near else "try catalog.search")


def _of_operation(found: Operation) -> Description:
    return Description(found.id, found.title, found.tags, found.roles, tuple(_flags(found)), tuple(_fields(found)), found.docs)


def _of_event(found: Event) -> Description:
    originals = (f"original_type {' or '.join(found.original_types)}",) if found.original_types else ()
    fields = tuple(_inner("resource", "", found.resource))
    return Description(f"{found.api} {found.event}", found.title, (), (), originals, fields, found.docs)


def _flags(found: Operation) -> Iterator[str]:
    if found.base_url is not None:
        yield f"on {found.base_url}"
    if found.client_cert:
        yield "wants the merchant's client certificate"
    if not found.nonce:
        yield "no nonce_str"
    if not found.response_signed:
        yield "its answer is not signed"
    if found.is_upload:
        yield "multipart upload"
    if found.download:
        yield "answers a file"
    if found.deprecated:
        yield "deprecated"


def _fields(found: Operation) -> Iterator[Field]:
    listed = (("path", found.path_params), ("query", found.query_params), ("header", found.headers), ("form", found.form))
    for place, parameters in listed:
        for parameter in parameters:
            yield from _value(place, parameter["name"], parameter, required=parameter["required"])
    yield from _inner("body", "", found.body or {})
    for schema in found.responses.values():
        yield from _inner("answer", "", schema or {})


def _value(place: str, name: str, value: Value, *, required: bool) -> Iterator[Field]:
    kind = value.get("type", "any")
    shown = f"{kind} ({value['format']})" if "format" in value else kind
    yield Field(place, name, shown, required, value.get("title", ""), value.get("sensitive", False), tuple(value.get("enum", ())))
    yield from _inner(place, name, value)


def _inner(place: str, name: str, value: Value) -> Iterator[Field]:
    """The fields below: of an object, of an array's items, of the document in a text."""
    properties: Mapping[str, Value] = value.get("properties", {})
    required = value.get("required", ())
    for key, inner in properties.items():
        yield from _value(place, f"{name}.{key}" if name else key, inner, required=isinstance(required, list) and key in required)
    if "items" in value:
        yield from _inner(place, f"{name}[]", value["items"])
    if "contentSchema" in value:
        yield from _inner(place, name, value["contentSchema"])
