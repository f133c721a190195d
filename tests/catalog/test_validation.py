"""What is refused before it is sent, where, and how sure that is."""

from __future__ import annotations

import enum
import json
import math
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wechatpay_async import catalog
from wechatpay_async.catalog import Operation, Parameter, Schema, Validator, compile_validator

ORDER: dict[str, Any] = {
    "appid": "wxd678efh567hg6787",
    "mchid": "1230000109",
    "description": "Image形象店-深圳腾大-QQ公仔",
    "out_trade_no": "1217752501201407033233368018",
    "time_expire": "2018-06-08T10:34:56+08:00",
    "notify_url": "https://www.weixin.qq.com/wxpay/pay.php",
    "support_fapiao": True,
    "amount": {"total": 100, "currency": "CNY"},
    "payer": {"openid": "ofyak5qYxYJVnhTlrkk_ACWIVrHI"},
    "limit_pay": ["no_credit"],
    "detail": {
        "cost_price": 608800,
        "goods_detail": [{"merchant_goods_id": "1246464644", "goods_name": "iPhoneX 256G", "quantity": 1, "unit_price": 528800}],
    },
    "scene_info": {"payer_client_ip": "14.23.150.211", "store_info": {"name": "腾讯大厦分店", "area_code": "440305", "address": "深圳"}},
    "settle_info": {"profit_sharing": False},
}


def find(api: catalog.API, method: str, path: str) -> Operation:
    found = catalog.operation(api, method, path)
    assert found is not None
    return found


def jsapi() -> Validator:
    return compile_validator(find("v3", "POST", "/v3/pay/transactions/jsapi"))


def custom(body: Schema, api: catalog.API = "v3", **parts: Any) -> Validator:
    """The validator of an operation that is not in the catalogue."""
    return compile_validator(Operation(api, "POST", "/v3/own", "own", "", body=body, **parts))


def told(validator: Validator, data: Any) -> list[tuple[str, str, bool]]:
    return [(problem.path, problem.message, problem.always) for problem in validator.check_body(data)]


def test_the_documented_order_is_fine() -> None:
    assert jsapi().check_body(ORDER) == []


def test_it_is_compiled_once() -> None:
    assert jsapi() is jsapi()


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"amount": {"total": 1.5}}, "$.amount.total", "a whole number is wanted (总金额), in fen, got float"),
        ({"amount": {"total": 100.0}}, "$.amount.total", "a whole number is wanted (总金额), in fen, got float"),
        ({"amount": {"total": True}}, "$.amount.total", "a whole number is wanted (总金额), in fen, got bool"),
        ({"amount": {"total": math.nan}}, "$.amount.total", "a whole number is wanted (总金额), in fen, got float"),
        ({"attach": None}, "$.attach", "null is never taken, leave the field out; got None"),
        ({"detail": {"goods_detail": [None]}}, "$.detail.goods_detail[0]", "null is never taken, leave the field out; got None"),
        ({"attach": b"raw"}, "$.attach", "bytes cannot be sent; decode it to text first"),
        ({"attach": Decimal(1)}, "$.attach", "Decimal cannot be sent; give text, a number, a boolean, a list or a dict"),
        ({"attach": math.inf}, "$.attach", "a finite number is wanted, got NaN or infinity"),
        ({"description": "到店😀"}, "$.description", "character 2 is U+1F600, beyond the BMP (an emoji?), which the server refuses"),
        ({"description": "\ud800"}, "$.description", "character 0 is a lone surrogate, which the server refuses"),
        ({"amount": {"total": 1, 2: 3}}, "$.amount[2]", "names are text, got the key int"),
    ],
)
def test_what_no_server_takes(change: dict[str, Any], path: str, message: str) -> None:
    always = [problem for problem in jsapi().check_body(ORDER | change) if problem.always]
    assert [(problem.path, problem.message) for problem in always] == [(path, message)]
    assert always[0].page == find("v3", "POST", "/v3/pay/transactions/jsapi").docs_url


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"amount": {"total": "100"}}, "$.amount.total", "a whole number is wanted (总金额), got str"),
        ({"amount": 100}, "$.amount", "an object is wanted (订单金额), got int"),
        ({"mchid": 1230000109}, "$.mchid", "text is wanted (直连商户号), got int"),
        ({"limit_pay": "no_credit"}, "$.limit_pay", "an array is wanted (指定支付方式), got str"),
        (
            {"limit_pay": ["cash"]},
            "$.limit_pay[0]",
            "one of no_balance, no_credit, no_debit, balance_only is wanted (支付方式), got 'cash'",
        ),
        ({"support_fapiao": "true"}, "$.support_fapiao", "true or false is wanted (电子发票入口开放标识), got str"),
        ({"time_expire": "tomorrow"}, "$.time_expire", "a time like 2018-06-08T10:34:56+08:00 is wanted, got text of 8 characters"),
        ({"amout": 1}, "$.amout", "no such field is documented; did you mean amount?"),
        ({"zzz": 1}, "$.zzz", "no such field is documented"),
        ({"no-plain name": 1}, "$['no-plain name']", "no such field is documented"),
        ({"payer": {}}, "$.payer.openid", "is required (用户标识)"),
    ],
)
def test_what_the_server_may_have_been_loosened_for(change: dict[str, Any], path: str, message: str) -> None:
    assert told(jsapi(), ORDER | change) == [(path, message, False)]


