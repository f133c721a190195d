"""What the payer does, in the browser."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.sandbox.examples import APPID, MCHID, native_order, score_order
from tests.sandbox_pages.conftest import Scene
from wechatpay_async.sandbox import Order


def state(scene: Scene, number: str) -> str:
    order: Order = scene.sandbox.book.orders[((MCHID, ""), number)]
    return order.state


def jsapi_order(number: str = "jsapi-0001", **changes: Any) -> dict[str, Any]:
    return native_order(number, payer={"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}, **changes)


def test_a_native_order_appears_and_is_paid(scene: Scene, page: Page) -> None:
    page.goto(f"{scene.pages}/cashier")
    expect(page.get_by_text("Nothing waits for the payer.")).to_be_visible()
    code_url = scene.post("/v3/pay/transactions/native", native_order(notify_url=scene.shop.notify_url))["code_url"]
    page.get_by_role("link", name="native-0001").click()
    expect(page.get_by_role("img", name="QR code of the native order")).to_be_visible()
    expect(page.get_by_text(code_url)).to_be_visible()
    expect(page.get_by_text("¥1.00")).to_be_visible()
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("status")).to_have_text("Done.")
    expect(page.locator(".state")).to_have_text("SUCCESS")
    assert state(scene, "native-0001") == "SUCCESS"


def test_a_code_is_scanned_and_the_payer_cancels(scene: Scene, page: Page) -> None:
    code_url = scene.post("/v3/pay/transactions/native", native_order())["code_url"]
    page.goto(f"{scene.pages}/cashier")
    page.get_by_label("code_url, prepay_id or order number").fill(code_url)
    page.get_by_role("button", name="Open").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_have_text("Cancelled by the payer. The order can still be paid.")
    assert state(scene, "native-0001") == "NOTPAY"


def test_an_order_expires_and_cannot_be_paid_in_another_window(scene: Scene, page: Page) -> None:
    scene.post("/v3/pay/transactions/native", native_order())
    page.goto(f"{scene.pages}/cashier/sheet?kind=order&mchid={MCHID}&sub_mchid=&no=native-0001")
    other = page.context.new_page()
    other.goto(page.url)
    page.get_by_role("button", name="Let it expire").click()
    expect(page.locator(".state")).to_have_text("CLOSED")
    assert state(scene, "native-0001") == "CLOSED"
    assert other.request.post(f"{scene.pages}/cashier/sheet", form={"kind": "order", "mchid": MCHID, "no": "native-0001"}).status == 409


def test_the_keyboard_is_enough(scene: Scene, page: Page) -> None:
    scene.post("/v3/pay/transactions/native", native_order())
    page.goto(f"{scene.pages}/cashier/sheet?kind=order&mchid={MCHID}&sub_mchid=&no=native-0001")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Pay")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Done.")


def test_an_h5_order_goes_back_to_the_merchant(scene: Scene, page: Page) -> None:
    scene.shop.page = "<!doctype html><title>Shop</title><h1>Thank you</h1>"
    order = native_order("h5-0001", scene_info={"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}})
    h5_url = scene.post("/v3/pay/transactions/h5", order)["h5_url"]
    page.goto(f"{h5_url}&redirect_url={quote(scene.shop.url + '/thanks', safe='')}")
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert page.url == f"{scene.shop.url}/thanks"
    assert state(scene, "h5-0001") == "SUCCESS"


def test_a_redirect_url_that_is_a_script_is_no_link(scene: Scene, page: Page) -> None:
    order = native_order("h5-0001", scene_info={"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}})
    h5_url = scene.post("/v3/pay/transactions/h5", order)["h5_url"]
    page.goto(f"{h5_url}&redirect_url={quote('javascript:alert(1)')}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert "javascript:" not in page.content()


@pytest.mark.parametrize(("button", "result", "left"), [("Pay", "ok", "SUCCESS"), ("Cancel", "cancel", "NOTPAY")])
def test_a_jsapi_page_pays_with_the_right_pay_sign(scene: Scene, page: Page, button: str, result: str, left: str) -> None:
    prepay_id = scene.post("/v3/pay/transactions/jsapi", jsapi_order())["prepay_id"]
    scene.shop_page("getBrandWCPayRequest", scene.pay_params(prepay_id, APPID))
    page.goto(scene.shop.url)
    page.get_by_role("button", name="Buy").click()
    page.frame_locator("iframe").get_by_role("button", name=button, exact=True).click()
    expect(page.locator("#result")).to_have_text(f"get_brand_wcpay_request:{result}")
    assert state(scene, "jsapi-0001") == left


def test_a_jsapi_page_is_refused_with_a_wrong_pay_sign(scene: Scene, page: Page) -> None:
    prepay_id = scene.post("/v3/pay/transactions/jsapi", jsapi_order())["prepay_id"]
    right = scene.pay_params(prepay_id, APPID)
    message = "".join(f"{right[name]}\n" for name in ("appId", "timeStamp", "nonceStr")) + f"{prepay_id}\n"
    scene.shop_page("getBrandWCPayRequest", right | {"paySign": scene.client.sign(message.encode())})
    page.goto(scene.shop.url)
    page.get_by_role("button", name="Buy").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="paySign does not fit")).to_be_visible()
    expect(frame.get_by_text("The package must be signed with its prefix prepay_id=.")).to_be_visible()
    expect(frame.locator("tr.differs td").nth(0)).to_have_text(f"prepay_id={prepay_id}")
    expect(frame.locator("tr.differs td").nth(1)).to_have_text(prepay_id)
    frame.get_by_role("button", name="Close").click()
    expect(page.locator("#result")).to_have_text("get_brand_wcpay_request:fail")
    assert state(scene, "jsapi-0001") == "NOTPAY"


def test_escape_closes_the_cashier_over_a_page(scene: Scene, page: Page) -> None:
    prepay_id = scene.post("/v3/pay/transactions/jsapi", jsapi_order())["prepay_id"]
    scene.shop_page("getBrandWCPayRequest", scene.pay_params(prepay_id, APPID))
    page.goto(scene.shop.url)
    page.get_by_role("button", name="Buy").click()
    expect(page.frame_locator("iframe").get_by_role("button", name="Pay")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#result")).to_have_text("get_brand_wcpay_request:cancel")


def test_a_pay_score_order_is_confirmed_from_a_page(scene: Scene, page: Page) -> None:
    package = scene.post("/v3/payscore/serviceorder", score_order())["package"]
    given = {"mch_id": MCHID, "package": package, "timestamp": "1764043200", "nonce_str": "n1", "sign_type": "HMAC-SHA256"}
    text = "&".join(f"{name}={value}" for name, value in sorted(given.items())) + f"&key={scene.sandbox.merchant.secret}"
    given["sign"] = hmac.new(scene.sandbox.merchant.secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
    scene.shop_page("openBusinessView", {"businessType": "wxpayScoreUse", "queryString": urlencode(given)})
    page.goto(scene.shop.url)
    page.get_by_role("button", name="Buy").click()
    page.frame_locator("iframe").get_by_role("button", name="Confirm").click()
    expect(page.locator("#result")).to_have_text("openBusinessView:ok")
    assert scene.sandbox.payscore.find("score-0001").state == "DOING"
