"""The rows of a bill: text as it stands in the file, converted when a field is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar, overload

from wechatpay_async.bills.amounts import fen, micro_yuan
from wechatpay_async.errors import MalformedMessage

__all__ = ["CHINA", "Columns", "FundFlowRow", "ProfitSharingRow", "Row", "TradeRow", "china_time", "unescape"]

#: Bills are written in the time of Asia/Shanghai, which has had no other offset since 1991.
CHINA = timezone(timedelta(hours=8))

T = TypeVar("T")


def unescape(value: str) -> str:
    """Undo the escapes of a bill: a comma is written as back-slash and space, a newline as back-slash and `n`."""
    if "\\" not in value:
        return value
    return value.replace("\\ ", ",").replace("\\n", "\n")


def china_time(value: str) -> datetime | None:
    """`"2026-11-24 10:00:00"` -> an aware datetime at +08:00; None for an empty value or `0`.

    Raises `MalformedMessage` for anything else.
    """
    text = " ".join(value.split())
    if text in ("", "0"):
        return None
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%S") if len(text) == 14 and text.isdigit() else datetime.fromisoformat(text)
    except ValueError:
        raise MalformedMessage(f"a bill holds {value[:40]!r} where a time is due") from None
    return moment.replace(tzinfo=CHINA) if moment.tzinfo is None else moment.astimezone(CHINA)


class Columns(dict[str, int]):
    """Where each column of a bill lies, by the name in its header."""

    __slots__ = ("names",)

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__((name, index) for index, name in enumerate(names))
        self.names: tuple[str, ...] = names


class Row(Mapping[str, str]):
    """One row, a mapping of the header's names to text with the escapes undone, with typed readers beside it.

    `written` are its values without their back-ticks, escapes still in place.
    Columns that this package does not know are there under their own names.
    """

    __slots__ = ("_columns", "_untidy_line", "written")

    def __init__(self, columns: Columns, written: list[str], untidy_line: str | None = None) -> None:
        self._columns = columns
        self.written: list[str] = written
        if untidy_line is not None:
            self._untidy_line = untidy_line

    @property
    def raw(self) -> str:
        """The line as it stands in the file, without its end."""
        try:
            return self._untidy_line
        except AttributeError:
            return "`" + ",`".join(self.written)

    @property
    def columns(self) -> Mapping[str, int]:
        """Where each column lies in `written`."""
        return self._columns

    def __getitem__(self, name: str) -> str:
        return unescape(self.written[self._columns[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and dict(self) == dict(other)

    def __hash__(self) -> int:
        return hash(tuple(self.values()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} columns>"

    def text(self, *names: str) -> str:
        """The value of the first of these columns that the bill has; `""` where it has none of them."""
        for name in names:
            if name in self._columns:
                return self[name]
        return ""

    def fen(self, *names: str) -> int | None:
        """An amount in fen, exactly; None where the bill has no such column or the value is empty."""
        text = self.text(*names)
        return fen(text) if text else None

    def yuan(self, *names: str) -> Decimal | None:
        """An amount in yuan with all its decimals (fees of older bills hold parts of a fen); None as in `fen`."""
        text = self.text(*names)
        return Decimal(micro_yuan(text)) / 1_000_000 if text else None

    def time(self, *names: str) -> datetime | None:
        """A time, aware, at +08:00; None where the bill has no such column or the value is empty."""
        return china_time(self.text(*names))


class _Field(Generic[T]):
    """A typed property of a row: the names that its column has had over the years, the current one first."""

    def __init__(self, *names: str) -> None:
        self.names: tuple[str, ...] = names
        self.__doc__ = " / ".join(names)

    @overload
    def __get__(self, row: None, owner: type[Row]) -> _Field[T]: ...
    @overload
    def __get__(self, row: Row, owner: type[Row]) -> T: ...
    def __get__(self, row: Row | None, owner: type[Row]) -> _Field[T] | T:
        return self if row is None else self.read(row)

    def read(self, row: Row) -> T:
        raise NotImplementedError  # pragma: no cover - each kind of field has its own


class _Text(_Field[str]):
    def read(self, row: Row) -> str:
        return row.text(*self.names)


class _Fen(_Field["int | None"]):
    def read(self, row: Row) -> int | None:
        return row.fen(*self.names)


class _Time(_Field["datetime | None"]):
    def read(self, row: Row) -> datetime | None:
        return row.time(*self.names)


class _Number(_Field[str]):
    """A number of WeChat Pay or of the merchant; a bill writes `0` where there is none."""

    def read(self, row: Row) -> str:
        text = row.text(*self.names)
        return "" if text == "0" else text


class TradeRow(Row):
    """A payment or a refund of a trade bill: https://pay.weixin.qq.com/doc/v3/merchant/4013071227.

    Amounts are fen, None where this bill type has no such column.
    """

    __slots__ = ()

    trade_time: _Time = _Time("交易时间")
    appid: _Text = _Text("公众账号ID")
    mchid: _Text = _Text("商户号")
    sub_mchid: _Number = _Number("特约商户号", "子商户号")
    device_info: _Number = _Number("设备号")
    transaction_id: _Text = _Text("微信订单号")
    out_trade_no: _Text = _Text("商户订单号")
    openid: _Text = _Text("用户标识")
    trade_type: _Text = _Text("交易类型")
    trade_state: _Text = _Text("交易状态")
    bank_type: _Text = _Text("付款银行")
    currency: _Text = _Text("货币种类")
    settlement_total: _Fen = _Fen("应结订单金额", "总金额")
    coupon_total: _Fen = _Fen("代金券金额", "企业红包金额", "代金券或立减优惠金额")
    refund_request_time: _Time = _Time("退款申请时间")
    refund_success_time: _Time = _Time("退款成功时间")
    refund_id: _Number = _Number("微信退款单号")
    out_refund_no: _Number = _Number("商户退款单号")
    settlement_refund: _Fen = _Fen("退款金额")
    coupon_refund: _Fen = _Fen("充值券退款金额", "企业红包退款金额", "代金券或立减优惠退款金额")
    refund_type: _Text = _Text("退款类型")
    refund_status: _Text = _Text("退款状态")
    description: _Text = _Text("商品名称")
    attach: _Text = _Text("商户数据包")
    fee: _Fen = _Fen("手续费")
    rate: _Text = _Text("费率")
    total: _Fen = _Fen("订单金额", "总金额")
    refund_total: _Fen = _Fen("申请退款金额", "退款金额")
    rate_note: _Text = _Text("费率备注")

    @property
    def is_refund(self) -> bool:
        """A refund or a reversed code payment; otherwise a payment."""
        return self.trade_state in ("REFUND", "REVOKED")


class FundFlowRow(Row):
    """A movement of an account: https://pay.weixin.qq.com/doc/v3/merchant/4013071228. Amounts are fen."""

    __slots__ = ()

    accounting_time: _Time = _Time("记账时间")
    transaction_id: _Text = _Text("微信支付业务单号")
    flow_id: _Text = _Text("资金流水单号")
    business_name: _Text = _Text("业务名称")
    business_type: _Text = _Text("业务类型")
    direction_as_written: _Text = _Text("收支类型")
    amount: _Fen = _Fen("收支金额(元)", "收支金额（元）", "收支金额")
    balance: _Fen = _Fen("账户结余(元)", "账户结余（元）", "账户结余")
    applicant: _Text = _Text("资金变更提交申请人")
    note: _Text = _Text("备注")
    voucher_no: _Text = _Text("业务凭证号")
    sub_mchid: _Number = _Number("二级商户号", "特约商户号", "子商户号")
    account_type: _Text = _Text("账户类型", "资金账户类型")

    @property
    def direction(self) -> Literal["in", "out"]:
        """`in` for 收入, `out` for 支出. Raises `MalformedMessage` for another word."""
        word = self.direction_as_written
        if word == "收入":
            return "in"
        if word == "支出":
            return "out"
        raise MalformedMessage(f"收支类型 is {word[:20]!r}, neither 收入 nor 支出")


