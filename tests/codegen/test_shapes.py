"""Where a `TypedDict` is written, on definitions made by hand, and what that comes to for the whole catalogue."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from wechatpay_async._codegen.generated_types import API_FOLDER
from wechatpay_async._codegen.shapes import Shapes, Source, arranged, renamed
from wechatpay_async._codegen.typed_dicts import Definition, Field

TOTAL = Field("total", "int", required=True, note="总金额 (fen)")
THREE = (Field("mchid", "str", required=True), Field("state", "str", required=True), Field("time", "str", required=False))


def inside(name: str, *fields: Field, note: str = "金额") -> Definition:
    return Definition(name, note, fields)


def whole(name: str, *fields: Field, note: str = "订单") -> Definition:
    return Definition(name, note, fields, whole=True)


def made(**modules: list[Definition]) -> Shapes:
    return arranged([Source(module, tuple(definitions)) for module, definitions in modules.items()])


def test_an_object_that_one_module_has_twice_is_written_there_once() -> None:
    shapes = made(
        pay=[
            inside("NativeOrderAmount", TOTAL),
            whole("NativeOrder", Field("amount", "NativeOrderAmount", required=True)),
            inside("AppOrderAmount", TOTAL, note="订单金额"),
            whole("AppOrder", Field("amount", "list[AppOrderAmount]", required=True)),
        ]
    )

    assert shapes.common == ()
    assert [(each.name, each.fields[0].annotation) for each in shapes.own["pay"]] == [
        ("AppOrderAmount", "int"),
        ("NativeOrder", "AppOrderAmount"),
        ("AppOrder", "list[AppOrderAmount]"),
    ]
    assert shapes.written["NativeOrderAmount"] == "AppOrderAmount"


def test_an_object_of_several_modules_is_common_with_all_that_is_inside() -> None:
    goods, refund_goods = inside("PayGoods", Field("id", "str", required=True)), inside("RefundGoods", Field("id", "str", required=True))
    shapes = made(
        pay=[goods, inside("PayDetail", Field("goods", "PayGoods", required=False))],
        refund=[refund_goods, inside("RefundDetail", Field("goods", "RefundGoods", required=False))],
    )

    assert [each.name for each in shapes.common] == ["PayGoods", "PayDetail"]
    assert shapes.own == {}


def test_a_field_with_another_note_makes_another_object() -> None:
    shapes = made(pay=[inside("A", TOTAL), inside("B", Field("total", "int", required=True, note="退款总金额 (fen)"))])

    assert [each.name for each in shapes.own["pay"]] == ["A", "B"]


def test_a_whole_message_inherits_from_an_equal_one_of_its_module() -> None:
    shapes = made(pay=[whole("ById", *THREE), whole("ByNumber", *THREE)], refund=[whole("Refund", *THREE)])

    assert [(each.name, each.base) for each in shapes.own["pay"]] == [("ById", None), ("ByNumber", "ById")]
    assert [(each.name, each.base) for each in shapes.own["refund"]] == [("Refund", None)]
    assert shapes.common == ()


def test_a_short_message_is_written_again() -> None:
    shapes = made(pay=[whole("ById", *THREE[:2]), whole("ByNumber", *THREE[:2])])

    assert [each.base for each in shapes.own["pay"]] == [None, None]


def test_a_whole_message_and_an_object_inside_never_share_a_class() -> None:
    shapes = made(pay=[whole("Order", *THREE), inside("Inner", *THREE)])

    assert [(each.name, each.base) for each in shapes.own["pay"]] == [("Order", None), ("Inner", None)]


@pytest.mark.parametrize(("text", "expected"), [("A", "B"), ("list[A] | AA", "list[B] | AA"), ("dict[str, Any]", "dict[str, Any]")])
def test_renamed(text: str, expected: str) -> None:
    assert renamed(text, {"A": "B"}) == expected


@pytest.fixture(scope="module")
def written() -> list[ast.ClassDef | ast.Assign]:
    """Every class of `api._types`, in either form."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((API_FOLDER / "_types").glob("*.py"))]
    return [node for tree in trees for node in tree.body if isinstance(node, (ast.ClassDef, ast.Assign))]


def test_no_object_is_written_twice(written: list[ast.ClassDef | ast.Assign]) -> None:
    """A whole message may say what another module's does; an object inside one may not."""
    bodies = Counter(
        tuple(map(ast.unparse, [*node.keywords, *node.body[1:]]))
        for node in written
        if isinstance(node, ast.ClassDef) and not _is_whole(node.name, node)
    )

    assert [body for body, times in bodies.items() if times > 1] == []


def _is_whole(name: str, node: ast.ClassDef) -> bool:
    note = ast.get_docstring(node) or ""
    return note.endswith((", the body.", ", the query.", ", the answer.", ", beside the file.")) or name.endswith(
        ("Resource", "Notification", "Envelope")
    )


def test_what_a_type_checker_has_to_read_stays_small(written: list[ast.ClassDef | ast.Assign]) -> None:
    """mypy reads all of it for every user: seconds are not asserted, since they belong to the machine; these numbers stand for them."""
    modules = [*(API_FOLDER / "_types").glob("*.py"), *(API_FOLDER / "_chain").glob("*.pyi")]
    fields = sum(isinstance(line, ast.AnnAssign) for node in written if isinstance(node, ast.ClassDef) for line in node.body)

    assert len(modules) <= 60
    assert len(written) <= 3_300
    assert fields <= 20_500
    assert sum(path.stat().st_size for path in modules) <= 3_200_000


def test_the_client_leads_to_none_of_the_modules_that_only_pass_names_on() -> None:
    reached = [API_FOLDER / "_base.pyi", *(API_FOLDER / "_types").glob("*.py"), *(API_FOLDER / "_chain").glob("*.pyi")]
    roots = [API_FOLDER / "v3" / "__init__.pyi", API_FOLDER / "v2" / "__init__.pyi", API_FOLDER / "events" / "__init__.pyi"]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in [*reached, *roots]]
    imported = {node.module or "" for tree in trees for node in tree.body if isinstance(node, ast.ImportFrom)}

    assert {module for module in imported if module.startswith(("wechatpay_async.api.types", "wechatpay_async.api.v"))} == set()
