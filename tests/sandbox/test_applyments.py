"""Applications: examined, signed, given a number; and the bank account to which money is settled."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.support.handmade import OAEP, Handmade
from wechatpay_async.sandbox import Refusal, Sandbox

pytestmark = pytest.mark.anyio

SHOPS, SUBS = "/v3/ecommerce/applyments", "/v3/applyment4sub/applyment"
MERCHANTS = "/v3/apply4sub/sub_merchants"


def sealed(client: Handmade, text: str) -> str:
    return base64.b64encode(next(iter(client.platform.values())).encrypt(text.encode(), OAEP)).decode()


def shop(client: Handmade, **changes: Any) -> dict[str, Any]:
    return {
        "out_request_no": "APPLYMENT_00000000001",
        "organization_type": "2401",
        "account_info": {
            "bank_account_type": "75",
            "account_bank": "工商银行",
            "account_name": sealed(client, "张三"),
            "bank_address_code": "110000",
            "account_number": sealed(client, "6222020200112233"),
        },
        "contact_info": {"contact_type": "65", "contact_name": sealed(client, "张三"), "mobile_phone": sealed(client, "13900000000")},
        "sales_scene_info": {"store_name": "爱烧烤", "store_url": "https://shop.example/"},
        "merchant_shortname": "爱烧烤",
    } | changes


def sub_merchant(client: Handmade, **changes: Any) -> dict[str, Any]:
    return {
        "business_code": "1900013511_10000",
        "contact_info": {
            "contact_type": "LEGAL",
            "contact_name": sealed(client, "张三"),
            "mobile_phone": sealed(client, "13900000000"),
            "contact_email": sealed(client, "a@shop.example"),
        },
        "subject_info": {
            "subject_type": "SUBJECT_TYPE_INDIVIDUAL",
            "business_license_info": {
                "license_copy": "m1",
                "license_number": "914201123033363296",
                "merchant_name": "爱烧烤",
                "legal_person": "张三",
            },
            "certificate_info": {
                "cert_copy": "m2",
                "cert_type": "CERTIFICATE_TYPE_2388",
                "cert_number": "111111111111",
                "merchant_name": "爱烧烤",
                "company_address": "深圳",
                "legal_person": "张三",
                "period_begin": "2019-08-01",
                "period_end": "长期",
            },
            "identity_info": {"id_doc_type": "IDENTIFICATION_TYPE_IDCARD"},
        },
        "business_info": {
            "merchant_shortname": "爱烧烤",
            "service_phone": "0755222222",
            "sales_info": {"sales_scenes_type": ["SALES_SCENES_STORE"]},
        },
        "settlement_info": {"settlement_id": "719"},
        "bank_account_info": {
            "bank_account_type": "BANK_ACCOUNT_TYPE_CORPORATE",
            "account_name": sealed(client, "爱烧烤"),
            "account_bank": "工商银行",
            "bank_address_code": "110000",
            "account_number": sealed(client, "1022112233445566"),
        },
    } | changes


async def query(client: Handmade) -> Any:
    return await client.call("GET", f"{SHOPS}/out-request-no/APPLYMENT_00000000001")


async def test_a_shop_is_examined_by_the_clock_and_signs(client: Handmade, sandbox: Sandbox) -> None:
    made = await client.call("POST", f"{SHOPS}/", shop(client))
    assert made == {"applyment_id": 2_000_000_000_000_001, "out_request_no": "APPLYMENT_00000000001"}
    assert await client.call("POST", f"{SHOPS}/", shop(client)) == made
    assert await query(client) == made | {
        "applyment_state": "CHECKING",
        "applyment_state_desc": "资料校验中",
        "sign_state": "NOT_SIGNABLE",
    }
    sandbox.clock.advance(minutes=1)
    assert (await query(client))["applyment_state"] == "AUDITING"
    assert await client.refused("POST", f"{SHOPS}/", shop(client, merchant_shortname="其他")) == (400, "INVALID_REQUEST")
    sandbox.clock.advance(days=1)
    seen = await query(client)
    assert (seen["applyment_state"], seen["sign_state"], seen["sub_mchid"]) == ("NEED_SIGN", "UNSIGNED", "1900100001")
    assert seen["sign_url"].startswith("https://pay.weixin.qq.com/public/apply4ec_sign/s?applymentId=2000000000000001")
    assert await client.call("GET", f"{SHOPS}/2000000000000001") == seen
    sandbox.applyments.sign("APPLYMENT_00000000001")
    assert await query(client) == made | {
        "applyment_state": "FINISH",
        "applyment_state_desc": "完成",
        "sign_state": "SIGNED",
        "sub_mchid": "1900100001",
    }
    with pytest.raises(Refusal, match="不能签约"):
        sandbox.applyments.sign("APPLYMENT_00000000001")


async def test_a_rejected_shop_is_sent_again(client: Handmade, sandbox: Sandbox) -> None:
    made = await client.call("POST", f"{SHOPS}/", shop(client))
    sandbox.clock.advance(seconds=30)
    sandbox.applyments.reject("APPLYMENT_00000000001", "id_card_copy", "身份证背面识别失败")
    seen = await query(client)
    assert seen["applyment_state"] == "REJECTED"
    assert seen["audit_detail"] == [{"param_name": "id_card_copy", "reject_reason": "身份证背面识别失败"}]
    with pytest.raises(Refusal, match="不能审核"):
        sandbox.applyments.approve("APPLYMENT_00000000001")
    assert await client.call("POST", f"{SHOPS}/", shop(client, merchant_shortname="其他")) == made
    sandbox.clock.advance(seconds=30)
    assert (await query(client))["applyment_state"] == "CHECKING"  # the minute counts from the second time
    sandbox.clock.advance(seconds=30)
    assert (await query(client))["applyment_state"] == "AUDITING"
    assert sandbox.applyments.approve("APPLYMENT_00000000001").state == "NEED_SIGN"
    sandbox.clock.advance(days=2)
    assert (await query(client))["applyment_state"] == "NEED_SIGN"


async def test_a_sub_merchant_is_taken_on(client: Handmade, sandbox: Sandbox) -> None:
    assert await client.call("POST", f"{SUBS}/", sub_merchant(client)) == {"applyment_id": 2_000_000_000_000_001}
    by_code, by_id = f"{SUBS}/business_code/1900013511_10000", f"{SUBS}/applyment_id/2000000000000001"
    assert await client.call("GET", by_code) == {
        "business_code": "1900013511_10000",
        "applyment_id": 2_000_000_000_000_001,
        "applyment_state": "APPLYMENT_STATE_AUDITING",
        "applyment_state_msg": "审核中",
    }
    sandbox.applyments.reject("1900013511_10000", "license_copy", "照片不清晰")
    seen = await client.call("GET", by_id)
    assert seen["applyment_state"] == "APPLYMENT_STATE_REJECTED"
    assert seen["audit_detail"] == [{"field": "license_copy", "field_name": "license_copy", "reject_reason": "照片不清晰"}]
    await client.call("POST", f"{SUBS}/", sub_merchant(client))
    sandbox.clock.advance(days=1)
    assert (await client.call("GET", by_id))["applyment_state"] == "APPLYMENT_STATE_TO_BE_SIGNED"
    sandbox.applyments.sign("1900013511_10000")
    seen = await client.call("GET", by_code)
    assert (seen["applyment_state"], seen["sub_mchid"]) == ("APPLYMENT_STATE_FINISHED", "1900100001")
    assert await client.call("GET", f"{MERCHANTS}/1900100001/settlement") == {
        "account_type": "ACCOUNT_TYPE_BUSINESS",
        "account_bank": "工商银行",
        "account_number": "10************66",
        "verify_result": "VERIFY_SUCCESS",
    }


async def test_the_bank_account_changes(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", f"{SHOPS}/", shop(client))
    sandbox.applyments.approve("APPLYMENT_00000000001")
    merchant = f"{MERCHANTS}/1900100001"
    assert (await client.call("GET", f"{merchant}/settlement"))["account_number"] == "62************33"
    wish = {
        "account_type": "ACCOUNT_TYPE_BUSINESS",
        "account_bank": "招商银行",
        "bank_address_code": "440300",
        "account_number": sealed(client, "7559123456"),
    }
    asked = await client.call("POST", f"{merchant}/modify-settlement", wish)
    change = f"{merchant}/application/{asked['application_no']}"
    seen = await client.call("GET", change)
    assert (seen["verify_result"], seen["account_name"], seen["account_number"]) == ("AUDITING", "张*", "75******56")
    assert (await client.call("GET", f"{merchant}/settlement"))["account_bank"] == "工商银行"
    sandbox.clock.advance(seconds=3)
    assert (await client.call("GET", change))["verify_result"] == "AUDIT_SUCCESS"
    assert (await client.call("GET", f"{merchant}/settlement"))["account_bank"] == "招商银行"
    assert await client.refused("GET", f"{merchant}/application/1") == (404, "NOT_FOUND")


async def test_what_is_not_there(client: Handmade, sandbox: Sandbox) -> None:
    assert await client.refused("GET", f"{SHOPS}/1") == (404, "NOT_FOUND")
    assert await client.refused("GET", f"{SUBS}/business_code/nothing") == (404, "NOT_FOUND")
    assert await client.refused("GET", f"{MERCHANTS}/1900100001/settlement") == (403, "NO_AUTH")
    assert await client.refused("POST", f"{SHOPS}/", shop(client, out_request_no="x" * 125)) == (400, "PARAM_ERROR")
    with pytest.raises(LookupError, match="nothing"):
        sandbox.applyments.find("nothing")


async def test_the_story_is_told_again(make_sandbox: MakeSandbox, tmp_path: Any) -> None:
    sandbox = make_sandbox(state=tmp_path / "kept.sqlite")
    async with Handmade(sandbox.settings()) as client:
        await client.call("POST", f"{SHOPS}/", shop(client))
    sandbox.applyments.approve("APPLYMENT_00000000001")
    again = make_sandbox(state=tmp_path / "kept.sqlite")
    found = again.applyments.find("APPLYMENT_00000000001")
    assert (found.state, found.sub_mchid) == ("NEED_SIGN", "1900100001")
