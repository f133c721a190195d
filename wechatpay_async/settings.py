"""Checks of single settings: each refuses with a `ConfigError` that names the parameter and the cure."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

import httpx

from wechatpay_async.errors import ConfigError
from wechatpay_async.spelling import nearest

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_TIMEOUT",
    "check_kind",
    "checked_base_url",
    "checked_choice",
    "checked_seconds",
    "checked_timeout",
    "is_loopback",
]

#: Seconds. A payment can take the server many seconds; a connection cannot.
DEFAULT_TIMEOUT: Final = httpx.Timeout(connect=5.0, read=30.0, write=10.0, pool=10.0)

DEFAULT_BASE_URL: Final = "https://api.mch.weixin.qq.com"


def check_kind(parameter: str, value: object, kinds: type | tuple[type, ...], wanted: str, *, hint: str | None = None) -> None:
    """Refuse a setting that is of another kind than `wanted` says."""
    if not isinstance(value, kinds):
        raise ConfigError(parameter, f"expected {wanted}, got {type(value).__name__}", hint=hint)


def checked_choice(parameter: str, value: str, choices: tuple[str, ...]) -> str:
    """One of a few words."""
    check_kind(parameter, value, str, f"one of {', '.join(choices)}")
    if value not in choices:
        near = nearest(value, choices)
        raise ConfigError(
            parameter, f"unknown value {value!r}", hint=f"did you mean {near[0]!r}?" if near else f"one of {', '.join(choices)}"
        )
    return value


def checked_seconds(parameter: str, value: float | None) -> float | None:
    """A time above zero, in seconds; None for no limit."""
    if value is not None:
        check_kind(parameter, value, (int, float), "seconds, or None for no limit", hint=f"{parameter}=30.0")
        if not value > 0:  # NaN is not either
            raise ConfigError(parameter, f"{value} seconds", hint="more than zero, or None for no limit")
    return value


def checked_timeout(timeout: float | httpx.Timeout | None) -> httpx.Timeout:
    """One time-out for every step of an attempt, or one for each."""
    return timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(checked_seconds("timeout", timeout))


def checked_base_url(base_url: str, parameter: str = "base_url") -> httpx.URL:
    """Where calls go: a host and perhaps a port, over TLS; plain http is for this machine alone."""
    check_kind(parameter, base_url, str, "a URL as text", hint=DEFAULT_BASE_URL)
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ConfigError(parameter, f"not a URL: {error}") from None
    if url.scheme not in ("https", "http") or not re.fullmatch(r"[0-9A-Za-z.:-]+", url.host):
        raise ConfigError(parameter, "expected https://host", hint=DEFAULT_BASE_URL)
    # WeChat Pay has no such host, and a letter of another script that looks like the right one makes one.
    if any(label.startswith(b"xn--") for label in url.raw_host.split(b".")):
        raise ConfigError(parameter, "the host has letters beyond ASCII", hint=DEFAULT_BASE_URL)
    if url.scheme == "http" and not is_loopback(url.host):
        raise ConfigError(parameter, "plain http is for this machine alone", hint="use https://")
    if url.userinfo or url.query or url.fragment or url.path not in ("", "/"):
        raise ConfigError(parameter, "has more than a host and a port", hint="the path is part of the signature and comes from the chain")
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise ConfigError(parameter, f"there is no port {url.port}")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost`, 127.0.0.0/8, `::1`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
