"""Fixtures for a project's own tests: a sandbox, and a client of it. pytest finds them by itself once the package is installed.

    async def test_an_order_is_paid(wechatpay_sandbox, wechatpay_client):
        await my_shop.place_order(wechatpay_client, "order-1")
        wechatpay_sandbox.pay("order-1")

A project that wants another merchant, or a clock that stands still, overrides `wechatpay_sandbox_options`.

pytest loads this module wherever the package is installed, so it imports the sandbox only when a fixture is used: a project without the
`sandbox` extra does not notice it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from wechatpay_async import Wechatpay
    from wechatpay_async.sandbox import Sandbox

__all__ = ["wechatpay_client", "wechatpay_sandbox", "wechatpay_sandbox_keys", "wechatpay_sandbox_options", "wechatpay_sandbox_url"]


@pytest.fixture(scope="session")
def wechatpay_sandbox_keys() -> Callable[[], rsa.RSAPrivateKey]:
    """Hands out RSA keys, the same four again and again: making them is what costs time in making a sandbox."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    keys = cycle([rsa.generate_private_key(65537, 2048) for _ in range(4)])
    return lambda: next(keys)


@pytest.fixture
def wechatpay_sandbox_options() -> dict[str, Any]:
    """Keyword arguments for `Sandbox`: nothing, until a project overrides it."""
    return {}


@pytest.fixture
def wechatpay_sandbox(wechatpay_sandbox_keys: Callable[[], rsa.RSAPrivateKey], wechatpay_sandbox_options: dict[str, Any]) -> Sandbox:
    """A WeChat Pay of the test's own, in this process: nothing of it is left for the next test."""
    from wechatpay_async.sandbox import Sandbox

    options: dict[str, Any] = {"make_key": wechatpay_sandbox_keys, **wechatpay_sandbox_options}
    return Sandbox(**options)


@pytest.fixture
def wechatpay_client(wechatpay_sandbox: Sandbox) -> Wechatpay:
    """A client of the sandbox in this process, strict about what it sends. It holds no socket, so it need not be closed."""
    from wechatpay_async import Wechatpay

    return Wechatpay(**wechatpay_sandbox.settings(), validate="strict")


@pytest.fixture
def wechatpay_sandbox_url(wechatpay_sandbox: Sandbox) -> Generator[str]:
    """The address of the sandbox on a loopback port, for a program of its own or one in another language."""
    with wechatpay_sandbox.serve() as url:
        yield url
