"""Finds the operation that somebody means: by path, by chain in Python or JavaScript, with or without the verb."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from wechatpay_async import catalog
from wechatpay_async.catalog import Operation
from wechatpay_async.chain import attribute_names

__all__ = ["Target", "candidates", "chain_of", "read_target"]

_VERBS = ("get", "post", "put", "patch", "delete", "stream")
_PIECE = re.compile(r"""\[\s*(['"])(?P<quoted>[^'"]+)\1\s*\]|\.?(?P<name>[^.\[\]()]+)""")
_PLACEHOLDER = re.compile(r"^(?:\{(?P<brace>.+)\}|_(?P<under>.+)_|\$(?P<dollar>.+)\$|:(?P<colon>.+))$")


@dataclass(frozen=True)
class Target:
    """What was written, taken apart: the verb, if there was one, and the segments from `v2` or `v3` on."""

    method: str | None
    segments: tuple[str, ...]

    @property
    def path(self) -> str:
        """As `client.chain()` takes it: `v3/pay/transactions/id/{transaction_id}`."""
        return "/".join(_as_template(segment) for segment in self.segments)


def read_target(text: str) -> Target:
    """Take `POST /v3/pay/…`, `v3/pay/…`, `wxpay.v3.pay….post({…})`, an official address and the like apart."""
    text = re.sub(r"^(await\s+|return\s+)+", "", text.strip()).rstrip(";")
    method, _, rest = text.partition(" ")
    if method.lower() in _VERBS and rest:
        return Target(method.upper(), _segments_of_path(rest.strip()))
    if "/" in text.split("(")[0] and "['" not in text and '["' not in text:
        return Target(None, _segments_of_path(text))
    return _read_chain(text)


def candidates(target: Target) -> list[Operation]:
    """The documented operations that it can mean, the exact verb alone where one was given."""
    wanted = [_plain(segment) for segment in target.segments]
    found = [each for each in _documented() if target.method in (None, each.operation.method) and _fits(wanted, each, target.segments)]
    if not found and target.method == "DELETE":  # `receivers.delete` is a path too
        return candidates(Target(None, (*target.segments, "delete")))
    exact = [each for each in found if each.plain == wanted]
    return [each.operation for each in exact or found]


class _Documented(NamedTuple):
    """An operation and its path, ready to be compared; a slash at its end counts for nothing."""

    operation: Operation
    segments: list[str]
    plain: list[str]


@cache
def _documented() -> tuple[_Documented, ...]:
    return tuple(
        _Documented(operation, segments, [_plain(segment) for segment in segments])
        for operation in catalog.operations()
        for segments in [[segment for segment in _segments_of(operation) if segment]]
    )


def chain_of(operation: Operation) -> str:
    """The operation as a chain: `wxpay.v3.pay.transactions.id._transaction_id_`."""
    segments = _segments_of(operation)
    spelled = [attribute_names(segment)[-1] if segment else "" for segment in segments]
    names = [f".{name}" if name.isidentifier() else f'["{segment}"]' for name, segment in zip(spelled, segments, strict=True)]
    # A path that ends in a slash has an empty last segment, which the chain finds by itself.
    return "wxpay" + "".join(name for name, segment in zip(names, segments, strict=True) if segment)


def _segments_of(operation: Operation) -> list[str]:
    inner = operation.path.split("/")[1:]
    return [operation.api, *(inner[1:] if operation.api == "v3" else inner)]


def _segments_of_path(text: str) -> tuple[str, ...]:
    path = re.sub(r"^https?://[^/]+", "", text).split("?")[0].strip("/")
    segments = tuple(path.split("/"))
    return segments if segments[0] in ("v2", "v3") else ("v2", *segments)


def _read_chain(text: str) -> Target:
    text = text.split("(")[0]
    names = [found["quoted"] or found["name"] for found in _PIECE.finditer(text)]
    names = [name.strip() for each in names for name in each.split("/") if name.strip()]
    while names and names[0] not in ("v2", "v3"):
        names.pop(0)
    if len(names) > 1 and names[-1] in _VERBS:
        verb = names.pop()
        return Target("GET" if verb == "stream" else verb.upper(), tuple(names))
    return Target(None, tuple(names))


def _fits(wanted: Sequence[str], documented: _Documented, written: Sequence[str]) -> bool:
    """Whether the written segments can be the documented ones; a value may stand where a placeholder is documented."""
    return len(wanted) == len(documented.plain) and all(
        mine == plain or (segment.startswith("{") and not _PLACEHOLDER.match(text))
        for mine, plain, segment, text in zip(wanted, documented.plain, documented.segments, written, strict=True)
    )


def _plain(segment: str) -> str:
    """A segment without what spellings differ in: `outTradeNo`, `out-trade-no`, `out_trade_no`; any placeholder of one name is the same."""
    name = _placeholder(segment)
    bare = re.sub(r"[-_]", "", (name or segment).lower())
    return f"{{{bare}}}" if name else bare


def _as_template(segment: str) -> str:
    name = _placeholder(segment)
    return f"{{{name}}}" if name else segment


def _placeholder(segment: str) -> str | None:
    found = _PLACEHOLDER.match(segment)
    return next((name for name in found.groups() if name), None) if found else None
