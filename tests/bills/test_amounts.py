from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechatpay_async.bills import fen, format_micro, micro_yuan
from wechatpay_async.bills.amounts import sum_micro
from wechatpay_async.errors import MalformedMessage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.00", 0),
        ("0", 0),
        ("0.0", 0),
        ("", 0),
        ("12.34", 1234),
        ("-0.07", -7),
        ("-12", -1200),
        ("0.57000", 57),
        (" 1.5 ", 150),
        (".5", 50),
    ],
)
def test_an_amount_in_yuan_becomes_fen(text: str, expected: int) -> None:
    assert fen(text) == expected


@pytest.mark.parametrize("text", ["1e2", "1,234.00", "NaN", "--1", "+-1", "1.2.3", "-", ".", "１２", "0x1", "1_0", "元", "0.0000001"])
def test_what_is_no_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        micro_yuan(text)


def test_a_part_of_a_fen_is_not_rounded_away() -> None:
    with pytest.raises(MalformedMessage, match="whole number of fen"):
        fen("0.00600")


def test_amounts_are_exact_where_a_float_is_not() -> None:
    assert fen("90071992547409.93") == 9007199254740993


@pytest.mark.parametrize(("amount", "text"), [(0, "0.00"), (1_200_000, "1.20"), (-70_000, "-0.07"), (6_000, "0.006"), (-1, "-0.000001")])
def test_amounts_are_written_as_a_bill_writes_them(amount: int, text: str) -> None:
    assert format_micro(amount) == text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0.00", "0.00"], 0),
        (["0.00", "0.00", "1.00"], 1_000_000),
        (["1.00", "-0.25", "10.10"], 10_850_000),
        (["0.57000", "0.20000"], 770_000),
        (["0.00600", "0.00"], 6_000),
        (["1", "0.5", ""], 1_500_000),
        (["-.50", "1.00"], 500_000),
        ([".50", ".50"], 1_000_000),
        ([], 0),
    ],
)
def test_a_column_is_added_exactly(values: list[str], expected: int) -> None:
    assert sum_micro(values) == expected


@pytest.mark.parametrize("wrong", ["1-2.00", "--1.00", "1_0.00", "1.00元", "1.0x", "+ 1.00", "1.00\n2.00"])
def test_a_column_with_something_else_in_it_is_refused(wrong: str) -> None:
    with pytest.raises(MalformedMessage):
        sum_micro(["1.00", wrong, "2.00"])


@given(st.lists(st.decimals(-(10**9), 10**9, places=2)), st.lists(st.decimals(-(10**6), 10**6, places=5)))
def test_sums_are_those_of_decimals(orders: list[Decimal], fees: list[Decimal]) -> None:
    values = [f"{value:f}" for value in orders + fees]

    assert sum_micro(values) == int(sum(orders + fees, Decimal(0)) * 1_000_000)


@given(st.text("0123456789.-+e_ ,\n١", max_size=12))
def test_an_amount_is_read_or_refused_and_alike_alone_and_in_a_column(text: str) -> None:
    def outcome(read: Callable[[], int]) -> int | None:
        try:
            return read()
        except MalformedMessage:
            return None

    assert outcome(lambda: sum_micro([text])) == outcome(lambda: micro_yuan(text))
