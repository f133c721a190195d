"""Turns the schemas of the catalogue into definitions of `TypedDict`s."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wechatpay_async.catalog import Parameter

from .names import camel, is_field_name

__all__ = ["Definition", "Field", "Wire", "annotation", "define", "define_parameters", "define_whole", "without_required"]

#: More values than this make a list that nobody reads; such a field is a plain `str`.
MOST_LITERALS = 12
#: APIv2 numbers repeated fields; these indices become fields of their own, further ones are read with `.get()`.
NUMBERED_ONCE = range(10)
NUMBERED_TWICE = range(5)
#: What APIv2 takes for a text: amounts are integers, and a JSON document may come as what it says.
V2_INPUT = {"integer": "int | str", "number": "int | str", "boolean": "bool | str", "json": "str | dict[str, Any] | list[Any]"}
FORMS = {"date-time": "RFC 3339", "date": "YYYY-MM-DD", "json": "JSON text", "yyyyMMddHHmmss": "yyyyMMddHHmmss"}
MONEY = re.compile(r"金额|单价|总价|原价|手续费|金$|费用")


@dataclass(frozen=True)
class Wire:
    """How the values of a message travel: XML knows text alone, a request's `enum` is closed and an answer's is open."""

    xml: bool
    request: bool
    #: The unit of an integer amount, for the field's note.
    unit: str = "fen"
    #: Fields that the client writes itself: nobody has to give them.
    filled: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Field:
    """One key of a `TypedDict`."""

    key: str
    annotation: str
    required: bool
    note: str = ""


@dataclass(frozen=True)
class Definition:
    """One `TypedDict`."""

    name: str
    note: str
    fields: tuple[Field, ...] = field(default=())
    #: A whole body, query, answer or resource, and not an object inside one.
    whole: bool = False
    #: The name of one with the same fields: this one inherits them.
    base: str | None = None

    @property
    def total(self) -> bool:
        """Whether a field without a mark is required: what most of the fields are has no mark."""
        return 2 * sum(field.required for field in self.fields) >= len(self.fields)

    def declared(self, field: Field) -> str:
        """The annotation of a field as it stands in the file."""
        if field.required is self.total:
            return field.annotation
        return f"{'Required' if field.required else 'NotRequired'}[{field.annotation}]"

    @property
    def functional(self) -> bool:
        """A key that no class body can have (`from`) wants the functional form."""
        return not all(is_field_name(each.key) for each in self.fields)


def define(name: str, schema: Mapping[str, Any], note: str, wire: Wire) -> list[Definition]:
    """The `TypedDict` of an object and of the objects inside it, the inner ones first."""
    inner: list[Definition] = []
    required = frozenset(schema.get("required", ()))
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    fields = [
        Field(
            key,
            annotation(value, f"{name}{camel(template)}", wire, inner, _one_line(value.get("title", f"`{template}`"))),
            key in required and key not in wire.filled and "$" not in template,
            _note(value, wire),
        )
        for template, value in properties.items()
        for key in _numbered(template)
    ]
    return [*_distinct(inner), Definition(name, note, tuple(fields))]


def define_whole(name: str, schema: Mapping[str, Any], note: str, wire: Wire) -> list[Definition]:
    """The `TypedDict` of a whole body, query, answer or resource, last, and those of the objects inside it."""
    *inner, whole = define(name, schema, note, wire)
    return [*inner, replace(whole, whole=True)]


def define_parameters(name: str, parameters: Iterable[Parameter], note: str, wire: Wire) -> list[Definition]:
    """The `TypedDict` of a list of parameters, as `define`."""
    listed = list(parameters)
    schema = {
        "properties": {each["name"]: without_required(each) for each in listed},
        "required": [each["name"] for each in listed if each["required"]],
    }
    return define_whole(name, schema, note, wire)


def without_required(parameter: Parameter) -> dict[str, Any]:
    """The schema of a parameter's value: in a parameter `required` is a mark, in a schema a list."""
    return {key: value for key, value in parameter.items() if key != "required"}


