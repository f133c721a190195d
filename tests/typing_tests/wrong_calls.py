"""Calls that cannot be right: each line that ends in `# E: code / rule` must be refused, by mypy and by pyright; never run.

A wrong call and its mark stand on one line, whatever its length. Left of the slash stands mypy's error code, right of it pyright's rule.
"""

# fmt: off
from __future__ import annotations

from wechatpay_async import Wechatpay
from wechatpay_async.notifications.model import Notification


async def pay_score_modify(wxpay: Wechatpay) -> None:
    modify = wxpay.v3.payscore.serviceorder._out_order_no_.modify
    await modify.post({"appid": "wx1", "service_id": "1", "post_payments": [], "total_amount": 1}, out_order_no="1")  # E: typeddict-item / reportArgumentType
    await modify.post({"appid": "wx1", "service_id": "1", "post_payments": [], "total_amount": "1", "reason": "r"}, out_order_no="1")  # E: typeddict-item / reportArgumentType
    await modify.post({"appid": "wx1", "service_id": "1", "post_payments": [], "total_amount": 1, "reason": "r"})  # E: call-arg / reportCallIssue
    await modify.post({"appid": "wx1", "service_id": "1", "post_payments": [], "total_amount": 1, "reason": "r", "x": 1}, out_order_no="1")  # E: typeddict-unknown-key / reportArgumentType
    await modify({"appid": "wx1", "service_id": "1", "post_payments": [], "total_amount": 1, "reason": "r"}, out_order="1")  # E: call-arg / reportCallIssue
    await modify.post(out_order_no="1")  # E: call-arg / reportCallIssue
    await modify.get(out_order_no="1")  # E: attr-defined / reportAttributeAccessIssue


async def orders(wxpay: Wechatpay) -> None:
    wxpay.v3.pay.transaction  # E: attr-defined / reportAttributeAccessIssue
    wxpay.v3.pay.transactions.out_trade_nr  # E: attr-defined / reportAttributeAccessIssue
    wxpay.v4  # E: attr-defined / reportAttributeAccessIssue
    found = wxpay.v3.pay.transactions.out_trade_no._out_trade_no_
    await found.get(out_trade_no="1")  # E: call-arg / reportCallIssue
    await found.get(out_trade_no="1", params={})  # E: typeddict-item / reportArgumentType
    await found.get(out_trade_no="1", params={"mchid": 1900000109})  # E: typeddict-item / reportArgumentType
    await found.get(out_trade_no=None, params={"mchid": "1900000109"})  # E: arg-type / reportArgumentType
    await found.close.post({"mchid": "1900000109"}, out_trade_no="1", timeout="5 s")  # E: arg-type / reportArgumentType
    response = await found.get(out_trade_no="1", params={"mchid": "1900000109"})
    response.data["trade_stat"]  # E: typeddict-item / reportGeneralTypeIssues
    await wxpay.v3.pay.transactions.native.post({"appid": "wx1", "amount": {"total": 0.01}})  # E: typeddict-item / reportArgumentType


async def refunds(wxpay: Wechatpay) -> None:
    refunds = wxpay.v3.refund.domestic.refunds
    await refunds.post({"out_refund_no": "1", "amount": {"refund": 1, "currency": "CNY"}})  # E: typeddict-item / reportArgumentType
    await refunds.post({"out_refund_no": "1", "amount": {"refund": 1, "total": 1, "currency": "CNY", "from": 1}})  # E: typeddict-item / reportArgumentType


async def uploads_and_downloads(wxpay: Wechatpay) -> None:
    await wxpay.v3.merchant.media.upload.post()  # E: call-arg / reportCallIssue
    await wxpay.v3.merchant.media.upload.post(file=1)  # E: arg-type / reportArgumentType
    await wxpay.v3.taxi_invoice.cards.upload_file.post(file="invoice.pdf")  # E: call-arg / reportCallIssue
    await wxpay.v3.billdownload.file.get()  # E: call-arg / reportCallIssue
    wxpay.v3.pay.transactions.native.stream()  # E: attr-defined / reportAttributeAccessIssue


async def delete_with_a_body(wxpay: Wechatpay) -> None:
    stores = wxpay.v3.marketing.goods_subsidy_activity.retail_store_act._brand_id_.stores
    await stores.delete(brand_id="120344")  # E: call-arg / reportCallIssue
    await stores.delete({"stores": []}, brand_id="120344")  # E: typeddict-item / reportArgumentType
    await wxpay.v3.profitsharing.receivers.delete.post({"appid": "wx1", "type": "NOBODY", "account": "1"})  # E: typeddict-item / reportArgumentType


async def apiv2(wxpay: Wechatpay) -> None:
    await wxpay.v2.pay.orderquery({"out_trade_no": "20150806125346"})  # E: typeddict-item / reportArgumentType
    await wxpay.v2.pay.orderquery({"appid": "wx1", "out_trade_no": 1.5})  # E: typeddict-item / reportArgumentType
    response = await wxpay.v2.pay.orderquery({"appid": "wx1", "out_trade_no": "1"})
    response.data["coupon_id_n"]  # E: typeddict-item / reportGeneralTypeIssues


def notifications(notification: Notification) -> None:
    notification.resource_as("TRANSACTION.SUCCES")  # E: call-overload / reportCallIssue
    notification.resource_as("REFUND.SUCCESS")["status"]  # E: typeddict-item / reportGeneralTypeIssues
