"""The type of a value that is encrypted already."""

from __future__ import annotations

__all__ = ["Sealed"]


class Sealed(str):
    """A value that is encrypted already, in base64: it is sent as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Sealed({super().__repr__()})"
