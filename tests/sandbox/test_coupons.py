"""Cash coupons: stocks made, activated, paused and over; coupons sent, used with an order, given back with its refund, expired."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from tests.sandbox.examples import APPID, MCHID, native_order, refund_of
from tests.support.handmade import Handmade
from tests.support.handmade_v2 import HandmadeV2
from wechatpay_async.sandbox import Refusal, Sandbox

pytestmark = pytest.mark.anyio

FAVOR = "/v3/marketing/favor"
NATIVE = "/v3/pay/transactions/native"
REFUNDS = "/v3/refund/domestic/refunds"
USER, OTHER = "o-MYE42l80oelYMDE34nYD456Xoy", "o-MYE42l80oelYMDE34nYD456Xoz"
CREATOR = {"stock_creator_mchid": MCHID}
AS_CREATOR = f"stock_creator_mchid={MCHID}"


def stock(number: str = "890001", **changes: Any) -> dict[str, Any]:
    """A stock of ten coupons, three for each user, good for a day from noon on; without cash unless it is said."""
    face, least = changes.pop("face", 30), changes.pop("least", 100)
    use = {
        "coupon_available_time": changes.pop("time", {}),
        "fixed_normal_coupon": {"coupon_amount": face, "transaction_minimum": least},
        "available_merchants": [MCHID],
    } | changes.pop("use", {})
    send = {
        "max_coupons": 10,
        "max_amount": 10 * face,
        "max_coupons_per_user": 3,
        "natural_person_limit": False,
        "prevent_api_abuse": False,
    } | changes.pop("send", {})
    return {
        "stock_name": "微信支付代金券批次",
        "belong_merchant": MCHID,
        "available_begin_time": "2025-11-25T12:00:00+08:00",
        "available_end_time": "2025-11-26T12:00:00+08:00",
        "stock_use_rule": send,
        "coupon_use_rule": use,
        "no_cash": True,
        "stock_type": "NORMAL",
        "out_request_no": number,
        "pattern_info": {"description": "全场通用"},
    } | changes


async def activated(client: Handmade, terms: dict[str, Any]) -> str:
    """A stock that is running."""
    made = await client.call("POST", f"{FAVOR}/coupon-stocks", terms)
    await client.call("POST", f"{FAVOR}/stocks/{made['stock_id']}/start", CREATOR)
    return str(made["stock_id"])


def request(stock_id: str, number: str = "send-0001", **changes: Any) -> dict[str, Any]:
    return {"stock_id": stock_id, "out_request_no": number, "appid": APPID, "stock_creator_mchid": MCHID} | changes


async def sent(client: Handmade, stock_id: str, number: str = "send-0001", openid: str = USER) -> str:
    """A coupon that the user has."""
    made = await client.call("POST", f"{FAVOR}/users/{openid}/coupons", request(stock_id, number))
    return str(made["coupon_id"])


async def seen(client: Handmade, coupon_id: str, openid: str = USER) -> dict[str, Any]:
    found: dict[str, Any] = await client.call("GET", f"{FAVOR}/users/{openid}/coupons/{coupon_id}?appid={APPID}")
    return found


async def paid_with(client: Handmade, sandbox: Sandbox, coupon_id: str, number: str = "native-0001", total: int = 100) -> dict[str, Any]:
    """An order paid with a coupon, as its query shows it."""
    await client.call("POST", NATIVE, native_order(number, amount={"total": total}))
    sandbox.pay(number, coupon_id=coupon_id)
    found: dict[str, Any] = await client.call("GET", f"/v3/pay/transactions/out-trade-no/{number}?mchid={MCHID}")
    return found


async def test_a_stock_from_its_making_to_its_end(client: Handmade, sandbox: Sandbox) -> None:
    made = await client.call("POST", f"{FAVOR}/coupon-stocks", stock())
    assert made["create_time"] == "2025-11-25T12:00:00+08:00"
    assert await client.call("POST", f"{FAVOR}/coupon-stocks", stock()) == made
    assert await client.refused("POST", f"{FAVOR}/coupon-stocks", stock(stock_name="另一批")) == (400, "RESOURCE_ALREADY_EXISTS")
    number = made["stock_id"]
    one = f"{FAVOR}/stocks/{number}"
    view = await client.call("GET", f"{one}?{AS_CREATOR}")
    assert view == {
        "stock_id": number,
        "stock_creator_mchid": MCHID,
        "stock_name": "微信支付代金券批次",
        "status": "unactivated",
        "description": "全场通用",
        "create_time": "2025-11-25T12:00:00+08:00",
        "available_begin_time": "2025-11-25T12:00:00+08:00",
        "available_end_time": "2025-11-26T12:00:00+08:00",
        "stock_use_rule": stock()["stock_use_rule"],
        "no_cash": True,
        "stock_type": "NORMAL",
        "singleitem": False,
        "distributed_coupons": 0,
    }
    for action in ("pause", "restart"):
        assert await client.refused("POST", f"{one}/{action}", CREATOR) == (400, "INVALID_REQUEST"), action

    started = await client.call("POST", f"{one}/start", CREATOR)
    assert started == {"start_time": "2025-11-25T12:00:00+08:00", "stock_id": number}
    sandbox.clock.advance(minutes=1)
    assert await client.call("POST", f"{one}/start", CREATOR) == started
    assert await client.refused("POST", f"{one}/restart", CREATOR) == (400, "INVALID_REQUEST")
    paused = await client.call("POST", f"{one}/pause", CREATOR)
    assert paused == {"pause_time": "2025-11-25T12:01:00+08:00", "stock_id": number}
    assert await client.call("POST", f"{one}/pause", CREATOR) == paused
    assert await client.refused("POST", f"{one}/start", CREATOR) == (400, "INVALID_REQUEST")
    assert await client.refused("POST", f"{FAVOR}/users/{USER}/coupons", request(number)) == (400, "INVALID_REQUEST")
    sandbox.clock.advance(minutes=1)
    restarted = await client.call("POST", f"{one}/restart", CREATOR)
    assert restarted == {"restart_time": "2025-11-25T12:02:00+08:00", "stock_id": number}
    assert await client.call("POST", f"{one}/restart", CREATOR) == restarted

    sandbox.clock.advance(days=1)
    over = await client.call("GET", f"{one}?{AS_CREATOR}")
    assert [over[name] for name in ("status", "start_time", "stop_time")] == [
        "stoped",
        "2025-11-25T12:00:00+08:00",
        "2025-11-26T12:00:00+08:00",
    ]
    for action in ("start", "pause", "restart"):
        assert await client.refused("POST", f"{one}/{action}", CREATOR) == (400, "INVALID_REQUEST"), action


async def test_the_lists_of_a_merchant_and_of_a_stock(client: Handmade, sandbox: Sandbox) -> None:
    use = {"available_items": ["goods-1", "goods-2"], "available_merchants": [MCHID, "1900000120"]}
    first = await activated(client, stock("890001", use=use))
    sandbox.clock.advance(hours=1)
    begin = {"available_begin_time": "2025-11-25T13:00:00+08:00"}
    second = (await client.call("POST", f"{FAVOR}/coupon-stocks", stock("890002", **begin)))["stock_id"]

    async def listed(query: str) -> list[str]:
        found = await client.call("GET", f"{FAVOR}/stocks?{AS_CREATOR}&{query}")
        return [item["stock_id"] for item in found["data"]]

    assert await listed("offset=0&limit=10") == [first, second]
    assert await listed("offset=1&limit=1") == [second]
    assert await listed("offset=0&limit=10&status=running") == [first]
    assert await listed("offset=0&limit=10&create_start_time=2025-11-25T12:30:00%2B08:00") == [second]
    assert await listed("offset=0&limit=10&create_end_time=2025-11-25T12:30:00%2B08:00") == [first]
    assert await client.refused("GET", f"{FAVOR}/stocks?{AS_CREATOR}&offset=0&limit=11") == (400, "PARAM_ERROR")
    assert await client.refused("GET", f"{FAVOR}/stocks?{AS_CREATOR}&offset=-1&limit=1") == (400, "PARAM_ERROR")
    assert await client.refused("GET", f"{FAVOR}/stocks?stock_creator_mchid=1900000120&offset=0&limit=1") == (403, "REQUEST_BLOCKED")

    page = f"{AS_CREATOR}&offset=0&limit=10"
    merchants = await client.call("GET", f"{FAVOR}/stocks/{first}/merchants?{page}")
    assert merchants == {"total_count": 2, "offset": 0, "limit": 10, "stock_id": first, "data": [MCHID, "1900000120"]}
    goods = await client.call("GET", f"{FAVOR}/stocks/{first}/items?{page}")
    assert goods == {"total_count": 2, "offset": 0, "limit": 10, "stock_id": first, "data": ["goods-1", "goods-2"]}
    change = CREATOR | {"add_goods_id_list": ["goods-2", "goods-3"], "delete_goods_id_list": ["goods-1"]}
    assert (await client.call("POST", f"{FAVOR}/stocks/{first}/modify-goods-id", change))["stock_id"] == first
    assert (await client.call("GET", f"{FAVOR}/stocks/{first}/items?{page}"))["data"] == ["goods-2", "goods-3"]
    none_left = CREATOR | {"delete_goods_id_list": ["goods-2", "goods-3"]}
    assert await client.refused("POST", f"{FAVOR}/stocks/{first}/modify-goods-id", none_left) == (400, "PARAM_ERROR")
    assert await client.refused("POST", f"{FAVOR}/stocks/{second}/modify-goods-id", change) == (400, "INVALID_REQUEST")


NO_STOCKS: list[tuple[str, dict[str, Any]]] = [
    ("another merchant's", {"belong_merchant": "1900000120"}),
    ("a number with a space", {"out_request_no": "a b"}),
    ("ten Chinese letters", {"stock_name": "一二三四五六七八九十"}),
    ("21 letters", {"stock_name": "x" * 21}),
    ("a comma", {"stock_name": "a,b"}),
    ("a long comment", {"comment": "x" * 61}),
    ("another type", {"stock_type": "DISCOUNT"}),
    ("one fen", {"face": 1}),
    ("more than 1,000 yuan", {"face": 100_001, "least": 100_002}),
    ("a threshold that is no more than the coupon", {"face": 100}),
    ("four coupons", {"send": {"max_coupons": 4, "max_amount": 120}}),
    ("another budget", {"send": {"max_amount": 301}}),
    ("too much", {"face": 90_000, "least": 90_001, "send": {"max_coupons": 200_000, "max_amount": 18 * 10**9}}),
    ("none for a user", {"send": {"max_coupons_per_user": 0}}),
    ("more for a user than there are", {"send": {"max_coupons_per_user": 11}}),
    ("nothing a day", {"send": {"max_amount_by_day": 0}}),
    ("more a day than altogether", {"send": {"max_amount_by_day": 301}}),
    ("for no merchant", {"use": {"available_merchants": []}}),
    ("begun already", {"available_begin_time": "2025-11-25T11:59:59+08:00"}),
    ("over before it begins", {"available_end_time": "2025-11-25T12:00:00+08:00"}),
    ("for more than 90 days", {"available_end_time": "2026-02-23T12:00:01+08:00"}),
]


async def test_what_is_no_stock(client: Handmade) -> None:
    for name, changes in NO_STOCKS:
        expected = (400, "INVALID_REQUEST" if "belong_merchant" in changes else "PARAM_ERROR")
        assert await client.refused("POST", f"{FAVOR}/coupon-stocks", stock(**changes)) == expected, name


async def test_the_budget_of_a_stock_with_cash_is_held_until_its_end(client: Handmade, sandbox: Sandbox) -> None:
    held = sandbox.book.shelf("held")
    number = await activated(client, stock(no_cash=False))
    assert held[MCHID] == 300
    coupon = await sent(client, number)
    await paid_with(client, sandbox, coupon)
    assert (held[MCHID], sandbox.book.moved[MCHID]) == (270, 100 - 30)
    sandbox.clock.advance(days=1)
    assert held[MCHID] == 0
    rich = stock("890002", face=100_000, least=100_001, no_cash=False, send={"max_coupons": 2_000, "max_amount": 200_000_000})
    time = {"available_begin_time": "2025-11-26T12:00:00+08:00", "available_end_time": "2025-11-27T12:00:00+08:00"}
    made = await client.call("POST", f"{FAVOR}/coupon-stocks", rich | time)
    assert await client.refused("POST", f"{FAVOR}/stocks/{made['stock_id']}/start", CREATOR) == (403, "NOT_ENOUGH")


async def test_a_coupon_is_sent_once_and_within_the_limits(client: Handmade, sandbox: Sandbox) -> None:
    number = await activated(client, stock(send={"max_coupons": 5, "max_amount": 150, "max_amount_by_day": 120}))
    users = f"{FAVOR}/users/{USER}/coupons"
    coupon = await sent(client, number)
    assert await sent(client, number) == coupon
    assert await client.refused("POST", f"{FAVOR}/users/{OTHER}/coupons", request(number)) == (400, "INVALID_REQUEST")
    assert await client.refused("POST", users, request(number, "2", coupon_value=10)) == (400, "PARAM_ERROR")
    assert await client.refused("POST", users, request(number, "a b")) == (400, "PARAM_ERROR")
    assert await client.refused("POST", users, request("9856000")) == (404, "RESOURCE_NOT_EXISTS")
    assert await client.refused("POST", users, request(number, stock_creator_mchid="1900000120")) == (400, "PARAM_ERROR")
    await sent(client, number, "2")
    await sent(client, number, "3")
    assert await client.refused("POST", users, request(number, "4")) == (403, "REQUEST_BLOCKED")
    await sent(client, number, "4", OTHER)
    assert await client.refused("POST", f"{FAVOR}/users/{OTHER}/coupons", request(number, "5")) == (403, "NOT_ENOUGH")
    sandbox.clock.advance(hours=12)
    await sent(client, number, "5", OTHER)
    assert await client.refused("POST", f"{FAVOR}/users/{OTHER}/coupons", request(number, "6")) == (403, "NOT_ENOUGH")
    assert (await client.call("GET", f"{FAVOR}/stocks/{number}?{AS_CREATOR}"))["distributed_coupons"] == 5


async def test_nothing_is_sent_before_the_stock_begins_nor_by_others(client: Handmade, sandbox: Sandbox) -> None:
    number = await activated(client, stock(available_begin_time="2025-11-25T13:00:00+08:00"))
    assert await client.refused("POST", f"{FAVOR}/users/{USER}/coupons", request(number)) == (403, "REQUEST_BLOCKED")
    sandbox.add_merchant("1900000120")
    async with Handmade(sandbox.settings(mchid="1900000120")) as other:
        assert await other.refused("POST", f"{FAVOR}/users/{USER}/coupons", request(number)) == (403, "REQUEST_BLOCKED")
        assert await other.refused("GET", f"{FAVOR}/callbacks?mchid={MCHID}") == (400, "INVALID_REQUEST")
    sandbox.clock.advance(hours=1)
    await sent(client, number)


async def test_a_users_coupons(client: Handmade, sandbox: Sandbox) -> None:
    number = await activated(client, stock())
    first, second = await sent(client, number, "1"), await sent(client, number, "2")
    assert await seen(client, first) == {
        "stock_creator_mchid": MCHID,
        "stock_id": number,
        "coupon_id": first,
        "coupon_name": "微信支付代金券批次",
        "status": "SENDED",
        "description": "全场通用",
        "create_time": "2025-11-25T12:00:00+08:00",
        "coupon_type": "NORMAL",
        "no_cash": True,
        "singleitem": False,
        "available_begin_time": "2025-11-25T12:00:00+08:00",
        "available_end_time": "2025-11-26T12:00:00+08:00",
        "normal_coupon_information": {"coupon_amount": 30, "transaction_minimum": 100},
    }
    await paid_with(client, sandbox, first)
    users = f"{FAVOR}/users/{USER}/coupons"

    async def listed(query: str) -> list[str]:
        found = await client.call("GET", f"{users}?appid={APPID}&{query}")
        return [item["coupon_id"] for item in found["data"]]

    assert await listed(f"creator_mchid={MCHID}") == [first, second]
    assert await listed(f"stock_id={number}&status=SENDED&sender_mchid={MCHID}") == [second]
    assert await listed("status=USED") == [first]
    assert await listed(f"available_mchid={MCHID}&offset=1&limit=1") == [second]
    for nothing in ("available_mchid=1900000120", "creator_mchid=1", "sender_mchid=1", "stock_id=1"):
        assert await listed(nothing) == [], nothing
    whole = await client.call("GET", f"{users}?appid={APPID}")
    assert (whole["total_count"], whole["offset"], whole["limit"]) == (2, 0, 20)
    assert (await client.call("GET", f"{users}?appid=wx1"))["total_count"] == 0
    assert (await client.call("GET", f"{FAVOR}/users/{OTHER}/coupons?appid={APPID}"))["total_count"] == 0
    assert await client.refused("GET", f"{users}/1?appid={APPID}") == (404, "RESOURCE_NOT_EXISTS")
    assert await client.refused("GET", f"{FAVOR}/users/{OTHER}/coupons/{first}?appid={APPID}") == (404, "RESOURCE_NOT_EXISTS")
    assert await client.refused("GET", f"{users}/{first}?appid=wx1") == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("time", "begins", "ends"),
    [
        ({"available_time_after_receive": 60}, "2025-11-25T12:00:00+08:00", "2025-11-25T13:00:00+08:00"),
        ({"second_day_available": True, "available_time_after_receive": 60}, "2025-11-26T00:00:00+08:00", "2025-11-26T01:00:00+08:00"),
        ({"available_time_after_receive": 9_999}, "2025-11-25T12:00:00+08:00", "2025-11-26T12:00:00+08:00"),
        (
            {"available_begin_time": "2025-11-25T18:00:00+08:00", "available_end_time": "2025-11-25T20:00:00+08:00"},
            "2025-11-25T18:00:00+08:00",
            "2025-11-25T20:00:00+08:00",
        ),
    ],
)
async def test_the_time_of_a_coupon(client: Handmade, sandbox: Sandbox, time: dict[str, Any], begins: str, ends: str) -> None:
    coupon = await sent(client, await activated(client, stock(time=time)))
    view = await seen(client, coupon)
    assert (view["available_begin_time"], view["available_end_time"], view["status"]) == (begins, ends, "SENDED")
    sandbox.clock.advance(days=1)
    assert (await seen(client, coupon))["status"] == "EXPIRED"
    await client.call("POST", NATIVE, native_order())
    with pytest.raises(Refusal, match="代金券状态为 EXPIRED"):
        sandbox.pay("native-0001", coupon_id=coupon)


@pytest.mark.parametrize(("no_cash", "kind", "gained"), [(True, "NOCASH", 70), (False, "CASH", 100 - 30)])
async def test_an_order_is_paid_with_a_coupon(client: Handmade, sandbox: Sandbox, no_cash: bool, kind: str, gained: int) -> None:
    told = {"mchid": MCHID, "notify_url": "https://merchant.example/coupons", "switch": True}
    assert (await client.call("POST", f"{FAVOR}/callbacks", told))["notify_url"] == "https://merchant.example/coupons"
    number = await activated(client, stock(no_cash=no_cash))
    coupon = await sent(client, number)
    order = await paid_with(client, sandbox, coupon)
    assert order["amount"] == {"total": 100, "payer_total": 70, "currency": "CNY", "payer_currency": "CNY"}
    assert order["payer"] == {"openid": USER}
    assert order["promotion_detail"] == [
        {
            "coupon_id": coupon,
            "name": "微信支付代金券批次",
            "scope": "GLOBAL",
            "type": kind,
            "amount": 30,
            "stock_id": number,
            "wechatpay_contribute": 0,
            "merchant_contribute": 30,
            "other_contribute": 0,
            "currency": "CNY",
        }
    ]
    assert sandbox.book.moved[MCHID] == gained
    view = await seen(client, coupon)
    consumed = {"consume_time": "2025-11-25T12:00:00+08:00", "consume_mchid": MCHID, "transaction_id": order["transaction_id"]}
    assert (view["status"], view["consume_information"]) == ("USED", consumed)
    used, paid = sandbox.book.notices
    assert (used.event_type, used.original_type, used.summary, used.url) == (
        "COUPON.USE",
        "coupon",
        "用券成功",
        "https://merchant.example/coupons",
    )
    assert used.resource == view | {"consume_information": consumed | {"consume_amount": 30}}
    assert (paid.event_type, paid.resource["amount"]["payer_total"]) == ("TRANSACTION.SUCCESS", 70)
    assert paid.resource["promotion_detail"] == order["promotion_detail"]


async def test_the_money_of_a_coupon_is_its_merchants(client: Handmade, sandbox: Sandbox) -> None:
    """Another merchant's coupon: the payee has all of the price, and the other merchant pays its part."""
    sandbox.add_merchant("1900000120")
    async with Handmade(sandbox.settings(mchid="1900000120")) as payee:
        number = await activated(client, stock(no_cash=False, use={"available_merchants": ["1900000120"]}))
        coupon = await sent(client, number)
        await payee.call("POST", NATIVE, native_order(mchid="1900000120"))
        usable = await payee.call("GET", f"{FAVOR}/users/{USER}/coupons?appid={APPID}&available_mchid=1900000120")
        assert [item["coupon_id"] for item in usable["data"]] == [coupon]
        sandbox.pay("native-0001", coupon_id=coupon)
        assert (sandbox.book.moved["1900000120"], sandbox.book.moved[MCHID]) == (100, -30)
        order = await payee.call("GET", "/v3/pay/transactions/out-trade-no/native-0001?mchid=1900000120")
        assert [order["promotion_detail"][0][name] for name in ("merchant_contribute", "other_contribute")] == [0, 30]
        await payee.call("POST", REFUNDS, refund_of("native-0001", refund=50))
        sandbox.finish_refund("refund-0001")
        assert (sandbox.book.moved["1900000120"], sandbox.book.moved[MCHID]) == (50, -15)


