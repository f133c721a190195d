"""Transfers in batches: accepted, processed, finished; each user has the money or the reason why not."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.sandbox.examples import APPID
from tests.support.handmade import OAEP, Handmade
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

BASE = "/v3/transfer/batches"
FIRST, SECOND = "o-MYE42l80oelYMDE34nYD456Xoy", "o-MYE42l80oelYMDE34nYD456Xoz"


def sealed(client: Handmade, text: str) -> str:
    return base64.b64encode(next(iter(client.platform.values())).encrypt(text.encode(), OAEP)).decode()


def detail(client: Handmade, number: str, openid: str, amount: int) -> dict[str, Any]:
    return {
        "out_detail_no": number,
        "transfer_amount": amount,
        "transfer_remark": "四月报销",
        "openid": openid,
        "user_name": sealed(client, "张三"),
    }


def batch(client: Handmade, **changes: Any) -> dict[str, Any]:
    return {
        "appid": APPID,
        "out_batch_no": "plfk2020042013",
        "batch_name": "四月报销单",
        "batch_remark": "深圳分部",
        "total_amount": 1000,
        "total_num": 2,
        "transfer_detail_list": [detail(client, "detail1", FIRST, 300), detail(client, "detail2", SECOND, 700)],
        "transfer_scene_id": "1001",
        "notify_url": "https://merchant.example/batch",
    } | changes


async def test_a_batch_goes_to_its_users(client: Handmade, sandbox: Sandbox) -> None:
    sandbox.cannot_receive(SECOND)
    made = await client.call("POST", BASE, batch(client))
    assert (made["out_batch_no"], made["batch_status"]) == ("plfk2020042013", "ACCEPTED")
    assert made["create_time"] == "2025-11-25T12:00:00+08:00"
    assert await client.call("POST", BASE, batch(client)) == made
    query = f"{BASE}/out-batch-no/plfk2020042013?need_query_detail=true&detail_status=ALL"
    sandbox.clock.advance(seconds=3)
    seen = await client.call("GET", query)
    assert (seen["transfer_batch"]["batch_status"], seen["transfer_detail_list"]) == ("PROCESSING", [])

    sandbox.clock.advance(seconds=3)
    seen = await client.call("GET", query)
    found = seen["transfer_batch"]
    assert [found[name] for name in ("batch_status", "success_amount", "success_num", "fail_amount", "fail_num")] == [
        "FINISHED",
        300,
        1,
        700,
        1,
    ]
    assert [(item["out_detail_no"], item["detail_status"]) for item in seen["transfer_detail_list"]] == [
        ("detail1", "SUCCESS"),
        ("detail2", "FAIL"),
    ]
    assert (seen["offset"], seen["limit"]) == (0, 20)
    by_id = f"{BASE}/batch-id/{made['batch_id']}"
    failed = await client.call("GET", f"{by_id}?need_query_detail=true&detail_status=FAIL&offset=0&limit=100")
    assert failed == {"transfer_batch": found, "transfer_detail_list": seen["transfer_detail_list"][1:]}
    assert await client.call("GET", f"{by_id}?need_query_detail=false") == {"transfer_batch": found}

    one = await client.call("GET", f"{BASE}/out-batch-no/plfk2020042013/details/out-detail-no/detail2")
    assert (one["detail_status"], one["fail_reason"], one["transfer_amount"]) == ("FAIL", "ACCOUNT_FROZEN", 700)
    again = await client.call("GET", f"{by_id}/details/detail-id/{one['detail_id']}")
    for found in (one, again):  # the name is sealed for the merchant, each time anew
        ciphertext = base64.b64decode(found.pop("user_name"), validate=True)
        assert sandbox.merchant.private_key.decrypt(ciphertext, OAEP).decode() == "张三"
    assert again == one


async def test_the_merchant_is_told_and_only_what_arrived_is_gone(client: Handmade, sandbox: Sandbox) -> None:
    sandbox.cannot_receive(FIRST, "REAL_NAME_CHECK_FAIL")
    await client.call("POST", BASE, batch(client))
    sandbox.clock.advance(minutes=1)
    (notice,) = sandbox.book.notices
    assert notice.event_type == "MCHTRANSFER.BATCH.FINISHED"
    assert {**notice.resource, "batch_id": ""} == {
        "out_batch_no": "plfk2020042013",
        "batch_id": "",
        "batch_status": "FINISHED",
        "total_num": 2,
        "total_amount": 1000,
        "success_amount": 700,
        "success_num": 1,
        "fail_amount": 300,
        "fail_num": 1,
        "update_time": "2025-11-25T12:00:06+08:00",
    }
    assert (sandbox.book.moved["1900000109"], sandbox.book.shelf("held")["1900000109"]) == (-700, 0)


async def test_what_cannot_be_sent(client: Handmade) -> None:
    first = detail(client, "detail1", FIRST, 300)
    for name, changes, expected in (
        ("a short number", {"out_batch_no": "abcd"}, (400, "PARAM_ERROR")),
        ("a long name", {"batch_name": "长" * 33}, (400, "PARAM_ERROR")),
        ("a bad address", {"notify_url": "https://a.example/?x"}, (400, "PARAM_ERROR")),
        ("the wrong count", {"total_num": 3}, (400, "PARAM_ERROR")),
        ("the wrong sum", {"total_amount": 1001}, (400, "PARAM_ERROR")),
        ("nothing for one", {"transfer_detail_list": [first, detail(client, "detail2", FIRST, 0)]}, (400, "PARAM_ERROR")),
        ("a number twice", {"transfer_detail_list": [first, first], "total_amount": 600}, (400, "PARAM_ERROR")),
        (
            "too much",
            {"transfer_detail_list": [detail(client, "detail1", FIRST, 10**9)], "total_amount": 10**9, "total_num": 1},
            (403, "NOT_ENOUGH"),
        ),
    ):
        assert await client.refused("POST", BASE, batch(client, **changes)) == expected, name


async def test_what_cannot_be_asked(client: Handmade) -> None:
    await client.call("POST", BASE, batch(client, notify_url="https://merchant.example/other"))
    assert await client.refused("POST", BASE, batch(client)) == (400, "ALREADY_EXISTS")
    query = f"{BASE}/out-batch-no/plfk2020042013"
    assert await client.refused("GET", f"{query}?need_query_detail=true") == (400, "PARAM_ERROR")
    assert await client.refused("GET", f"{query}?need_query_detail=true&detail_status=ALL&limit=101") == (400, "PARAM_ERROR")
    assert await client.refused("GET", f"{BASE}/batch-id/1?need_query_detail=false") == (404, "NOT_FOUND")
    assert await client.refused("GET", f"{query}/details/out-detail-no/nothing") == (404, "NOT_FOUND")
