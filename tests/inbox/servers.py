"""Real servers on free loopback ports, from Debian's packages `redis-server` and `postgresql`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

import pytest


@contextmanager
def redis_server() -> Generator[str, None, None]:
    """A Redis that keeps nothing on disk. Yields its URL."""
    command = _program("redis-server", "redis-server")
    port = _free_port()
    arguments = [command, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert any("Ready to accept connections" in line for line in server.stdout), "redis-server did not start"
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


@contextmanager
def postgres_server() -> Generator[str, None, None]:
    """A PostgreSQL with an empty cluster. Yields a connection string."""
    initdb, pg_ctl = _program("initdb", "postgresql"), _program("pg_ctl", "postgresql")
    port = _free_port()
    # PostgreSQL refuses to run as root; Debian's package brings the user `postgres`.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="wechatpay-postgres-"))
    if user is not None:
        shutil.chown(folder, user)
    data = str(folder / "data")
    settings = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync=off -c max_connections=50"

    def run(*command: str) -> None:
        finished = subprocess.run(command, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False)
        assert finished.returncode == 0, f"{command[0]} failed; see {folder}/log"

    try:
        run(initdb, "--pgdata", data, "--auth", "trust", "--username", "tester", "--no-sync", "--encoding", "UTF8", "--locale", "C")
        run(pg_ctl, "start", "--wait", "--pgdata", data, "--log", str(folder / "log"), "--options", settings)
        try:
            yield f"host=127.0.0.1 port={port} user=tester dbname=postgres"
        finally:
            run(pg_ctl, "stop", "--wait", "--mode", "immediate", "--pgdata", data)
    finally:
        shutil.rmtree(folder)


def _program(name: str, package: str) -> str:
    found = shutil.which(name) or next(iter(sorted(glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)
    if found is None:
        pytest.fail(f"{name} is not on this machine: apt-get install {package}")
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
