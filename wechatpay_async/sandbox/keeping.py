"""Keeps a sandbox's story, so that it can be told again: in an SQLite file after every step, or in a file for people.

A step is a call that the gate let in, something that a user or the clock did, or an attempt to notify. Told again in the same order, with
the same seed and keys, the steps lead to the same book.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

__all__ = ["Keeper"]

Step = dict[str, Any]


class _Keys(MutableMapping[str, str]):
    """The vault's keys, in the same file."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __getitem__(self, name: str) -> str:
        row = self._database.execute("SELECT pem FROM vault WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise KeyError(name)
        return str(row[0])

    def __setitem__(self, name: str, pem: str) -> None:
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO vault VALUES (?, ?)", (name, pem))

    def __delitem__(self, name: str) -> None:
        with self._database:
            self._database.execute("DELETE FROM vault WHERE name = ?", (name,))

    def __iter__(self) -> Iterator[str]:
        return (str(row[0]) for row in self._database.execute("SELECT name FROM vault ORDER BY name").fetchall())

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM vault").fetchone()[0])


class Keeper:
    """The story in an SQLite database, `":memory:"` or a file. A step is on its way to the disk before its call is answered."""

    def __init__(self, path: str | Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        # With a write-ahead log this survives the death of the process; only a power failure can lose the last steps.
        self._database.execute("PRAGMA synchronous = NORMAL")
        with self._database:
            self._database.execute("CREATE TABLE IF NOT EXISTS story (number INTEGER PRIMARY KEY, step TEXT NOT NULL)")
            self._database.execute("CREATE TABLE IF NOT EXISTS vault (name TEXT PRIMARY KEY, pem TEXT NOT NULL)")
        self.keys: MutableMapping[str, str] = _Keys(self._database)

    def append(self, step: Step) -> None:
        """Keep one more step."""
        with self._database:
            self._database.execute("INSERT INTO story (step) VALUES (?)", (json.dumps(step, ensure_ascii=False),))

    def steps(self) -> Iterator[Step]:
        """The story so far."""
        last = 0
        while rows := self._database.execute(
            "SELECT number, step FROM story WHERE number > ? ORDER BY number LIMIT 1000", (last,)
        ).fetchall():
            for number, step in rows:
                yield json.loads(step)
                last = number

    def write(self, path: str | Path) -> None:
        """The story and the keys as a file of JSON lines."""
        with Path(path).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"key": name, "pem": pem}) + "\n" for name, pem in self.keys.items())
            file.writelines(json.dumps(step, ensure_ascii=False) + "\n" for step in self.steps())

    def read(self, path: str | Path) -> None:
        """Take a story over from a file. Raises `ValueError` where there is one already, or where the file is not one."""
        if len(self.keys) or next(self.steps(), None) is not None:
            raise ValueError("this sandbox has a story already")
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    step = json.loads(line)
                except ValueError:
                    raise ValueError(f"line {number} of {path} is no step") from None
                if "key" in step:
                    self.keys[step["key"]] = step["pem"]
                else:
                    self.append(step)

    def close(self) -> None:
        """Close the file."""
        self._database.close()
