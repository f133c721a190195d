"""The sandbox on a socket: uvicorn in a thread of its own, for as long as a `with` block lasts."""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .app import make_app

if TYPE_CHECKING:
    from types import TracebackType

    from .core import Sandbox

__all__ = ["SandboxServer"]

#: Seconds after which an idle connection is closed: what the real one does, and what the answers' `Keep-Alive` header says.
_IDLE = 8


class _Protocol(H11Protocol):
    """Gives the application what ASGI has no word for: the client's certificate, and a way to break the connection."""

    def handle_events(self) -> None:
        super().handle_events()
        scope: Any = self.scope
        if scope is not None and "extensions" not in scope:
            transport: Any = self.transport
            scope["extensions"] = {"sandbox.abort": transport.abort}
            secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
            if secured is not None:
                scope["extensions"]["tls"] = {"client_certificate": secured.getpeercert(binary_form=True)}


class Courier:
    """Sends notifications as they fall due, in a thread of its own."""

    def __init__(self, sandbox: Sandbox, every: float = 0.2) -> None:
        self._sandbox = sandbox
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=anyio.run, args=(self._run,), name="wechatpay-sandbox-courier", daemon=True)

    async def _run(self) -> None:
        while not self._stop.is_set():
            await self._sandbox.deliver()
            await anyio.sleep(self._every)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the attempts that are under way."""
        self._stop.set()
        self._thread.join()


class SandboxServer:
    """A running sandbox: a context manager, sync and async, that gives the base URL.

    The host is the loopback interface unless told otherwise. Entering waits until the port is open.
    """

    def __init__(self, sandbox: Sandbox, host: str, port: int, *, mtls: bool = False, deliver: bool = False) -> None:
        self._host = host
        self._mtls = mtls
        self._courier = Courier(sandbox) if deliver else None
        config = uvicorn.Config(
            make_app(sandbox),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=_Protocol,
            ws="none",
            timeout_keep_alive=_IDLE,
        )
        if mtls:
            config.load()
            config.ssl = sandbox.server_tls()
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="wechatpay-sandbox", daemon=True)
        self._open = threading.Event()
        self._failure: BaseException | None = None
        self.url: str = ""

    def _run(self) -> None:
        try:
            self._server.run()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._failure = error
        finally:
            self._open.set()

    def start(self) -> str:
        """Open the port and give the base URL. Raises `OSError` where the port cannot be had."""
        startup = self._server.startup

        async def startup_and_tell(sockets: Any = None) -> None:
            await startup(sockets)
            self._open.set()

        self._server.startup = startup_and_tell  # type: ignore[method-assign]  # uvicorn tells nobody that it listens
        self._thread.start()
        self._open.wait()
        if self._failure is not None or not self._server.started:
            raise OSError(f"cannot listen on {self._host}") from self._failure
        if self._courier is not None:
            self._courier.start()
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"{'https' if self._mtls else 'http'}://{self._host}:{port}"
        return self.url

    def stop(self) -> None:
        """Close the port, and break what is still open."""
        if self._courier is not None:
            self._courier.stop()
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    async def __aenter__(self) -> str:
        return await anyio.to_thread.run_sync(self.start)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.stop)
