"""Yuan as bills write them, turned into exact integers: never through a float."""

from __future__ import annotations

from wechatpay_async.errors import MalformedMessage

__all__ = ["MICRO_PER_FEN", "fen", "format_micro", "micro_yuan", "sum_micro"]

#: Bills round an order to the fen, but older ones write the fee with five decimals (`0.00600`): totals are added in millionths of a yuan.
MICRO_PER_FEN = 10_000
_DECIMALS = 6
# How a column ends its values, seen with every digit as a 0: orders have two decimals, fees of older bills five.
_ENDINGS = {2: b".00\n", 5: b".00000\n"}
_SCALES = {2: 10_000, 5: 10}
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")


def micro_yuan(text: str) -> int:
    """`"-1.2"` -> -1200000: the amount in millionths of a yuan. An empty value counts as zero.

    Raises `MalformedMessage` for anything but a plain decimal number with at most six decimals.
    """
    number = text.strip()
    if not number:
        return 0
    sign = -1 if number.startswith("-") else 1
    whole, _, decimals = number.lstrip("+-").partition(".")
    significant = decimals.rstrip("0")
    digits = (whole or "0") + significant
    plain = len(number) - len(number.lstrip("+-")) <= 1 and (whole or decimals) and digits.isascii() and (whole + decimals + "0").isdigit()
    if not plain or len(significant) > _DECIMALS:
        raise MalformedMessage(f"a bill holds {text[:40]!r} where an amount in yuan is due")
    return sign * int(digits.ljust(len(whole or "0") + _DECIMALS, "0"))


def fen(text: str) -> int:
    """`"12.34"` -> 1234: the amount in fen.

    Raises `MalformedMessage` for text that is no amount, and for a fee with a part of a fen (read that one with `Row.yuan`).
    """
    amount, rest = divmod(micro_yuan(text), MICRO_PER_FEN)
    if rest:
        raise MalformedMessage(f"{text[:40]!r} yuan is not a whole number of fen", hint="read it as a Decimal with row.yuan(name)")
    return amount


def format_micro(amount: int) -> str:
    """1200000 -> `"1.20"`: yuan with as many decimals as it needs, two at least."""
    sign = "-" if amount < 0 else ""
    whole, micro = divmod(abs(amount), 10**_DECIMALS)
    return f"{sign}{whole}.{f'{micro:06d}'.rstrip('0').ljust(2, '0')}"


def sum_micro(values: list[str]) -> int:
    """The sum of a column, in millionths of a yuan.

    A column whose values all have the same number of decimals is added at once: this is what makes checking the totals cheap.
    """
    if values.count("0.00") * 2 > len(values):
        values = [value for value in values if value != "0.00"]
        if not values:
            return 0
    column = "\n".join(values)
    decimals = _decimals_alike(column, len(values))
    if decimals is None:
        return sum(map(micro_yuan, values))
    return sum(map(int, column.replace(".", "").split("\n"))) * _SCALES[decimals]


def _decimals_alike(column: str, count: int) -> int | None:
    """How many decimals each of these `count` lines has; None when they differ, or when one is no plain number."""
    if not column.isascii() or "-" in column.replace("\n-", "\n").removeprefix("-"):
        return None
    shape = column.encode("ascii").translate(_DIGITS_TO_ZERO, b"-") + b"\n"
    if shape.count(b".") != count or shape.startswith(b".") or b"\n." in shape or shape.translate(None, b"0.\n"):
        return None
    return next((decimals for decimals, ending in _ENDINGS.items() if shape.count(ending) == count == shape.count(b"\n")), None)
