"""Bills made from what happened, and the addresses that they are downloaded from."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.sandbox.examples import APPID, MCHID, native_order, refund_of
from tests.support.handmade import OAEP, Handmade
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.bills import fee, yuan

pytestmark = pytest.mark.anyio

NATIVE = "/v3/pay/transactions/native"
TRADE = "/v3/bill/tradebill?bill_date=2025-11-25"
FUND = "/v3/bill/fundflowbill?bill_date=2025-11-25"
SUB = "1900000110"


async def a_day(client: Handmade, sandbox: Sandbox) -> None:
    """Two payments, one of them refunded in part; then it is 10:00 the next morning."""
    await client.call("POST", NATIVE, native_order("day-000001", description="茶, 热\n两杯", amount={"total": 1000}))
    await client.call("POST", NATIVE, native_order("day-000002", amount={"total": 50}))
    sandbox.pay("day-000001")
    sandbox.pay("day-000002")
    await client.call("POST", "/v3/refund/domestic/refunds", refund_of("day-000001", refund=400, total=1000))
    sandbox.clock.advance(hours=22)


async def download(client: Handmade, offer: dict[str, Any]) -> bytes:
    parts = urlsplit(str(offer["download_url"]))
    response = await client.send("GET", f"{parts.path}?{parts.query}")
    assert response.status_code == 200, response.text
    assert "wechatpay-signature" not in response.headers
    return response.content


def rows_of(text: bytes) -> list[list[str]]:
    return [[value.removeprefix("`") for value in row] for row in csv.reader(io.StringIO(text.decode()))]


async def test_a_trade_bill(client: Handmade, sandbox: Sandbox) -> None:
    await a_day(client, sandbox)
    offer = await client.call("GET", TRADE)
    text = await download(client, offer)
    assert hashlib.sha1(text, usedforsecurity=False).hexdigest() == offer["hash_value"]
    header, *rows, summary_header, summary = rows_of(text)
    assert len(header) == 27
    assert [dict(zip(header, row, strict=True))["交易状态"] for row in rows] == ["SUCCESS", "SUCCESS", "REFUND"]
    first, _, refund = (dict(zip(header, row, strict=True)) for row in rows)
    assert (first["交易时间"], first["订单金额"], first["手续费"], first["商品名称"]) == (
        "2025-11-25 12:00:00",
        "10.00",
        "0.06000",
        "茶\\  热\\n两杯",
    )
    assert (refund["退款金额"], refund["商户退款单号"], refund["手续费"]) == ("4.00", "refund-0001", "-0.02000")
    assert dict(zip(summary_header, summary, strict=True)) == {
        "总交易单数": "3",
        "应结订单总金额": "10.50",
        "退款总金额": "4.00",
        "充值券退款总金额": "0.00",
        "手续费总金额": "0.04",
        "订单总金额": "10.50",
        "申请退款总金额": "4.00",
    }


async def test_bill_types_and_gzip(client: Handmade, sandbox: Sandbox) -> None:
    await a_day(client, sandbox)
    for bill_type, count in (("ALL", 3), ("SUCCESS", 2), ("REFUND", 1)):
        text = await download(client, await client.call("GET", f"{TRADE}&bill_type={bill_type}"))
        assert len(rows_of(text)) == count + 3
    offer = await client.call("GET", f"{TRADE}&tar_type=GZIP")
    text = gzip.decompress(await download(client, offer))
    assert hashlib.sha1(text, usedforsecurity=False).hexdigest() == offer["hash_value"]


async def test_a_fund_flow_bill_balances(client: Handmade, sandbox: Sandbox) -> None:
    await a_day(client, sandbox)
    text = await download(client, await client.call("GET", FUND))
    header, *rows, summary_header, summary = rows_of(text)
    seen = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(row["业务名称"], row["收支类型"], row["收支金额(元)"], row["账户结余(元)"]) for row in seen] == [
        ("交易", "收入", "10.00", "1000010.00"),
        ("扣除交易手续费", "支出", "0.06", "1000009.94"),
        ("交易", "收入", "0.50", "1000010.44"),
        ("退款", "支出", "4.00", "1000006.44"),
        ("退还交易手续费", "收入", "0.02", "1000006.46"),
    ]
    assert dict(zip(summary_header, summary, strict=True)) == {
        "资金流水总笔数": "5",
        "收入笔数": "3",
        "收入金额": "10.52",
        "支出笔数": "2",
        "支出金额": "4.06",
    }


async def test_when_there_is_no_bill(client: Handmade, sandbox: Sandbox) -> None:
    for target, expected in {
        TRADE: "INVALID_REQUEST",
        "/v3/bill/tradebill?bill_date=2025-11-24": "NO_STATEMENT_EXIST",
        "/v3/bill/tradebill?bill_date=2025-08-01": "INVALID_REQUEST",
        "/v3/bill/tradebill?bill_date=20251124": "PARAM_ERROR",
        "/v3/bill/tradebill?bill_date=2025-13-01": "PARAM_ERROR",
        "/v3/bill/fundflowbill?bill_date=2025-11-24": "NO_STATEMENT_EXIST",
        "/v3/bill/fundflowbill?bill_date=2025-11-24&account_type=FEES": "NO_STATEMENT_EXIST",
    }.items():
        assert await client.refused("GET", target) == (400, expected), target
    await a_day(client, sandbox)
    early = sandbox.clock
    assert (await client.call("GET", TRADE))["hash_type"] == "SHA1"
    assert early() == sandbox.clock()


async def test_a_bill_is_ready_at_ten(client: Handmade, sandbox: Sandbox) -> None:
    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    sandbox.clock.advance(hours=12)
    assert await client.refused("GET", TRADE) == (400, "STATEMENT_CREATING")
    sandbox.clock.advance(hours=10)
    await client.call("GET", TRADE)


async def test_addresses_expire_and_belong_to_one_merchant(client: Handmade, sandbox: Sandbox) -> None:
    await a_day(client, sandbox)
    offer = await client.call("GET", FUND)
    target = urlsplit(str(offer["download_url"])).path + "?" + urlsplit(str(offer["download_url"])).query
    sandbox.add_merchant("1900000112")
    async with Handmade(sandbox.settings(mchid="1900000112")) as other:
        assert await other.refused("GET", target) == (400, "INVALID_REQUEST")
    sandbox.clock.advance(seconds=30)
    assert await client.refused("GET", target) == (400, "INVALID_REQUEST")


async def test_encrypted_parts(client: Handmade, sandbox: Sandbox) -> None:
    order = {"sp_appid": APPID, "sp_mchid": MCHID, "sub_mchid": SUB, **native_order("sub-000001")}
    del order["appid"], order["mchid"]
    await client.call("POST", "/v3/pay/partner/transactions/native", order)
    sandbox.pay("sub-000001")
    sandbox.clock.advance(hours=22)
    asked = "bill_date=2025-11-25&account_type=ALL&algorithm=AEAD_AES_256_GCM"
    offer = await client.call("GET", f"/v3/ecommerce/bill/fundflowbill?{asked}&tar_type=GZIP")
    one = await client.call("GET", f"/v3/bill/sub-merchant-fundflowbill?{asked.replace('ALL', 'BASIC')}&sub_mchid={SUB}")
    assert (offer["download_bill_count"], one["download_bill_count"]) == (1, 1)
    (part,) = offer["download_bill_list"]
    key = client.key.decrypt(base64.b64decode(part["encrypt_key"]), OAEP)
    text = gzip.decompress(AESGCM(key).decrypt(part["nonce"].encode(), await download(client, part), None))
    assert hashlib.sha1(text, usedforsecurity=False).hexdigest() == part["hash_value"]
    assert "sub-000001" not in text.decode()
    assert rows_of(text)[1][3] == "交易"
    sm4 = asked.replace("AEAD_AES_256_GCM", "SM4_GCM")
    assert await client.refused("GET", f"/v3/ecommerce/bill/fundflowbill?{sm4}") == (400, "PARAM_ERROR")


async def test_a_partner_sees_its_merchants_trades(client: Handmade, sandbox: Sandbox) -> None:
    order = {"sp_appid": APPID, "sp_mchid": MCHID, "sub_mchid": SUB, **native_order("sub-000001")}
    del order["appid"], order["mchid"]
    await client.call("POST", "/v3/pay/partner/transactions/native", order)
    sandbox.pay("sub-000001")
    sandbox.clock.advance(hours=22)
    text = await download(client, await client.call("GET", TRADE))
    assert rows_of(text)[1][2:4] == [MCHID, SUB]
    assert await client.refused("GET", FUND) == (400, "NO_STATEMENT_EXIST")


async def test_files_of_synthesised_answers_can_be_downloaded(client: Handmade) -> None:
    offer = await client.call("GET", "/v3/profitsharing/bills?bill_date=2025-11-24")
    assert hashlib.sha1(await download(client, offer), usedforsecurity=False).hexdigest() == offer["hash_value"]


def test_fees_and_yuan() -> None:
    assert [fee(fen) for fen in (1, 83, 84, 100, 1000)] == [0, 0, 1, 1, 6]
    assert [yuan(fen) for fen in (0, 1, 100, -5, -1234)] == ["0.00", "0.01", "1.00", "-0.05", "-12.34"]
