"""Schemas to `TypedDict`s, on schemas made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from wechatpay_async._codegen.typed_dicts import Definition, Field, Wire, annotation, define, define_parameters

REQUEST = Wire(xml=False, request=True)
ANSWER = Wire(xml=False, request=False)
V2_REQUEST = Wire(xml=True, request=True, filled=frozenset({"sign"}))
V2_ANSWER = Wire(xml=True, request=False)


def annotated(schema: dict[str, Any], wire: Wire = REQUEST) -> str:
    return annotation(schema, "Order", wire, [])


def note(schema: dict[str, Any], wire: Wire = REQUEST) -> str:
    (definition,) = define("Order", {"properties": {"field": schema}}, "", wire)
    return definition.fields[0].note


@pytest.mark.parametrize(
    ("schema", "wire", "expected"),
    [
        ({"type": "string"}, REQUEST, "str"),
        ({"type": "integer"}, REQUEST, "int"),
        ({"type": "number"}, REQUEST, "int | float"),
        ({"type": "boolean"}, REQUEST, "bool"),
        ({}, REQUEST, "str"),
        ({"type": "object"}, REQUEST, "dict[str, Any]"),
        ({"type": "array"}, REQUEST, "list[Any]"),
        ({"type": "array", "items": {"type": "integer"}}, REQUEST, "list[int]"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "string"}]}, REQUEST, "str | int"),
        ({"type": "string", "format": "json"}, REQUEST, "str"),
    ],
)
def test_apiv3_has_the_types_of_json(schema: dict[str, Any], wire: Wire, expected: str) -> None:
    assert annotated(schema, wire) == expected


@pytest.mark.parametrize(
    ("schema", "given", "answered"),
    [
        ({"type": "string"}, "str", "str"),
        ({"type": "integer"}, "int | str", "str"),
        ({"type": "number"}, "int | str", "str"),
        ({"type": "boolean"}, "bool | str", "str"),
        ({"type": "string", "format": "json"}, "str | dict[str, Any] | list[Any]", "str"),
        ({"type": "integer", "enum": [1, 2]}, "int | str", "str"),
        ({"type": "string", "enum": ["MD5", "HMAC-SHA256"]}, 'Literal["MD5", "HMAC-SHA256"]', "str"),
    ],
)
def test_apiv2_answers_with_text_and_takes_more(schema: dict[str, Any], given: str, answered: str) -> None:
    assert annotated(schema, V2_REQUEST) == given
    assert annotated(schema, V2_ANSWER) == answered


@pytest.mark.parametrize(
    ("allowed", "kind", "expected"),
    [
        (["CNY", "USD"], "string", 'Literal["CNY", "USD"]'),
        ([1, 2, 2], "integer", "Literal[1, 2]"),
        (['say "yes"'], "string", "Literal['say \"yes\"']"),
        (list("ABCDEFGHIJKL"), "string", 'Literal["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"]'),
        (list("ABCDEFGHIJKLM"), "string", "str"),
        ([], "string", "str"),
        ([1], "string", "str"),
    ],
)
def test_a_short_enum_of_a_request_is_closed(allowed: list[Any], kind: str, expected: str) -> None:
    assert annotated({"type": kind, "enum": allowed}) == expected


def test_an_enum_of_an_answer_is_open_and_told_in_the_note() -> None:
    schema = {"type": "string", "title": "状态", "enum": ["SUCCESS", "CLOSED"]}

    assert annotated(schema, ANSWER) == "str"
    assert note(schema, ANSWER) == "状态: SUCCESS, CLOSED"


def test_inner_objects_come_first_and_carry_the_path_in_their_name() -> None:
    amount = {"type": "object", "title": "金额", "properties": {"total": {"type": "integer", "title": "总金额"}}, "required": ["total"]}

    assert define("OrderBody", {"properties": {"amount": amount}, "required": ["amount"]}, "下单", REQUEST) == [
        Definition("OrderBodyAmount", "金额", (Field("total", "int", required=True, note="总金额 (fen)"),)),
        Definition("OrderBody", "下单", (Field("amount", "OrderBodyAmount", required=True, note="金额"),)),
    ]


def test_objects_in_a_list_have_the_title_of_the_list() -> None:
    schema = {"type": "array", "title": "单品列表", "items": {"type": "object", "properties": {"id": {"type": "string"}}}}
    inner, outer = define("Body", {"properties": {"goods_detail": schema}}, "", REQUEST)

    assert inner == Definition("BodyGoodsDetail", "单品列表", (Field("id", "str", required=False),))
    assert outer.fields[0].annotation == "list[BodyGoodsDetail]"


def test_numbered_fields_become_fields_of_their_own() -> None:
    schema = {"properties": {"coupon_id_$n": {"type": "string"}, "coupon_id_$n_$m": {"type": "string"}}, "required": ["coupon_id_$n"]}
    (definition,) = define("Body", schema, "", V2_ANSWER)
    keys = [field.key for field in definition.fields]

    assert keys[:10] == [f"coupon_id_{n}" for n in range(10)]
    assert keys[10:] == [f"coupon_id_{n}_{m}" for n in range(5) for m in range(5)]
    assert not any(field.required for field in definition.fields)


def test_numbered_objects_are_defined_once() -> None:
    schema = {"properties": {"order_$n": {"type": "object", "properties": {"id": {"type": "string"}}}}}
    inner, outer = define("Body", schema, "", V2_ANSWER)

    assert {field.annotation for field in outer.fields} == {inner.name}


def test_what_the_client_fills_in_is_not_required() -> None:
    schema = {"properties": {"appid": {"type": "string"}, "sign": {"type": "string"}}, "required": ["appid", "sign"]}
    (definition,) = define("Body", schema, "", V2_REQUEST)

    assert [field.required for field in definition.fields] == [True, False]


@pytest.mark.parametrize("key", ["from", "payer-currency"])
def test_a_key_that_no_class_can_have_wants_the_functional_form(key: str) -> None:
    assert Definition("Body", "", (Field(key, "str", required=True),)).functional
    assert not Definition("Body", "", (Field("name", "str", required=True),)).functional


@pytest.mark.parametrize(
    ("schema", "wire", "expected"),
    [
        ({"type": "integer", "title": "订单金额"}, REQUEST, "订单金额 (fen)"),
        ({"type": "string", "title": "订单金额"}, REQUEST, "订单金额"),
        ({"type": "integer", "title": "订单金额"}, Wire(xml=False, request=True, unit="cents"), "订单金额 (cents)"),
        ({"type": "string", "title": "交易结束时间", "format": "date-time"}, REQUEST, "交易结束时间 (RFC 3339)"),
        ({"type": "string", "title": "姓名", "sensitive": True}, REQUEST, "姓名 (sensitive: encrypted by the client)"),
        ({"type": "string", "title": "姓名", "sensitive": True}, ANSWER, "姓名 (sensitive: decrypted by the client)"),
        ({"type": "string", "title": "姓名", "sensitive": True}, V2_REQUEST, "姓名 (sensitive: travels encrypted)"),
        ({"type": "string", "title": "姓名", "sensitive": True}, V2_ANSWER, "姓名 (sensitive: travels encrypted)"),
        ({"type": "string", "title": 'a "b"\n\\c'}, REQUEST, "a 'b' /c"),
        ({"type": "array", "items": {"type": "string", "title": "支付方式"}}, REQUEST, "支付方式"),
        ({"type": "string", "enum": ["A"]}, ANSWER, "A"),
        ({"type": "string"}, REQUEST, ""),
    ],
)
def test_the_note_of_a_field(schema: dict[str, Any], wire: Wire, expected: str) -> None:
    assert note(schema, wire) == expected


def test_a_document_inside_a_text_gets_a_type_of_its_own() -> None:
    schema = {"type": "string", "title": "子单", "contentSchema": {"type": "object", "properties": {"num": {"type": "integer"}}}}
    inner, outer = define("Paid", {"properties": {"list": schema}}, "", V2_ANSWER)

    assert inner == Definition("PaidListContent", "子单", (Field("num", "int", required=False),))
    assert outer.fields[0].annotation == "str"


def test_parameters_say_of_themselves_whether_they_are_required() -> None:
    (definition,) = define_parameters(
        "Params",
        [{"name": "mchid", "required": True, "type": "string"}, {"name": "limit", "required": False, "type": "integer"}],
        "",
        REQUEST,
    )

    assert definition.fields == (Field("mchid", "str", required=True), Field("limit", "int", required=False))


@pytest.mark.parametrize(
    ("required", "total", "declared"),
    [
        ([True, True, False], True, ["str", "str", "NotRequired[str]"]),
        ([True, False], True, ["str", "NotRequired[str]"]),
        ([False, False, True], False, ["str", "str", "Required[str]"]),
        ([], True, []),
    ],
)
def test_what_most_fields_are_is_not_marked(required: list[bool], total: bool, declared: list[str]) -> None:
    definition = Definition("Order", "", tuple(Field(f"f{n}", "str", required=each) for n, each in enumerate(required)))

    assert definition.total is total
    assert [definition.declared(field) for field in definition.fields] == declared


def test_an_object_without_a_title_is_named_by_its_field() -> None:
    inner, _ = define("Order", {"properties": {"amount": {"type": "object", "properties": {"total": {"type": "integer"}}}}}, "", REQUEST)

    assert inner.note == "`amount`"
