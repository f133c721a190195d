"""Digests that are fed piece by piece, for files that do not fit into memory."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes


class Hasher(Protocol):
    """What hashlib's objects and `SM3` have in common."""

    def update(self, data: bytes, /) -> Any:
        """Take the next bytes."""
        ...

    def hexdigest(self) -> str:
        """The digest of all bytes so far, in lower-case hexadecimal."""
        ...


def hasher(algorithm: str) -> Hasher:
    """A digest to feed: `sha1`, `sha256`, `md5` or `sm3`."""
    return _SM3() if algorithm == "sm3" else hashlib.new(algorithm, usedforsecurity=algorithm == "sha256")


class _SM3:
    """SM3 with the face of hashlib, which has it only where OpenSSL offers it."""

    def __init__(self) -> None:
        self._hash = hashes.Hash(hashes.SM3())

    def update(self, data: bytes, /) -> None:
        self._hash.update(data)

    def hexdigest(self) -> str:
        return self._hash.copy().finalize().hex()
