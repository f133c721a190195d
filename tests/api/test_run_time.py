"""The generated types at run time: importable, and good enough for FastAPI and pydantic on every Python."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib import import_module

import httpx
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError

from wechatpay_async.api import types
from wechatpay_async.api.types.events import RefundSuccessResource
from wechatpay_async.api.types.pay import PayTransactionsJsapiPostBody, PayTransactionsJsapiPostResponse
from wechatpay_async.api.types.refund import RefundDomesticRefundsPostBodyAmount

app = FastAPI()

ORDER = {
    "appid": "wxd678efh567hg6787",
    "mchid": "1900000109",
    "description": "Image形象店-深圳腾大-QQ公仔",
    "out_trade_no": "1217752501201407033233368018",
    "notify_url": "https://example.com/paid",
    "amount": {"total": 100},
    "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
}


@app.post("/orders")
async def place_order(order: PayTransactionsJsapiPostBody) -> PayTransactionsJsapiPostResponse:
    return {"prepay_id": f"wx{order['amount']['total']}"}


@pytest.fixture
async def shop() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://shop") as client:
        yield client


@pytest.mark.anyio
async def test_fastapi_takes_a_body_and_an_answer(shop: httpx.AsyncClient) -> None:
    response = await shop.post("/orders", json=ORDER)

    assert (response.status_code, response.json()) == (200, {"prepay_id": "wx100"})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"payer": {"openid": 1}}, ["body", "payer", "openid"]),
        ({"amount": {}}, ["body", "amount", "total"]),
        ({"out_trade_no": None}, ["body", "out_trade_no"]),
    ],
)
async def test_fastapi_refuses_a_wrong_body(shop: httpx.AsyncClient, change: dict[str, object], where: list[str]) -> None:
    response = await shop.post("/orders", json=ORDER | change)

    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["detail"]] == [where]


@pytest.mark.anyio
async def test_fastapi_documents_the_fields(shop: httpx.AsyncClient) -> None:
    described = (await shop.get("/openapi.json")).json()["components"]["schemas"]["PayTransactionsJsapiPostBody"]

    assert described["description"].startswith("JSAPI下单: POST /v3/pay/transactions/jsapi")
    assert set(described["required"]) == {"appid", "mchid", "description", "out_trade_no", "notify_url", "amount", "payer"}


def test_a_key_that_is_a_keyword() -> None:
    judge = TypeAdapter(RefundDomesticRefundsPostBodyAmount)
    amount = {"refund": 1, "total": 1, "currency": "CNY", "from": [{"account": "AVAILABLE", "amount": 1}]}

    assert judge.validate_python(amount) == amount
    with pytest.raises(ValidationError, match="account"):
        judge.validate_python(amount | {"from": [{"amount": 1}]})


def test_the_resource_of_an_event() -> None:
    assert "refund_status" in RefundSuccessResource.__required_keys__
    assert "user_received_account" in RefundSuccessResource.__annotations__


def test_every_module_exports_what_it_says() -> None:
    names = [module.name for module in pkgutil.walk_packages(types.__path__, f"{types.__name__}.")]

    assert len(names) > 100
    for name in names:
        module = import_module(name)
        assert all(hasattr(getattr(module, exported), "__required_keys__") for exported in getattr(module, "__all__", ()))


def test_the_package_itself_loads_none_of_them() -> None:
    code = "import sys, wechatpay_async; print([name for name in sys.modules if name.startswith('wechatpay_async.api')])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert output.stdout.strip() == "[]"
