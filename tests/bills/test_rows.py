from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.bills.samples import FLOW_BILL, TRADE_BILL, TRADE_HEADER, bill
from tests.support.vectors import Vector, each_vector
from wechatpay_async.bills import (
    CHINA,
    FundFlowRow,
    ProfitSharingRow,
    Row,
    TradeRow,
    as_mapping,
    china_time,
    read_rows,
    unescape,
)
from wechatpay_async.errors import MalformedMessage


@each_vector("bill_csv")
def test_a_line_is_read_as_published(vector: Vector) -> None:
    assert as_mapping(vector.inputs["line"], vector.inputs["keys"]) == vector.expected["row"]


def test_a_payment_is_read_with_types() -> None:
    payment = next(read_rows([TRADE_BILL], TradeRow))

    assert payment.trade_time == datetime(2026, 11, 24, 10, 2, 3, tzinfo=CHINA)
    assert payment.trade_time is not None
    assert payment.trade_time.utcoffset() == timedelta(hours=8)
    assert payment.appid == "wx8888888888888888"
    assert payment.mchid == "1900000109"
    assert payment.transaction_id == "4200002200202611240000000001"
    assert payment.out_trade_no == "ORDER-1"
    assert payment.openid == "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
    assert (payment.trade_type, payment.trade_state, payment.bank_type, payment.currency) == ("JSAPI", "SUCCESS", "CMB_DEBIT", "CNY")
    assert (payment.total, payment.settlement_total, payment.coupon_total, payment.fee) == (1234, 1200, 34, 7)
    assert (payment.refund_total, payment.settlement_refund, payment.coupon_refund) == (0, 0, 0)
    assert payment.rate == "0.60%"
    assert not payment.is_refund


def test_a_refund_is_read_with_types() -> None:
    _, refund = read_rows([TRADE_BILL], TradeRow)

    assert refund.is_refund
    assert (refund.refund_id, refund.out_refund_no) == ("50300000012026112400000001", "REFUND-1")
    assert (refund.refund_total, refund.settlement_refund, refund.coupon_refund, refund.fee) == (514, 500, 10, -3)
    assert (refund.refund_type, refund.refund_status) == ("ORIGINAL", "PROCESSING")


def test_a_nought_where_a_number_is_due_means_none() -> None:
    payment = next(read_rows([TRADE_BILL], TradeRow))

    assert (payment.sub_mchid, payment.device_info, payment.refund_id, payment.out_refund_no) == ("", "", "", "")
    assert payment["特约商户号"] == "0"


def test_escapes_are_undone_and_the_raw_line_is_kept() -> None:
    payment = next(read_rows([TRADE_BILL], TradeRow))

    assert payment.description == "咖啡,大杯"
    assert payment.attach == "第一行\n第二行"
    assert payment.raw == TRADE_BILL.decode().splitlines()[1]
    assert payment.written[20] == "咖啡\\ 大杯"


def test_other_back_slashes_stay() -> None:
    assert unescape("C:\\Temp") == "C:\\Temp"


def test_columns_that_a_bill_type_does_not_have_are_none_or_empty() -> None:
    success = next(read_rows([bill("交易时间,商户订单号,订单金额", "`2026-11-24 10:02:03,`ORDER-1,`")], TradeRow))

    assert success.refund_success_time is None
    assert success.refund_total is None
    assert success.total is None
    assert success.yuan("手续费") is None
    assert success.refund_status == ""


def test_columns_of_older_bills_are_found_under_their_old_names() -> None:
    header = (
        "交易时间,公众账号ID,商户号,子商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
        "总金额,企业红包金额,手续费,费率"
    )
    line = (
        "`2014-11-10 16:33:45,`wx1,`10000100,`1900000110,`1000,`1001690740201411100005734289,`1415640626,`o1,`MICROPAY,`SUCCESS,"
        "`OTHERS,`CNY,`0.01,`0.0,`0.00600,`0.60%"
    )

    row = next(read_rows([bill(header, line)], TradeRow))

    assert (row.total, row.settlement_total, row.coupon_total) == (1, 1, 0)
    assert (row.sub_mchid, row.device_info) == ("1900000110", "1000")
    assert row.yuan("手续费") == Decimal("0.006")
    with pytest.raises(MalformedMessage, match="whole number of fen"):
        _ = row.fee


