"""Notifications: composed, signed, sent by the official schedule, and everything that goes wrong with them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.examples import native_order, refund_of, score_order
from tests.support.handmade import Handmade, load_public, open_resource, verifies
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.models import RETRY_AFTER

pytestmark = pytest.mark.anyio

NATIVE = "/v3/pay/transactions/native"


class Merchant:
    """A merchant's server: verifies by hand, and answers as the test says."""

    def __init__(self, sandbox: Sandbox, *, status: int = 204) -> None:
        self.sandbox = sandbox
        self.status = status
        self.seen: list[dict[str, Any]] = []
        self.refused = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await request.body()
        key = self.sandbox.platform.find(request.headers["wechatpay-serial"])
        if key is None or not verifies(load_public(key.pem), request.headers, body):
            self.refused += 1
            await Response(status_code=401)(scope, receive, send)
            return
        notice = json.loads(body)
        notice["plain"] = open_resource(notice["resource"], self.sandbox.merchant.apiv3_key)
        self.seen.append(notice)
        await Response(status_code=self.status)(scope, receive, send)


@pytest.fixture
def merchant(sandbox: Sandbox) -> Merchant:
    server = Merchant(sandbox)
    sandbox.notifier.receiver = server
    return server


async def test_a_payment_a_refund_and_pay_score_are_told(client: Handmade, sandbox: Sandbox, merchant: Merchant) -> None:
    await client.call("POST", NATIVE, native_order())
    paid = sandbox.pay("native-0001")
    await client.call("POST", "/v3/refund/domestic/refunds", refund_of("native-0001"))
    sandbox.clock.advance(seconds=3)
    await client.call("POST", "/v3/payscore/serviceorder", score_order())
    sandbox.payscore.confirm("score-0001")
    assert [delivery.taken for delivery in await sandbox.deliver()] == [True, True, True]
    first, second, third = merchant.seen
    assert (first["event_type"], first["resource_type"], first["resource"]["original_type"]) == (
        "TRANSACTION.SUCCESS",
        "encrypt-resource",
        "transaction",
    )
    assert (first["plain"]["transaction_id"], first["plain"]["trade_state"]) == (paid.transaction_id, "SUCCESS")
    assert (second["event_type"], second["plain"]["refund_status"]) == ("REFUND.SUCCESS", "SUCCESS")
    assert "status" not in second["plain"]
    assert (third["event_type"], third["plain"]["state"]) == ("PAYSCORE.USER_CONFIRM", "DOING")
    assert await sandbox.deliver() == []


async def test_the_official_schedule(client: Handmade, sandbox: Sandbox, merchant: Merchant) -> None:
    merchant.status = 500
    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    assert len(await sandbox.deliver()) == 1
    for wait in RETRY_AFTER:
        sandbox.clock.advance(seconds=wait - 1)
        assert await sandbox.deliver() == []
        sandbox.clock.advance(seconds=1)
        assert len(await sandbox.deliver()) == 1
    sandbox.clock.advance(days=2)
    assert await sandbox.deliver() == []
    assert len(merchant.seen) == 16
    assert sum(RETRY_AFTER) == 24 * 3600 + 4 * 60
    assert {notice["id"] for notice in merchant.seen} == {sandbox.book.notices[0].id}


async def test_it_is_sent_until_it_is_taken(client: Handmade, sandbox: Sandbox, merchant: Merchant) -> None:
    merchant.status = 500
    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    await sandbox.deliver()
    merchant.status = 200
    sandbox.clock.advance(seconds=15)
    (delivery,) = await sandbox.deliver()
    assert (delivery.attempt, delivery.taken, sandbox.book.notices[0].acknowledged) == (2, True, True)
    sandbox.clock.advance(days=1)
    assert await sandbox.deliver() == []
    sandbox.notifier.send_again(sandbox.book.notices[0].id)
    assert len(await sandbox.deliver()) == 1
    with pytest.raises(LookupError, match="nothing"):
        sandbox.notifier.send_again("nothing")


async def test_probes_and_forgeries_must_be_refused(client: Handmade, sandbox: Sandbox, merchant: Merchant) -> None:
    sandbox.notifier.mischief.probes = sandbox.notifier.mischief.forged = 1.0
    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    kinds = [(delivery.kind, delivery.taken) for delivery in await sandbox.deliver()]
    assert kinds == [("probe", False), ("forged", False), ("genuine", True)]
    assert (merchant.refused, len(merchant.seen)) == (2, 1)


