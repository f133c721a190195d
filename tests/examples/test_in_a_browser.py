"""Somebody buys in the shop with a real browser: by QR code in the sandbox's cashier, and inside WeChat; then staff refund it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Generator
from importlib.resources import files
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect
from shop.app import make_app

from tests.examples.conftest import AT_ONCE, STAFF, settings
from tests.sandbox.conftest import NOON
from tests.sandbox_pages.conftest import PATIENCE_MS, browser, context, page
from wechatpay_async import Wechatpay
from wechatpay_async.sandbox import Sandbox

__all__ = ["browser", "context", "page"]

pytestmark = pytest.mark.browser


@pytest.fixture
def sandbox(make_key: Callable[[], Any]) -> Sandbox:
    return Sandbox(clock=lambda: NOON, make_key=make_key)


@pytest.fixture
def shop(sandbox: Sandbox, database: str) -> Generator[str]:
    """The shop on a port, beside a sandbox on another that tells it what happened; gives the shop's address."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with sandbox.serve(deliver=True) as url:
        told = settings(database, address, sandbox_url=url)
        app = make_app(told, lambda: Wechatpay(**sandbox.settings(base_url=url), retry=AT_ONCE), sandbox.clock)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield address
        server.should_exit = True
        thread.join()


def check_accessible(page: Page) -> None:
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    assert page.evaluate("axe.run()")["violations"] == []


def test_a_cup_is_bought_by_code_and_refunded(shop: str, browser: Browser, context: BrowserContext, page: Page, sandbox: Sandbox) -> None:
    page.goto(shop)
    check_accessible(page)
    page.get_by_role("button", name="Pay by QR code: Celadon cup").click()
    expect(page.get_by_role("img", name="Scan with WeChat to pay")).to_be_visible()
    check_accessible(page)

    with context.expect_page() as opened:
        page.get_by_role("link", name="Sandbox: open the cashier").click()
    cashier = opened.value
    cashier.get_by_role("button", name=re.compile("^Pay")).click()
    expect(cashier.get_by_role("status")).to_be_visible()
    cashier.close()

    expect(page.get_by_role("status")).to_have_text("Paid, thank you. The parcel is on its way.")  # the page has looked by itself
    check_accessible(page)

    staff = browser.new_context(locale="en-GB", http_credentials={"username": STAFF[0], "password": STAFF[1]})
    staff.set_default_timeout(PATIENCE_MS)
    desk = staff.new_page()
    desk.goto(f"{shop}/staff")
    check_accessible(desk)
    desk.get_by_role("button", name=re.compile("^Refund")).click()
    expect(desk.get_by_role("cell", name="PROCESSING")).to_be_visible()
    (refund,) = sandbox.book.refunds.values()
    sandbox.finish_refund(refund.out_refund_no)

    expect(page.get_by_role("status")).to_have_text("Refunded.")
    sandbox.clock.advance(days=1)
    desk.goto(f"{shop}/staff")
    desk.get_by_role("button", name="Close the day 2025-11-25").click()
    expect(desk.get_by_role("status")).to_have_text("The books and the bill agree.")
    check_accessible(desk)
    staff.close()


def test_a_teapot_is_bought_inside_wechat(shop: str, page: Page) -> None:
    page.goto(shop)
    page.get_by_role("button", name="Pay in WeChat: Clay teapot").click()
    page.get_by_role("link", name="Pay in WeChat").click()
    page.get_by_role("button", name="Pay", exact=True).click()
    wechat = page.frame_locator("dialog iframe")
    wechat.get_by_role("button", name=re.compile("^Cancel")).click()
    expect(page.get_by_role("status")).to_have_text("Cancelled. The order can still be paid.")

    page.get_by_role("button", name="Pay", exact=True).click()
    wechat.get_by_role("button", name=re.compile("^Pay")).click()

    expect(page.get_by_role("status")).to_have_text("Paid, thank you. The parcel is on its way.")


def test_a_phone_shows_the_shelf_without_scrolling_sideways(shop: str, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(shop)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
