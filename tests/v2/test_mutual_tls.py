"""The client certificate over a real socket, against a server that looks at it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wechatpay_async import catalog
from wechatpay_async.client_certificate import load_client_certificate
from wechatpay_async.errors import InvalidRequest, NotFound
from wechatpay_async.protocol import v2
from wechatpay_async.sandbox import Merchant, Sandbox
from wechatpay_async.settings import DEFAULT_TIMEOUT
from wechatpay_async.transport import make_http_client

pytestmark = pytest.mark.anyio

REFUND: dict[str, object] = {
    "appid": "wx8888888888888888",
    "out_trade_no": "NOSUCHORDER1",
    "out_refund_no": "R1",
    "total_fee": 100,
    "refund_fee": 100,
}


async def refund(sandbox: Sandbox, shown: Merchant | None, transport: str | None) -> Any:
    """Ask for a refund of an order that does not exist, with this merchant's certificate shown."""
    operation = catalog.operation("v2", "POST", "/secapi/pay/refund")
    assert operation is not None
    settings = sandbox.settings()
    mchid, secret = settings["mchid"], v2.check_secret(settings["secret"])
    request = v2.build_request(operation, REFUND, mchid=mchid, secret=secret, nonce="n" * 32)
    tls = sandbox.client_tls(certificate=False)
    if shown is not None:
        loaded = load_client_certificate(
            mchid=shown.mchid,
            now=datetime.fromtimestamp(sandbox.clock(), UTC),
            merchant_cert=shown.certificate,
            private_key=shown.private_key_pem,
        )
        tls = loaded.ssl_context(tls)
    async with sandbox.serve(mtls=True) as url, make_http_client(transport, DEFAULT_TIMEOUT, tls=tls) as http:
        reply = await http.post(f"{url}{operation.path}", content=request.body, headers={"Content-Type": v2.CONTENT_TYPE})
    return v2.read_reply(operation, reply.headers, reply.content, mchid=mchid, secret=secret, status=reply.status_code)


async def test_the_right_certificate_is_let_in(transport: str | None) -> None:
    sandbox = Sandbox()
    with pytest.raises(NotFound) as caught:
        await refund(sandbox, sandbox.merchants[sandbox.settings()["mchid"]], transport)
    assert caught.value.code == "ORDERNOTEXIST"


async def test_no_certificate_is_turned_away(transport: str | None) -> None:
    with pytest.raises(InvalidRequest, match="client certificate"):
        await refund(Sandbox(), None, transport)


async def test_another_merchant_s_certificate_is_turned_away(transport: str | None) -> None:
    sandbox = Sandbox()
    with pytest.raises(InvalidRequest, match="another merchant's"):
        await refund(sandbox, sandbox.add_merchant("1900000110"), transport)
