"""Finds the operation that a concrete path belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from urllib.parse import unquote

from .model import API, Operation, OperationKey, TreeNode
from .store import operation, segments, tree

__all__ = ["match"]

_Fit = tuple[OperationKey, dict[str, str]]


def match(method: str, path: str, *, api: API | None = None, host: str | None = None) -> tuple[Operation, dict[str, str]] | None:
    """The operation that a request target belongs to, and the percent-decoded values of its placeholders; None if there is none.

    `path` is as on the wire (`/v3/pay/transactions/id/42?mchid=…`); a query is left aside. Without `api` a path below `/v3/` is APIv3's.
    A literal segment wins over a placeholder, a branch without the method loses, and where two templates remain, the first by the
    placeholder's name whose numeric placeholders hold digits is taken. `host` chooses where two hosts share a template.
    """
    target = path.partition("?")[0]
    below_v3 = target.startswith("/v3/")
    if not target.startswith("/") or (api is not None and (api == "v3") != below_v3):
        return None
    side: API = "v3" if below_v3 else "v2"
    fits = _fits(tree(side), [unquote(segment) for segment in segments(target, side)], method.upper())
    candidates = [(found, values) for key, values in fits if (found := operation(*key, host=host)) is not None]
    return next((fit for fit in candidates if _digits_where_due(*fit)), candidates[0] if candidates else None)


def _fits(node: TreeNode, rest: list[str], method: str) -> Iterator[_Fit]:
    if not rest:
        if method in node.methods:
            yield node.methods[method], {}
        return
    segment, *below = rest
    if segment in node.children and not segment.startswith("{"):
        yield from _fits(node.children[segment], below, method)
    for name in _placeholders(node) if segment else ():
        for key, values in _fits(node.children[name], below, method):
            yield key, {name[1:-1]: segment, **values}


@cache
def _placeholders(node: TreeNode) -> tuple[str, ...]:
    return tuple(sorted(child for child in node.children if child.startswith("{")))


def _digits_where_due(found: Operation, values: Mapping[str, str]) -> bool:
    numeric = [parameter["name"] for parameter in found.path_params if parameter.get("format") == "numeric"]
    return all(values[name].isascii() and values[name].isdigit() for name in numeric)
