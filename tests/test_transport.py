"""The connections: kept, limited, timed, and let go in time; the same over httpx's own and over aiohttp."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from tests.support.loopback import ANSWER, Loopback, Received, http, reset, until
from tests.support.patience import PATIENCE
from tests.support.platform import settings
from wechatpay_async import ConfigError, Wechatpay
from wechatpay_async.places import proxy_for
from wechatpay_async.settings import DEFAULT_TIMEOUT
from wechatpay_async.transport import DEFAULT_LIMITS, Lanes, make_http_client

pytestmark = pytest.mark.anyio


def make(transport: str | None, timeout: httpx.Timeout = DEFAULT_TIMEOUT) -> httpx.AsyncClient:
    return make_http_client(transport, timeout)


async def ends_in(url: str, transport: str | None, timeout: httpx.Timeout = DEFAULT_TIMEOUT, **request: Any) -> type[BaseException]:
    async with make(transport, timeout) as http_client:
        with pytest.raises(httpx.TransportError) as caught:
            await http_client.request("PUT", url, **request)
    return caught.type


async def test_a_connection_is_used_again(transport: str | None) -> None:
    server = Loopback()
    async with server.serving() as url, make(transport) as client:
        for _ in range(3):
            response = await client.post(url, content=b"{}")
            assert (response.status_code, response.content) == (200, b'{"code_url":"weixin://"}')
        assert server.connected == 1


async def test_the_target_arrives_byte_for_byte(transport: str | None) -> None:
    server = Loopback()
    async with server.serving() as url, make(transport) as client:
        target = b"/v3/%E4%BD%A0%2F%7E~'%27/x?a=%7C%20+%27'&b=1%2B2&c"
        await client.get(httpx.URL(url).copy_with(raw_path=target))
    assert server.requests[0].target.encode() == target


async def test_only_the_callers_headers_are_sent(transport: str | None) -> None:
    server = Loopback()
    async with server.serving() as url, make(transport) as client:
        request = httpx.Request("POST", url, headers={"Host": "x", "Wechatpay-Serial": "S"}, content=b"{}")
        await client.send(request)
    assert server.requests[0].headers == {"host": "x", "wechatpay-serial": "S", "content-length": "2"}


async def test_an_answer_as_it_arrives(transport: str | None) -> None:
    go_on = anyio.Event()

    async def slowly(request: Received, stream: SocketStream) -> bool:
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        await go_on.wait()
        await stream.send(b"def")
        return True

    async with Loopback(slowly).serving() as url, make(transport) as client, client.stream("GET", url) as response:
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"abc"
        go_on.set()
        assert [chunk async for chunk in chunks] == [b"def"]


async def test_a_body_that_is_left_closes_its_connection(transport: str | None) -> None:
    async def long(request: Received, stream: SocketStream) -> bool:
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\nabc")
        return not await stream.receive()

    server = Loopback(long)
    async with server.serving() as url, make(transport) as client:
        async with client.stream("GET", url):
            pass
        await until(lambda: server.open == 0)


async def test_a_streamed_body(transport: str | None) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    server = Loopback()
    async with server.serving() as url, make(transport) as client:
        await client.post(url, content=pieces(), headers={"Content-Length": "4"})
        await client.post(url, content=b"x" * 200_000)
    assert [len(request.body) for request in server.requests] == [4, 200_000]
    assert server.requests[0].body == b"abcd"


async def test_no_connection(transport: str | None) -> None:
    async with Loopback().serving() as url:
        pass
    assert await ends_in(url, transport) is httpx.ConnectError


async def test_a_connection_that_breaks_is_never_one_that_was_not_made(transport: str | None) -> None:
    async def broken(request: Received, stream: SocketStream) -> bool:
        await reset(stream)
        return False

    server = Loopback(broken)
    async with server.serving() as url:
        assert await ends_in(url, transport) in (httpx.ReadError, httpx.RemoteProtocolError)
    assert len(server.requests) == 1  # and a PUT is not sent again by the transport


async def test_a_kept_connection_that_the_server_has_closed(transport: str | None) -> None:
    async def once(request: Received, stream: SocketStream) -> bool:
        await stream.send(ANSWER)
        return False

    server = Loopback(once)
    async with server.serving() as url, make(transport) as client:
        for _ in range(5):
            await client.get(url)
            await until(lambda: server.open == 0)
    assert server.connected == 5


@pytest.mark.parametrize("half", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 20", b"nonsense\r\n\r\n", b""])
async def test_half_an_answer(transport: str | None, half: bytes) -> None:
    async def halves(request: Received, stream: SocketStream) -> bool:
        await stream.send(half)
        return False

    async with Loopback(halves).serving() as url:
        assert await ends_in(url, transport) is httpx.RemoteProtocolError


async def silent(request: Received, stream: SocketStream) -> bool:
    await stream.receive()
    return False


async def test_no_answer_in_time(transport: str | None) -> None:
    async with Loopback(silent).serving() as url:
        assert await ends_in(url, transport, httpx.Timeout(PATIENCE, read=0.02)) is httpx.ReadTimeout


async def test_no_end_of_the_answer_in_time(transport: str | None) -> None:
    async def starts(request: Received, stream: SocketStream) -> bool:
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await stream.receive()
        return False

    async with Loopback(starts).serving() as url:
        assert await ends_in(url, transport, httpx.Timeout(PATIENCE, read=0.02)) is httpx.ReadTimeout


class Endless(httpx.AsyncByteStream):
    """A body without an end."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return bytes(100_000)