async def test_duplicates_losses_and_disorder(client: Handmade, sandbox: Sandbox, merchant: Merchant) -> None:
    mischief = sandbox.notifier.mischief
    mischief.duplicates, mischief.out_of_order = 1.0, True
    for number in range(8):
        await client.call("POST", NATIVE, native_order(f"native-{number:04}"))
        sandbox.pay(f"native-{number:04}")
    await sandbox.deliver()
    numbers = [notice["plain"]["out_trade_no"] for notice in merchant.seen]
    assert len(numbers) == 16
    assert numbers[::2] == numbers[1::2]
    assert numbers[::2] != sorted(set(numbers))
    mischief.duplicates, mischief.lost = 0.0, 1.0
    await client.call("POST", NATIVE, native_order("native-0009"))
    sandbox.pay("native-0009")
    (delivery,) = await sandbox.deliver()
    assert (delivery.kind, delivery.status, delivery.error) == ("lost", None, "lost on the way")
    mischief.lost = 0.0
    sandbox.clock.advance(seconds=15)
    assert [delivery.taken for delivery in await sandbox.deliver()] == [True]


async def test_a_server_that_is_not_there(client: Handmade, sandbox: Sandbox) -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    async with httpx.AsyncClient(transport=httpx.MockTransport(unreachable)) as http:
        (delivery,) = await sandbox.deliver(http)
    assert (delivery.status, delivery.error) == (None, "ConnectError: no route")
    assert sandbox.book.notices[0].due == sandbox.clock() + 15


async def test_nothing_is_sent_without_an_address(client: Handmade, sandbox: Sandbox, merchant: Merchant) -> None:
    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    await sandbox.deliver()
    refund = refund_of("native-0001")
    del refund["notify_url"]
    await client.call("POST", "/v3/refund/domestic/refunds", refund)
    sandbox.clock.advance(seconds=3)
    assert await sandbox.deliver() == []


async def test_a_refund_without_an_address_is_told_to_the_consoles_in_xml(client: Handmade, sandbox: Sandbox) -> None:
    heard: list[bytes] = []

    def merchant(request: httpx.Request) -> httpx.Response:
        heard.append(request.content)
        return httpx.Response(200, content=b"<xml><return_code>SUCCESS</return_code></xml>")

    sandbox.set_console_url("https://merchant.example/console")
    await client.call("POST", NATIVE, native_order())
    sandbox.pay("native-0001")
    refund = refund_of("native-0001")
    del refund["notify_url"]
    await client.call("POST", "/v3/refund/domestic/refunds", refund)
    sandbox.clock.advance(seconds=3)
    async with httpx.AsyncClient(transport=httpx.MockTransport(merchant)) as http:
        assert [delivery.notice.url for delivery in await sandbox.deliver(http)][1:] == ["https://merchant.example/console"]
    assert heard[1].startswith(b"<xml>")
    assert b"<req_info>" in heard[1]


async def test_a_switch_mixes_the_keys_day_by_day(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(mode="certificate")
    certificate = sandbox.platform.certificates[0].serial
    sandbox.start_switch()
    shares: list[float] = []
    for _ in range(7):
        signed = [sandbox.key_for(sandbox.merchant).serial for _ in range(2000)]
        shares.append(signed.count(sandbox.platform.public_key.serial) / 2000)
        sandbox.clock.advance(days=1)
    assert [round(share, 2) for share in shares] == pytest.approx([0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0], abs=0.03)
    async with Handmade(sandbox.settings()) as client:
        both = {key.serial: load_public(key.pem) for key in (sandbox.platform.public_key, sandbox.platform.certificates[0])}
        client.platform = both
        for serial in both:
            response = await client.send("POST", NATIVE, native_order(), headers={"Wechatpay-Serial": serial})
            assert response.headers["wechatpay-serial"] == serial
        assert (await client.call("GET", "/v3/certificates"))["data"][0]["serial_no"] == certificate
        sandbox.finish_switch()
        assert await client.refused("GET", "/v3/certificates") == (404, "RESOURCE_NOT_EXISTS")


async def test_certificates_rotate(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(mode="certificate")
    async with Handmade(sandbox.settings()) as client:
        old = sandbox.platform.certificates[0].serial
        new = sandbox.new_certificate(sign_with_it=False).serial
        response = await client.send("GET", "/v3/certificates", headers={"Wechatpay-Serial": None})
        assert response.headers["wechatpay-serial"] == old
        assert [entry["serial_no"] for entry in response.json()["data"]] == [old, new]
        newest = sandbox.new_certificate().serial
        response = await client.send("GET", "/v3/certificates", headers={"Wechatpay-Serial": None})
        assert response.headers["wechatpay-serial"] == newest
        sandbox.retire_certificate(old)
        assert await client.refused("GET", "/v3/certificates") == (400, "PARAM_ERROR")
