"""Walks the schemas of a fact: every value that a body, a parameter, an answer or a notification describes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .facts_store import Fact

__all__ = ["PARAMETERS", "Place", "find_place", "places"]

PARAMETERS = ("path_params", "query_params", "headers", "form")


@dataclass(frozen=True)
class Place:
    """One schema in a fact. `part` is the top of its pointer (`body`, `responses`, …), `name` the nearest property's or parameter's."""

    fact: Fact
    pointer: str
    name: str
    schema: dict[str, Any]
    parent: dict[str, Any] | None

    @property
    def part(self) -> str:
        """`body`, `responses`, `path_params`, `query_params`, `headers`, `form` or `resource`."""
        return self.pointer.split("/")[1]

    def rename(self, name: str) -> None:
        """Give the property another name, where it stands and in the list of those required."""
        if self.parent is None:
            self.schema["name"] = name
            return
        self.parent["properties"] = {name if key == self.name else key: value for key, value in self.parent["properties"].items()}
        if "required" in self.parent:
            self.parent["required"] = [name if key == self.name else key for key in self.parent["required"]]

    def remove(self) -> None:
        """Take the property or parameter away."""
        if self.parent is None:
            self.fact[self.part].remove(self.schema)
            if not self.fact[self.part]:
                del self.fact[self.part]
        else:
            del self.parent["properties"][self.name]


def places(fact: Fact) -> Iterator[Place]:
    """Every schema of a fact, outer before inner."""
    for part in PARAMETERS:
        for parameter in list(fact.get(part, ())):
            yield from _within(fact, f"/{part}/{parameter['name']}", parameter["name"], parameter, None)
    for part in ("body", "resource"):
        if part in fact:
            yield from _within(fact, f"/{part}", "", fact[part], None)
    for status, schema in fact.get("responses", {}).items():
        if schema is not None:
            yield from _within(fact, f"/responses/{status}", "", schema, None)


def find_place(fact: Fact, pointer: str) -> Place | None:
    """The schema at a pointer, as `/body/properties/amount/properties/total` or `/query_params/limit`."""
    return next((place for place in places(fact) if place.pointer == pointer), None)


def _within(fact: Fact, pointer: str, name: str, schema: dict[str, Any], parent: dict[str, Any] | None) -> Iterator[Place]:
    yield Place(fact, pointer, name, schema, parent)
    for key, inner in list(schema.get("properties", {}).items()):
        yield from _within(fact, f"{pointer}/properties/{key}", key, inner, schema)
    if "items" in schema:
        yield from _within(fact, f"{pointer}/items", name, schema["items"], None)
    if "contentSchema" in schema:
        yield from _within(fact, f"{pointer}/contentSchema", name, schema["contentSchema"], None)
    for position, inner in enumerate(schema.get("anyOf", ())):
        yield from _within(fact, f"{pointer}/anyOf/{position}", name, inner, None)
