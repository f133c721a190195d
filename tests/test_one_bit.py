"""One bit changed on the way between the client and the sandbox, over a real socket: whatever it belongs to, the change is seen."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from wechatpay_async import Retry, Wechatpay, errors
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

PLACES = ["first", "middle", "last"]
ORDER = {
    "appid": "wxd678efh567hg6787",
    "mchid": "1900000109",
    "description": "A book",
    "notify_url": "https://shop.example.com/notify",
    "amount": {"total": 100},
}


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture(scope="module")
def url(sandbox: Sandbox) -> Iterator[str]:
    with sandbox.serve() as served:
        yield served


def flipped(value: bytes, place: str) -> bytes:
    index = {"first": 0, "middle": len(value) // 2, "last": len(value) - 1}[place]
    return value[:index] + bytes([value[index] ^ 1]) + value[index + 1 :]


class OnTheWay(httpx.AsyncBaseTransport):
    """Changes requests after they were signed, and replies before they are verified."""

    def __init__(self, outward: Callable[[httpx.Request], httpx.Request], back: Callable[[httpx.Response, bytes], httpx.Response]) -> None:
        self._wire = httpx.AsyncHTTPTransport()
        self._outward, self._back = outward, back

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._wire.handle_async_request(self._outward(request))
        body = await response.aread()
        await response.aclose()
        return self._back(response, body)

    async def aclose(self) -> None:
        await self._wire.aclose()


def same_request(request: httpx.Request) -> httpx.Request:
    return request


def same_reply(response: httpx.Response, body: bytes) -> httpx.Response:
    return httpx.Response(response.status_code, headers=response.headers, content=body)


@asynccontextmanager
async def tapped(
    sandbox: Sandbox,
    url: str,
    outward: Callable[[httpx.Request], httpx.Request] = same_request,
    back: Callable[[httpx.Response, bytes], httpx.Response] = same_reply,
) -> AsyncGenerator[Wechatpay, None]:
    async with Wechatpay(**sandbox.settings(base_url=url), transport=OnTheWay(outward, back), retry=Retry(attempts=1)) as wxpay:
        yield wxpay


async def place_order(wxpay: Wechatpay, number: str) -> object:
    response = await wxpay.chain("v3/pay/transactions/native").post({**ORDER, "out_trade_no": number})
    return response.data


async def test_untouched_it_works(sandbox: Sandbox, url: str) -> None:
    async with tapped(sandbox, url) as wxpay:
        assert re.fullmatch(r"\{'code_url': 'weixin://[^']+'\}", str(await place_order(wxpay, "UNTOUCHED-1")))


def changed_request(part: str, place: str) -> Callable[[httpx.Request], httpx.Request]:
    def outward(request: httpx.Request) -> httpx.Request:
        url, headers, body = request.url, request.headers.copy(), request.content
        if part == "target":
            url = url.copy_with(raw_path=url.raw_path + b"?a=" + flipped(b"abc", place))
        elif part == "body":
            body = flipped(body, place)
        else:
            name = {"timestamp": "timestamp", "nonce": "nonce_str", "signature": "signature", "serial": "serial_no"}[part]
            before, quoted, after = re.split(rf'({name}="[^"]+)', headers["Authorization"])
            value = quoted.removeprefix(f'{name}="').encode()
            headers["Authorization"] = f'{before}{name}="{flipped(value, place).decode()}{after}'
        return httpx.Request(request.method, url, headers=headers, content=body, extensions=request.extensions)

    return outward


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("part", ["target", "timestamp", "nonce", "signature", "serial", "body"])
async def test_a_request_with_one_bit_changed_is_refused(sandbox: Sandbox, url: str, part: str, place: str) -> None:
    async with tapped(sandbox, url, changed_request(part, place)) as wxpay:
        with pytest.raises(errors.AuthError) as caught:
            await place_order(wxpay, f"REQUEST-{part}-{place}")
    assert (caught.value.status, caught.value.code) == (401, "SIGN_ERROR")


async def test_a_request_with_another_method_is_refused(sandbox: Sandbox, url: str) -> None:
    """POST and PUT of a refund's address are both documented, GET of it too: only the signature tells them apart."""

    def outward(request: httpx.Request) -> httpx.Request:
        return httpx.Request("POST", request.url, headers=request.headers, content=request.content, extensions=request.extensions)

    async with tapped(sandbox, url, outward) as wxpay:
        with pytest.raises(errors.AuthError) as caught:
            await wxpay.chain("v3/payscore/partner/serviceorder").get(params={"service_id": "1", "sub_mchid": "1", "out_order_no": "1"})
    assert caught.value.hint == "the method differs: signed 'GET', the server saw 'POST'"


def changed_reply(part: str, place: str) -> Callable[[httpx.Response, bytes], httpx.Response]:
    def back(response: httpx.Response, body: bytes) -> httpx.Response:
        headers = response.headers.copy()
        if part == "body":
            body = flipped(body, place)
        else:
            headers[f"Wechatpay-{part}"] = flipped(headers[f"Wechatpay-{part}"].encode(), place).decode()
        return httpx.Response(response.status_code, headers=headers, content=body)

    return back


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("Timestamp", (errors.BadSignature, errors.StaleTimestamp)),
        ("Nonce", errors.BadSignature),
        ("Signature", errors.BadSignature),
        ("Serial", errors.UnknownSerial),
        ("body", errors.BadSignature),
    ],
)
async def test_a_reply_with_one_bit_changed_is_refused(
    sandbox: Sandbox, url: str, part: str, error: type[errors.SignatureError], place: str
) -> None:
    async with tapped(sandbox, url, back=changed_reply(part, place)) as wxpay:
        with pytest.raises(error):
            await place_order(wxpay, f"REPLY-{part}-{place}")


async def test_the_bits_that_base64_leaves_unused_count_too(sandbox: Sandbox, url: str) -> None:
    """The last character before `==` has four bits that mean nothing: changed, the signature is another text for the same bytes."""

    def with_other_bits(signature: str) -> str:
        assert signature[-2:] == "=="
        return signature[:-3] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[signature[-3]] + "=="

    def back(response: httpx.Response, body: bytes) -> httpx.Response:
        headers = response.headers.copy()
        headers["Wechatpay-Signature"] = with_other_bits(headers["Wechatpay-Signature"])
        return httpx.Response(response.status_code, headers=headers, content=body)

    def outward(request: httpx.Request) -> httpx.Request:
        headers = request.headers.copy()
        headers["Authorization"] = re.sub(r'(?<=,signature=")[^"]+', lambda found: with_other_bits(found[0]), headers["Authorization"])
        return httpx.Request(request.method, request.url, headers=headers, content=request.content, extensions=request.extensions)

    async with tapped(sandbox, url, back=back) as wxpay:
        with pytest.raises(errors.BadSignature):
            await place_order(wxpay, "UNUSED-BITS-1")
    async with tapped(sandbox, url, outward) as wxpay:
        with pytest.raises(errors.AuthError):
            await place_order(wxpay, "UNUSED-BITS-2")
