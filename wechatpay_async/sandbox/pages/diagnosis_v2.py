"""Finds out what an APIv2 client hashed instead of what it should have: tries the usual mistakes until one gives its signature.

The key is in none of what is shown: `key=***` stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.datastructures import Headers

from wechatpay_async import catalog

from ..parties import Merchant
from ..v2.gate import read_fields
from ..v2.signing import digest
from ..wire import Call, Request
from .diagnosis import Diagnosis, Line

__all__ = ["diagnose_fields", "fields_of"]

_HIDDEN = "***"
_NAME = "string to sign"


@dataclass(frozen=True)
class Guess:
    """Fields that may have been hashed, what stands between them and the key, and how; `mistakes` in words of the pages."""

    fields: str
    #: None where the key was left out.
    joint: str | None
    secret: str
    kind: str
    mistakes: tuple[str, ...]

    @property
    def signature(self) -> str:
        return digest(self._text(self.secret), self.secret, self.kind)

    @property
    def shown(self) -> str:
        return self._text(_HIDDEN)

    def _text(self, secret: str) -> str:
        return self.fields if self.joint is None else self.fields + self.joint + secret


def fields_of(call: Call) -> dict[str, str]:
    """The fields of an APIv2 call, whose signature the gate has looked at."""
    method, path = (call.operation or "").split(" ")
    operation = catalog.operation("v2", method, path)
    assert operation is not None  # noqa: S101 - the gate has matched it
    return read_fields(operation, Request(call.method, call.target, Headers(headers=call.request_headers), call.request_body))


def diagnose_fields(fields: Mapping[str, str], signature: str, account: str, merchants: Mapping[str, Merchant]) -> Diagnosis:
    """Compare the string that was to be hashed with what was, where a guess proves to be it."""
    expected = f"{_joined(_right(fields))}&key={_HIDDEN}"
    unknown = (Line(_NAME, expected, None),)
    if not re.fullmatch(r"[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{32})?", signature):
        return Diagnosis(unknown, ("The signature is no MD5 and no HMAC-SHA256 in hexadecimal.",))
    capitals = () if signature == signature.upper() else ("The signature must be in capitals.",)
    for guess in _guesses(fields, account, merchants):
        if guess.signature == signature.upper():
            return Diagnosis((Line(_NAME, expected, guess.shown),), guess.mistakes + capitals, account, found=True)
    return Diagnosis(unknown, ("None of the usual mistakes gives this signature: the key may be another one than the merchant's.",))


def _guesses(fields: Mapping[str, str], account: str, merchants: Mapping[str, Merchant]) -> list[Guess]:
    """All mistakes together, fewest first."""
    made = [
        Guess(text, joint, secret, kind, tuple(note for note in notes if note))
        for (text, n1), (joint, secret, n2), (kind, n3) in product(_texts(fields), _keys(account, merchants), _kinds(fields))
        for notes in [(n1, n2, n3)]
    ]
    return sorted(made, key=lambda guess: len(guess.mistakes))


def _right(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(((name, value) for name, value in fields.items() if name != "sign" and value), key=lambda pair: pair[0].encode())


def _joined(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)


def _texts(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    right = _right(fields)
    yield _joined(right), ""
    yield _joined([(name, value) for name, value in fields.items() if name != "sign" and value]), "Fields must be sorted by their names."
    yield _joined(sorted((name, value) for name, value in fields.items() if name != "sign")), "Fields without a value must not be signed."
    yield _joined([(name, quote(value, safe="")) for name, value in right]), "Values must be signed as they are, not percent-encoded."
    yield _joined([(name, escape(value)) for name, value in right]), "Values must be signed as they are, not escaped for XML."
    for left_out in right:
        yield _joined([pair for pair in right if pair != left_out]), "A field was sent that was not signed."


def _keys(account: str, merchants: Mapping[str, Merchant]) -> Iterator[tuple[str | None, str, str]]:
    own = merchants[account]
    yield "&key=", own.secret, ""
    yield "", own.secret, "The key must follow as one more field, &key=."
    yield None, own.secret, "The key is missing at the end, &key=."
    yield "&key=", own.apiv3_key, "Signed with the APIv3 key; APIv2 has a key of its own."
    for merchant in merchants.values():
        if merchant is not own:
            yield "&key=", merchant.secret, "Signed with the key of another merchant."


def _kinds(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    hmac = fields.get("sign_type") == "HMAC-SHA256"
    yield "MD5", "Signed with MD5; sign_type says HMAC-SHA256." if hmac else ""
    yield "HMAC-SHA256", "" if hmac else "Signed with HMAC-SHA256; sign_type must say so."
