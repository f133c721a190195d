"""Turns one operation into the `TypedDict`s it needs and the signature of its verb."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from wechatpay_async.catalog import Operation, Parameter, Schema
from wechatpay_async.chain import attribute_names

from .names import class_name, url_segments
from .typed_dicts import Definition, Wire, annotation, define_parameters, define_whole, without_required

__all__ = ["Method", "TypedOperation", "typed_operation"]

#: An upload's digests and names are made by the client; the rest of its meta is asked for.
MADE_FROM_FILE = frozenset(
    {"filename", "file_name", "sha256", "file_digest", "digest", "digest_algorithm", "digest_alogrithm", "media_hash", "sign"}
)
MOST_PAGES = 3
FILE = ("file: FileSource", "filename: str | None = None", "progress: Progress | None = None")


@dataclass(frozen=True)
class Method:
    """A verb as it stands in a stub: its parameters in order, `/` and `*` among them."""

    name: str
    parameters: tuple[str, ...]
    returns: str
    doc: tuple[str, ...]
    is_async: bool = True


@dataclass(frozen=True)
class TypedOperation:
    """An operation with everything that is generated for it."""

    operation: Operation
    definitions: tuple[Definition, ...]
    methods: tuple[Method, ...]


def typed_operation(operation: Operation) -> TypedOperation:
    """The types of one operation. Names in `parameters` and `returns` that begin with `_t.` are defined by `definitions`."""
    prefix = "V2" if operation.api == "v2" else ""
    name = f"{prefix}{class_name(url_segments(operation.path))}{operation.method.capitalize()}"
    definitions: list[Definition] = []
    config = "config: Config = ..."
    data = _data(operation, name, definitions)
    positional = [data, "/", config] if data else [config, "/"]
    keywords = [
        "*",
        *(FILE if operation.is_upload else ()),
        *_path(operation),
        *_params(operation, name, definitions),
        *_transport(operation),
    ]
    returns = f"Response[{_answer(operation, name, definitions)}]"
    verb = operation.method.lower()
    methods = [Method(verb, (*positional, *keywords), returns, tuple(_doc(operation, verb)))]
    if operation.download:
        doc = tuple(_doc(operation, "stream"))
        methods.append(Method("stream", (*positional, *keywords), "AbstractAsyncContextManager[httpx.Response]", doc, is_async=False))
    return TypedOperation(operation, tuple(definitions), tuple(methods))


def _requests(operation: Operation) -> Wire:
    return Wire(xml=operation.api == "v2", request=True, unit=_unit(operation), filled=operation.client_filled)


def _answers(operation: Operation) -> Wire:
    xml = operation.api == "v2" and "application/json" not in operation.produces
    return Wire(xml=xml, request=False, unit=_unit(operation))


def _unit(operation: Operation) -> str:
    overseas = operation.path.startswith("/v3/global/") or operation.base_url is not None
    return "the currency's minor unit" if overseas else "fen"


def _about(operation: Operation) -> str:
    return f"{operation.title}: {operation.method} {operation.path}"


def _data(operation: Operation, name: str, definitions: list[Definition]) -> str | None:
    if operation.is_upload:
        return _beside_file(operation, name, definitions)
    if operation.body is None:
        return None if operation.method in {"GET", "DELETE"} else "data: NoBody | None = None"
    if not operation.body.get("properties"):
        return "data: Mapping[str, Any] | None = None"
    definitions += define_whole(f"{name}Body", operation.body, f"{_about(operation)}, the body.", _requests(operation))
    return _parameter("data", definitions[-1])


def _beside_file(operation: Operation, name: str, definitions: list[Definition]) -> str:
    """What an upload asks for beside its file: properties of the meta and parts of the form, but for what the client makes itself."""
    schemas = [part.get("contentSchema") for part in operation.form if part["name"] == "meta"]
    meta: Schema = schemas[0] or {} if schemas else {}
    parts = {part["name"]: part for part in operation.form if part["name"] != "meta" and part.get("type") != "file"}
    required = [*meta.get("required", ()), *(key for key, part in parts.items() if part["required"])]
    properties: dict[str, Any] = {**meta.get("properties", {})} | {key: without_required(part) for key, part in parts.items()}
    asked = {key: value for key, value in properties.items() if key not in MADE_FROM_FILE}
    if not asked:
        return "data: NoBody | None = None"
    definitions += define_whole(
        f"{name}Meta", {"properties": asked, "required": required}, f"{_about(operation)}, beside the file.", _requests(operation)
    )
    return _parameter("data", definitions[-1])


def _parameter(name: str, definition: Definition) -> str:
    """A parameter that may be left out when nothing in it is required."""
    required = any(field.required for field in definition.fields)
    return f"{name}: _t.{definition.name}" if required else f"{name}: _t.{definition.name} | None = None"


def _path(operation: Operation) -> list[str]:
    kinds = {part["name"]: part for part in operation.path_params}
    names = re.findall(r"\{(\w+)\}", operation.path)
    return [f"{name}: {_path_type(kinds.get(name))}" for name in dict.fromkeys(names)]


def _path_type(parameter: Parameter | None) -> str:
    number = parameter is not None and parameter.get("type") in {"integer", "number"}
    return "int | str" if number else "str"


def _params(operation: Operation, name: str, definitions: list[Definition]) -> list[str]:
    if not operation.query_params:
        return ["params: Query = ..."]
    definitions += define_parameters(f"{name}Params", operation.query_params, f"{_about(operation)}, the query.", _requests(operation))
    return [_parameter("params", definitions[-1])]


def _transport(operation: Operation) -> list[str]:
    demanded = any(each["required"] and each["name"] != "Wechatpay-Serial" for each in operation.headers)
    return ["headers: Mapping[str, str]" if demanded else "headers: Headers = ...", "timeout: Timeout = ..."]


def _answer(operation: Operation, name: str, definitions: list[Definition]) -> str:
    if operation.download:
        return "bytes"
    schema = next(iter(operation.responses.values()), None)
    if schema is None:
        return "None"
    inner = (
        define_whole(f"{name}Response", schema, f"{_about(operation)}, the answer.", _answers(operation))
        if schema.get("properties")
        else []
    )
    if inner:
        definitions += inner
        return f"_t.{name}Response"
    found = annotation(schema, f"{name}Response", _answers(operation), inner)
    definitions += [*inner[:-1], replace(inner[-1], whole=True)] if inner else []
    return f"list[_t.{name}Response]" if inner else found


def _doc(operation: Operation, verb: str) -> list[str]:
    """The docstring: title, method and path with who may call it, what is special, the official pages, a line of code."""
    roles = f" · {'、'.join(operation.roles)}" if operation.roles else ""
    lines = [f"{operation.title}{'（已废弃）' if operation.deprecated else ''}", "", f"{operation.method} {operation.path}{roles}"]
    special = list(_special(operation))
    lines += [f"{'; '.join(special)}."] if special else []
    lines += _pages(operation)
    return [*lines, "", f"    {_example(operation, verb)}"]


def _special(operation: Operation) -> list[str]:
    demanded = [each["name"] for each in operation.headers if each["required"] and each["name"] != "Wechatpay-Serial"]
    told = {
        "wants the merchant's client certificate": operation.client_cert,
        "the answer carries no signature": not operation.response_signed,
        "the answer is a file": operation.download,
        "deprecated": operation.deprecated,
        f"host {operation.base_url}": operation.base_url is not None,
        f"headers wanted: {', '.join(demanded)}": bool(demanded),
    }
    return [text for text, holds in told.items() if holds]


def _pages(operation: Operation) -> list[str]:
    """The current pages (`/doc/v3/`) before the archived ones."""
    return sorted(operation.docs, key=lambda page: "/doc/v3/" not in page)[:MOST_PAGES]


def _example(operation: Operation, verb: str) -> str:
    chain = ".".join(attribute_names(segment)[-1] for segment in url_segments(operation.path))
    arguments = [f'{name}="…"' for name in dict.fromkeys(re.findall(r"\{(\w+)\}", operation.path))]
    if any(each["required"] for each in operation.query_params):
        arguments.append("params={...}")
    if operation.is_upload:
        arguments.insert(0, 'file="…"')
    elif operation.body is not None:
        arguments.insert(0, "{...}")
    call = f"wxpay.{operation.api}.{chain}.{verb}({', '.join(arguments)})"
    return f"async with {call} as file: ..." if verb == "stream" else f"await {call}"
