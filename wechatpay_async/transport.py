"""Makes the `httpx.AsyncClient` that calls go through, and keeps its connections quick however many are open."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Final, NamedTuple, cast

import anyio
import httpx

from wechatpay_async.auth import WechatpayAuth
from wechatpay_async.errors import ConfigError
from wechatpay_async.places import Places, proxy_for

__all__ = ["DEFAULT_LIMITS", "Lanes", "make_http_client"]

#: The server closes an idle connection after 8 s; letting it go earlier avoids writing into one that is just being closed.
DEFAULT_LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=6.0)


def make_http_client(
    transport: httpx.AsyncBaseTransport | str | None, timeout: httpx.Timeout, *, tls: ssl.SSLContext | None = None
) -> httpx.AsyncClient:
    """A client for WeChat Pay: HTTP/1.1, no redirects, idle connections dropped before the server drops them.

    `transport` is an `httpx.AsyncBaseTransport`, `"fast"` (needs the extra of that name), or nothing for httpx's own connections.
    Raises `ConfigError`.
    """
    if isinstance(transport, str):
        transport = _named(transport, tls)
    elif transport is None:
        transport = Lanes(DEFAULT_LIMITS, tls)
    return _DirectClient(transport, timeout)


class _DirectClient(httpx.AsyncClient):
    """An `AsyncClient` that goes straight to its transport.

    A signed call has no use for cookies (what one merchant's answer sets is no business of the next one's), redirects, hooks and default
    headers, and passing them by costs a quarter of what the signature does. The request is sent exactly as it was given.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, timeout: httpx.Timeout) -> None:
        super().__init__(transport=transport, timeout=timeout, follow_redirects=False)
        self._wire = transport

    async def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        auth: object = None,
        follow_redirects: object = False,  # noqa: ARG002 — httpx's signature; none is ever followed
    ) -> httpx.Response:
        """Send the request as it is; `WechatpayAuth` signs it and verifies the reply."""
        if self.is_closed:
            raise RuntimeError("this client is closed")
        start = time.perf_counter()
        try:
            if isinstance(auth, WechatpayAuth):
                response = await auth.exchange(request, self._wire)
            else:
                response = await self._wire.handle_async_request(request)
                response.request = request
        except httpx.RequestError as error:
            error.request = request
            raise
        response.elapsed = timedelta(seconds=time.perf_counter() - start)
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response


def _named(name: str, tls: ssl.SSLContext | None) -> httpx.AsyncBaseTransport:
    if name != "fast":
        raise ConfigError("transport", f"unknown transport {name!r}", hint='"fast", or an httpx.AsyncBaseTransport')
    try:
        from wechatpay_async.fast import FastTransport
    except ImportError as error:
        raise ConfigError("transport", '"fast" needs aiohttp', hint="pip install 'wechatpay-async[fast]'") from error
    return FastTransport(DEFAULT_LIMITS, tls)


class _Lane(NamedTuple):
    """One connection, or the place for one, and since when it is idle (seconds of the loop's clock)."""

    transport: httpx.AsyncHTTPTransport
    idle_since: float = 0.0


class Lanes(httpx.AsyncBaseTransport):
    """httpx's own connections, each in a pool of its own, so that no request looks through all the others.

    httpx's pool asks every connection for its state before and after each request, some of it for each pair of connections: with
    50 in flight that costs more than the RSA signature. Here the connection used last is taken first, and the others are left in peace.
    """

    def __init__(self, limits: httpx.Limits = DEFAULT_LIMITS, tls: ssl.SSLContext | None = None) -> None:
        self._places = Places(limits.max_connections or 100)
        self._expiry = limits.keepalive_expiry or 0.0
        self._tls = tls if tls is not None else httpx.create_ssl_context()
        self._idle: dict[tuple[str, bytes], list[_Lane]] = {}
        self._open = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request when one of the places for connections is free. Raises `httpx.PoolTimeout`."""
        await self._places.enter(request)
        origin = (request.url.scheme, request.url.netloc)
        lane: _Lane | None = None
        try:
            lane = self._taken(origin) or await self._made(request.url)
            response = await lane.transport.handle_async_request(request)
        except BaseException:
            if lane is not None:
                await self._drop(lane)  # whatever state a failure or a cancellation left it in
            self._places.leave()
            raise
        response.stream = _LaneStream(cast("httpx.AsyncByteStream", response.stream), lambda whole: self._give_back(origin, lane, whole))
        return response

    async def aclose(self) -> None:
        """Close every idle connection."""
        for lanes in self._idle.values():
            while lanes:
                await self._drop(lanes.pop())

    def _taken(self, origin: tuple[str, bytes]) -> _Lane | None:
        lanes = self._idle.get(origin)
        return lanes.pop() if lanes else None

    async def _made(self, url: httpx.URL) -> _Lane:
        if self._open >= self._places.most:
            await self._drop(next(lanes for lanes in self._idle.values() if lanes).pop(0))
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=self._expiry)
        transport = httpx.AsyncHTTPTransport(verify=self._tls, limits=limits, proxy=proxy_for(url))
        self._open += 1
        return _Lane(transport)

    async def _give_back(self, origin: tuple[str, bytes], lane: _Lane, whole: bool) -> None:
        """Keep the connection for the next request, and close one that has been idle for too long."""
        now = anyio.current_time()
        lanes = self._idle.setdefault(origin, [])
        expired = [lanes.pop(0)] if lanes and now - lanes[0].idle_since > self._expiry else []
        if whole:
            lanes.append(lane._replace(idle_since=now))
        else:
            expired.append(lane)
        self._places.leave()
        for old in expired:
            await self._drop(old)

    async def _drop(self, lane: _Lane) -> None:
        self._open -= 1
        with anyio.CancelScope(shield=True):
            await lane.transport.aclose()


class _LaneStream(httpx.AsyncByteStream):
    """A body that gives its connection back when it is closed, as one that can be used again only where it was read to its end."""

    def __init__(self, stream: httpx.AsyncByteStream, give_back: Callable[[bool], Awaitable[None]]) -> None:
        self._stream = stream
        self._give_back: Callable[[bool], Awaitable[None]] | None = give_back
        self._whole = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # trio wants generators closed where they are left, not when they are collected.
        async with aclosing(cast("AsyncGenerator[bytes, None]", aiter(self._stream))) as chunks:
            async for chunk in chunks:
                yield chunk
        self._whole = True

    async def aclose(self) -> None:
        give_back, self._give_back = self._give_back, None
        whole, self._whole = self._whole, False
        try:
            await self._stream.aclose()
            self._whole = whole
        finally:
            if give_back is not None:
                await give_back(self._whole)
