"""A real Chromium, a sandbox on a socket, and a merchant's server beside it: two origins, as in life."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.sandbox.conftest import NOON, make_key, patient_notifier
from tests.support.handmade import Handmade
from tests.support.patience import PATIENCE
from wechatpay_async.sandbox import Sandbox

__all__ = ["make_key", "patient_notifier"]

HERE = Path(__file__).parent

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: The same in milliseconds, as a browser counts.
PATIENCE_MS = PATIENCE * 1000
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lies here needs a browser."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@dataclass
class Shop:
    """A merchant's server: one page, and an address for notifications that answers as it is told."""

    url: str
    page: str = ""
    answers: list[int] = field(default_factory=list[int])
    told: list[bytes] = field(default_factory=list[bytes])

    @property
    def notify_url(self) -> str:
        return f"{self.url}/notify"


@dataclass
class Scene:
    """Everything that a test of the pages has."""

    sandbox: Sandbox
    url: str
    shop: Shop
    client: Handmade

    @property
    def pages(self) -> str:
        return f"{self.url}/_sandbox/pages"

    def post(self, target: str, data: Any, **options: Any) -> Any:
        """A call of the merchant's; in a thread of its own, since the browser's driver has a loop in this one."""

        async def call() -> Any:
            async with Handmade(self.sandbox.settings(base_url=self.url)) as client:
                response = await client.send("POST", target, data, **options)
                return response.json()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(anyio.run, call).result()

    def pay_params(self, prepay_id: str, app_id: str, **changes: str) -> dict[str, str]:
        """What a merchant's server gives to its page for `getBrandWCPayRequest`."""
        params = {"appId": app_id, "timeStamp": str(int(NOON)), "nonceStr": secrets.token_hex(16), "package": f"prepay_id={prepay_id}"}
        message = "".join(f"{value}\n" for value in params.values()).encode()
        signature = self.client.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return params | {"signType": "RSA", "paySign": base64.b64encode(signature).decode()} | changes

    def shop_page(self, name: str, params: dict[str, str]) -> None:
        """The merchant's page: a button that pays, and what came of it."""
        self.shop.page = f"""<!doctype html><html lang="en"><title>Shop</title><meta name="viewport" content="width=device-width">
        <script src="{self.pages}/static/bridge.js"></script><h1>Shop</h1><button id="buy">Buy</button><output id="result"></output>
        <script>
          const params = {json.dumps(params)};
          const show = (answer) => document.getElementById("result").textContent = answer.err_msg;
          document.getElementById("buy").onclick = () => WeixinJSBridge.invoke("{name}", params, show);
        </script></html>"""


@pytest.fixture
def shop() -> Generator[Shop]:
    made = Shop("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, made.page.encode())

        def do_POST(self) -> None:
            made.told.append(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(made.answers.pop(0) if made.answers else 200, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def scene(make_key: Callable[[], Any], shop: Shop) -> Generator[Scene]:
    sandbox = Sandbox(clock=lambda: NOON, make_key=make_key)
    with sandbox.serve() as url:
        yield Scene(sandbox, url, shop, Handmade(sandbox.settings()))


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Generator[BrowserContext]:
    made = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Generator[Page]:
    """A page whose script must not complain."""
    made = context.new_page()
    complaints: list[str] = []
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("console", lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None)
    yield made
    assert complaints == []
