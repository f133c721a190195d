"""Stores of downloaded certificates: whole, private, and only a help."""

from __future__ import annotations

import stat
from pathlib import Path

import anyio
import pytest

from tests.trust.platform import APIV3_KEY, Server, issue
from wechatpay_async.auto_keys import AutoKeys
from wechatpay_async.key_stores import FileStore, KeyStore, MemoryStore


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    return MemoryStore() if request.param == "memory" else FileStore(tmp_path / "folder" / "certificates.json")


@pytest.mark.anyio
async def test_what_was_saved_last_is_loaded(store: KeyStore) -> None:
    assert await store.load() is None
    await store.save(b"one")
    await store.save(b"two")
    assert await store.load() == b"two"


@pytest.mark.anyio
async def test_a_file_is_its_owners_alone_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "certificates.json"
    store = FileStore(path)
    await store.save(b"one")
    await store.save(b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [found.name for found in path.parent.iterdir()] == ["certificates.json"]
    assert repr(store) == f"FileStore({str(path)!r})"


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, anyio_backend: str) -> None:
    path = tmp_path / "certificates.json"
    path.mkdir()
    (path / "not empty").touch()
    with pytest.raises(OSError, match=r"certificates\.json"):
        anyio.run(FileStore(path).save, b"new", backend=anyio_backend)
    assert [found.name for found in tmp_path.iterdir()] == ["certificates.json"]


@pytest.mark.anyio
async def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "certificates.json")
    contents = [bytes([number]) * 100_000 for number in range(20)]
    await store.save(contents[0])
    seen: set[bytes | None] = set()

    async def read() -> None:
        for _ in range(100):
            seen.add(await store.load())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        for content in contents:
            tasks.start_soon(store.save, content)
    assert seen <= set(contents)


@pytest.mark.anyio
async def test_a_process_that_starts_again_downloads_nothing(tmp_path: Path) -> None:
    issued = issue("a", 1)
    server = Server([issued])
    for _ in range(3):
        keys = AutoKeys(server.fetch, APIV3_KEY, store=FileStore(tmp_path / "certificates.json"), clock=server.clock)
        assert (await keys.find(issued.serial)).serial == issued.serial
    assert server.downloads == 1
