"""A client at work while the sandbox rotates its certificates and moves the merchant to the public key."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from wechatpay_async import Wechatpay
from wechatpay_async.api.types.pay import PayTransactionsNativePostBody
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

TASKS = 50
HALF_A_DAY = 12 * 3600


async def test_no_call_fails_while_certificates_rotate_and_the_merchant_switches() -> None:
    sandbox = Sandbox(mode="certificate")
    public_key = sandbox.platform.public_key
    settings: dict[str, Any] = {
        **sandbox.settings(),
        "certs": {public_key.serial: public_key.private_key.public_key()},
        "platform_keys": "auto",
    }
    numbers = itertools.count(1)

    async with Wechatpay(**settings) as wxpay:

        async def order(headers: dict[str, str]) -> None:
            body: PayTransactionsNativePostBody = {
                "appid": "wxd678efh567hg6787",
                "mchid": sandbox.merchant.mchid,
                "description": "Image形象店-深圳腾大-QQ公仔",
                "out_trade_no": f"rotation{next(numbers):08d}",
                "notify_url": "https://shop.example/notify",
                "amount": {"total": 100},
            }
            response = await wxpay.v3.pay.transactions.native.post(body, headers=headers)
            assert response.data["code_url"].startswith("weixin://")

        async def fifty_calls_signed_by(serial: str, *, meanwhile: Callable[[], object] = lambda: None) -> int:
            """The downloads that there have been after fifty calls at once; `meanwhile` happens while they are on their way."""
            async with anyio.create_task_group() as tasks:
                for _ in range(TASKS):
                    tasks.start_soon(order, {"Wechatpay-Serial": serial})
                await anyio.lowlevel.checkpoint()
                meanwhile()
            return sum(call.operation == "GET /v3/certificates" for call in sandbox.calls)

        old = sandbox.platform.certificates[-1].serial
        assert await fifty_calls_signed_by(old) == 1
        assert await fifty_calls_signed_by(old, meanwhile=sandbox.new_certificate) == 1
        new = sandbox.platform.certificates[-1].serial
        sandbox.clock.advance(seconds=HALF_A_DAY)
        assert await fifty_calls_signed_by(old) == 2
        assert await fifty_calls_signed_by(new, meanwhile=lambda: sandbox.platform.retire_certificate(old)) == 2
        assert await fifty_calls_signed_by(new, meanwhile=sandbox.start_switch) == 2
        sandbox.clock.advance(seconds=HALF_A_DAY)
        assert await fifty_calls_signed_by(new) == 3
        assert await fifty_calls_signed_by(public_key.serial, meanwhile=sandbox.finish_switch) == 3
        sandbox.clock.advance(seconds=HALF_A_DAY)
        assert await fifty_calls_signed_by(public_key.serial) == 3


async def test_a_serial_learnt_at_need_is_downloaded_once_for_all() -> None:
    sandbox = Sandbox(mode="certificate")
    settings: dict[str, Any] = {**sandbox.settings(), "certs": None, "platform_keys": "auto"}
    async with Wechatpay(**settings) as wxpay:
        await wxpay.v3.certificates.get()
        assert wxpay.platform_keys.preferred_serial() == sandbox.platform.certificates[-1].serial
        sandbox.new_certificate()
        new = sandbox.platform.certificates[-1].serial
        sandbox.clock.advance(seconds=60)
        async with anyio.create_task_group() as tasks:
            for _ in range(TASKS):
                tasks.start_soon(partial(wxpay.v3.security.echo.post, {"echo_message": "x"}, headers={"Wechatpay-Serial": new}))
    assert sum(call.operation == "GET /v3/certificates" for call in sandbox.calls) == 3