UNUSABLE: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("未达到代金券使用门槛 101 分", {"least": 101}, {}),
    ("代金券不属于支付用户", {}, {"openid": OTHER}),
    ("代金券不在可用时间内", {"time": {"second_day_available": True}}, {}),
    ("代金券不在可用时间内", {"time": {"fix_available_time": {"available_week_day": [0, 1, 3, 4, 5, 6]}}}, {}),
    ("代金券不在可用时间内", {"time": {"fix_available_time": {"begin_time": 43_201}}}, {}),
    ("代金券不能在商户 1900000109 使用", {"use": {"available_merchants": ["1900000120"]}}, {}),
    ("订单没有代金券要求的优惠标记", {"use": {"goods_tag": ["WXG"]}}, {}),
    ("代金券限指定的支付方式", {"use": {"limit_pay": ["ICBC_CREDIT"]}}, {}),
    ("未达到代金券使用门槛 100 分", {"use": {"available_items": ["goods-1"]}}, {}),
]


async def test_what_the_phone_does_not_offer(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", NATIVE, native_order())
    with pytest.raises(LookupError, match="no coupon '1'"):
        sandbox.pay("native-0001", coupon_id="1")
    for count, (message, changes, options) in enumerate(UNUSABLE):
        coupon = await sent(client, await activated(client, stock(f"stock-{count}", **changes)), f"send-{count}")
        with pytest.raises(Refusal, match=message):
            sandbox.pay("native-0001", coupon_id=coupon, **options)
        assert (await seen(client, coupon))["status"] == "SENDED"
    assert (await client.call("GET", f"/v3/pay/transactions/out-trade-no/native-0001?mchid={MCHID}"))["trade_state"] == "NOTPAY"


async def test_a_coupon_for_a_day_a_tag_and_a_bank(client: Handmade, sandbox: Sandbox) -> None:
    window = {"available_week_day": [2], "begin_time": 43_200, "end_time": 43_200}  # Tuesday, noon
    use = {"goods_tag": ["WXG"], "limit_pay": ["ICBC_CREDIT"]}
    coupon = await sent(client, await activated(client, stock(time={"fix_available_time": window}, use=use)))
    await client.call("POST", NATIVE, native_order(goods_tag="WXG"))
    paid = sandbox.pay("native-0001", coupon_id=coupon, bank_type="ICBC_CREDIT")
    assert (paid.payer_total, paid.settlement_total) == (70, 70)
    with pytest.raises(Refusal, match="代金券状态为 USED"):
        sandbox.pay("native-0001", coupon_id=coupon, bank_type="ICBC_CREDIT")


async def test_a_coupon_for_some_goods(client: Handmade, sandbox: Sandbox) -> None:
    coupon = await sent(client, await activated(client, stock(face=100, least=300, use={"available_items": ["goods-1", "goods-2"]})))
    goods = [
        {"merchant_goods_id": "goods-1", "quantity": 1, "unit_price": 100},
        {"merchant_goods_id": "goods-2", "quantity": 2, "unit_price": 100},
        {"merchant_goods_id": "goods-3", "quantity": 1, "unit_price": 500},
    ]
    await client.call("POST", NATIVE, native_order(amount={"total": 800}, detail={"goods_detail": goods}))
    sandbox.pay("native-0001", coupon_id=coupon)
    (used,) = (await client.call("GET", f"/v3/pay/transactions/out-trade-no/native-0001?mchid={MCHID}"))["promotion_detail"]
    assert (used["scope"], used["amount"]) == ("SINGLE", 100)
    assert used["goods_detail"] == [
        {"goods_id": "goods-1", "quantity": 1, "unit_price": 100, "discount_amount": 33},
        {"goods_id": "goods-2", "quantity": 2, "unit_price": 100, "discount_amount": 67},
    ]
    view = await seen(client, coupon)
    assert view["singleitem"] is True
    assert view["consume_information"]["goods_detail"][0] == {"goods_id": "goods-1", "quantity": 1, "price": 100, "discount_amount": 33}
    made = await client.call("POST", REFUNDS, refund_of("native-0001", refund=800, total=800))
    assert made["promotion_detail"][0]["scope"] == "SINGLE"


@pytest.mark.parametrize("no_cash", [True, False])
async def test_a_refund_gives_back_in_proportion(client: Handmade, sandbox: Sandbox, no_cash: bool) -> None:
    """The official example: of 10 yuan, 3 of them a coupon's, 9 are given back: 6.30 to the payer."""
    coupon = await sent(client, await activated(client, stock(face=300, least=1000, no_cash=no_cash)))
    await paid_with(client, sandbox, coupon, total=1000)
    made = await client.call("POST", REFUNDS, refund_of("native-0001", refund=900, total=1000))
    amount = {name: value for name, value in made["amount"].items() if name not in {"currency", "from"}}
    assert amount == {
        "total": 1000,
        "refund": 900,
        "payer_total": 700,
        "payer_refund": 630,
        "discount_refund": 270,
        "settlement_total": 700 if no_cash else 1000,
        "settlement_refund": 630 if no_cash else 900,
    }
    kind = "DISCOUNT" if no_cash else "COUPON"
    assert made["promotion_detail"] == [{"promotion_id": coupon, "scope": "GLOBAL", "type": kind, "amount": 300, "refund_amount": 270}]
    sandbox.clock.advance(minutes=1)
    assert sandbox.book.moved[MCHID] == 70
    assert sandbox.book.notices[-1].resource["amount"] == {"total": 1000, "refund": 900, "payer_total": 700, "payer_refund": 630}
    assert (await seen(client, coupon))["status"] == "USED"

    rest = await client.call("POST", REFUNDS, refund_of("native-0001", "refund-0002", refund=100, total=1000))
    assert (rest["amount"]["payer_refund"], rest["amount"]["discount_refund"]) == (70, 30)
    sandbox.clock.advance(minutes=1)
    assert sandbox.book.moved[MCHID] == 0
    assert (await seen(client, coupon))["status"] == "SENDED"
    assert sandbox.book.shelf("held").get(MCHID, 0) == (0 if no_cash else 3000)
    again = await paid_with(client, sandbox, coupon, "native-0002", total=1000)
    assert again["amount"]["payer_total"] == 700


async def test_an_order_without_a_coupon_gives_back_what_was_paid(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    made = await client.call("POST", REFUNDS, refund_of("native-0001"))
    assert (made["amount"]["payer_refund"], made["promotion_detail"]) == (100, [])
    sandbox.clock.advance(minutes=1)
    assert sandbox.book.moved[MCHID] == 0


async def test_every_fen_is_given_back_once(client: Handmade, sandbox: Sandbox) -> None:
    """Ten refunds of a fen each, of 10 fen of which 4 are a coupon's: half a fen goes up, and neither side gets more than it paid."""
    coupon = await sent(client, await activated(client, stock(face=4, least=10, no_cash=False)))
    await paid_with(client, sandbox, coupon, total=10)
    shares: list[tuple[int, int]] = []
    for count in range(10):
        made = await client.call("POST", REFUNDS, refund_of("native-0001", f"refund-{count}", refund=1, total=10))
        shares.append((made["amount"]["payer_refund"], made["amount"]["discount_refund"]))
        sandbox.clock.advance(minutes=1)
    assert shares == [(1, 0)] * 6 + [(0, 1)] * 4
    assert sandbox.book.moved[MCHID] == 0
    assert (await seen(client, coupon))["status"] == "SENDED"


async def test_the_coupons_share_is_bounded_by_the_coupon(client: Handmade, sandbox: Sandbox) -> None:
    """Of 10 fen 6 are a coupon's: the payer's 0.4 goes down each time until the coupon's are gone."""
    coupon = await sent(client, await activated(client, stock(face=6, least=10)))
    await paid_with(client, sandbox, coupon, total=10)
    shares: list[int] = []
    for count in range(10):
        made = await client.call("POST", REFUNDS, refund_of("native-0001", f"refund-{count}", refund=1, total=10))
        shares.append(made["amount"]["payer_refund"])
        sandbox.clock.advance(minutes=1)
    assert shares == [0] * 6 + [1] * 4


async def test_a_coupon_whose_time_is_over_does_not_come_back(client: Handmade, sandbox: Sandbox) -> None:
    coupon = await sent(client, await activated(client, stock(no_cash=False)))
    await paid_with(client, sandbox, coupon)
    sandbox.clock.advance(days=2)
    await client.call("POST", REFUNDS, refund_of("native-0001"))
    sandbox.clock.advance(minutes=1)
    assert (await seen(client, coupon))["status"] == "EXPIRED"
    assert (sandbox.book.moved[MCHID], sandbox.book.shelf("held")[MCHID]) == (0, 0)


async def test_a_revoked_payment_gives_the_coupon_back(client: Handmade, sandbox: Sandbox) -> None:
    code = "130061098828009406"
    sandbox.ask_password(code)
    coupon = await sent(client, await activated(client, stock(no_cash=False)))
    order = native_order("code-0001", payer={"auth_code": code}, scene_info={"store_info": {"id": "0001"}})
    del order["notify_url"]
    assert await client.refused("POST", "/v3/pay/transactions/codepay", order) == (202, "USERPAYING")
    sandbox.pay("code-0001", coupon_id=coupon)
    await client.call("POST", "/v3/pay/transactions/out-trade-no/code-0001/reverse", {"appid": APPID, "mchid": MCHID})
    assert (sandbox.book.moved[MCHID], sandbox.book.shelf("held")[MCHID]) == (0, 300)
    assert (await seen(client, coupon))["status"] == "SENDED"


async def test_a_shared_order_shares_what_its_payee_got(client: Handmade, sandbox: Sandbox) -> None:
    coupon = await sent(client, await activated(client, stock()))
    await client.call("POST", NATIVE, native_order(settle_info={"profit_sharing": True}))
    transaction = sandbox.pay("native-0001", coupon_id=coupon).transaction_id
    left = await client.call("GET", f"/v3/profitsharing/transactions/{transaction}/amounts")
    assert left["unsplit_amount"] == 70
    sandbox.book.transactions[transaction].shared = 20
    assert await client.refused("POST", REFUNDS, refund_of("native-0001", refund=73)) == (403, "NOT_ENOUGH")
    made = await client.call("POST", REFUNDS, refund_of("native-0001", refund=71))
    assert made["amount"]["settlement_refund"] == 50
    assert (await client.call("GET", f"/v3/profitsharing/transactions/{transaction}/amounts"))["unsplit_amount"] == 0


async def test_a_combined_order_takes_no_coupon(client: Handmade, sandbox: Sandbox) -> None:
    coupon = await sent(client, await activated(client, stock()))
    part = {
        "mchid": MCHID,
        "sub_mchid": "1900000110",
        "attach": "深圳分店",
        "amount": {"total_amount": 100, "currency": "CNY"},
        "out_trade_no": "part-0001",
        "description": "腾讯充值中心-QQ会员充值",
    }
    body = {"combine_appid": APPID, "combine_mchid": MCHID, "combine_out_trade_no": "combine-0001", "sub_orders": [part]}
    await client.call("POST", "/v3/combine-transactions/native", body | {"notify_url": "https://merchant.example/notify"})
    with pytest.raises(Refusal, match="合单支付不能使用代金券"):
        sandbox.pay("combine-0001", coupon_id=coupon)


async def test_the_address_for_notifications(client: Handmade, sandbox: Sandbox) -> None:
    callbacks = f"{FAVOR}/callbacks"
    assert await client.refused("GET", f"{callbacks}?mchid={MCHID}") == (404, "RESOURCE_NOT_EXISTS")
    url = "https://merchant.example/coupons"
    assert await client.refused("POST", callbacks, {"mchid": MCHID, "notify_url": "http://a.example"}) == (400, "PARAM_ERROR")
    assert await client.refused("POST", callbacks, {"mchid": "1900000120", "notify_url": url}) == (400, "INVALID_REQUEST")
    set_off = await client.call("POST", callbacks, {"mchid": MCHID, "notify_url": url, "switch": False})
    assert set_off == {"update_time": "2025-11-25T12:00:00+08:00", "notify_url": url}
    assert await client.call("GET", f"{callbacks}?mchid={MCHID}") == {"mchid": MCHID, "notify_url": url}
    await paid_with(client, sandbox, await sent(client, await activated(client, stock())))
    assert [notice.event_type for notice in sandbox.book.notices] == ["TRANSACTION.SUCCESS"]


async def test_the_cashier_offers_the_best_coupon(client: Handmade, sandbox: Sandbox) -> None:
    small = await sent(client, await activated(client, stock("1", face=20)), "1")
    large = await sent(client, await activated(client, stock("2", face=30)), "2", OTHER)
    await sent(client, await activated(client, stock("3", face=40, least=101)), "3")
    await client.call("POST", NATIVE, native_order())
    jsapi = native_order("jsapi-0001", payer={"openid": USER})
    await client.call("POST", "/v3/pay/transactions/jsapi", jsapi)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app), base_url="http://127.0.0.1") as people:

        async def press(number: str, action: str) -> str:
            form = {"kind": "order", "mchid": MCHID, "sub_mchid": "", "no": number, "action": action}
            return (await people.post("/_sandbox/pages/cashier/sheet", data=form)).text

        assert "¥0.20" in await press("jsapi-0001", "cancel")
        assert "¥0.30" in await press("native-0001", "pay_with_coupon")
        assert "Done." in await press("jsapi-0001", "pay_with_coupon")
    paid = sandbox.book.orders
    assert [paid[((MCHID, ""), number)].promotion.coupon_id for number in ("native-0001", "jsapi-0001")] == [large, small]