async def test_a_request_that_nobody_reads(transport: str | None) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as deaf, make(transport) as client:
        url = f"http://127.0.0.1:{deaf.extra(SocketAttribute.local_port)}"  # noqa: S610 — no Django here
        timeouts = httpx.Timeout(PATIENCE, write=0.05).as_dict()
        headers = {"Host": "127.0.0.1", "Content-Length": "1" + "0" * 12}
        request = httpx.Request("POST", url, headers=headers, stream=Endless(), extensions={"timeout": timeouts})
        with pytest.raises(httpx.WriteTimeout):
            await client.send(request)


async def test_no_place_in_time(transport: str | None) -> None:
    server = Loopback(silent)
    async with server.serving() as url, make(transport, httpx.Timeout(PATIENCE)) as client, anyio.create_task_group() as tasks:
        for _ in range(DEFAULT_LIMITS.max_connections or 0):
            tasks.start_soon(client.get, url)
        await until(lambda: len(server.requests) == DEFAULT_LIMITS.max_connections)
        with pytest.raises(httpx.PoolTimeout, match="all 100 connections are busy"):
            await client.get(url, timeout=httpx.Timeout(PATIENCE, pool=0.01))
        tasks.cancel_scope.cancel()


async def test_places_are_given_in_turn(transport: str | None) -> None:
    server, answered = Loopback(), [0]
    async with server.serving() as url, make(transport, httpx.Timeout(PATIENCE)) as client:

        async def call() -> None:
            await client.get(url)
            answered[0] += 1

        async with anyio.create_task_group() as tasks:
            for _ in range(250):
                tasks.start_soon(call)
    assert answered == [250]
    assert server.connected <= 100


async def test_an_idle_connection_is_let_go_before_the_server_does_it() -> None:
    server = Loopback()
    lanes = Lanes(httpx.Limits(max_connections=3, keepalive_expiry=0.0001))
    async with server.serving() as url, httpx.AsyncClient(transport=lanes) as client:
        async with client.stream("GET", url), client.stream("GET", url):
            assert server.connected == 2
        await client.get(url)
        await until(lambda: server.open <= 1)


async def test_a_place_is_made_for_another_host() -> None:
    one, two = Loopback(), Loopback()
    lanes = Lanes(httpx.Limits(max_connections=1, keepalive_expiry=60))
    async with one.serving() as first, two.serving() as second, httpx.AsyncClient(transport=lanes) as client:
        await client.get(first)
        await client.get(second)
        await until(lambda: one.open == 0)
        await client.get(first)
    assert (one.connected, two.connected) == (2, 1)


