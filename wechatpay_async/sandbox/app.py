"""The ASGI face of the sandbox: the request target as it came over the wire, and connections that break when told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
from starlette.datastructures import Headers

from . import pages
from .control import PREFIX, make_control
from .wire import Request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .core import Reply, Sandbox

__all__ = ["ConnectionBroken", "InProcessTransport", "make_app"]

#: The largest request body that is read: the real one's limit is far below.
_LARGEST = 64 * 1024 * 1024


class ConnectionBroken(Exception):
    """The connection broke on purpose; `half` after the start of the answer."""

    def __init__(self, *, half: bool) -> None:
        super().__init__("the sandbox broke the connection, as it was told to")
        self.half = half


class InProcessTransport(httpx.ASGITransport):
    """Calls the sandbox without a socket; broken connections become the httpx errors that a socket gives."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(app=make_app(sandbox))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except ConnectionBroken as broken:
            kind = httpx.RemoteProtocolError if broken.half else httpx.ReadError
            raise kind(str(broken), request=request) from None


def make_app(sandbox: Sandbox) -> ASGIApp:
    """The sandbox as an ASGI application."""
    control, people = make_control(sandbox), pages.make_pages(sandbox)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http" and pages.has(scope["path"]):
            await people(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(f"{PREFIX}/"):
            await control(scope, receive, send)
        elif scope["type"] == "http":
            request = await _read(scope, receive)
            await _send(sandbox.handle(request, _base_url(scope, request)), scope, send)

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read(scope: Scope, receive: Receive) -> Request:
    body, more = bytearray(), True
    while more and len(body) <= _LARGEST:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    query: bytes = scope["query_string"]
    raw_path: bytes = scope["raw_path"]
    target = (raw_path + (b"?" + query if query else b"")).decode("latin-1")
    certificate = scope.get("extensions", {}).get("tls", {}).get("client_certificate")
    secure = scope["scheme"] == "https" and "tls" in scope.get("extensions", {})
    return Request(scope["method"], target, Headers(raw=scope["headers"]), bytes(body), certificate, secure)


def _base_url(scope: Scope, request: Request) -> str:
    return f"{scope['scheme']}://{request.headers.get('host', '127.0.0.1')}"


async def _send(reply: Reply, scope: Scope, send: Send) -> None:
    if reply.delay:
        await anyio.sleep(reply.delay)
    if reply.breaks == "reset":
        _break(scope, half=False)
        return
    headers: list[tuple[bytes, bytes]] = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    if reply.status != 204:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.breaks == "half":
        await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
        _break(scope, half=True)
        return
    await send({"type": "http.response.body", "body": reply.body})


def _break(scope: Scope, *, half: bool) -> None:
    abort: Any = scope.get("extensions", {}).get("sandbox.abort")
    if abort is None:
        raise ConnectionBroken(half=half)
    abort()