async def test_what_became_of_the_coupons_as_files(client: Handmade, sandbox: Sandbox) -> None:
    number = await activated(client, stock(no_cash=False))
    one = f"{FAVOR}/stocks/{number}"
    coupon = await sent(client, number)
    order = await paid_with(client, sandbox, coupon)
    refund = await client.call("POST", REFUNDS, refund_of("native-0001", refund=50))
    sandbox.clock.advance(minutes=1)
    for flow in ("use-flow", "refund-flow"):
        assert await client.refused("GET", f"{one}/{flow}") == (404, "RESOURCE_NOT_EXISTS"), flow
    sandbox.clock.advance(days=2)  # ten o'clock of the day after its last is over

    async def file(flow: str) -> tuple[dict[str, Any], str]:
        offer = await client.call("GET", f"{one}/{flow}")
        content = (await client.send("GET", offer["url"].removeprefix("http://127.0.0.1"))).content
        assert hashlib.sha1(content, usedforsecurity=False).hexdigest() in offer.values()
        return offer, content.decode()

    transaction = order["transaction_id"]
    offer, uses = await file("use-flow")
    assert offer["hash_type"] == "SHA1"
    assert uses == (
        "批次id,优惠id,优惠类型,优惠金额（元）,订单总金额（元）,交易类型,支付单号,消耗时间,消耗商户号,设备号,银行流水号,单品信息\r\n"
        f"`{number},`{coupon},`预充值,`0.30,`1.00,`NATIVE,`{transaction},`2025-11-25 12:00:00,`{MCHID},,,\r\n"
    )
    _, refunds = await file("refund-flow")
    assert refunds.splitlines()[1] == (
        f"`{number},`{coupon},`预充值,`0.15,`0.50,`NATIVE,`{transaction},`{refund['refund_id']},`2025-11-25 12:00:03,`{MCHID},,,"
    )
    offer, of_day = await file("use-flow-by-day?bill_date=2025-11-25")
    assert (offer["stock_useflow_count"], of_day) == ("1", uses)
    offer, of_day = await file("refund-flow-by-day?bill_date=2025-11-25")
    assert (offer["stock_refundflow_count"], of_day) == ("1", refunds)
    assert await client.refused("GET", f"{one}/use-flow-by-day?bill_date=2025-11-26") == (404, "RESOURCE_NOT_EXISTS")
    assert await client.refused("GET", f"{one}/use-flow-by-day?bill_date=20251125") == (400, "PARAM_ERROR")

    expired = await client.call("GET", f"{one}/use-flow")
    sandbox.clock.advance(seconds=30)
    assert await client.refused("GET", expired["url"].removeprefix("http://127.0.0.1")) == (400, "INVALID_REQUEST")
    await client.call("GET", f"{one}/use-flow")
    assert len(sandbox.book.shelf("files")) == 1


