"""What a flow is given: who asks, for which operation, with which values, and the book to read and write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wechatpay_async.catalog import Operation

from ..models import Book
from ..parties import Merchant, Platform
from ..uploads import Part
from ..wire import Answer, Refusal

__all__ = ["Ask", "Handler", "Routes", "refuse_foreign", "text_limit"]


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
