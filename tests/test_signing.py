"""When and where signatures are computed."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import os
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.keys import MERCHANT_KEY, PLATFORM_KEY
from tests.support.patience import PATIENCE
from wechatpay_async import signing
from wechatpay_async.crypto import rsa, signing_process
from wechatpay_async.signing import ProcessSigner, Signer

pytestmark = pytest.mark.anyio

MESSAGE = b"GET\n/v3/certificates\n1\nn\n\n"
SIGNATURE = rsa.sign(MERCHANT_KEY, MESSAGE)


async def sign_together(signer: Signer, calls: int = 10) -> list[str]:
    """The signatures of calls that wait together."""
    together = anyio.Event()
    signatures: list[str] = []

    async def call() -> None:
        with signer.call():
            await together.wait()
            signatures.append(await signer.sign(MERCHANT_KEY, MESSAGE))

    async with anyio.create_task_group() as tasks:
        for _ in range(calls):
            tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        together.set()
    return signatures


async def test_a_call_that_is_alone_signs_at_once() -> None:
    signer = Signer()
    with signer.call():
        assert await signer.sign(MERCHANT_KEY, MESSAGE) == SIGNATURE
    await signer.aclose()


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
    assert max(Counter(signed_in).values()) <= 3  # this task had turns between them; trio has no order, and the last call is alone by then


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


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of which a signer takes a second core."""

    def affinity(_: int) -> set[int]:
        return {0, 1}

    monkeypatch.setattr(os, "sched_getaffinity", affinity, raising=False)


@pytest.fixture
async def ready(two_cores: None, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[ProcessSigner]:
    """A signer whose process has said that it is ready, and is waited for however busy the machine is."""
    monkeypatch.setattr(signing, "_PATIENCE", PATIENCE)
    signer = ProcessSigner()
    assert await sign_together(signer, 2) == [SIGNATURE] * 2
    process = process_of(signer)
    with anyio.fail_after(PATIENCE):
        await anyio.wait_readable(process._socket)
    assert process.is_ready()
    yield signer
    await signer.aclose()


def process_of(signer: ProcessSigner) -> Any:
    """What the signer shows to nobody."""
    return vars(signer)["_process"]


async def test_a_process_signs_for_calls_that_wait_together(ready: ProcessSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rsa, "sign", None)  # not here
    signatures = await sign_together(ready, 50)
    assert signatures == [SIGNATURE] * 50
    for signature in signatures:
        MERCHANT_KEY.public_key().verify(base64.b64decode(signature), MESSAGE, padding.PKCS1v15(), hashes.SHA256())


async def test_a_process_signs_for_several_merchants(ready: ProcessSigner) -> None:
    with ready.call(), ready.call():
        signatures = [await ready.sign(key, MESSAGE) for key in (MERCHANT_KEY, PLATFORM_KEY, MERCHANT_KEY)]
    assert signatures == [SIGNATURE, rsa.sign(PLATFORM_KEY, MESSAGE), SIGNATURE]


async def test_the_process_lets_the_event_loop_go_first(ready: ProcessSigner) -> None:
    scheduler = getattr(os, "sched_getscheduler", None)  # of Linux alone
    assert scheduler is None or scheduler(process_of(ready)._child.pid) == os.SCHED_BATCH


async def test_a_call_that_is_alone_does_not_ask_the_process(ready: ProcessSigner) -> None:
    number = process_of(ready)._number
    with ready.call():
        assert await ready.sign(MERCHANT_KEY, MESSAGE) == SIGNATURE
    assert process_of(ready)._number == number


async def test_whoever_reads_for_the_others_can_be_cancelled(ready: ProcessSigner) -> None:
    process = process_of(ready)
    os.kill(process._child.pid, signal.SIGSTOP)  # so that all of them wait
    signatures: list[str] = []

    async def call() -> None:
        signatures.append(await ready.sign(MERCHANT_KEY, MESSAGE))

    with ready.call(), ready.call():
        async with anyio.create_task_group() as others:
            async with anyio.create_task_group() as first:
                first.start_soon(call)
                await anyio.wait_all_tasks_blocked()
                for _ in range(3):
                    others.start_soon(call)
                await anyio.wait_all_tasks_blocked()
                first.cancel_scope.cancel()
            os.kill(process._child.pid, signal.SIGCONT)
    assert signatures == [SIGNATURE] * 3
    assert await sign_together(ready) == [SIGNATURE] * 10
    assert not process._waiting


async def test_a_process_that_is_killed_costs_no_call(ready: ProcessSigner, caplog: pytest.LogCaptureFixture) -> None:
    process = process_of(ready)
    os.kill(process._child.pid, signal.SIGSTOP)
    signatures: list[str] = []

    async def call() -> None:
        signatures.append(await ready.sign(MERCHANT_KEY, MESSAGE))

    with ready.call(), ready.call(), caplog.at_level(logging.WARNING, "wechatpay_async.signing"):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            process._child.kill()
    assert signatures == [SIGNATURE] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "the process for signatures is given up, they are computed in this one: it ended"
    ]
    assert await sign_together(ready) == [SIGNATURE] * 10


