"""One operation, however it is written."""

from __future__ import annotations

import pytest

from wechatpay_async import catalog
from wechatpay_async.cli.names import candidates, chain_of, read_target

CLOSE = "POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close"


@pytest.mark.parametrize(
    "text",
    [
        CLOSE,
        "post v3/pay/transactions/out-trade-no/{out_trade_no}/close",
        "v3/pay/transactions/out-trade-no/B1/close",
        "https://api.mch.weixin.qq.com/v3/pay/transactions/out-trade-no/B1/close",
        "v3.pay.transactions.out_trade_no._out_trade_no_.close",
        "wxpay.v3.pay.transactions.outTradeNo._out_trade_no_.close.post({...}, out_trade_no='B1')",
        "await wxpay.v3.pay.transactions.outTradeNo.$out_trade_no$.close.post({mchid: '1900000109'});",
        "wxpay.v3.pay.transactions['out-trade-no']['{out_trade_no}'].close",
        'wxpay.v3["pay/transactions"].outTradeNo._out_trade_no_.close.post',
    ],
)
def test_every_spelling_finds_the_operation(text: str) -> None:
    assert [operation.id for operation in candidates(read_target(text))] == [CLOSE]


def test_delete_is_a_verb_and_a_segment() -> None:
    assert [each.id for each in candidates(read_target("wxpay.v3.profitsharing.receivers.delete"))] == [
        "POST /v3/profitsharing/receivers/delete"
    ]


def test_a_path_of_apiv2_needs_no_prefix() -> None:
    assert [each.api for each in candidates(read_target("/pay/unifiedorder"))] == ["v2"]


def test_a_path_with_several_verbs_finds_them_all() -> None:
    found = candidates(read_target("v3/merchant-service/complaint-notifications"))

    assert sorted(each.method for each in found) == ["DELETE", "GET", "POST", "PUT"]


def test_what_is_not_documented_is_not_found() -> None:
    assert candidates(read_target("v3/no/such/path")) == []
    assert candidates(read_target("nothing")) == []


def test_a_chain_leads_back_to_its_operation() -> None:
    for operation in catalog.operations():
        found = candidates(read_target(f"{chain_of(operation)}.{operation.method.lower()}()"))
        assert operation.id in {each.id for each in found}
