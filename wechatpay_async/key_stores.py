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
from typing import Protocol

import anyio.to_thread

__all__ = ["FileStore", "KeyStore", "MemoryStore"]


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
