"""Keys as values that work like any other and that no `repr`, and so no error report with local variables, shows."""

from __future__ import annotations

from typing import Any

__all__ = ["MaskedBytes", "MaskedText", "masked"]

_SHOWN = "<masked>"


class MaskedBytes(bytes):
    """Bytes that are not shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN

    __str__ = __repr__


class MaskedText(str):
    """Text that is not shown by `repr`. `str()` and f-strings give it, since keys are put together with them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> MaskedBytes:
        """The bytes, not shown either."""
        return MaskedBytes(super().encode(encoding, errors))


def masked(value: Any) -> Any:
    """A key as text or bytes, masked; whatever else it is, as it is."""
    if isinstance(value, str):
        return MaskedText(value)
    return MaskedBytes(value) if isinstance(value, bytes) else value
