"""APIv2: signatures, orders, code payment, refunds, red packets, contracts, bills, notifications, client certificates."""

from __future__ import annotations

import base64
import gzip
import hashlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from tests.sandbox.conftest import MakeSandbox
from tests.support.handmade_v2 import HandmadeV2, as_xml, from_xml, signature
from tests.support.patience import PATIENCE
from wechatpay_async import catalog
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.tls import client_context
from wechatpay_async.sandbox.v2 import flows

pytestmark = pytest.mark.anyio

APPID = "wxd678efh567hg6787"


@pytest.fixture
async def v2(sandbox: Sandbox) -> AsyncIterator[HandmadeV2]:
    async with HandmadeV2(sandbox.settings()) as made:
        yield made


def order(number: str = "v2-0001", **changes: Any) -> dict[str, Any]:
    return {
        "appid": APPID,
        "body": "腾讯充值中心-QQ会员充值",
        "out_trade_no": number,
        "total_fee": 88,
        "spbill_create_ip": "123.12.12.123",
        "notify_url": "https://merchant.example/v2",
        "trade_type": "NATIVE",
        "product_id": "12235413214070356458058",
    } | changes


def micropay(number: str = "v2-0001", **changes: Any) -> dict[str, Any]:
    return {
        "appid": APPID,
        "body": "早餐",
        "out_trade_no": number,
        "total_fee": 888,
        "spbill_create_ip": "8.8.8.8",
        "auth_code": "120061098828009406",
    } | changes


def by(number: str = "v2-0001") -> dict[str, Any]:
    return {"appid": APPID, "out_trade_no": number}


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
async def test_an_order_is_placed_paid_and_queried(v2: HandmadeV2, sandbox: Sandbox, sign_type: str) -> None:
    placed = await v2.call("/pay/unifiedorder", order(sign_type=sign_type))
    assert (placed["trade_type"], placed["prepay_id"][:2]) == ("NATIVE", "wx")
    assert placed["code_url"].startswith("weixin://")
    assert (await v2.call("/pay/orderquery", by()))["trade_state"] == "NOTPAY"
    sandbox.pay("v2-0001")
    paid = await v2.call("/pay/orderquery", by())
    assert (paid["trade_state"], paid["total_fee"], paid["time_end"]) == ("SUCCESS", "88", "20251125120000")
    by_transaction = {"appid": APPID, "transaction_id": paid["transaction_id"]}
    assert (await v2.call("/pay/orderquery", by_transaction))["out_trade_no"] == "v2-0001"
    assert await v2.declined("/pay/unifiedorder", order()) == "ORDERPAID"
    assert await v2.declined("/pay/closeorder", by()) == "ORDERPAID"


async def test_each_trade_type_wants_its_own(v2: HandmadeV2) -> None:
    assert "mweb_url" in await v2.call("/pay/unifiedorder", order("v2-0002", trade_type="MWEB"))
    assert "prepay_id" in await v2.call("/pay/unifiedorder", order("v2-0003", trade_type="APP"))
    assert "prepay_id" in await v2.call("/pay/unifiedorder", order("v2-0004", trade_type="JSAPI", openid="o1"))
    assert await v2.declined("/pay/unifiedorder", order("v2-0005", trade_type="JSAPI")) == "PARAM_ERROR"
    assert await v2.declined("/pay/unifiedorder", order("v2-0005", product_id="")) == "PARAM_ERROR"
    assert await v2.declined("/pay/unifiedorder", order("v2-0005", trade_type="SMOKE")) == "PARAM_ERROR"


