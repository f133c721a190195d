"""WeChat Pay's side for unit tests: an `httpx` transport that keeps what it got and signs what it answers."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.support.keys import APIV3_KEY, MCHID, MERCHANT_KEY, MERCHANT_SERIAL, PLATFORM_KEY, PLATFORM_PUBLIC_PEM, PUBLIC_KEY_ID, SECRET
from wechatpay_async import Wechatpay
from wechatpay_async.retry import Retry

#: What every clock says in these tests, in seconds.
NOW = 1722850421
AUTHORIZATION = re.compile(
    r'WECHATPAY2-SHA256-RSA2048 mchid="(?P<mchid>\d+)",nonce_str="(?P<nonce>[0-9A-Za-z]{1,32})",signature="(?P<signature>[^"]+)",'
    r'timestamp="(?P<timestamp>\d+)",serial_no="(?P<serial>[0-9A-F]+)"'
)


def signature_of(message: bytes) -> str:
    """WeChat Pay's signature, made without the package."""
    return base64.b64encode(PLATFORM_KEY.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def signed_headers(body: bytes, *, timestamp: int = NOW, nonce: str = "NONCE", serial: str = PUBLIC_KEY_ID) -> dict[str, str]:
    return {
        "Wechatpay-Timestamp": str(timestamp),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": signature_of(f"{timestamp}\n{nonce}\n".encode() + body + b"\n"),
        "Wechatpay-Serial": serial,
        "Request-ID": "08F7E8B7B6051018-268541",
        "Content-Type": "application/json; charset=utf-8",
    }


def answer(status: int = 200, body: bytes = b'{"code_url":"weixin://"}', **changes: str) -> httpx.Response:
    """A signed answer; keyword arguments replace a header, "" removes it (`Wechatpay_Nonce="x"`)."""
    headers = {**signed_headers(body), **{name.replace("_", "-"): value for name, value in changes.items()}}
    return httpx.Response(status, headers={name: value for name, value in headers.items() if value}, content=body)


@dataclass
class Platform(httpx.AsyncBaseTransport):
    """Answers with what `reply` makes, a plain signed answer by default. `requests` keeps what came."""

    reply: Callable[[httpx.Request], httpx.Response] = lambda request: answer()
    requests: list[httpx.Request] = field(default_factory=list[httpx.Request])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        return self.reply(request)

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]


def check_request(request: httpx.Request, *, signed_body: bytes | None = None) -> dict[str, str]:
    """Verify a request's signature as the real one would, on what was sent; gives the fields of the header."""
    found = AUTHORIZATION.fullmatch(request.headers["Authorization"])
    assert found is not None
    body = request.content if signed_body is None else signed_body
    message = b"%b\n%b\n%b\n%b\n%b\n" % (
        request.method.encode(),
        request.url.raw_path,
        found["timestamp"].encode(),
        found["nonce"].encode(),
        body,
    )
    signature = base64.b64decode(found["signature"], validate=True)
    MERCHANT_KEY.public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    return found.groupdict()


def settings(**changes: Any) -> dict[str, Any]:
    """Settings that fit together; None removes one."""
    plain: dict[str, Any] = {
        "mchid": MCHID,
        "serial": MERCHANT_SERIAL,
        "private_key": MERCHANT_KEY,
        "certs": {PUBLIC_KEY_ID: PLATFORM_PUBLIC_PEM},
        "apiv3_key": APIV3_KEY,
        "secret": SECRET,
        "clock": lambda: float(NOW),
        "retry": Retry(attempts=1),
        **changes,
    }
    return {name: value for name, value in plain.items() if value is not None}


def client(platform: httpx.AsyncBaseTransport, **changes: Any) -> Wechatpay:
    return Wechatpay(**settings(transport=platform, **changes))
