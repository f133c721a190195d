"""The small print: values that the catalogue bounds, fields that are sealed, and what rarely happens."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from tests.sandbox.conftest import NOON, MakeSandbox
from tests.sandbox.examples import APPID, MCHID, native_order, refund_of
from tests.sandbox.test_uploads import FILE, IMAGE, TYPE, form
from tests.support.handmade import OAEP, Handmade
from tests.support.handmade_v2 import HandmadeV2, from_xml, signature
from wechatpay_async.catalog import Operation, Parameter, Schema
from wechatpay_async.sandbox import Refusal, Sandbox, gate, schema, sensitive
from wechatpay_async.sandbox.wire import Call, Request

pytestmark = pytest.mark.anyio


def operation(body: Schema | None = None, *query: Parameter) -> Operation:
    return Operation("v3", "POST", "/v3/made/up", "made", "made up", body=body, query_params=query)


BOUNDS: list[tuple[Schema, list[Any], list[Any]]] = [
    ({"type": "integer", "minimum": 2, "maximum": 3}, [2, 3], [1, 4]),
    ({"type": "number"}, [1, 1.5], ["1", True]),
    ({"type": "boolean"}, [True], [1, "true"]),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "abc"], ["a", "abcd", 1]),
    ({"type": "string", "pattern": "^(?:[a-z]+)$"}, ["a"], ["A", "a\n", ""]),
    ({"type": "string", "format": "date"}, ["2025-11-25"], ["20251125"]),
    ({"type": "string", "format": "json"}, ["{}", "[1]"], ["{", "[" * 10_000]),
    ({"type": "string", "format": "yyyyMMddHHmmss"}, ["20251125120000"], ["2025-11-25"]),
    ({"type": "string", "format": "date-time"}, ["2025-11-25T12:00:00Z"], ["2025-02-30T12:00:00Z", "2025-11-25T12:00:00"]),
    ({"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer"}}, [[1], [1, 2]], [[], [1, 2, 3], ["1"]]),
    ({"type": "object"}, [{}, {"anything": 1}], [[]]),
    ({"anyOf": [{"type": "integer"}, {"type": "string", "enum": ["all"]}]}, [1, "all"], ["some", 1.5]),
    ({}, [1, "x", {"y": []}], []),
]


@pytest.mark.parametrize(("kind", "right", "wrong"), BOUNDS)
def test_values_are_bounded(kind: Schema, right: list[Any], wrong: list[Any]) -> None:
    made = operation({"type": "object", "properties": {"value": kind}})
    for value in right:
        schema.check_body(made, {"value": value})
    for value in wrong:
        with pytest.raises(Refusal) as caught:
            schema.check_body(made, {"value": value})
        assert caught.value.detail is not None
        assert caught.value.detail["field"].startswith("/body/value")


def test_the_query_is_read_by_type() -> None:
    made = operation(
        None,
        {"name": "whole", "required": False, "type": "integer"},
        {"name": "broken", "required": False, "type": "number"},
        {"name": "yes", "required": False, "type": "boolean"},
        {"name": "many", "required": False, "type": "array", "items": {"type": "integer"}},
    )
    read = schema.check_query(made, "whole=1&broken=1.5&yes=true&many=1,2&many=3", {})
    assert read == {"whole": 1, "broken": 1.5, "yes": True, "many": [1, 2, 3]}
    for query in ("whole=1.0", "yes=1", "many=x", "broken=1e5"):
        with pytest.raises(Refusal):
            schema.check_query(made, query, {})


def test_sealed_fields_are_opened_wherever_they_are(make_key: Any) -> None:
    key: rsa.RSAPrivateKey = make_key()
    secret: Schema = {"type": "string", "sensitive": True, "maxLength": 2}
    kind: Schema = {
        "type": "object",
        "properties": {
            "one": secret,
            "many": {"type": "array", "sensitive": True, "items": {"type": "string"}},
            "other": {"anyOf": [secret]},
        },
    }
    plain = {"one": "张三", "many": ["a", ""], "other": "b", "unknown": 1}
    sealed = sensitive.seal_fields(kind, plain, key.public_key())
    assert sealed["one"] != "张三"
    assert sealed["unknown"] == 1
    assert sensitive.has_sensitive(kind, sealed)
    assert not sensitive.has_sensitive(kind, {"one": ""})
    assert not sensitive.has_sensitive(None, sealed)
    assert sensitive.open_fields(kind, sealed, key) == plain
    with pytest.raises(Refusal, match="解密失败"):
        sensitive.open_fields(kind, {"one": "%%%"}, key)
    long = sensitive.seal_fields({"properties": {"one": {"type": "string", "sensitive": True}}}, {"one": "三个字"}, key.public_key())
    with pytest.raises(Refusal, match="明文超过2个字符"):
        sensitive.open_fields(kind, long, key)


def test_nonces_are_forgotten_when_they_cannot_come_again(sandbox: Sandbox) -> None:
    door = gate.Gate(sandbox.merchants)
    credentials = [gate.Credentials(MCHID, f"nonce{index}", "", int(NOON), "") for index in range(10_002)]
    for one in credentials:
        door.spend_nonce(one, NOON)
    with pytest.raises(Refusal, match="重复"):
        door.spend_nonce(credentials[0], NOON)
    door.spend_nonce(gate.Credentials(MCHID, "late", "", int(NOON) + 301, ""), NOON + 301)
    door.spend_nonce(credentials[0], NOON + 301)


def test_brands_have_a_scheme_of_their_own(sandbox: Sandbox) -> None:
    pairs = f'brand_id="{MCHID}",nonce_str="n",signature="x",timestamp="{int(NOON)}",serial_no="1"'
    for scheme, message in (("WECHATPAY-BRAND-SHA256-RSA2048", "序列号有误"), ("WECHATPAY2-SHA256-RSA2048", "认证类型不正确")):
        headers = Headers(headers={"accept": "*/*", "user-agent": "x", "authorization": f"{scheme} {pairs}"})
        with pytest.raises(Refusal, match=message):
            gate.Gate(sandbox.merchants).admit(Request("GET", "/brand/x", headers), Call(NOON, "GET", "/brand/x", {}, b""), NOON)


def test_a_nonce_comes_again_once_it_is_over_though_an_older_one_is_not(sandbox: Sandbox) -> None:
    """A clock that goes ahead of the sandbox's keeps its nonces longer; those after it are not held back."""
    door = gate.Gate(sandbox.merchants)
    door.spend_nonce(gate.Credentials(MCHID, "ahead", "", int(NOON) + 300, ""), NOON)
    door.spend_nonce(gate.Credentials(MCHID, "again", "", int(NOON), ""), NOON)
    door.spend_nonce(gate.Credentials(MCHID, "again", "", int(NOON) + 301, ""), NOON + 301)
    for nonce in ("ahead", "again"):
        with pytest.raises(Refusal, match="重复"):
            door.spend_nonce(gate.Credentials(MCHID, nonce, "", int(NOON) + 301, ""), NOON + 301)
    door.spend_nonce(gate.Credentials(MCHID, "ahead", "", int(NOON) + 601, ""), NOON + 601)


