"""Makes a value that fits a schema: what the runnable example of an operation sends."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from wechatpay_async.catalog import Operation

#: Fields that the official pages ask for in words ("one of the two", "from 2,000 yuan on"), where no schema can say it.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "POST /v3/fund-app/mch-transfer/transfer-bills": ("user_name",),
    "POST /v3/payscore/partner/serviceorder/direct-complete": ("post_payments",),
    "POST /v3/payscore/serviceorder/direct-complete": ("post_payments", "total_amount"),
    "GET /v3/payscore/partner/serviceorder": ("out_order_no",),
    "GET /v3/payscore/serviceorder": ("out_order_no",),
    "POST /v3/profitsharing/orders": ("receivers",),
    "POST /v3/profitsharing/receivers/add": ("name",),
    "POST /v3/profitsharing/return-orders": ("out_order_no",),
    "POST /v3/refund/domestic/refunds": ("out_trade_no",),
    "POST /pay/orderquery": ("out_trade_no",),
    "POST /pay/paporderquery": ("out_trade_no",),
    "POST /pay/refundquery": ("out_trade_no",),
    "POST /pay/refundqueryv2": ("out_trade_no",),
    "POST /pay/unifiedorder": ("openid",),
    "POST /secapi/pay/refund": ("out_trade_no",),
    "POST /secapi/pay/refundv2": ("out_trade_no",),
}

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
#: The fields that must be the client's own number.
_OWN_NUMBER = frozenset({"combine_mch_id", "combine_mchid", "mch_id", "mchid", "sp_mchid"})
_MCHID = "1900000109"
#: What the client puts into an upload by itself: the file's name, its digest, and in APIv2 the signature.
_MADE = re.compile(r"file_?name|sha256|digest|file_digest|\w*file_sha256|media_hash|sign|mch_id")


def sample(schema: Mapping[str, Any], *, whole: bool = False) -> Any:
    """A value for one schema: its documented example where that fits, and of an object the required fields (`whole`: all)."""
    if alternatives := schema.get("anyOf"):
        return sample({**schema, **alternatives[0], "anyOf": []}, whole=whole)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        fields = schema.get("properties", {})
        # Of an object that requires nothing, one field: `payer` wants one of its two openids, which no schema says.
        required = schema.get("required") or list(fields)[:1]
        return {name: _field(name, field, whole=whole) for name, field in fields.items() if whole or name in required}
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
    value = _field(parameter["name"], parameter)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _field(name: str, schema: Mapping[str, Any], *, whole: bool = False) -> Any:
    return _MCHID if name in _OWN_NUMBER and schema.get("type", "string") == "string" else sample(schema, whole=whole)


def call_source(attributes: str, operation: Operation, *, indent: str = "") -> str:
    """The call of an operation as Python source, runnable as it stands where `wxpay` is a client.

    `attributes` is the chain, `wxpay.v3.pay.transactions.native`.
    """
    arguments: list[str] = []
    if operation.is_upload:
        if fields := _upload_fields(operation):
            arguments.append(_literal(fields, indent + "    "))
        arguments.append('file=b"...", filename="picture.png"')
    elif operation.body is not None:
        arguments.append(_literal(sample(_with_also(operation)), indent + "    "))
    also = _ALSO.get(operation.id, ())
    query = {each["name"]: text_sample(each) for each in operation.query_params if each["required"] or each["name"] in also}
    if query:
        arguments.append(f"params={_literal(query, indent + '    ')}")
    arguments += [f"{each['name'].replace('-', '_')}={_quoted(text_sample(each))}" for each in operation.path_params]
    lines = "".join(f"{indent}    {argument},\n" for argument in arguments)
    call = f"{attributes}.{operation.method.lower()}"
    return f"response = await {call}(\n{lines}{indent})" if lines else f"response = await {call}()"


def _with_also(operation: Operation) -> Mapping[str, Any]:
    """The body's schema, with what its page asks for in words."""
    body = cast("Mapping[str, Any]", operation.body)
    also = [name for name in _ALSO.get(operation.id, ()) if name in body.get("properties", {})]
    return {**body, "required": [*body.get("required", []), *also]} if also else body


def _upload_fields(operation: Operation) -> dict[str, Any]:
    """What an upload wants beside the file; its name and its digest are made from the file."""
    found: dict[str, Any] = {}
    for part in cast("Sequence[Mapping[str, Any]]", operation.form):
        if part["name"] == "meta":
            inner = part.get("contentSchema", {})
            found |= {name: _field(name, inner["properties"][name]) for name in inner.get("required", []) if not _MADE.match(name)}
        elif part["required"] and part.get("type") != "file" and not _MADE.match(part["name"]):
            found[part["name"]] = _field(part["name"], part)
    return found


def _text(schema: Mapping[str, Any], example: object) -> str:
    shortest, longest = schema.get("minLength", 1), schema.get("maxLength", _LONG)
    form = schema.get("format", "")
    if isinstance(example, str) and shortest <= len(example) <= longest and form not in ("date-time", "date"):
        return example
    return _BY_FORMAT.get(form, "example").ljust(shortest, "0")[:longest]


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
