"""Checks of single settings: each refuses with a `ConfigError` that names the parameter and the cure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from os import PathLike
from typing import Final, cast

import httpx

from wechatpay_async.errors import ConfigError
from wechatpay_async.spelling import nearest

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_TIMEOUT",
    "check_duration",
    "check_function",
    "check_kind",
    "check_pkcs12",
    "check_switch",
    "checked_base_url",
    "checked_choice",
    "checked_list",
    "checked_seconds",
    "checked_text",
    "checked_timeout",
    "checked_urls",
    "is_loopback",
]

#: Seconds. A payment can take the server many seconds; a connection cannot.
DEFAULT_TIMEOUT: Final = httpx.Timeout(connect=5.0, read=30.0, write=10.0, pool=10.0)

DEFAULT_BASE_URL: Final = "https://api.mch.weixin.qq.com"

# Seconds. A time beyond this is meant to have no end, and some timers cannot count so far.
_ENDLESS: Final = 1e9


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


def checked_text(parameter: str, value: str | None) -> str | None:
    """Text with something in it; None where it is not given."""
    if value is not None:
        check_kind(parameter, value, str, "text")
        if not value.strip():
            raise ConfigError(parameter, "is empty", hint="leave it out where there is none")
    return value


def check_switch(parameter: str, value: bool) -> None:
    """`True` or `False` and nothing else: the text "false" is as true as any other."""
    check_kind(parameter, value, bool, "True or False")


def check_function(parameter: str, value: object, wanted: str, *, hint: str) -> None:
    """Refuse what cannot be called."""
    if not callable(value):
        raise ConfigError(parameter, f"expected {wanted}, got {type(value).__name__}", hint=hint)


def checked_list(parameter: str, values: Sequence[object], wanted: str, *, hint: str) -> tuple[object, ...]:
    """A list or a tuple, which can be read again, unlike an iterator; one text is not a list of its letters."""
    if isinstance(values, str):
        raise ConfigError(parameter, f"expected {wanted}, got one", hint=hint)
    check_kind(parameter, values, (list, tuple), wanted, hint=hint)
    return tuple(values)


def checked_seconds(parameter: str, value: float | None) -> float | None:
    """A time above zero, in seconds; None for no limit."""
    if value is not None:
        wanted, hint = "seconds, or None for no limit", f"{parameter}=30.0"
        check_kind(parameter, value, (int, float), wanted, hint=hint)
        if isinstance(value, bool):
            raise ConfigError(parameter, f"expected {wanted}, got bool", hint=hint)
        if not 0 < value < _ENDLESS:  # NaN is not either
            raise ConfigError(parameter, f"{value!s:.20} seconds", hint="more than zero, or None for no limit")
    return value


def check_duration(parameter: str, value: float, *, zero: bool = False) -> None:
    """Refuse what is no time above zero (or `zero`), in seconds."""
    check_kind(parameter, value, (int, float), "seconds")
    if isinstance(value, bool) or not (0 < value < _ENDLESS or (zero and value == 0)):
        raise ConfigError(parameter, f"expected seconds {'from' if zero else 'above'} 0, got {value!r:.20}")


def checked_timeout(timeout: float | httpx.Timeout | None) -> httpx.Timeout:
    """One time-out for every step of an attempt, or one for each."""
    return timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(checked_seconds("timeout", timeout))


def check_pkcs12(pkcs12: object, password: object) -> None:
    """Refuse a client certificate that is neither its bytes nor its path, or whose password is no text; it is read when first needed."""
    if pkcs12 is not None:
        check_kind("pkcs12", pkcs12, (str, bytes, PathLike), "a path or bytes", hint='pkcs12="apiclient_cert.p12"')
        if pkcs12 in ("", b""):
            raise ConfigError("pkcs12", "is empty", hint="leave it out where there is none")
    if password is not None:
        check_kind("pkcs12_password", password, (str, bytes), "text or bytes", hint="the merchant number, unless it was changed")


def checked_urls(parameter: str, urls: Sequence[str]) -> list[httpx.URL]:
    """Several hosts, each as `checked_base_url` wants it."""
    listed = checked_list(parameter, urls, "a list of URLs", hint=f'{parameter}=["{DEFAULT_BASE_URL}"]')
    return [checked_base_url(cast("str", url), parameter) for url in listed]


def checked_base_url(base_url: str, parameter: str = "base_url") -> httpx.URL:
    """Where calls go: a host and perhaps a port, over TLS; plain http is for this machine alone."""
    check_kind(parameter, base_url, str, "a URL as text", hint=DEFAULT_BASE_URL)
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ConfigError(parameter, f"not a URL: {error}") from None
    # WeChat Pay has no such host, and a letter of another script that looks like the right one makes one.
    if any(label.startswith(b"xn--") for label in url.raw_host.split(b".")):
        raise ConfigError(parameter, "the host has letters beyond ASCII", hint=DEFAULT_BASE_URL)
    if url.scheme not in ("https", "http") or not re.fullmatch(r"[0-9A-Za-z.:-]+", url.host):
        raise ConfigError(parameter, "expected https://host", hint=DEFAULT_BASE_URL)
    if url.scheme == "http" and not is_loopback(url.host):
        raise ConfigError(parameter, "plain http is for this machine alone", hint="use https://")
    if url.userinfo or url.query or url.fragment or url.path not in ("", "/"):
        raise ConfigError(parameter, "has more than a host and a port", hint="the path is part of the signature and comes from the chain")
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise ConfigError(parameter, f"there is no port {url.port}")
    return url


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost`, 127.0.0.0/8, `::1`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
