"""Searching the catalogue by words, and reading what it says."""

from __future__ import annotations

import pytest

from wechatpay_async import catalog
from wechatpay_async.catalog import Event, Operation, describe, search
from wechatpay_async.errors import RequestError


def names(found: list[Operation | Event]) -> list[str]:
    return [each.event if isinstance(each, Event) else each.id for each in found]


def test_search_in_chinese() -> None:
    found = names(search("退款", limit=100))
    assert {"POST /v3/refund/domestic/refunds", "POST /secapi/pay/refund", "REFUND.SUCCESS"} <= set(found)
    assert found.index("POST /v3/refund/domestic/refunds") < 6
    assert found.index("POST /v3/refund/domestic/refunds") < found.index("POST /v3/global/refunds")


def test_search_in_english() -> None:
    assert "POST /v3/refund/domestic/refunds" in names(search("refund"))
    assert names(search("Native pay"))[0] == "POST /v3/pay/transactions/native"


def test_every_word_counts() -> None:
    assert set(names(search("支付分 修改"))) == {
        "POST /v3/payscore/serviceorder/{out_order_no}/modify",
        "POST /v3/payscore/partner/serviceorder/{out_order_no}/modify",
        "POST /v3/payscore/acquiringbank/serviceorder/{out_order_no}/modify",
    }


def test_the_limit_and_nothing_found() -> None:
    assert len(search("pay", limit=3)) == 3
    assert search("quux") == []
    assert search("  ") == []


def test_a_deprecated_operation_comes_later_and_is_still_found() -> None:
    deprecated = next(operation for operation in catalog.operations() if operation.deprecated)
    assert deprecated.id in names(search(deprecated.path.rsplit("/", 1)[1], limit=1000))


def test_describe_an_operation() -> None:
    found = describe("POST /v3/pay/transactions/native")
    assert (found.name, found.title, found.tags, found.flags) == ("POST /v3/pay/transactions/native", "Native下单", ("基础支付",), ())
    total = next(field for field in found.fields if field.name == "amount.total")
    assert str(total) == "amount.total: integer, required, 总金额"
    assert [field.name for field in found.fields if field.place == "answer"] == ["code_url"]
    assert found.page is not None
    assert found.page == found.docs[0]
    assert f"\n{found.page}" in str(found)
    assert str(found).startswith("POST /v3/pay/transactions/native  Native下单\n  基础支付\n")


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("POST /secapi/pay/refund", ("wants the merchant's client certificate",)),
        ("POST /v3/merchant/media/upload", ("multipart upload",)),
        ("GET /v3/billdownload/file", ("its answer is not signed", "answers a file")),
        ("GET /v3/global/certificates", ("on https://apihk.mch.weixin.qq.com",)),
    ],
)
def test_what_is_special_is_said_in_words(name: str, flags: tuple[str, ...]) -> None:
    assert describe(name).flags == flags


def test_the_flags_of_apiv2() -> None:
    without_nonce = next(operation for operation in catalog.operations() if not operation.nonce)
    deprecated = next(operation for operation in catalog.operations() if operation.deprecated)
    assert "no nonce_str" in describe(without_nonce).flags
    assert "deprecated" in describe(deprecated).flags


def test_fields_of_every_place_and_depth() -> None:
    upload = [str(field) for field in describe("POST /v3/merchant/media/upload").fields]
    assert upload[:3] == [
        "file: file, required, 图片文件",
        "meta: string (json), required, 媒体文件元信息`JSON`格式字符串",
        "meta.filename: string, 文件名称",
    ]
    order = {field.name: field for field in describe("POST /v3/pay/transactions/jsapi").fields}
    assert order["detail.goods_detail[].quantity"].required
    assert order["payer.identity.name"].sensitive
    assert str(order["payer.identity.name"]) == "payer.identity.name: string, required, encrypted, 加密后的姓名"
    assert order["subsidy_info.subsidy_detail[].subsidy_period_type"].values == ("DAILY", "PERIOD")
    assert str(order["subsidy_info.subsidy_detail[].subsidy_period_type"]).endswith("贴息方案类型 [DAILY, PERIOD]")


def test_describe_a_concrete_path_and_an_object() -> None:
    by_path = describe("get /v3/pay/transactions/id/42")
    operation = catalog.operation("v3", "GET", "/v3/pay/transactions/id/{transaction_id}")
    assert operation is not None
    assert describe(operation) == by_path
    assert by_path.page is None


def test_describe_a_notification() -> None:
    found = describe("REFUND.SUCCESS")
    assert (found.name, found.title, found.flags) == ("v3 REFUND.SUCCESS", "退款成功", ("original_type refund",))
    assert "amount.refund" in {field.name for field in found.fields}
    bare = catalog.event("refund-processed")
    assert bare is not None
    assert describe(bare).flags == ()


def test_a_name_that_is_nearly_right() -> None:
    with pytest.raises(RequestError, match="did you mean POST /v3/pay/transactions/native"):
        describe("POST /v3/pay/transaction/native")


def test_a_name_that_is_nothing() -> None:
    with pytest.raises(RequestError, match=r"try catalog\.search"):
        describe("§§§")
