"""Makes the `httpx.AsyncClient` that calls go through."""

from __future__ import annotations

import ssl
from typing import Final

import httpx

from wechatpay_async.errors import ConfigError

__all__ = ["DEFAULT_LIMITS", "DEFAULT_TIMEOUT", "make_http_client"]

#: Seconds. A payment can take the server many seconds; a connection cannot.
DEFAULT_TIMEOUT: Final = httpx.Timeout(connect=5.0, read=30.0, write=10.0, pool=10.0)
#: The server closes an idle connection after 8 s; letting it go earlier avoids writing into one that is just being closed.
DEFAULT_LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=6.0)


def make_http_client(
    transport: httpx.AsyncBaseTransport | str | None, timeout: httpx.Timeout, *, tls: ssl.SSLContext | None = None
) -> httpx.AsyncClient:
    """A client for WeChat Pay: HTTP/1.1, no redirects, idle connections dropped before the server drops them. Raises `ConfigError`."""
    if isinstance(transport, str):
        raise ConfigError("transport", f"unknown transport {transport!r}", hint='"fast", or an httpx.AsyncBaseTransport')
    return httpx.AsyncClient(
        transport=transport, timeout=timeout, limits=DEFAULT_LIMITS, follow_redirects=False, verify=tls if tls is not None else True
    )