async def test_closing_and_placing_again(v2: HandmadeV2, sandbox: Sandbox) -> None:
    first = await v2.call("/pay/unifiedorder", order())
    assert (await v2.call("/pay/unifiedorder", order()))["prepay_id"] != first["prepay_id"]
    assert await v2.declined("/pay/unifiedorder", order(total_fee=89)) == "OUT_TRADE_NO_USED"
    await v2.call("/pay/closeorder", by())
    assert await v2.declined("/pay/closeorder", by()) == "ORDERCLOSED"
    assert await v2.declined("/pay/unifiedorder", order()) == "ORDERCLOSED"
    assert await v2.declined("/pay/orderquery", by("v2-9999")) == "ORDERNOTEXIST"
    assert await v2.declined("/pay/orderquery", {"appid": APPID}) == "PARAM_ERROR"
    await v2.call("/pay/unifiedorder", order("v2-0002", time_expire="20251125123000"))
    sandbox.clock.advance(minutes=30)
    assert (await v2.call("/pay/orderquery", by("v2-0002")))["trade_state"] == "CLOSED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total_fee": 0}, "PARAM_ERROR"),
        ({"out_trade_no": "有中文"}, "PARAM_ERROR"),
        ({"time_expire": "20251199000000"}, "PARAM_ERROR"),
        ({"time_expire": "20251125120030"}, "INVALID_REQUEST"),
    ],
)
async def test_orders_with_wrong_values(v2: HandmadeV2, changes: dict[str, Any], code: str) -> None:
    assert await v2.declined("/pay/unifiedorder", order(**changes)) == code


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sign": "0" * 32}, "签名错误，请检查后再试"),
        ({"sign": ""}, "签名错误，请检查后再试"),
        ({"sign_type": "SHA1"}, "sign_type参数格式错误"),
        ({"mch_id": "1900000999"}, "商户号 1900000999 不存在"),
        ({"mch_id": ""}, "mch_id参数格式错误"),
        ({"nonce_str": ""}, "nonce_str参数长度有误"),
        ({"nonce_str": "x" * 33}, "nonce_str参数长度有误"),
        ({"colour": "red"}, "参数 colour 不存在"),
        ({"total_fee": "1.00"}, "total_fee参数格式错误"),
        ({"body": "长" * 129}, "body参数格式错误"),
        ({"body": ""}, "缺少参数 body"),
        ({"receipt": "maybe"}, "receipt参数格式错误"),
    ],
)
async def test_what_the_platform_does_not_take(v2: HandmadeV2, changes: dict[str, Any], message: str) -> None:
    response = await v2.send("/pay/unifiedorder", order(**changes))
    assert from_xml(response.content) == {"return_code": "FAIL", "return_msg": message}


async def test_one_changed_bit_is_refused(v2: HandmadeV2, sandbox: Sandbox) -> None:
    body = as_xml(v2.signed(order())).replace(b"[88]", b"[89]")
    assert from_xml((await v2.http.post("/pay/unifiedorder", content=body)).content)["return_msg"] == "签名错误，请检查后再试"
    assert sandbox.calls[-1].signature_fits is False
    assert sandbox.merchant.secret not in (sandbox.calls[-1].expected_message or "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html></html>",
        b"<xml><a>1</a><a>2</a></xml>",
        b"<xml><a><b>1</b></a></xml>",
        b"<xml><a x='1'>1</a></xml>",
        b"<xml>" + b" " * 70_000 + b"</xml>",
        b'<!DOCTYPE xml [<!ENTITY x "y">]><xml><a>&x;</a></xml>',
        b"\xff\xfe<",
    ],
)
async def test_xml_that_is_not_taken(v2: HandmadeV2, body: bytes) -> None:
    response = await v2.http.post("/pay/unifiedorder", content=body)
    assert from_xml(response.content) == {"return_code": "FAIL", "return_msg": "XML格式错误"}


async def test_code_payment_that_wants_the_password(v2: HandmadeV2, sandbox: Sandbox) -> None:
    sandbox.ask_password("120061098828009406")
    assert await v2.declined("/pay/micropay", micropay()) == "USERPAYING"
    assert await v2.declined("/pay/micropay", micropay()) == "USERPAYING"
    assert (await v2.call("/pay/orderquery", by()))["trade_state"] == "USERPAYING"
    sandbox.pay("v2-0001")
    assert (await v2.call("/pay/orderquery", by()))["trade_state"] == "SUCCESS"
    assert (await v2.call("/secapi/pay/reverse", by()))["recall"] == "N"
    assert (await v2.call("/pay/orderquery", by()))["trade_state"] == "REVOKED"


