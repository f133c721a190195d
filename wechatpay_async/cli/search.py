"""Search over operations, notifications and error codes, in Chinese and English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wechatpay_async import catalog
from wechatpay_async.catalog import Operation

from .error_codes import ERROR_CODES
from .names import chain_of

__all__ = ["Hit", "search_all"]

#: The English words of the trade, for titles that are Chinese alone.
_ENGLISH = {
    "bill": "账单",
    "certificate": "证书",
    "close": "关闭",
    "complaint": "投诉",
    "coupon": "券",
    "invoice": "发票",
    "order": "下单",
    "parking": "停车",
    "partner": "服务商",
    "payment": "支付",
    "payscore": "支付分",
    "profit": "分账",
    "query": "查询",
    "redpack": "红包",
    "refund": "退款",
    "score": "支付分",
    "sharing": "分账",
    "sign": "签约",
    "transfer": "转账",
    "upload": "上传",
    "withdraw": "提现",
}


@dataclass(frozen=True)
class Hit:
    """One find: its kind, what it is called, what to type for it, and how well it fits (the more the better)."""

    kind: str
    name: str
    title: str
    score: float


def search_all(text: str, limit: int = 20) -> list[Hit]:
    """The best finds for some words; every word must fit, as it is or in the other language."""
    words = [_spellings(word) for word in text.lower().split()]
    hits = [hit for hit in (*_operations(words), *_events(words), *_codes(words)) if hit.score > 0]
    return sorted(hits, key=lambda hit: (-hit.score, len(hit.name), hit.name))[:limit]


def _spellings(word: str) -> tuple[str, ...]:
    return (word, _ENGLISH[word]) if word in _ENGLISH else (word,)


def _operations(words: Iterable[tuple[str, ...]]) -> Iterator[Hit]:
    for each in catalog.operations():
        texts = [(each.title, 3.0), (each.path, 2.0), (" ".join(each.tags), 1.0)]
        found = _score(words, texts)
        yield Hit("operation", f"{chain_of(each)}.{each.method.lower()}", each.title, found and found + _likelihood(each))


def _likelihood(operation: Operation) -> float:
    """What most people look for comes first: APIv3, a merchant of their own, this country's host."""
    common = {"直连商户", "普通商户"} & set(operation.roles)
    rare = operation.deprecated or "global" in operation.path or "sandboxnew" in operation.path or operation.base_url is not None
    return 0.5 * (operation.api == "v3") + 0.5 * bool(common) - 0.2 * ("/partner/" in operation.path) - 0.5 * rare


def _events(words: Iterable[tuple[str, ...]]) -> Iterator[Hit]:
    for each in catalog.events():
        yield Hit("notification", each.event, each.title, _score(words, [(each.title, 3.0), (each.event, 2.0)]))


def _codes(words: Iterable[tuple[str, ...]]) -> Iterator[Hit]:
    for each in ERROR_CODES.values():
        texts = [(each.code, 3.0), (each.meaning, 1.0), (each.meaning_zh, 1.0)]
        yield Hit("error code", each.code, each.meaning, _score(words, texts))


def _score(words: Iterable[tuple[str, ...]], texts: Iterable[tuple[str, float]]) -> float:
    """The sum over the words of the best text that has one; nothing at all where a word is in none."""
    lowered = [(text.lower(), weight) for text, weight in texts]
    total = 0.0
    for spellings in words:
        best = max(weight * _fit(spelling, text) for spelling in spellings for text, weight in lowered)
        if best == 0:
            return 0.0
        total += best
    return total


def _fit(word: str, text: str) -> float:
    """1 for the whole text, less for a part; a part at a word's beginning is worth more than one inside."""
    if word not in text:
        return 0.0
    at_word = bool(re.search(rf"(?<![a-z]){re.escape(word)}", text))
    return (0.7 if at_word else 0.4) + 0.3 * len(word) / len(text)
