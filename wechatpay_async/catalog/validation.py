"""Checks what is about to be sent against the catalogue; nothing is ever changed.

Two sorts of problems. `always`: the server, JSON or the path cannot take it, whatever the catalogue says: a missing placeholder, null,
NaN, bytes, a fraction or a boolean where a whole number (fen) is due, keys that are not text, characters beyond the Basic Multilingual
Plane. The others the server may have been loosened for since, or the catalogue may be wrong about: unknown and missing fields, another
type, values, lengths, patterns.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, cast

from .model import Operation, Parameter, Schema

__all__ = ["Problem", "Validator", "compile_validator"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    `path` is the field's JSON path (`$.goods_detail[0].price`; `query.limit` and `path.transaction_id` for the others), `message` says
    what is wanted and what kind of value came, `always` that it is refused whatever the setting, `page` the official page.
    """

    path: str
    message: str
    always: bool
    page: str | None


class _Finding(NamedTuple):
    """A problem as seen from the value that is checked: `below` is the rest of the path."""

    below: str
    message: str
    always: bool

    def under(self, step: str) -> _Finding:
        """The same, seen from one level above."""
        return self._replace(below=step + self.below)


_Findings = Sequence[_Finding]
_Check = Callable[[Any], _Findings]
_FINE: _Findings = ()