def annotation(value: Mapping[str, Any], name: str, wire: Wire, inner: list[Definition], title: str = "") -> str:
    """The annotation of a value; a `TypedDict` that it needs is added to `inner` under `name`, with the title of its field."""
    if "anyOf" in value:
        return " | ".join(dict.fromkeys(annotation(each, f"{name}{n}", wire, inner) for n, each in enumerate(value["anyOf"], 1)))
    match value.get("type"):
        case "object" if value.get("properties"):
            inner += define(name, value, title, wire)
            return name
        case "object":
            return "dict[str, Any]"
        case "array" if "items" in value:
            return f"list[{annotation(value['items'], name, wire, inner, title)}]"
        case "array":
            return "list[Any]"
        case _ if "contentSchema" in value:
            inner += _content(f"{name}Content", value, wire)
            return _scalar(value, wire)
        case _:
            return _literals(value, wire) or _scalar(value, wire)


def _content(name: str, value: Mapping[str, Any], wire: Wire) -> list[Definition]:
    """What a text holds as JSON: for `json.loads`, or for what is given to `json.dumps`."""
    content: list[Definition] = []
    annotation(value.get("contentSchema", {}), name, replace(wire, xml=False), content, _one_line(value.get("title", name)))
    return content


def _scalar(value: Mapping[str, Any], wire: Wire) -> str:
    kind = value.get("type")
    if wire.xml:
        return V2_INPUT.get(value.get("format") or kind or "", "str") if wire.request else "str"
    return {"integer": "int", "number": "int | float", "boolean": "bool"}.get(kind or "", "str")


def _literals(value: Mapping[str, Any], wire: Wire) -> str | None:
    allowed = value.get("enum", [])
    expected = int if value.get("type") in {"integer", "number"} else str
    closed = wire.request and 0 < len(allowed) <= MOST_LITERALS and all(type(each) is expected for each in allowed)
    if not closed or (wire.xml and expected is int):
        return None
    return f"Literal[{', '.join(_quoted(each) if isinstance(each, str) else str(each) for each in dict.fromkeys(allowed))}]"


def _quoted(text: str) -> str:
    return f'"{text}"' if '"' not in text and "\\" not in text else repr(text)


def _numbered(template: str) -> Iterator[str]:
    """The keys that a template such as `coupon_id_$n` or `coupon_id_$n_$m` stands for."""
    if "$m" in template:
        yield from (template.replace("$n", str(n)).replace("$m", str(m)) for n in NUMBERED_TWICE for m in NUMBERED_TWICE)
    elif "$n" in template:
        yield from (template.replace("$n", str(n)) for n in NUMBERED_ONCE)
    else:
        yield template


def _note(value: Mapping[str, Any], wire: Wire) -> str:
    """The short text beside a field: its title, its unit, what an answer may say, and how it travels."""
    items = value.get("items", {})
    title = _one_line(value.get("title") or items.get("title") or "")
    marks: list[str] = []
    if value.get("type") in {"integer", "number"} and MONEY.search(title):
        marks.append(wire.unit)
    if (form := value.get("format", "")) in FORMS:
        marks.append(FORMS[form])
    if value.get("sensitive"):
        by_client = "sensitive: encrypted by the client" if wire.request else "sensitive: decrypted by the client"
        marks.append("sensitive: travels encrypted" if wire.xml else by_client)
    allowed: list[Any] = [] if _literals(value, wire) else value.get("enum", [])
    text = f"{title} ({'; '.join(marks)})" if marks else title
    return f"{text}: {', '.join(map(str, allowed))}".removeprefix(": ") if 0 < len(allowed) <= MOST_LITERALS else text


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("\\", "/").replace('"', "'").strip()


def _distinct(definitions: list[Definition]) -> list[Definition]:
    """A numbered object gives the same definition for each number: keep one."""
    return list({each.name: each for each in definitions}.values())
