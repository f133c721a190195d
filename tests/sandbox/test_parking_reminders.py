"""Parking reminders: a car park is taken in, then tells of each car that comes, pays and goes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.support.handmade import Handmade
from wechatpay_async.sandbox import Refusal, Sandbox

pytestmark = pytest.mark.anyio

BASE = "/v3/parking/reminders"
#: 2025-11-25 10:00:00 and 12:00:00 +08:00
CAME, WENT = 1_764_036_000, 1_764_043_200


def car_park(**changes: Any) -> dict[str, Any]:
    terms = {
        "parking_lot_name": "XX购物中心停车场",
        "out_parking_lot_id": "PARK001",
        "parking_lot_address": "XX市XX区XX路XX号",
        "longitude": "116.397128",
        "latitude": "39.916527",
        "parking_lot_type": "PARKING_LOT_TYPE_BUSINESS_DISTRICT",
        "phone_number": "13800138000",
        "payment_mini_prog_appid": "wx1234567890abcdef",
        "payment_path": "pages/pay/index",
    }
    return {"parking_lot": terms | changes}


def car(parking_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "out_serial_number": "SERIAL1",
        "parking_id": parking_id,
        "plate_number": "粤B12345",
        "enter_timestamp": CAME,
        "plate_color": "PLATE_COLOR_BLUE",
        "car_type": "PLATE_TYPE_TEMPORARY",
        "vehicle_type": "VEHICLE_TYPE_SMALL",
    } | changes


def payment(parking_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "out_serial_number": "SERIAL1",
        "plate_number": "粤B12345",
        "parking_id": parking_id,
        "parking_state": "PARKING_STATUS_PARKING",
        "pay_type": "PAY_TYPE_WXPAY",
        "openid": "o-driver",
        "total_amount": 1500,
        "paid_amount": 1200,
        "out_trade_no": "TRADE1",
    } | changes


def leaving(parking_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "out_serial_number": "SERIAL1",
        "exit_timestamp": WENT,
        "plate_number": "粤B12345",
        "plate_color": "PLATE_COLOR_BLUE",
        "parking_id": parking_id,
    } | changes


async def approved(client: Handmade, sandbox: Sandbox) -> str:
    await client.call("POST", f"{BASE}/application", car_park())
    return sandbox.parking.approve_car_park("PARK001").wx_number


async def test_a_car_park_is_examined(client: Handmade, sandbox: Sandbox) -> None:
    audit_no = (await client.call("POST", f"{BASE}/application", car_park()))["parking_lot_audit_no"]
    assert await client.call("POST", f"{BASE}/application", car_park()) == {"parking_lot_audit_no": audit_no}
    assert await client.refused("POST", f"{BASE}/application", car_park(phone_number="1")) == (400, "INVALID_REQUEST")
    one = f"{BASE}/application/query?parking_lot_audit_no={audit_no}&out_parking_lot_id=PARK001"
    application = {
        "parking_lot_audit_no": audit_no,
        "audit_status": "AUDIT_STATUS_PENDING",
        "submit_time": WENT,
        "parking_lot": car_park()["parking_lot"],
    }
    assert await client.call("GET", one) == {"application": application}
    assert await client.refused("GET", f"{BASE}/parking-lot?out_parking_lot_id=PARK001") == (404, "RESOURCE_NOT_EXISTS")

    sandbox.clock.advance(days=1)
    seen = await client.call("GET", one)
    assert seen == {"application": application | {"audit_status": "AUDIT_STATUS_APPROVED"}, "wx_parking_lot_id": seen["wx_parking_lot_id"]}
    assert await client.call("GET", f"{BASE}/parking-lot?out_parking_lot_id=PARK001") == {
        "wx_parking_lot_id": seen["wx_parking_lot_id"],
        "out_parking_lot_id": "PARK001",
        "parking_lot_name": "XX购物中心停车场",
        "parking_lot_address": "XX市XX区XX路XX号",
        "payment_mini_prog_appid": "wx1234567890abcdef",
        "payment_mini_prog_path": "pages/pay/index",
        "enabled_state": "ENABLED_STATE_ENABLED",
    }
    both = f"{BASE}/parking-lot?wx_parking_lot_id={seen['wx_parking_lot_id']}&out_parking_lot_id="
    assert (await client.call("GET", f"{both}PARK001"))["out_parking_lot_id"] == "PARK001"
    assert await client.refused("GET", f"{both}PARK002") == (404, "RESOURCE_NOT_EXISTS")
    assert await client.refused("GET", f"{BASE}/parking-lot?wx_parking_lot_id=1") == (404, "RESOURCE_NOT_EXISTS")
    assert await client.refused("GET", f"{BASE}/parking-lot") == (400, "INVALID_REQUEST")
    named = {"parking_lot_audit_no": audit_no, "out_parking_lot_id": "PARK001"}
    assert await client.refused("POST", f"{BASE}/application/withdraw", named) == (400, "INVALID_REQUEST")


async def test_an_application_is_withdrawn_or_rejected_and_made_again(client: Handmade, sandbox: Sandbox) -> None:
    first = (await client.call("POST", f"{BASE}/application", car_park()))["parking_lot_audit_no"]
    named = {"parking_lot_audit_no": first, "out_parking_lot_id": "PARK001"}
    assert await client.refused("POST", f"{BASE}/application/withdraw", named | {"out_parking_lot_id": "x"}) == (404, "RESOURCE_NOT_EXISTS")
    assert await client.call("POST", f"{BASE}/application/withdraw", named) is None
    second = (await client.call("POST", f"{BASE}/application", car_park()))["parking_lot_audit_no"]
    sandbox.parking.reject_car_park("PARK001")
    with pytest.raises(Refusal, match="INVALID_REQUEST"):
        sandbox.parking.approve_car_park("PARK001")
    third = (await client.call("POST", f"{BASE}/application", car_park(phone_number="1")))["parking_lot_audit_no"]
    sandbox.clock.advance(days=1)

    seen = await client.call("GET", f"{BASE}/applications?out_parking_lot_id=PARK001")
    shown = [(item["parking_lot_audit_no"], item["audit_status"], item.get("audit_comment")) for item in seen["application_list"]]
    assert shown == [
        (third, "AUDIT_STATUS_APPROVED", None),
        (
            second,
            "AUDIT_STATUS_REJECTED",
            {"fields": [{"field": "parking_lot_name", "comment": "停车场名称不符合规范"}], "recommendation": "停车场名称不符合规范"},
        ),
        (first, "AUDIT_STATUS_WITHDRAWN", None),
    ]
    page = await client.call("GET", f"{BASE}/applications?out_parking_lot_id=PARK001&offset=1&limit=1")
    assert [item["parking_lot_audit_no"] for item in page["application_list"]] == [second]
    for query in ("offset=-1", "limit=0"):
        assert await client.refused("GET", f"{BASE}/applications?out_parking_lot_id=PARK001&{query}") == (400, "PARAM_ERROR")
    assert await client.call("GET", f"{BASE}/applications?out_parking_lot_id=other") == {"application_list": []}
    assert await client.refused("POST", f"{BASE}/application", car_park(out_parking_lot_id="停车场")) == (400, "PARAM_ERROR")


async def test_a_car_comes_pays_and_goes(client: Handmade, sandbox: Sandbox) -> None:
    parking_id = await approved(client, sandbox)
    made = await client.call("POST", f"{BASE}/entry", car(parking_id))
    assert await client.call("POST", f"{BASE}/entry", car(parking_id)) == made
    sandbox.clock.advance(minutes=1)
    fee = {"out_serial_number": "SERIAL1", "plate_number": "粤B12345", "out_parking_id": "PARK001"}
    assert await client.call("POST", f"{BASE}/parking-fee", fee) == {
        "total_amount": 0,
        "paid_amount": 0,
        "payable_amount": 0,
        "parking_timestamp": 7260,
        "parking_state": "PARKING_STATE_ENTERED",
        "pay_state": "PAY_STATUS_UNPAID",
    }
    assert await client.call("POST", f"{BASE}/payment", payment(parking_id)) is None
    assert await client.call("POST", f"{BASE}/exit", leaving(parking_id)) is None
    assert await client.call("POST", f"{BASE}/exit", leaving(parking_id)) is None
    assert await client.call("POST", f"{BASE}/parking-fee", {"out_serial_number": "SERIAL1"}) == {
        "total_amount": 1500,
        "paid_amount": 1200,
        "payable_amount": 300,
        "parking_timestamp": 7200,
        "parking_state": "PARKING_STATE_EXITED",
        "pay_state": "PAY_STATUS_PAID",
    }
    assert await client.refused("POST", f"{BASE}/exit", leaving(parking_id, exit_timestamp=WENT + 1)) == (400, "INVALID_REQUEST")


async def test_a_car_may_pay_as_it_goes(client: Handmade, sandbox: Sandbox) -> None:
    parking_id = await approved(client, sandbox)
    await client.call("POST", f"{BASE}/entry", car(parking_id))
    told = {"pay_state": "PAY_STATUS_PAID", "pay_type": "PAY_TYPE_WXPAY", "openid": "o-driver", "wx_trade_no": "4200001"}
    amounts = {"total_amount": 1500, "paid_amount": 1500}
    assert await client.refused("POST", f"{BASE}/exit", leaving(parking_id, **told)) == (400, "PARAM_ERROR")
    await client.call("POST", f"{BASE}/exit", leaving(parking_id, **told, **amounts))
    assert (await client.call("POST", f"{BASE}/parking-fee", {"out_serial_number": "SERIAL1"}))["payable_amount"] == 0


async def test_what_does_not_fit(client: Handmade, sandbox: Sandbox) -> None:
    parking_id = await approved(client, sandbox)
    invalid, wrong = (400, "INVALID_REQUEST"), (400, "PARAM_ERROR")
    assert await client.refused("POST", f"{BASE}/entry", car(parking_id, plate_number="B12345")) == wrong
    assert await client.refused("POST", f"{BASE}/entry", car("1")) == invalid
    for tail, body in (("payment", payment(parking_id)), ("exit", leaving(parking_id))):
        assert await client.refused("POST", f"{BASE}/{tail}", body) == (404, "RESOURCE_NOT_EXISTS")
    await client.call("POST", f"{BASE}/entry", car(parking_id))
    assert await client.refused("POST", f"{BASE}/entry", car(parking_id, enter_timestamp=CAME + 1)) == invalid
    for changes, expected in (
        ({"plate_number": "粤B54321"}, invalid),
        ({"parking_id": "1"}, invalid),
        ({"pay_type": "PAY_TYPE_OTHERS"}, invalid),
        ({"openid": ""}, wrong),
        ({"paid_amount": 0}, wrong),
        ({"paid_amount": 1501}, wrong),
    ):
        assert await client.refused("POST", f"{BASE}/payment", payment(parking_id) | changes) == expected, changes
    without_number = {name: value for name, value in payment(parking_id).items() if name != "out_trade_no"}
    assert await client.refused("POST", f"{BASE}/payment", without_number) == wrong
    assert await client.refused("POST", f"{BASE}/exit", leaving(parking_id, plate_color="PLATE_COLOR_GREEN")) == invalid
    assert await client.refused("POST", f"{BASE}/exit", leaving(parking_id, exit_timestamp=CAME - 1)) == wrong
    assert await client.refused("POST", f"{BASE}/parking-fee", {"out_serial_number": "SERIAL1", "out_parking_id": "x"}) == invalid


async def test_months_are_paid_for_too(client: Handmade, sandbox: Sandbox) -> None:
    parking_id = await approved(client, sandbox)
    month = {"fee_type": "EXT_PARKING_PAYMENT_FEE_TYPE_MONTHLY", "amount": 5000}
    told = {"out_trade_no": "MONTH1", "fee_items": [month], "pay_time": WENT, "wx_parking_lot_id": parking_id}
    assert await client.call("POST", f"{BASE}/ext-payment", told) is None
    assert await client.call("POST", f"{BASE}/ext-payment", told) is None
    assert await client.refused("POST", f"{BASE}/ext-payment", told | {"pay_time": CAME}) == (400, "INVALID_REQUEST")
    assert await client.refused("POST", f"{BASE}/ext-payment", told | {"wx_parking_lot_id": "1"}) == (400, "INVALID_REQUEST")
    assert await client.refused("POST", f"{BASE}/ext-payment", told | {"fee_items": [month | {"amount": 0}]}) == (400, "PARAM_ERROR")
    del told["wx_parking_lot_id"]
    assert await client.call("POST", f"{BASE}/ext-payment", told | {"out_trade_no": "MONTH2"}) is None


async def test_car_parks_are_examined_over_http(client: Handmade, sandbox: Sandbox) -> None:
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/_sandbox/parking/car-parks/") as people:
        assert (await people.post("approve", json={"number": "PARK001"})).status_code == 404
        await client.call("POST", f"{BASE}/application", car_park())
        rejection = {"number": "PARK001", "field": "longitude", "reason": "经度有误"}
        assert (await people.post("reject", json=rejection)).json()["done"] == "reject_car_park"
        assert (await people.post("approve", json={"number": "PARK001"})).json()["code"] == "INVALID_REQUEST"


async def test_car_parks_survive_a_restart(make_sandbox: MakeSandbox, tmp_path: Any) -> None:
    first = make_sandbox(state=tmp_path / "sandbox.db")
    async with Handmade(first.settings()) as client:
        parking_id = await approved(client, first)
        await client.call("POST", f"{BASE}/entry", car(parking_id))
        await client.call("POST", f"{BASE}/payment", payment(parking_id))
    again = make_sandbox(state=tmp_path / "sandbox.db")
    for shelf in ("car_parks", "stays"):
        assert again.book.shelf(shelf) == first.book.shelf(shelf) != {}
