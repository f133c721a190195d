"""Each page read and each button pressed without a browser, on asyncio and on trio."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.sandbox import test_parking as parking
from tests.sandbox.conftest import NOON
from tests.sandbox.examples import APPID, MCHID, native_order, refund_of, score_order
from tests.sandbox.test_combine import SUBS, combined
from tests.sandbox.test_orders import code_order
from tests.support.handmade import Handmade
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

PAGES = "/_sandbox/pages"
NATIVE = "/v3/pay/transactions/native"
JSAPI = "/v3/pay/transactions/jsapi"
COMBINE = "/v3/combine-transactions"
TRANSFER = "/v3/fund-app/mch-transfer/transfer-bills"


@pytest.fixture
async def people(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", follow_redirects=True) as made:
        yield made


async def press(people: httpx.AsyncClient, kind: str, number: str, action: str, **more: str) -> httpx.Response:
    form = {"kind": kind, "mchid": MCHID, "sub_mchid": "", "no": number, "action": action} | more
    return await people.post(f"{PAGES}/cashier/sheet", data=form)


def transfer(number: str = "transfer1") -> dict[str, Any]:
    return {
        "appid": APPID,
        "out_bill_no": number,
        "openid": "oUser",
        "transfer_amount": 500,
        "transfer_remark": "报销",
        "transfer_scene_id": "1000",
        "transfer_scene_report_infos": [{"info_type": "活动名称", "info_content": "x"}],
    }


def v2_sign(pairs: dict[str, str], secret: str, kind: str) -> str:
    text = "&".join(f"{name}={value}" for name, value in sorted(pairs.items())) + f"&key={secret}"
    if kind == "MD5":
        return hashlib.md5(text.encode()).hexdigest().upper()  # noqa: S324 - what APIv2 uses
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()


async def test_each_page_can_be_read(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    await client.call("POST", "/v3/refund/domestic/refunds", refund_of("native-0001"))
    await client.call("POST", "/v3/payscore/serviceorder", score_order())
    await client.call("POST", TRANSFER, transfer())
    await client.send("POST", NATIVE, native_order(amount={"total": 0}))
    await client.send("GET", "/v3/no/such/operation")
    sandbox.book.shelf("contracts")[((MCHID, ""), "code-1")] = {"terms": {}, "state": 0, "contract_id": ""}
    notice = sandbox.book.notices[0]
    for path in ("/", "/cashier", "/calls", *(f"/calls/{number}" for number in range(1, 7)), "/orders", "/notifications", "/jsapi"):
        answer = await people.get(PAGES + path)
        assert (answer.status_code, "No money moves here." in answer.text) == (200, True), path
    assert "支付成功" in (await people.get(f"{PAGES}/notifications/{notice.id}")).text
    for path in (
        "/calls/99",
        "/notifications/none",
        "/h5?prepay_id=none",
        "/cashier/sheet?kind=order",
        "/cashier/sheet?kind=contract&no=x",
    ):
        assert (await people.get(PAGES + path)).status_code == 404, path
    assert (await people.get("/_sandbox")).status_code == 200
    assert "code-1" in (await people.get("/_sandbox/contract")).text


async def test_the_script_listens_before_anything_is_seen(people: httpx.AsyncClient) -> None:
    head = (await people.get(f"{PAGES}/cashier")).text.split("<body>")[0]
    assert '<script src="/_sandbox/pages/static/pages.js"></script>' in head  # not deferred: a key pressed before it ran would be lost


async def test_what_a_scanner_finds(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    code_url = (await client.call("POST", NATIVE, native_order()))["code_url"]
    package = (await client.call("POST", "/v3/payscore/serviceorder", score_order()))["package"]
    bill = await client.call("POST", TRANSFER, transfer())
    sandbox.book.shelf("contracts")[((MCHID, ""), "code-1")] = {"terms": {}, "state": 0, "contract_id": ""}
    found = {
        code_url: "native-0001",
        "native-0001": "native-0001",
        package: "score-0001",
        bill["package_info"]: "transfer1",
        bill["transfer_bill_no"]: "transfer1",
        "code-1": "code-1",
    }
    for text, number in found.items():
        assert number in (await people.get(f"{PAGES}/cashier/scan", params={"text": text})).text
    missed = await people.get(f"{PAGES}/cashier/scan", params={"text": "nothing"})
    assert (missed.status_code, "Nothing was found" in missed.text) == (404, True)
    assert (await people.get(f"{PAGES}/cashier/scan")).status_code == 404


async def test_a_pay_score_order_from_confirmation_to_payment(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", "/v3/payscore/serviceorder", score_order())
    assert "Done." in (await press(people, "score", "score-0001", "confirm")).text
    complete = {
        "appid": APPID,
        "service_id": score_order()["service_id"],
        "post_payments": [{"name": "x", "amount": 40}],
        "total_amount": 40,
        "time_range": {"end_time": "20251125130000"},
    }
    await client.call("POST", "/v3/payscore/serviceorder/score-0001/complete", complete)
    assert "¥0.40" in (await press(people, "score", "score-0001", "pay")).text
    assert sandbox.payscore.find("score-0001").state == "DONE"
    assert (await press(people, "score", "score-0001", "pay")).status_code == 409


async def test_a_payment_is_complained_about(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", NATIVE, native_order())
    assert "Complain" in (await press(people, "order", "native-0001", "pay")).text
    assert (await press(people, "order", "native-0001", "complain")).status_code == 409
    assert "PENDING" in (await press(people, "order", "native-0001", "demand_refund", text="书没有收到")).text
    number = sandbox.complaints.find("native-0001").complaint_id
    assert sandbox.complaints.find(number).refund_amount == 100
    assert number in (await people.get(f"{PAGES}/cashier")).text
    assert number in (await people.get(f"{PAGES}/orders")).text
    assert (await people.get(f"{PAGES}/cashier/scan", params={"text": "nothing"})).status_code == 404
    assert "书没有收到" in (await people.get(f"{PAGES}/cashier/scan", params={"text": number})).text
    for action, state in (("call_platform", "PENDING"), ("dismiss_platform", "PENDING"), ("message", "PENDING"), ("revoke", "PROCESSED")):
        assert state in (await press(people, "complaint", number, action, text="在吗")).text, action
    assert (await press(people, "complaint", number, "message", text="在吗")).status_code == 409
    assert number not in (await people.get(f"{PAGES}/cashier")).text
    assert "PENDING" in (await press(people, "complaint", number, "complain_again", text="还没有")).text
    assert (await people.get(f"{PAGES}/cashier/sheet?kind=complaint&mchid=1&sub_mchid=&no={number}")).status_code == 404


async def test_a_plate_is_opened_and_closed(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    parking_id = (await client.call("POST", parking.ENTRY, parking.entry()))["id"]
    car: dict[str, str] = {"sub_mchid": parking.SUB}
    assert "BLOCKED" in (await people.get(f"{PAGES}/orders")).text
    assert (await people.get(f"{PAGES}/cashier/scan", params={"text": "nothing"})).status_code == 404
    assert "欢乐海岸停车场" in (await people.get(f"{PAGES}/cashier/scan", params={"text": parking_id})).text
    for action, state in (
        ("open", "NORMAL"),
        ("pause", "BLOCKED PAUSE"),
        ("open", "NORMAL"),
        ("close", "BLOCKED OUT_SERVICE"),
        ("open", "NORMAL"),
    ):
        assert state in (await press(people, "parking", "entry-1", action, **car)).text, action
    assert (await press(people, "parking", "entry-1", "repay", **car)).status_code == 409
    sandbox.parking.run_short(parking.PLATE)
    await client.call("POST", parking.FEE, parking.fee(parking_id))
    sandbox.clock.advance(seconds=3)
    assert "Clear the debt" not in (await press(people, "parking", "entry-1", "repay", **car)).text
    assert [notice.event_type for notice in sandbox.book.notices][-1] == "TRANSACTION.PAY_BACK"
    assert (await people.get(f"{PAGES}/cashier/sheet?kind=parking&mchid={MCHID}&no=nothing")).status_code == 404


async def test_a_transfer_is_confirmed_and_a_contract_signed(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", TRANSFER, transfer())
    assert "SUCCESS" in (await press(people, "transfer", "transfer1", "confirm")).text
    sandbox.book.shelf("contracts")[((MCHID, ""), "code-1")] = {"terms": {}, "state": 0, "contract_id": ""}
    assert "Cancelled" in (await press(people, "contract", "code-1", "cancel")).text
    assert "Done." in (await press(people, "contract", "code-1", "confirm")).text
    assert sandbox.book.shelf("contracts")[((MCHID, ""), "code-1")]["state"] == 1


async def test_a_combined_order_is_paid_as_a_whole(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", f"{COMBINE}/native", combined())
    listed = await people.get(f"{PAGES}/cashier")
    assert (listed.text.count("Combined payment"), "¥2.01" in listed.text) == (1, True)
    assert "腾讯充值 · 0001-part-1" in (await press(people, "order", "0001-part-0", "pay", sub_mchid=SUBS[0])).text
    assert {order.state for order in sandbox.book.orders.values()} == {"SUCCESS"}


async def test_the_payer_of_a_code_does_not_type_the_password(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    sandbox.ask_password("130000000000000000")
    await client.send("POST", "/v3/pay/transactions/codepay", code_order("code-0001", "130000000000000000"))
    await press(people, "order", "code-0001", "decline")
    assert [order.state for order in sandbox.book.orders.values()] == ["PAYERROR"]


async def test_what_the_phone_refuses(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", NATIVE, native_order())
    sandbox.clock.advance(hours=3)  # the code is good for two
    refused = await press(people, "order", "native-0001", "pay")
    assert (refused.status_code, "ORDER_CLOSED" in refused.text) == (409, True)


async def bridge(people: httpx.AsyncClient, params: dict[str, str], name: str = "getBrandWCPayRequest", action: str = "") -> str:
    given = {"name": name, "params": json.dumps(params)}
    if action:
        return (await people.post(f"{PAGES}/jsapi", data=given | {"action": action})).text
    return (await people.get(f"{PAGES}/jsapi", params=given)).text


def signed(client: Handmade, package: str, app_id: str = APPID) -> dict[str, str]:
    params = {"appId": app_id, "timeStamp": str(int(NOON)), "nonceStr": "n", "package": package}
    return params | {"signType": "RSA", "paySign": client.sign("".join(f"{value}\n" for value in params.values()).encode())}


async def test_the_bridge_pays_and_refuses(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    prepay_id = (await client.call("POST", JSAPI, native_order("jsapi-0001", payer={"openid": "o1"})))["prepay_id"]
    params = signed(client, f"prepay_id={prepay_id}")
    assert "paySign does not fit" in await bridge(people, params | {"paySign": "AAAA"})
    without_prefix = client.sign(f"{APPID}\n{params['timeStamp']}\nn\n{prepay_id}\n".encode())
    assert "with its prefix prepay_id=" in await bridge(people, params | {"paySign": without_prefix})
    assert "none of the usual mistakes" in await bridge(people, params | {"paySign": client.sign(b"something else")})
    assert "JSON object" in (await people.get(f"{PAGES}/jsapi", params={"params": "no JSON"})).text
    assert "The parameters cannot be used" in await bridge(people, params, action="confirm")
    assert 'data-bridge-result="get_brand_wcpay_request:ok"' in await bridge(people, params, action="pay")
    await client.call("POST", JSAPI, native_order("jsapi-0002", payer={"openid": "o1"}))
    sandbox.clock.advance(hours=3)
    late = sandbox.book.orders[((MCHID, ""), "jsapi-0002")].prepay_id
    assert "预支付会话已过期" in await bridge(people, signed(client, f"prepay_id={late}"), action="pay")


async def test_the_bridge_takes_a_combined_order(people: httpx.AsyncClient, client: Handmade) -> None:
    prepay_id = (await client.call("POST", f"{COMBINE}/jsapi", combined(combine_payer_info={"openid": "o1"})))["prepay_id"]
    assert "Combined payment" in await bridge(people, signed(client, f"prepay_id={prepay_id}"))


@pytest.mark.parametrize("kind", ["MD5", "HMAC-SHA256"])
async def test_the_bridge_takes_an_apiv2_order(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox, kind: str) -> None:
    await client.call("POST", JSAPI, native_order("jsapi-0001", payer={"openid": "o1"}))
    order = sandbox.book.orders[((MCHID, ""), "jsapi-0001")]
    order.v2 = True
    params = {"appId": APPID, "timeStamp": "1", "nonceStr": "n", "package": f"prepay_id={order.prepay_id}", "signType": kind}
    params["paySign"] = v2_sign(params, sandbox.merchant.secret, kind)
    assert "Let it expire" in await bridge(people, params)
    assert "key=***" in await bridge(people, params | {"paySign": "0" * 32})
    assert "An APIv2 order must be signed with MD5" in await bridge(people, params | {"signType": "RSA"})


async def test_the_bridge_confirms_a_transfer(people: httpx.AsyncClient, client: Handmade) -> None:
    package = (await client.call("POST", TRANSFER, transfer()))["package_info"]
    params = {"mchId": MCHID, "appId": APPID, "package": package}
    name = "requestMerchantTransfer"
    assert "No transfer has this package." in await bridge(people, params | {"package": "other"}, name)
    assert f'data-bridge-result="{name}:ok"' in await bridge(people, params, name, "confirm")


async def test_the_bridge_opens_a_pay_score_order(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    package = (await client.call("POST", "/v3/payscore/serviceorder", score_order()))["package"]
    common = {"mch_id": MCHID, "timestamp": "1", "nonce_str": "n", "sign_type": "HMAC-SHA256"}

    async def open_view(business: str, **pairs: str) -> str:
        given = common | pairs
        given = {"sign": v2_sign(given, sandbox.merchant.secret, "HMAC-SHA256")} | given
        return await bridge(people, {"businessType": business, "queryString": urlencode(given)}, "openBusinessView")

    detail = {"service_id": score_order()["service_id"], "out_order_no": "score-0001"}
    assert "XX充电宝" in await open_view("wxpayScoreUse", package=package)
    assert "XX充电宝" in await open_view("wxpayScoreDetail", **detail)
    assert "No pay-score order has this package." in await open_view("wxpayScoreUse", package="other")
    assert "No pay-score order has this number." in await open_view("wxpayScoreDetail", **detail | {"out_order_no": "other"})
    assert "HMAC-SHA256; expected:" in await open_view("wxpayScoreUse", package=package, sign="0" * 64)
    assert "Nothing was found" in await open_view("wxpayScoreUse", package=package, mch_id="1900000999")


async def test_a_signature_that_does_not_fit(people: httpx.AsyncClient, client: Handmade) -> None:
    await client.send("POST", NATIVE, native_order(), headers={"Authorization": client.authorization("POST", NATIVE, b"")})
    assert "The body is missing from the message." in (await people.get(f"{PAGES}/calls/1")).text


async def test_what_is_cancelled_or_expires(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    h5 = native_order("h5-0001", scene_info={"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}})
    h5_url = (await client.call("POST", "/v3/pay/transactions/h5", h5))["h5_url"]
    back = "https://merchant.example/thanks"
    assert f'value="{back}"' in (await people.get(f"{h5_url}&{urlencode({'redirect_url': back})}")).text
    cancelled = await press(people, "order", "h5-0001", "cancel", back=back)
    assert f'href="{back}"' in cancelled.text
    order = sandbox.book.orders[((MCHID, ""), "h5-0001")]
    assert order.state == "NOTPAY"
    await press(people, "order", "h5-0001", "expire")
    assert order.state == "CLOSED"


async def test_an_apiv2_signature_that_does_not_fit(people: httpx.AsyncClient, client: Handmade) -> None:
    body = f"<xml><mch_id>{MCHID}</mch_id><appid>{APPID}</appid><nonce_str>n</nonce_str><out_trade_no>1</out_trade_no><sign>0</sign></xml>"
    await client.http.post("/pay/orderquery", content=body.encode())
    page = (await people.get(f"{PAGES}/calls/1")).text
    assert "The signature is no MD5 and no HMAC-SHA256 in hexadecimal." in page
    assert f"appid={APPID}&amp;mch_id={MCHID}&amp;nonce_str=n&amp;out_trade_no=1&amp;key=***" in page


async def test_a_body_that_is_no_text(people: httpx.AsyncClient, client: Handmade) -> None:
    await client.send("POST", NATIVE, body=b"\xff\xfe")
    assert "&lt;2 bytes&gt;" in (await people.get(f"{PAGES}/calls/1")).text


async def test_the_language_is_kept(people: httpx.AsyncClient) -> None:
    assert "收银台" not in (await people.get(f"{PAGES}/cashier")).text
    switched = await people.get(f"{PAGES}/cashier/scan", params={"lang": "zh", "text": "x"})
    assert (switched.status_code, "lang" in switched.url.params, switched.url.params["text"]) == (404, False, "x")
    assert "收银台" in (await people.get(f"{PAGES}/cashier")).text
    assert "收银台" in (await people.get(f"{PAGES}/cashier", params={"lang": "zh"})).text


async def test_send_again_and_the_clock(people: httpx.AsyncClient, client: Handmade, sandbox: Sandbox) -> None:
    told: list[bytes] = []

    async def receiver(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive()).get("more_body"):
            told.append(message["body"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sandbox.notifier.receiver = receiver
    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    address = f"{PAGES}/notifications/{sandbox.book.notices[0].id}"
    assert "taken" in (await people.post(f"{address}/again")).text
    assert json.loads(b"".join(told))["event_type"] == "TRANSACTION.SUCCESS"
    await people.post(f"{PAGES}/clock", data={"step": "hour"})
    assert sandbox.clock() == NOON + 3_600
