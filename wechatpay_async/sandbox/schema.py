"""Checks bodies and queries against the catalogue, strictly, and says what is wrong the way the gateway does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from wechatpay_async.catalog import Operation, Parameter, Schema

from .wire import Refusal, as_array, as_object

__all__ = ["check_body", "check_query"]


def check_query(operation: Operation, query: str, path: Mapping[str, str]) -> dict[str, Any]:
    """The query's values by name, integers and booleans converted; a name that the path fills need not be repeated. Raises `Refusal`."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        raise Refusal(400, "PARAM_ERROR", "查询参数无法解析", {"location": "query"}) from None
    known = {parameter["name"]: parameter for parameter in operation.query_params}
    values: dict[str, Any] = {}
    for name, text in pairs:
        if name not in known:
            _refuse("query", f"/query/{name}", text, "该参数不存在")
        value = _from_text(known[name], text)
        if known[name].get("type") == "array":
            values.setdefault(name, []).extend(value)
        elif name in values:
            _refuse("query", f"/query/{name}", text, "该参数重复")
        else:
            values[name] = value
    for name, parameter in known.items():
        if name in values:
            _check(parameter, values[name], "query", f"/query/{name}")
        elif parameter["required"] and name not in path:
            _refuse("query", f"/query/{name}", None, "此字段是必填的", parameter)
    return values


def check_body(operation: Operation, body: Any) -> None:
    """The body against its schema; an operation without one takes an empty body or `{}`. Raises `Refusal`."""
    schema: Schema = operation.body or {"type": "object", "properties": {}}
    if body is None:
        if schema.get("required"):
            _refuse("body", f"/body/{schema.get('required', [''])[0]}", None, "此字段是必填的")
        return
    _check(schema, body, "body", "/body")


def _from_text(parameter: Parameter, text: str) -> Any:
    kind = parameter.get("type")
    if kind == "integer" and re.fullmatch(r"-?[0-9]+", text, re.ASCII):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text, re.ASCII):
        return float(text) if "." in text else int(text)
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    if kind == "array":
        items: Schema = parameter.get("items", {})
        return [_from_text({**items, "name": parameter["name"], "required": False}, part) for part in text.split(",")]
    return text


def _check(schema: Schema | Parameter, value: Any, location: str, where: str) -> None:
    """Raise `Refusal` at the first thing that does not fit. The catalogue's own example always fits."""
    if "example" in schema and value == schema["example"] and type(value) is type(schema["example"]):
        return
    if "anyOf" in schema:
        _check_any(schema["anyOf"], value, location, where)
        return
    kind = schema.get("type")
    if kind is not None and not _is(kind, value):
        _refuse(location, where, value, _WANTED[kind], schema)
    if schema.get("enum") and not schema.get("sensitive") and value not in schema.get("enum", []):
        _refuse(location, where, value, f"取值须为 {'、'.join(str(item) for item in schema.get('enum', []))} 之一", schema)
    if isinstance(value, str):
        _check_text(schema, value, location, where)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_number(schema, value, location, where)
    elif (items := as_array(value)) is not None:
        _check_list(schema, items, location, where)
    elif (members := as_object(value)) is not None:
        _check_object(schema, members, location, where)


def _check_any(choices: Sequence[Schema], value: Any, location: str, where: str) -> None:
    refusals: list[Refusal] = []
    for choice in choices:
        try:
            _check(choice, value, location, where)
        except Refusal as refusal:
            refusals.append(refusal)
        else:
            return
    raise refusals[0]


def _check_text(schema: Schema | Parameter, value: str, location: str, where: str) -> None:
    if schema.get("sensitive"):
        return  # the length and the form are the plaintext's
    if len(value) > schema.get("maxLength", len(value)):
        _refuse(location, where, value, f"字符数超过上限 {schema.get('maxLength')}", schema)
    if len(value) < schema.get("minLength", 0):
        _refuse(location, where, value, f"字符数低于下限 {schema.get('minLength')}", schema)
    pattern = schema.get("pattern")
    if pattern is not None and not re.fullmatch(pattern, value, re.ASCII):
        _refuse(location, where, value, f"不符合格式 {pattern}", schema)
    if not _has_format(schema.get("format"), value):
        _refuse(location, where, value, f"不符合格式 {schema.get('format')}", schema)


def _has_format(name: str | None, value: str) -> bool:
    if name == "date-time":
        return _is_moment(value)
    if name == "date":
        return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII) is not None
    if name == "yyyyMMddHHmmss":
        return re.fullmatch(r"[0-9]{14}", value, re.ASCII) is not None
    if name == "json":
        return _is_json(value)
    return True


def _is_moment(value: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})", value, re.ASCII):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _check_number(schema: Schema | Parameter, value: float, location: str, where: str) -> None:
    if value < schema.get("minimum", value):
        _refuse(location, where, value, f"值低于最小值 {schema.get('minimum')}", schema)
    if value > schema.get("maximum", value):
        _refuse(location, where, value, f"值高于最大值 {schema.get('maximum')}", schema)
    if abs(value) >= 2**63:
        _refuse(location, where, value, "此字段需要一个合法的64位有符号整数", schema)


def _check_list(schema: Schema | Parameter, value: Sequence[Any], location: str, where: str) -> None:
    if len(value) > schema.get("maxItems", len(value)):
        _refuse(location, where, value, f"元素个数超过上限 {schema.get('maxItems')}", schema)
    if len(value) < schema.get("minItems", 0):
        _refuse(location, where, value, f"元素个数低于下限 {schema.get('minItems')}", schema)
    for index, item in enumerate(value):
        _check(schema.get("items", {}), item, location, f"{where}/{index}")


def _check_object(schema: Schema | Parameter, value: Mapping[str, Any], location: str, where: str) -> None:
    properties = schema.get("properties")
    if properties is None:
        return  # an open object: nothing is published about it
    for name in as_array(schema.get("required")) or []:
        if name not in value:
            _refuse(location, f"{where}/{name}", None, "此字段是必填的", properties.get(name))
    for name, member in value.items():
        if name not in properties:
            _refuse(location, f"{where}/{name}", member, "该字段不存在")
        _check(properties[name], member, location, f"{where}/{name}")


def _is(kind: str, value: Any) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "file": str, "boolean": bool, "object": dict, "array": list}[kind])


_WANTED = {
    "string": "此字段需要一个字符串",
    "file": "此字段需要一个文件",
    "integer": "此字段需要一个合法的64位有符号整数",
    "number": "此字段需要一个数值",
    "boolean": "此字段需要一个布尔值",
    "object": "此字段需要一个对象",
    "array": "此字段需要一个数组",
}


def _refuse(location: str, where: str, value: Any, issue: str, schema: Schema | Parameter | None = None) -> NoReturn:
    title = schema.get("title") if schema else None
    named = f"输入源“{where}”" + (f"映射到字段“{title}”" if title else "")
    detail: dict[str, Any] = {"location": location, "field": where, "issue": issue}
    if value is not None:
        detail["value"] = value
    raise Refusal(400, "PARAM_ERROR", f"无法将{named}，{issue}", detail)
