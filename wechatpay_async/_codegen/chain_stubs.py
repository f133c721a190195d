"""Turns the tree of path segments into one stub class a node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from wechatpay_async.catalog import API, OperationKey, TreeNode
from wechatpay_async.chain import attribute_names

from .names import class_name

__all__ = ["Attribute", "StubClass", "stub_classes"]


@dataclass(frozen=True)
class Attribute:
    """A segment below a node: the spelling, and the class that it leads to."""

    name: str
    class_name: str


@dataclass(frozen=True)
class StubClass:
    """A node of the chain. `place` are the segments that lead to it; an ambiguous spelling has the place of its first reading."""

    name: str
    place: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    keys: tuple[OperationKey, ...]


#: Where an attribute may lead: most often one node, and both for `policy_periods`, which spells `policy-periods` too.
Position = tuple[TreeNode, ...]


def stub_classes(api: API, root: TreeNode) -> list[StubClass]:
    """The classes of one API, the root first, then in the order of the paths."""
    names: dict[Position, str] = {(root,): api.upper()}
    return list(_walk((root,), (), "" if api == "v3" else "V2", names))


def _walk(position: Position, place: tuple[str, ...], prefix: str, names: dict[Position, str]) -> Iterator[StubClass]:
    """The class of a position and those below; `names` has the positions that have a class by now."""
    below = _below(position)
    new = [to for to in dict.fromkeys(below.values()) if to not in names]
    for to in new:
        names[to] = f"{prefix}{class_name((*place, to[0].segment))}{'Either' if len(to) > 1 else ''}"
    yield StubClass(names[position], place, tuple(Attribute(spelling, names[to]) for spelling, to in below.items()), _operations(position))
    for to in new:
        yield from _walk(to, (*place, to[0].segment), prefix, names)


def _below(position: Position) -> dict[str, Position]:
    """The spellings below a position, sorted, each with where it leads."""
    found: dict[str, list[TreeNode]] = defaultdict(list)
    for node in position:
        for segment, child in node.children.items():
            for spelling in attribute_names(segment) if segment else ():
                found[spelling].append(child)
    if "delete" in found and any("DELETE" in node.methods for node in position):
        raise ValueError(f"{position}: both the verb DELETE and a segment `delete`; a stub can only say one")
    return {spelling: tuple(found[spelling]) for spelling in sorted(found)}


def _operations(position: Position) -> tuple[OperationKey, ...]:
    """The operations of a position; a path that ends in a slash puts its verb on the node before the slash."""
    keys = [key for node in position for each in (node, node.children.get("")) if each is not None for key in each.methods.values()]
    if len({key.method for key in keys}) < len(keys):
        raise ValueError(f"one spelling means two operations: {keys}")
    return tuple(sorted(keys))