async def test_certificates_of_another_time_are_not_given_out(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(mode="certificate")
    first = sandbox.platform.certificates[0].serial
    sandbox.clock.advance(days=5 * 365 - 2)
    second = sandbox.new_certificate().serial
    async with Handmade(sandbox.settings()) as client:
        assert [entry["serial_no"] for entry in (await client.call("GET", "/v3/certificates"))["data"]] == [first, second]
        sandbox.clock.advance(days=2)
        assert [entry["serial_no"] for entry in (await client.call("GET", "/v3/certificates"))["data"]] == [second]


async def test_a_device_is_shown_and_a_time_must_be_one(client: Handmade, sandbox: Sandbox) -> None:
    scene = {"payer_client_ip": "1.1.1.1", "device_id": "shop-1"}
    await client.call("POST", "/v3/pay/transactions/native", native_order(scene_info=scene, notify_url="http://localhost/notify"))
    found = await client.call("GET", f"/v3/pay/transactions/out-trade-no/native-0001?mchid={MCHID}")
    assert found["scene_info"] == {"device_id": "shop-1"}
    with pytest.raises(Refusal, match="不在用户支付中状态"):
        sandbox.decline("native-0001")
    order = native_order("contract-0001", time_expire="soon", detail={"goods_detail": []})
    order["contract_info"] = {
        "plan_id": "1",
        "contract_mchid": MCHID,
        "contract_appid": APPID,
        "contract_code": "1",
        "request_serial": "1",
        "contract_display_account": "1",
    }
    assert await client.refused("POST", "/v3/pay/transactions/app-with-contract", order) == (400, "PARAM_ERROR")


async def test_an_order_paid_by_code_and_refunded_cannot_be_reversed(client: Handmade, sandbox: Sandbox) -> None:
    order = native_order("code-0001", payer={"auth_code": "130061098828009406"}, scene_info={"store_info": {"id": "0001"}})
    del order["notify_url"]
    await client.call("POST", "/v3/pay/transactions/codepay", order)
    await client.call("POST", "/v3/refund/domestic/refunds", refund_of("code-0001", refund=1))
    reverse = {"appid": APPID, "mchid": MCHID}
    assert await client.refused("POST", "/v3/pay/transactions/out-trade-no/code-0001/reverse", reverse) == (400, "INVALID_REQUEST")


async def test_fifty_splits_and_no_more(client: Handmade, sandbox: Sandbox) -> None:
    order = native_order(amount={"total": 100_000}, settle_info={"profit_sharing": True})
    await client.call("POST", "/v3/pay/transactions/native", order)
    transaction = sandbox.pay("native-0001").transaction_id
    receivers = [{"type": "PERSONAL_OPENID", "account": "o1", "amount": 1, "description": "x"}]
    body = {"transaction_id": transaction, "receivers": receivers, "unfreeze_unsplit": False}
    for number in range(50):
        await client.call("POST", "/v3/profitsharing/orders", body | {"out_order_no": f"split-{number}"})
    assert await client.refused("POST", "/v3/profitsharing/orders", body | {"out_order_no": "split-50"}) == (403, "RULE_LIMIT")


async def test_partners_in_apiv2(sandbox: Sandbox) -> None:
    async with HandmadeV2(sandbox.settings()) as v2:
        order = {
            "appid": APPID,
            "sub_mch_id": "1900000110",
            "body": "x",
            "out_trade_no": "sub-1",
            "total_fee": 10,
            "spbill_create_ip": "8.8.8.8",
            "auth_code": "120061098828009406",
        }
        paid = await v2.call("/pay/micropay", order)
        refund = {
            "appid": APPID,
            "sub_mch_id": "1900000110",
            "out_trade_no": "sub-1",
            "total_fee": 10,
            "refund_fee": 3,
            "out_refund_no": "r1",
        }
        made = await v2.call("/secapi/pay/refund", refund | {"notify_url": "https://merchant.example/refund"})
        by_id = {"appid": APPID, "sub_mch_id": "1900000110", "refund_id": made["refund_id"]}
        assert (await v2.call("/pay/refundquery", by_id))["transaction_id"] == paid["transaction_id"]
        sandbox.clock.advance(seconds=3)
        assert sandbox.book.notices[-1].resource["sub_mch_id"] == "1900000110"


def v2_upload(sandbox: Sandbox, **changes: str) -> bytes:
    import hashlib

    digest = hashlib.md5(IMAGE, usedforsecurity=False).hexdigest()
    fields = {"mch_id": MCHID, "media_hash": digest, "sign_type": "HMAC-SHA256"} | changes
    fields["sign"] = signature(dict(fields), sandbox.merchant.secret, "HMAC-SHA256")
    return form(*((name, "", value.encode()) for name, value in fields.items()), ("media", FILE[1], IMAGE))


async def test_uploads_in_apiv2(sandbox: Sandbox) -> None:
    async with HandmadeV2(sandbox.settings()) as v2:
        for body, message in (
            (v2_upload(sandbox), None),
            (v2_upload(sandbox).replace(b"not really", b"for really"), "media_hash与文件内容不一致"),
            (v2_upload(sandbox).replace(b'; filename="x.png"', b""), "缺少媒体文件"),
            (b"no form", "请求体须以boundary开头"),
        ):
            answer = from_xml((await v2.http.post("/secapi/mch/uploadmedia", content=body, headers={"Content-Type": TYPE})).content)
            assert (answer["return_code"], answer.get("return_msg") if message else None) == ("FAIL" if message else "SUCCESS", message)


def test_the_app_has_a_lifespan(sandbox: Sandbox) -> None:
    with TestClient(sandbox.app, base_url="http://127.0.0.1") as client:
        assert client.get("/_sandbox/calls").json() == {"calls": []}


def test_a_sandbox_says_what_it_is(sandbox: Sandbox) -> None:
    assert repr(sandbox) == "Sandbox(mchid='1900000109', mode='public_key', merchants=1)"
    assert sandbox.merchant.secret not in repr(sandbox.merchant)
    assert "PRIVATE" not in repr(sandbox.platform.public_key)


async def test_what_is_no_text_is_shown_as_base64(client: Handmade, sandbox: Sandbox) -> None:
    await client.send("POST", "/v3/pay/transactions/native", body=b"\xff")
    with TestClient(sandbox.app, base_url="http://127.0.0.1") as people:
        (call,) = people.get("/_sandbox/calls").json()["calls"]
    assert base64.b64decode(call["request_body"]) == b"\xff"


async def test_a_sensitive_name_comes_back_sealed(client: Handmade) -> None:
    receiver = {"appid": APPID, "type": "PERSONAL_OPENID", "account": "o1", "relation_type": "USER", "name": ""}
    answer = await client.call("POST", "/v3/profitsharing/receivers/add", receiver)
    assert answer.get("name", "") == ""
    sealed = base64.b64encode(next(iter(client.platform.values())).encrypt(b"x", OAEP)).decode()
    answer = await client.call("POST", "/v3/profitsharing/receivers/add", receiver | {"name": sealed})
    assert client.key.decrypt(base64.b64decode(answer["name"]), OAEP) == b"x"
