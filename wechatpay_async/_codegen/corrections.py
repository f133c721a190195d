"""Applies the overrides to the facts: every correction is data with its reason and source, and one that corrects nothing is refused.

A correction says where (`operation` or `event` with the pointer `at`, or `where` with conditions that many places meet), does one thing
(`set`, `drop`, `add`, `rename`, `remove`, `borrow`, `repair`) and explains itself (`what`, `why`, `source`).
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

from .facts_store import Fact, identity
from .places import Place, find_place, places
from .values import off_type, stray_required

__all__ = ["OVERRIDES", "Correction", "CorrectionError", "correct", "read_corrections"]

OVERRIDES = Path(__file__).parent / "overrides"
#: Corrections of single places come first, the notifications after the operations that they borrow from, then those of many places.
LAST = ("events.json", "rules.json")

#: A correction of these parts alone leaves everything where it stands.
SHALLOW = frozenset({"operation", "event", "at", "where", "drop", "set", "what", "why", "source"})

Correction = Mapping[str, Any]


class CorrectionError(Exception):
    """A correction cannot be applied, or has nothing left to correct."""


def read_corrections(folder: Path = OVERRIDES) -> list[Correction]:
    """All corrections: the services' by name, the notifications', then the rules, each file in its order."""
    names = sorted(folder.glob("*.json"), key=lambda path: (LAST.index(path.name) + 1 if path.name in LAST else 0, path.name))
    return [cast("Correction", each) for path in names for each in json.loads(path.read_text(encoding="utf-8"))]


def correct(facts: list[Fact], corrections: Sequence[Correction]) -> list[Fact]:
    """The corrected facts; the given ones stay as they are. Raises `CorrectionError` for a correction that changes nothing."""
    ground = _Ground(copy.deepcopy(facts))
    for correction in corrections:
        _explained(correction)
        changed = [_apply(correction, place, ground) for place in ground.targets(correction)]
        if not any(changed):
            raise CorrectionError(f"nothing to correct: {_name(correction)}")
        if not SHALLOW.issuperset(correction):
            ground.forget_places()
    return ground.facts


class _Ground:
    """The facts under correction, and where everything in them stands."""

    def __init__(self, facts: list[Fact]) -> None:
        self.facts = facts
        self._by_identity = {identity(fact): fact for fact in facts}
        self._by_title: dict[str | None, list[Place]] = {}

    def targets(self, correction: Correction) -> list[Place]:
        """The places that a correction speaks of."""
        if "where" in correction:
            return [place for place in self._candidates(correction["where"]) if _meets(place, correction["where"])]
        place = self.find(correction.get("operation") or correction.get("event") or "", correction["at"])
        if place is None:
            raise CorrectionError(f"no such place: {_name(correction)}")
        return [place]

    def find(self, name: str, pointer: str) -> Place | None:
        """The place of a pointer in an operation or notification."""
        fact = self._by_identity.get(name)
        return None if fact is None else find_place(fact, pointer)

    def forget_places(self) -> None:
        """After a correction that moved something."""
        self._by_title = {}

    def _candidates(self, where: Mapping[str, Any]) -> Iterable[Place]:
        """Not fewer places than the conditions can be met by: a title or an operation narrows them down."""
        if isinstance(where.get("operation"), str):
            return places(self._by_identity[where["operation"]])
        if not self._by_title:
            for fact in self.facts:
                for place in places(fact):
                    self._by_title.setdefault(place.schema.get("title"), []).append(place)
        if isinstance(where.get("title"), str):
            return self._by_title.get(where["title"], ())
        return chain.from_iterable(self._by_title.values())


def _explained(correction: Correction) -> None:
    for key in ("what", "why", "source"):
        if not correction.get(key):
            raise CorrectionError(f"{key} is missing: {_name(correction)}")


def _name(correction: Correction) -> str:
    where = correction.get("operation") or correction.get("event") or correction.get("where")
    return f"{where} {correction.get('at', '')}: {correction.get('what', 'no explanation')}"


def _meets(place: Place, where: Mapping[str, Any]) -> bool:
    return all(_CONDITIONS[condition](place, wanted) for condition, wanted in where.items())


def _one_of(actual: object, wanted: object) -> bool:
    return actual in cast("list[object]", wanted) if isinstance(wanted, list) else actual == wanted


def _matches(value: object, pattern: str) -> bool:
    return isinstance(value, str) and re.search(pattern, value) is not None


_CONDITIONS: dict[str, Callable[[Place, Any], bool]] = {
    "api": lambda place, wanted: place.fact["api"] == wanted,
    "operation": lambda place, wanted: _one_of(identity(place.fact), wanted),
    "at": lambda place, wanted: _one_of(place.pointer, wanted),
    "part": lambda place, wanted: _one_of(place.part, wanted),
    "name": lambda place, wanted: _one_of(place.name, wanted),
    "type": lambda place, wanted: _one_of(place.schema.get("type"), wanted),
    "format": lambda place, wanted: _one_of(place.schema.get("format"), wanted),
    "title": lambda place, wanted: _one_of(place.schema.get("title"), wanted),
    "has": lambda place, wanted: wanted in place.schema,
    "lacks": lambda place, wanted: wanted not in place.schema,
    "title_like": lambda place, pattern: _matches(place.schema.get("title"), pattern),
    "pattern_like": lambda place, pattern: _matches(place.schema.get("pattern"), pattern),
    "example_like": lambda place, pattern: _matches(place.schema.get("example"), pattern),
    "required_stray": lambda place, wanted: bool(stray_required(place.schema)) == wanted,
    "example_off": lambda place, wanted: (
        bool(off_type(place.schema, [place.schema["example"]] if "example" in place.schema else [])) == wanted
    ),
    "enum_off": lambda place, wanted: bool(off_type(place.schema, place.schema.get("enum", []))) == wanted,
    "example_fractional": lambda place, wanted: (float(place.schema.get("example") or 0) % 1 != 0) == wanted,
}


def _apply(correction: Correction, place: Place, ground: _Ground) -> bool:
    before = copy.deepcopy(place.schema)
    if "set" in correction:
        place.schema.update(copy.deepcopy(correction["set"]))
    for key in correction.get("drop", ()):
        place.schema.pop(key, None)
    if "add" in correction:
        place.schema.setdefault("properties", {}).update(copy.deepcopy(correction["add"]))
    if "rename" in correction:
        place.rename(correction["rename"])
    if "remove" in correction:
        place.remove()
    if "borrow" in correction:
        _borrow(place.schema, _lender(correction, ground))
    if "repair" in correction:
        _REPAIRS[correction["repair"]](place.schema)
    return "rename" in correction or "remove" in correction or place.schema != before


def _lender(correction: Correction, ground: _Ground) -> Mapping[str, Any]:
    place = ground.find(correction["borrow"]["from"], correction["borrow"]["at"])
    if place is None:
        raise CorrectionError(f"nothing to borrow from: {_name(correction)}")
    return place.schema


def _borrow(schema: dict[str, Any], lender: Mapping[str, Any]) -> None:
    """Add the properties that the lender has and the schema lacks, at every depth."""
    for name, lent in lender.get("properties", {}).items():
        own = schema.setdefault("properties", {}).setdefault(name, copy.deepcopy(lent))
        _borrow(own, lent)
    if "items" in lender and "items" in schema:
        _borrow(schema["items"], lender["items"])


def _example_as_type(schema: dict[str, Any]) -> None:
    example = _converted(schema["example"], schema["type"]) if "example" in schema else None
    if example is None:
        schema.pop("example", None)
    else:
        schema["example"] = example


def _converted(value: Any, kind: str) -> Any:
    match kind:
        case "string":
            return _as_text(value)
        case "integer" | "number" if isinstance(value, str):
            return int(value) if re.fullmatch(r"-?\d+", value) else None
        case "boolean" if isinstance(value, str):
            return {"true": True, "false": False}.get(value.lower())
        case "array" | "object" if isinstance(value, str):
            return _as_document(value, list if kind == "array" else dict)
        case _:
            return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_document(value: str, kind: type) -> Any:
    try:
        document = json.loads(value)
    except ValueError:
        return None
    return document if isinstance(document, kind) else None


def _enum_as_type(schema: dict[str, Any]) -> None:
    schema["enum"] = [_converted(value, schema["type"]) for value in schema["enum"]]


def _required_as_named(schema: dict[str, Any]) -> None:
    named = [name for name in schema["required"] if name in schema.get("properties", {})]
    if named:
        schema["required"] = named
    else:
        del schema["required"]


def _document_in_text(schema: dict[str, Any]) -> None:
    """The properties belong to the document inside the string, not to the string."""
    listed = isinstance(schema.get("required"), list)
    inner = {key: schema.pop(key) for key in ("properties", "required") if key == "properties" or listed}
    if listed and "name" in schema:
        schema["required"] = True
    schema |= {"type": "string", "contentSchema": {"type": "object"} | inner}


def _pattern_as_python(schema: dict[str, Any]) -> None:
    schema["pattern"] = f"^(?:{schema['pattern'].removeprefix('/').removesuffix('/')})$"


def _title_before_bracket(schema: dict[str, Any]) -> None:
    schema["title"] = re.sub(r"\s*[（(][^）)]*$", "", schema["title"])


def _seconds_in_example(schema: dict[str, Any]) -> None:
    schema["example"] = re.sub(r"T(\d\d:\d\d)([+-])", r"T\1:00\2", schema["example"])


_REPAIRS: dict[str, Callable[[dict[str, Any]], None]] = {
    "example as type": _example_as_type,
    "enum as type": _enum_as_type,
    "required as named": _required_as_named,
    "document in text": _document_in_text,
    "pattern as Python": _pattern_as_python,
    "title before bracket": _title_before_bracket,
    "seconds in example": _seconds_in_example,
}
