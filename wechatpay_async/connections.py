"""The connections of a process and what is known of the hosts behind them, shared by a client, its siblings and other merchants."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import anyio
import anyio.to_thread
import httpx

from wechatpay_async.retry import Hosts, RetryBudget
from wechatpay_async.signing import ProcessSigner, Signer
from wechatpay_async.transport import make_http_client

__all__ = ["Connections"]


class Connections:
    """The HTTP client that calls go through, one more for each client certificate, the hosts, the budget for repeats, the signer.

    `http_client` is borrowed; without it one is made over `transport`, and closed by `aclose`. Raises `ConfigError`.
    """

    def __init__(
        self,
        hosts: Hosts,
        timeout: httpx.Timeout,
        *,
        transport: httpx.AsyncBaseTransport | str | None,
        http_client: httpx.AsyncClient | None,
    ) -> None:
        self.hosts = hosts
        self.budget: RetryBudget = RetryBudget()
        self.signer: Signer = ProcessSigner() if transport == "fast" else Signer()
        self.http: httpx.AsyncClient = http_client if http_client is not None else make_http_client(transport, timeout)
        self.owned: list[httpx.AsyncClient] = [] if http_client is not None else [self.http]
        self._transport = transport
        self._timeout = timeout
        self._by_certificate: dict[str, httpx.AsyncClient] = {}
        self._lock: anyio.Lock | None = None  # made in the event loop that it serves

    async def with_certificate(self, serial: str, context: Callable[[], ssl.SSLContext]) -> httpx.AsyncClient:
        """The client that shows the certificate `serial`; made when it is first needed, `context` being called in a worker thread."""
        if self._lock is None:
            self._lock = anyio.Lock()
        async with self._lock:
            if serial not in self._by_certificate:
                tls = await anyio.to_thread.run_sync(context)
                self._by_certificate[serial] = http = make_http_client(self._transport, self._timeout, tls=tls)
                self.owned.append(http)
        return self._by_certificate[serial]

    async def aclose(self) -> None:
        """Close what was made here."""
        for http in self.owned:
            await http.aclose()
        await self.signer.aclose()
