"""Notifications of the sandbox, which shares no code with the package, under keys that are downloaded."""

from __future__ import annotations

import time
from typing import Any

import pytest

from wechatpay_async import Wechatpay
from wechatpay_async.errors import BadSignature, UnknownSerial
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.models import Notice


def notice(sandbox: Sandbox, number: str) -> Notice:
    resource = {"out_trade_no": number, "trade_state": "SUCCESS"}
    return Notice(number, sandbox.merchant.mchid, "/notify", "TRANSACTION.SUCCESS", "transaction", "支付成功", resource, time.time())


def downloads(sandbox: Sandbox) -> int:
    return sum("/certificates" in call.target for call in sandbox.calls)


@pytest.mark.anyio
async def test_a_certificate_is_downloaded_for_the_first_notification_and_forgers_cause_one_more_look() -> None:
    sandbox = Sandbox(mode="certificate", keep_calls=20_000)
    settings: dict[str, Any] = sandbox.settings() | {"certs": {}, "platform_keys": "auto"}
    async with Wechatpay(**settings) as wxpay:
        genuine = sandbox.notifier.compose(notice(sandbox, "EV-1"))
        for _ in range(3):
            notification = await wxpay.notifications.parse(genuine.headers, genuine.body)
            assert notification.resource_as("TRANSACTION.SUCCESS").get("out_trade_no") == "EV-1"
        assert downloads(sandbox) == 1
        for number in range(10_000):
            with pytest.raises(UnknownSerial):
                await wxpay.notifications.parse(genuine.headers | {"Wechatpay-Serial": f"{number:040X}"}, genuine.body)
        assert downloads(sandbox) <= 2
        assert (await wxpay.notifications.parse(genuine.headers, genuine.body)).id == "EV-1"


@pytest.mark.anyio
async def test_probe_and_forgery_of_the_sandbox_are_refused() -> None:
    sandbox = Sandbox()
    async with Wechatpay(**sandbox.settings()) as wxpay:
        probe = sandbox.notifier.compose(notice(sandbox, "EV-1"), "probe")
        with pytest.raises(BadSignature) as caught:
            await wxpay.notifications.parse(probe.headers, probe.body)
        assert caught.value.probe is True
        for number in range(10):
            forged = sandbox.notifier.compose(notice(sandbox, f"EV-{number}"), "forged")
            with pytest.raises((BadSignature, UnknownSerial)):
                await wxpay.notifications.parse(forged.headers, forged.body)
