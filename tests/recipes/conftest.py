"""A sandbox on a port, and the environment in which a recipe starts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_examples import environment
from tests.sandbox.conftest import make_key, patient_notifier
from wechatpay_async.sandbox import Sandbox

__all__ = ["make_key", "patient_notifier"]

NOTIFY_URL = "https://shop.example.com/wechatpay/notify"


@pytest.fixture
def sandbox(make_key: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Sandbox]:
    made = Sandbox(make_key=make_key)
    monkeypatch.chdir(tmp_path)  # the inbox is a file of the folder
    with made.serve() as url:
        for name, value in environment(made.settings(base_url=url)).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SHOP_APPID", "wxd678efh567hg6787")
        monkeypatch.setenv("SHOP_NOTIFY_URL", NOTIFY_URL)
        yield made
