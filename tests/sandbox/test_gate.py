"""The gateway's checks: what is not signed, dated, named and written as documented does not come in."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import NOON, MakeSandbox
from tests.sandbox.examples import native_order
from tests.support.handmade import Handmade, verifies
from tests.support.patience import PATIENCE
from wechatpay_async.sandbox import Sandbox

NATIVE = "/v3/pay/transactions/native"

pytestmark = pytest.mark.anyio


async def test_a_signed_order_is_accepted_and_its_answer_verifies(client: Handmade, sandbox: Sandbox) -> None:
    answer = await client.call("POST", NATIVE, native_order())
    assert answer["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    call = sandbox.calls[-1]
    assert (call.operation, call.mchid, call.signature_fits, call.status) == (f"POST {NATIVE}", "1900000109", True, 200)
    assert call.expected_message is not None
    assert call.expected_message.split("\n")[:2] == ["POST", NATIVE]
    assert call.expected_message.endswith("}\n")


@pytest.mark.parametrize("part", ["method", "target", "timestamp", "nonce", "body"])
async def test_one_changed_bit_of_any_signed_part_is_refused(client: Handmade, part: str) -> None:
    body = json.dumps(native_order(), ensure_ascii=False).encode()
    target = "/v3/pay/transactions/out-trade-no/native-0001?mchid=1900000109"
    if part == "method":
        header = client.authorization("PUT", NATIVE, body)
        response = await client.send("POST", NATIVE, body=body, headers={"Authorization": header})
    elif part == "target":
        header = client.authorization("GET", target, b"")
        response = await client.send("GET", target.replace("109", "108"), headers={"Authorization": header})
    elif part == "body":
        header = client.authorization("POST", NATIVE, body)
        response = await client.send("POST", NATIVE, body=body.replace(b"100", b"101"), headers={"Authorization": header})
    else:
        header = client.authorization("POST", NATIVE, body)
        name = {"timestamp": 'timestamp="', "nonce": 'nonce_str="'}[part]
        place = header.index(name) + len(name) + 9
        changed = header[:place] + chr(ord(header[place]) ^ 1) + header[place + 1 :]
        response = await client.send("POST", NATIVE, body=body, headers={"Authorization": changed})
    assert (response.status_code, response.json()["code"]) == (401, "SIGN_ERROR")
    assert "wechatpay-signature" not in response.headers


async def test_a_signature_error_says_what_the_server_saw(client: Handmade, sandbox: Sandbox) -> None:
    response = await client.send(
        "GET", "/v3/certificates?algorithm_type=RSA", headers={"Authorization": client.authorization("GET", "/v3/certificates", b"")}
    )
    seen = response.json()["detail"]["sign_information"]
    lines = seen["truncated_sign_message"].split("\n")
    assert seen["method"] == "GET"
    assert seen["url"] == "/v3/certificates?algorithm_type=RSA"
    assert lines[:3] == ["GET", "/v3/certificates?algorithm_type=RSA", str(int(NOON))]
    assert seen["sign_message_length"] == len(seen["truncated_sign_message"])
    assert sandbox.calls[-1].signature_fits is False


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        ({"scheme": "WECHATPAY2-SM2-WITH-SM3"}, "authorization"),
        ({"parts": {"mchid": "1900000999"}}, "mchid"),
        ({"parts": {"serial_no": "PUB_KEY_ID_0114"}}, "serial_no"),
        ({"parts": {"extra": "1"}}, "authorization"),
        ({"parts": {"nonce_str": "x" * 33}}, "nonce_str"),
        ({"parts": {"timestamp": "1764043200000"}}, "timestamp"),
        ({"timestamp": NOON - 301}, "timestamp"),
        ({"timestamp": NOON + 301}, "timestamp"),
        ({"parts": {"signature": "%%%"}}, "signature"),
    ],
)
async def test_credentials_that_are_not_right_are_refused(client: Handmade, spoil: dict[str, Any], field: str) -> None:
    client.spoil = spoil
    response = await client.send("GET", "/v3/certificates")
    assert (response.status_code, response.json()["code"]) == (401, "SIGN_ERROR")
    assert response.json()["detail"]["field"] == field


@pytest.mark.parametrize("header", [None, "WECHATPAY2-SHA256-RSA2048", 'WECHATPAY2-SHA256-RSA2048 mchid="1", nonce_str="2"'])
async def test_an_authorization_that_cannot_be_read_is_refused(client: Handmade, header: str | None) -> None:
    assert await client.refused("GET", "/v3/certificates", headers={"Authorization": header}) == (401, "SIGN_ERROR")


async def test_five_minutes_either_side_are_allowed(client: Handmade) -> None:
    for timestamp in (NOON - 300, NOON + 300):
        client.spoil = {"timestamp": timestamp}
        await client.call("POST", NATIVE, native_order(f"native-{int(timestamp)}"))


async def test_a_nonce_is_good_for_one_request(client: Handmade, sandbox: Sandbox) -> None:
    client.spoil = {"nonce": "593BEC0C930BF1AFEB40B4A08C8FB242"}
    await client.call("POST", NATIVE, native_order())
    assert await client.refused("POST", NATIVE, native_order()) == (401, "SIGN_ERROR")
    sandbox.clock.advance(seconds=301)
    await client.call("POST", NATIVE, native_order())


@pytest.mark.parametrize("missing", ["Accept", "User-Agent"])
async def test_accept_and_user_agent_must_be_there(client: Handmade, missing: str) -> None:
    assert await client.refused("POST", NATIVE, native_order(), headers={missing: None}) == (400, "PARAM_ERROR")


async def test_the_answer_must_be_acceptable(client: Handmade) -> None:
    assert await client.refused("POST", NATIVE, native_order(), headers={"Accept": "text/html"}) == (400, "PARAM_ERROR")
    await client.call("POST", NATIVE, native_order(), headers={"Accept": "*/*"})


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=gbk"])
async def test_the_body_must_be_called_json(client: Handmade, content_type: str) -> None:
    assert await client.refused("POST", NATIVE, native_order(), headers={"Content-Type": content_type}) == (400, "PARAM_ERROR")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"appid": NaN}',
        b'{"appid":"a","appid":"b"}',
        b"\xff\xfe",
        json.dumps(native_order(attach=None)).encode(),
        json.dumps(native_order(description="emoji \U0001f600"), ensure_ascii=False).encode(),
        json.dumps(native_order(description="emoji \U0001f600")).encode(),
        b'{"description":"\\ud83d"}',
        json.dumps(native_order(detail={"goods_detail": [{"goods_name": None}]})).encode(),
        b"[]",
        b"[" * 20_000,
    ],
)
async def test_json_that_the_gateway_does_not_take(client: Handmade, body: bytes) -> None:
    assert await client.refused("POST", NATIVE, body=body) == (400, "PARAM_ERROR")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"mchidd": "1"}, "/body/mchidd"),
        ({"amount": {"total": "100"}}, "/body/amount/total"),
        ({"amount": {"total": 1.5}}, "/body/amount/total"),
        ({"amount": {"total": True}}, "/body/amount/total"),
        ({"amount": {}}, "/body/amount/total"),
        ({"amount": {"total": 0}}, "/body/amount/total"),
        ({"amount": {"total": 2**63}}, "/body/amount/total"),
        ({"limit_pay": ["no_cash"]}, "/body/limit_pay/0"),
        ({"limit_pay": "no_credit"}, "/body/limit_pay"),
        ({"support_fapiao": "true"}, "/body/support_fapiao"),
        ({"time_expire": "2025-11-25 13:00:00"}, "/body/time_expire"),
        ({"time_expire": "2025-13-25T13:00:00+08:00"}, "/body/time_expire"),
        ({"time_expire": "2025-11-25T12:00:30+08:00"}, "/body/time_expire"),
        ({"out_trade_no": "short"}, "/body/out_trade_no"),
        ({"out_trade_no": "no spaces here"}, "/body/out_trade_no"),
        ({"description": "很" * 128}, "/body/description"),
        ({"attach": ""}, "/body/attach"),
        ({"notify_url": "https://merchant.example/notify?x=1"}, "/body/notify_url"),
        ({"notify_url": "http://merchant.example/notify"}, "/body/notify_url"),
        ({"scene_info": []}, "/body/scene_info"),
    ],
)
async def test_fields_are_checked_by_the_catalogue(client: Handmade, changes: dict[str, Any], field: str) -> None:
    response = await client.send("POST", NATIVE, native_order(**changes))
    assert (response.status_code, response.json()["code"]) == (400, "PARAM_ERROR")
    assert response.json()["detail"]["field"] == field
    assert verifies(client.platform[response.headers["wechatpay-serial"]], response.headers, response.content)


async def test_a_missing_field_is_named(client: Handmade) -> None:
    order = native_order()
    del order["appid"]
    response = await client.send("POST", NATIVE, order)
    assert response.json()["detail"]["field"] == "/body/appid"
    assert "公众号ID" in response.json()["message"]
    assert await client.refused("POST", NATIVE) == (400, "PARAM_ERROR")


@pytest.mark.parametrize("query", ["", "?mchid=1900000109&mchid=1900000109", "?mchid=1900000109&x=1", "?mchid", "?mchid=%ff"])
async def test_the_query_is_checked_by_the_catalogue(client: Handmade, query: str) -> None:
    assert await client.refused("GET", f"/v3/pay/transactions/out-trade-no/native-0001{query}") == (400, "PARAM_ERROR")


async def test_an_unknown_path_is_not_found_and_not_signed(client: Handmade) -> None:
    response = await client.send("POST", "/v3/pay/transactions/nativ", native_order())
    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
    assert "wechatpay-signature" not in response.headers
    assert await client.refused("DELETE", NATIVE) == (404, "NOT_FOUND")


async def test_a_platform_serial_that_does_not_exist_is_refused(client: Handmade) -> None:
    assert await client.refused("POST", NATIVE, native_order(), headers={"Wechatpay-Serial": "PUB_KEY_ID_9"}) == (400, "PARAM_ERROR")


async def test_several_merchants_have_keys_of_their_own(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    other = sandbox.add_merchant("1900000110", "certificate")
    async with Handmade(sandbox.settings(mchid="1900000110")) as client:
        await client.call("POST", NATIVE, native_order(mchid=other.mchid))
        client.spoil = {"parts": {"mchid": "1900000109"}}
        assert await client.refused("POST", NATIVE, native_order()) == (401, "SIGN_ERROR")
    with pytest.raises(ValueError, match="is there already"):
        sandbox.add_merchant("1900000110")


async def test_it_works_over_a_socket(sandbox: Sandbox) -> None:
    async with sandbox.serve() as url, Handmade(sandbox.settings(base_url=url)) as client:
        assert url.startswith("http://127.0.0.1:")
        await client.call("POST", NATIVE, native_order())
        target = "/v3/pay/transactions/out-trade-no/native-0001?mchid=1900000109"
        assert (await client.call("GET", target))["trade_state"] == "NOTPAY"
        client.spoil = {"parts": {"signature": "AAAA"}}
        assert await client.refused("GET", target) == (401, "SIGN_ERROR")


async def test_the_request_target_is_taken_as_it_was_sent(sandbox: Sandbox) -> None:
    async with sandbox.serve() as url, Handmade(sandbox.settings(base_url=url)) as client:
        order = native_order("a|b*c-d_1")
        await client.call("POST", NATIVE, order)
        found = await client.call("GET", "/v3/pay/transactions/out-trade-no/a%7Cb*c-d_1?mchid=1900000109")
        assert found["out_trade_no"] == "a|b*c-d_1"


def test_serving_without_an_event_loop(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(clock=time.time)
    with sandbox.serve() as url:
        assert httpx.get(f"{url}/v3/certificates", headers={"Authorization": ""}, timeout=PATIENCE).status_code == 401
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
