"""Parking: the plate's service, the car that comes in, the fee that is collected after it has left, what WeChat Pay advances."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.examples import APPID, MCHID, refund_of
from tests.sandbox.test_notifications import Merchant
from tests.support.handmade import Handmade
from wechatpay_async.sandbox import Refusal, Sandbox

pytestmark = pytest.mark.anyio

SUB = "1900000110"
PLATE, OPENID = "粤B888888", "o-driver"
ENTRY = "/v3/vehicle/parking/parkings"
FEE = "/v3/vehicle/transactions/parking"
ORDER = f"/v3/vehicle/transactions/out-trade-no/park-1?sub_mchid={SUB}"
STARTED, LEFT = "2025-11-25T10:00:00+08:00", "2025-11-25T12:00:00+08:00"


def entry(number: str = "entry-1", **changes: Any) -> dict[str, Any]:
    return {
        "sub_mchid": SUB,
        "out_parking_no": number,
        "plate_number": PLATE,
        "plate_color": "BLUE",
        "notify_url": "https://merchant.example/parking",
        "start_time": STARTED,
        "parking_name": "欢乐海岸停车场",
        "free_duration": 3600,
    } | changes


def fee(parking_id: str, number: str = "park-1", *, info: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "appid": APPID,
        "sub_appid": APPID,
        "sub_mchid": SUB,
        "description": "停车场扣费",
        "attach": "深圳分店",
        "out_trade_no": number,
        "trade_scene": "PARKING",
        "notify_url": "https://merchant.example/paid",
        "amount": {"total": 888, "currency": "CNY"},
        "parking_info": {
            "parking_id": parking_id,
            "plate_number": PLATE,
            "plate_color": "BLUE",
            "start_time": STARTED,
            "end_time": LEFT,
            "parking_name": "欢乐海岸停车场",
            "charging_duration": 3600,
            "device_id": "12313",
        }
        | (info or {}),
    } | changes


async def come_in(client: Handmade, sandbox: Sandbox, number: str = "entry-1") -> str:
    sandbox.parking.open(PLATE, openid=OPENID)
    parking_id: str = (await client.call("POST", ENTRY, entry(number)))["id"]
    return parking_id


def service(openid: str = OPENID) -> str:
    query = httpx.QueryParams({"appid": APPID, "sub_mchid": SUB, "plate_number": PLATE, "plate_color": "BLUE", "openid": openid})
    return f"/v3/vehicle/parking/services/find?{query}"


async def test_a_plate_is_opened_paused_and_closed(client: Handmade, sandbox: Sandbox) -> None:
    known = {"plate_number": PLATE, "plate_color": "BLUE", "openid": OPENID}
    assert await client.call("GET", service()) == known | {"service_state": "OUT_SERVICE"}
    sandbox.parking.open(PLATE, openid=OPENID)
    opened = known | {"service_open_time": "2025-11-25T12:00:00+08:00"}
    assert await client.call("GET", service()) == opened | {"service_state": "NORMAL"}
    assert (await client.call("GET", service("o-another")))["service_state"] == "OUT_SERVICE"
    sandbox.parking.pause(PLATE)
    assert await client.call("GET", service()) == opened | {"service_state": "PAUSE"}
    sandbox.parking.distrust(PLATE)
    assert (await client.call("GET", service()))["service_state"] == "NORMAL"
    sandbox.parking.close(PLATE)
    assert await client.call("GET", service()) == known | {"service_state": "OUT_SERVICE"}
    sandbox.clock.advance(hours=1)
    sandbox.parking.open(PLATE)
    assert (await client.call("GET", service()))["service_open_time"] == "2025-11-25T13:00:00+08:00"


async def test_a_car_comes_in_and_its_state_is_told(client: Handmade, sandbox: Sandbox) -> None:
    sandbox.notifier.receiver = merchant = Merchant(sandbox)
    made = await client.call("POST", ENTRY, entry())
    shown = {name: value for name, value in entry().items() if name not in {"sub_mchid", "notify_url"}}
    assert made == {"id": made["id"], "state": "BLOCKED", "block_reason": "OUT_SERVICE"} | shown
    sandbox.parking.open(PLATE)
    assert await client.call("POST", ENTRY, entry()) == {"id": made["id"], "state": "NORMAL"} | shown
    sandbox.clock.advance(minutes=5)
    sandbox.parking.pause(PLATE)
    sandbox.parking.distrust(PLATE)
    assert (await client.call("POST", ENTRY, entry()))["block_reason"] == "EVALUATION_FAILED"

    assert [delivery.taken for delivery in await sandbox.deliver()] == [True, True]
    first, second = merchant.seen
    assert (first["event_type"], first["summary"], first["plain"]["parking_state"]) == (
        "VEHICLE.ENTRANCE_STATE_CHANGE",
        "停车入场状态通知",
        "NORMAL",
    )
    assert second["plain"] == {
        "sp_mchid": MCHID,
        "sub_mchid": SUB,
        "parking_id": made["id"],
        "out_parking_no": "entry-1",
        "plate_number": PLATE,
        "plate_color": "BLUE",
        "start_time": STARTED,
        "parking_name": "欢乐海岸停车场",
        "free_duration": 3600,
        "parking_state": "BLOCKED",
        "blocked_state_description": "PAUSE",
        "state_update_time": "2025-11-25T12:05:00+08:00",
    }


async def test_the_fee_is_collected_after_the_car_has_left(client: Handmade, sandbox: Sandbox) -> None:
    sandbox.notifier.receiver = merchant = Merchant(sandbox)
    asked = fee(await come_in(client, sandbox), profit_sharing="Y")
    accepted = await client.call("POST", FEE, asked)
    assert accepted == {
        "appid": APPID,
        "sub_appid": APPID,
        "sp_mchid": MCHID,
        "sub_mchid": SUB,
        "description": "停车场扣费",
        "create_time": "2025-11-25T12:00:00+08:00",
        "out_trade_no": "park-1",
        "trade_state": "ACCEPTED",
        "trade_state_description": "已受理，等待扣款",
        "trade_scene": "PARKING",
        "parking_info": asked["parking_info"],
        "payer": {"openid": OPENID, "sub_openid": OPENID},
        "amount": {"total": 888, "currency": "CNY"},
        "promotion_detail": [],
    }
    assert await client.call("POST", FEE, asked) == accepted
    assert await client.call("GET", ORDER) == accepted

    sandbox.clock.advance(seconds=3)
    seen = await client.call("GET", ORDER)
    assert {name: value for name, value in seen.items() if name not in accepted or value != accepted[name]} == {
        "trade_state": "SUCCESS",
        "trade_state_description": "支付成功",
        "transaction_id": seen["transaction_id"],
        "success_time": "2025-11-25T12:00:03+08:00",
        "bank_type": "OTHERS",
        "attach": "深圳分店",
        "amount": {"total": 888, "currency": "CNY", "payer_total": 888, "discount_total": 0},
    }
    await sandbox.deliver()
    (told,) = merchant.seen
    assert (told["event_type"], told["plain"]) == ("TRANSACTION.SUCCESS", seen)
    assert sandbox.book.moved[SUB] == 888
    assert sandbox.book.orders[((MCHID, SUB), "park-1")].profit_sharing


async def test_a_fee_can_be_given_back(client: Handmade, sandbox: Sandbox) -> None:
    asked = fee(await come_in(client, sandbox))
    del asked["attach"]
    await client.call("POST", FEE, asked)
    refund = refund_of("park-1", refund=88, total=888, sub_mchid=SUB)
    assert await client.refused("POST", "/v3/refund/domestic/refunds", refund) == (400, "INVALID_REQUEST")
    sandbox.clock.advance(seconds=3)
    await client.call("POST", "/v3/refund/domestic/refunds", refund)
    seen = await client.call("GET", ORDER)
    assert (seen["trade_state"], "attach" in seen) == ("REFUND", False)
    sandbox.clock.advance(seconds=3)
    assert (await client.call("GET", f"/v3/refund/domestic/refunds/refund-0001?sub_mchid={SUB}"))["status"] == "SUCCESS"
    assert sandbox.book.moved[SUB] == 800


async def test_what_wechat_pay_advances_is_paid_back(client: Handmade, sandbox: Sandbox) -> None:
    parking_id = await come_in(client, sandbox)
    sandbox.parking.run_short(PLATE)
    await client.call("POST", FEE, fee(parking_id))
    sandbox.clock.advance(seconds=3)
    seen = await client.call("GET", ORDER)
    assert (seen["trade_state"], seen["bank_type"], seen["user_repaid"]) == ("SUCCESS", "BPA", "N")

    again = await client.call("POST", ENTRY, entry("entry-2"))
    assert (again["state"], again["block_reason"]) == ("BLOCKED", "OVERDUE")
    asked = fee(again["id"], "park-2")
    assert await client.refused("POST", FEE, asked) == (400, "INVALID_REQUEST")
    sandbox.parking.repay("park-1")
    assert (await client.call("GET", ORDER))["user_repaid"] == "Y"
    assert sandbox.parking.find("entry-2").state == "NORMAL"
    with pytest.raises(Refusal, match="INVALID_REQUEST"):
        sandbox.parking.repay("park-1")
    await client.call("POST", FEE, asked)
    sandbox.clock.advance(seconds=3)
    assert (await client.call("GET", ORDER.replace("park-1", "park-2")))["bank_type"] == "OTHERS"
    assert [(notice.event_type, notice.resource.get("user_repaid")) for notice in sandbox.book.notices] == [
        ("TRANSACTION.SUCCESS", "N"),
        ("TRANSACTION.PAY_BACK", "Y"),
        ("VEHICLE.ENTRANCE_STATE_CHANGE", None),
        ("TRANSACTION.SUCCESS", None),
    ]


async def test_a_car_inside_is_blocked_by_an_older_fee(client: Handmade, sandbox: Sandbox) -> None:
    parking_id = await come_in(client, sandbox)
    sandbox.parking.run_short(PLATE)
    await client.call("POST", FEE, fee(parking_id))
    assert (await client.call("POST", ENTRY, entry("entry-2")))["state"] == "NORMAL"
    sandbox.clock.advance(seconds=3)
    assert sandbox.parking.find("entry-2").trouble == "OVERDUE"
    assert [notice.event_type for notice in sandbox.book.notices] == ["TRANSACTION.SUCCESS", "VEHICLE.ENTRANCE_STATE_CHANGE"]


async def test_a_user_without_money_does_not_pay(client: Handmade, sandbox: Sandbox) -> None:
    parking_id = await come_in(client, sandbox)
    sandbox.parking.run_short(PLATE, advanced=False)
    await client.call("POST", FEE, fee(parking_id))
    sandbox.clock.advance(seconds=3)
    seen = await client.call("GET", ORDER)
    assert (seen["trade_state"], seen["trade_state_description"]) == ("PAY_FAIL", "支付失败，请重新下单支付")
    assert "transaction_id" not in seen
    (notice,) = sandbox.book.notices
    assert (notice.event_type, notice.resource) == ("TRANSACTION.FAIL", seen)
    sandbox.parking.open(PLATE)
    await client.call("POST", FEE, fee(await come_in(client, sandbox, "entry-2"), "park-2"))
    sandbox.clock.advance(seconds=3)
    assert (await client.call("GET", ORDER.replace("park-1", "park-2")))["trade_state"] == "SUCCESS"


async def test_an_order_that_was_closed_is_not_collected(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", FEE, fee(await come_in(client, sandbox)))
    close = "/v3/pay/partner/transactions/out-trade-no/park-1/close"
    await client.call("POST", close, {"sp_mchid": MCHID, "sub_mchid": SUB})
    sandbox.clock.advance(seconds=3)
    assert (await client.call("GET", ORDER))["trade_state"] == "PAY_FAIL"
    assert sandbox.book.notices == []


async def test_which_entries_have_no_fee(client: Handmade, sandbox: Sandbox) -> None:
    first = await come_in(client, sandbox)
    invalid = (400, "INVALID_REQUEST")
    assert await client.refused("POST", FEE, fee("5K8264ILTKCH16CQ250")) == invalid
    assert await client.refused("POST", FEE, fee(first, info={"parking_name": "别处"})) == invalid
    assert await client.refused("POST", FEE, fee(first, sub_mchid="1900000111")) == invalid
    second = await come_in(client, sandbox, "entry-2")
    refusal = (await client.send("POST", FEE, fee(first))).json()
    assert (refusal["code"], refusal["message"]) == ("INVALID_REQUEST", "停车入场id不存在")
    sandbox.parking.pause(PLATE)
    assert await client.refused("POST", FEE, fee(second)) == invalid
    sandbox.parking.open(PLATE)
    await client.call("POST", FEE, fee(second))
    refusal = (await client.send("POST", FEE, fee(second, "park-2"))).json()
    assert (refusal["code"], refusal["message"]) == ("INVALID_REQUEST", "场景信息和停车入场id不匹配")
    assert await client.refused("POST", FEE, fee(second, amount={"total": 1})) == (403, "OUT_TRADE_NO_USED")
    stranger = sandbox.add_merchant("1900000111")
    async with Handmade(sandbox.settings(mchid=stranger.mchid)) as other:
        assert await other.refused("POST", FEE, fee(second, "park-3")) == invalid


async def test_what_is_wrong_with_a_fee(client: Handmade, sandbox: Sandbox) -> None:
    parking_id = await come_in(client, sandbox)
    without_place = {name: value for name, value in fee(parking_id).items() if name != "parking_info"}
    for name, asked in (
        ("a number with a bar", fee(parking_id, "park|1")),
        ("a long description", fee(parking_id, description="长" * 129)),
        ("an address with a query", fee(parking_id, notify_url="https://merchant.example/?x=1")),
        ("another scene", fee(parking_id, trade_scene="HIGHWAY")),
        ("no place", without_place),
        ("nothing to pay", fee(parking_id, amount={"total": 0})),
        ("no time at all", fee(parking_id, info={"end_time": STARTED})),
        ("not left yet", fee(parking_id, info={"end_time": "2025-11-25T12:00:01+08:00"})),
    ):
        assert await client.refused("POST", FEE, asked) == (400, "PARAM_ERROR"), name
    assert await client.refused("GET", ORDER) == (404, "ORDER_NOT_EXIST")


async def test_what_is_wrong_with_an_entry(client: Handmade, sandbox: Sandbox) -> None:
    wrong: tuple[tuple[str, dict[str, Any]], ...] = (
        ("a long number", {"out_parking_no": "1" * 65}),
        ("no plate", {"plate_number": ""}),
        ("a long name", {"parking_name": "长" * 129}),
        ("an address that is not https", {"notify_url": "http://merchant.example/"}),
        ("less than nothing free", {"free_duration": -1}),
    )
    for name, changes in wrong:
        assert await client.refused("POST", ENTRY, entry() | changes) == (400, "PARAM_ERROR"), name
    await client.call("POST", ENTRY, entry())
    assert await client.refused("POST", ENTRY, entry(free_duration=60)) == (400, "INVALID_REQUEST")


async def test_what_a_user_cannot_do(client: Handmade, sandbox: Sandbox) -> None:
    for act in (
        lambda: sandbox.parking.run_short(PLATE),
        lambda: sandbox.parking.find("nothing"),
        lambda: sandbox.parking.repay("nothing"),
    ):
        with pytest.raises(LookupError, match="no p"):
            act()
    for plate_color, state in (("PINK", "NORMAL"), ("BLUE", "FLYING")):
        with pytest.raises(Refusal, match="PARAM_ERROR"):
            sandbox.act("set_plate", plate_number=PLATE, plate_color=plate_color, state=state)


async def test_users_act_over_http(client: Handmade, sandbox: Sandbox) -> None:
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/_sandbox/") as people:
        plate = {"plate_number": PLATE, "state": "NORMAL", "openid": OPENID}
        assert (await people.post("parking/plate", json=plate)).json()["done"] == "set_plate"
        parking_id = (await client.call("POST", ENTRY, entry()))["id"]
        assert (await people.post("parking/short", json={"plate_number": PLATE})).status_code == 200
        await client.call("POST", FEE, fee(parking_id))
        sandbox.clock.advance(seconds=3)
        assert (await people.post("parking/repay", json={"out_trade_no": "park-1"})).status_code == 200
        assert (await people.post("parking/repay", json={"out_trade_no": "nothing"})).status_code == 404
    assert (await client.call("GET", ORDER))["user_repaid"] == "Y"


async def test_parking_survives_a_restart(make_sandbox: MakeSandbox, tmp_path: Any) -> None:
    first = make_sandbox(state=tmp_path / "sandbox.db")
    async with Handmade(first.settings()) as client:
        parking_id = await come_in(client, first)
        first.parking.run_short(PLATE)
        await client.call("POST", FEE, fee(parking_id))
        first.clock.advance(seconds=3)
        await come_in(client, first, "entry-2")
        first.export(tmp_path / "story.jsonl")
    for again in (make_sandbox(state=tmp_path / "sandbox.db"), Sandbox.from_story(tmp_path / "story.jsonl", clock=lambda: 1_764_043_200.0)):
        for shelf in ("plates", "parkings", "parked", "parking_payments"):
            assert again.book.shelf(shelf) == first.book.shelf(shelf) != {}
