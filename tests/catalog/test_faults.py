"""What the generator refuses from now on, one fault at a time."""

from __future__ import annotations

from typing import Any

import pytest

from wechatpay_async._codegen.faults import find_faults, refuse_faults


def operation(body: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    path = parts.pop("path", "/v3/a/x")
    extra = {} if body is None else {"body": {"type": "object", "properties": body}}
    return {"api": "v3", "method": "POST", "path": path, "title": "下单", "responses": {"204": None}, **extra, **parts}


def faults(fact: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.kind, fault.found) for fault in find_faults([fact])]


@pytest.mark.parametrize(
    ("schema", "kind", "found"),
    [
        ({}, "a type is missing or impossible", "no type"),
        ({"example": 1}, "a type is missing or impossible", "no type"),
        ({"type": "text"}, "a type is missing or impossible", "text"),
        ({"type": "number", "example": 100}, "a whole number is typed as a real one", "number, example 100"),
        ({"type": "array"}, "an array does not say of what", "an array of nobody knows what"),
        ({"type": "integer", "maxLength": 2}, "a limit speaks of another type", "maxLength on integer"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "a limit speaks of another type", "minLength above maxLength"),
        ({"type": "string", "maxLength": 100005698}, "a limit speaks of another type", "lengths None..100005698"),
        ({"type": "object", "required": ["a"]}, "required names no property", "no property a"),
        ({"type": "object", "required": True}, "required names no property", "a schema says True of its properties"),
        ({"type": "string", "title": "固定填`code"}, "a title is cut or no title", "'固定填`code'"),
        ({"type": "string", "title": "总金额(大于"}, "a title is cut or no title", "'总金额(大于'"),
        ({"type": "string", "title": "枚举值"}, "a title is cut or no title", "'枚举值'"),
        ({"type": "string", "title": "用户在商户appid下的"}, "a title is cut or no title", "'用户在商户appid下的'"),
        ({"type": "string", "title": "商户订单号，只能是数字、"}, "a title is cut or no title", "'商户订单号，只能是数字、'"),
        ({"type": "string", "enum": ["SUCCESS - paid"]}, "an enum has a wrong value", "stray text: ['SUCCESS - paid']"),
        ({"type": "string", "enum": []}, "an enum has a wrong value", "empty or twice the same: []"),
        ({"type": "string", "enum": [1]}, "an enum has a wrong value", "not string: [1]"),
        ({"type": "string", "enum": ["A：说明"]}, "an enum has a wrong value", "stray text: ['A：说明']"),
        ({"type": "string", "enum": ["SOURCE_REchARGE_FUNDS"]}, "an enum has a wrong value", "stray text: ['SOURCE_REchARGE_FUNDS']"),
        ({"type": "integer", "example": "1"}, "an example contradicts its field", "'1' is no integer"),
        ({"type": "string", "enum": ["A"], "example": "B"}, "an example contradicts its field", "'B' is none of ['A']"),
        ({"type": "string", "maxLength": 1, "example": "ab"}, "an example contradicts its field", "longer than 1: 'ab'"),
        ({"type": "string", "example": "示例见下文"}, "an example contradicts its field", "an explanation, no value: '示例见下文'"),
        (
            {"type": "string", "example": "2018-06-08T10:34:56+08:00"},
            "a format is unknown, missing or not the example's",
            "a time without its format: 2018-06-08T10:34:56+08:00",
        ),
        ({"type": "string", "format": "uint64"}, "a format is unknown, missing or not the example's", "unknown: uint64"),
        (
            {"type": "string", "format": "date", "example": "today"},
            "a format is unknown, missing or not the example's",
            "'today' is no date",
        ),
        ({"type": "string", "pattern": "[|-_]"}, "a pattern does not work", "'[|-_]': bad character range |-_ at position 1"),
        ({"type": "string", "pattern": "/a/"}, "a pattern does not work", "'/a/'"),
        ({"type": "string", "pattern": "^a$", "example": "b"}, "a pattern does not work", "'^a$'"),
        ({"type": "string", "desription": "x"}, "a schema has an unknown key", "desription"),
    ],
)
def test_a_fault_of_a_field(schema: dict[str, Any], kind: str, found: str) -> None:
    assert faults(operation({"field": schema})) == [(kind, found)]


def test_a_name_that_cannot_be_a_field() -> None:
    assert faults(operation({"payer _currency": {"type": "string"}})) == [("a name cannot be a field", "'payer _currency'")]
    assert faults(operation({"coupon_id_$n_$m": {"type": "string"}})) == []


def test_values_that_are_the_names_of_the_next_fields() -> None:
    fields = {"repaid": {"type": "string", "enum": ["Y", "bank_type"]}, "bank_type": {"type": "string"}}
    assert faults(operation(fields)) == [("an enum has a wrong value", "names of sibling fields: ['Y', 'bank_type']")]
    by_name = {"order_type": {"type": "string", "enum": ["out_trade_no"]}, "out_trade_no": {"type": "string"}}
    assert faults(operation(by_name)) == []


def test_a_time_as_an_integer() -> None:
    assert faults(operation({"pay_time": {"type": "integer"}})) == [("a time is typed as an integer", "integer, example None")]
    assert faults(operation({"pay_time": {"type": "integer", "example": 1719128975}})) == []


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ({"path": "/v3/a/{id}"}, "path parameters are not the template's"),
        ({"path_params": [{"name": "id", "required": True, "type": "string"}]}, "path parameters are not the template's"),
        ({"query_params": [{"name": "a", "required": True, "type": "string"}] * 2}, "a parameter is listed twice"),
        ({"query_params": [{"name": "a", "required": ["b"], "type": "string"}]}, "required names no property"),
        ({"docs": ["http://pay.weixin.qq.com/1"]}, "a page is no https address"),
        ({"headers": [{"name": "Wechatpay Serial", "required": True, "type": "string"}]}, "a name cannot be a field"),
    ],
)
def test_a_fault_of_an_operation(parts: dict[str, Any], kind: str) -> None:
    assert {found for found, _ in faults(operation(**parts))} == {kind}


def test_a_placeholder_that_is_optional_or_in_the_query_too() -> None:
    parameter = {"name": "id", "required": False, "type": "string"}
    optional = operation(path="/v3/a/{id}", path_params=[parameter])
    assert faults(optional) == [("a placeholder is not required", "a placeholder must be filled")]
    twice = operation(path="/v3/a/{id}", path_params=[{**parameter, "required": True}], query_params=[parameter])
    assert faults(twice) == [("a path parameter is a query parameter too", "id")]


def test_every_depth_is_looked_at() -> None:
    deep = {
        "type": "array",
        "items": {"type": "object", "properties": {"a": {"type": "string", "contentSchema": {"anyOf": [{"type": "text"}]}}}},
    }
    event = {"api": "v3", "event": "A.B", "title": "", "resource": deep}
    (fault,) = find_faults([event])
    assert str(fault) == "a type is missing or impossible: v3 A.B /resource/items/properties/a/contentSchema/anyOf/0: text"


def test_a_clean_catalogue_passes() -> None:
    answer = {
        "type": "object",
        "properties": {"rate": {"type": "number", "example": 0.5}, "code": {"type": "string", "enum": ["iOS", "H5"]}},
    }
    refuse_faults(
        [operation(responses={"200": answer, "204": None}, headers=[{"name": "Wechatpay-Serial", "required": True, "type": "string"}])]
    )
