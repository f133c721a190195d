"""Bills of WeChat Pay: bytes in, typed rows and a checked summary out. Pure: where the bytes come from is another module's matter."""

from wechatpay_async.bills.amounts import fen, format_micro, micro_yuan
from wechatpay_async.bills.parser import CHUNK, BillParser, read_rows
from wechatpay_async.bills.rows import CHINA, FundFlowRow, ProfitSharingRow, Row, TradeRow, as_mapping, china_time, unescape
from wechatpay_async.bills.totals import Summary

__all__ = [
    "CHINA",
    "CHUNK",
    "BillParser",
    "FundFlowRow",
    "ProfitSharingRow",
    "Row",
    "Summary",
    "TradeRow",
    "as_mapping",
    "china_time",
    "fen",
    "format_micro",
    "micro_yuan",
    "read_rows",
    "unescape",
]
