"""The platform's keys: certificates given out encrypted, or none in public-key mode."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.examples import native_order
from tests.support.handmade import Handmade, load_public, open_resource, verifies

pytestmark = pytest.mark.anyio


async def test_certificates_are_encrypted_with_the_apiv3_key(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(mode="certificate")
    async with Handmade(sandbox.settings()) as client:
        answer = await client.call("GET", "/v3/certificates?algorithm_type=RSA")
        (entry,) = answer["data"]
        assert entry["serial_no"] == sandbox.platform.certificates[0].serial
        assert entry["encrypt_certificate"]["associated_data"] == "certificate"
        pem = open_resource(entry["encrypt_certificate"], sandbox.merchant.apiv3_key)
        response = await client.send("POST", "/v3/pay/transactions/native", native_order())
        assert response.headers["wechatpay-serial"] == entry["serial_no"]
        assert verifies(load_public(pem), response.headers, response.content)
        assert await client.refused("GET", "/v3/certificates?algorithm_type=SM2") == (400, "PARAM_ERROR")


async def test_public_key_mode_has_no_certificates(client: Handmade) -> None:
    assert await client.refused("GET", "/v3/certificates") == (404, "RESOURCE_NOT_EXISTS")
