"""Calls as users write them: checked by both type checkers, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, assert_type

import httpx

from wechatpay_async import Wechatpay
from wechatpay_async.api.types.pay import PayTransactionsJsapiPostBody, PayTransactionsNativePostResponse
from wechatpay_async.api.types.refund import RefundDomesticRefundsPostResponse
from wechatpay_async.chain import Node
from wechatpay_async.notifications.model import Notification
from wechatpay_async.response import Response


async def pay_score_modify(wxpay: Wechatpay) -> None:
    response = await wxpay.v3.payscore.partner.serviceorder._out_order_no_.modify.post(
        {
            "sub_mchid": "1900000109",
            "service_id": "500001",
            "post_payments": [{"name": "就餐费用", "amount": 40000, "count": 1}],
            "total_amount": 50000,
            "reason": "用户投诉",
        },
        out_order_no="1234323JKHDFE1243252",
    )
    assert_type(response.status_code, int)
    modify = wxpay.v3.payscore.serviceorder._out_order_no_.modify
    await modify({"appid": "wx1", "service_id": "1", "post_payments": [], "total_amount": 1, "reason": "r"}, out_order_no="1")


async def orders(wxpay: Wechatpay) -> None:
    response = await wxpay.v3.pay.transactions.native.post(
        {
            "appid": "wxd678efh567hg6787",
            "mchid": "1900000109",
            "description": "Image形象店-深圳腾大-QQ公仔",
            "out_trade_no": "1217752501201407033233368018",
            "notify_url": "https://example.com/paid",
            "amount": {"total": 100, "currency": "CNY"},
        }
    )
    assert_type(response, Response[PayTransactionsNativePostResponse])
    assert_type(response.data["code_url"], str)

    order: PayTransactionsJsapiPostBody = {
        "appid": "wxd678efh567hg6787",
        "mchid": "1900000109",
        "description": "Image形象店-深圳腾大-QQ公仔",
        "out_trade_no": "1217752501201407033233368018",
        "notify_url": "https://example.com/paid",
        "amount": {"total": 100},
        "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    }
    await wxpay.v3.pay.transactions.jsapi(order, timeout=5.0, headers={"X-Trace": "1"})

    found = await wxpay.v3.pay.transactions.outTradeNo._out_trade_no_.get(out_trade_no="1", params={"mchid": "1900000109"})
    assert_type(found.data["trade_state"], str)
    found = await wxpay.v3.pay.transactions.out_trade_no._out_trade_no_.get(out_trade_no="1", params={"mchid": "1900000109"})
    closed = await wxpay.v3.pay.transactions.out_trade_no._out_trade_no_.close.post({"mchid": "1900000109"}, out_trade_no="1")
    assert_type(closed, Response[None])


async def refunds(wxpay: Wechatpay) -> None:
    response = await wxpay.v3.refund.domestic.refunds.post(
        {
            "transaction_id": "1217752501201407033233368018",
            "out_refund_no": "1217752501201407033233368018",
            "reason": "商品已售完",
            "amount": {"refund": 1, "total": 1, "currency": "CNY", "from": [{"account": "AVAILABLE", "amount": 1}]},
        }
    )
    assert_type(response, Response[RefundDomesticRefundsPostResponse])
    assert_type(response.data["status"], str)


async def uploads(wxpay: Wechatpay, stream: AsyncIterator[bytes]) -> None:
    response = await wxpay.v3.merchant.media.upload.post(file=Path("licence.png"))
    assert_type(response.data["media_id"], str)
    await wxpay.v3.merchant.media.video_upload.post(file=b"...", filename="shop.mp4", progress=lambda sent, size: None)
    await wxpay.v3.marketing.favor.media.imageUpload(file=stream, filename="coupon.jpg")
    await wxpay.v3.taxi_invoice.cards.upload_file.post({"company_mchid": "1900000109", "region_id": 310100}, file="invoice.pdf")


async def downloads(wxpay: Wechatpay) -> None:
    response = await wxpay.v3.billdownload.file.get(params={"token": "1"})
    assert_type(response, Response[bytes])
    async with wxpay.v3.merchant_service.images._media_id_.stream(media_id="1") as file:
        assert_type(file, httpx.Response)


async def delete_with_a_body(wxpay: Wechatpay) -> None:
    stores = wxpay.v3.marketing.goods_subsidy_activity.retail_store_act._brand_id_.stores
    response = await stores.delete(
        {
            "out_request_no": "1002600620019090123143254436",
            "stores": [{"store_code": "abc_001"}],
            "delete_time": "2025-05-20T13:29:35+08:00",
        },
        brand_id="120344",
    )
    assert_type(response.status_code, int)


async def a_segment_called_delete(wxpay: Wechatpay) -> None:
    await wxpay.v3.profitsharing.receivers.delete.post({"appid": "wx1", "type": "MERCHANT_ID", "account": "86693852"})


async def apiv2(wxpay: Wechatpay) -> None:
    response = await wxpay.v2.pay.unifiedorder.post(
        {
            "appid": "wxd678efh567hg6787",
            "body": "腾讯充值中心-QQ会员充值",
            "out_trade_no": "20150806125346",
            "total_fee": 88,
            "spbill_create_ip": "123.12.12.123",
            "notify_url": "https://example.com/paid",
            "trade_type": "JSAPI",
        }
    )
    assert_type(response.data["return_code"], str)
    order = await wxpay.v2.pay.orderquery({"appid": "wxd678efh567hg6787", "out_trade_no": "20150806125346"})
    first = order.data.get("coupon_id_0")
    assert_type(first, str | None)
    refund = await wxpay.v2.pay.refundquery({"appid": "wxd678efh567hg6787", "out_refund_no": "20150806125346"})
    assert_type(refund.data.get("coupon_refund_id_0_1"), str | None)


async def dynamic_paths(wxpay: Wechatpay) -> None:
    tomorrow = wxpay.chain("v3/pay/transactions/tomorrow/{number}")
    assert_type(tomorrow, Node)
    response = await tomorrow.post({"anything": 1}, number="7")
    assert_type(response, Response[Any])
    assert_type(wxpay["v3/pay/transactions/tomorrow"], Node)
    assert_type(wxpay.v3.pay["tomorrow"].misspelt_as_you_like, Node)


async def both_kinds_of_policy_periods(wxpay: Wechatpay) -> None:
    kebab = wxpay.v3.papay.insurance_sign.policyPeriods
    either = wxpay.v3.papay.insurance_sign.policy_periods.plan_id._plan_id_
    await either.out_contract_code._out_contract_code_.get(plan_id=12535, out_contract_code="1")
    contract = kebab.planId._plan_id_.contractId
    contract = either.contractId
    await contract._contract_id_.modify({"appid": "wx1", "policy_periods": []}, plan_id=12535, contract_id="1")


def notifications(notification: Notification) -> None:
    paid = notification.resource_as("TRANSACTION.SUCCESS")
    assert_type(paid.get("out_trade_no"), str | None)
    assert_type(notification.resource_as("REFUND.SUCCESS")["refund_status"], str)
