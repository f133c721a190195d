"""The package's own client against the sandbox: two programs that share no code, and agree."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.examples import APPID, native_order
from wechatpay_async import APIError, BadSignature, MissingSignature, OutcomeUnknown, RateLimited, StaleTimestamp, UnknownSerial, Wechatpay
from wechatpay_async.retry import Retry
from wechatpay_async.sandbox import FaultKind, Sandbox

pytestmark = pytest.mark.anyio


async def test_an_order_from_beginning_to_refund(sandbox: Sandbox) -> None:
    async with Wechatpay(**sandbox.settings()) as wxpay:
        placed = await wxpay["v3/pay/transactions/native"].post(native_order())
        assert placed.data["code_url"].startswith("weixin://")
        sandbox.pay("native-0001")
        found = await wxpay.v3.pay.transactions.out_trade_no._out_trade_no_.get(
            out_trade_no="native-0001", params={"mchid": sandbox.merchant.mchid}
        )
        assert found.data["trade_state"] == "SUCCESS"


async def test_an_error_shows_both_messages(sandbox: Sandbox) -> None:
    settings = sandbox.settings()
    settings["mchid"] = "1900000999"
    async with Wechatpay(**settings) as wxpay:
        with pytest.raises(APIError) as caught:
            await wxpay["v3/pay/transactions/native"].post(native_order(mchid="1900000999"))
    assert (caught.value.status, caught.value.code) == (401, "SIGN_ERROR")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("wrong_signature", BadSignature),
        ("tampered", BadSignature),
        ("probe", BadSignature),
        ("unsigned", MissingSignature),
        ("stale", StaleTimestamp),
        ("unknown_serial", UnknownSerial),
    ],
)
async def test_answers_that_are_not_believed(sandbox: Sandbox, kind: FaultKind, error: type[Exception]) -> None:
    async with Wechatpay(**sandbox.settings()) as wxpay:
        sandbox.faults.add(kind)
        with pytest.raises((error, OutcomeUnknown)) as caught:
            await wxpay["v3/pay/transactions/native"].post(native_order())
    assert isinstance(caught.value, error) or isinstance(caught.value.__cause__, error)


@pytest.mark.parametrize(("kind", "error"), [("reset", OutcomeUnknown), ("half", OutcomeUnknown), ("rate_limited", RateLimited)])
async def test_answers_that_do_not_come(sandbox: Sandbox, kind: FaultKind, error: type[Exception]) -> None:
    async with Wechatpay(**sandbox.settings(), retry=Retry(attempts=1)) as wxpay:
        sandbox.faults.add(kind)
        with pytest.raises(error):
            await wxpay["v3/pay/transactions/native"].post(native_order())


async def test_certificates_are_downloaded_and_rotated(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(mode="certificate")
    settings = sandbox.settings()
    del settings["certs"]
    async with Wechatpay(**settings, platform_keys="auto") as wxpay:
        await wxpay["v3/pay/transactions/native"].post(native_order())
        sandbox.new_certificate()
        sandbox.clock.advance(hours=13)
        await wxpay["v3/pay/transactions/native"].post(native_order("native-0002"))


async def test_sensitive_fields_both_ways(sandbox: Sandbox) -> None:
    async with Wechatpay(**sandbox.settings()) as wxpay:
        bills = wxpay.v3.fund_app.mch_transfer.transfer_bills
        await bills.post(
            {
                "appid": APPID,
                "out_bill_no": "plfk2020042013",
                "openid": "o-MYE42l80oelYMDE34nYD456Xoy",
                "user_name": "张三",
                "transfer_amount": 200_000,
                "transfer_remark": "新会员开通有礼",
                "transfer_scene_id": "1000",
                "transfer_scene_report_infos": [{"info_type": "活动名称", "info_content": "新会员有礼"}],
            }
        )
        found = await bills.out_bill_no._out_bill_no_.get(out_bill_no="plfk2020042013")
        assert found.data.get("user_name") == "张三"


async def test_notifications_are_parsed(sandbox: Sandbox) -> None:
    async with Wechatpay(**sandbox.settings()) as wxpay:
        await wxpay["v3/pay/transactions/native"].post(native_order())
        sandbox.pay("native-0001")
        message = sandbox.notifier.compose(sandbox.book.notices[0])
        notice = await wxpay.notifications.parse(message.headers, message.body)
        resource: Any = notice.resource
        assert (notice.event_type, resource["out_trade_no"]) == ("TRANSACTION.SUCCESS", "native-0001")
        probe = sandbox.notifier.compose(sandbox.book.notices[0], "probe")
        with pytest.raises(BadSignature) as caught:
            await wxpay.notifications.parse(probe.headers, probe.body)
        assert caught.value.probe


async def test_apiv2(sandbox: Sandbox) -> None:
    async with Wechatpay(**sandbox.settings()) as wxpay:
        paid = await wxpay.v2.pay.micropay.post(
            {
                "appid": APPID,
                "body": "早餐",
                "out_trade_no": "v2-0001",
                "total_fee": 888,
                "spbill_create_ip": "8.8.8.8",
                "auth_code": "120061098828009406",
            }
        )
        assert paid.data["trade_type"] == "MICROPAY"


async def test_an_upload(sandbox: Sandbox) -> None:
    async with Wechatpay(**sandbox.settings()) as wxpay:
        uploaded = await wxpay.v3.merchant.media.upload.post(file=b"\x89PNG picture", filename="图.png")
        assert uploaded.data["media_id"]
        assert hashlib.sha256(b"\x89PNG picture").hexdigest().encode() in sandbox.calls[-1].request_body


async def test_a_bill(sandbox: Sandbox) -> None:
    async with Wechatpay(**sandbox.settings()) as wxpay:
        await wxpay["v3/pay/transactions/native"].post(native_order())
        sandbox.pay("native-0001")
        sandbox.clock.advance(hours=22)
        async with wxpay.bills.trade("2025-11-25") as bill:
            rows = [row async for row in bill]
    assert len(rows) == 1


async def test_apiv2_operations_with_forms_of_their_own(sandbox: Sandbox) -> None:
    """A merchant number under another name, a signed upload, and a page that is opened without a signature."""
    async with Wechatpay(**sandbox.settings()) as wxpay:
        settled = await wxpay.v2.pay.settlementquery.post(
            {"appid": "wxd678efh567hg6787", "usetag": 1, "offset": 0, "limit": 10, "date_start": "20150807", "date_end": "20150807"}
        )
        uploaded = await wxpay.v2.secapi.mch.uploadmedia.post(file=b"a picture", filename="picture.png")
        opened = await wxpay.v2.appauth.authindex.get(
            params={
                "appid": "wxd678efh567hg6787",
                "redirect_uri": "https://shop.example.com/back",
                "response_type": "code",
                "scope": "pay_identity",
                "state": "STATE",
            }
        )

    assert settled.data["mch_id"] == sandbox.merchant.mchid
    assert uploaded.data["result_code"] == "SUCCESS"
    assert sandbox.calls[-2].signature_fits
    assert opened.status_code == 302
    assert sandbox.calls[-1].signature is None