async def test_the_trade_bill_of_a_day_with_coupons(client: Handmade, sandbox: Sandbox) -> None:
    for number, no_cash in (("1", True), ("2", False)):
        coupon = await sent(client, await activated(client, stock(number, no_cash=no_cash)), number)
        await paid_with(client, sandbox, coupon, f"native-000{number}", total=1000)
        await client.call("POST", REFUNDS, refund_of(f"native-000{number}", f"r-{number}", refund=100, total=1000))
    sandbox.clock.advance(days=1)
    offer = await client.call("GET", "/v3/bill/tradebill?bill_date=2025-11-25")
    rows = (await client.send("GET", offer["download_url"].removeprefix("http://127.0.0.1"))).text.splitlines()
    # what the order settles at, the coupon, the refund, the coupon's part in it, the order, what was to be given back
    columns = (12, 13, 16, 17, 24, 25)
    assert [[row.split(",")[column][1:] for column in columns] for row in rows[1:5]] == [
        ["9.70", "0.30", "0.00", "0.00", "10.00", "0.00"],
        ["10.00", "0.30", "0.00", "0.00", "10.00", "0.00"],
        ["0.00", "0.00", "0.97", "0.00", "0.00", "1.00"],
        ["0.00", "0.00", "1.00", "0.03", "0.00", "1.00"],
    ]
    assert rows[6].split(",") == ["`4", "`19.70", "`1.97", "`0.03", "`0.10", "`20.00", "`2.00"]


