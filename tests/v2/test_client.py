"""APIv2 through the client: the same chain, and XML on the wire."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import httpx
import pytest

from tests.support.keys import MCHID, MERCHANT_KEY, SECRET, certificate, pem
from wechatpay_async import Wechatpay
from wechatpay_async.errors import BadSignature, Conflict, InvalidData, OutcomeUnknown, WechatpayError
from wechatpay_async.protocol import v2, xml

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
CERTIFICATE = pem(certificate(MERCHANT_KEY, "3775B6A45ACD588826D15E583A95F5DD12345678"))


def client(answer: Callable[[httpx.Request], httpx.Response], *, validate: Literal["off", "strict"] = "off") -> Wechatpay:
    return Wechatpay(
        mchid=MCHID,
        private_key=MERCHANT_KEY,
        secret=SECRET,
        merchant_cert=CERTIFICATE,
        clock=lambda: NOW,
        validate=validate,
        transport=httpx.MockTransport(answer),
    )


def reply(**values: str) -> bytes:
    fields = {"return_code": "SUCCESS", "mch_id": MCHID, **values}
    return xml.build("xml", {**fields, "sign": v2.sign(fields, SECRET.encode())})


async def test_a_code_payment_on_the_wire() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=reply(result_code="SUCCESS", transaction_id="T1", appid="wx1"))

    async with client(answer) as wxpay:
        order: Any = {"appid": "wx1", "body": "茶 & <tea>", "out_trade_no": "A1", "total_fee": 888, "auth_code": "120"}
        response = await wxpay.v2.pay.micropay.post(order)
    assert response.data["transaction_id"] == "T1"
    request = seen[0]
    assert (request.method, str(request.url)) == ("POST", "https://api.mch.weixin.qq.com/pay/micropay")
    assert request.headers["content-type"] == "text/xml; charset=utf-8"
    assert "authorization" not in request.headers
    root, fields = xml.parse(request.content)
    assert root == "xml"
    assert isinstance(fields, dict)
    assert {name: fields[name] for name in ("appid", "body", "total_fee", "mch_id")} == {
        "appid": "wx1",
        "body": "茶 & <tea>",
        "total_fee": "888",
        "mch_id": MCHID,
    }
    assert 0 < len(str(fields["nonce_str"])) <= 32
    v2.check_sign(fields, SECRET.encode())


async def test_errors_have_the_classes_of_v3() -> None:
    body = xml.build(
        "xml", {"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "USERPAYING", "err_code_des": "需要用户输入支付密码"}
    )
    async with client(lambda _: httpx.Response(200, content=body)) as wxpay:
        with pytest.raises(Conflict) as caught:
            await wxpay.chain("v2/pay/micropay").post({"out_trade_no": "A1"})
    assert (caught.value.code, caught.value.outcome_unknown) == ("USERPAYING", True)


async def test_a_forged_answer_is_not_given_out() -> None:
    body = reply(trade_state="NOTPAY").replace(b"NOTPAY", b"SUCCESS")
    async with client(lambda _: httpx.Response(200, content=body)) as wxpay:
        with pytest.raises(BadSignature):
            await wxpay.chain("v2/pay/orderquery").post({"out_trade_no": "A1"})


async def test_a_write_without_an_answer_has_an_unknown_outcome() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    async with client(answer) as wxpay:
        with pytest.raises(OutcomeUnknown):
            await wxpay.chain("v2/pay/micropay").post({"out_trade_no": "A1"})


async def test_a_bill_comes_as_bytes() -> None:
    async with client(lambda _: httpx.Response(200, content="交易时间\r\n".encode())) as wxpay:
        response = await wxpay.chain("v2/pay/downloadbill").post({"bill_date": "20141110", "bill_type": "ALL", "appid": "wx1"})
    assert response.data == "交易时间\r\n".encode()


async def test_a_get_has_its_signature_in_the_query() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        fields = dict(request.url.params)
        v2.check_sign(fields, SECRET.encode())
        assert fields["mch_id"] == MCHID
        return httpx.Response(200, content=b'{"retcode":0,"retmsg":"ok","access_token":"a"}')

    async with client(answer) as wxpay:
        response = await wxpay.chain("v2/appauth/getaccesstoken").get(params={"appid": "wx1", "openid": "o", "code": "c"})
    assert response.data["access_token"] == "a"


async def test_a_refund_goes_through_the_client_certificate() -> None:
    async with client(lambda _: httpx.Response(200, content=reply(refund_id="R1"))) as wxpay:
        response = await wxpay.chain("v2/secapi/pay/refund").post({"out_trade_no": "A1", "out_refund_no": "R"})
    assert response.data["refund_id"] == "R1"


async def test_a_refund_without_a_certificate_names_the_setting() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    wxpay = Wechatpay(mchid=MCHID, serial="3775B6A4" * 5, private_key=MERCHANT_KEY, secret=SECRET, transport=transport, validate="off")
    async with wxpay:
        with pytest.raises(WechatpayError, match="merchant_cert"):
            await wxpay.chain("v2/secapi/pay/refund").post({"out_trade_no": "A1", "out_refund_no": "R"})


async def test_a_complete_order_passes_the_strictest_check() -> None:
    order: Any = {
        "appid": "wx8888888888888888",
        "body": "tea",
        "out_trade_no": "1217752501201407033233368018",
        "total_fee": 888,
        "spbill_create_ip": "8.8.8.8",
        "auth_code": "120061098828009406",
        "scene_info": {"store_info": {"id": "SZTX001", "name": "腾大餐厅"}},
    }
    async with client(lambda _: httpx.Response(200, content=reply(result_code="SUCCESS")), validate="strict") as wxpay:
        assert (await wxpay.v2.pay.micropay.post(order)).data["result_code"] == "SUCCESS"


@pytest.mark.parametrize("validate", ["off", "strict"])
async def test_what_is_none_or_empty_is_neither_sent_nor_signed_nor_refused(validate: Literal["off", "strict"]) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=reply(result_code="SUCCESS", appid="wx1"))

    order: Any = {
        "appid": "wx1",
        "out_trade_no": "A1",
        "transaction_id": None,
        "sign_type": "",
        "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    }
    async with client(answer, validate=validate) as wxpay:
        await wxpay.v2.pay.orderquery.post(order)
    _, fields = xml.parse(seen[0].content)
    assert isinstance(fields, dict)
    sign = fields.pop("sign")
    assert fields == {"appid": "wx1", "out_trade_no": "A1", "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS", "mch_id": MCHID}
    message = f"appid=wx1&mch_id={MCHID}&nonce_str=5K8264ILTKCH16CQ2502SI8ZNMTM67VS&out_trade_no=A1&key={SECRET}"
    assert sign == hashlib.md5(message.encode(), usedforsecurity=False).hexdigest().upper()


async def test_a_field_that_must_be_there_cannot_be_none() -> None:
    nothing: Any = {"appid": None, "out_trade_no": "A1"}
    async with client(lambda request: httpx.Response(500), validate="strict") as wxpay:
        with pytest.raises(InvalidData, match=r"\$\.appid"):
            await wxpay.v2.pay.orderquery.post(nothing)
