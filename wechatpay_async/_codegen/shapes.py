"""Decides where each `TypedDict` is written: once, however many operations say the same.

A type checker reads all that the client's types lead to, so each class that is not written is time for everybody who checks a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .typed_dicts import Definition, Field

__all__ = ["FEWEST_INHERITED", "Shapes", "Source", "arranged", "renamed"]

#: A body of fewer fields is read as fast as a base class is looked up.
FEWEST_INHERITED = 3


@dataclass(frozen=True)
class Source:
    """The definitions of one public module, named as below `api.types`: `pay`, `marketing.favor`, `v2_pay`, `events`."""

    module: str
    definitions: tuple[Definition, ...]


@dataclass(frozen=True)
class Shapes:
    """The classes to write. `common` are the objects that several modules have inside, `own` the others by module."""

    common: tuple[Definition, ...]
    own: Mapping[str, tuple[Definition, ...]]
    #: Each name with that of the class that is written for it.
    written: Mapping[str, str]


def arranged(sources: Iterable[Source]) -> Shapes:
    """Write an object inside a message once for all modules, and let a whole message inherit from an equal one of its module.

    A whole message keeps a class of its own: its name and its operation stand in errors, in editors and in OpenAPI documents.
    """
    first: dict[str, str] = {}
    first_inside: dict[tuple[Field, ...], str] = {}
    users: dict[str, set[str]] = {}
    kept: list[tuple[str, Definition]] = []
    for source in sources:
        first_whole: dict[tuple[Field, ...], str] = {}
        for each in source.definitions:
            fields = tuple(replace(field, annotation=renamed(field.annotation, first)) for field in each.fields)
            equal = (first_whole if each.whole else first_inside).setdefault(fields, each.name)
            first[each.name] = each.name if each.whole else equal
            users.setdefault(first[each.name], set()).add(source.module)
            if first[each.name] == each.name:
                inherits = equal != each.name and len(fields) >= FEWEST_INHERITED
                kept.append((source.module, replace(each, fields=fields, base=equal if inherits else None)))
    shortest = _shortest(first)
    own: dict[str, list[Definition]] = {}
    for module, each in kept:
        fields = tuple(replace(field, annotation=renamed(field.annotation, shortest)) for field in each.fields)
        own.setdefault("" if len(users[each.name]) > 1 else module, []).append(replace(each, name=shortest[each.name], fields=fields))
    return Shapes(
        common=tuple(own.pop("", ())),
        own={module: tuple(definitions) for module, definitions in own.items()},
        written={name: shortest[equal] for name, equal in first.items()},
    )


def _shortest(first: Mapping[str, str]) -> dict[str, str]:
    """The shortest of the names that are written as one class, by the first of them: it stands in the errors of all."""
    shortest: dict[str, str] = {}
    for name, equal in first.items():
        shortest[equal] = min(name, shortest.get(equal, name), key=lambda each: (len(each), each))
    return shortest


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The text of an annotation with other names in it."""
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), text)
