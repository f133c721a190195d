"""Transfers: confirmed by the user, cancelled by the merchant, or lapsed after a day."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.sandbox.examples import APPID
from tests.support.handmade import OAEP, Handmade
from wechatpay_async.sandbox import Refusal, Sandbox

pytestmark = pytest.mark.anyio

BASE = "/v3/fund-app/mch-transfer/transfer-bills"


def transfer(number: str = "plfk2020042013", amount: int = 400, **changes: Any) -> dict[str, Any]:
    return {
        "appid": APPID,
        "out_bill_no": number,
        "openid": "o-MYE42l80oelYMDE34nYD456Xoy",
        "transfer_amount": amount,
        "transfer_remark": "新会员开通有礼",
        "notify_url": "https://merchant.example/transfer",
        "transfer_scene_id": "1000",
        "transfer_scene_report_infos": [{"info_type": "活动名称", "info_content": "新会员有礼"}],
    } | changes


def sealed(client: Handmade, text: str) -> str:
    return base64.b64encode(next(iter(client.platform.values())).encrypt(text.encode(), OAEP)).decode()


async def state(client: Handmade, number: str = "plfk2020042013") -> tuple[str, str | None]:
    seen = await client.call("GET", f"{BASE}/out-bill-no/{number}")
    assert await client.call("GET", f"{BASE}/transfer-bill-no/{seen['transfer_bill_no']}") == seen
    return seen["state"], seen.get("fail_reason")


async def test_the_user_confirms(client: Handmade, sandbox: Sandbox) -> None:
    made = await client.call("POST", BASE, transfer())
    assert (made["state"], len(made["package_info"])) == ("WAIT_USER_CONFIRM", 64)
    assert await client.call("POST", BASE, transfer()) == made
    assert await client.refused("POST", BASE, transfer(amount=401)) == (400, "ALREADY_EXISTS")
    sandbox.confirm_transfer("plfk2020042013")
    assert await state(client) == ("SUCCESS", None)
    assert (sandbox.book.notices[0].event_type, sandbox.book.notices[0].resource["state"]) == ("MCHTRANSFER.BILL.FINISHED", "SUCCESS")
    assert await client.refused("POST", f"{BASE}/out-bill-no/plfk2020042013/cancel") == (400, "INVALID_REQUEST")
    with pytest.raises(Refusal, match="不能确认"):
        sandbox.confirm_transfer("plfk2020042013")
    with pytest.raises(LookupError, match="nothing"):
        sandbox.confirm_transfer("nothing")


async def test_the_merchant_cancels(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", BASE, transfer())
    cancel = f"{BASE}/out-bill-no/plfk2020042013/cancel"
    assert (await client.call("POST", cancel))["state"] == "CANCELING"
    assert await state(client) == ("CANCELING", None)
    sandbox.clock.advance(seconds=3)
    assert await state(client) == ("CANCELLED", "MCH_CANCEL")
    assert (await client.call("POST", cancel))["state"] == "CANCELLED"


async def test_nobody_confirms_within_a_day(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", BASE, transfer())
    sandbox.clock.advance(hours=24)
    assert await state(client) == ("FAIL", "OVERDUE_CLOSE")


async def test_a_name_travels_sealed_both_ways(client: Handmade) -> None:
    await client.call("POST", BASE, transfer(amount=200_000, user_name=sealed(client, "张三")))
    seen = await client.call("GET", f"{BASE}/out-bill-no/plfk2020042013")
    assert client.key.decrypt(base64.b64decode(seen["user_name"]), OAEP).decode() == "张三"


async def test_what_cannot_be_sent(client: Handmade, sandbox: Sandbox) -> None:
    for name, body, expected in (
        ("a bad number", transfer("a-b"), (400, "PARAM_ERROR")),
        ("too little", transfer(amount=9), (400, "PARAM_ERROR")),
        ("a long remark", transfer(transfer_remark="长" * 33), (400, "PARAM_ERROR")),
        ("a name for too little", transfer(amount=29, user_name=sealed(client, "张三")), (400, "PARAM_ERROR")),
        ("no name for much", transfer(amount=200_000), (400, "PARAM_ERROR")),
        ("too much", transfer(amount=100_000_001, user_name=sealed(client, "张三")), (403, "NOT_ENOUGH")),
        ("a bad address", transfer(notify_url="https://a.example/?x"), (400, "PARAM_ERROR")),
    ):
        assert await client.refused("POST", BASE, body) == expected, name
    assert await client.refused("GET", f"{BASE}/out-bill-no/nothing") == (404, "NOT_FOUND")


async def test_money_that_waits_is_held_back(client: Handmade) -> None:
    name = sealed(client, "张三")
    await client.call("POST", BASE, transfer(amount=99_999_900, user_name=name))
    assert await client.refused("POST", BASE, transfer("second", 200, user_name=name)) == (403, "NOT_ENOUGH")
