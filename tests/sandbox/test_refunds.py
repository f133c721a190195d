"""Refunds: never more than was paid, one number one refund, at most fifty, a minute apart."""

from __future__ import annotations

import pytest

from tests.sandbox.examples import native_order, refund_of
from tests.support.handmade import Handmade
from wechatpay_async.sandbox import Refusal, Sandbox

pytestmark = pytest.mark.anyio

REFUNDS = "/v3/refund/domestic/refunds"
NATIVE = "/v3/pay/transactions/native"


@pytest.fixture
async def paid(client: Handmade, sandbox: Sandbox) -> str:
    await client.call("POST", NATIVE, native_order())
    return sandbox.pay("native-0001").transaction_id


async def test_a_refund_is_processed_and_arrives(client: Handmade, sandbox: Sandbox, paid: str) -> None:
    refund = await client.call("POST", REFUNDS, refund_of("native-0001"))
    assert (refund["status"], refund["transaction_id"], refund["amount"]["refund"]) == ("PROCESSING", paid, 100)
    sandbox.clock.advance(seconds=3)
    done = await client.call("GET", f"{REFUNDS}/refund-0001")
    assert (done["status"], done["success_time"]) == ("SUCCESS", "2025-11-25T12:00:03+08:00")
    assert done["refund_id"] == refund["refund_id"]
    order = await client.call("GET", "/v3/pay/transactions/out-trade-no/native-0001?mchid=1900000109")
    assert order["trade_state"] == "REFUND"


async def test_one_number_is_one_refund(client: Handmade, sandbox: Sandbox, paid: str) -> None:
    first = await client.call("POST", REFUNDS, refund_of("native-0001", refund=30))
    assert await client.call("POST", REFUNDS, refund_of("native-0001", refund=30)) == first
    assert await client.refused("POST", REFUNDS, refund_of("native-0001", refund=31)) == (400, "INVALID_REQUEST")
    assert len(sandbox.book.refunds) == 1


async def test_never_more_than_was_paid(client: Handmade, sandbox: Sandbox, paid: str) -> None:
    assert await client.refused("POST", REFUNDS, refund_of("native-0001", refund=101)) == (400, "INVALID_REQUEST")
    await client.call("POST", REFUNDS, refund_of("native-0001", "r1", 60))
    sandbox.clock.advance(minutes=1)
    assert await client.refused("POST", REFUNDS, refund_of("native-0001", "r2", 41)) == (400, "INVALID_REQUEST")
    await client.call("POST", REFUNDS, refund_of("native-0001", "r2", 40))
    sandbox.clock.advance(minutes=1)
    response = await client.send("POST", REFUNDS, refund_of("native-0001", "r3", 1))
    assert response.json() == {"code": "INVALID_REQUEST", "message": "订单已全额退款"}


async def test_refunds_of_an_order_are_a_minute_apart(client: Handmade, sandbox: Sandbox, paid: str) -> None:
    await client.call("POST", REFUNDS, refund_of("native-0001", "r1", 1))
    assert await client.refused("POST", REFUNDS, refund_of("native-0001", "r2", 1)) == (429, "FREQUENCY_LIMITED")
    sandbox.clock.advance(minutes=1)
    await client.call("POST", REFUNDS, refund_of("native-0001", "r2", 1))


async def test_fifty_refunds_and_no_more(client: Handmade, sandbox: Sandbox, paid: str) -> None:
    for number in range(50):
        await client.call("POST", REFUNDS, refund_of("native-0001", f"r{number}", 1))
        sandbox.clock.advance(minutes=1)
    response = await client.send("POST", REFUNDS, refund_of("native-0001", "r50", 1))
    assert response.json() == {"code": "INVALID_REQUEST", "message": "一笔订单最多退款50次"}


async def test_what_cannot_be_refunded(client: Handmade, sandbox: Sandbox, paid: str) -> None:
    await client.call("POST", NATIVE, native_order("native-0002"))
    cases = {
        "unpaid": (refund_of("native-0002"), (400, "INVALID_REQUEST")),
        "unknown": (refund_of("native-0003"), (404, "RESOURCE_NOT_EXISTS")),
        "another total": (refund_of("native-0001", total=200), (400, "INVALID_REQUEST")),
        "nothing": (refund_of("native-0001", refund=0), (400, "PARAM_ERROR")),
        "another currency": (refund_of("native-0001", amount={"refund": 1, "total": 100, "currency": "USD"}), (400, "PARAM_ERROR")),
        "a bad number": (refund_of("native-0001", "退款"), (400, "PARAM_ERROR")),
        "two orders": (refund_of("native-0002", transaction_id=paid), (404, "RESOURCE_NOT_EXISTS")),
        "too long a reason": (refund_of("native-0001", reason="慢" * 81), (400, "PARAM_ERROR")),
        "parts that do not add up": (
            refund_of(
                "native-0001", amount={"refund": 2, "total": 100, "currency": "CNY", "from": [{"account": "AVAILABLE", "amount": 1}]}
            ),
            (400, "INVALID_REQUEST"),
        ),
    }
    for name, (body, expected) in cases.items():
        assert await client.refused("POST", REFUNDS, body) == expected, name
    nameless = refund_of("native-0001")
    del nameless["out_trade_no"]
    assert await client.refused("POST", REFUNDS, nameless) == (400, "PARAM_ERROR")
    assert await client.refused("GET", f"{REFUNDS}/refund-0001") == (404, "RESOURCE_NOT_EXISTS")
    sandbox.clock.advance(days=366)
    assert await client.refused("POST", REFUNDS, refund_of("native-0001")) == (400, "INVALID_REQUEST")


async def test_an_abnormal_refund_is_tried_again(client: Handmade, sandbox: Sandbox, paid: str) -> None:
    refund = await client.call("POST", REFUNDS, refund_of("native-0001"))
    again = f"{REFUNDS}/{refund['refund_id']}/apply-abnormal-refund"
    body = {"out_refund_no": "refund-0001", "type": "MERCHANT_BANK_CARD"}
    assert await client.refused("POST", again, body) == (400, "INVALID_REQUEST")
    sandbox.finish_refund("refund-0001", "ABNORMAL")
    assert await client.refused("POST", again.replace("5030", "5031"), body) == (404, "RESOURCE_NOT_EXISTS")
    assert (await client.call("POST", again, body))["status"] == "PROCESSING"
    sandbox.clock.advance(seconds=3)
    with pytest.raises(Refusal, match="退款单已结束"):
        sandbox.finish_refund("refund-0001", "SUCCESS")
    with pytest.raises(LookupError, match="refund-9"):
        sandbox.finish_refund("refund-9")


async def test_a_closed_refund_gives_the_amount_free_again(client: Handmade, sandbox: Sandbox, paid: str) -> None:
    await client.call("POST", REFUNDS, refund_of("native-0001"))
    sandbox.finish_refund("refund-0001", "CLOSED")
    order = await client.call("GET", "/v3/pay/transactions/out-trade-no/native-0001?mchid=1900000109")
    assert order["trade_state"] == "SUCCESS"
    sandbox.clock.advance(minutes=1)
    await client.call("POST", REFUNDS, refund_of("native-0001", "refund-0002"))
