"""Contracts of automatic payment: prepared, signed by the user, charged, ended by either side."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.examples import APPID
from tests.support.handmade import Handmade
from wechatpay_async.sandbox import Refusal, Sandbox

pytestmark = pytest.mark.anyio

PREPARE = "/v3/papay/scheduled-deduct-sign/contracts/pre-entrust-sign"
CONTRACT = "/v3/papay/sign/contracts/plan-id/12535/out-contract-code/wxwtdk20200910100000"
APPLY = "/v3/papay/pay/transactions/apply"
ORDER = "/v3/pay/transactions/out-trade-no/deduct-1?mchid=1900000109"
OPENID = "o-MYE42l80oelYMDE34nYD456Xoy"


def contract(**changes: Any) -> dict[str, Any]:
    return {
        "appid": APPID,
        "plan_id": 12535,
        "out_contract_code": "wxwtdk20200910100000",
        "contract_display_account": "微信代扣用户A",
        "contract_notify_url": "https://merchant.example/contract",
        "out_user_code": "用户A",
    } | changes


def deduction(contract_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "appid": APPID,
        "out_trade_no": "deduct-1",
        "description": "会员续费",
        "transaction_notify_url": "https://merchant.example/paid",
        "contract_id": contract_id,
        "amount": {"total": 1500, "currency": "CNY"},
    } | changes


async def signed(client: Handmade, sandbox: Sandbox) -> str:
    await client.call("POST", f"{PREPARE}/jsapi", contract())
    return sandbox.sign_contract("wxwtdk20200910100000", openid=OPENID)


async def test_the_user_signs(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", f"{PREPARE}/jsapi", contract())
    assert await client.refused("GET", CONTRACT) == (404, "RESOURCE_NOT_EXISTS")
    contract_id = sandbox.sign_contract("wxwtdk20200910100000", openid=OPENID)
    seen = await client.call("GET", CONTRACT)
    assert seen == {
        "mchid": "1900000109",
        "appid": APPID,
        "openid": OPENID,
        "contract_id": contract_id,
        "plan_id": 12535,
        "out_contract_code": "wxwtdk20200910100000",
        "contract_display_account": "微信代扣用户A",
        "contract_state": "SIGNED",
        "contract_signed_time": "2025-11-25T12:00:00+08:00",
        "contract_expired_time": "2026-11-25T12:00:00+08:00",
        "out_user_code": "用户A",
    }
    (notice,) = sandbox.book.notices
    assert (notice.event_type, notice.url, notice.resource) == ("ENTRUST.SIGN", "https://merchant.example/contract", seen)
    assert await client.refused("POST", f"{PREPARE}/jsapi", contract()) == (400, "INVALID_REQUEST")
    with pytest.raises(Refusal, match="不能签约"):
        sandbox.sign_contract("wxwtdk20200910100000")


async def test_each_place_says_where_to_sign(client: Handmade) -> None:
    for place, names in (
        ("app", {"pre_entrustweb_id", "miniprogram_username", "miniprogram_path"}),
        ("h5", {"redirect_url"}),
        ("jsapi", {"redirect_url"}),
        ("mini-program", {"pre_entrustweb_id", "redirect_appid", "redirect_path"}),
    ):
        assert set(await client.call("POST", f"{PREPARE}/{place}", contract())) == names
    device = {
        "device_type": "DEVICE_TYPE_PHONE",
        "device_os": "HarmonyOS",
        "device_id": "device",
        "device_running_as_root": False,
        "device_ip": "10.0.0.1",
        "weixin_installed": True,
        "weixin_version": "8.0",
        "days_since_first_login": "DAYS_SINCE_FIRST_LOGIN_WITHIN_7_DAYS",
    }
    for scene, names in (
        ("SIGN_SCENE_APP", {"pre_entrustweb_id", "mini_program_username", "mini_program_path"}),
        ("SIGN_SCENE_QRCODE", {"pre_entrustweb_id", "redirect_url"}),
    ):
        body = contract(sign_scene=scene, device_info=device)
        assert set(await client.call("POST", "/v3/papay/sign/contracts/pre-entrust-sign", body)) == names


async def test_a_deduction_is_accepted_then_collected(client: Handmade, sandbox: Sandbox) -> None:
    contract_id = await signed(client, sandbox)
    accepted = {"out_trade_no": "deduct-1", "amount": {"total": 1500, "currency": "CNY"}}
    assert await client.call("POST", APPLY, deduction(contract_id)) == accepted
    assert await client.call("POST", APPLY, deduction(contract_id)) == accepted
    assert (await client.call("GET", ORDER))["trade_state"] == "NOTPAY"
    sandbox.clock.advance(seconds=3)
    seen = await client.call("GET", ORDER)
    assert (seen["trade_state"], seen["trade_type"], seen["payer"]) == ("SUCCESS", "PAP", {"openid": OPENID})
    assert sandbox.book.moved["1900000109"] == 1500
    assert [notice.event_type for notice in sandbox.book.notices] == ["ENTRUST.SIGN", "TRANSACTION.SUCCESS"]
    other = deduction(contract_id, description="其他")
    assert await client.refused("POST", APPLY, other) == (400, "INVALID_REQUEST")


async def test_the_merchant_ends_it(client: Handmade, sandbox: Sandbox) -> None:
    contract_id = await signed(client, sandbox)
    await client.call("POST", APPLY, deduction(contract_id))
    sandbox.clock.advance(seconds=1)
    seen = await client.call("POST", f"{CONTRACT}/terminate", {"contract_termination_remark": "用户要求"})
    assert (seen["contract_state"], seen["contract_terminate_info"]) == (
        "TERMINATED",
        {
            "contract_termination_mode": "MCH_API_TERMINATE",
            "contract_terminated_time": "2025-11-25T12:00:01+08:00",
            "contract_termination_remark": "用户要求",
        },
    )
    assert await client.call("GET", CONTRACT) == seen
    sandbox.clock.advance(seconds=2)
    assert (await client.call("GET", ORDER))["trade_state"] == "PAYERROR"
    assert sandbox.book.moved == {}
    assert await client.refused("POST", APPLY, deduction(contract_id, out_trade_no="deduct-2")) == (400, "INVALID_REQUEST")
    again = {"contract_termination_remark": "用户要求"}
    assert await client.refused("POST", f"{CONTRACT}/terminate", again) == (400, "INVALID_REQUEST")


async def test_the_user_ends_it(client: Handmade, sandbox: Sandbox) -> None:
    await signed(client, sandbox)
    assert sandbox.terminate_contract("wxwtdk20200910100000").mode == "USER_TERMINATE"
    assert [notice.event_type for notice in sandbox.book.notices] == ["ENTRUST.SIGN", "ENTRUST.TERMINATE"]
    with pytest.raises(LookupError, match="nothing"):
        sandbox.terminate_contract("nothing")


async def test_an_order_that_is_closed_is_not_collected(client: Handmade, sandbox: Sandbox) -> None:
    contract_id = await signed(client, sandbox)
    await client.call("POST", APPLY, deduction(contract_id))
    await client.call("POST", "/v3/pay/transactions/out-trade-no/deduct-1/close", {"mchid": "1900000109"})
    sandbox.clock.advance(seconds=3)
    assert (await client.call("GET", ORDER))["trade_state"] == "CLOSED"


async def test_a_partner_charges_for_its_merchant(client: Handmade, sandbox: Sandbox) -> None:
    who = {"sp_appid": APPID, "sub_mchid": "1900000110"}
    body = {name: value for name, value in contract().items() if name not in {"appid", "out_user_code"}} | who
    await client.call("POST", "/v3/papay/scheduled-deduct-sign/partner/contracts/pre-entrust-sign/app", body)
    contract_id = sandbox.sign_contract("wxwtdk20200910100000", openid=OPENID)
    path = "/v3/papay/sign/partner/contracts/plan-id/12535/out-contract-code/wxwtdk20200910100000"
    seen = await client.call("GET", f"{path}?sub_mchid=1900000110")
    assert [seen[name] for name in ("sp_mchid", "sub_mchid", "sp_openid", "contract_id")] == [
        "1900000109",
        "1900000110",
        OPENID,
        contract_id,
    ]
    assert await client.refused("GET", f"{path}?sub_mchid=1900000111") == (404, "RESOURCE_NOT_EXISTS")
    charge = {name: value for name, value in deduction(contract_id).items() if name != "appid"} | who
    await client.call("POST", "/v3/papay/pay/partner/transactions/apply", charge)
    sandbox.clock.advance(seconds=3)
    assert sandbox.book.moved == {"1900000110": 1500}


async def test_what_cannot_be_charged(client: Handmade, sandbox: Sandbox) -> None:
    contract_id = await signed(client, sandbox)
    for name, body, expected in (
        ("no contract", deduction("Wx1"), (404, "RESOURCE_NOT_EXISTS")),
        ("nothing", deduction(contract_id, amount={"total": 0}), (400, "PARAM_ERROR")),
        ("a bad number", deduction(contract_id, out_trade_no="a"), (400, "PARAM_ERROR")),
        ("a bad address", deduction(contract_id, transaction_notify_url="ftp://a.example"), (400, "PARAM_ERROR")),
    ):
        assert await client.refused("POST", APPLY, body) == expected, name
    sandbox.clock.advance(days=365)
    assert await client.refused("POST", APPLY, deduction(contract_id)) == (400, "INVALID_REQUEST")


async def test_the_cashier_signs_and_ends(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", f"{PREPARE}/jsapi", contract())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app), base_url="http://127.0.0.1") as people:

        async def press(action: str) -> str:
            form = {"kind": "contract", "mchid": "1900000109", "sub_mchid": "", "no": "wxwtdk20200910100000", "action": action}
            return (await people.post("/_sandbox/pages/cashier/sheet", data=form)).text

        listed = "wxwtdk20200910100000" in (await people.get("/_sandbox/pages/cashier")).text
        assert (listed, "Done." in await press("confirm")) == (True, True)
        assert (await client.call("GET", CONTRACT))["contract_state"] == "SIGNED"
        assert "wxwtdk20200910100000" not in (await people.get("/_sandbox/pages/cashier")).text
        assert "TERMINATED" in await press("terminate")
    assert (await client.call("GET", CONTRACT))["contract_state"] == "TERMINATED"
