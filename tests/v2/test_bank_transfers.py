"""Transfers to bank cards: the key is asked for, the card and the name are sealed with it."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.handmade import OAEP
from tests.support.keys import MCHID, PLATFORM_KEY
from tests.v2.test_client import client
from wechatpay_async import APIError, InvalidData, MalformedMessage, RequestError, Sealed
from wechatpay_async.protocol import xml

pytestmark = pytest.mark.anyio

PUBLIC_KEY = PLATFORM_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
ORDER: Any = {
    "partner_trade_no": "1212121221227",
    "enc_bank_no": "6222600260001072444",
    "enc_true_name": "张三",
    "bank_code": "1001",
    "amount": 500,
}


def order(**changes: Any) -> Any:
    return ORDER | changes


class Bank:
    """WeChat Pay's side: gives its key, takes transfers."""

    def __init__(self, pub_key: str = PUBLIC_KEY, **transfer: str) -> None:
        self.pub_key = pub_key
        self.transfer = transfer or {"result_code": "SUCCESS", "payment_no": "10000600500852017030900000020006012"}
        self.paths: list[str] = []
        self.fields: dict[str, Any] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(f"{request.url.host}{request.url.path}")
        answer = {"return_code": "SUCCESS", "mch_id": MCHID}
        if request.url.path == "/risk/getpublickey":
            return httpx.Response(200, content=xml.build("xml", answer | {"result_code": "SUCCESS", "pub_key": self.pub_key}))
        _, fields = xml.parse(request.content)
        assert isinstance(fields, dict)
        self.fields = fields
        return httpx.Response(200, content=xml.build("xml", answer | self.transfer))

    def opened(self, name: str) -> str:
        return PLATFORM_KEY.decrypt(base64.b64decode(self.fields[name], validate=True), OAEP).decode()


async def test_a_transfer_to_a_card_is_sealed_with_the_key_that_is_asked_for_once() -> None:
    bank = Bank()
    async with client(bank) as wxpay:
        response = await wxpay.flows.pay_bank(ORDER)
        await wxpay.flows.pay_bank(order(partner_trade_no="1212121221228"))
    assert response.data["payment_no"] == "10000600500852017030900000020006012"
    assert bank.paths == [
        "fraud.mch.weixin.qq.com/risk/getpublickey",
        "api.mch.weixin.qq.com/mmpaysptrans/pay_bank",
        "api.mch.weixin.qq.com/mmpaysptrans/pay_bank",
    ]
    assert (bank.opened("enc_bank_no"), bank.opened("enc_true_name")) == ("6222600260001072444", "张三")
    assert (bank.fields["partner_trade_no"], bank.fields["amount"], bank.fields["mch_id"]) == ("1212121221228", "500", MCHID)
    assert ORDER["enc_bank_no"] == "6222600260001072444"


async def test_what_is_sealed_already_is_sent_as_it_is() -> None:
    bank = Bank()
    async with client(bank) as wxpay:
        await wxpay.flows.pay_bank(order(enc_bank_no=Sealed("c2VhbGVk")))
    assert (bank.fields["enc_bank_no"], bank.opened("enc_true_name")) == ("c2VhbGVk", "张三")


async def test_after_a_refusal_the_key_is_asked_for_again() -> None:
    bank = Bank(result_code="FAIL", err_code="PARAM_ERROR", err_code_des="enc_bank_no")
    async with client(bank) as wxpay:
        for _ in range(2):
            with pytest.raises(APIError, match="PARAM_ERROR"):
                await wxpay.flows.pay_bank(ORDER)
    assert [path.partition("/")[2] for path in bank.paths] == ["risk/getpublickey", "mmpaysptrans/pay_bank"] * 2


@pytest.mark.parametrize("pub_key", ["", "/etc/hostname", "-----BEGIN RSA PUBLIC KEY-----...-----END RSA PUBLIC KEY-----"])
async def test_an_answer_without_a_key_sends_no_card(pub_key: str) -> None:
    bank = Bank(pub_key)
    async with client(bank) as wxpay:
        with pytest.raises(MalformedMessage, match="pub_key: the answer has no RSA key"):
            await wxpay.flows.pay_bank(ORDER)
    assert bank.fields == {}


async def test_what_cannot_be_sealed_is_not_sent() -> None:
    bank = Bank()
    async with client(bank) as wxpay:
        with pytest.raises(InvalidData, match=r"\$\.enc_bank_no: a sensitive field is text, got int"):
            await wxpay.flows.pay_bank(order(enc_bank_no=6222600260001072444))
        nothing: Any = None
        with pytest.raises(RequestError, match="the order: expected a mapping, got NoneType"):
            await wxpay.flows.pay_bank(nothing)
    assert bank.fields == {}
