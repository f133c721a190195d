"""A tree of path segments to classes, on trees made by hand."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from wechatpay_async._codegen.chain_stubs import Attribute, StubClass, stub_classes
from wechatpay_async._codegen.imports import imports_for
from wechatpay_async._codegen.names import camel, class_name, is_field_name, module_name, url_segments
from wechatpay_async.catalog import OperationKey, TreeNode


def tree(*paths: str) -> TreeNode:
    """The tree of these paths; a path is written `POST a/b`."""
    return grown("", [(method, path.split("/")) for method, path in (each.split(" ") for each in paths)], "")


def grown(segment: str, below: list[tuple[str, list[str]]], path: str) -> TreeNode:
    names = dict.fromkeys(rest[0] for _, rest in below if rest)
    children = {
        name: grown(name, [(method, rest[1:]) for method, rest in below if rest and rest[0] == name], f"{path}/{name}") for name in names
    }
    methods = {method: OperationKey("v3", method, path) for method, rest in below if not rest}
    return TreeNode(segment, MappingProxyType(children), MappingProxyType(methods))


def named(classes: list[StubClass]) -> dict[str, StubClass]:
    return {stub.name: stub for stub in classes}


def test_one_class_a_node() -> None:
    assert stub_classes("v3", tree("POST pay/orders", "GET pay/orders/{order_id}")) == [
        StubClass("V3", (), (Attribute("pay", "Pay"),), ()),
        StubClass("Pay", ("pay",), (Attribute("orders", "PayOrders"),), ()),
        StubClass(
            "PayOrders",
            ("pay", "orders"),
            (Attribute("_order_id_", "PayOrdersByOrderId"),),
            (OperationKey("v3", "POST", "/pay/orders"),),
        ),
        StubClass("PayOrdersByOrderId", ("pay", "orders", "{order_id}"), (), (OperationKey("v3", "GET", "/pay/orders/{order_id}"),)),
    ]


def test_two_spellings_lead_to_one_class() -> None:
    root = stub_classes("v3", tree("POST out-trade-no"))[0]

    assert root.attributes == (Attribute("outTradeNo", "OutTradeNo"), Attribute("out_trade_no", "OutTradeNo"))


def test_apiv2_classes_have_their_api_before_them() -> None:
    assert [stub.name for stub in stub_classes("v2", tree("POST pay/micropay"))] == ["V2", "V2Pay", "V2PayMicropay"]


def test_a_trailing_slash_puts_the_verb_on_the_node_before_it() -> None:
    classes = named(stub_classes("v3", tree("POST applyment/")))

    assert classes["Applyment"].keys == (OperationKey("v3", "POST", "/applyment/"),)
    assert classes["Applyment"].attributes == ()


def test_one_spelling_of_two_segments_leads_to_both() -> None:
    classes = named(stub_classes("v3", tree("GET policy-periods/{id}/a", "POST policy-periods/{id}", "GET policy_periods/{id}/b")))
    both = classes["PolicyPeriodsEither"]

    assert classes["V3"].attributes == (Attribute("policyPeriods", "PolicyPeriods"), Attribute("policy_periods", "PolicyPeriodsEither"))
    below = classes[both.attributes[0].class_name]
    assert [attribute.name for attribute in below.attributes] == ["a", "b"]
    assert below.attributes[0].class_name == classes[classes["PolicyPeriods"].attributes[0].class_name].attributes[0].class_name


def test_one_spelling_of_two_operations_is_refused() -> None:
    with pytest.raises(ValueError, match="one spelling means two operations"):
        stub_classes("v3", tree("GET a-b", "GET a_b"))


def test_the_verb_delete_beside_a_segment_delete_is_refused() -> None:
    with pytest.raises(ValueError, match="both the verb DELETE and a segment"):
        stub_classes("v3", tree("DELETE receivers", "POST receivers/delete"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("out_trade_no", "OutTradeNo"), ("out-trade-no", "OutTradeNo"), ("TRANSACTION.SUCCESS", "TransactionSuccess"),
     ("modifyInstitutionsub", "ModifyInstitutionsub"), ("h5", "H5"), ("coupon_id_$n", "CouponIdN")],
)  # fmt: skip
def test_camel(text: str, expected: str) -> None:
    assert camel(text) == expected


def test_names_of_classes_modules_and_fields() -> None:
    assert class_name(["pay", "id", "{transaction_id}"]) == "PayIdByTransactionId"
    assert [module_name(segment) for segment in ("fund-app", "global", "{openid}")] == ["fund_app", "global_", "by_openid"]
    assert [is_field_name(name) for name in ("total", "from", "a b")] == [True, False, False]
    assert url_segments("/v3/ecommerce/applyments/") == ["ecommerce", "applyments"]
    assert url_segments("/pay/micropay") == ["pay", "micropay"]


def test_only_what_the_code_uses_is_imported() -> None:
    body = 'class A:\n    """Any Mapping"""\n    async def f(self, x: Literal["a"]) -> httpx.Response: ...  # Callable\n'

    assert imports_for(body) == "from typing import Literal\n\nimport httpx"
    assert imports_for(
        "x: _t.Y\ny: Response[None]\n", {"_t": ("wechatpay_async.api._types", "pay"), "_c": ("wechatpay_async.api._types", "common")}
    ) == ("from wechatpay_async.api._types import pay as _t\nfrom wechatpay_async.response import Response")
