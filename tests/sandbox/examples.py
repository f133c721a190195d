"""Requests that the sandbox accepts, to be changed by the tests."""

from __future__ import annotations

from typing import Any

APPID = "wxd678efh567hg6787"
MCHID = "1900000109"


def native_order(number: str = "native-0001", **changes: Any) -> dict[str, Any]:
    return {
        "appid": APPID,
        "mchid": MCHID,
        "description": "Image形象店-深圳腾大-QQ公仔",
        "out_trade_no": number,
        "notify_url": "https://merchant.example/notify",
        "amount": {"total": 100, "currency": "CNY"},
    } | changes


def refund_of(number: str, refund_number: str = "refund-0001", refund: int = 100, total: int = 100, **changes: Any) -> dict[str, Any]:
    return {
        "out_trade_no": number,
        "out_refund_no": refund_number,
        "reason": "商品已售完",
        "notify_url": "https://merchant.example/refund",
        "amount": {"refund": refund, "total": total, "currency": "CNY"},
    } | changes


def score_order(number: str = "score-0001", *, partner: bool = False, **changes: Any) -> dict[str, Any]:
    return (
        {
            "out_order_no": number,
            "appid": APPID,
            "service_id": "2002000000000558128851361561536",
            "service_introduction": "XX充电宝",
            "time_range": {"start_time": "OnAccept"},
            "risk_fund": {"name": "DEPOSIT", "amount": 10000},
            "notify_url": "https://merchant.example/payscore",
        }
        | ({"sub_mchid": "1900000110"} if partner else {})
        | changes
    )
