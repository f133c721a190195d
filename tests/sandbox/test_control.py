"""The people of a sandbox over HTTP, and the sandbox as a program."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.sandbox.examples import native_order, score_order
from tests.support.handmade import Handmade
from tests.support.patience import PATIENCE
from wechatpay_async.sandbox import Sandbox, __main__

pytestmark = pytest.mark.anyio

NATIVE = "/v3/pay/transactions/native"


@pytest.fixture
async def people(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/_sandbox/") as made:
        yield made


async def test_a_user_pays_over_http(client: Handmade, people: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await client.call("POST", NATIVE, native_order())
    response = await people.post("pay", json={"out_trade_no": "native-0001"})
    assert response.json() == {"done": "pay", "at": "2025-11-25T12:00:00+08:00"}
    assert sandbox.book.orders[(("1900000109", ""), "native-0001")].state == "SUCCESS"
    assert (await people.post("pay", json={"out_trade_no": "native-0001"})).json()["code"] == "ORDERPAID"
    await client.call("POST", "/v3/payscore/serviceorder", score_order())
    assert (await people.post("payscore/confirm", json={"out_order_no": "score-0001", "openid": "o1"})).status_code == 200
    assert sandbox.payscore.find("score-0001").terms["openid"] == "o1"


@pytest.mark.parametrize(
    ("path", "values", "status"),
    [
        ("pay", {"out_trade_no": "nothing"}, 404),
        ("pay", {}, 400),
        ("pay", [], 400),
        ("pay", {"out_trade_no": "x", "colour": "red"}, 400),
        ("clock/advance", {"seconds": -1}, 400),
        ("clock/advance", {"years": 1}, 400),
        ("faults", {"kind": "rainy"}, 400),
        ("emit", {"event_type": "COUPON.EAT", "url": "https://merchant.example"}, 404),
        ("emit", {"event_type": "COUPON.USE"}, 400),
        ("notifications/nothing/send", {}, 404),
        ("nothing", {}, 404),
    ],
)
async def test_what_cannot_be_done(people: httpx.AsyncClient, path: str, values: Any, status: int) -> None:
    assert (await people.post(path, json=values)).status_code == status


async def test_bodies_must_be_json(people: httpx.AsyncClient) -> None:
    assert (await people.post("pay", content=b"{}", headers={"Content-Type": "text/plain"})).status_code == 400
    assert (await people.post("pay", content=b"{", headers={"Content-Type": "application/json"})).status_code == 400


async def test_no_other_page_gets_in(people: httpx.AsyncClient) -> None:
    assert (await people.get("settings", headers={"Host": "rebound.example"})).status_code == 403
    assert (await people.get("settings", headers={"Origin": "https://page.example"})).status_code == 403


async def test_clock_faults_calls_and_notifications(client: Handmade, people: httpx.AsyncClient, sandbox: Sandbox) -> None:
    assert (await people.post("clock/advance", json={"hours": 2})).json() == {"now": "2025-11-25T14:00:00+08:00"}
    assert (await people.post("faults", json={"kind": "rate_limited", "times": 1})).json()["faults"][0]["kind"] == "rate_limited"
    assert (await client.send("POST", NATIVE, native_order())).status_code == 429
    await people.post("faults", json={"kind": "rate_limited"})
    assert (await people.delete("faults")).json() == {"faults": []}
    await client.call("POST", NATIVE, native_order())
    calls = (await people.get("calls?limit=1")).json()["calls"]
    assert [(call["operation"], call["signature_fits"], call["status"]) for call in calls] == [(f"POST {NATIVE}", True, 200)]
    await people.post("pay", json={"out_trade_no": "native-0001"})
    (notice,) = (await people.get("notifications")).json()["notifications"]
    assert (notice["event_type"], notice["attempts"]) == ("TRANSACTION.SUCCESS", 0)

    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sandbox.notifier.receiver = refusing
    assert (await people.post("deliver", json={})).json()["deliveries"][0]["taken"] is False
    assert len((await people.post(f"notifications/{notice['id']}/send", json={})).json()["deliveries"]) == 1


async def test_any_event_is_told(people: httpx.AsyncClient) -> None:
    told = {"event_type": "COUPON.USE", "url": "https://merchant.example/notify", "fields": {"coupon_id": "42"}}
    assert (await people.post("emit", json=told)).json()["resource"]["coupon_id"] == "42"


async def test_settings_are_what_a_client_needs(people: httpx.AsyncClient, sandbox: Sandbox) -> None:
    settings = (await people.get("settings")).json()["1900000109"]
    assert settings["WECHATPAY_BASE_URL"] == "http://127.0.0.1"
    assert settings["WECHATPAY_SERIAL"] == sandbox.merchant.serial
    assert settings["WECHATPAY_PRIVATE_KEY"].startswith("private.pkcs8://MII")
    assert settings["WECHATPAY_PUBLIC_KEY_ID"] == sandbox.platform.public_key.serial


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    at_once = threading.Event()
    at_once.set()
    status = __main__.main(["--port", "0", *arguments], until=at_once)
    told = capsys.readouterr()
    return status, told.out, told.err


def test_the_program_says_how_to_connect(capsys: pytest.CaptureFixture[str]) -> None:
    status, told, _ = run("--mode", "certificate", capsys=capsys)
    assert status == 0
    assert "export WECHATPAY_BASE_URL='http://127.0.0.1:" in told
    assert "export WECHATPAY_APIV3_KEY='" in told
    assert 'platform_keys="auto"' in told
    assert "WARNING" not in told


def test_the_program_warns_when_others_can_reach_it(capsys: pytest.CaptureFixture[str]) -> None:
    _, told, _ = run("--host", "0.0.0.0", capsys=capsys)  # noqa: S104 - the warning is what is looked at
    assert "WARNING: it listens on 0.0.0.0." in told
    assert "WECHATPAY_PUBLIC_KEY_ID" in told


def test_the_program_says_when_the_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, complaint = run("--port", str(taken.getsockname()[1]), capsys=capsys)
    assert status == 1
    assert complaint.startswith("cannot listen on 127.0.0.1")


async def test_the_program_delivers_notifications_itself() -> None:
    heard = threading.Event()

    def listen(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            heard.set()

    sandbox = Sandbox()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/notify"
        async with sandbox.serve(deliver=True) as base_url, Handmade(sandbox.settings(base_url=base_url)) as client:
            await client.call("POST", NATIVE, native_order(notify_url=url))
            sandbox.pay("native-0001")
            thread.join(PATIENCE)
    assert heard.is_set()


def test_it_runs_as_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "wechatpay_async.sandbox", "--help"], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert ran.returncode == 0
    assert "A WeChat Pay on your own machine." in ran.stdout
