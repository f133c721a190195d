"""Finds what is plainly wrong in the facts; the generator refuses a catalogue in which anything is found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from wechatpay_async.catalog import Parameter, Schema

from .facts_store import Fact, identity
from .places import PARAMETERS, Place, places
from .values import has_type, off_type, stray_required

__all__ = ["Fault", "FaultyCatalogue", "find_faults", "refuse_faults"]

FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(_\$n)?(_\$m)?")
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
KEYS = frozenset({*Schema.__annotations__, *Parameter.__annotations__})
FORMATS = {
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "date": r"\d{4}-\d\d-\d\d",
    "yyyyMMddHHmmss": r"\d{14}",
    "numeric": r"\d+",
    "uri": None,
    "media-id": None,
    "json": None,
}
#: Which types a limit speaks of.
LIMITS = {
    "maxLength": ("string",),
    "minLength": ("string",),
    "pattern": ("string",),
    "format": ("string",),
    "sensitive": ("string",),
    "contentSchema": ("string",),
    "maximum": ("integer", "number"),
    "minimum": ("integer", "number"),
    "maxItems": ("array",),
    "minItems": ("array",),
    "items": ("array",),
    "properties": ("object",),
}
#: Words that a title is cut from, or that stand where a title should: a list's heading, a condition, a unit, a value.
NO_TITLE = re.compile(
    r"^(枚举值|枚举类型|单位分|时|CNY|[a-z_]+_[a-z]+|[A-Z_]+_[A-Z]+)$|^\d+、|^(仅在|遵循|如果|必须|需要跟|固定[值填])|\*\*"
    r"|(结算|成功|完成)后$|接口时$|为[A-Z]+时$|时传入$|[、，：；]$|(?<!目)的$|。"
)
#: Words of an explanation that stands where an example should.
NO_EXAMPLE = re.compile(r"^示例(值|见)|见下文|如下表|或者$|或者[A-Z\d]|需要传|必须|唯一标识。|^支持\d|不包括|建议不")
BRACKETS = ("（）", "()", "[]", "“”", "「」", "【】")


class Fault(NamedTuple):
    """One thing that is wrong: its kind, where it stands, and what was found."""

    kind: str
    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.found}"


class FaultyCatalogue(Exception):
    """The catalogue has faults that no override corrects."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("correct these in _codegen/overrides/, each with its reason and source:\n" + "\n".join(map(str, faults)))
        self.faults = faults


def refuse_faults(facts: list[Fact]) -> None:
    """Raise `FaultyCatalogue` unless the facts are without fault."""
    faults = list(find_faults(facts))
    if faults:
        raise FaultyCatalogue(faults)


def find_faults(facts: list[Fact]) -> Iterator[Fault]:
    """All faults, fact by fact."""
    for fact in facts:
        for kind, found in _faults_of_fact(fact):
            yield Fault(kind, identity(fact), found)
        for place in places(fact):
            for kind, check in CHECKS.items():
                for found in check(place):
                    yield Fault(kind, f"{identity(fact)} {place.pointer}", found)


def _faults_of_fact(fact: Fact) -> Iterator[tuple[str, str]]:
    if "event" in fact:
        return
    placeholders = re.findall(r"\{([^}]*)\}", fact["path"])
    named = [parameter["name"] for parameter in fact.get("path_params", ())]
    if sorted(placeholders) != sorted(named) or len(set(placeholders)) != len(placeholders):
        yield "path parameters are not the template's", f"{named} for {fact['path']}"
    for kind in PARAMETERS:
        names = [parameter["name"] for parameter in fact.get(kind, ())]
        if len(set(names)) != len(names):
            yield "a parameter is listed twice", f"{kind} {names}"
    for name in set(named) & {parameter["name"] for parameter in fact.get("query_params", ())}:
        yield "a path parameter is a query parameter too", name
    for page in fact.get("docs", ()):
        if not re.fullmatch(r"https://[\w./?=&%#:;+-]+", page):
            yield "a page is no https address", page


def _type(place: Place) -> Iterator[str]:
    if "type" not in place.schema and "anyOf" not in place.schema:
        yield "no type"
    elif place.schema.get("type") not in ("string", "integer", "number", "boolean", "object", "array", "file", None):
        yield str(place.schema["type"])


def _real_number(place: Place) -> Iterator[str]:
    """Amounts are whole fen, counts and ids are whole: a real number shows a fraction in its example."""
    example = place.schema.get("example")
    if place.schema.get("type") == "number" and not (isinstance(example, float) and example % 1):
        yield f"number, example {example!r}"


def _items(place: Place) -> Iterator[str]:
    if place.schema.get("type") == "array" and "items" not in place.schema:
        yield "an array of nobody knows what"


def _limits(place: Place) -> Iterator[str]:
    kind = place.schema.get("type")
    for key, kinds in LIMITS.items():
        if key in place.schema and kind is not None and kind not in kinds:
            yield f"{key} on {kind}"
    for low, high in (("minLength", "maxLength"), ("minimum", "maximum"), ("minItems", "maxItems")):
        if place.schema.get(low, 0) > place.schema.get(high, float("inf")):
            yield f"{low} above {high}"
    if place.schema.get("minLength", 0) > 64 or place.schema.get("maxLength", 1) > 100_000:
        yield f"lengths {place.schema.get('minLength')}..{place.schema.get('maxLength')}"