async def test_a_proxy_is_asked(transport: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Loopback()
    async with proxy.serving() as url:
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with make(transport) as client:
            await client.get("http://shop.example/v3/x?a=%7C")
    assert proxy.requests[0].target == "http://shop.example/v3/x?a=%7C"


async def test_a_tunnel_that_a_proxy_refuses(transport: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(request: Received, stream: SocketStream) -> bool:
        await stream.send(http(403, b""))
        return False

    async with Loopback(refuse).serving() as url:
        monkeypatch.setenv("HTTPS_PROXY", url.removeprefix("http://"))
        assert await ends_in("https://shop.example/", transport) is httpx.ProxyError


def test_what_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:8080")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    assert proxy_for(httpx.URL("https://api.mch.weixin.qq.com")) == "http://proxy.example:8080"
    assert proxy_for(httpx.URL("https://inside.example")) is None
    assert proxy_for(httpx.URL("https://127.0.0.1")) is None


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_fast_is_for_asyncio() -> None:
    async with Wechatpay(**settings(transport="fast")) as wxpay:
        with pytest.raises(ConfigError, match=r'^transport: "fast" is for asyncio \(on trio, leave transport= out\)$'):
            await wxpay.v3.certificates.get()


def test_fast_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "wechatpay_async.fast", raising=False)
    with pytest.raises(ConfigError, match=r"^transport: \"fast\" needs aiohttp \(pip install 'wechatpay-async\[fast\]'\)$"):
        Wechatpay(**settings(transport="fast"))


def test_an_unknown_transport() -> None:
    with pytest.raises(ConfigError, match="unknown transport 'slow'"):
        Wechatpay(**settings(transport="slow"))


async def test_closing_twice_or_unused(transport: str | None) -> None:
    await make(transport).aclose()
    server = Loopback()
    async with server.serving() as url, make(transport) as client:
        response = await client.send(client.build_request("GET", url), stream=True)
        await response.aread()
        assert isinstance(response.stream, httpx.AsyncByteStream)
        await response.stream.aclose()
        await client.get(url)
    assert server.connected == 1


async def test_without_time_outs(transport: str | None) -> None:
    server = Loopback()
    async with server.serving() as url, make(transport, httpx.Timeout(None)) as client:
        await client.post(url, content=bytes(200_000))
    assert len(server.requests[0].body) == 200_000


async def test_a_proxy_that_is_none_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://proxy.example")
    async with make(None) as client:
        for _ in range(101):
            with pytest.raises(ValueError, match="Unknown scheme for proxy URL"):
                await client.get("http://shop.example")


async def test_no_cookie_is_kept(transport: str | None) -> None:
    async def set_cookie(request: Received, stream: SocketStream) -> bool:
        await stream.send(http(200, b"", {"Set-Cookie": "session=1; Path=/"}))
        return True

    server = Loopback(set_cookie)
    async with server.serving() as url, make(transport) as client:
        for _ in range(2):
            await client.get(url)
    assert len(client.cookies) == 0
    assert "cookie" not in server.requests[1].headers


async def test_a_closed_client_sends_nothing(transport: str | None) -> None:
    server = Loopback()
    async with server.serving() as url:
        client = make(transport)
        await client.aclose()
        with pytest.raises(RuntimeError, match="this client is closed"):
            await client.get(url)
    assert server.requests == []


async def test_a_failure_names_its_request(transport: str | None) -> None:
    async with Loopback().serving() as url:
        pass
    async with make(transport) as client:
        with pytest.raises(httpx.ConnectError) as caught:
            await client.get(url)
    assert (caught.value.request.method, str(caught.value.request.url)) == ("GET", url)


async def test_an_answer_says_how_long_it_took(transport: str | None) -> None:
    async with Loopback().serving() as url, make(transport) as client:
        response = await client.get(url)
    assert 0 < response.elapsed.total_seconds() < PATIENCE


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_call_that_is_cancelled_at_once_gives_its_place_back(transport: str | None, turns: int) -> None:
    server = Loopback()
    async with server.serving() as url, make(transport, httpx.Timeout(PATIENCE)) as client:
        for _ in range(DEFAULT_LIMITS.max_connections or 0):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.get, url)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        assert (await client.get(url)).status_code == 200
