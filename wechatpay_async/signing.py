"""When and where the RSA signature is computed, so that many calls at once do not keep the event loop from everybody else."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wechatpay_async.crypto import rsa, signing_process
from wechatpay_async.crypto.masking import masked
from wechatpay_async.crypto.signing_process import ANSWER, KEY_LENGTH, READY, REQUEST
from wechatpay_async.turns import Turns

__all__ = ["ProcessSigner", "Signer"]

_log = logging.getLogger("wechatpay_async.signing")

#: Seconds without an answer after which the process is given up; a signature takes it less than a thousandth.
_PATIENCE: Final = 3.0
#: Requests that may wait for the process, so that none of them can fill its socket.
_MOST_WAITING: Final = 64
#: Keys that the process is given; the calls of more merchants sign here.
_MOST_KEYS: Final = 4096


class Signer:
    """Signs at once for a call that is alone, and one signature in a turn of the event loop for calls that wait together.

    A signature takes 0.3 to 0.7 ms. Worker threads were measured and lost: a thread that has computed must get the interpreter back from a
    busy loop, which takes longer than the signature. One signer serves all merchants of a process.
    """

    def __init__(self) -> None:
        self._turns = Turns()
        self._in_flight = 0

    @contextmanager
    def call(self) -> Generator[None, None, None]:
        """Count a call that is under way."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def turn(self, *, join: bool = False) -> None:
        """Where other calls are under way, wait for a turn of the event loop of one's own (`Turns.take`)."""
        if self._in_flight > 1:
            await self._turns.take(join=join)

    async def sign(self, key: RSAPrivateKey, message: bytes) -> str:
        """The base64 signature of `message`."""
        await self.turn()
        return rsa.sign(key, message)

    async def aclose(self) -> None:
        """Nothing is kept."""


class ProcessSigner(Signer):
    """Signs in a process of its own where calls wait together: the event loop and the signatures then have a core each.

    The process is started by the first calls that are in flight together, and gets keys and digests over an anonymous socket. Until it is
    ready, and wherever it cannot be had (one core, Windows, a frozen program, a process that died), this is a `Signer`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._process: _Process | None = None
        self._tried_in: int | None = None  # the process id: a service that forks has another one, and must not share

    async def sign(self, key: RSAPrivateKey, message: bytes) -> str:
        """The base64 signature of `message`."""
        if self._in_flight > 1:
            process = self._process if self._process is not None and self._process.owner == os.getpid() else await self._started()
            if process is not None and process.is_ready():
                signature = await process.sign(key, hashlib.sha256(message).digest())
                if signature:
                    return base64.b64encode(signature).decode("ascii")
        return await super().sign(key, message)

    async def aclose(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            await process.aclose()

    async def _started(self) -> _Process | None:
        """The process, tried once; whoever comes meanwhile signs here."""
        if self._tried_in == os.getpid() or not _can_start():
            return None
        self._tried_in = os.getpid()
        try:
            self._process = await anyio.to_thread.run_sync(_Process)
        except OSError as error:
            _log.warning("no process for signatures, they are computed in this one: %s", error)
        return self._process


def _can_start() -> bool:
    """Whether a second core and an interpreter of one's own are there to be used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    is_interpreter = Path(sys.executable or "").name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)
    return cores > 1 and is_interpreter and hasattr(socket, "AF_UNIX") and os.name == "posix"


class _Request:
    """One signature that is waited for."""

    __slots__ = ("signature", "woken")

    def __init__(self) -> None:
        self.signature: bytes | None = None
        self.woken: anyio.Event | None = None


