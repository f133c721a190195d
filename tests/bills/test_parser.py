from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bills.samples import (
    FLOW_BILL,
    FLOW_HEADER,
    FLOW_IN,
    FLOW_SUMMARY_HEADER,
    PAYMENT,
    REFUND,
    TRADE_BILL,
    TRADE_HEADER,
    TRADE_SUMMARY,
    TRADE_SUMMARY_HEADER,
    bill,
)
from wechatpay_async.bills import BillParser, FundFlowRow, Row, TradeRow, micro_yuan, read_rows
from wechatpay_async.errors import BillMismatch, MalformedMessage


def parse(data: bytes, size: int = 10**9, *, check: bool = True) -> tuple[list[Row], BillParser[Row]]:
    parser = BillParser(Row, check=check)
    rows: list[Row] = []
    for start in range(0, len(data), size):
        rows += parser.feed(data[start : start + size])
    return rows + parser.finish(), parser


def test_the_summary_is_no_row_and_is_checked() -> None:
    rows, parser = parse(TRADE_BILL)

    assert len(rows) == parser.count == 2
    assert parser.summary is not None
    assert parser.summary["总交易单数"] == "2"
    assert parser.summary.checked == tuple(TRADE_SUMMARY_HEADER.split(","))
    assert parser.summary.unchecked == ()
    assert parser.summary.raw == TRADE_SUMMARY


def test_the_summary_of_a_fund_flow_is_checked_by_direction() -> None:
    _, parser = parse(FLOW_BILL)

    assert parser.summary is not None
    assert parser.summary.checked == ("资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额")


@pytest.mark.parametrize(
    ("name", "summary", "stated", "found"),
    [
        ("总交易单数", "`3,`12.00,`5.00,`0.10,`0.04,`12.34,`5.14", "3", "2"),
        ("应结订单总金额", "`2,`12.01,`5.00,`0.10,`0.04,`12.34,`5.14", "12.01", "12.00"),
        ("退款总金额", "`2,`12.00,`5.01,`0.10,`0.04,`12.34,`5.14", "5.01", "5.00"),
        ("充值券退款总金额", "`2,`12.00,`5.00,`0.11,`0.04,`12.34,`5.14", "0.11", "0.10"),
        ("手续费总金额", "`2,`12.00,`5.00,`0.10,`0.04001,`12.34,`5.14", "0.04001", "0.04"),
        ("订单总金额", "`2,`12.00,`5.00,`0.10,`0.04,`1234,`5.14", "1234", "12.34"),
        ("申请退款总金额", "`2,`12.00,`5.00,`0.10,`0.04,`12.34,`", "", "5.14"),
        ("总交易单数", "`二,`12.00,`5.00,`0.10,`0.04,`12.34,`5.14", "二", "2"),
    ],
)
def test_a_total_that_differs_is_named(name: str, summary: str, stated: str, found: str) -> None:
    with pytest.raises(BillMismatch, match=f"^{name}: ") as caught:
        parse(bill(TRADE_HEADER, PAYMENT, REFUND, TRADE_SUMMARY_HEADER, summary))

    assert (caught.value.total, caught.value.stated, caught.value.found) == (name, stated, found)


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("收入笔数", "`1,`2,`12.34,`0,`0"),
        ("收入金额", "`1,`1,`12.35,`0,`0"),
        ("支出笔数", "`1,`1,`12.34,`1,`0"),
        ("支出金额", "`1,`1,`12.34,`0,`1"),
    ],
)
def test_a_total_of_one_direction_that_differs_is_named(name: str, summary: str) -> None:
    with pytest.raises(BillMismatch, match=f"^{name}: "):
        parse(bill(FLOW_HEADER, FLOW_IN, FLOW_SUMMARY_HEADER, summary))


def test_a_bill_known_to_be_wrong_can_be_read_unchecked() -> None:
    rows, parser = parse(bill(TRADE_HEADER, PAYMENT, TRADE_SUMMARY_HEADER, TRADE_SUMMARY), check=False)

    assert len(rows) == 1
    assert parser.summary is not None
    assert parser.summary.checked == ()
    assert parser.summary.unchecked == tuple(TRADE_SUMMARY_HEADER.split(","))


def test_the_summary_of_the_first_bills_is_checked_too() -> None:
    header = "交易时间,商户订单号,总金额,退款金额,企业红包退款金额,手续费"
    rows = ["`2014-11-10 16:33:45,`1,`0.01,`0,`0,`0", "`2014-11-10 16:46:14,`2,`0.01,`0,`0,`0"]

    _, parser = parse(bill(header, *rows, "总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额", "`2,`0.02,`0.0,`0.0,`0"))

    assert parser.summary is not None
    assert len(parser.summary.checked) == 5


