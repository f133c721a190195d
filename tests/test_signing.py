"""Where signatures are computed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.support.keys import MERCHANT_KEY
from wechatpay_async.crypto import rsa
from wechatpay_async.signing import Signer

pytestmark = pytest.mark.anyio

SIGN = rsa.sign
MESSAGE = b"GET\n/v3/certificates\n1\nn\n\n"


@dataclass
class Threads:
    """In which threads signatures were made, and how many at once."""

    seen: list[int] = field(default_factory=list[int])
    busy: int = 0
    most: int = 0

    def sign(self, key: RSAPrivateKey, message: bytes) -> str:
        self.busy += 1
        self.most = max(self.most, self.busy)
        self.seen.append(threading.get_ident())
        try:
            return SIGN(key, message)
        finally:
            self.busy -= 1


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    threads = Threads()
    monkeypatch.setattr(rsa, "sign", threads.sign)
    return threads


async def test_a_call_that_is_alone_signs_in_line(threads: Threads) -> None:
    signer = Signer()
    with signer.call():
        assert await signer.sign(MERCHANT_KEY, MESSAGE) == SIGN(MERCHANT_KEY, MESSAGE)
    assert threads.seen == [threading.get_ident()]


@pytest.mark.parametrize("cores", [1, 2])
async def test_calls_together_sign_beside_the_loop_and_leave_a_core_to_it(threads: Threads, cores: int) -> None:
    signer = Signer(cores)
    signatures: list[str] = []

    async def call() -> None:
        with signer.call():
            await anyio.wait_all_tasks_blocked()
            signatures.append(await signer.sign(MERCHANT_KEY, MESSAGE))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(call)
    assert signatures == [SIGN(MERCHANT_KEY, MESSAGE)] * 10
    assert threads.most == 1
    assert set(threads.seen[:-1]).isdisjoint({threading.get_ident()})  # the last one may be alone by then