def _required(place: Place) -> Iterator[str]:
    required = place.schema.get("required")
    is_parameter = "name" in place.schema
    if is_parameter and not isinstance(required, bool):
        yield f"a parameter says {required!r} of itself"
    if not is_parameter and isinstance(required, bool):
        yield f"a schema says {required!r} of its properties"
    for name in stray_required(place.schema):
        yield f"no property {name}"


def _path_required(place: Place) -> Iterator[str]:
    if place.part == "path_params" and "name" in place.schema and not place.schema.get("required"):
        yield "a placeholder must be filled"


def _name(place: Place) -> Iterator[str]:
    allowed = HEADER_NAME if place.part == "headers" else FIELD_NAME
    if place.name and not allowed.fullmatch(place.name):
        yield repr(place.name)


def _title(place: Place) -> Iterator[str]:
    title = place.schema.get("title", "-")
    unclosed = [pair for pair in BRACKETS if title.count(pair[0]) != title.count(pair[1])]
    if unclosed or title.count("`") % 2 or NO_TITLE.search(title) or title != title.strip() or not title:
        yield repr(title)


def _enum(place: Place) -> Iterator[str]:
    values = place.schema.get("enum")
    if values is None:
        return
    if not values or len(set(map(str, values))) != len(values):
        yield f"empty or twice the same: {values}"
    if off := off_type(place.schema, values):
        yield f"not {place.schema.get('type')}: {off}"
    if stray := [value for value in values if isinstance(value, str) and not _is_enum_value(value)]:
        yield f"stray text: {stray}"
    siblings: dict[str, Any] = place.parent["properties"] if place.parent else {}
    if any(value in siblings for value in values) and not all(str(value).islower() for value in values):
        yield f"names of sibling fields: {values}"


def _is_enum_value(value: str) -> bool:
    if re.search(r"[，。：；、（）()\"'`|/]| - |^\s|\s$|^$", value):
        return False
    return not re.fullmatch(r"[A-Z]+(_[A-Za-z]+)*_[A-Z]*[a-z]+[A-Z]+(_[A-Z]+)*", value)


def _example(place: Place) -> Iterator[str]:
    example, kind = place.schema.get("example"), place.schema.get("type")
    if example is None:
        return
    if not has_type(example, kind):
        yield f"{example!r} is no {kind}"
    elif "enum" in place.schema and example not in place.schema["enum"]:
        yield f"{example!r} is none of {place.schema['enum']}"
    elif isinstance(example, str) and len(example) > place.schema.get("maxLength", len(example)):
        yield f"longer than {place.schema['maxLength']}: {example!r}"
    elif isinstance(example, str) and NO_EXAMPLE.search(example):
        yield f"an explanation, no value: {example!r}"


def _format(place: Place) -> Iterator[str]:
    kind, example = place.schema.get("format"), place.schema.get("example")
    if kind is None:
        if place.schema.get("type") == "string" and isinstance(example, str) and re.fullmatch(FORMATS["date-time"] or "", example):
            yield f"a time without its format: {example}"
    elif kind not in FORMATS:
        yield f"unknown: {kind}"
    elif isinstance(example, str) and (pattern := FORMATS[kind]) and not re.fullmatch(pattern, example):
        yield f"{example!r} is no {kind}"


def _date(place: Place) -> Iterator[str]:
    """A time of day in seconds or a Unix time shows a whole number in its example; else it is RFC 3339, thus a string."""
    if (
        place.schema.get("type") == "integer"
        and place.name.endswith(("_time", "_date"))
        and not isinstance(place.schema.get("example"), int)
    ):
        yield f"integer, example {place.schema.get('example')!r}"


def _pattern(place: Place) -> Iterator[str]:
    pattern = place.schema.get("pattern")
    if pattern is None:
        return
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        yield f"{pattern!r}: {error}"
        return
    unfit = "example" in place.schema and not compiled.search(str(place.schema["example"]))
    if pattern.startswith("/") or unfit:
        yield repr(pattern)


def _keys(place: Place) -> Iterator[str]:
    yield from sorted(place.schema.keys() - KEYS)


CHECKS: dict[str, Callable[[Place], Iterator[Any]]] = {
    "a schema has an unknown key": _keys,
    "a type is missing or impossible": _type,
    "a whole number is typed as a real one": _real_number,
    "an array does not say of what": _items,
    "a limit speaks of another type": _limits,
    "required names no property": _required,
    "a placeholder is not required": _path_required,
    "a name cannot be a field": _name,
    "a title is cut or no title": _title,
    "an enum has a wrong value": _enum,
    "an example contradicts its field": _example,
    "a format is unknown, missing or not the example's": _format,
    "a time is typed as an integer": _date,
    "a pattern does not work": _pattern,
}