async def test_a_process_that_does_not_answer_is_given_up(
    ready: ProcessSigner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    os.kill(process_of(ready)._child.pid, signal.SIGSTOP)
    monkeypatch.setattr(signing, "_PATIENCE", 0.05)
    with caplog.at_level(logging.WARNING, "wechatpay_async.signing"):
        assert await sign_together(ready) == [SIGNATURE] * 10
    assert [record.getMessage() for record in caplog.records] == [
        "the process for signatures is given up, they are computed in this one: no answer for 0.05 s"
    ]


async def test_no_more_wait_for_the_process_than_it_can_take(ready: ProcessSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_MOST_WAITING", 3)
    before = process_of(ready)._number
    os.kill(process_of(ready)._child.pid, signal.SIGSTOP)
    signatures: list[str] = []

    async def call() -> None:
        signatures.append(await ready.sign(MERCHANT_KEY, MESSAGE))

    with ready.call(), ready.call():
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            assert signatures == [SIGNATURE] * 7  # computed here meanwhile
            os.kill(process_of(ready)._child.pid, signal.SIGCONT)
    assert signatures == [SIGNATURE] * 10
    assert process_of(ready)._number == before + 3


async def test_more_keys_than_the_process_is_given(ready: ProcessSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_MOST_KEYS", 1)
    with ready.call(), ready.call():
        assert await ready.sign(MERCHANT_KEY, MESSAGE) == SIGNATURE
        assert await ready.sign(PLATFORM_KEY, MESSAGE) == rsa.sign(PLATFORM_KEY, MESSAGE)
    assert len(process_of(ready)._keys) == 1


async def test_a_socket_that_takes_nothing(ready: ProcessSigner, caplog: pytest.LogCaptureFixture) -> None:
    process_of(ready)._socket.shutdown(socket.SHUT_WR)
    with ready.call(), ready.call(), caplog.at_level(logging.WARNING, "wechatpay_async.signing"):
        assert await ready.sign(MERCHANT_KEY, MESSAGE) == SIGNATURE
    assert caplog.records[0].getMessage().endswith("its socket does not take a request")


async def test_an_answer_in_two_pieces_and_one_that_nobody_waits_for(two_cores: None) -> None:
    signer = ProcessSigner()
    await sign_together(signer, 2)
    process = process_of(signer)
    process._socket.close()
    process._socket, other_side = socket.socketpair()
    process._socket.settimeout(0)
    with other_side:
        answer = struct.pack(">QH", 0, 5) + b"ready"
        other_side.sendall(struct.pack(">QH", 999, 3) + b"abc" + answer[:12])
        assert not process.is_ready()
        assert not process.is_ready()  # nothing has come since
        other_side.sendall(answer[12:])
        assert process.is_ready()
    await signer.aclose()


async def test_a_broken_socket_is_no_end_of_the_service(two_cores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = ProcessSigner()
    await sign_together(signer, 2)
    process = process_of(signer)

    class Broken:
        def recv(self, size: int) -> bytes:
            raise ConnectionResetError

        def shutdown(self, how: int) -> None:
            raise OSError

        def close(self) -> None:
            pass

    real = process._socket
    monkeypatch.setattr(process, "_socket", Broken())
    assert await sign_together(signer) == [SIGNATURE] * 10
    real.close()
    await signer.aclose()


async def test_the_process_ends_with_its_client(ready: ProcessSigner) -> None:
    child = process_of(ready)._child
    await ready.aclose()
    assert child.returncode == 0
    assert await sign_together(ready) == [SIGNATURE] * 10  # in this process


async def test_a_process_that_does_not_end_is_killed(ready: ProcessSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_PATIENCE", 0.05)
    child = process_of(ready)._child
    os.kill(child.pid, signal.SIGSTOP)
    await ready.aclose()
    assert child.returncode == -signal.SIGKILL


async def test_a_service_that_forked_has_a_process_of_its_own(ready: ProcessSigner) -> None:
    parents = process_of(ready)
    parents.owner = vars(ready)["_tried_in"] = os.getppid()  # as if a process above this one had started it
    assert await sign_together(ready) == [SIGNATURE] * 10
    assert process_of(ready) is not parents
    assert parents._child.poll() is None
    await parents.aclose()  # lets go of the socket, and ends nothing
    parents._child.wait()  # until the last owner of the socket has gone


@pytest.mark.usefixtures("two_cores")
async def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    signer = ProcessSigner()
    with caplog.at_level(logging.WARNING, "wechatpay_async.signing"):
        assert await sign_together(signer) == [SIGNATURE] * 10
    assert caplog.records[0].getMessage().startswith("no process for signatures, they are computed in this one: ")
    await signer.aclose()


@pytest.mark.usefixtures("two_cores")
async def test_a_process_that_fails_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ImportError")
    monkeypatch.setattr(signing_process, "__file__", str(tmp_path / "broken.py"))
    signer = ProcessSigner()
    assert await sign_together(signer) == [SIGNATURE] * 10
    with anyio.fail_after(PATIENCE):
        await anyio.wait_readable(process_of(signer)._socket)
    assert not process_of(signer).is_ready()
    assert await sign_together(signer) == [SIGNATURE] * 10
    await signer.aclose()


@pytest.mark.parametrize("executable", ["/usr/bin/uwsgi", "", None])
@pytest.mark.usefixtures("two_cores")
async def test_a_program_that_is_no_interpreter_is_not_started(monkeypatch: pytest.MonkeyPatch, executable: str | None) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    signer = ProcessSigner()
    assert await sign_together(signer) == [SIGNATURE] * 10
    assert process_of(signer) is None


async def test_one_core_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    signer = ProcessSigner()
    assert await sign_together(signer) == [SIGNATURE] * 10
    assert process_of(signer) is None


def request(number: int, name: int, digest: bytes) -> bytes:
    return struct.pack(">QI32s", number, name, digest)


def keyed(name: int, der: bytes) -> bytes:
    return request(0, name, struct.pack(">I", len(der))) + der


def der(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return encoded


def test_the_program_signs_each_digest_in_its_turn() -> None:
    digest = hashlib.sha256(MESSAGE).digest()
    frames = keyed(7, der(MERCHANT_KEY)) + keyed(8, der(ec.generate_private_key(ec.SECP256R1())))
    frames += request(1, 7, digest) + request(2, 8, digest) + request(3, 9, digest) + b"half a frame"
    sent: list[bytes] = []
    signing_process.serve(io.BytesIO(frames), SimpleNamespace(sendall=sent.append))  # type: ignore[arg-type]  # all that it needs of a socket

    signature = base64.b64decode(SIGNATURE)
    assert sent == [struct.pack(">QH", 1, 256) + signature, struct.pack(">QH", 2, 0), struct.pack(">QH", 3, 0)]


def test_the_program_serves_its_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    descriptor = theirs.detach()
    opened = socket.socket
    ignored: list[object] = []

    def ignore(number: int, how: object) -> None:
        ignored.extend((number, how))

    def standard_input(fileno: int) -> socket.socket:
        return opened(fileno=descriptor + fileno)

    monkeypatch.delattr(os, "SCHED_BATCH", raising=False)  # this process keeps its place
    monkeypatch.setattr(signal, "signal", ignore)
    monkeypatch.setattr(socket, "socket", standard_input)
    with ours:
        ours.shutdown(socket.SHUT_WR)
        signing_process.main()
        assert ours.recv(100) == struct.pack(">QH", 0, 5) + b"ready"
    assert ignored == [signal.SIGINT, signal.SIG_IGN]