class ProfitSharingRow(Row):
    """A sharing or a return of shared money: https://pay.weixin.qq.com/doc/v3/merchant/4012529628. Amounts are fen.

    The official page prints no header, and it has changed: what these names do not find lies in the mapping under its own name.
    """

    __slots__ = ()

    share_time: _Time = _Time("分账时间", "分账完成时间", "业务时间")
    initiator_mchid: _Number = _Number("分账发起方")
    sharer_mchid: _Number = _Number("分账方")
    transaction_id: _Text = _Text("微信订单号", "微信支付订单号")
    order_id: _Text = _Text("微信分账单号", "微信分账/回退单号")
    detail_id: _Text = _Text("分账明细单号")
    out_order_no: _Text = _Text("商户分账单号", "商户分账/回退单号")
    order_amount: _Fen = _Fen("订单金额")
    receiver: _Text = _Text("分账接收方")
    amount: _Fen = _Fen("分账金额", "金额")
    business_type: _Text = _Text("业务类型", "类型")
    state: _Text = _Text("处理状态", "状态")
    description: _Text = _Text("分账描述", "描述")
    note: _Text = _Text("备注")


def row_type_of(names: tuple[str, ...]) -> type[Row]:
    """The kind of bill that has this header."""
    if "记账时间" in names:
        return FundFlowRow
    if "交易时间" in names:
        return TradeRow
    if any(name.startswith("分账") for name in names):
        return ProfitSharingRow
    return Row


def without_ticks(values: list[str]) -> list[str]:
    """Values of a line that was written untidily: some, or all, without their back-tick, or with spaces around."""
    return [value.strip().removeprefix("`") for value in values]


def split_line(line: str) -> list[str]:
    """The values of one line, without their back-ticks.

    Every value of a row begins with a back-tick, so that the separator is a comma and a back-tick; a header has none,
    and profit-sharing bills before 2025-01-15 lacked some (https://pay.weixin.qq.com/doc/v3/merchant/4012529628).
    """
    ticked = line[1:].split(",`") if line.startswith("`") else []
    if any("," in value for value in ticked) or not ticked:
        return without_ticks(line.split(","))
    return ticked


def as_mapping(line: str, names: list[str]) -> dict[str, Any]:
    """One line as a dictionary, by these names, or by position (`"0"`, `"1"`, …) where there is none."""
    return {names[index] if index < len(names) else str(index): unescape(value) for index, value in enumerate(split_line(line))}
