"""How many connections may be busy at once, who waits for one, and which proxy a connection goes through."""

from __future__ import annotations

from typing import Final

import anyio
import httpx

__all__ = ["Places", "proxy_for"]

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Places:
    """So many requests at a time; the others wait in the order in which they came."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._semaphore: anyio.Semaphore | None = None  # made in the event loop that it serves

    async def enter(self, request: httpx.Request) -> None:
        """Take a place, for as long as the request's pool time-out allows. Raises `httpx.PoolTimeout`."""
        if self._semaphore is None:
            self._semaphore = anyio.Semaphore(self.most, fast_acquire=True)
        try:
            self._semaphore.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(request.extensions.get("timeout", {}).get("pool")) as scope:
                await self._semaphore.acquire()
            if scope.cancelled_caught:
                raise httpx.PoolTimeout(f"all {self.most} connections are busy", request=request) from None

    def leave(self) -> None:
        """Free a place that was taken."""
        assert self._semaphore is not None  # noqa: S101 — whoever leaves has entered
        self._semaphore.release()


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy that the environment (`HTTPS_PROXY`, `NO_PROXY`, …) names for a host, as httpx reads it; none for this machine."""
    from urllib.request import getproxies, proxy_bypass

    if url.host in _LOOPBACK or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
