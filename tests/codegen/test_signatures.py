"""Operations to signatures and docstrings, on operations made by hand and a few of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wechatpay_async._codegen.signatures import Method, typed_operation
from wechatpay_async.catalog import Operation

TRANSPORT = ("params: Query = ...", "headers: Headers = ...", "timeout: Timeout = ...")
CONFIG = "config: Config = ..."
OBJECT: Mapping[str, Any] = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def operation(method: str = "POST", path: str = "/v3/pay/orders", **facts: Any) -> Operation:
    made: dict[str, Any] = {"api": "v3", "method": method, "path": path, "service": "pay", "title": "下单", "responses": {"204": None}}
    return Operation(**{**made, **facts})


def only(made: Operation) -> Method:
    (method,) = typed_operation(made).methods
    return method


def test_a_body_comes_first_by_position() -> None:
    assert only(operation(body=OBJECT)).parameters == ("data: _t.PayOrdersPostBody", "/", CONFIG, "*", *TRANSPORT)


def test_a_body_without_required_fields_may_be_left_out() -> None:
    body = {"type": "object", "properties": {"id": {"type": "string"}}}

    assert only(operation(body=body)).parameters[0] == "data: _t.PayOrdersPostBody | None = None"


def test_a_body_of_which_nothing_is_published_takes_any_mapping() -> None:
    assert only(operation(body={"type": "object"})).parameters[0] == "data: Mapping[str, Any] | None = None"


def test_a_post_without_a_body_takes_an_empty_one() -> None:
    assert only(operation()).parameters[0] == "data: NoBody | None = None"


def test_get_takes_the_config_first() -> None:
    assert only(operation("GET")).parameters == (CONFIG, "/", "*", *TRANSPORT)


def test_delete_takes_a_body_where_it_has_one() -> None:
    assert only(operation("DELETE")).parameters[0] == CONFIG
    assert only(operation("DELETE", body=OBJECT)).parameters[:3] == ("data: _t.PayOrdersDeleteBody", "/", CONFIG)


def test_path_values_are_keywords() -> None:
    made = operation(
        "GET",
        "/v3/pay/orders/{plan_id}/{code}",
        path_params=({"name": "plan_id", "required": True, "type": "integer"}, {"name": "code", "required": True, "type": "string"}),
    )

    assert only(made).parameters[2:5] == ("*", "plan_id: int | str", "code: str")


def test_a_required_query_cannot_be_left_out() -> None:
    made = operation("GET", query_params=({"name": "mchid", "required": True, "type": "string"},))

    assert "params: _t.PayOrdersGetParams" in only(made).parameters


def test_an_optional_query_may_be_left_out() -> None:
    made = operation("GET", query_params=({"name": "limit", "required": False, "type": "integer"},))

    assert "params: _t.PayOrdersGetParams | None = None" in only(made).parameters


def test_a_header_that_the_caller_must_give_is_required() -> None:
    made = operation(headers=({"name": "Idempotency-Key", "required": True}, {"name": "Wechatpay-Serial", "required": True}))

    assert "headers: Mapping[str, str]" in only(made).parameters
    assert "headers wanted: Idempotency-Key." in only(made).doc


def test_an_upload_wants_the_file_and_what_the_file_does_not_tell() -> None:
    meta = {
        "type": "object",
        "properties": {"sha256": {"type": "string"}, "filename": {"type": "string"}, "bank_type": {"type": "string"}},
        "required": ["sha256", "bank_type"],
    }
    form = (
        {"name": "file", "required": True, "type": "file"},
        {"name": "meta", "required": True, "type": "string", "contentSchema": meta},
        {"name": "item_id", "required": False, "type": "integer"},
    )
    made = typed_operation(operation(form=form))

    assert made.methods[0].parameters == (
        "data: _t.PayOrdersPostMeta", "/", CONFIG, "*",
        "file: FileSource", "filename: str | None = None", "progress: Progress | None = None", *TRANSPORT,
    )  # fmt: skip
    assert [(field.key, field.required) for field in made.definitions[-1].fields] == [("bank_type", True), ("item_id", False)]


def test_an_upload_that_needs_nothing_else() -> None:
    form: Any = (
        {"name": "file", "required": True, "type": "file"},
        {"name": "meta", "required": True, "type": "string", "contentSchema": {}},
    )

    assert only(operation(form=form)).parameters[0] == "data: NoBody | None = None"


def test_a_download_gives_bytes_or_a_stream() -> None:
    get, stream = typed_operation(operation("GET", download=True, response_signed=False, responses={"200": None})).methods

    assert (get.name, get.returns, get.is_async) == ("get", "Response[bytes]", True)
    assert (stream.name, stream.returns, stream.is_async) == ("stream", "AbstractAsyncContextManager[httpx.Response]", False)
    assert get.parameters == stream.parameters


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, "Response[None]"),
        (OBJECT, "Response[_t.PayOrdersPostResponse]"),
        ({"type": "object"}, "Response[dict[str, Any]]"),
        ({"type": "array", "items": OBJECT}, "Response[list[_t.PayOrdersPostResponse]]"),
    ],
)
def test_the_answer(schema: Any, expected: str) -> None:
    assert only(operation(responses={"200": schema})).returns == expected


def test_apiv2_names_have_their_api_before_them() -> None:
    made = operation(api="v2", path="/pay/micropay", body=OBJECT, responses={"200": OBJECT})

    assert [definition.name for definition in typed_operation(made).definitions] == ["V2PayMicropayPostBody", "V2PayMicropayPostResponse"]


def test_an_answer_of_apiv2_in_json_keeps_its_types() -> None:
    schema = {"type": "object", "properties": {"retcode": {"type": "integer"}}}
    text, parsed = (
        typed_operation(operation(api="v2", path="/pay/token", responses={"200": schema}, produces=(kind,)))
        for kind in ("application/xml", "application/json")
    )

    assert text.definitions[0].fields[0].annotation == "str"
    assert parsed.definitions[0].fields[0].annotation == "int"


def test_the_docstring() -> None:
    made = operation(
        path="/v3/pay/orders/{order_id}/pay-now",
        title="立即支付",
        roles=("直连商户", "服务商"),
        docs=("https://pay.weixin.qq.com/wiki/old.shtml", "https://pay.weixin.qq.com/doc/v3/merchant/1"),
        deprecated=True,
        client_cert=True,
        response_signed=False,
        base_url="https://apihk.mch.weixin.qq.com",
        query_params=({"name": "mchid", "required": True, "type": "string"},),
        body=OBJECT,
    )

    assert only(made).doc == (
        "立即支付（已废弃）",
        "",
        "POST /v3/pay/orders/{order_id}/pay-now · 直连商户、服务商",
        "wants the merchant's client certificate; the answer carries no signature; deprecated; host https://apihk.mch.weixin.qq.com.",
        "https://pay.weixin.qq.com/doc/v3/merchant/1",
        "https://pay.weixin.qq.com/wiki/old.shtml",
        "",
        '    await wxpay.v3.pay.orders._order_id_.pay_now.post({...}, order_id="…", params={...})',
    )


def test_the_example_of_a_stream_and_of_an_upload() -> None:
    download = typed_operation(operation("GET", "/v3/pay/file", download=True)).methods[1]
    upload = only(operation(path="/v3/pay/media", form=({"name": "file", "required": True, "type": "file"},)))

    assert download.doc[-1] == "    async with wxpay.v3.pay.file.stream() as file: ..."
    assert upload.doc[-1] == '    await wxpay.v3.pay.media.post(file="…")'


def test_amounts_overseas_are_in_the_minor_unit() -> None:
    body = {"type": "object", "properties": {"total": {"type": "integer", "title": "总金额"}}}
    (definition,) = typed_operation(operation(path="/v3/global/orders", body=body)).definitions

    assert definition.fields[0].note == "总金额 (the currency's minor unit)"