async def test_an_order_of_apiv2_is_paid_with_a_coupon(client: Handmade, sandbox: Sandbox) -> None:
    coupon = await sent(client, await activated(client, stock(no_cash=False)))
    async with HandmadeV2(sandbox.settings()) as v2:
        order = {"appid": APPID, "body": "x", "out_trade_no": "v2-1", "total_fee": 100, "spbill_create_ip": "8.8.8.8"}
        await v2.call("/pay/unifiedorder", order | {"trade_type": "NATIVE", "product_id": "1", "notify_url": "https://merchant.example/v2"})
        sandbox.pay("v2-1", coupon_id=coupon)
        paid = await v2.call("/pay/orderquery", {"appid": APPID, "out_trade_no": "v2-1"})
        names = (
            "total_fee",
            "cash_fee",
            "settlement_total_fee",
            "coupon_fee",
            "coupon_count",
            "coupon_id_0",
            "coupon_fee_0",
            "coupon_type_0",
        )
        assert [paid[name] for name in names] == ["100", "70", "100", "30", "1", coupon, "30", "CASH"]
        back = {"appid": APPID, "out_trade_no": "v2-1", "out_refund_no": "r-1", "total_fee": 100, "refund_fee": 50}
        made = await v2.call("/secapi/pay/refund", back)
        of_refund = ("refund_fee", "cash_refund_fee", "coupon_refund_fee", "coupon_refund_count")
        assert [made[name] for name in of_refund] == ["50", "35", "15", "1"]
        sandbox.clock.advance(minutes=1)
        found = await v2.call("/pay/refundquery", {"appid": APPID, "out_refund_no": "r-1"})
        of_query = ("cash_fee", "refund_fee_0", "settlement_refund_fee_0", "coupon_refund_fee_0")
        assert [found[name] for name in of_query] == ["70", "50", "50", "15"]
    assert sandbox.book.moved[MCHID] == 35
