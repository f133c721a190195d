"""Combined orders: placed, paid, refunded part by part, closed together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.examples import APPID, MCHID, refund_of
from tests.support.handmade import Handmade
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

BASE = "/v3/combine-transactions"
SUBS = ("1900000110", "1900000111")


def combined(number: str = "combine-0001", count: int = 2, **changes: Any) -> dict[str, Any]:
    parts = [
        {
            "mchid": MCHID,
            "sub_mchid": SUBS[index % 2],
            "attach": "深圳分店",
            "amount": {"total_amount": 100 + index, "currency": "CNY"},
            "out_trade_no": f"{number[-4:]}-part-{index}",
            "description": "腾讯充值",
        }
        for index in range(count)
    ]
    return {
        "combine_appid": APPID,
        "combine_mchid": MCHID,
        "combine_out_trade_no": number,
        "sub_orders": parts,
        "notify_url": "https://merchant.example/combine",
    } | changes


async def test_all_parts_are_paid_at_once(client: Handmade, sandbox: Sandbox) -> None:
    placed = await client.call("POST", f"{BASE}/native", combined())
    assert placed["code_url"].startswith("weixin://")
    sandbox.pay("combine-0001")
    seen = await client.call("GET", f"{BASE}/out-trade-no/combine-0001")
    assert [part["trade_state"] for part in seen["sub_orders"]] == ["SUCCESS", "SUCCESS"]
    assert seen["sub_orders"][1]["amount"] == {"total_amount": 101, "payer_amount": 101, "currency": "CNY", "payer_currency": "CNY"}
    assert await client.call("GET", f"{BASE}/id/{seen['combine_transaction_id']}") == seen
    assert [notice.event_type for notice in sandbox.book.notices] == ["TRANSACTION.SUCCESS"]
    assert sandbox.book.notices[0].resource == seen
    refund = refund_of("0001-part-1", refund=101, total=101, sub_mchid=SUBS[1])
    assert (await client.call("POST", "/v3/refund/domestic/refunds", refund))["status"] == "PROCESSING"
    assert await client.refused("POST", f"{BASE}/native", combined()) == (400, "ORDERPAID")
    close = {"combine_appid": APPID, "sub_orders": [{"mchid": MCHID, "out_trade_no": f"0001-part-{index}"} for index in range(2)]}
    assert await client.refused("POST", f"{BASE}/out-trade-no/combine-0001/close", close) == (400, "ORDERPAID")


@pytest.mark.parametrize(
    ("kind", "extra", "answer"),
    [
        ("jsapi", {"combine_payer_info": {"openid": "o1"}}, "prepay_id"),
        ("app", {}, "prepay_id"),
        ("h5", {"scene_info": {"device_id": "1", "payer_client_ip": "1.1.1.1", "h5_info": {"type": "Wap"}}}, "h5_url"),
    ],
)
async def test_each_way_of_placing(client: Handmade, sandbox: Sandbox, kind: str, extra: dict[str, Any], answer: str) -> None:
    assert list(await client.call("POST", f"{BASE}/{kind}", combined(**extra))) == [answer]
    assert list(await client.call("POST", f"{BASE}/{kind}", combined(**extra))) == [answer]
    sandbox.pay("0001-part-0")
    assert (await client.call("GET", f"{BASE}/out-trade-no/combine-0001"))["sub_orders"][1]["trade_state"] == "SUCCESS"


async def test_closing_names_every_part(client: Handmade) -> None:
    await client.call("POST", f"{BASE}/native", combined())
    close = f"{BASE}/out-trade-no/combine-0001/close"
    part = [{"mchid": MCHID, "out_trade_no": f"0001-part-{index}"} for index in range(2)]
    assert await client.refused("POST", close, {"combine_appid": APPID, "sub_orders": part[:1]}) == (400, "INVALID_REQUEST")
    await client.call("POST", close, {"combine_appid": APPID, "sub_orders": part})
    assert await client.refused("POST", f"{BASE}/native", combined()) == (400, "ORDER_CLOSED")


async def test_what_cannot_be_placed(client: Handmade) -> None:
    twice = combined()
    twice["sub_orders"][1] |= {"out_trade_no": "0001-part-0", "sub_mchid": SUBS[0]}
    free = combined()
    free["sub_orders"][0]["amount"]["total_amount"] = 0
    for name, body, expected in (
        ("none", combined(count=0), (400, "PARAM_ERROR")),
        ("too many", combined(count=51), (400, "PARAM_ERROR")),
        ("twice", twice, (400, "PARAM_ERROR")),
        ("for nothing", free, (400, "PARAM_ERROR")),
        ("somebody else's", combined(combine_mchid="1900000999"), (400, "INVALID_REQUEST")),
    ):
        assert await client.refused("POST", f"{BASE}/native", body) == expected, name
    await client.call("POST", f"{BASE}/native", combined())
    assert await client.refused("POST", f"{BASE}/native", combined(count=1)) == (403, "OUT_TRADE_NO_USED")
    other = combined("another-0001")
    assert await client.refused("POST", f"{BASE}/native", other) == (403, "OUT_TRADE_NO_USED")
    assert await client.refused("GET", f"{BASE}/out-trade-no/nothing-1") == (404, "ORDER_NOT_EXIST")
