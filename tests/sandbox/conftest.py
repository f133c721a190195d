"""Fixtures: sandboxes made from a few ready RSA keys, with a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import cycle
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.handmade import Handmade
from tests.support.patience import PATIENCE
from wechatpay_async.sandbox import Sandbox

#: 2025-11-25 12:00:00 +08:00
NOON = 1_764_043_200.0

MakeSandbox = Callable[..., Sandbox]


@pytest.fixture(scope="session")
def make_key() -> Callable[[], rsa.RSAPrivateKey]:
    keys = cycle([rsa.generate_private_key(65537, 2048) for _ in range(6)])
    return lambda: next(keys)


@pytest.fixture(autouse=True)
def patient_notifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat Pay waits five seconds for a merchant, which a busy machine may need."""
    monkeypatch.setattr("wechatpay_async.sandbox.notifier.PATIENCE", PATIENCE)


@pytest.fixture
def make_sandbox(make_key: Callable[[], rsa.RSAPrivateKey]) -> MakeSandbox:
    def make(**options: Any) -> Sandbox:
        settings: dict[str, Any] = {"clock": lambda: NOON, "make_key": make_key}
        return Sandbox(**settings | options)

    return make


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox()


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Handmade]:
    async with Handmade(sandbox.settings()) as made:
        yield made