def test_a_row_is_a_mapping_of_all_columns_the_unknown_ones_too() -> None:
    row = next(read_rows([bill("交易时间,新列,商户订单号", "`2026-11-24 10:02:03,`值,`ORDER-1")], TradeRow))

    assert dict(row) == {"交易时间": "2026-11-24 10:02:03", "新列": "值", "商户订单号": "ORDER-1"}
    assert row.out_trade_no == "ORDER-1"
    assert len(row) == 3
    with pytest.raises(KeyError):
        row["没有"]


def test_rows_compare_by_what_they_hold_and_show_none_of_it() -> None:
    first, refund = read_rows([TRADE_BILL], TradeRow)
    again = next(read_rows([TRADE_BILL], TradeRow))

    assert first == again
    assert hash(first) == hash(again)
    assert first != refund
    assert first != "a row"
    assert repr(first) == "<TradeRow of 27 columns>"


def test_an_untidy_row_is_the_same_row() -> None:
    tidy, untidy = read_rows([bill("a,b", "`1,`2", "1,`2")], Row)

    assert tidy == untidy
    assert hash(tidy) == hash(untidy)


def test_a_field_asked_of_the_class_says_which_columns_it_reads() -> None:
    assert TradeRow.sub_mchid.names == ("特约商户号", "子商户号")


def test_a_movement_is_read_with_types() -> None:
    income, expense = read_rows([FLOW_BILL], FundFlowRow)

    assert income.accounting_time == datetime(2026, 11, 24, 10, 2, 4, tzinfo=CHINA)
    assert (income.direction, income.amount, income.balance) == ("in", 1234, 11234)
    assert (expense.direction, expense.amount, expense.balance) == ("out", 514, 10720)
    assert expense.note == "退款总金额5.14元;含手续费0.03元"
    assert (expense.flow_id, expense.voucher_no, expense.business_type) == ("1002", "REFUND-1", "退款")


def test_a_movement_in_no_known_direction_is_refused() -> None:
    row = next(read_rows([bill("记账时间,收支类型", "`2026-11-24 10:02:04,`冻结")], FundFlowRow))

    with pytest.raises(MalformedMessage, match="neither 收入 nor 支出"):
        _ = row.direction


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (TRADE_HEADER, TradeRow),
        ("记账时间,收支类型,收支金额(元)", FundFlowRow),
        ("分账时间,分账方,微信订单号,分账金额", ProfitSharingRow),
        ("提现单号,金额", Row),
    ],
)
def test_the_header_tells_the_kind_of_bill(header: str, kind: type[Row]) -> None:
    values = ",".join("`1" for _ in header.split(","))

    assert type(next(read_rows([bill(header, values)], Row))) is kind


def test_a_sharing_is_read_with_types() -> None:
    row = next(
        read_rows([bill("分账时间,分账方,分账接收方,分账金额", "`2026-11-24 10:02:03,`1900000109,`1900000110,`1.50")], ProfitSharingRow)
    )

    assert (row.sharer_mchid, row.receiver, row.amount) == ("1900000109", "1900000110", 150)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24 10:02:03", datetime(2026, 11, 24, 10, 2, 3, tzinfo=CHINA)),
        ("2016-05-04  02:18:18", datetime(2016, 5, 4, 2, 18, 18, tzinfo=CHINA)),
        ("20180130101112", datetime(2018, 1, 30, 10, 11, 12, tzinfo=CHINA)),
        ("2026-11-24T02:02:03+00:00", datetime(2026, 11, 24, 2, 2, 3, tzinfo=UTC)),
        ("", None),
        ("0", None),
    ],
)
def test_times_are_aware(text: str, expected: datetime | None) -> None:
    assert china_time(text) == expected


@pytest.mark.parametrize("text", ["昨天", "2026-13-01 00:00:00", "99999999999999"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage, match="where a time is due"):
        china_time(text)