def test_inside_of_what_is_not_documented_the_impossible_is_still_seen() -> None:
    assert told(jsapi(), ORDER | {"zzz": {"list": [{"deep": None}, {1: "x"}, {"😀": 1}], "fine": [1, "x", 1.5, True]}}) == [
        ("$.zzz.list[0].deep", "null is never taken, leave the field out; got None", True),
        ("$.zzz.list[1][1]", "names are text, got the key int", True),
        ("$.zzz.list[2]['😀']", "character 0 is U+1F600, beyond the BMP (an emoji?), which the server refuses", True),
        ("$.zzz", "no such field is documented", False),
    ]


def test_an_empty_body_lacks_what_is_required() -> None:
    assert [problem.path for problem in jsapi().check_body(None)] == [
        "$.amount",
        "$.appid",
        "$.description",
        "$.mchid",
        "$.notify_url",
        "$.out_trade_no",
        "$.payer",
    ]


def test_the_outermost_mapping_may_be_of_any_kind() -> None:
    assert jsapi().check_body(MappingProxyType(ORDER)) == []
    below = ORDER | {"amount": MappingProxyType({"total": 1})}
    assert told(jsapi(), below) == [("$.amount", "mappingproxy cannot be sent; give text, a number, a boolean, a list or a dict", True)]


def test_the_values_stay_as_they_are() -> None:
    before = json.dumps(ORDER)
    jsapi().check_body(ORDER)
    assert json.dumps(ORDER) == before


def test_enums_and_tuples_are_text_and_lists() -> None:
    class Pay(enum.StrEnum):
        NO_CREDIT = "no_credit"

    class Price(enum.IntEnum):
        ONE = 1

    assert jsapi().check_body(ORDER | {"limit_pay": (Pay.NO_CREDIT,), "amount": {"total": Price.ONE}}) == []


def test_a_sensitive_value_is_never_shown_nor_measured() -> None:
    validator = custom(
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "sensitive": True, "maxLength": 2},
                "kind": {"type": "string", "sensitive": True, "enum": ["A"]},
            },
        }
    )
    assert told(validator, {"name": "much longer than two", "kind": "secret"}) == [
        ("$.kind", "one of A is wanted, got text of 6 characters", False)
    ]


