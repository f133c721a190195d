"""What the developer sees, in the browser."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from tests.sandbox.examples import native_order
from tests.sandbox_pages.conftest import Scene


def test_a_sign_error_is_explained_as_a_diff(scene: Scene, page: Page) -> None:
    page.goto(f"{scene.pages}/calls")
    expect(page.get_by_role("status")).to_have_text("Calls: 0")
    target, data = "/v3/pay/transactions/native", native_order()
    signed_otherwise = json.dumps(data).encode()  # ASCII, while the body is sent as UTF-8
    scene.post(target, data, headers={"Authorization": scene.client.authorization("POST", target, signed_otherwise)})
    expect(page.get_by_role("status")).to_have_text("Calls: 1")
    page.get_by_role("link", name="Signature does not fit").click()
    expect(page.get_by_text("The body was serialised anew: other bytes were signed than were sent.")).to_be_visible()
    rows = page.locator("table.diff tbody tr")
    expect(rows).to_have_count(5)
    expect(page.locator("tr.differs")).to_have_count(1)
    expect(page.locator("tr.differs td").nth(0)).to_contain_text("Image形象店")
    expect(page.locator("tr.differs td").nth(1)).to_contain_text("Image\\u5f62\\u8c61\\u5e97")
    expect(rows.nth(0)).to_contain_text("same")


def test_what_a_request_carries_is_shown_and_not_run(scene: Scene, page: Page) -> None:
    scene.post("/v3/pay/transactions/native", native_order(description="<script>document.title = 'run'</script>"))
    page.goto(f"{scene.pages}/calls/1")
    expect(page.get_by_text("<script>document.title = 'run'</script>").first).to_be_visible()
    assert "run" not in page.title()


def test_a_notification_is_sent_again(scene: Scene, page: Page) -> None:
    scene.shop.answers = [500, 200]
    scene.post("/v3/pay/transactions/native", native_order(notify_url=scene.shop.notify_url))
    scene.sandbox.pay("native-0001")
    page.goto(f"{scene.pages}/notifications")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("500", exact=True)).to_be_visible()
    expect(page.get_by_text("waiting")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("200", exact=True)).to_be_visible()
    expect(page.locator("#notice").get_by_text("taken")).to_be_visible()
    assert len(scene.shop.told) == 2


def test_orders_are_listed_with_their_state(scene: Scene, page: Page) -> None:
    scene.post("/v3/pay/transactions/native", native_order())
    page.goto(f"{scene.pages}/orders")
    row = page.get_by_role("listitem").filter(has_text="native-0001")
    expect(row.locator(".state")).to_have_text("NOTPAY")
    scene.sandbox.pay("native-0001")
    expect(row.locator(".state")).to_have_text("SUCCESS")


def test_the_clock_is_moved(scene: Scene, page: Page) -> None:
    page.goto(f"{scene.url}/_sandbox")
    expect(page.locator("main time")).to_have_text("2025-11-25 12:00:00")
    page.get_by_role("button", name="1 day").click()
    expect(page.locator("main time")).to_have_text("2025-11-26 12:00:00")


def test_the_language_is_switched_and_kept(scene: Scene, page: Page) -> None:
    page.goto(f"{scene.pages}/calls")
    expect(page.get_by_text("This is not WeChat Pay. No money moves here.")).to_be_visible()
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", name="接口调用")).to_be_visible()
    page.get_by_role("link", name="收银台").click()
    expect(page.get_by_text("没有等待付款人操作的单据。")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
