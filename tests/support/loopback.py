"""An HTTP server on a loopback port, in the test's own event loop, whose answers (and misbehaviour) the test writes byte by byte."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute, SocketStream

from tests.support.patience import PATIENCE
from tests.support.platform import signed_headers

OK = b'{"code_url":"weixin://"}'


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def http(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """An answer as it stands on the wire."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def signed(body: bytes = OK, **changes: str) -> bytes:
    return http(200, body, {**signed_headers(body), **{name.replace("_", "-"): value for name, value in changes.items()}})


#: Does what it likes with the connection; whether the connection is kept.
Handler = Callable[[Received, SocketStream], Awaitable[bool]]


async def well(request: Received, stream: SocketStream) -> bool:
    """Answer as WeChat Pay does."""
    await stream.send(ANSWER)
    return True


ANSWER = signed()


async def reset(stream: SocketStream) -> None:
    """Close the connection the hard way."""
    stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # noqa: S610 — no Django here
    await stream.aclose()


@dataclass
class Loopback:
    """The server. `requests` keeps what came, `open` counts the connections that are open now, `connected` all that there were."""

    handler: Handler = well
    requests: list[Received] = field(default_factory=list[Received])
    open: int = 0
    connected: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str, None]:
        """Listen; gives the base URL."""
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._serve)
            yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610 — no Django here
            tasks.cancel_scope.cancel()

    async def _serve(self, stream: SocketStream) -> None:
        self.open, self.connected = self.open + 1, self.connected + 1
        try:
            async with stream:
                while await self._exchange(stream):
                    pass
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        finally:
            self.open -= 1

    async def _exchange(self, stream: SocketStream) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += await stream.receive()
        method, target, _ = first.split(" ")
        request = Received(method, target, headers, body)
        self.requests.append(request)
        return await self.handler(request, stream)


async def until(true: Callable[[], bool]) -> None:
    """Let the others work until something is so."""
    with anyio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110 — what is waited for has no event
            await anyio.sleep(0.001)