async def test_code_payment(v2: HandmadeV2, sandbox: Sandbox) -> None:
    paid = await v2.call("/pay/micropay", micropay())
    assert (paid["trade_type"], paid["total_fee"]) == ("MICROPAY", "888")
    assert await v2.declined("/pay/micropay", micropay("v2-0002", auth_code="990061098828009406")) == "AUTH_CODE_INVALID"
    sandbox.ask_password("120061098828009407")
    assert await v2.declined("/pay/micropay", micropay("v2-0003", auth_code="120061098828009407")) == "USERPAYING"
    sandbox.decline("v2-0003")
    assert (await v2.call("/pay/orderquery", by("v2-0003")))["trade_state"] == "PAYERROR"
    await v2.call("/secapi/pay/reverse", by("v2-0003"))
    await v2.call("/pay/unifiedorder", order("v2-0004"))
    assert await v2.declined("/secapi/pay/reverse", by("v2-0004")) == "INVALID_REQUEST"
    await v2.call("/secapi/pay/refund", by() | {"out_refund_no": "r1", "total_fee": 888, "refund_fee": 1})
    assert await v2.declined("/secapi/pay/reverse", by()) == "REVERSE_EXPIRE"
    sandbox.clock.advance(days=8)
    await v2.call("/pay/micropay", micropay("v2-0005"))
    sandbox.clock.advance(days=8)
    assert await v2.declined("/secapi/pay/reverse", by("v2-0005")) == "REVERSE_EXPIRE"


async def test_refunds(v2: HandmadeV2, sandbox: Sandbox) -> None:
    await v2.call("/pay/micropay", micropay())
    refund = by() | {"out_refund_no": "r1", "total_fee": 888, "refund_fee": 300}
    made = await v2.call("/secapi/pay/refund", refund)
    assert (made["refund_fee"], made["total_fee"]) == ("300", "888")
    assert (await v2.call("/secapi/pay/refund", refund))["refund_id"] == made["refund_id"]
    assert await v2.declined("/secapi/pay/refund", refund | {"refund_fee": 301}) == "REFUND_FEE_MISMATCH"
    assert await v2.declined("/secapi/pay/refund", refund | {"out_refund_no": "r 2"}) == "PARAM_ERROR"
    assert await v2.declined("/secapi/pay/refund", refund | {"out_refund_no": "r2"}) == "FREQUENCY_LIMITED"
    sandbox.clock.advance(minutes=1)
    assert await v2.declined("/secapi/pay/refund", refund | {"out_refund_no": "r2", "refund_fee": 589}) == "INVALID_REQUEST"
    await v2.call("/secapi/pay/refund", refund | {"out_refund_no": "r2", "refund_fee": 588})
    seen = await v2.call("/pay/refundquery", by())
    assert (seen["refund_count"], seen["out_refund_no_0"], seen["refund_status_0"], seen["refund_status_1"]) == (
        "2",
        "r1",
        "SUCCESS",
        "PROCESSING",
    )
    assert seen["refund_success_time_0"] == "2025-11-25 12:00:03"
    one = await v2.call("/pay/refundquery", {"appid": APPID, "out_refund_no": "r2"})
    assert (one["refund_count"], one["refund_fee_0"]) == ("1", "588")
    assert await v2.declined("/pay/refundquery", {"appid": APPID, "out_refund_no": "r3"}) == "REFUNDNOTEXIST"
    assert await v2.declined("/pay/refundquery", {"appid": APPID}) == "PARAM_ERROR"
    await v2.call("/pay/unifiedorder", order("v2-0002"))
    assert await v2.declined("/secapi/pay/refund", refund | by("v2-0002")) == "TRADE_STATE_ERROR"


RED_PACKET = {
    "mch_billno": "10000098201411111234567890",
    "wxappid": "wx8888888888888888",
    "send_name": "天虹百货",
    "re_openid": "oxTWIuGaIt6gTKsQRLau2M0yL16E",
    "total_amount": 1000,
    "total_num": 1,
    "wishing": "感谢您参加",
    "client_ip": "192.168.0.1",
    "act_name": "猜灯谜",
    "remark": "快来抢",
}


