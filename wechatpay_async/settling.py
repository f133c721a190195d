"""Which query settles a write whose outcome is unknown, from the catalogue alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast
from urllib.parse import quote

from wechatpay_async import catalog
from wechatpay_async.catalog import Operation
from wechatpay_async.chain import Call

__all__ = ["settling_query"]

_OWN_NUMBERS = frozenset({"mchid", "sp_mchid"})


def settling_query(call: Call, mchid: str) -> Call | None:
    """The query that tells what became of a write, filled from the write's own values; None where the catalogue has none.

    It is the documented GET nearest to the write's path that asks by the write's own business number and needs nothing that is unknown.
    """
    operation = call.operation
    if operation is None or operation.api != "v3":
        return None
    known = _known_values(call, mchid)
    found = [query for query in _queries(operation) if _is_answerable(query, known) and _is_about(query, operation)]
    if not found:
        return None
    query = max(found, key=lambda candidate: (_shared_segments(operation.path, candidate.path), len(candidate.path_params)))
    path = query.path
    for parameter in query.path_params:
        path = path.replace(f"{{{parameter['name']}}}", quote(known[parameter["name"]], safe=""))
    wanted = [parameter["name"] for parameter in query.query_params if parameter["required"] or _is_number(parameter["name"])]
    params = {name: known[name] for name in wanted if name in known}
    return Call("v3", "GET", query.path, path, query, params=params)


def _known_values(call: Call, mchid: str) -> dict[str, str]:
    known = {**dict.fromkeys(_OWN_NUMBERS, mchid), **call.path_values}
    data = cast("object", call.data)
    if isinstance(data, Mapping):
        known |= {name: value for name, value in cast("Mapping[str, object]", data).items() if isinstance(value, str) and value}
    return known


def _queries(write: Operation) -> Iterable[Operation]:
    """Documented GETs of the same service."""
    first = write.path.split("/")[2]
    return (query for query in catalog.operations() if query.method == "GET" and query.api == "v3" and query.path.split("/")[2] == first)


def _is_answerable(query: Operation, known: Mapping[str, str]) -> bool:
    """Whether the query goes by a merchant's own number, and everything that it requires is known."""
    names = [parameter["name"] for parameter in query.path_params]
    required = [*names, *(parameter["name"] for parameter in query.query_params if parameter["required"])]
    numbers = [*names, *(parameter["name"] for parameter in query.query_params)]
    by_number = any(_is_number(name) and name in known for name in numbers)
    return by_number and not query.download and all(name in known for name in required)


def _is_number(name: str) -> bool:
    """Whether the name is of a number that the merchant has chosen."""
    return name.startswith(("out_", "combine_out_"))


def _is_about(query: Operation, write: Operation) -> bool:
    """Whether the query asks for the same thing: where its path leaves the write's, only the number follows."""
    rest = query.path.split("/")[_shared_segments(query.path, write.path) :]
    return not rest or rest[0].startswith("{") or f"{{{rest[0].replace('-', '_')}}}" in rest


def _shared_segments(one: str, other: str) -> int:
    count = 0
    for mine, its in zip(one.split("/"), other.split("/"), strict=False):
        if mine != its:
            break
        count += 1
    return count