class _Process:
    """The process, and who waits for it. One of those who wait reads for all of them, so that no task outlives a call."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        command, quiet = [sys.executable, "-P", signing_process.__file__], subprocess.DEVNULL
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(0)
        with ExitStack() as unless_started, theirs:
            unless_started.callback(self._socket.close)
            self._child = subprocess.Popen(command, stdin=theirs.fileno(), stdout=quiet, stderr=quiet)  # noqa: S603 — this interpreter, this file
            unless_started.pop_all()
        self._ready = False
        self._dead = False
        self._reading = False
        self._buffer = b""
        self._keys: dict[int, tuple[int, RSAPrivateKey]] = {}  # by identity; the key is kept, so that the identity stays its own
        self._waiting: dict[int, _Request] = {}
        self._number = 0

    def is_ready(self) -> bool:
        """Whether a signature can be asked for now."""
        if not self._ready and not self._dead:
            self._receive()
        return self._ready and not self._dead and len(self._waiting) < _MOST_WAITING

    async def sign(self, key: RSAPrivateKey, digest: bytes) -> bytes | None:
        """The signature; None where the process has none to give."""
        name = self._name(key)
        if name is None:
            return None
        self._number += 1
        number, request = self._number, _Request()
        self._waiting[number] = request
        try:
            self._send(REQUEST.pack(number, name, digest))
            while request.signature is None and not self._dead:
                if self._reading:
                    request.woken = anyio.Event()
                    await request.woken.wait()
                else:
                    await self._read()
        finally:
            del self._waiting[number]
            if not self._reading:
                self._wake_next()
        return request.signature

    async def aclose(self) -> None:
        """Close the socket, which ends the process, and wait for that."""
        if self.owner == os.getpid():
            self._give_up()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._ended)
        self._socket.close()

    def _ended(self) -> None:
        try:
            self._child.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _name(self, key: RSAPrivateKey) -> int | None:
        """What the process knows the key as; it is handed over when first used."""
        known = self._keys.get(id(key))
        if known is None:
            if len(self._keys) >= _MOST_KEYS:
                return None
            encoded = masked(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
            known = self._keys[id(key)] = len(self._keys), key
            self._send(REQUEST.pack(0, known[0], KEY_LENGTH.pack(len(encoded))))
            self._send(encoded)
        return known[0]

    def _send(self, frame: bytes) -> None:
        try:
            sent = self._socket.send(frame)
        except OSError:
            sent = 0
        if sent != len(frame):
            self._give_up("its socket does not take a request")

    async def _read(self) -> None:
        """Wait for answers, and hand them to those who wait for them."""
        self._reading = True
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + _PATIENCE):
                await anyio.wait_readable(self._socket)
                self._receive()
                return
            self._give_up(f"no answer for {_PATIENCE} s")
        finally:
            self._reading = False

    def _receive(self) -> None:
        """Whatever has arrived."""
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._give_up("it ended")
        self._buffer += data
        while len(self._buffer) >= ANSWER.size:
            number, length = ANSWER.unpack_from(self._buffer)
            end = ANSWER.size + length
            if len(self._buffer) < end:
                break
            self._answered(number, self._buffer[ANSWER.size : end])
            self._buffer = self._buffer[end:]

    def _answered(self, number: int, signature: bytes) -> None:
        request = self._waiting.get(number)
        if number == 0:
            self._ready = signature == READY
        elif request is not None:  # else its caller has gone
            request.signature = signature
            self._wake(request)

    def _wake_next(self) -> None:
        """Somebody else has to read from now on."""
        for request in self._waiting.values():
            if request.signature is None:
                self._wake(request)
                return

    def _wake(self, request: _Request) -> None:
        if request.woken is not None:
            request.woken.set()

    def _give_up(self, reason: str | None = None) -> None:
        """Use the process no more. Whoever waits signs for himself."""
        if self._dead:
            return
        self._dead = True
        if reason is not None:
            _log.warning("the process for signatures is given up, they are computed in this one: %s", reason)
            self._child.kill()
        with suppress(OSError):  # the other side may be gone
            self._socket.shutdown(socket.SHUT_RDWR)  # not closed: somebody may be waiting for it, and is woken by this
        for request in self._waiting.values():
            self._wake(request)
