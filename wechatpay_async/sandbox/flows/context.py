"""What a flow is given: who asks, for which operation, with which values, and the book to read and write."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from wechatpay_async.catalog import Operation

from ..models import Book
from ..parties import Merchant, Platform
from ..uploads import Part
from ..wire import Answer, Refusal

__all__ = ["Ask", "Handler", "Routes", "check_notify_url", "parse_moment", "refuse_foreign", "text_limit"]


@dataclass(frozen=True)
class Ask:
    """A request that the gate has let in and the catalogue has found in order; sensitive fields are in the clear."""

    operation: Operation
    merchant: Merchant
    platform: Platform
    book: Book
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: dict[str, Any]
    base_url: str
    #: The parts of an upload, by name.
    parts: Mapping[str, Part] = field(default_factory=dict[str, Part])

    @property
    def mchid(self) -> str:
        return self.merchant.mchid


Handler = Callable[[Ask], Answer]
Routes = Mapping[str, Handler]


def refuse_foreign(ask: Ask, mchid: str | None) -> None:
    """The merchant named in the request must be the one that signed it."""
    if mchid != ask.mchid:
        raise Refusal(400, "INVALID_REQUEST", f"请求中的商户号 {mchid} 与签名的商户号 {ask.mchid} 不一致")


def text_limit(value: str, limit: int, where: str) -> None:
    """A text of at least one and at most `limit` characters."""
    if not 1 <= len(value) <= limit:
        detail = {"location": "body", "field": where, "value": value}
        raise Refusal(400, "PARAM_ERROR", f"输入源“{where}”的字符数须为1至{limit}", detail)


def check_notify_url(url: str) -> None:
    """An absolute address without query or fragment, HTTPS unless it is on this machine."""
    parts = urlsplit(url)
    usable = parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname or ""))
    if not usable or not parts.hostname or "?" in url or "#" in url or len(url) > 255:
        detail = {"location": "body", "field": "/body/notify_url", "value": url}
        raise Refusal(400, "PARAM_ERROR", "通知地址须为不带参数、不超过255个字符的https地址", detail)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_moment(text: str) -> float:
    """An RFC 3339 time, whose form the schema has checked, in seconds."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refusal(400, "PARAM_ERROR", "时间须为RFC 3339格式", {"location": "body", "value": text})
    return moment.timestamp()
