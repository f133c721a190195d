"""The signing middleware on a plain `httpx.AsyncClient`: what it signs, for whom, and what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import anyio
import httpx
import pytest

from tests.support.keys import MCHID, MERCHANT_SERIAL, PUBLIC_KEY_ID
from tests.support.platform import NOW, Platform, answer, check_request, settings
from tests.support.vectors import Vector, each_vector
from wechatpay_async import errors
from wechatpay_async.auth import FACTS, SigningFacts, WechatpayAuth, check_host, is_loopback, new_nonce
from wechatpay_async.merchant import Merchant, load_merchant
from wechatpay_async.platform_keys import StaticKeys

pytestmark = pytest.mark.anyio

URL = "https://api.mch.weixin.qq.com/v3/pay/transactions/native"


def merchant(**changes: Any) -> Merchant:
    chosen = settings(**changes)
    return load_merchant(**{name: value for name, value in chosen.items() if name not in ("clock", "retry")})


def middleware(**changes: Any) -> WechatpayAuth:
    held = merchant(**changes)
    return WechatpayAuth(held, StaticKeys(held.platform_keys), clock=lambda: float(NOW))


def http(platform: httpx.AsyncBaseTransport, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=platform, auth=auth or middleware())


async def test_a_request_is_signed_as_it_is_sent() -> None:
    platform = Platform()
    async with http(platform) as client:
        response = await client.post(URL, params={"a": "图|书 +&="}, json={"description": "图书"})
    assert response.json() == {"code_url": "weixin://"}
    fields = check_request(platform.last)
    assert (fields["mchid"], fields["serial"], fields["timestamp"]) == (MCHID, MERCHANT_SERIAL, str(NOW))
    assert platform.last.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID


async def test_each_attempt_has_a_nonce_of_its_own() -> None:
    platform = Platform()
    async with http(platform) as client:
        for _ in range(3):
            await client.get(URL)
    assert len({check_request(request)["nonce"] for request in platform.requests}) == 3


async def test_a_serial_given_for_one_call_wins() -> None:
    platform = Platform()
    async with http(platform) as client:
        await client.get(URL, headers={"Wechatpay-Serial": "PUB_KEY_ID_OTHER"})
    assert platform.last.headers["Wechatpay-Serial"] == "PUB_KEY_ID_OTHER"


async def test_an_upload_signs_its_meta_alone() -> None:
    platform = Platform()
    url = "https://api.mch.weixin.qq.com/v3/merchant/media/upload"
    form = {"files": {"file": ("a.png", b"\x89PNG", "image/png")}, "data": {"meta": "{}"}}
    async with http(platform) as client:
        await client.post(url, **form, extensions={FACTS: SigningFacts(signed_body=b"{}")})  # type: ignore[arg-type]  # httpx takes any mapping of forms
        check_request(platform.last, signed_body=b"{}")
        with pytest.raises(errors.RequestError, match="an upload signs its meta alone"):
            await client.post(url, **form)  # type: ignore[arg-type]  # as above


async def test_a_brand_signs_with_its_id() -> None:
    platform = Platform()
    url = "https://api.mch.weixin.qq.com/brand/marketing/product-coupon/product-coupons/200000001"
    async with http(platform, middleware(brand_id="40001")) as client:
        await client.get(url)
    assert platform.last.headers["Authorization"].startswith('WECHATPAY-BRAND-SHA256-RSA2048 brand_id="40001",nonce_str="')
    async with http(platform) as client:
        with pytest.raises(errors.RequestError, match="brand_id is not set"):
            await client.get(url)


FLIPS: dict[str, Callable[[httpx.Request], httpx.Request]] = {
    "method": lambda request: httpx.Request("PUT", request.url, headers=request.headers, content=request.content),
    "target": lambda request: httpx.Request("POST", f"{URL}?a=2", headers=request.headers, content=request.content),
    "body": lambda request: httpx.Request("POST", request.url, headers=request.headers, content=request.content[:-1] + b"|"),
    "timestamp": lambda request: _with_authorization(request, str(NOW), str(NOW + 1)),
    "nonce": lambda request: _with_authorization(request, 'nonce_str="', 'nonce_str="0'),
}


def _with_authorization(request: httpx.Request, old: str, new: str) -> httpx.Request:
    headers = httpx.Headers(request.headers)
    changed = headers["Authorization"].replace(old, new)
    headers["Authorization"] = changed[:20] + changed[20:].replace("0" * 33, "0" * 32)
    return httpx.Request("POST", request.url, headers=headers, content=request.content)


@pytest.mark.parametrize("part", FLIPS)
async def test_every_part_of_a_request_is_covered(part: str) -> None:
    from cryptography.exceptions import InvalidSignature

    auth = middleware()
    auth._nonce = lambda: "593BEC0C930BF1AFEB40B4A08C8FB24"  # pyright: ignore[reportPrivateUsage] — a nonce of a known length
    platform = Platform()
    async with http(platform, auth) as client:
        await client.post(URL, params={"a": 1}, content=b'{"a":1}')
    check_request(platform.last)
    with pytest.raises(InvalidSignature):
        check_request(FLIPS[part](platform.last))


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"Wechatpay_Signature": ""}, errors.MissingSignature, "the 200 reply is missing Wechatpay-Signature"),
        ({"Wechatpay_Serial": ""}, errors.MissingSignature, "missing Wechatpay-Serial"),
        ({"Wechatpay_Timestamp": str(NOW - 300)}, errors.StaleTimestamp, "300 s behind"),
        ({"Wechatpay_Timestamp": str(NOW + 301)}, errors.StaleTimestamp, "301 s ahead"),
        ({"Wechatpay_Timestamp": "soon"}, errors.StaleTimestamp, "not a number"),
        ({"Wechatpay_Timestamp": str(NOW - 1)}, errors.BadSignature, "does not fit"),
        ({"Wechatpay_Nonce": "other"}, errors.BadSignature, "does not fit"),
        ({"Wechatpay_Serial": "PUB_KEY_ID_OTHER"}, errors.UnknownSerial, "add this public key to certs="),
        ({"Wechatpay_Serial": "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"}, errors.UnknownSerial, 'platform_keys="auto"'),
        ({"Wechatpay_Signature": "WECHATPAY/SIGNTEST/" + "x" * 336}, errors.BadSignature, "a probe"),
    ],
)
async def test_a_reply_that_cannot_be_trusted(changes: dict[str, Any], error: type[errors.SignatureError], text: str) -> None:
    async with http(Platform(lambda request: answer(**changes))) as client:
        with pytest.raises(error) as caught:
            await client.get(URL)
    assert text in str(caught.value)
    assert caught.value.request_id == "08F7E8B7B6051018-268541"


async def test_one_changed_bit_of_a_body_is_seen() -> None:
    def changed(_: httpx.Request) -> httpx.Response:
        genuine = answer(body=b'{"amount":100}')
        return httpx.Response(200, headers=genuine.headers, content=b'{"amount":000}')

    async with http(Platform(changed)) as client:
        with pytest.raises(errors.BadSignature):
            await client.get(URL)


KNOWN = {"missing Wechatpay-Signature", "missing Wechatpay-Timestamp", "missing Wechatpay-Nonce"}
REASONS: dict[str, tuple[type[errors.SignatureError], str]] = {
    **{reason: (errors.MissingSignature, reason) for reason in KNOWN},
    "missing headers": (errors.MissingSignature, "missing Wechatpay-Timestamp, Wechatpay-Nonce, Wechatpay-Signature, Wechatpay-Serial"),
    "timestamp": (errors.StaleTimestamp, "not a number"),
    "serial": (errors.UnknownSerial, "'fake'"),
}


@each_vector("response_reject")
async def test_published_replies_that_are_refused(vector: Vector) -> None:
    headers = {name: value.replace("\n", "") for name, value in vector.inputs["headers"].items()}
    reply = httpx.Response(200, headers=headers, content=vector.inputs["body"].encode())
    held = merchant()
    auth = WechatpayAuth(held, StaticKeys(held.platform_keys), clock=lambda: float(vector.inputs["now"]))
    error, text = REASONS[vector.expected["reason"]]
    async with http(Platform(lambda request: reply), auth) as client:
        with pytest.raises(error, match=text):
            await client.get(URL)


@each_vector("response_verify")
async def test_a_published_reply_that_is_genuine(vector: Vector) -> None:
    inputs = vector.inputs
    held = merchant(certs={PUBLIC_KEY_ID: inputs["key_pem"]})
    auth = WechatpayAuth(held, StaticKeys(held.platform_keys), clock=lambda: float(inputs["now"]))
    reply = httpx.Response(200, headers={**inputs["headers"], "Wechatpay-Serial": PUBLIC_KEY_ID}, content=inputs["body"].encode())
    async with http(Platform(lambda request: reply), auth) as client:
        assert (await client.get(URL)).json() == {"code_url": "weixin://wxpay/bizpayurl?pr=JyC91EIz1"}


async def test_an_empty_204_is_verified_too() -> None:
    async with http(Platform(lambda request: answer(204, b""))) as client:
        assert (await client.post(URL)).status_code == 204
    async with http(Platform(lambda request: answer(204, b"", Wechatpay_Nonce="x"))) as client:
        with pytest.raises(errors.BadSignature):
            await client.post(URL)


@pytest.mark.parametrize("status", [302, 400, 404, 500])
async def test_an_error_is_handed_on_unverified(status: int) -> None:
    async with http(Platform(lambda request: httpx.Response(status, content=b"<html>"))) as client:
        assert (await client.get(URL)).status_code == status


async def test_a_file_that_the_catalogue_calls_unsigned_is_handed_on() -> None:
    async with http(Platform(lambda request: httpx.Response(200, content=b"a,b"))) as client:
        response = await client.get("https://api.mch.weixin.qq.com/v3/billdownload/file?token=x")
    assert response.content == b"a,b"


async def test_no_redirect_takes_the_signature_elsewhere() -> None:
    def redirect(request: httpx.Request) -> httpx.Response:
        return httpx.Response(307, headers={"Location": "https://evil.example/v3/x"})

    platform = Platform(redirect)
    async with http(platform) as client:
        assert (await client.get(URL)).status_code == 307
    assert len(platform.requests) == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://evil.example/v3/x", "evil.example: not a host of WeChat Pay"),
        ("https://api.mch.weixin.qq.com.evil.example/v3/x", "not a host of WeChat Pay"),
        ("https://api.mch.weixin.qq.com:8443/v3/x", "not a host of WeChat Pay"),
        ("http://api.mch.weixin.qq.com/v3/x", "only https is signed for"),
        ("https://api.mch.weixin.qq.com@evil.example/v3/x", "user information before its host"),
        ("ftp://127.0.0.1/v3/x", "only https is signed for"),
    ],
)
async def test_no_other_host_is_signed_for(url: str, message: str) -> None:
    platform = Platform()
    async with http(platform) as client:
        with pytest.raises(errors.RequestError, match=message):
            await client.get(url)
    assert platform.requests == []


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/v3/x", "http://127.0.0.1/x", "https://[::1]:1/x", "https://api2.mch.weixin.qq.com/x"]
)
async def test_hosts_that_are_signed_for(url: str) -> None:
    check_host(httpx.URL(url), frozenset({"api2.mch.weixin.qq.com"}))


async def test_nothing_is_called_unverified_but_this_machine() -> None:
    platform = Platform(lambda request: httpx.Response(200, content=b"{}"))
    auth = WechatpayAuth(merchant(), StaticKeys(), verification="dangerously off")
    async with httpx.AsyncClient(transport=platform, auth=auth) as client:
        assert (await client.get("http://127.0.0.1/v3/new")).json() == {}
        with pytest.raises(errors.RequestError, match="api.mch.weixin.qq.com: not called while verification is off"):
            await client.get(URL)
    assert len(platform.requests) == 1


def test_loopback() -> None:
    assert is_loopback("127.1.2.3")
    assert not is_loopback("127.0.0.1.evil.example")
    assert not is_loopback("10.0.0.1")


def test_nonces() -> None:
    nonce = new_nonce()
    assert len(nonce) == 32
    assert set(nonce) <= set("0123456789abcdef")
    assert nonce != new_nonce()


def test_a_synchronous_client_is_refused() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    with httpx.Client(transport=transport, auth=middleware()) as client, pytest.raises(errors.RequestError, match="AsyncClient"):
        client.get(URL)


class Endless(httpx.AsyncByteStream, AsyncIterator[bytes]):
    """A body without an end; counts what was taken of it."""

    taken = 0
    closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self.closed:
            raise httpx.StreamClosed
        self.taken += 1
        return bytes(1024 * 1024)

    async def aclose(self) -> None:
        self.closed = True


async def test_a_reply_is_read_within_bounds() -> None:
    body = Endless()
    async with http(Platform(lambda request: httpx.Response(200, stream=body))) as client:
        with pytest.raises(errors.MalformedMessage, match="larger than this client reads"):
            await client.get(URL)
    assert body.taken == 17


class Deaf(Endless):
    """Goes on after it was closed."""

    async def aclose(self) -> None:
        pass

    async def __anext__(self) -> bytes:
        self.taken += 1
        return bytes(1024 * 1024) if self.taken < 18 else b"x"


async def test_a_body_that_does_not_end_where_it_is_closed() -> None:
    body = Deaf()
    async with http(Platform(lambda request: httpx.Response(200, stream=body))) as client:
        with pytest.raises(errors.MalformedMessage, match="larger than this client reads"):
            await client.get(URL)
    assert body.taken == 1017


class Chunks(httpx.AsyncByteStream):
    """A body that comes in pieces, its length not announced."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"code_url":'
        yield b'"weixin://"}'


async def test_a_reply_in_pieces() -> None:
    genuine = answer(body=b'{"code_url":"weixin://"}')
    headers = {name: value for name, value in genuine.headers.items() if name != "content-length"}
    async with http(Platform(lambda request: httpx.Response(200, headers=headers, stream=Chunks()))) as client:
        assert (await client.get(URL)).json() == {"code_url": "weixin://"}


class Gated(Platform):
    """Answers when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = anyio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self.gate.wait()
        return await super().handle_async_request(request)


async def test_concurrent_requests_are_each_signed() -> None:
    platform = Gated()
    async with http(platform) as client, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(client.get, URL)
        await anyio.wait_all_tasks_blocked()
        platform.gate.set()
    assert len({check_request(request)["nonce"] for request in platform.requests}) == 5
