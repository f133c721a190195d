"""Other settings and other merchants on the same connections."""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

import httpx
import pytest

from tests.support.keys import APIV3_KEY, MCHID, MERCHANT_KEY, MERCHANT_SERIAL, PLATFORM_KEY, PUBLIC_KEY_ID
from tests.support.loopback import Loopback
from tests.support.platform import Platform, answer, check_request, client, settings
from wechatpay_async import ConfigError, InvalidData, ServerError, Wechatpay
from wechatpay_async.retry import Retry

pytestmark = pytest.mark.anyio

OTHER = "1900000109"


def other_merchant(mchid: str = OTHER, **changes: Any) -> dict[str, Any]:
    return {
        "mchid": mchid,
        "serial": MERCHANT_SERIAL,
        "private_key": MERCHANT_KEY,
        "certs": {PUBLIC_KEY_ID: PLATFORM_KEY.public_key()},
        "apiv3_key": APIV3_KEY,
        **changes,
    }


async def test_another_merchant_on_the_same_connections() -> None:
    server = Loopback()
    async with server.serving() as url, Wechatpay(**settings(base_url=url)) as wxpay:
        async with wxpay.share(**other_merchant()) as other:
            await other.chain("v3/new").post({})
        await wxpay.chain("v3/new").post({})  # closing the other one has closed nothing
    assert server.connected == 1
    assert [request.headers["authorization"].split('"')[1] for request in server.requests] == [OTHER, MCHID]


async def test_what_is_no_merchants_own_is_taken_over() -> None:
    platform = Platform(lambda request: httpx.Response(500, json={"code": "SYSTEM_ERROR", "message": ""}))
    async with client(platform, retry=Retry(attempts=4, first_pause=0), validate="strict") as wxpay:
        other = wxpay.share(**other_merchant())
        with pytest.raises(ServerError):
            await other.chain("v3/new").get()
        assert len(platform.requests) == 4
        with pytest.raises(InvalidData):
            await other.v3.pay.transactions.native.post({})  # type: ignore[typeddict-item]  # nothing of it is looked at
        with pytest.raises(ServerError):
            await wxpay.share(**other_merchant(retry=Retry(attempts=1))).chain("v3/new").get()
        assert len(platform.requests) == 5


async def test_an_outage_is_one_outage_for_all_merchants() -> None:
    platform = Platform(lambda request: httpx.Response(500, json={"code": "SYSTEM_ERROR", "message": ""}))
    async with client(platform, retry=Retry(attempts=2, first_pause=0)) as wxpay:
        for number in range(30):
            with pytest.raises(ServerError):
                await wxpay.share(**other_merchant(str(1900000200 + number))).chain("v3/new").get()
    assert len(platform.requests) == 30 + 20


async def test_another_host_has_its_own_breaker() -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        await wxpay.share(**other_merchant(base_url="https://apihk.mch.weixin.qq.com")).chain("v3/new").get()
        await wxpay.share(**other_merchant()).chain("v3/new").get()
    assert [request.url.host for request in platform.requests] == ["apihk.mch.weixin.qq.com", "api.mch.weixin.qq.com"]


def test_another_merchant_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="^mchid: not a merchant number"):
        Wechatpay(**settings()).share(**other_merchant("x"))


async def test_other_options_for_some_calls() -> None:
    platform = Platform(lambda request: httpx.Response(500, json={"code": "SYSTEM_ERROR", "message": ""}))
    async with client(platform, validate="off", timeout=7) as wxpay:
        patient = wxpay.with_options(retry=Retry(attempts=3, first_pause=0), timeout=1.5, deadline=None, validate="strict")
        with pytest.raises(ServerError):
            await patient.chain("v3/new").get()
        assert len(platform.requests) == 3
        assert platform.last.extensions["timeout"] == {"connect": 1.5, "read": 1.5, "write": 1.5, "pool": 1.5}
        with pytest.raises(InvalidData):
            await patient.v3.pay.transactions.native.post({})  # type: ignore[typeddict-item]  # nothing of it is looked at
        with pytest.raises(ServerError):
            await wxpay.v3.pay.transactions.native.post({})  # type: ignore[typeddict-item]  # nothing of it is looked at
        assert len(platform.requests) == 4
        assert platform.last.extensions["timeout"]["read"] == 7
        await patient.aclose()  # closes nothing
        with pytest.raises(ServerError):
            await patient.with_options(retry=Retry(attempts=1)).chain("v3/new").get()


async def test_a_sibling_has_chains_of_its_own_and_the_same_keys() -> None:
    async with client(Platform()) as wxpay:
        node, bills = wxpay.v3, wxpay.bills
        sibling = wxpay.with_options(timeout=3)
        assert sibling.v3 != node
        assert sibling.bills is not bills
        assert sibling.platform_keys is wxpay.platform_keys
        assert sibling.share(**other_merchant()) is not None
        await sibling.v3.certificates.get()


def test_a_wrong_option() -> None:
    with pytest.raises(ConfigError, match="^validate: unknown value 'strickt'"):
        Wechatpay(**settings()).with_options(validate="strickt")  # type: ignore[arg-type]  # a misspelt word


async def test_a_thousand_merchants() -> None:
    platform = Platform(lambda request: answer())
    async with client(platform) as wxpay:
        wxpay.share(**other_merchant())
        gc.collect()
        tracemalloc.start()
        merchants = {mchid: wxpay.share(**other_merchant(mchid)) for mchid in map(str, range(1900001000, 1900002000))}
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert used / 1000 <= 60_000
        await merchants["1900001999"].chain("v3/new").post({})
        assert check_request(platform.last)["mchid"] == "1900001999"


async def test_the_first_call_of_a_merchant_takes_little_memory_too() -> None:
    async with client(Platform()) as wxpay:
        merchants = [wxpay.share(**other_merchant(mchid)) for mchid in map(str, range(1900001000, 1900001050))]
        await wxpay.chain("v3/new").post({})
        gc.collect()
        tracemalloc.start()
        for merchant in merchants:
            await merchant.v3.certificates.get()
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert used / 50 <= 60_000


def test_clocks_are_per_merchant() -> None:
    assert Wechatpay(**settings()).share(**other_merchant(clock=time.time))
