"""The transport of `transport="fast"`: aiohttp's connections behind httpx's seam, for asyncio.

It is an adapter of its own because a payment needs two things that general ones leave open: the request target is sent byte for byte as it
was signed, and a connection that broke after the request had left is never taken for one that could not be made.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager
from typing import Any, Final, cast

import aiohttp
import anyio.lowlevel
import httpx
from yarl import URL

from wechatpay_async.errors import ConfigError
from wechatpay_async.places import Places, proxy_for

__all__ = ["FastTransport"]

#: Bytes from which on a body is handed to the socket piece by piece, so that the write time-out sees whether they go out.
_PIECE: Final = 64 * 1024
# The most special class comes first. Only the first three happen before the request has left.
_ERRORS: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
)
_WRITTEN_BY_AIOHTTP: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class FastTransport(httpx.AsyncBaseTransport):
    """Sends httpx's requests over aiohttp: connect, read, write and pool time-outs, TLS contexts, proxies and streams as with httpx."""

    def __init__(self, limits: httpx.Limits, tls: ssl.SSLContext | None = None) -> None:
        self._places = Places(limits.max_connections or 100)
        self._keepalive = limits.keepalive_expiry
        self._tls = tls if tls is not None else httpx.create_ssl_context()
        self._proxies: dict[tuple[str, str], str | None] = {}
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises `ConfigError` outside asyncio, and httpx's transport errors."""
        session = self._session or self._opened()
        await self._places.enter(request)
        for _ in range(2):  # two turns of the loop, so that aiohttp hears of kept connections that the server has closed meanwhile
            await anyio.lowlevel.checkpoint()
        try:
            response = await self._sent(session, request)
        except BaseException:
            self._places.leave()
            raise
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Body(request, response, self._places),
            request=request,
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": (response.reason or "").encode()},
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        try:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=self._keepalive, ssl=self._tls)
        except RuntimeError as error:
            raise ConfigError("transport", '"fast" is for asyncio', hint="on trio, leave transport= out") from error
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_WRITTEN_BY_AIOHTTP,
            middlewares=(_send_once,),
        )
        return self._session

    async def _sent(self, session: aiohttp.ClientSession, request: httpx.Request) -> aiohttp.ClientResponse:
        seconds = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(connect=seconds.get("connect"), sock_read=seconds.get("read"))
        with _httpx_errors(request), anyio.CancelScope() as writing:
            return await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=cast("Any", request.headers.multi_items()),
                data=_body(request, writing, seconds.get("write")),
                allow_redirects=False,
                timeout=timeout,
                proxy=self._proxy(request.url),
            )
        raise httpx.WriteTimeout(f"no byte of the request went out for {seconds.get('write')} s", request=request)

    def _proxy(self, url: httpx.URL) -> str | None:
        origin = (url.scheme, url.host)
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(url)
        return self._proxies[origin]


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a PUT or a DELETE by itself where a connection breaks: whoever decides about repeats signs afresh."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise httpx.RemoteProtocolError(f"the connection broke: {type(error).__name__}") from error


def _body(request: httpx.Request, writing: anyio.CancelScope, seconds: float | None) -> Any:
    """The bytes of the request; a stream or large bytes piece by piece, each within `seconds`."""
    try:
        content = request.content
    except httpx.RequestNotRead:
        return _watched(aiter(cast("httpx.AsyncByteStream", request.stream)), writing, seconds)
    return content or None if len(content) <= _PIECE else _watched(_pieces(content), writing, seconds)


async def _pieces(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


async def _watched(pieces: AsyncIterator[bytes], writing: anyio.CancelScope, seconds: float | None) -> AsyncGenerator[bytes, None]:
    """Hand pieces out; a pause of more than `seconds` before the next one is asked for ends the request."""
    async for piece in pieces:
        if seconds is not None:
            writing.deadline = anyio.current_time() + seconds
        yield piece
        writing.deadline = float("inf")


@contextmanager
def _httpx_errors(request: httpx.Request) -> Generator[None, None, None]:
    """What aiohttp raises, in httpx's words."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise _kind(error)(f"{type(error).__name__}: {error}", request=request) from error


def _kind(error: Exception) -> type[httpx.TransportError]:
    return next((theirs for ours, theirs in _ERRORS if isinstance(error, ours)), httpx.ReadError)


class _Body(httpx.AsyncByteStream):
    """The body of an answer as it arrives. Closed before its end, it closes the connection."""

    def __init__(self, request: httpx.Request, response: aiohttp.ClientResponse, places: Places) -> None:
        self._request = request
        self._response = response
        self._places: Places | None = places

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors(self._request):
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        places, self._places = self._places, None
        if places is not None:
            self._response.close()
            places.leave()