async def test_red_packets(v2: HandmadeV2) -> None:
    sent = await v2.call("/mmpaymkttransfers/sendredpack", RED_PACKET)
    assert (sent["total_amount"], sent["mch_billno"]) == ("1000", RED_PACKET["mch_billno"])
    assert (await v2.call("/mmpaymkttransfers/sendredpack", RED_PACKET))["send_listid"] == sent["send_listid"]
    assert await v2.declined("/mmpaymkttransfers/sendredpack", RED_PACKET | {"total_amount": 1001}) == "PARAM_ERROR"
    assert await v2.declined("/mmpaymkttransfers/sendredpack", RED_PACKET | {"mch_billno": "1", "total_amount": 99}) == "MONEY_LIMIT"
    assert await v2.declined("/mmpaymkttransfers/sendredpack", RED_PACKET | {"mch_billno": "a-b"}) == "PARAM_ERROR"
    asked = {"mch_billno": RED_PACKET["mch_billno"], "appid": APPID, "bill_type": "MCHT"}
    assert (await v2.call("/mmpaymkttransfers/gethbinfo", asked))["status"] == "RECEIVED"
    assert await v2.declined("/mmpaymkttransfers/gethbinfo", asked | {"mch_billno": "2"}) == "NOT_FOUND"


async def test_contracts(v2: HandmadeV2, sandbox: Sandbox) -> None:
    terms = {"appid": APPID, "plan_id": "123", "contract_code": "100005698", "request_serial": 1000}
    terms |= {
        "contract_display_account": "微信代扣",
        "notify_url": "https://merchant.example/c",
        "version": "1.0",
        "timestamp": "1414488825",
    }
    whole = v2.signed(terms)
    del whole["nonce_str"]
    whole["sign"] = signature({name: value for name, value in whole.items() if name != "sign"}, sandbox.merchant.secret)
    asked = from_xml((await v2.http.post("/papay/preentrustweb", content=as_xml(whole))).content)
    assert asked["pre_entrustweb_id"].startswith("5"), asked
    query = {"appid": APPID, "plan_id": "123", "contract_code": "100005698", "version": "1.0"}
    assert await v2.declined("/papay/querycontract", query) == "CONTRACT_NOT_EXIST"
    contract_id = sandbox.sign_contract("100005698", openid="oUser")
    seen = await v2.call("/papay/querycontract", query)
    assert (seen["contract_id"], seen["contract_state"], seen["openid"]) == (contract_id, "0", "oUser")
    pay = {name: value for name, value in order("v2-0009").items() if name != "product_id"} | {
        "trade_type": "PAP",
        "contract_id": contract_id,
    }
    await v2.call("/pay/pappayapply", pay)
    assert (await v2.call("/pay/paporderquery", by("v2-0009")))["trade_state"] == "SUCCESS"
    await v2.call("/papay/deletecontract", query | {"contract_termination_remark": "原因"})
    assert (await v2.call("/papay/querycontract", query))["contract_state"] == "1"
    assert await v2.declined("/pay/pappayapply", pay | {"out_trade_no": "v2-0010"}) == "CONTRACTERROR"
    with pytest.raises(LookupError, match="nothing"):
        sandbox.sign_contract("nothing")


async def test_bills_are_text_or_an_xml_error(v2: HandmadeV2, sandbox: Sandbox) -> None:
    await v2.call("/pay/micropay", micropay())
    sandbox.clock.advance(days=1)
    bill = {"appid": APPID, "bill_date": "20251125", "bill_type": "ALL"}
    response = await v2.send("/pay/downloadbill", bill)
    lines = response.content.decode("utf-8-sig").splitlines()
    assert response.content.startswith(b"\xef\xbb\xbf")
    assert lines[1].split(",`")[6] == "v2-0001"
    assert lines[-1].split(",`")[1] == "8.88"
    packed = await v2.send("/pay/downloadbill", bill | {"tar_type": "GZIP"})
    assert gzip.decompress(packed.content) == response.content
    nothing = await v2.send("/pay/downloadbill", bill | {"bill_date": "20251124"})
    assert from_xml(nothing.content) == {"return_code": "FAIL", "return_msg": "No Bill Exist", "error_code": "20002"}
    for date in ("20251126", "20251399"):
        invalid = await v2.send("/pay/downloadbill", bill | {"bill_date": date})
        assert from_xml(invalid.content)["return_msg"] == "invalid bill_date"


