"""When the RSA signature is computed, so that many calls at once do not keep the event loop from everybody else."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anyio
import anyio.lowlevel
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from wechatpay_async.crypto import rsa

__all__ = ["Signer"]


class Signer:
    """Signs at once for a call that is alone, and one signature in a turn of the event loop for calls that wait together.

    A signature takes 0.3 to 0.7 ms. Worker threads were measured and lost: a thread that has computed must get the interpreter back from a
    busy loop, which takes longer than the signature. One signer serves all merchants of a process.
    """

    def __init__(self) -> None:
        self._turn: anyio.Lock | None = None  # made in the event loop that it serves
        self._in_flight = 0

    @contextmanager
    def call(self) -> Generator[None, None, None]:
        """Count a call that is under way."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def sign(self, key: RSAPrivateKey, message: bytes) -> str:
        """The base64 signature of `message`."""
        if self._in_flight <= 1:
            return rsa.sign(key, message)
        if self._turn is None:
            self._turn = anyio.Lock(fast_acquire=True)
        async with self._turn:
            signature = rsa.sign(key, message)
            await anyio.lowlevel.checkpoint()  # whoever else is ready goes before the next signature
        return signature
