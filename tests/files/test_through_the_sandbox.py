"""Files from the client's call to the sandbox and back: a server that shares no code with the client."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from wechatpay_async import Wechatpay
from wechatpay_async.bills import CHINA
from wechatpay_async.errors import BadHash, BillNotReady
from wechatpay_async.reconcile import LedgerEntry, Sums, reconcile
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.faults import FaultKind

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400
DAY = 86_400


@asynccontextmanager
async def a_day_of_trade() -> AsyncGenerator[tuple[Wechatpay, Sandbox, str], None]:
    """Two orders paid, one of them refunded in part, and the next day's noon."""
    sandbox = Sandbox()
    async with Wechatpay(**sandbox.settings()) as wxpay:
        day = datetime.fromtimestamp(sandbox.clock(), CHINA).date().isoformat()
        for number, total in (("ORDER2026000001", 1234), ("ORDER2026000002", 500)):
            await wxpay.v3.pay.transactions.native.post(
                {
                    "appid": "wxd678efh567hg6787",
                    "mchid": "1900000109",
                    "description": "咖啡, 大杯",
                    "out_trade_no": number,
                    "notify_url": "https://shop.example.com/wechatpay/notify",
                    "amount": {"total": total, "currency": "CNY"},
                }
            )
            sandbox.pay(number)
        await wxpay.v3.refund.domestic.refunds.post(
            {
                "out_trade_no": "ORDER2026000001",
                "out_refund_no": "REFUND2026000001",
                "amount": {"refund": 234, "total": 1234, "currency": "CNY"},
            }
        )
        yield wxpay, sandbox, day


def to_the_next_day(sandbox: Sandbox, *, hour: int = 12) -> None:
    now = datetime.fromtimestamp(sandbox.clock(), CHINA)
    sandbox.clock.advance(DAY + hour * 3600 - (now.hour * 3600 + now.minute * 60 + now.second))


@pytest.mark.anyio
async def test_a_trade_bill_is_downloaded_proven_and_reconciled(anyio_backend: str) -> None:
    async with a_day_of_trade() as (wxpay, sandbox, day):
        to_the_next_day(sandbox)
        ledger = [
            LedgerEntry("ORDER2026000001", 1234, status="REFUND"),
            LedgerEntry("ORDER2026000002", 500, status="SUCCESS"),
            LedgerEntry("REFUND2026000001", 234, "refund", "SUCCESS"),
        ]

        async with wxpay.bills.trade(day) as bill:
            rows = [row async for row in bill]
            report = await reconcile(ledger, bill)

    assert [(row.out_trade_no, row.total, row.refund_total, row.description) for row in rows] == [
        ("ORDER2026000001", 1234, 0, "咖啡, 大杯"),
        ("ORDER2026000002", 500, 0, "咖啡, 大杯"),
        ("ORDER2026000001", 0, 234, "咖啡, 大杯"),
    ]
    assert bill.summary is not None
    assert len(bill.summary.checked) == 7
    assert report.agrees
    assert report.matched == Sums(2, 1734, 1, 234)


@pytest.mark.anyio
async def test_a_bill_of_this_morning_says_when_to_come_back(anyio_backend: str) -> None:
    async with a_day_of_trade() as (wxpay, sandbox, day):
        to_the_next_day(sandbox, hour=7)

        with pytest.raises(BillNotReady) as caught:
            await anext(aiter(wxpay.bills.trade(day)))

        assert caught.value.ready_at.hour == 10


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["half", "refused", "tampered"])
async def test_a_download_that_breaks_begins_anew_with_another_address(fault: FaultKind, anyio_backend: str) -> None:
    async with a_day_of_trade() as (wxpay, sandbox, day):
        to_the_next_day(sandbox)
        sandbox.faults.add(fault, "/v3/billdownload/file", times=2)

        rows = [row async for row in wxpay.bills.trade(day)]

    assert len(rows) == 3
    assert sum("billdownload" in call.target for call in sandbox.calls) == 3


@pytest.mark.anyio
async def test_a_fund_flow_is_downloaded_and_proven(anyio_backend: str) -> None:
    async with a_day_of_trade() as (wxpay, sandbox, day):
        to_the_next_day(sandbox)

        async with wxpay.bills.fund_flow(day) as bill:
            rows = [row async for row in bill]

    assert {row.direction for row in rows} == {"in", "out"}
    assert bill.summary is not None
    assert len(bill.summary.checked) == 5


@pytest.mark.anyio
async def test_an_encrypted_bill_is_opened_and_proven(anyio_backend: str) -> None:
    async with a_day_of_trade() as (wxpay, sandbox, day):
        to_the_next_day(sandbox)

        async with wxpay.bills.sub_merchant_fund_flow(day, sub_mchid="1900000109") as bill:
            rows = [row async for row in bill]

    assert {row.direction for row in rows} == {"in", "out"}
    assert bill.summary is not None


@pytest.mark.anyio
async def test_a_day_of_nothing_is_an_empty_bill(anyio_backend: str) -> None:
    async with a_day_of_trade() as (wxpay, sandbox, _):
        to_the_next_day(sandbox)
        sandbox.clock.advance(3 * DAY)
        yesterday = datetime.fromtimestamp(sandbox.clock() - DAY, CHINA)

        bill = wxpay.bills.trade(yesterday)

        assert [row async for row in bill] == []
        assert not bill.exists


@pytest.mark.anyio
async def test_a_file_is_downloaded_to_a_path(tmp_path: Path, anyio_backend: str) -> None:
    async with a_day_of_trade() as (wxpay, sandbox, day):
        to_the_next_day(sandbox)
        reply = await wxpay.v3.bill.tradebill.get(params={"bill_date": day})

        path = await wxpay.download(reply.data["download_url"], tmp_path / "bill.csv", sha1=reply.data["hash_value"])

    assert path.read_text(encoding="utf-8").count("`") > 27


@pytest.mark.anyio
@pytest.mark.parametrize("algorithm", ["sha256", "sm3"])
async def test_a_receipt_is_checked_by_the_hash_that_it_is_announced_with(algorithm: str, tmp_path: Path, anyio_backend: str) -> None:
    async with a_day_of_trade() as (wxpay, sandbox, day):
        to_the_next_day(sandbox)
        reply = await wxpay.v3.bill.tradebill.get(params={"bill_date": day})

        with pytest.raises(BadHash, match=algorithm.upper()):
            await wxpay.download(reply.data["download_url"], tmp_path / "receipt", **{algorithm: "00"})

    assert os.listdir(tmp_path) == []


@pytest.mark.anyio
async def test_an_upload_passes_a_strict_reader(anyio_backend: str) -> None:
    seen: list[tuple[int, int | None]] = []
    sandbox = Sandbox()
    async with Wechatpay(**sandbox.settings()) as wxpay:
        response = await wxpay.v3.merchant.media.upload.post(
            file=PNG, filename="营业执照.png", progress=lambda sent, total: seen.append((sent, total))
        )

    assert response.data["media_id"]
    assert seen[-1] == (len(PNG), len(PNG))


@pytest.mark.anyio
async def test_an_upload_passes_over_a_socket(tmp_path: Path, anyio_backend: str) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    sandbox = Sandbox()
    async with sandbox.serve() as url, Wechatpay(**sandbox.settings(base_url=url)) as wxpay:
        response = await wxpay.v3.merchant.media.upload.post(file=path)

    assert response.data["media_id"]
