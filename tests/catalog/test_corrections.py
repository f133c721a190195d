"""Overrides: each does one thing, in the right place, and says why."""

from __future__ import annotations

from typing import Any

import pytest

from wechatpay_async._codegen.corrections import CorrectionError, correct

WHY = {"what": "it is right", "why": "it was wrong", "source": "the official page"}


def facts(schema: dict[str, Any], **parts: Any) -> list[dict[str, Any]]:
    body = {"type": "object", "properties": {"field": schema}, "required": ["field"]}
    first = {"api": "v3", "method": "POST", "path": "/v3/a/x", "title": "", "responses": {"204": None}, "body": body, **parts}
    lender = {
        "type": "object",
        "properties": {"list": {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "string"}}}}},
    }
    return [first, {"api": "v3", "event": "A.B", "title": "", "resource": lender}]


def field(corrected: list[dict[str, Any]]) -> Any:
    return corrected[0]["body"]["properties"]["field"]


def corrected(schema: dict[str, Any], **correction: Any) -> Any:
    return field(correct(facts(schema), [{"operation": "POST /v3/a/x", "at": "/body/properties/field", **correction, **WHY}]))


def ruled(schema: dict[str, Any], where: dict[str, Any], **correction: Any) -> Any:
    return field(correct(facts(schema), [{"where": {"name": "field", **where}, **correction, **WHY}]))


def test_set_drop_and_add() -> None:
    assert corrected({"type": "number", "maxLength": 2}, set={"type": "integer"}, drop=["maxLength", "absent"]) == {"type": "integer"}
    assert corrected({"type": "object"}, add={"a": {"type": "string"}}) == {"type": "object", "properties": {"a": {"type": "string"}}}


def test_the_given_facts_stay_as_they_are() -> None:
    given = facts({"type": "number"})
    correct(given, [{"where": {"type": "number"}, "set": {"type": "integer"}, **WHY}])
    assert field(given) == {"type": "number"}


def test_rename_a_property_and_a_parameter() -> None:
    given = facts({"type": "string"}, query_params=[{"name": "old", "required": True, "type": "string"}])
    operation = correct(
        given,
        [
            {"operation": "POST /v3/a/x", "at": "/body/properties/field", "rename": "other", **WHY},
            {"operation": "POST /v3/a/x", "at": "/query_params/old", "rename": "new", **WHY},
        ],
    )[0]
    assert operation["body"] == {"type": "object", "properties": {"other": {"type": "string"}}, "required": ["other"]}
    assert operation["query_params"][0]["name"] == "new"


def test_rename_where_nothing_is_required() -> None:
    given = facts({"type": "object", "properties": {"a": {"type": "string"}}})
    result = correct(given, [{"operation": "POST /v3/a/x", "at": "/body/properties/field/properties/a", "rename": "b", **WHY}])
    assert field(result)["properties"] == {"b": {"type": "string"}}


def test_remove_a_property_and_a_parameter() -> None:
    given = facts({"type": "string"}, query_params=[{"name": "a"}, {"name": "b"}])
    corrections = [{"operation": "POST /v3/a/x", "at": f"/query_params/{name}", "remove": True, **WHY} for name in ("a", "b")]
    assert [parameter["name"] for parameter in correct(given, corrections[:1])[0]["query_params"]] == ["b"]
    assert "query_params" not in correct(given, corrections)[0]
    gone = correct(given, [{"operation": "POST /v3/a/x", "at": "/body/properties/field", "remove": True, **WHY}])
    assert gone[0]["body"]["properties"] == {}


def test_borrow_adds_what_is_missing_at_every_depth() -> None:
    own = {
        "type": "object",
        "properties": {"list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}},
    }
    result = corrected(own, borrow={"from": "v3 A.B", "at": "/resource"})
    assert set(result["properties"]["list"]["items"]["properties"]) == {"a", "b"}
    assert set(corrected({"type": "object"}, borrow={"from": "v3 A.B", "at": "/resource"})["properties"]) == {"list"}


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "integer", "example": "888"}, 888),
        ({"type": "integer", "example": "-1"}, -1),
        ({"type": "string", "example": 190000}, "190000"),
        ({"type": "string", "example": True}, "true"),
        ({"type": "boolean", "example": "TRUE"}, True),
        ({"type": "array", "example": '["a"]'}, ["a"]),
        ({"type": "object", "example": '{"a": 1}'}, {"a": 1}),
    ],
)
def test_examples_become_values_of_their_type(schema: dict[str, Any], example: object) -> None:
    assert ruled(schema, {"example_off": True}, repair="example as type")["example"] == example


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "example": "1 or 0"},
        {"type": "boolean", "example": "yes"},
        {"type": "array", "example": "a,b"},
        {"type": "object", "example": "{a"},
        {"type": "array", "example": '{"a": 1}'},
    ],
)
def test_an_example_that_cannot_be_read_is_left_out(schema: dict[str, Any]) -> None:
    assert "example" not in ruled(schema, {"example_off": True}, repair="example as type")


