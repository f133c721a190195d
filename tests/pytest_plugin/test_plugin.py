"""Another project's tests, run by a pytest of their own, with the plugin that it finds by itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

ORDER = """
ORDER = {
    "appid": "wxd678efh567hg6787",
    "mchid": "1900000109",
    "description": "a book",
    "out_trade_no": "order-1",
    "notify_url": "https://merchant.example/notify",
    "amount": {"total": 100, "currency": "CNY"},
}
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project whose pytest loads the plugin, be this checkout installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makeconftest('pytest_plugins = ["wechatpay_async.pytest_plugin"]')
    return pytester


def test_three_lines_are_enough(project: pytest.Pytester) -> None:
    project.makepyfile(
        ORDER
        + """
import pytest

@pytest.mark.anyio
async def test_an_order_is_paid(wechatpay_sandbox, wechatpay_client):
    await wechatpay_client.v3.pay.transactions.native.post(ORDER)
    wechatpay_sandbox.pay("order-1")
    seen = await wechatpay_client.v3.pay.transactions.outTradeNo._out_trade_no_.get(out_trade_no="order-1", params={"mchid": "1900000109"})
    assert seen.data["trade_state"] == "SUCCESS"

@pytest.mark.anyio
async def test_nothing_is_left_of_it(wechatpay_sandbox, wechatpay_client):
    assert not wechatpay_sandbox.book.orders

def test_it_is_on_a_port(wechatpay_sandbox_url):
    assert wechatpay_sandbox_url.startswith("http://127.0.0.1:")
"""
    )

    result = project.runpytest_subprocess("-p", "no:wechatpay")

    result.assert_outcomes(passed=5)  # the async ones on asyncio and on trio


def test_a_project_has_its_own_merchant_and_clock(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import pytest

@pytest.fixture
def wechatpay_sandbox_options():
    return {"mchid": "1900000999", "mode": "certificate", "clock": lambda: 1_764_043_200.0}

def test_it_has(wechatpay_sandbox):
    assert (wechatpay_sandbox.merchant.mchid, wechatpay_sandbox.clock()) == ("1900000999", 1_764_043_200.0)
"""
    )

    project.runpytest_subprocess("-p", "no:wechatpay").assert_outcomes(passed=1)


def test_the_sandbox_is_not_loaded_before_a_fixture_is_used(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import sys

def test_nothing_of_it_is_there():
    assert "wechatpay_async.pytest_plugin" in sys.modules
    assert "wechatpay_async.sandbox" not in sys.modules
"""
    )

    project.runpytest_subprocess("-p", "no:wechatpay").assert_outcomes(passed=1)


def test_it_is_announced_to_pytest() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert settings["project"]["entry-points"]["pytest11"] == {"wechatpay": "wechatpay_async.pytest_plugin"}