#: Neither UTF-8 nor the server takes them: lone surrogates, and what lies beyond the Basic Multilingual Plane (emoji).
_NOT_TAKEN = re.compile("[\ud800-\udfff\U00010000-\U0010ffff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS = re.compile(r"-?[0-9]+")
_FORMATS = {
    "date-time": (
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
        "a time like 2018-06-08T10:34:56+08:00",
    ),
    "date": (re.compile(r"\d{4}-\d\d-\d\d"), "a date like 2018-06-08"),
    "yyyyMMddHHmmss": (re.compile(r"\d{14}"), "a time like 20180608103456"),
    "numeric": (re.compile(r"[0-9]+"), "digits"),
}
_NUMBERED = re.compile(r"\\\$[nm]")
_AMOUNT = re.compile("金额|金|价|费|预算|余额|资金")
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")


class _Wire(NamedTuple):
    """How values travel: APIv2 and queries write numbers as text, and JSON alone has its own kinds of values."""

    as_text: bool
    refused_text: re.Pattern[str]


_JSON = _Wire(as_text=False, refused_text=_NOT_TAKEN)
_XML = _Wire(as_text=True, refused_text=_LONE_SURROGATE)
_QUERY = _Wire(as_text=True, refused_text=_NOT_TAKEN)


class Validator:
    """The checks of one operation, made once; see `compile_validator`."""

    def __init__(self, operation: Operation) -> None:
        self._page = operation.docs_url
        self._body = _object(_body_schema(operation), _XML if operation.api == "v2" else _JSON, given=operation.client_filled)
        self._query = _object(operation.query_schema, _QUERY, given=operation.client_filled)
        self._path = {parameter["name"]: _path_value(parameter) for parameter in operation.path_params}

    def check_body(self, data: Any) -> list[Problem]:
        """The problems of a body, or of what goes beside the file of an upload; `None` is an empty one."""
        return self._problems("$", self._body(_plain(data)))

    def check_query(self, params: Any) -> list[Problem]:
        """The problems of the query parameters; `None` is none of them."""
        return self._problems("query", self._query(_plain(params)))

    def check_path(self, values: Mapping[str, Any]) -> list[Problem]:
        """The problems of the placeholders' values. Names that the path has not are the chain's matter."""
        findings = [found.under(f".{name}") for name, check in self._path.items() for found in check(values.get(name))]
        return self._problems("path", findings)

    def _problems(self, root: str, findings: _Findings) -> list[Problem]:
        return [Problem(root + found.below, found.message, found.always, self._page) for found in findings]


@cache
def compile_validator(operation: Operation) -> Validator:
    """The checks of an operation. Made once and kept, so that a call pays only for its own values."""
    return Validator(operation)


def _plain(values: object) -> object:
    """The outermost mapping may be of any kind; JSON knows dicts alone below it."""
    if values is None:
        return {}
    is_other_mapping = issubclass(type(values), Mapping) and not issubclass(type(values), dict)
    return dict(cast("Mapping[object, object]", values)) if is_other_mapping else values


def _body_schema(operation: Operation) -> Schema:
    """What the caller gives: the body, or the fields of an upload's meta and the form's other parts (the client makes the digests)."""
    if not operation.is_upload:
        return operation.body or {"type": "object"}
    properties: dict[str, Schema] = {}
    for part in operation.form:
        if "contentSchema" in part:
            properties |= part["contentSchema"].get("properties", {})
        elif part.get("type") != "file":
            properties[part["name"]] = _schema_of(part)
    return {"type": "object", "properties": properties}


def _schema_of(parameter: Parameter) -> Schema:
    return cast("Schema", {key: value for key, value in parameter.items() if key not in ("name", "required")})


def _check_of(schema: Schema, wire: _Wire) -> _Check:
    """The check of one schema."""
    if "anyOf" in schema:
        return _any_of([_check_of(each, wire) for each in schema["anyOf"]])
    match schema.get("type"):
        case "object":
            return _object(schema, wire)
        case "array":
            return _array(schema, wire)
        case "string":
            return _string(schema, wire)
        case "integer":
            return _integer(schema, wire)
        case "number":
            return _number(schema, wire)
        case "boolean":
            return _boolean(schema, wire)
        case _:
            return _sendable(wire)


def _any_of(checks: list[_Check]) -> _Check:
    def check(value: Any) -> _Findings:
        findings = [each(value) for each in checks]
        return min(findings, key=len)

    return check


def _object(schema: Schema, wire: _Wire, given: frozenset[str] = frozenset()) -> _Check:
    """Fields, those missing and those unknown. `given` are fields that the client fills in itself."""
    properties = schema.get("properties", {})
    fields = {name: _check_of(inner, wire) for name, inner in properties.items() if "$" not in name}
    numbered = [(_numbered_name(name), _check_of(inner, wire)) for name, inner in properties.items() if "$" in name]
    required = frozenset(name for name in schema.get("required", ()) if "$" not in name) - given
    sendable = _sendable(wire)
    is_open = not properties

    def check(value: Any) -> _Findings:
        if not isinstance(value, dict):
            return _another_kind(cast("object", value), "an object", schema, sendable)
        entries = cast("Mapping[Any, Any]", value)
        findings: list[_Finding] = []
        for name, item in entries.items():
            inner = fields.get(name)
            found = inner(item) if inner is not None else unknown(name, item)
            if found:
                findings += [each.under(_step(name)) for each in found]
        if not entries.keys() >= required:
            findings += [_missing(name, properties[name]) for name in sorted(required - entries.keys())]
        return findings

    def unknown(name: Any, item: Any) -> _Findings:
        if (unnamed := _not_a_name(name, wire)) is not None:
            return [unnamed]
        for pattern, inner in numbered:
            if pattern.fullmatch(name):
                return inner(item)
        findings = sendable(item)
        if is_open or name in given:
            return findings
        likely = difflib.get_close_matches(cast("str", name), properties, 1)
        hint = f"; did you mean {likely[0]}?" if likely else ""
        return [*findings, _Finding("", f"no such field is documented{hint}", always=False)]

    return check


def _not_a_name(name: object, wire: _Wire) -> _Finding | None:
    if not isinstance(name, str):
        return _Finding("", f"names are text, got the key {type(name).__name__}", always=True)
    return _beyond(name, wire.refused_text) if wire.refused_text.search(name) else None


def _numbered_name(name: str) -> re.Pattern[str]:
    """`coupon_id_$n` names `coupon_id_0`, `coupon_id_1`, …"""
    return re.compile(_NUMBERED.sub("[0-9]+", re.escape(name)))


def _missing(name: str, schema: Schema) -> _Finding:
    return _Finding(_step(name), f"is required{_titled(schema)}", always=False)


def _array(schema: Schema, wire: _Wire) -> _Check:
    each = _check_of(schema.get("items", {}), wire)
    least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    sendable = _sendable(wire)

    def check(value: Any) -> _Findings:
        if not isinstance(value, (list, tuple)):
            return _another_kind(cast("object", value), "an array", schema, sendable)
        items = cast("Sequence[Any]", value)
        findings = [found.under(f"[{position}]") for position, item in enumerate(items) for found in each(item)]
        if not least <= len(items) <= most:
            findings.append(_Finding("", f"{_range(least, most)} items are wanted, got {len(items)}", always=False))
        return findings

    return check


def _string(schema: Schema, wire: _Wire) -> _Check:
    refused = wire.refused_text
    rules = _text_rules(schema)
    takes_document = wire.as_text and schema.get("format") == "json"
    sendable = _sendable(wire)

    def check(value: Any) -> _Findings:
        if isinstance(value, str):
            if not value.isascii() and refused.search(value):
                return [_beyond(value, refused)]
            for rule in rules:
                if (message := rule(value)) is not None:
                    return [_Finding("", message, always=False)]
            return _FINE
        if wire.as_text and isinstance(value, int) and not isinstance(value, bool):
            return check(str(value))
        if takes_document and isinstance(value, (dict, list)):
            return sendable(cast("object", value))
        return _another_kind(value, "text", schema, sendable)

    return check


_Rule = Callable[[str], str | None]


def _text_rules(schema: Schema) -> list[_Rule]:
    """What a text must be like besides being text."""
    rules: list[_Rule] = []
    if "enum" in schema:
        rules.append(_one_of(schema["enum"], schema))
    # a sensitive value travels encrypted: its length and look are the plaintext's, the caller may have encrypted it already
    if schema.get("sensitive"):
        return rules
    if "maxLength" in schema or "minLength" in schema:
        rules.append(_of_length(schema.get("minLength", 0), schema.get("maxLength", math.inf)))
    if "pattern" in schema:
        rules.append(_like(re.compile(schema["pattern"]), f"text like {schema['pattern']}"))
    if (kind := schema.get("format", "")) in _FORMATS:
        rules.append(_like(*_FORMATS[kind]))
    return rules


def _one_of(values: list[str | int], schema: Schema) -> _Rule:
    allowed = frozenset(map(str, values))
    wanted = f"one of {', '.join(map(str, values))} is wanted{_titled(schema)}"
    shows = not schema.get("sensitive")

    def rule(value: str) -> str | None:
        if value in allowed:
            return None
        return f"{wanted}, got {value!r}" if shows and len(value) <= 64 else f"{wanted}, got text of {len(value)} characters"

    return rule


def _of_length(least: int, most: float) -> _Rule:
    def rule(value: str) -> str | None:
        return None if least <= len(value) <= most else f"{_range(least, most)} characters are wanted, got {len(value)}"

    return rule


def _like(pattern: re.Pattern[str], wanted: str) -> _Rule:
    def rule(value: str) -> str | None:
        return None if pattern.fullmatch(value) else f"{wanted} is wanted, got text of {len(value)} characters"

    return rule


def _integer(schema: Schema, wire: _Wire) -> _Check:
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    allowed = frozenset(map(str, schema["enum"])) if "enum" in schema else None
    unit = ", in fen" if _AMOUNT.search(schema.get("title", "")) else ""
    sendable = _sendable(wire)

    def check(value: Any) -> _Findings:
        if type(value) is int:
            if allowed is not None and str(value) not in allowed:
                return [_Finding("", f"one of {', '.join(sorted(allowed))} is wanted{_titled(schema)}, got {value}", always=False)]
            if not least <= value <= most:
                return [_Finding("", f"{_range(least, most)} is wanted, got {value}", always=False)]
            return _FINE
        if isinstance(value, (bool, float)):
            return [_Finding("", f"a whole number is wanted{_titled(schema)}{unit}, got {type(value).__name__}", always=True)]
        if wire.as_text and isinstance(value, str) and _DIGITS.fullmatch(value):
            return check(int(value))
        if isinstance(value, int):
            return check(int(value))
        return _another_kind(value, "a whole number", schema, sendable)

    return check


def _number(schema: Schema, wire: _Wire) -> _Check:
    sendable = _sendable(wire)

    def check(value: Any) -> _Findings:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return sendable(value)
        if wire.as_text and isinstance(value, str):
            return sendable(value)
        return _another_kind(value, "a number", schema, sendable)

    return check


def _boolean(schema: Schema, wire: _Wire) -> _Check:
    sendable = _sendable(wire)

    def check(value: Any) -> _Findings:
        if isinstance(value, bool) or (wire.as_text and isinstance(value, str) and value.lower() in ("true", "false")):
            return _FINE
        return _another_kind(value, "true or false", schema, sendable)

    return check


def _path_value(parameter: Parameter) -> _Check:
    """A placeholder takes text or a whole number, and is never empty."""
    within = _string({**_schema_of(parameter), "type": "string"}, _QUERY)

    def check(value: Any) -> _Findings:
        if value is None or value == "":
            return [_Finding("", f"a value is required{_titled(parameter)}", always=True)]
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            return [_Finding("", f"text or a whole number is wanted{_titled(parameter)}, got {type(value).__name__}", always=True)]
        return within(value)

    return check


def _another_kind(value: object, wanted: str, schema: Schema, sendable: _Check) -> _Findings:
    """What cannot be sent at all is said first; else the value is of another type than documented."""
    return sendable(value) or [_Finding("", f"{wanted} is wanted{_titled(schema)}, got {type(value).__name__}", always=False)]


@cache
def _sendable(wire: _Wire) -> _Check:
    """The check of a value of which nothing is documented: whether it can be sent at all."""
    refused = wire.refused_text

    def check(value: Any) -> _Findings:
        match value:
            case None:
                return [_Finding("", "null is never taken, leave the field out; got None", always=True)]
            case str():
                return [_beyond(value, refused)] if refused.search(value) else _FINE
            case bool() | int():
                return _FINE
            case float():
                return _FINE if math.isfinite(value) else [_Finding("", "a finite number is wanted, got NaN or infinity", always=True)]
            case dict():
                entries = cast("Mapping[Any, Any]", value)
                return [found for name, item in entries.items() for found in of_entry(name, item)]
            case list() | tuple():
                items = cast("Sequence[Any]", value)
                return [found.under(f"[{position}]") for position, item in enumerate(items) for found in check(item)]
            case _:
                return [_Finding("", f"{type(value).__name__} cannot be sent; {_cure(value)}", always=True)]

    def of_entry(name: Any, item: Any) -> _Findings:
        if (unnamed := _not_a_name(name, wire)) is not None:
            return [unnamed.under(_step(name))]
        return [found.under(_step(name)) for found in check(item)]

    return check


def _cure(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "decode it to text first"
    return "give text, a number, a boolean, a list or a dict"


def _beyond(value: str, refused: re.Pattern[str]) -> _Finding:
    """Says where, not what: the text may be a person's."""
    position = next(position for position, character in enumerate(value) if refused.match(character))
    what = "a lone surrogate" if "\ud800" <= value[position] <= "\udfff" else f"U+{ord(value[position]):X}, beyond the BMP (an emoji?)"
    return _Finding("", f"character {position} is {what}, which the server refuses", always=True)


def _range(least: float, most: float) -> str:
    if most == math.inf:
        return f"at least {least}"
    return f"at most {most}" if least in (0, -math.inf) else f"{least} to {most}"


def _titled(schema: Schema | Parameter) -> str:
    return f" ({schema['title']})" if "title" in schema else ""


def _step(name: object) -> str:
    return f".{name}" if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) else f"[{name!r}]"
