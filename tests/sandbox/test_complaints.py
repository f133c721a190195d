"""Complaints: filed by the payer, answered, ended by the merchant, by a refund or by the user; told to the registered address."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.examples import APPID, MCHID, native_order, refund_of, score_order
from tests.sandbox.test_notifications import Merchant
from tests.sandbox.test_uploads import TYPE, form
from tests.support.handmade import OAEP, Handmade
from wechatpay_async.sandbox import Refusal, Sandbox

pytestmark = pytest.mark.anyio

BASE = "/v3/merchant-service"
ADDRESS = f"{BASE}/complaint-notifications"
LIST = f"{BASE}/complaints-v2"
TODAY = "begin_date=2025-11-25&end_date=2025-11-25"
SUB = "1900000110"
ME = {"complainted_mchid": MCHID}


async def paid(client: Handmade, sandbox: Sandbox, number: str = "native-0001") -> str:
    await client.call("POST", "/v3/pay/transactions/native", native_order(number))
    return sandbox.pay(number, openid="o-payer").transaction_id


async def filed(client: Handmade, sandbox: Sandbox, **options: Any) -> str:
    await paid(client, sandbox)
    return f"{LIST}/{sandbox.complain('native-0001', '反馈一个重复扣费的问题', **options).complaint_id}"


def told(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [(notice.event_type, notice.resource["action_type"]) for notice in sandbox.book.notices if "action_type" in notice.resource]


async def kinds(client: Handmade, one: str) -> list[str]:
    return [entry["operate_type"] for entry in (await client.call("GET", f"{one}/negotiation-historys"))["data"]]


async def upload(client: Handmade, name: str = "图.png", content: bytes = b"\x89PNG") -> Any:
    meta = json.dumps({"filename": name, "sha256": hashlib.sha256(content).hexdigest()}).encode()
    parts = (
        ("meta", "\r\nContent-Type: application/json", meta),
        ("file", '; filename="x.png"\r\nContent-Type: image/png', content),
    )
    return await client.send("POST", f"{BASE}/images/upload", body=form(*parts), meta=meta, headers={"Content-Type": TYPE})


async def test_an_address_is_created_changed_and_deleted(client: Handmade) -> None:
    first, second = {"url": "https://merchant.example/first"}, {"url": "https://merchant.example/second"}
    for method, body in (("GET", None), ("PUT", first), ("DELETE", None)):
        assert await client.refused(method, ADDRESS, body) == (400, "RESOURCE_NOT_EXISTS"), method
    assert await client.call("POST", ADDRESS, first) == {"mchid": MCHID} | first
    assert await client.refused("POST", ADDRESS, second) == (400, "RESOURCE_ALREADY_EXISTS")
    assert await client.call("PUT", ADDRESS, second) == {"mchid": MCHID} | second
    assert await client.call("GET", ADDRESS) == {"mchid": MCHID} | second
    assert await client.refused("PUT", ADDRESS, {"url": "http://merchant.example/"}) == (400, "PARAM_ERROR")
    assert await client.call("DELETE", ADDRESS) is None
    assert await client.refused("GET", ADDRESS) == (400, "RESOURCE_NOT_EXISTS")


async def test_a_complaint_is_seen_answered_and_ended(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", ADDRESS, {"url": "https://merchant.example/complaint"})
    transaction = await paid(client, sandbox)
    number = sandbox.complain("native-0001", "反馈一个重复扣费的问题", phone="13800138000").complaint_id
    one = f"{LIST}/{number}"

    seen = await client.call("GET", one)
    assert client.key.decrypt(base64.b64decode(seen.pop("payer_phone")), OAEP) == b"13800138000"
    assert seen == {
        "complaint_id": number,
        "complaint_time": "2025-11-25T12:00:00.000+08:00",
        "complaint_detail": "反馈一个重复扣费的问题",
        "complaint_state": "PENDING",
        "complainted_mchid": MCHID,
        "payer_openid": "o-payer",
        "complaint_order_info": [{"transaction_id": transaction, "out_trade_no": "native-0001", "amount": 100}],
        "service_order_info": [],
        "complaint_media_list": [],
        "complaint_full_refunded": False,
        "incoming_user_response": False,
        "problem_description": "其他问题",
        "problem_type": "OTHERS",
        "user_complaint_times": 1,
        "user_tag_list": [],
        "in_platform_service": False,
        "need_immediate_service": False,
    }

    sandbox.complaints.message(number, "什么时候处理？")
    assert (await client.call("GET", one))["incoming_user_response"] is True
    assert await client.call("POST", f"{one}/response", ME | {"response_content": "已与用户沟通解决"}) is None
    seen = await client.call("GET", one)
    assert (seen["complaint_state"], seen["incoming_user_response"]) == ("PROCESSING", False)
    assert await client.call("POST", f"{one}/complete", ME) is None
    assert (await client.call("GET", one))["complaint_state"] == "PROCESSED"
    sandbox.complaints.confirm("native-0001")
    assert sandbox.complaints.find(transaction).complaint_id == number

    history = await client.call("GET", f"{one}/negotiation-historys?limit=2&offset=2")
    assert [history[name] for name in ("limit", "offset")] == [2, 2]
    assert [(entry["operator"], entry["operate_type"], entry["operate_details"]) for entry in history["data"]] == [
        ("商户", "MERCHANT_RESPONSE", "已与用户沟通解决"),
        ("投诉人", "USER_RESPONSE", "什么时候处理？"),
    ]
    assert (await client.call("GET", f"{one}/negotiation-historys"))["total_count"] == 5
    assert told(sandbox) == [
        ("COMPLAINT.CREATE", "CREATE_COMPLAINT"),
        ("COMPLAINT.STATE_CHANGE", "USER_RESPONSE"),
        ("COMPLAINT.STATE_CHANGE", "MERCHANT_RESPONSE"),
        ("COMPLAINT.STATE_CHANGE", "MERCHANT_CONFIRM_COMPLETE"),
    ]


async def test_the_notification_goes_to_the_address_and_is_sealed(client: Handmade, sandbox: Sandbox) -> None:
    sandbox.notifier.receiver = merchant = Merchant(sandbox)
    await client.call("POST", ADDRESS, {"url": "https://merchant.example/complaint"})
    one = await filed(client, sandbox)
    await sandbox.deliver()
    told_last = merchant.seen[-1]
    assert (told_last["event_type"], told_last["summary"]) == ("COMPLAINT.CREATE", "产生新投诉")
    assert told_last["plain"] == {"complaint_id": one.rpartition("/")[2], "action_type": "CREATE_COMPLAINT"}


async def test_a_user_may_complain_again(client: Handmade, sandbox: Sandbox) -> None:
    one = await filed(client, sandbox)
    with pytest.raises(Refusal, match="INVALID_REQUEST"):
        sandbox.complaints.complain_again("native-0001", "还没有解决")
    await client.call("POST", f"{one}/complete", ME)
    sandbox.complaints.complain_again("native-0001", "没有解决")
    seen = await client.call("GET", one)
    assert [seen[name] for name in ("complaint_state", "user_complaint_times", "incoming_user_response")] == ["PENDING", 2, True]
    sandbox.complaints.revoke("native-0001")
    assert (await client.call("GET", one))["complaint_state"] == "PROCESSED"
    assert await kinds(client, one) == [
        "USER_REVOKE_COMPLAINT",
        "USER_CONTINUE_COMPLAINT",
        "MERCHANT_CONFIRM_COMPLETE",
        "USER_CREATE_COMPLAINT",
    ]
    for tail, body in (("complete", ME), ("response", ME | {"response_content": "x"})):
        assert await client.refused("POST", f"{one}/{tail}", body) == (400, "INVALID_REQUEST")


async def test_a_refund_that_was_agreed_to_ends_it(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", ADDRESS, {"url": "https://merchant.example/complaint"})
    one = await filed(client, sandbox, problem_type="REFUND", refund_amount=60)
    seen = await client.call("GET", one)
    assert (seen["apply_refund_amount"], seen["user_tag_list"]) == (60, ["TRUSTED"])
    progress = f"{one}/update-refund-progress"
    assert await client.call("POST", progress, {"action": "APPROVE", "launch_refund_day": 0, "remark": "同意"}) is None
    assert await client.refused("POST", progress, {"action": "REJECT"}) == (400, "INVALID_REQUEST")
    assert (await client.call("GET", one))["complaint_state"] == "PROCESSING"

    for number, amount, state in (("refund-0001", 30, "PROCESSING"), ("refund-0002", 30, "PROCESSED"), ("refund-0003", 40, "PROCESSED")):
        await client.call("POST", "/v3/refund/domestic/refunds", refund_of("native-0001", number, amount))
        sandbox.clock.advance(minutes=1)
        assert (await client.call("GET", one))["complaint_state"] == state, number
    assert (await client.call("GET", one))["complaint_full_refunded"] is True
    assert [action for _, action in told(sandbox)] == ["CREATE_COMPLAINT", "MERCHANT_APPROVE_REFUND", "REFUND_SUCCESS", "SELLER_REFUND"]
    assert (await kinds(client, one))[:4] == [
        "COMPLAINT_FULL_REFUNDED_SYSTEM_MESSAGE",
        "COMPLAINT_REFUND_RECEIVED_SYSTEM_MESSAGE",
        "COMPLAINT_PARTIAL_REFUNDED_SYSTEM_MESSAGE",
        "COMPLAINT_PARTIAL_REFUNDED_SYSTEM_MESSAGE",
    ]


async def test_a_refund_of_what_nobody_complained_about(client: Handmade, sandbox: Sandbox) -> None:
    one = await filed(client, sandbox)
    await paid(client, sandbox, "native-0002")
    await client.call("POST", "/v3/refund/domestic/refunds", refund_of("native-0002"))
    sandbox.finish_refund("refund-0001")
    assert await kinds(client, one) == ["USER_CREATE_COMPLAINT"]


async def test_money_that_is_back_already_is_not_agreed_to(client: Handmade, sandbox: Sandbox) -> None:
    await paid(client, sandbox)
    await client.call("POST", "/v3/refund/domestic/refunds", refund_of("native-0001"))
    sandbox.finish_refund("refund-0001")
    one = f"{LIST}/{sandbox.complain('native-0001', 'x', problem_type='REFUND').complaint_id}"
    assert (await client.call("GET", one))["complaint_full_refunded"] is True
    assert await client.refused("POST", f"{one}/update-refund-progress", {"action": "APPROVE"}) == (400, "INVALID_REQUEST")


async def test_a_refund_that_failed_changes_nothing(client: Handmade, sandbox: Sandbox) -> None:
    one = await filed(client, sandbox, problem_type="REFUND")
    await client.call("POST", f"{one}/update-refund-progress", {"action": "APPROVE"})
    await client.call("POST", "/v3/refund/domestic/refunds", refund_of("native-0001"))
    sandbox.finish_refund("refund-0001", "ABNORMAL")
    assert (await client.call("GET", one))["complaint_state"] == "PROCESSING"


async def test_a_refund_may_be_refused_with_proof(client: Handmade, sandbox: Sandbox) -> None:
    one = await filed(client, sandbox, problem_type="REFUND")
    media_id = (await upload(client)).json()["media_id"]
    progress = f"{one}/update-refund-progress"
    for name, changes in (
        ("a long reason", {"reject_reason": "长" * 201}),
        ("days ago", {"launch_refund_day": -1}),
        ("too many pictures", {"reject_media_list": [media_id] * 5}),
        ("an unknown picture", {"reject_media_list": ["aabbccdd"]}),
    ):
        assert await client.refused("POST", progress, {"action": "REJECT"} | changes) == (400, "PARAM_ERROR"), name
    await client.call("POST", progress, {"action": "REJECT", "reject_reason": "商品已使用", "reject_media_list": [media_id]})
    assert (await client.call("GET", one))["complaint_state"] == "PROCESSED"
    newest = (await client.call("GET", f"{one}/negotiation-historys"))["data"][0]
    url = f"http://127.0.0.1{BASE}/images/{media_id}"
    assert (newest["operate_type"], newest["operate_details"], newest["image_list"]) == ("MERCHANT_REFUSE_RERUND", "商品已使用", [url])
    assert newest["complaint_media_list"] == {"media_type": "OPERATION_IMAGE", "media_url": [url]}
    assert await client.refused("POST", progress, {"action": "APPROVE"}) == (400, "INVALID_REQUEST")


async def test_a_complaint_about_a_pay_score_order_names_it(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", "/v3/payscore/serviceorder", score_order())
    sandbox.payscore.confirm("score-0001")
    bill = {"post_payments": [{"name": "x", "amount": 40}], "total_amount": 40, "time_range": {"end_time": "20251125130000"}}
    who = {"appid": APPID, "service_id": score_order()["service_id"]}
    await client.call("POST", "/v3/payscore/serviceorder/score-0001/complete", who | bill)
    order = sandbox.payscore.pay("score-0001")
    seen = await client.call("GET", f"{LIST}/{sandbox.complain(order.out_trade_no, 'x').complaint_id}")
    assert seen["service_order_info"] == [{"out_order_no": "score-0001", "state": "DONE"}]
    assert "payer_phone" not in seen


async def test_only_who_asked_for_a_refund_is_answered_so(client: Handmade, sandbox: Sandbox) -> None:
    one = await filed(client, sandbox)
    assert await client.refused("POST", f"{one}/update-refund-progress", {"action": "APPROVE"}) == (400, "PARAM_ERROR")


async def test_pictures_are_kept(client: Handmade, sandbox: Sandbox, make_sandbox: MakeSandbox) -> None:
    media_id = (await upload(client, "shop.JPG", b"\xff\xd8 a picture")).json()["media_id"]
    assert media_id.endswith(".jpg")
    response = await client.send("GET", f"{BASE}/images/{media_id}")
    assert (response.content, response.headers["content-type"]) == (b"\xff\xd8 a picture", "image/jpeg")
    assert "wechatpay-signature" not in response.headers
    assert await client.refused("GET", f"{BASE}/images/nothing") == (404, "RESOURCE_NOT_EXISTS")
    for name, content in (("a.gif", b"GIF"), ("a.png", b"x" * (2 * 1024 * 1024 + 1))):
        assert (await upload(client, name, content)).json()["code"] == "PARAM_ERROR"


async def test_a_user_who_waits_is_answered_at_once(client: Handmade, sandbox: Sandbox) -> None:
    one = await filed(client, sandbox, in_chat=True)
    at_once = f"{one}/response-immediate-service"
    message = {"blocks": [{"type": "TEXT", "text": {"text": "您好"}}], "sender_identity": "MANUAL"}
    body = ME | {"message": message, "idempotent_id": "550e8400"}
    made = await client.call("POST", at_once, body)
    assert await client.call("POST", at_once, body) == made
    newest, first = (await client.call("GET", f"{one}/negotiation-historys"))["data"]
    assert (newest["log_id"], newest["normal_message"], first["operate_type"]) == (made["log_id"], message, "USER_CREATE_COMPLAINT")
    seen = await client.call("GET", one)
    assert (seen["complaint_state"], seen["need_immediate_service"]) == ("PROCESSING", True)
    assert await client.refused("POST", at_once, body | {"message": {}, "idempotent_id": "2"}) == (400, "PARAM_ERROR")


async def test_who_does_not_wait_is_not_answered_at_once(client: Handmade, sandbox: Sandbox) -> None:
    one = await filed(client, sandbox)
    body = ME | {"message": {"custom_data": "x"}, "idempotent_id": "1"}
    assert await client.refused("POST", f"{one}/response-immediate-service", body) == (400, "INVALID_REQUEST")


async def test_wechat_pay_helps(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", ADDRESS, {"url": "https://merchant.example/complaint"})
    one = await filed(client, sandbox)
    with pytest.raises(Refusal, match="INVALID_REQUEST"):
        sandbox.complaints.platform_finish("native-0001")
    sandbox.complaints.call_platform("native-0001", "商家响应不及时")
    assert (await client.call("GET", one))["in_platform_service"] is True
    newest = (await client.call("GET", f"{one}/negotiation-historys"))["data"][0]
    assert newest["user_appy_platform_service_reason"] == "商家响应不及时"
    sandbox.complaints.platform_message("native-0001", "请商家尽快处理")
    sandbox.complaints.dismiss_platform("native-0001")
    sandbox.complaints.call_platform("native-0001", "仍未处理")
    sandbox.complaints.platform_finish("native-0001", "已协助")
    assert (await client.call("GET", one))["in_platform_service"] is False
    assert [action for _, action in told(sandbox)][1:] == [
        "USER_APPLY_PLATFORM_SERVICE",
        "RESPONSE_BY_PLATFORM",
        "USER_CANCEL_PLATFORM_SERVICE",
        "USER_APPLY_PLATFORM_SERVICE",
        "PLATFORM_SERVICE_FINISHED",
    ]


async def test_complaints_are_listed_by_day(client: Handmade, sandbox: Sandbox) -> None:
    for day in range(3):
        await paid(client, sandbox, f"native-000{day}")
        sandbox.complain(f"native-000{day}", "x")
        sandbox.clock.advance(days=1)

    async def numbers(query: str) -> tuple[list[str], int | None]:
        answer = await client.call("GET", f"{LIST}?{query}")
        return [item["complaint_order_info"][0]["out_trade_no"] for item in answer["data"]], answer.get("total_count")

    assert await numbers(TODAY) == (["native-0000"], 1)
    three = "begin_date=2025-11-25&end_date=2025-12-25"
    assert await numbers(f"{three}&limit=2") == (["native-0002", "native-0001"], 3)
    assert await numbers(f"{three}&limit=2&offset=2") == (["native-0000"], None)
    assert await numbers(f"{three}&complainted_mchid={MCHID}") == (["native-0002", "native-0001", "native-0000"], 3)
    assert await numbers(f"{three}&complainted_mchid={SUB}") == ([], 0)
    for query in (
        "begin_date=2025-11-25&end_date=2025-12-26",
        "begin_date=2025-11-26&end_date=2025-11-25",
        "begin_date=20251125&end_date=2025-11-25",
        "begin_date=today&end_date=2025-11-25",
        f"{TODAY}&limit=51",
        f"{TODAY}&limit=0",
        f"{TODAY}&offset=-1",
    ):
        assert await client.refused("GET", f"{LIST}?{query}") == (400, "PARAM_ERROR"), query


async def test_partner_and_sub_merchant_both_see_it(client: Handmade, sandbox: Sandbox) -> None:
    order = {key: value for key, value in native_order("sub-0001").items() if key not in {"appid", "mchid"}}
    await client.call("POST", "/v3/pay/partner/transactions/native", order | {"sp_appid": APPID, "sp_mchid": MCHID, "sub_mchid": SUB})
    transaction = sandbox.pay("sub-0001").transaction_id
    await client.call("POST", ADDRESS, {"url": "https://merchant.example/partner"})
    sandbox.add_merchant(SUB)
    sandbox.add_merchant("1900000111")
    async with Handmade(sandbox.settings(mchid=SUB)) as shop, Handmade(sandbox.settings(mchid="1900000111")) as stranger:
        await shop.call("POST", ADDRESS, {"url": "https://shop.example/complaint"})
        one = f"{LIST}/{sandbox.complain('sub-0001', 'x').complaint_id}"
        assert [(notice.mchid, notice.url) for notice in sandbox.book.notices if notice.event_type == "COMPLAINT.CREATE"] == [
            (MCHID, "https://merchant.example/partner"),
            (SUB, "https://shop.example/complaint"),
        ]
        assert (await shop.call("GET", one))["complainted_mchid"] == SUB
        reply = {"complainted_mchid": SUB, "response_content": "已处理"}
        assert await client.refused("POST", f"{one}/response", reply | ME) == (403, "NO_AUTH")
        await client.call("POST", f"{one}/response", reply)
        for path in (one, f"{one}/negotiation-historys", f"{BASE}/complaints/{transaction}"):
            assert await stranger.refused("GET", path) == (403, "NO_AUTH")
        assert (await stranger.call("GET", f"{LIST}?{TODAY}"))["data"] == []
        old = await client.call("GET", f"{BASE}/complaints/{transaction}")
        assert (old["sub_mchid"], old["complaint_handle_state"]) == (SUB, "PROCESSING")


async def test_what_cannot_be_said(client: Handmade, sandbox: Sandbox) -> None:
    one = await filed(client, sandbox)
    said = ME | {"response_content": "好"}
    link = {"jump_url": "https://merchant.example/help", "jump_url_text": "查看详情"}
    for name, changes in (
        ("nothing", {"response_content": ""}),
        ("too much", {"response_content": "长" * 501}),
        ("a link without a text", {"jump_url": link["jump_url"]}),
        ("a long text", link | {"jump_url_text": "查看详情查看详情查看详"}),
        ("a link that is not https", link | {"jump_url": "http://merchant.example/help"}),
    ):
        assert await client.refused("POST", f"{one}/response", said | changes) == (400, "PARAM_ERROR"), name
    await client.call("POST", f"{one}/response", said | link)
    assert await client.refused("POST", f"{LIST}/1/complete", ME) == (403, "NO_AUTH")


async def test_what_a_user_cannot_do(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", "/v3/pay/transactions/native", native_order())
    with pytest.raises(Refusal, match="INVALID_REQUEST"):
        sandbox.complain("native-0001", "x")
    with pytest.raises(LookupError, match="no order 'nothing'"):
        sandbox.complain("nothing", "x")
    with pytest.raises(LookupError, match="no complaint 'nothing'"):
        sandbox.complaints.find("nothing")
    sandbox.pay("native-0001")
    for values in (
        {"detail": ""},
        {"problem_type": "WEATHER"},
        {"problem_type": "REFUND", "refund_amount": "101"},
        {"problem_type": "REFUND", "refund_amount": "-1"},
    ):
        with pytest.raises(Refusal, match="PARAM_ERROR"):
            sandbox.act("complain", **{"out_trade_no": "native-0001", "detail": "x"} | values)
    sandbox.complain("native-0001", "x", mchid=MCHID)
    with pytest.raises(Refusal, match="PARAM_ERROR"):
        sandbox.complaints.message("native-0001", "")
    with pytest.raises(Refusal, match="INVALID_REQUEST"):
        sandbox.complain("native-0001", "x")
    with pytest.raises(Refusal, match="PARAM_ERROR"):
        sandbox.act("follow_complaint", number="native-0001", what="shout")


async def test_users_complain_over_http(client: Handmade, sandbox: Sandbox) -> None:
    await paid(client, sandbox)
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/_sandbox/") as people:
        values = {"out_trade_no": "native-0001", "detail": "x", "problem_type": "REFUND", "refund_amount": 60, "chat": "yes"}
        assert (await people.post("complaints", json=values)).json()["done"] == "complain"
        follow = {"number": "native-0001", "what": "message", "text": "在吗"}
        assert (await people.post("complaints/follow", json=follow)).json()["done"] == "follow_complaint"
        assert (await people.post("complaints/follow", json=follow | {"number": "nothing"})).status_code == 404
        assert (await people.post("complaints/follow", json={"number": "native-0001"})).status_code == 400
    item = sandbox.complaints.find("native-0001")
    assert (item.refund_amount, item.is_urgent, item.is_waiting) == (60, True, True)


async def test_the_older_operations_show_the_same(client: Handmade, sandbox: Sandbox) -> None:
    transaction = await paid(client, sandbox)
    sandbox.complain("native-0001", "反馈一个重复扣费的问题", phone="13800138000")
    old = f"{BASE}/complaints"
    (item,) = (await client.call("GET", f"{old}?{TODAY}"))["data"]
    assert client.key.decrypt(base64.b64decode(item.pop("payer_phone")), OAEP) == b"13800138000"
    assert item == {
        "out_trade_no": "native-0001",
        "transaction_id": transaction,
        "complaint_time": "2025-11-25T12:00:00.000+08:00",
        "amount": 100,
        "complaint_detail": "反馈一个重复扣费的问题",
        "complaint_state": "PAYER_COMPLAINTED",
    }
    assert (await client.call("GET", f"{old}/{transaction}"))["complaint_handle_state"] == "WAIT_MERCHANT_RESPONSE"
    feedback = ME | {"transaction_id": transaction, "feedback_content": "已与用户协商解决"}
    await client.call("POST", f"{BASE}/feedbacks", feedback)
    assert sandbox.complaints.find("native-0001").state == "PROCESSING"
    await client.call("POST", f"{BASE}/feedbacks", feedback | {"launch_confirm_process": True})
    assert sandbox.complaints.find("native-0001").state == "PROCESSED"
    assert await client.refused("POST", f"{BASE}/feedbacks", feedback) == (400, "INVALID_REQUEST")
    assert await client.refused("POST", f"{BASE}/feedbacks", feedback | {"transaction_id": "1"}) == (403, "NO_AUTH")
    history = (await client.call("GET", f"{old}/{transaction}/negotiation-historys"))["complaint_negotiation_history"]
    assert [(entry["operate_user"], entry["operate_type"]) for entry in history] == [
        ("商户", "MERCHANT_LAUNCH_CONFIRM_PROCESS"),
        ("商户", "MERCHANT_RESPONSE"),
        ("商户", "MERCHANT_RESPONSE"),
        ("投诉人", "USER_CREATE_COMPLAINT"),
    ]


async def test_the_older_state_says_how_it_ended(client: Handmade, sandbox: Sandbox) -> None:
    transaction = await paid(client, sandbox)
    sandbox.complain("native-0001", "x")
    await client.call("POST", "/v3/refund/domestic/refunds", refund_of("native-0001"))
    sandbox.finish_refund("refund-0001")
    assert (await client.call("GET", f"{BASE}/complaints/{transaction}"))["complaint_state"] == "MERCHANT_REFUNDED"
    sandbox.complaints.revoke(transaction)
    assert (await client.call("GET", f"{BASE}/complaints/{transaction}"))["complaint_state"] == "PAYER_CANCELED"


async def test_a_complaint_survives_a_restart(make_sandbox: MakeSandbox, tmp_path: Any) -> None:
    first = make_sandbox(state=tmp_path / "sandbox.db")
    async with Handmade(first.settings()) as client:
        one = await filed(client, first, problem_type="REFUND", phone="13800138000")
        media_id = (await upload(client)).json()["media_id"]
        await client.call("POST", f"{one}/response", ME | {"response_content": "好", "response_images": [media_id]})
        first.complaints.message("native-0001", "谢谢")
        first.export(tmp_path / "story.jsonl")
    for again in (make_sandbox(state=tmp_path / "sandbox.db"), Sandbox.from_story(tmp_path / "story.jsonl", clock=lambda: 1_764_043_200.0)):
        assert again.complaints.find("native-0001") == first.complaints.find("native-0001")
        assert again.book.shelf("complaint_images") == first.book.shelf("complaint_images")
