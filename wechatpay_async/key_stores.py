"""Where downloaded platform certificates outlive a process, so that a fleet does not download them at every start.

What is kept is WeChat Pay's reply as it came: its certificates are still encrypted with the APIv3 key, and that encryption shows whether
somebody changed them.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Protocol, runtime_checkable

import anyio.to_thread

from wechatpay_async.errors import ConfigError
from wechatpay_async.settings import check_kind

__all__ = ["FileStore", "KeyStore", "MemoryStore", "check_store"]


@runtime_checkable
class KeyStore(Protocol):
    """Keeps one merchant's downloads; anything with these two methods will do, a Redis key for example.

    What a store raises is logged and otherwise ignored: then the certificates are downloaded.
    """

    async def load(self) -> bytes | None:
        """What was saved last; None where nothing was."""
        ...

    async def save(self, data: bytes) -> None:
        """Keep `data` in place of what was there."""
        ...


def check_store(store: object) -> None:
    """Raise `ConfigError` for what cannot keep anything: its failures would only be seen in the log, one download after the other."""
    if isinstance(store, type) or not isinstance(store, KeyStore):
        cure = f"FileStore({store!r})" if isinstance(store, str) else "FileStore(path), or MemoryStore()"
        raise ConfigError("key_store", f"expected a store with load and save, got {type(store).__name__}", hint=cure)


class MemoryStore:
    """A store that several clients of one merchant share within a process."""

    def __init__(self) -> None:
        self._data: bytes | None = None

    async def load(self) -> bytes | None:
        """What was saved last."""
        return self._data

    async def save(self, data: bytes) -> None:
        """Keep `data`."""
        self._data = data


class FileStore:
    """One merchant's file, readable by its owner alone and replaced as a whole: a reader never sees half of it.

    `path` is the file itself; its folder is made where it is absent.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        check_kind("path", path, (str, PathLike), "a path", hint="the file itself")
        self._path = Path(path)

    def __repr__(self) -> str:
        return f"FileStore({str(self._path)!r})"

    async def load(self) -> bytes | None:
        """What the file holds; None where there is none. Raises `OSError`."""
        return await anyio.to_thread.run_sync(self._read)

    async def save(self, data: bytes) -> None:
        """Write `data` beside the file, then put it in its place. Raises `OSError`."""
        await anyio.to_thread.run_sync(self._replace, data)

    def _read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def _replace(self, data: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp makes the file with permissions 0600.
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
