"""When signatures are computed."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from tests.support.keys import MERCHANT_KEY
from wechatpay_async.crypto import rsa
from wechatpay_async.signing import Signer

pytestmark = pytest.mark.anyio

MESSAGE = b"GET\n/v3/certificates\n1\nn\n\n"
SIGNATURE = rsa.sign(MERCHANT_KEY, MESSAGE)


async def test_a_call_that_is_alone_signs_at_once() -> None:
    signer = Signer()
    with signer.call():
        assert await signer.sign(MERCHANT_KEY, MESSAGE) == SIGNATURE


async def test_calls_together_sign_one_in_a_turn_of_the_loop() -> None:
    signer, together = Signer(), anyio.Event()
    turns = 0
    signed_in: list[int] = []
    signatures: list[str] = []

    async def call() -> None:
        with signer.call():
            await together.wait()
            signatures.append(await signer.sign(MERCHANT_KEY, MESSAGE))
            signed_in.append(turns)

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        together.set()
        for _ in range(1000):
            turns += 1
            await anyio.lowlevel.checkpoint()
    assert signatures == [SIGNATURE] * 10
    assert len(set(signed_in)) >= 9  # this task had its turn between them; the last call is alone by then


async def test_a_call_that_is_cancelled_while_it_waits_lets_the_others_go_on() -> None:
    signer, together = Signer(), anyio.Event()
    done: list[str] = []

    async def call() -> None:
        with signer.call():
            await together.wait()
            done.append(await signer.sign(MERCHANT_KEY, MESSAGE))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        together.set()
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    with signer.call():
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(call)
    assert done[-2:] == [SIGNATURE] * 2