def test_enum_values_become_values_of_their_type() -> None:
    assert ruled({"type": "string", "enum": [74, 75]}, {"enum_off": True}, repair="enum as type")["enum"] == ["74", "75"]
    assert ruled({"type": "string", "enum": [True, False]}, {"enum_off": True}, repair="enum as type")["enum"] == ["true", "false"]
    assert ruled({"type": "integer", "enum": ["0", "1"]}, {"enum_off": True}, repair="enum as type")["enum"] == [0, 1]
    assert ruled({"type": "integer", "enum": [0, "1"]}, {"enum_off": True}, repair="enum as type")["enum"] == [0, 1]


def test_required_lists_keep_what_they_can_mean() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]}
    assert ruled(schema, {"required_stray": True}, repair="required as named")["required"] == ["a"]
    assert "required" not in ruled({"type": "object", "required": ["b"]}, {"required_stray": True}, repair="required as named")


def test_the_document_inside_a_text() -> None:
    inner = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    result = ruled({"type": "string", **inner}, {"has": "properties"}, repair="document in text")
    assert result == {"type": "string", "contentSchema": {"type": "object", **inner}}


def test_the_meta_of_a_form() -> None:
    meta = {"name": "meta", "type": "object", "format": "json", "properties": {"a": {"type": "string"}}}
    rule = {"where": {"format": "json", "part": "form", "api": "v3"}, "repair": "document in text", **WHY}
    listed = correct(facts({"type": "string"}, form=[{**meta, "required": ["a"]}]), [rule])[0]["form"][0]
    assert (listed["required"], listed["contentSchema"]["required"]) == (True, ["a"])
    marked = correct(facts({"type": "string"}, form=[{**meta, "required": True}]), [rule])[0]["form"][0]
    assert (marked["required"], marked["contentSchema"]) == (True, {"type": "object", "properties": {"a": {"type": "string"}}})


def test_patterns_titles_and_times() -> None:
    assert ruled({"pattern": "/\\d{8}|OnAccept/"}, {"pattern_like": "^/"}, repair="pattern as Python")["pattern"] == "^(?:\\d{8}|OnAccept)$"
    assert ruled({"title": "总金额(大于0"}, {"title_like": "[(]"}, repair="title before bracket")["title"] == "总金额"
    time = {"format": "date-time", "example": "2025-07-24T00:00+08:00"}
    assert ruled(time, {"example_like": "T00"}, repair="seconds in example")["example"] == "2025-07-24T00:00:00+08:00"


@pytest.mark.parametrize(
    "where",
    [
        {"operation": "POST /v3/a/x", "at": ["/body/properties/field"]},
        {"title": ["总金额", "金额"], "type": ["number"]},
        {"lacks": "example", "has": "title"},
        {"example_fractional": False},
    ],
)
def test_conditions(where: dict[str, Any]) -> None:
    assert ruled({"type": "number", "title": "金额"}, where, set={"type": "integer"})["type"] == "integer"


@pytest.mark.parametrize(
    "where",
    [{"title_like": "价"}, {"pattern_like": "/"}, {"type": "string"}, {"enum_off": True}, {"example_fractional": True}, {"api": "v2"}],
)
def test_a_rule_that_meets_nothing_is_refused(where: dict[str, Any]) -> None:
    with pytest.raises(CorrectionError, match="nothing to correct"):
        ruled({"type": "number", "title": "金额"}, where, set={"type": "integer"})


def test_a_correction_that_changes_nothing_is_refused() -> None:
    with pytest.raises(CorrectionError, match="nothing to correct: POST /v3/a/x /body/properties/field: it is right"):
        corrected({"type": "string"}, set={"type": "string"})


@pytest.mark.parametrize("missing", ["what", "why", "source"])
def test_a_correction_without_an_explanation_is_refused(missing: str) -> None:
    explanation = {key: value for key, value in WHY.items() if key != missing}
    with pytest.raises(CorrectionError, match=f"{missing} is missing"):
        correct(facts({}), [{"where": {}, "set": {"type": "string"}, **explanation}])


@pytest.mark.parametrize(
    "place",
    [
        {"operation": "POST /v3/gone", "at": "/body"},
        {"operation": "POST /v3/a/x", "at": "/body/properties/gone"},
        {"event": "v3 C", "at": "/"},
    ],
)
def test_a_place_that_is_not_there_is_refused(place: dict[str, Any]) -> None:
    with pytest.raises(CorrectionError, match="no such place"):
        correct(facts({}), [{**place, "set": {"type": "string"}, **WHY}])


@pytest.mark.parametrize("lender", [{"from": "v3 C", "at": "/resource"}, {"from": "v3 A.B", "at": "/body"}])
def test_a_lender_that_is_not_there_is_refused(lender: dict[str, str]) -> None:
    with pytest.raises(CorrectionError, match="nothing to borrow from"):
        corrected({"type": "object"}, borrow=lender)
