"""`wechatpayv3` of PyPI against the sandbox: it signs, verifies and decrypts with its own code."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from queue import Queue
from typing import Any

import pytest
import requests

from tests.support.patience import PATIENCE
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.parties import Mode

# By name, since they have no types.
wechatpayv3: Any = import_module("wechatpayv3")
core: Any = import_module("wechatpayv3.core")

APPID = "wxd678efh567hg6787"
REAL = "https://api.mch.weixin.qq.com"

Notice = tuple[dict[str, str], bytes]


class Rerouted:
    """Stands for `requests` in the client, whose host is written into it: the same calls, to the sandbox."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __getattr__(self, method: str) -> Callable[..., requests.Response]:
        def send(*, url: str, **options: Any) -> requests.Response:
            return requests.request(method, url.replace(REAL, self._url), **options)  # noqa: S113 - the client gives a timeout

        return send


@pytest.fixture
def told() -> Generator[tuple[str, Queue[Notice]]]:
    """A merchant's address for notifications, and what arrives there."""
    arrived: Queue[Notice] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.put((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/notify", arrived
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["public_key", "certificate"])
def sandbox(request: pytest.FixtureRequest, make_key: Callable[[], Any]) -> Sandbox:
    mode: Mode = request.param
    return Sandbox(mode=mode, make_key=make_key)


@pytest.fixture
def url(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    with sandbox.serve(deliver=True) as address:
        monkeypatch.setattr(core, "requests", Rerouted(address))
        yield address


def client(sandbox: Sandbox, notify_url: str) -> Any:
    """The client as its README makes it. In certificate mode it downloads the certificates now."""
    settings = sandbox.settings()
    keys: dict[str, str] = {}
    if sandbox.merchant.mode == "public_key":
        ((keys["public_key_id"], keys["public_key"]),) = settings["certs"].items()
    return wechatpayv3.WeChatPay(
        wechatpay_type=wechatpayv3.WeChatPayType.NATIVE,
        mchid=settings["mchid"],
        private_key=settings["private_key"],
        cert_serial_no=settings["serial"],
        apiv3_key=settings["apiv3_key"],
        appid=APPID,
        notify_url=notify_url,
        timeout=PATIENCE,
        **keys,
    )


def test_order_query_refund_and_notifications(sandbox: Sandbox, url: str, told: tuple[str, Queue[Notice]]) -> None:
    notify_url, arrived = told
    wxpay = client(sandbox, notify_url)

    status, answer = wxpay.pay(description="一本书", out_trade_no="foreign-0001", amount={"total": 100})
    assert status == 200, answer
    assert json.loads(answer)["code_url"].startswith("weixin://wxpay/")

    sandbox.pay("foreign-0001")
    headers, body = arrived.get(timeout=PATIENCE)
    notice = wxpay.callback(headers, body)
    assert (notice["event_type"], notice["resource"]["out_trade_no"]) == ("TRANSACTION.SUCCESS", "foreign-0001")
    assert not wxpay.callback(headers, body.replace(b"TRANSACTION.SUCCESS", b"TRANSACTION.FAILURE"))

    status, answer = wxpay.query(out_trade_no="foreign-0001")
    assert (status, json.loads(answer)["trade_state"]) == (200, "SUCCESS")

    status, answer = wxpay.refund(
        out_refund_no="foreign-refund-1",
        amount={"refund": 60, "total": 100, "currency": "CNY"},
        out_trade_no="foreign-0001",
        notify_url=notify_url,
    )
    assert (status, json.loads(answer)["status"]) == (200, "PROCESSING")
    sandbox.finish_refund("foreign-refund-1")
    notice = wxpay.callback(*arrived.get(timeout=PATIENCE))
    assert (notice["event_type"], notice["resource"]["amount"]["refund"]) == ("REFUND.SUCCESS", 60)

    status, answer = wxpay.query_refund(out_refund_no="foreign-refund-1")
    assert (status, json.loads(answer)["status"]) == (200, "SUCCESS")


@pytest.mark.parametrize("sandbox", ["certificate"], indirect=True)
def test_certificates_are_downloaded(sandbox: Sandbox, url: str) -> None:
    wxpay = client(sandbox, "https://merchant.example/notify")
    assert [call.target for call in sandbox.calls] == ["/v3/certificates"]
    assert [certificate.serial_number for certificate in wxpay._core._certificates] == [  # what it holds is shown nowhere else
        int(key.serial, 16) for key in sandbox.platform.certificates
    ]
