"""Orders of direct merchants and partners, from placing to closing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.examples import APPID, MCHID, native_order
from tests.support.handmade import Handmade
from wechatpay_async import catalog
from wechatpay_async.sandbox import Refusal, Sandbox
from wechatpay_async.sandbox.flows import ROUTES

pytestmark = pytest.mark.anyio

DIRECT = "/v3/pay/transactions"
PARTNER = "/v3/pay/partner/transactions"
SUB = "1900000110"


def partner_order(number: str = "partner-0001", **changes: Any) -> dict[str, Any]:
    order = native_order(number, **changes)
    del order["appid"], order["mchid"]
    return {"sp_appid": APPID, "sp_mchid": MCHID, "sub_mchid": SUB} | order


def by_number(number: str) -> str:
    return f"{DIRECT}/out-trade-no/{number}?mchid={MCHID}"


@pytest.mark.parametrize(
    ("kind", "extra", "answer"),
    [
        ("jsapi", {"payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}}, "prepay_id"),
        ("app", {}, "prepay_id"),
        ("native", {}, "code_url"),
        ("h5", {"scene_info": {"payer_client_ip": "14.23.150.211"}}, "h5_url"),
    ],
)
async def test_each_way_of_placing_an_order(client: Handmade, sandbox: Sandbox, kind: str, extra: dict[str, Any], answer: str) -> None:
    placed = await client.call("POST", f"{DIRECT}/{kind}", native_order(f"{kind}-000001", **extra))
    assert list(placed) == [answer]
    assert (await client.call("GET", by_number(f"{kind}-000001")))["trade_state"] == "NOTPAY"
    sandbox.pay(f"{kind}-000001")
    paid = await client.call("GET", by_number(f"{kind}-000001"))
    assert paid["trade_state"] == "SUCCESS"
    assert paid["amount"] == {"total": 100, "payer_total": 100, "currency": "CNY", "payer_currency": "CNY"}
    assert paid["success_time"] == "2025-11-25T12:00:00+08:00"
    again = await client.call("GET", f"{DIRECT}/id/{paid['transaction_id']}?mchid={MCHID}")
    assert again == paid


async def test_the_same_order_again_gives_a_new_prepay_id_until_it_is_paid(client: Handmade, sandbox: Sandbox) -> None:
    order = native_order("again-0001", payer={"openid": "o1"})
    first = await client.call("POST", f"{DIRECT}/jsapi", order)
    second = await client.call("POST", f"{DIRECT}/jsapi", order)
    assert first["prepay_id"].startswith("wx20251125120000")
    assert first != second
    other = order | {"amount": {"total": 101}}
    assert await client.refused("POST", f"{DIRECT}/jsapi", other) == (403, "OUT_TRADE_NO_USED")
    assert await client.refused("POST", f"{DIRECT}/native", native_order("again-0001")) == (403, "OUT_TRADE_NO_USED")
    sandbox.pay("again-0001", openid="o1")
    assert await client.refused("POST", f"{DIRECT}/jsapi", order) == (400, "ORDERPAID")


async def test_an_order_of_somebody_else_is_refused(client: Handmade) -> None:
    assert await client.refused("POST", f"{DIRECT}/native", native_order(mchid="1900000999")) == (400, "INVALID_REQUEST")
    assert await client.refused("GET", f"{DIRECT}/id/4200000000?mchid={MCHID}") == (404, "ORDER_NOT_EXIST")
    assert await client.refused("GET", by_number("nowhere-1")) == (404, "ORDER_NOT_EXIST")


async def test_foreign_currency_is_refused(client: Handmade) -> None:
    assert await client.refused("POST", f"{DIRECT}/native", native_order(amount={"total": 1, "currency": "USD"})) == (400, "PARAM_ERROR")


async def test_closing(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", f"{DIRECT}/native", native_order())
    close = f"{DIRECT}/out-trade-no/native-0001/close"
    response = await client.send("POST", close, {"mchid": MCHID})
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["wechatpay-signature"]
    assert (await client.call("GET", by_number("native-0001")))["trade_state"] == "CLOSED"
    assert await client.refused("POST", close, {"mchid": MCHID}) == (400, "ORDER_CLOSED")
    assert await client.refused("POST", f"{DIRECT}/native", native_order()) == (400, "ORDER_CLOSED")
    with pytest.raises(Refusal, match="ORDER_CLOSED"):
        sandbox.pay("native-0001")


async def test_a_paid_order_cannot_be_closed_or_paid_again(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", f"{DIRECT}/native", native_order())
    sandbox.pay("native-0001")
    assert await client.refused("POST", f"{DIRECT}/out-trade-no/native-0001/close", {"mchid": MCHID}) == (400, "ORDERPAID")
    with pytest.raises(Refusal, match="ORDERPAID"):
        sandbox.pay("native-0001")
    with pytest.raises(LookupError, match="native-9999"):
        sandbox.pay("native-9999")


async def test_time_closes_orders(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", f"{DIRECT}/native", native_order("soon-0001", time_expire="2025-11-25T12:30:00+08:00"))
    await client.call("POST", f"{DIRECT}/native", native_order("late-0001"))
    sandbox.clock.advance(minutes=30)
    assert (await client.call("GET", by_number("soon-0001")))["trade_state"] == "CLOSED"
    assert (await client.call("GET", by_number("late-0001")))["trade_state"] == "NOTPAY"
    sandbox.clock.advance(hours=2)
    with pytest.raises(Refusal, match="预支付会话已过期"):
        sandbox.pay("late-0001")
    await client.call("POST", f"{DIRECT}/native", native_order("late-0001"))
    sandbox.pay("late-0001")
    with pytest.raises(ValueError, match="only goes ahead"):
        sandbox.clock.advance(seconds=-1)


async def test_another_payer_cannot_pay(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", f"{DIRECT}/jsapi", native_order(payer={"openid": "o1"}))
    with pytest.raises(Refusal, match="OPENID_MISMATCH"):
        sandbox.pay("native-0001", openid="o2")


async def test_a_partner_places_orders_for_its_merchants(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", f"{PARTNER}/jsapi", partner_order(payer={"sp_openid": "o1"}))
    await client.call("POST", f"{DIRECT}/native", native_order("partner-0001"))
    with pytest.raises(LookupError, match=f"several merchants have an order 'partner-0001': say whose with mchid=, one of {MCHID}, {SUB}"):
        sandbox.pay("partner-0001")
    with pytest.raises(LookupError, match="no order 'partner-0001' of merchant 1900000111"):
        sandbox.pay("partner-0001", mchid="1900000111")
    assert sandbox.pay("partner-0001", mchid=MCHID).owner == (MCHID, "")
    query = f"{PARTNER}/out-trade-no/partner-0001?sp_mchid={MCHID}&sub_mchid={SUB}"
    assert (await client.call("GET", query))["trade_state"] == "NOTPAY"
    assert await client.refused("POST", f"{PARTNER}/miniprogram", partner_order(payer={})) == (400, "PARAM_ERROR")
    assert await client.refused("GET", query.replace(SUB, "1900000111")) == (404, "ORDER_NOT_EXIST")
    await client.call("POST", f"{PARTNER}/out-trade-no/partner-0001/close", {"sp_mchid": MCHID, "sub_mchid": SUB})
    await client.call("POST", f"{PARTNER}/native", partner_order("partner-0002"))
    sandbox.pay("partner-0002")
    paid = await client.call("GET", query.replace("partner-0001", "partner-0002"))
    assert paid["payer"]["sub_openid"] == paid["payer"]["sp_openid"]
    assert (paid["sp_mchid"], paid["sub_mchid"]) == (MCHID, SUB)


def code_order(number: str, auth_code: str = "130061098828009406") -> dict[str, Any]:
    order = native_order(number, payer={"auth_code": auth_code}, scene_info={"store_info": {"id": "0001"}})
    del order["notify_url"]
    return order


async def test_code_payment_is_paid_at_once(client: Handmade) -> None:
    paid = await client.call("POST", f"{DIRECT}/codepay", code_order("code-0001"))
    assert (paid["trade_state"], paid["trade_type"]) == ("SUCCESS", "MICROPAY")
    assert await client.refused("POST", f"{DIRECT}/codepay", code_order("code-0002", "99")) == (400, "PARAM_ERROR")


async def test_code_payment_that_wants_the_password(client: Handmade, sandbox: Sandbox) -> None:
    sandbox.ask_password("130061098828009406")
    assert await client.refused("POST", f"{DIRECT}/codepay", code_order("code-0001")) == (202, "USERPAYING")
    assert await client.refused("POST", f"{DIRECT}/out-trade-no/code-0001/close", {"mchid": MCHID}) == (400, "USERPAYING")
    sandbox.pay("code-0001")
    assert (await client.call("GET", by_number("code-0001")))["trade_state"] == "SUCCESS"
    reverse = f"{DIRECT}/out-trade-no/code-0001/reverse"
    answer = await client.call("POST", reverse, {"appid": APPID, "mchid": MCHID})
    assert answer == {"appid": APPID, "mchid": MCHID, "out_trade_no": "code-0001"}
    assert (await client.call("GET", by_number("code-0001")))["trade_state"] == "REVOKED"
    await client.call("POST", f"{DIRECT}/native", native_order())
    native = reverse.replace("code-0001", "native-0001")
    assert await client.refused("POST", native, {"appid": APPID, "mchid": MCHID}) == (400, "INVALID_REQUEST")


async def test_the_same_seed_gives_the_same_numbers(make_sandbox: MakeSandbox) -> None:
    numbers: list[str] = []
    for _ in range(2):
        sandbox = make_sandbox(seed=7)
        async with Handmade(sandbox.settings()) as client:
            await client.call("POST", f"{DIRECT}/native", native_order())
            numbers.append(sandbox.pay("native-0001").transaction_id)
    assert numbers[0] == numbers[1]
    assert numbers[0].startswith("420020251125")


def test_every_flow_is_an_operation_of_the_catalogue() -> None:
    unknown = [name for name in ROUTES if catalog.operation("v3", *name.split(" ", 1)) is None]
    assert unknown == []
