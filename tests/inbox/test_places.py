"""What is particular to one kind of inbox: transactions of one's own, borrowed connections, settings."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis
from psycopg_pool import ConnectionPool

from tests.inbox.places import Clock
from wechatpay_async.errors import ConfigError, LeaseLost
from wechatpay_async.inbox import Claim, Held, SQLiteInbox
from wechatpay_async.inbox.postgres import SCHEMA, PostgresInbox
from wechatpay_async.inbox.redis import RedisInbox

NOON = 1_750_000_000.0


def claimed(outcome: Claim | Held) -> Claim:
    assert isinstance(outcome, Claim)
    return outcome


def test_sqlite_commits_the_mark_with_the_caller_s_own_change(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    claim = claimed(inbox.claim_blocking("EV-1"))
    connection = sqlite3.connect(tmp_path / "inbox.sqlite")
    connection.execute("CREATE TABLE orders (id TEXT)")
    connection.execute("INSERT INTO orders VALUES ('1217752501201407033233368018')")
    inbox.settle_in(connection, claim)
    connection.rollback()
    assert inbox.claim_blocking("EV-1") is Held.BUSY
    inbox.settle_in(connection, claim)
    connection.commit()
    assert inbox.claim_blocking("EV-1") is Held.DONE
    connection.close()
    inbox.close()
    inbox.close()


def test_sqlite_tells_the_late_worker_to_roll_back(tmp_path: Path) -> None:
    clock = Clock(NOON)
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite", clock=clock)
    late = claimed(inbox.claim_blocking("EV-1"))
    clock.now += 20
    claimed(inbox.claim_blocking("EV-1"))
    connection = sqlite3.connect(tmp_path / "inbox.sqlite")
    with pytest.raises(LeaseLost, match="notification EV-1: the lease has ended") as caught:
        inbox.settle_in(connection, late)
    assert caught.value.id == "EV-1"
    connection.close()
    inbox.close()


def test_postgres_commits_the_mark_with_the_caller_s_own_change(postgres_dsn: str) -> None:
    clock = Clock(NOON)
    inbox = PostgresInbox(postgres_dsn, clock=clock)
    first = uuid4().hex
    claim = claimed(inbox.claim_blocking(first))
    with psycopg.connect(postgres_dsn) as connection:
        inbox.settle_in(connection, claim)
        connection.rollback()
        assert inbox.claim_blocking(first) is Held.BUSY
        inbox.settle_in(connection, claim)
    assert inbox.claim_blocking(first) is Held.DONE

    other = uuid4().hex
    late = claimed(inbox.claim_blocking(other))
    clock.now += 20
    claimed(inbox.claim_blocking(other))
    with psycopg.connect(postgres_dsn) as connection, pytest.raises(LeaseLost):
        inbox.settle_in(connection, late)
    inbox.close()


def test_postgres_borrows_a_pool_and_leaves_the_table_to_its_owner(postgres_dsn: str) -> None:
    schema = f"t{uuid4().hex}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    with ConnectionPool(f"{postgres_dsn} options='-c search_path={schema}'", min_size=1) as pool:
        inbox = PostgresInbox(pool, create_table=False)
        with pytest.raises(psycopg.errors.UndefinedTable):
            inbox.claim_blocking("EV-1")
        with pool.connection() as connection:
            connection.execute(SCHEMA)
        assert isinstance(inbox.claim_blocking("EV-1"), Claim)
        inbox.close()
        assert isinstance(inbox.claim_blocking("EV-2"), Claim)


@pytest.mark.parametrize("decode_responses", [True, False])
def test_redis_borrows_a_client_whatever_it_decodes(redis_url: str, decode_responses: bool) -> None:
    with redis.Redis(port=int(redis_url.rpartition(":")[2].split("/")[0]), decode_responses=decode_responses) as client:
        inbox = RedisInbox(client, prefix=uuid4().hex)
        claim = claimed(inbox.claim_blocking("EV-1"))
        assert inbox.claim_blocking("EV-1") is Held.BUSY
        assert inbox.done_blocking(claim)
        assert inbox.claim_blocking("EV-1") is Held.DONE
        inbox.close()
        assert client.exists("nothing") == 0


def test_redis_forgets_a_key_by_itself(redis_url: str) -> None:
    prefix = uuid4().hex
    inbox = RedisInbox(redis_url, prefix=prefix, keep=3_600)
    assert inbox.done_blocking(claimed(inbox.claim_blocking("EV-1")))
    inbox.close()
    with redis.Redis(port=int(redis_url.rpartition(":")[2].split("/")[0])) as client:
        assert 3_000 < int(str(client.ttl(f"{prefix}EV-1"))) <= 3_600


@pytest.mark.parametrize(
    ("lease", "keep", "message"),
    [
        (0, 60, "lease: expected seconds above 0, got 0"),
        (float("nan"), 60, "lease: expected seconds above 0, got nan"),
        (20, 19, "keep: must not be shorter than the lease"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(tmp_path: Path, lease: float, keep: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SQLiteInbox(tmp_path / "inbox.sqlite", lease=lease, keep=keep)


def test_a_claim_s_token_is_not_shown() -> None:
    assert repr(Claim("EV-1", "secret")) == "Claim(id='EV-1')"


def test_sqlite_waits_until_it_may_switch_to_wal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = sqlite3.connect(tmp_path / "inbox.sqlite", isolation_level=None)
    blocker.execute("CREATE TABLE other (id TEXT)")
    blocker.execute("BEGIN EXCLUSIVE")
    waits: list[float] = []

    def unblock(seconds: float) -> None:
        waits.append(seconds)
        blocker.execute("COMMIT")

    monkeypatch.setattr("wechatpay_async.inbox.sqlite.time.sleep", unblock)
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    assert isinstance(inbox.claim_blocking("EV-1"), Claim)
    assert waits == [0.01]
    blocker.close()
    inbox.close()


def test_sqlite_gives_up_before_the_sender_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = sqlite3.connect(tmp_path / "inbox.sqlite", isolation_level=None)
    blocker.execute("CREATE TABLE other (id TEXT)")
    blocker.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr("wechatpay_async.inbox.sqlite._WAIT_FOR_LOCK", -1.0)
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        inbox.claim_blocking("EV-1")
    blocker.close()
    inbox.close()