def test_limits() -> None:
    validator = custom(
        {
            "type": "object",
            "properties": {
                "short": {"type": "string", "maxLength": 3},
                "long": {"type": "string", "minLength": 2, "maxLength": 3},
                "least": {"type": "string", "minLength": 2},
                "code": {"type": "string", "pattern": "^[a-z]+$"},
                "month": {"type": "integer", "minimum": 1, "maximum": 12},
                "most": {"type": "integer", "maximum": 12},
                "term": {"type": "integer", "enum": [3, 6]},
                "list": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
                "rate": {"type": "number"},
                "color": {"type": "string", "enum": ["RED"]},
            },
        }
    )
    assert validator.check_body({"short": "abc", "long": "ab", "code": "abc", "month": 12, "term": 6, "list": [1], "rate": 0.5}) == []
    given: dict[str, Any] = {
        "short": "abcd",
        "long": "a",
        "least": "a",
        "code": "A",
        "month": 0,
        "most": 13,
        "term": 4,
        "list": [],
        "rate": "x",
        "color": "x" * 65,
    }
    assert told(validator, given) == [
        ("$.short", "at most 3 characters are wanted, got 4", False),
        ("$.long", "2 to 3 characters are wanted, got 1", False),
        ("$.least", "at least 2 characters are wanted, got 1", False),
        ("$.code", "text like ^[a-z]+$ is wanted, got text of 1 characters", False),
        ("$.month", "1 to 12 is wanted, got 0", False),
        ("$.most", "at most 12 is wanted, got 13", False),
        ("$.term", "one of 3, 6 is wanted, got 4", False),
        ("$.list", "1 to 2 items are wanted, got 0", False),
        ("$.rate", "a number is wanted, got str", False),
        ("$.color", "one of RED is wanted, got text of 65 characters", False),
    ]


def test_one_of_several_schemas() -> None:
    either: Schema = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    validator = custom({"type": "object", "properties": {"either": either, "any": {}}})
    assert validator.check_body({"either": 1, "any": {"x": [1]}}) == []
    assert validator.check_body({"either": "1"}) == []
    assert [problem.path for problem in validator.check_body({"either": []})] == ["$.either"]


def test_a_body_without_documented_fields_may_hold_anything() -> None:
    validator = custom({"type": "object"})
    assert validator.check_body({"x": {"y": [1]}}) == []
    assert told(validator, {"x": {"y": None}}) == [("$.x.y", "null is never taken, leave the field out; got None", True)]
    assert told(validator, "text") == [("$", "an object is wanted, got str", False)]


def test_apiv2_writes_numbers_as_text_or_as_numbers() -> None:
    validator = compile_validator(find("v2", "POST", "/pay/unifiedorder"))
    order = {
        "appid": "wxd678efh567hg6787",
        "body": "腾讯充值中心-QQ会员充值😀",
        "out_trade_no": 20150806125346,
        "total_fee": "888",
        "spbill_create_ip": "123.12.12.123",
        "notify_url": "https://www.weixin.qq.com/wxpay/pay.php",
        "trade_type": "NATIVE",
    }
    assert validator.check_body(order) == []
    assert validator.check_body(order | {"total_fee": 888, "sign_type": "MD5", "nonce_str": "x"}) == []
    assert told(validator, order | {"total_fee": 8.88}) == [("$.total_fee", "a whole number is wanted (标价金额), in fen, got float", True)]
    assert told(validator, order | {"total_fee": "8.88"})[0][2] is False
    assert told(validator, order | {"attach": None})[0][2] is True
    assert told(validator, order | {"attach": True})[0][2] is False


def test_apiv2_documents_may_be_given_as_values() -> None:
    validator = compile_validator(find("v2", "POST", "/pay/unifiedorder"))
    detail = {"goods_detail": [{"goods_id": "1", "quantity": 1, "price": 100}]}
    problems = validator.check_body({"detail": detail})
    assert not [problem for problem in problems if problem.path.startswith("$.detail")]
    assert [problem.path for problem in validator.check_body({"detail": {"goods": None}}) if problem.always] == ["$.detail.goods"]


def test_numbered_fields_of_apiv2() -> None:
    body: Schema = {
        "type": "object",
        "properties": {"coupon_id_$n": {"type": "string"}, "refund_id_$n_$m": {"type": "string", "maxLength": 2}},
        "required": ["coupon_id_$n"],
    }
    validator = custom(body, "v2")
    assert validator.check_body({"coupon_id_0": "1", "coupon_id_12": "1", "refund_id_0_1": "1"}) == []
    assert told(validator, {"refund_id_0_1": "abc"}) == [("$.refund_id_0_1", "at most 2 characters are wanted, got 3", False)]
    assert [path for path, _, _ in told(validator, {"coupon_id_$n": "1", "coupon_id_x": "1"})] == ["$['coupon_id_$n']", "$.coupon_id_x"]


