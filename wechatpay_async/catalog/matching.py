"""Finds the operation that a concrete path belongs to."""

from __future__ import annotations

from urllib.parse import unquote

from .model import API, Operation, OperationKey, TreeNode
from .store import operation, segments, tree

__all__ = ["match"]


def match(method: str, path: str, *, api: API | None = None, host: str | None = None) -> tuple[Operation, dict[str, str]] | None:
    """The operation that a request target belongs to, and the percent-decoded values of its placeholders; None if there is none.

    `path` is as on the wire (`/v3/pay/transactions/id/42?mchid=…`); a query is left aside. Without `api` a path below `/v3/` is APIv3's.
    A literal segment wins over a placeholder, a branch without the method loses, and what is still alike goes by the placeholder's name.
    `host` chooses where two hosts share a template.
    """
    target = path.partition("?")[0]
    below_v3 = target.startswith("/v3/")
    if not target.startswith("/") or (api is not None and (api == "v3") != below_v3):
        return None
    side: API = "v3" if below_v3 else "v2"
    found = _descend(tree(side), [unquote(segment) for segment in segments(target, side)], method.upper())
    if found is None:
        return None
    key, values = found
    matched = operation(*key, host=host)
    return None if matched is None else (matched, values)


def _descend(node: TreeNode, rest: list[str], method: str) -> tuple[OperationKey, dict[str, str]] | None:
    if not rest:
        key = node.methods.get(method)
        return None if key is None else (key, {})
    segment, *below = rest
    literal = None if segment.startswith("{") else node.children.get(segment)
    if literal is not None and (found := _descend(literal, below, method)) is not None:
        return found
    return _through_placeholder(node, segment, below, method)


def _through_placeholder(node: TreeNode, segment: str, below: list[str], method: str) -> tuple[OperationKey, dict[str, str]] | None:
    for name in sorted(child for child in node.children if child.startswith("{") and segment):
        found = _descend(node.children[name], below, method)
        if found is not None:
            key, values = found
            return key, {name[1:-1]: segment, **values}
    return None
