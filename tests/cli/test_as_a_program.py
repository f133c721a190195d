"""The command as a process of its own: terminals without Chinese, pipes that close, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

# A shell that runs tests in the background has SIGINT ignored, and its children inherit that.
_START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from wechatpay_async.cli.__main__ import main; main()"


def start(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WECHATPAY_", "LC_", "LANG", "PYTHONIOENCODING"))}
    return subprocess.Popen(
        [sys.executable, "-c", _START, *arguments],
        env=clean | {"PYTHONPATH": os.pathsep.join(sys.path)} | dict(env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("encoding", ["gbk", "ascii"])
@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("--lang", "zh", "doctor"), 1),
        (("search", "refund"), 0),
        (("migrate", "wxpay.refund"), 0),
    ],
)
def test_a_terminal_without_the_characters_is_no_failure(arguments: tuple[str, ...], exit_code: int, encoding: str) -> None:
    process = start(*arguments, env={"PYTHONIOENCODING": encoding})
    output, errors = process.communicate()

    assert process.returncode == exit_code
    assert output
    assert errors == b""


def test_json_is_json_in_any_encoding() -> None:
    output, _ = start("--json", "describe", "v3/pay/transactions/native", env={"PYTHONIOENCODING": "ascii"}).communicate()

    assert json.loads(output)[0]["title"] == "Native下单"


def test_a_pipe_that_closes_is_no_traceback() -> None:
    process = start("describe", "v3/pay/transactions/native")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.wait()
    process.stderr.close()

    assert errors == b""


def test_ctrl_c_ends_the_sandbox_well(tmp_path: Path) -> None:
    process = start("sandbox", "--folder", str(tmp_path / "keys"))
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate()

    assert lines[0].startswith(b"sandbox on http://127.0.0.1:")
    assert lines[1].startswith(b"pay in the cashier: http://127.0.0.1:")
    assert lines[2] == f"settings in {tmp_path / 'keys' / 'env'}; stop with Ctrl-C\n".encode()
    assert (process.returncode, rest, errors) == (0, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("call", "v3/certificates"), 130, b"interrupted\n"),
        (
            ("call", "v3/refund/domestic/refunds", "-d", '{"out_refund_no":"R1","amount":{"refund":1,"total":1,"currency":"CNY"}}'),
            3,
            b"interrupted: the outcome is unknown, query it\n",
        ),
    ],
)
def test_ctrl_c_in_a_call_says_what_is_known(arguments: tuple[str, ...], exit_code: int, words: bytes, environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        base_url = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = start(*arguments, env=environ | {"WECHATPAY_BASE_URL": base_url, "WECHATPAY_VALIDATE": "off"})
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)  # the request is on its way, and is never answered
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()

    assert process.returncode == exit_code
    assert errors == words


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("sandbox", "--port", str(port), "--folder", str(tmp_path / "keys"))
        _, errors = process.communicate()

    assert process.returncode == 2
    assert errors.splitlines()[-1] == f"the port {port} cannot be had: cannot listen on 127.0.0.1".encode()
    assert b"Traceback" not in errors


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run([sys.executable, "-m", "wechatpay_async.cli", "--version"], capture_output=True, check=True)

    assert done.stdout.startswith(b"wechatpay, version ")
