"""Makes a value that fits a schema: what the runnable example of an operation sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from wechatpay_async.catalog import Operation

__all__ = ["call_source", "sample", "text_sample"]

_BY_FORMAT = {
    "date-time": "2026-01-01T12:00:00+08:00",
    "date": "2026-01-01",
    "uri": "https://shop.example.com/wechatpay/notify",
    "media-id": "media_id_0123456789",
    "json": "{}",
    "yyyyMMddHHmmss": "20260101120000",
    "yyyyMMdd": "20260101",
    "yyyy-MM": "2026-01",
}
_DEFAULTS: dict[str, Any] = {"integer": 1, "number": 1, "boolean": False, "object": {}, "array": []}
_LONG = 64  # a longer example says nothing more


def sample(schema: Mapping[str, Any], *, whole: bool = False) -> Any:
    """A value for one schema: its documented example where that fits, and of an object the required fields (`whole`: all)."""
    if alternatives := schema.get("anyOf"):
        return sample({**schema, **alternatives[0], "anyOf": []}, whole=whole)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        required = schema.get("required", [])
        fields = schema.get("properties", {})
        return {name: sample(field, whole=whole) for name, field in fields.items() if whole or name in required}
    if kind == "array":
        return [sample(schema["items"], whole=whole)] if "items" in schema else []
    if values := schema.get("enum"):
        return values[0]
    example = schema.get("example")
    if kind == "string":
        return _text(schema, example)
    return example if isinstance(example, int | float) else _DEFAULTS.get(kind, "…")


def text_sample(parameter: Mapping[str, Any]) -> str:
    """A value for a path or query parameter."""
    return str(sample(parameter))


def call_source(attributes: str, operation: Operation, *, indent: str = "") -> str:
    """The call of an operation as Python source, runnable as it stands where `wxpay` is a client.

    `attributes` is the chain, `wxpay.v3.pay.transactions.native`.
    """
    arguments: list[str] = []
    if operation.is_upload:
        fields = {each["name"]: text_sample(each) for each in operation.form if each["name"] not in ("file", "meta")}
        arguments += [repr(fields)] if fields and any(each["required"] for each in operation.form if each["name"] in fields) else []
        arguments.append('file=b"...", filename="picture.png"')
    elif operation.body is not None:
        arguments.append(_literal(sample(cast("Mapping[str, Any]", operation.body)), indent + "    "))
    query = {each["name"]: text_sample(each) for each in operation.query_params if each["required"]}
    if query:
        arguments.append(f"params={_literal(query, indent + '    ')}")
    arguments += [f"{each['name'].replace('-', '_')}={_quoted(text_sample(each))}" for each in operation.path_params]
    lines = "".join(f"{indent}    {argument},\n" for argument in arguments)
    call = f"{attributes}.{operation.method.lower()}"
    return f"response = await {call}(\n{lines}{indent})" if lines else f"response = await {call}()"


def _text(schema: Mapping[str, Any], example: object) -> str:
    limit = schema.get("maxLength", _LONG)
    form = schema.get("format", "")
    if isinstance(example, str) and 0 < len(example) <= limit and form not in ("date-time", "date"):
        return example
    return _BY_FORMAT.get(form, "example")[:limit]


def _literal(value: Any, indent: str) -> str:
    """A JSON value as Python source, a nested object on lines of its own."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        inner = "".join(f"{indent}    {_quoted(name)}: {_literal(item, indent + '    ')},\n" for name, item in fields.items())
        return f"{{\n{inner}{indent}}}" if inner else "{}"
    if isinstance(value, list):
        items = "".join(f"{indent}    {_literal(item, indent + '    ')},\n" for item in cast("list[object]", value))
        return f"[\n{items}{indent}]" if items else "[]"
    return repr(value)


def _quoted(text: str) -> str:
    plain = repr(text)
    return plain if '"' in text else '"' + plain[1:-1].replace("\\'", "'") + '"'
