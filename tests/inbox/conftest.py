"""One place for each test, of each kind; the servers are started once for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.inbox.places import KINDS, Place
from tests.inbox.servers import postgres_server, redis_server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    with postgres_server() as dsn:
        yield dsn


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    name = f"t{uuid4().hex}"
    if request.param == "sqlite":
        return Place("sqlite", str(tmp_path / "inbox.sqlite"))
    if request.param == "redis":
        return Place("redis", f"{request.getfixturevalue('redis_url')} {name}:")
    dsn: str = request.getfixturevalue("postgres_dsn")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return Place("postgres", f"{dsn} options='-c search_path={name}'")
