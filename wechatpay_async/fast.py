"""The transport of `transport="fast"`: aiohttp's connections behind httpx's seam, for asyncio.

It is an adapter of its own because a payment needs two things that general ones leave open: the request target is sent byte for byte as it
was signed, and a connection that broke after the request had left is never taken for one that could not be made.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from typing import Any, Final, cast

import aiohttp
import anyio
import httpx
from yarl import URL

from wechatpay_async.errors import ConfigError
from wechatpay_async.places import Places, proxy_for
from wechatpay_async.response import WholeStream

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
# By aiohttp itself, which repeats what HTTP calls idempotent.
_NEVER_REPEATED: Final = frozenset({"POST", "PATCH"})
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
        try:
            await _Turn()
            await _Turn()
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
        )
        return self._session

    async def _sent(self, session: aiohttp.ClientSession, request: httpx.Request) -> aiohttp.ClientResponse:
        """The head of the answer."""
        content = _content(request)
        if content is not None and len(content) <= _PIECE:
            return await self._begun(session, request, content or None)
        seconds = request.extensions.get("timeout", {}).get("write")
        with anyio.CancelScope() as writing:
            pieces = aiter(cast("httpx.AsyncByteStream", request.stream)) if content is None else _pieces(content)
            return await self._begun(session, request, _watched(pieces, writing, seconds))
        raise httpx.WriteTimeout(f"no byte of the request went out for {seconds} s", request=request)

    async def _begun(self, session: aiohttp.ClientSession, request: httpx.Request, data: Any) -> aiohttp.ClientResponse:
        seconds = request.extensions.get("timeout", {})
        try:
            return await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw],
                data=data,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(connect=seconds.get("connect"), sock_read=seconds.get("read")),
                proxy=self._proxy(request.url),
                middlewares=() if request.method in _NEVER_REPEATED else (_send_once,),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error, request) from error

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


class _Turn:
    """One turn of the event loop. After two of them aiohttp has heard of kept connections that the server has closed meanwhile."""

    def __await__(self) -> Generator[None, None, None]:
        yield  # what asyncio takes for "go on in the next turn"


def _content(request: httpx.Request) -> bytes | None:
    """The body where it is in memory; None for a stream."""
    try:
        return request.content
    except httpx.RequestNotRead:
        return None


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


def _translated(error: Exception, request: httpx.Request) -> httpx.TransportError:
    """What aiohttp raised, in httpx's words."""
    kind = next((theirs for ours, theirs in _ERRORS if isinstance(error, ours)), httpx.ReadError)
    return kind(f"{type(error).__name__}: {error}", request=request)


class _Body(WholeStream):
    """The body of an answer as it arrives. Closed before its end, it closes the connection."""

    def __init__(self, request: httpx.Request, response: aiohttp.ClientResponse, places: Places) -> None:
        self._request = request
        self._response = response
        self._places: Places | None = places

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error, self._request) from error

    async def read_whole(self) -> bytes:
        """All of it, and the connection is free."""
        try:
            return await self._response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error, self._request) from error
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        places, self._places = self._places, None
        if places is not None:
            self._response.close()
            places.leave()