async def test_notifications(v2: HandmadeV2, sandbox: Sandbox) -> None:
    seen: list[dict[str, str]] = []

    def merchant(request: httpx.Request) -> httpx.Response:
        seen.append(from_xml(request.content))
        answer = "FAIL" if len(seen) == 1 else "SUCCESS"
        return httpx.Response(200, content=f"<xml><return_code>{answer}</return_code></xml>")

    await v2.call("/pay/unifiedorder", order())
    sandbox.pay("v2-0001")
    async with httpx.AsyncClient(transport=httpx.MockTransport(merchant)) as http:
        assert [delivery.taken for delivery in await sandbox.deliver(http)] == [False]
        sandbox.clock.advance(seconds=15)
        assert [delivery.taken for delivery in await sandbox.deliver(http)] == [True]
        await v2.call("/secapi/pay/refund", by() | {"out_refund_no": "r1", "total_fee": 88, "refund_fee": 88})
        sandbox.clock.advance(seconds=3)
        await sandbox.deliver(http)
    _, paid, refunded = seen
    assert paid["sign"] == signature(paid, sandbox.merchant.secret)
    assert (paid["out_trade_no"], paid["result_code"], paid["total_fee"]) == ("v2-0001", "SUCCESS", "88")
    assert "sign" not in refunded
    key = hashlib.md5(sandbox.merchant.secret.encode(), usedforsecurity=False).hexdigest().encode()
    cipher = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - the protocol's
    padded = cipher.update(base64.b64decode(refunded["req_info"])) + cipher.finalize()
    remover = PKCS7(128).unpadder()
    inner = from_xml(remover.update(padded) + remover.finalize())
    assert (inner["out_refund_no"], inner["refund_status"], inner["success_time"]) == ("r1", "SUCCESS", "2025-11-25 12:00:18")


async def test_faults_strike_apiv2_too(v2: HandmadeV2, sandbox: Sandbox) -> None:
    with sandbox.faults.on("wrong_signature"):
        answer = from_xml((await v2.send("/pay/unifiedorder", order())).content)
    assert answer["sign"] != signature(answer, sandbox.merchant.secret)
    with sandbox.faults.on("server_error"):
        assert (await v2.send("/pay/unifiedorder", order())).status_code == 500


async def mtls(sandbox: Sandbox, url: str, verify: ssl.SSLContext) -> httpx.Response:
    async with HandmadeV2(sandbox.settings(base_url=url), verify) as client:
        return await client.send("/mmpaymkttransfers/sendredpack", RED_PACKET)


async def test_client_certificates(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(clock=lambda: datetime.now(UTC).timestamp())
    other = sandbox.add_merchant("1900000110")
    mine = sandbox.merchant
    expired = sandbox.authority.issue(mine.mchid, mine.private_key.public_key(), datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=30))
    async with sandbox.serve(mtls=True) as url:
        right = await mtls(sandbox, url, sandbox.client_tls())
        assert from_xml(right.content)["result_code"] == "SUCCESS"
        for wrong in (sandbox.client_tls(certificate=False), client_context(sandbox.authority, other.certificate, other.private_key)):
            response = await mtls(sandbox, url, wrong)
            assert response.status_code == 400
            assert b"No required SSL certificate was sent" in response.content
        async with httpx.AsyncClient(verify=client_context(sandbox.authority, expired, mine.private_key), timeout=PATIENCE) as late:
            with pytest.raises(httpx.TransportError):
                await late.get(url)
        async with HandmadeV2(sandbox.settings(base_url=url), sandbox.client_tls(certificate=False)) as client:
            await client.call("/pay/unifiedorder", order())


def test_every_flow_is_an_operation_of_the_catalogue() -> None:
    assert [name for name in flows.ROUTES if catalog.operation("v2", *name.split(" ", 1)) is None] == []
