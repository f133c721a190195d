"""Axe finds nothing on any page: in both languages, dark and light, on a phone and on a desk."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import product
from typing import Any, Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from tests.sandbox.examples import APPID, MCHID, native_order, refund_of, score_order
from tests.sandbox_pages.conftest import PATIENCE_MS, Scene


def full(scene: Scene) -> list[str]:
    """The addresses of pages that have something to show."""
    scene.shop.answers = [500]
    target = "/v3/pay/transactions/native"
    scene.post(target, native_order(notify_url=scene.shop.notify_url))
    scene.post(target, native_order("native-0002"))
    scene.post("/v3/payscore/serviceorder", score_order())
    scene.post(target, native_order(), headers={"Authorization": scene.client.authorization("POST", target, b"{}")})
    jsapi = native_order("jsapi-0001", payer={"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"})
    prepay_id = scene.post("/v3/pay/transactions/jsapi", jsapi)["prepay_id"]
    wrong = json.dumps(scene.pay_params(prepay_id, APPID, nonceStr="another"))
    scene.sandbox.pay("native-0001")
    scene.post("/v3/refund/domestic/refunds", refund_of("native-0001"))
    again = f"/notifications/{scene.sandbox.book.notices[0].id}"
    scene.post(target, native_order("native-0003"))
    scene.sandbox.pay("native-0003")
    complaint = scene.sandbox.complain("native-0003", "The book has never come").complaint_id
    sheet = f"/cashier/sheet?kind=order&mchid={MCHID}&sub_mchid=&no="
    return [
        *("/", "/cashier", "/calls", "/calls/1", "/calls/4", "/orders", "/notifications", "/jsapi", "/no-such-page", again),
        *(sheet + "native-0001", sheet + "native-0002", f"/jsapi?params={quote(wrong)}"),
        sheet.replace("order", "complaint") + complaint,
    ]


@pytest.mark.parametrize(
    ("language", "scheme", "width"), list(product(["zh-CN", "en"], ["light", "dark"], [390, 1280])), ids=lambda value: str(value)
)
def test_axe_finds_nothing(scene: Scene, browser: Browser, language: str, scheme: Literal["light", "dark"], width: int) -> None:
    axe = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    context = browser.new_context(locale=language, color_scheme=scheme, viewport={"width": width, "height": 844})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    found: list[Any] = []
    for address in full(scene):
        page.goto(scene.pages + address)
        page.evaluate(axe)
        violations: list[Any] = page.evaluate("axe.run()")["violations"]
        found += [(address, rule["id"], [node["html"] for node in rule["nodes"]]) for rule in violations]
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [(address, "wider than the screen", wide)] if wide > 0 else []
    context.close()
    assert found == []