def test_totals_of_columns_that_the_bill_does_not_have_are_reported_as_unchecked() -> None:
    _, parser = parse(bill("交易时间,订单金额", "`2026-11-24 10:02:03,`1.00", "总交易单数,退款总金额,订单总金额", "`1,`0.00,`1.00"))

    assert parser.summary is not None
    assert parser.summary.checked == ("总交易单数", "订单总金额")
    assert parser.summary.unchecked == ("退款总金额",)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + TRADE_BILL,
        TRADE_BILL.removesuffix(b"\n"),
        TRADE_BILL.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + TRADE_BILL.replace(b"\n", b"\r\n").removesuffix(b"\r\n"),
        TRADE_BILL.replace(b"\n", b"\n\n"),
        TRADE_BILL.replace(b"\n`2", b"\r\n`2", 1),
        TRADE_BILL + b"\r\n\r\n",
    ],
    ids=["bom", "no final newline", "crlf", "bom, crlf, no final newline", "blank lines", "mixed line ends", "blank end"],
)
def test_the_oddities_of_the_file_change_nothing(data: bytes) -> None:
    plain, _ = parse(TRADE_BILL)
    rows, parser = parse(data)

    assert rows == plain
    assert parser.header == tuple(TRADE_HEADER.split(","))
    assert parser.summary is not None


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_pieces_of_any_size_give_the_same_rows(size: int) -> None:
    data = b"\xef\xbb\xbf" + bill(TRADE_HEADER, PAYMENT, REFUND, TRADE_SUMMARY_HEADER, TRADE_SUMMARY, end="\r\n")

    rows, parser = parse(data, size)

    assert [row["交易状态"] for row in rows] == ["SUCCESS", "REFUND"]
    assert parser.summary is not None


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 1_000_000])
@pytest.mark.parametrize("value", ["咖啡,大杯", "咖啡,", ",", "1,234.00", '"咖啡",大杯', "咖`啡"])
def test_a_comma_that_was_not_escaped_stays_in_its_value_wherever_the_pieces_end(value: str, size: int) -> None:
    data = bill(TRADE_HEADER, PAYMENT.replace("咖啡\\ 大杯", value), REFUND, TRADE_SUMMARY_HEADER, TRADE_SUMMARY)

    rows = list(read_rows([data[start : start + size] for start in range(0, len(data), size)], TradeRow))

    assert [row.description for row in rows] == [value, "咖啡,大杯"]
    assert rows[0].attach == "第一行\n第二行"


