"""Bills written by hand after the published samples, with the oddities that bills have had."""

from __future__ import annotations

TRADE_HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,"
    "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
PAYMENT = (
    "`2026-11-24 10:02:03,`wx8888888888888888,`1900000109,`0,`,`4200002200202611240000000001,`ORDER-1,`oUpF8uMuAJO_M2pxb1Q9zNjWeS6o,"
    "`JSAPI,`SUCCESS,`CMB_DEBIT,`CNY,`12.00,`0.34,`0,`0,`0.00,`0.00,`,`,`咖啡\\ 大杯,`第一行\\n第二行,`0.07,`0.60%,`12.34,`0.00,`"
)
REFUND = (
    "`2026-11-24 23:59:59,`wx8888888888888888,`1900000109,`0,`,`4200002200202611240000000001,`ORDER-1,`oUpF8uMuAJO_M2pxb1Q9zNjWeS6o,"
    "`JSAPI,`REFUND,`CMB_DEBIT,`CNY,`0.00,`0.00,`50300000012026112400000001,`REFUND-1,`5.00,`0.10,`ORIGINAL,`PROCESSING,"
    "`咖啡\\ 大杯,`,`-0.03,`0.60%,`0.00,`5.14,`"
)
TRADE_SUMMARY_HEADER = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
TRADE_SUMMARY = "`2,`12.00,`5.00,`0.10,`0.04,`12.34,`5.14"

FLOW_HEADER = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号"
)
FLOW_IN = "`2026-11-24 10:02:04,`4200002200202611240000000001,`1001,`交易,`交易,`收入,`12.34,`112.34,`system,`,`ORDER-1"
FLOW_NOTE = "退款总金额5.14元;含手续费0.03元"
FLOW_OUT = f"`2026-11-24 13:54:01,`50300806962026112400000000,`1002,`退款,`退款,`支出,`5.14,`107.20,`1900000109API,`{FLOW_NOTE},`REFUND-1"
FLOW_SUMMARY_HEADER = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
FLOW_SUMMARY = "`2,`1,`12.34,`1,`5.14"


def bill(*lines: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


TRADE_BILL = bill(TRADE_HEADER, PAYMENT, REFUND, TRADE_SUMMARY_HEADER, TRADE_SUMMARY)
FLOW_BILL = bill(FLOW_HEADER, FLOW_IN, FLOW_OUT, FLOW_SUMMARY_HEADER, FLOW_SUMMARY)
