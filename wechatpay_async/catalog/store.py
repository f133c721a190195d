"""Reads the data files: the index at first need, a service when first touched, an operation when first asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from .model import API, Event, Operation, OperationKey, Parameter, Schema, TreeNode

__all__ = ["event", "events", "operation", "operations", "services", "tree"]


class _Place(NamedTuple):
    """Where an operation stands: the line of a service's file, and the host that it is for (None: the usual one)."""

    service: str
    line: int
    host: str | None


def services() -> Iterator[str]:
    """The names of all services, sorted: `pay`, `payscore`, `v2_pay`, …"""
    return iter(_index()["services"])


def operations(service: str | None = None) -> Iterator[Operation]:
    """All documented operations, or those of one service, sorted by service, path and method."""
    for name in services() if service is None else (service,):
        for line in range(len(_lines(name))):
            yield _operation_at(name, line)


def operation(api: API, method: str, template: str, *, host: str | None = None) -> Operation | None:
    """The operation of exactly this path template, or None.

    `host` chooses where two hosts share a template (`GET /v3/certificates`); any other value finds the usual host's.
    """
    places = _places().get(OperationKey(api, method.upper(), template))
    if places is None:
        return None
    place = next((place for place in places if place.host == host), places[0])
    return _operation_at(place.service, place.line)


def events() -> Iterator[Event]:
    """All documented notifications, sorted by api and name."""
    return iter(_events().values())


def event(name: str, *, api: API | None = None) -> Event | None:
    """The notification of this `event_type`, or None. Two names are in both APIs: then APIv3's, unless `api` says otherwise."""
    known = _events()
    for candidate in ("v3", "v2") if api is None else (api,):
        if (candidate, name) in known:
            return known[candidate, name]
    return None


@cache
def tree(api: API) -> TreeNode:
    """The documented paths of one API as a tree; its children are the first segments after `/v3`, for APIv2 after the host."""
    root: dict[str, Any] = {}
    methods: dict[str, dict[str, OperationKey]] = {}
    for key in _places():
        if key.api == api:
            level = root
            for segment in segments(key.path, api):
                level = level.setdefault(segment, {})
            methods.setdefault(key.path, {})[key.method] = key
    return _node("", "/v3" if api == "v3" else "", root, methods)


def segments(path: str, api: API) -> list[str]:
    """The segments of a path below the root of its API."""
    return path.split("/")[2 if api == "v3" else 1 :]


def _node(segment: str, path: str, level: Mapping[str, Any], methods: Mapping[str, Mapping[str, OperationKey]]) -> TreeNode:
    children = {name: _node(name, f"{path}/{name}", below, methods) for name, below in level.items()}
    return TreeNode(segment, MappingProxyType(children), MappingProxyType(dict(methods.get(path, {}))))


@cache
def _places() -> Mapping[OperationKey, tuple[_Place, ...]]:
    places: dict[OperationKey, tuple[_Place, ...]] = {}
    for service, rows in _index()["services"].items():
        for line, (method, path, *base_url) in enumerate(rows):
            key = OperationKey("v2" if service.startswith("v2_") else "v3", method, path)
            host = base_url[0].removeprefix("https://") if base_url else None
            places[key] = (*places.get(key, ()), _Place(service, line, host))
    return MappingProxyType(places)


@cache
def _index() -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", json.loads(_read("index.json")))


@cache
def _lines(service: str) -> tuple[bytes, ...]:
    if service not in _index()["services"]:
        raise KeyError(service)
    return tuple(_read(f"{service}.jsonl").splitlines())


@cache
def _operation_at(service: str, line: int) -> Operation:
    return operation_from_fact(service, json.loads(_lines(service)[line]))


@cache
def _events() -> Mapping[tuple[API, str], Event]:
    found = [event_from_fact(json.loads(line)) for line in _read("events.jsonl").splitlines()]
    return MappingProxyType({(each.api, each.event): each for each in found})


def operation_from_fact(service: str, fact: Mapping[str, Any]) -> Operation:
    """One line of a service's file as an `Operation`."""
    return Operation(
        api=fact["api"],
        method=fact["method"],
        path=fact["path"],
        service=service,
        title=fact["title"],
        tags=tuple(fact.get("tags", ())),
        roles=tuple(fact.get("roles", ())),
        docs=tuple(fact.get("docs", ())),
        base_url=fact.get("base_url"),
        path_params=_parameters(fact, "path_params"),
        query_params=_parameters(fact, "query_params"),
        headers=_parameters(fact, "headers"),
        form=_parameters(fact, "form"),
        body=fact.get("body"),
        responses=MappingProxyType(fact["responses"]),
        client_cert=fact.get("client_cert", False),
        nonce=fact.get("nonce", True),
        response_signed=fact.get("response_signed", True),
        download=fact.get("download", False),
        deprecated=fact.get("deprecated", False),
        consumes=tuple(fact.get("consumes", ())),
        produces=tuple(fact.get("produces", ())),
    )


def event_from_fact(fact: Mapping[str, Any]) -> Event:
    """One line of the events' file as an `Event`."""
    return Event(
        api=fact["api"],
        event=fact["event"],
        title=fact["title"],
        original_types=tuple(fact.get("original_types", ())),
        resource=cast("Schema", fact.get("resource", {})),
        docs=tuple(fact.get("docs", ())),
    )


def _parameters(fact: Mapping[str, Any], kind: str) -> tuple[Parameter, ...]:
    return tuple(cast("Parameter", parameter) for parameter in fact.get(kind, ()))


def _read(name: str) -> bytes:
    from importlib.resources import files

    return (files(__package__ or "") / "data" / name).read_bytes()