def test_the_numbers_and_flags_of_apiv2() -> None:
    body: Schema = {"type": "object", "properties": {"rate": {"type": "number"}, "yes": {"type": "boolean"}}}
    validator = custom(body, "v2")
    assert validator.check_body({"rate": "0.6", "yes": "TRUE"}) == []
    assert told(validator, {"rate": True, "yes": "Y"}) == [
        ("$.rate", "a number is wanted, got bool", False),
        ("$.yes", "true or false is wanted, got str", False),
    ]


def test_what_goes_beside_the_file_of_an_upload() -> None:
    validator = compile_validator(find("v3", "POST", "/v3/mch-manage/submission-files/sub-mchid/{sub_mchid}/upload"))
    assert validator.check_body(None) == []
    assert validator.check_body({"item_id": 56, "manage_record_id": "56", "file_name": "a.jpg"}) == []
    assert [problem.path for problem in validator.check_body({"item": 56})] == ["$.item"]


def test_an_operation_without_a_body() -> None:
    assert compile_validator(find("v3", "GET", "/v3/certificates")).check_body(None) == []


def test_the_query() -> None:
    validator = compile_validator(find("v3", "GET", "/v3/pay/transactions/id/{transaction_id}"))
    assert validator.check_query({"mchid": "1230000109"}) == []
    assert validator.check_query({"mchid": 1230000109}) == []
    assert [(problem.path, problem.always) for problem in validator.check_query(None)] == [("query.mchid", False)]
    assert [(problem.path, problem.always) for problem in validator.check_query({"mchid": None})] == [("query.mchid", True)]
    assert [problem.path for problem in validator.check_query({"mchid": "1", "mchidd": "1"})] == ["query.mchidd"]


def test_the_query_of_apiv2_needs_nothing_that_the_client_fills_in() -> None:
    validator = compile_validator(find("v2", "GET", "/papay/h5entrustweb"))
    missing = {problem.path for problem in validator.check_query({})}
    assert "query.sign" not in missing
    assert "query.mch_id" not in missing
    assert "query.plan_id" in missing


@pytest.mark.parametrize("value", [None, ""])
def test_a_placeholder_must_be_filled(value: str | None) -> None:
    validator = compile_validator(find("v3", "GET", "/v3/pay/transactions/id/{transaction_id}"))
    (problem,) = validator.check_path({"transaction_id": value})
    assert (problem.path, problem.message, problem.always) == ("path.transaction_id", "a value is required (微信支付订单号)", True)
    assert validator.check_path({}) == [problem]


@pytest.mark.parametrize("value", [1.5, True, b"x", ["x"]])
def test_a_placeholder_takes_text_and_whole_numbers_only(value: object) -> None:
    validator = compile_validator(find("v3", "GET", "/v3/pay/transactions/id/{transaction_id}"))
    assert [problem.always for problem in validator.check_path({"transaction_id": value})] == [True]


def test_a_placeholder_may_be_a_number_or_hold_a_slash() -> None:
    validator = compile_validator(find("v3", "GET", "/v3/pay/transactions/id/{transaction_id}"))
    assert validator.check_path({"transaction_id": 42}) == []
    assert validator.check_path({"transaction_id": "4/2"}) == []


def test_a_placeholder_of_digits() -> None:
    numeric: Parameter = {"name": "id", "required": True, "type": "string", "format": "numeric"}
    validator = custom({"type": "object"}, path_params=(numeric,))
    assert validator.check_path({"id": "42"}) == []
    assert [(problem.message, problem.always) for problem in validator.check_path({"id": "x"})] == [
        ("digits is wanted, got text of 1 characters", False)
    ]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12) | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)  # the first example reads the data
@given(st.sampled_from(list(catalog.operations())), JSON_VALUES)
def test_any_value_is_judged_without_an_accident(operation: Operation, value: Any) -> None:
    validator = compile_validator(operation)
    for problem in [*validator.check_body(value), *validator.check_query(value)]:
        assert problem.path.startswith(("$", "query"))
        assert problem.message


@settings(deadline=None)  # the first example reads the data
@given(st.dictionaries(st.sampled_from([*ORDER, "other"]), JSON_VALUES))
def test_what_passes_can_be_sent(change: dict[str, Any]) -> None:
    order = ORDER | change
    if not [problem for problem in jsapi().check_body(order) if problem.always]:
        sent = json.dumps(order, ensure_ascii=False, allow_nan=False).encode("utf-8")
        assert max(sent.decode("utf-8")) <= "\uffff"
