"""The shop's words, in two languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["choose"]

_ENGLISH: Final[Mapping[str, str]] = {
    "shop": "The Tea House",
    "tea": "Longjing tea, 50 g",
    "cup": "Celadon cup",
    "pot": "Clay teapot",
    "native": "Pay by QR code",
    "jsapi": "Pay in WeChat",
    "order": "Your order",
    "scan": "Scan with WeChat to pay",
    "cashier": "Sandbox: open the cashier",
    "open_wechat": "Pay in WeChat",
    "ask": "I have paid",
    "NOTPAY": "Waiting for the payment",
    "SUCCESS": "Paid, thank you. The parcel is on its way.",
    "CLOSED": "Closed, nothing was taken.",
    "refund_PROCESSING": "The refund is on its way.",
    "refund_SUCCESS": "Refunded.",
    "refund_ABNORMAL": "The refund did not arrive. We are looking after it.",
    "refund_CLOSED": "There was no refund.",
    "pay": "Pay",
    "cancelled": "Cancelled. The order can still be paid.",
    "failed": "WeChat could not make the payment. Please try again.",
    "home": "Back to the shelf",
    "staff": "Orders",
    "refund": "Refund",
    "books": "Close the day",
    "number": "Number",
    "item": "Item",
    "total": "Total",
    "state": "State",
    "agrees": "The books and the bill agree.",
    "differs": "The books and the bill differ.",
    "sorry": "WeChat Pay cannot be reached at the moment. Nothing was charged. Please try again.",
}
_CHINESE: Final[Mapping[str, str]] = {
    "shop": "茶舍",
    "tea": "龙井 50 克",
    "cup": "青瓷杯",
    "pot": "紫砂壶",
    "native": "扫码支付",
    "jsapi": "微信内支付",
    "order": "您的订单",
    "scan": "请用微信扫码支付",
    "cashier": "沙箱：打开收银台",
    "open_wechat": "微信支付",
    "ask": "我已付款",
    "NOTPAY": "等待付款",
    "SUCCESS": "已付款，谢谢。包裹已发出。",
    "CLOSED": "订单已关闭，没有扣款。",
    "refund_PROCESSING": "退款处理中。",
    "refund_SUCCESS": "已退款。",
    "refund_ABNORMAL": "退款未能到账，我们正在处理。",
    "refund_CLOSED": "退款已关闭。",
    "pay": "付款",
    "cancelled": "已取消，订单仍可付款。",
    "failed": "微信未能完成付款，请重试。",
    "home": "返回首页",
    "staff": "订单",
    "refund": "退款",
    "books": "日终对账",
    "number": "单号",
    "item": "商品",
    "total": "金额",
    "state": "状态",
    "agrees": "账目与账单一致。",
    "differs": "账目与账单不一致。",
    "sorry": "暂时无法连接微信支付，没有扣款，请重试。",
}


def choose(accept_language: str) -> tuple[str, Mapping[str, str]]:
    """The first of the reader's languages that the shop speaks; English where it is none."""
    for wanted in accept_language.split(","):
        if wanted.strip().startswith("zh"):
            return "zh-CN", _CHINESE
        if wanted.strip().startswith("en"):
            break
    return "en", _ENGLISH
