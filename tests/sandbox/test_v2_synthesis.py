"""Every APIv2 operation answers, with or without rules of its own."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.test_synthesis import example
from tests.support.handmade_v2 import HandmadeV2, as_xml, from_xml, signature
from wechatpay_async import catalog
from wechatpay_async.catalog import Schema
from wechatpay_async.sandbox.v2.flows import ROUTES

pytestmark = pytest.mark.anyio

GENERIC = [item for item in catalog.operations() if item.api == "v2" and item.id not in ROUTES and not item.is_upload]


def fields_of(operation: catalog.Operation, mchid: str) -> dict[str, Any]:
    """The examples of an operation, signed by the merchant under whichever name it has."""
    schemas = (operation.body or {}).get("properties", {}) or {item["name"]: cast("Schema", item) for item in operation.query_params}
    fields = {
        name.replace("_$n", "_0").replace("_$m", "_0"): str(example(schema, name))
        for name, schema in schemas.items()
        if name not in {"sign", "sign_type", "mch_id", "mchid", "combine_mch_id"}
    }
    account = next((name for name in ("mch_id", "mchid", "combine_mch_id") if name in schemas), "mch_id")
    return fields | {account: mchid} | ({"sign_type": "HMAC-SHA256"} if "sign_type" in schemas else {})


async def test_every_other_operation_answers(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    failures: dict[str, Any] = {}
    async with HandmadeV2(sandbox.settings()) as client:
        for operation in GENERIC:
            fields = fields_of(operation, sandbox.merchant.mchid)
            sign_type = fields.get("sign_type", "MD5")
            fields["sign"] = signature(fields, sandbox.merchant.secret, sign_type)
            if operation.method == "GET":
                response = await client.http.get(f"{operation.path}?{urlencode(fields)}")
                if response.status_code not in {200, 302}:
                    failures[operation.id] = response.text
                continue
            response = await client.http.post(operation.path, content=as_xml(fields))
            if operation.download:
                assert response.content == b"sandbox file\n"
                continue
            answer = from_xml(response.content)
            if answer.get("return_code") != "SUCCESS":
                failures[operation.id] = answer
    assert failures == {}
    assert len(GENERIC) > 100