@given(
    lines=st.lists(
        st.lists(st.text("`,\\ 1.咖", max_size=4), min_size=2, max_size=3).map(lambda cells: "`" + ",`".join(cells)), max_size=4
    ),
    size=st.integers(1, 40),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_where_the_pieces_end_decides_nothing(lines: list[str], size: int, end: str) -> None:
    data = bill("a,b,c", *lines, end=end)

    def outcome(size: int) -> object:
        try:
            return [dict(row) for row in parse(data, size)[0]]
        except MalformedMessage:
            return MalformedMessage

    assert outcome(size) == outcome(10**9)


def test_a_bill_may_have_no_summary() -> None:
    rows, parser = parse(bill(TRADE_HEADER, PAYMENT))

    assert len(rows) == 1
    assert parser.summary is None


def test_an_empty_bill_has_a_header_and_a_summary_of_noughts() -> None:
    rows, parser = parse(bill(TRADE_HEADER, TRADE_SUMMARY_HEADER, "`0,`0.00,`0.00,`0.00,`0.00,`0.00,`0.00"))

    assert rows == []
    assert parser.summary is not None


def test_no_bytes_are_no_rows() -> None:
    rows, parser = parse(b"")

    assert rows == []
    assert parser.header == ()


def test_a_new_column_in_the_middle_moves_nothing() -> None:
    names, values = TRADE_HEADER.split(","), PAYMENT.split(",`")
    names.insert(5, "新列")
    values.insert(5, "新值")

    row = next(read_rows([bill(",".join(names), ",`".join(values))], TradeRow))

    assert (row["新列"], row.out_trade_no, row.total) == ("新值", "ORDER-1", 1234)


def test_back_ticks_before_the_names_are_no_part_of_them() -> None:
    ticked = bill("`交易时间,`订单金额", "`2026-11-24 10:02:03,`1.00", "`总交易单数,`订单总金额", "`1,`1.00")

    rows, parser = parse(ticked)

    assert parser.header == ("交易时间", "订单金额")
    assert len(rows) == 1
    assert parser.summary is not None
    assert parser.summary.checked == ("总交易单数", "订单总金额")


def test_values_without_their_back_ticks_are_read_all_the_same() -> None:
    data = bill(
        "分账时间,分账方,分账金额",
        "`2024-12-01 10:00:00,1900000109,`1.00",
        "2024-12-01 10:00:00,1900000110,2.00",
        "分账笔数,分账总额",
        "2,3.00",
    )

    rows, parser = parse(data)

    assert [row["分账方"] for row in rows] == ["1900000109", "1900000110"]
    assert rows[0].raw == "`2024-12-01 10:00:00,1900000109,`1.00"
    assert parser.summary is not None
    assert parser.summary.unchecked == ("分账笔数", "分账总额")


def test_the_parts_of_a_bill_may_each_bring_the_header() -> None:
    rows, _ = parse(bill(TRADE_HEADER, PAYMENT, TRADE_HEADER, REFUND, "\ufeff" + TRADE_HEADER, TRADE_SUMMARY_HEADER, TRADE_SUMMARY))

    assert len(rows) == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x1f\x8b\x08\x00\n", "tar_type=GZIP"),
        (b"<xml><return_code>FAIL</return_code></xml>", "an answer of another kind"),
        (b'{"code":"PARAM_ERROR"}', "an answer of another kind"),
        (b"nothing\n", "not the header of a bill"),
        (bill("a,a", "`1,`2"), "not the header of a bill"),
        (bill("a,b", "`1"), "row 1 of the bill has 1 values for 2 columns"),
        (bill("a,b", "`1,`2", "`1,`2,`3"), "row 2 of the bill has 3 values for 2 columns"),
        (bill(TRADE_HEADER, TRADE_SUMMARY_HEADER), "ends after the header of its summary"),
        (bill(TRADE_HEADER, TRADE_SUMMARY_HEADER, "`1,`2"), "7 names and 2 values"),
        (TRADE_BILL + bill(PAYMENT), "goes on after its summary"),
        (bill("a,b") + b"x" * 1_000_001, "longer than 1,000,000 bytes"),
        (b"a,b\n`1,`\xff\n", "not UTF-8 after row 0"),
    ],
)
def test_what_is_no_bill_is_refused_with_a_reason(data: bytes, message: str) -> None:
    with pytest.raises(MalformedMessage, match=message):
        parse(data)


def test_a_summary_cut_off_from_its_values_by_a_piece_is_read() -> None:
    parser = BillParser(FundFlowRow)
    rows = parser.feed(bill(FLOW_HEADER, FLOW_IN)) + parser.feed(bill(FLOW_SUMMARY_HEADER)) + parser.feed(b"`1,`1,`12.34,`0,`0")

    assert rows + parser.finish() == rows
    assert parser.summary is not None


CELL = st.text(st.characters(codec="utf-8", exclude_characters=",`\r\n\\"), max_size=8)
MONEY = st.integers(-(10**9), 10**9).map(lambda fen: f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}")


@given(
    rows=st.lists(st.tuples(CELL.filter(lambda text: "总" not in text), MONEY, MONEY), max_size=30),
    size=st.integers(1, 400),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
)
def test_what_was_written_is_read_back(rows: list[tuple[str, str, str]], size: int, end: str, bom: bool) -> None:
    lines = [f"`{name},`{total},`{fee}" for name, total, fee in rows]
    sums = [sum(micro_yuan(row[column]) for row in rows) // 10_000 for column in (1, 2)]
    totals = [f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}" for fen in sums]
    data = bill(
        "交易时间,订单金额,手续费", *lines, "总交易单数,订单总金额,手续费总金额", f"`{len(rows)},`{totals[0]},`{totals[1]}", end=end
    )

    read, parser = parse(b"\xef\xbb\xbf" * bom + data, size)

    assert [tuple(row.values()) for row in read] == rows
    assert [row.raw for row in read] == lines
    assert parser.summary is not None


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_are_read_or_refused(data: bytes, size: int) -> None:
    with suppress(MalformedMessage):
        parse(data, size)


@given(st.lists(st.sampled_from([TRADE_HEADER, PAYMENT, REFUND, TRADE_SUMMARY_HEADER, TRADE_SUMMARY, "", "`1", "总"]), max_size=8))
def test_lines_in_any_order_are_read_or_refused(lines: list[str]) -> None:
    def outcome(size: int) -> int | str:
        try:
            return len(parse(bill(TRADE_HEADER, *lines), size)[0])
        except MalformedMessage as error:
            return str(error)

    assert outcome(10**9) == outcome(37)
