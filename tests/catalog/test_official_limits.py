"""The limits of orders, refunds and transfers that the official pages give, looked at before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from wechatpay_async import catalog

ORDER: dict[str, Any] = {
    "appid": "wxd678efh567hg6787",
    "mchid": "1900000109",
    "description": "Image形象店-深圳腾大-QQ公仔",
    "out_trade_no": "1217752501201407033233368018",
    "notify_url": "https://shop.example/notify",
    "amount": {"total": 100},
}
REFUND: dict[str, Any] = {
    "out_trade_no": "1217752501201407033233368018",
    "out_refund_no": "121775250120140703323336_-|*@",
    "amount": {"total": 100, "refund": 100, "currency": "CNY"},
}
TRANSFER: dict[str, Any] = {
    "appid": "wxd678efh567hg6787",
    "out_bill_no": "plfk2020042013",
    "transfer_scene_id": "1000",
    "openid": "o-MYE42l80oelYMDE34nYD456Xoy",
    "transfer_amount": 400000,
    "transfer_remark": "新会员开通有礼",
    "transfer_scene_report_infos": [{"info_type": "活动名称", "info_content": "新会员有礼"}],
}
NATIVE, REFUNDS, TRANSFERS = "/v3/pay/transactions/native", "/v3/refund/domestic/refunds", "/v3/fund-app/mch-transfer/transfer-bills"


def found(path: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    operation = catalog.operation("v3", "POST", path)
    assert operation is not None
    return [(problem.path, problem.message) for problem in catalog.compile_validator(operation).check_body(body)]


@pytest.mark.parametrize(("path", "body"), [(NATIVE, ORDER), (REFUNDS, REFUND), (TRANSFERS, TRANSFER)])
def test_what_is_within_the_limits_passes(path: str, body: dict[str, Any]) -> None:
    assert found(path, body) == []


@pytest.mark.parametrize(
    "path", [f"/v3/pay/{role}transactions/{kind}" for role in ("", "partner/") for kind in ("app", "h5", "jsapi", "native")]
)
def test_every_kind_of_order_has_them(path: str) -> None:
    number = [
        message
        for where, message in found(path, {"out_trade_no": "1", "amount": {"total": 0}})
        if where in ("$.out_trade_no", "$.amount.total")
    ]
    assert number == ["6 to 32 characters are wanted, got 1", "at least 1 is wanted, got 0"]


@pytest.mark.parametrize(
    ("path", "body", "where", "message"),
    [
        (NATIVE, ORDER | {"out_trade_no": "1" * 33}, "$.out_trade_no", "6 to 32 characters are wanted, got 33"),
        (
            NATIVE,
            ORDER | {"out_trade_no": "12345@"},
            "$.out_trade_no",
            r"text like ^[0-9A-Za-z_\-|*]*$ is wanted, got text of 6 characters",
        ),
        (NATIVE, ORDER | {"description": "d" * 128}, "$.description", "at most 127 characters are wanted, got 128"),
        (NATIVE, ORDER | {"attach": "a" * 129}, "$.attach", "at most 128 characters are wanted, got 129"),
        (
            NATIVE,
            ORDER | {"notify_url": "https://shop.example/n?x"},
            "$.notify_url",
            "text like ^[^?#]*$ is wanted, got text of 24 characters",
        ),
        (NATIVE, ORDER | {"notify_url": "https://shop.example/" + "n" * 235}, "$.notify_url", "at most 255 characters are wanted, got 256"),
        (REFUNDS, REFUND | {"out_refund_no": "1" * 65}, "$.out_refund_no", "at most 64 characters are wanted, got 65"),
        (REFUNDS, REFUND | {"reason": "r" * 81}, "$.reason", "at most 80 characters are wanted, got 81"),
        (REFUNDS, REFUND | {"amount": {"total": 1, "refund": 0, "currency": "CNY"}}, "$.amount.refund", "at least 1 is wanted, got 0"),
        (
            REFUNDS,
            REFUND | {"notify_url": "https://shop.example/n#x"},
            "$.notify_url",
            "text like ^[^?#]*$ is wanted, got text of 24 characters",
        ),
        (TRANSFERS, TRANSFER | {"out_bill_no": "a_b"}, "$.out_bill_no", "text like ^[0-9A-Za-z]*$ is wanted, got text of 3 characters"),
        (TRANSFERS, TRANSFER | {"out_bill_no": "a" * 33}, "$.out_bill_no", "at most 32 characters are wanted, got 33"),
        (TRANSFERS, TRANSFER | {"transfer_amount": 0}, "$.transfer_amount", "at least 1 is wanted, got 0"),
    ],
)
def test_what_is_beyond_a_limit_is_named(path: str, body: dict[str, Any], where: str, message: str) -> None:
    assert found(path, body) == [(where, message)]
