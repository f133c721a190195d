"""Profit sharing: who may receive, how much, and what must come back before a refund."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.sandbox.examples import APPID, native_order, refund_of
from tests.support.handmade import OAEP, Handmade
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

BASE = "/v3/profitsharing"
USER = {"type": "PERSONAL_OPENID", "account": "oUser"}
SHOP = {"type": "MERCHANT_ID", "account": "1900000120"}


@pytest.fixture
async def transaction(client: Handmade, sandbox: Sandbox) -> str:
    await client.call("POST", "/v3/pay/transactions/native", native_order(amount={"total": 1000}, settle_info={"profit_sharing": True}))
    key = next(iter(client.platform.values()))
    name = base64.b64encode(key.encrypt("张三商店".encode(), OAEP)).decode()
    await client.call("POST", f"{BASE}/receivers/add", {"appid": APPID, **USER, "relation_type": "USER"})
    await client.call("POST", f"{BASE}/receivers/add", {"appid": APPID, **SHOP, "name": name, "relation_type": "STORE"})
    return sandbox.pay("native-0001").transaction_id


def split(transaction: str, number: str = "split-1", *amounts: int, **changes: Any) -> dict[str, Any]:
    who = (SHOP, USER)
    receivers = [{**who[index % 2], "amount": amount, "description": "分账"} for index, amount in enumerate(amounts or (200, 100))]
    return {
        "appid": APPID,
        "transaction_id": transaction,
        "out_order_no": number,
        "receivers": receivers,
        "unfreeze_unsplit": False,
    } | changes


async def unsplit(client: Handmade, transaction: str) -> int:
    return int((await client.call("GET", f"{BASE}/transactions/{transaction}/amounts"))["unsplit_amount"])


async def test_sharing_giving_back_and_refunding(client: Handmade, sandbox: Sandbox, transaction: str) -> None:
    made = await client.call("POST", f"{BASE}/orders", split(transaction))
    assert (made["state"], [item["result"] for item in made["receivers"]]) == ("PROCESSING", ["PENDING", "PENDING"])
    assert await client.call("POST", f"{BASE}/orders", split(transaction)) == made
    assert await unsplit(client, transaction) == 700
    sandbox.clock.advance(seconds=3)
    query = f"{BASE}/orders/split-1?transaction_id={transaction}"
    seen = await client.call("GET", query)
    assert (seen["state"], [item["result"] for item in seen["receivers"]]) == ("FINISHED", ["SUCCESS", "SUCCESS"])
    assert await client.refused("POST", "/v3/refund/domestic/refunds", refund_of("native-0001", refund=701, total=1000)) == (
        403,
        "NOT_ENOUGH",
    )
    back = {"out_order_no": "split-1", "out_return_no": "back-1", "return_mchid": SHOP["account"], "amount": 200, "description": "退款"}
    assert await client.refused("POST", f"{BASE}/return-orders", back | {"amount": 201}) == (403, "NOT_ENOUGH")
    assert await client.refused("POST", f"{BASE}/return-orders", back | {"return_mchid": "1900000999"}) == (403, "NOT_ENOUGH")
    assert await client.refused("POST", f"{BASE}/return-orders", back | {"out_order_no": "split-9"}) == (404, "RESOURCE_NOT_EXISTS")
    assert (await client.call("POST", f"{BASE}/return-orders", back))["result"] == "PROCESSING"
    assert await client.refused("POST", f"{BASE}/return-orders", back | {"amount": 1}) == (400, "INVALID_REQUEST")
    sandbox.clock.advance(seconds=3)
    assert (await client.call("POST", f"{BASE}/return-orders", back))["result"] == "SUCCESS"
    assert (await client.call("GET", f"{BASE}/return-orders/back-1?out_order_no=split-1"))["result"] == "SUCCESS"
    assert await client.refused("GET", f"{BASE}/return-orders/back-2?out_order_no=split-1") == (404, "RESOURCE_NOT_EXISTS")
    assert await unsplit(client, transaction) == 900
    await client.call("POST", "/v3/refund/domestic/refunds", refund_of("native-0001", refund=900, total=1000))
    assert await unsplit(client, transaction) == 0
    moved = {mchid: sum(item.amount for item in sandbox.book.postings if item.mchid == mchid) for mchid in ("1900000109", SHOP["account"])}
    assert moved == {"1900000109": 900, SHOP["account"]: 0}


async def test_the_rest_is_set_free(client: Handmade, sandbox: Sandbox, transaction: str) -> None:
    await client.call("POST", f"{BASE}/orders", split(transaction, "split-1", 100, unfreeze_unsplit=True))
    sandbox.clock.advance(seconds=3)
    assert await unsplit(client, transaction) == 0
    assert await client.refused("POST", f"{BASE}/orders", split(transaction, "split-2", 1)) == (400, "INVALID_REQUEST")


async def test_unfreezing(client: Handmade, sandbox: Sandbox, transaction: str) -> None:
    body = {"transaction_id": transaction, "out_order_no": "free-1", "description": "解冻"}
    made = await client.call("POST", f"{BASE}/orders/unfreeze", body)
    assert (made["state"], made["receivers"]) == ("PROCESSING", [])
    assert await client.call("POST", f"{BASE}/orders/unfreeze", body) == made
    sandbox.clock.advance(seconds=3)
    assert await unsplit(client, transaction) == 0


async def test_who_is_no_receiver_gets_nothing(client: Handmade, sandbox: Sandbox, transaction: str) -> None:
    await client.call("POST", f"{BASE}/receivers/delete", {"appid": APPID, **SHOP})
    await client.call("POST", f"{BASE}/orders", split(transaction))
    sandbox.clock.advance(seconds=3)
    seen = await client.call("GET", f"{BASE}/orders/split-1?transaction_id={transaction}")
    assert [item.get("fail_reason") for item in seen["receivers"]] == ["NO_RELATION", None]
    assert await unsplit(client, transaction) == 900


async def test_what_cannot_be_shared(client: Handmade, sandbox: Sandbox, transaction: str) -> None:
    for name, body, expected in (
        ("too much of it", split(transaction, "split-2", 301), (403, "RULE_LIMIT")),
        ("more than there is", split(transaction, "split-2", 1001), (403, "NOT_ENOUGH")),
        ("nothing", split(transaction, "split-2", 0), (400, "PARAM_ERROR")),
        ("with nobody", split(transaction, "split-2", receivers=[]), (400, "PARAM_ERROR")),
        ("an unknown order", split("4200", "split-2", 1), (404, "RESOURCE_NOT_EXISTS")),
    ):
        assert await client.refused("POST", f"{BASE}/orders", body) == expected, name
    await client.call("POST", "/v3/pay/transactions/native", native_order("plain-0001"))
    plain = sandbox.pay("plain-0001").transaction_id
    assert await client.refused("POST", f"{BASE}/orders", split(plain, "split-2", 1)) == (400, "INVALID_REQUEST")
    assert await unsplit(client, plain) == 0
    await client.call("POST", f"{BASE}/orders", split(transaction, "split-1", 10))
    assert await client.refused("POST", f"{BASE}/orders", split(transaction, "split-1", 11)) == (400, "INVALID_REQUEST")
    assert await client.refused("GET", f"{BASE}/orders/split-9?transaction_id={transaction}") == (404, "RESOURCE_NOT_EXISTS")
    assert await client.refused("GET", f"{BASE}/transactions/4200/amounts") == (404, "RESOURCE_NOT_EXISTS")
    assert await client.refused("POST", f"{BASE}/receivers/add", {"appid": APPID, **SHOP, "relation_type": "STORE"}) == (400, "PARAM_ERROR")
    custom = {"appid": APPID, **USER, "relation_type": "CUSTOM"}
    assert await client.refused("POST", f"{BASE}/receivers/add", custom) == (400, "PARAM_ERROR")
    back = {"out_return_no": "b", "return_mchid": "1", "amount": 1, "description": "x"}
    assert await client.refused("POST", f"{BASE}/return-orders", back) == (400, "PARAM_ERROR")
    assert (await client.call("GET", f"{BASE}/merchant-configs/1900000110"))["max_ratio"] == 3000
    sandbox.clock.advance(days=181)
    late = back | {"out_order_no": "split-1", "return_mchid": SHOP["account"]}
    assert await client.refused("POST", f"{BASE}/return-orders", late) == (400, "INVALID_REQUEST")
