"""Where the RSA signature is computed, so that it neither stalls the event loop nor costs a thread's round trip for nothing."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

import anyio.to_thread
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from wechatpay_async.crypto import rsa

__all__ = ["Signer"]


class Signer:
    """Signs in line for a call that is alone, and in worker threads where other calls wait for the loop.

    `cryptography` lets go of the interpreter while it computes (0.7 ms). There are as many threads as processor cores, less one for the
    loop: more of them take the loop's core away. One signer serves all merchants of a process.
    """

    def __init__(self, cores: int | None = None) -> None:
        self._threads = max(1, (cores or os.cpu_count() or 1) - 1)
        self._limiter: anyio.CapacityLimiter | None = None  # made in the event loop that it serves
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
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._threads)
        return await anyio.to_thread.run_sync(rsa.sign, key, message, limiter=self._limiter)
