"""Keeps the facts as they were taken in: one file a service, one line an operation or notification."""

from __future__ import annotations

import json
import keyword
from collections import defaultdict
from pathlib import Path
from typing import Any

__all__ = ["FACTS", "Fact", "identity", "read_facts", "read_lines", "service_of", "write_facts", "write_lines"]

Fact = dict[str, Any]

FACTS = Path(__file__).parent / "facts"
EVENTS = "events"


def service_of(fact: Fact) -> str:
    """The service of an operation: the first segment after the API, in snake case; APIv2 with `v2_` before it."""
    parts = fact["path"].split("/")
    name = (parts[2] if fact["api"] == "v3" else f"v2_{parts[1]}").replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def identity(fact: Fact) -> str:
    """What an operation or notification is called in reports and overrides."""
    if "event" in fact:
        return f"{fact['api']} {fact['event']}"
    host = f" on {fact['base_url']}" if "base_url" in fact else ""
    return f"{fact['method']} {fact['path']}{host}"


def read_facts(folder: Path = FACTS) -> dict[str, list[Fact]]:
    """All facts by service; the notifications stand under `events`."""
    return {path.stem: read_lines(path) for path in sorted(folder.glob("*.jsonl"))}


def write_facts(operations: list[Fact], events: list[Fact], folder: Path = FACTS) -> None:
    """Replace the stored facts by these."""
    by_service: dict[str, list[Fact]] = defaultdict(list)
    for fact in operations:
        by_service[service_of(fact)].append(fact)
    by_service[EVENTS] = events
    folder.mkdir(parents=True, exist_ok=True)
    for gone in set(folder.glob("*.jsonl")) - {folder / f"{service}.jsonl" for service in by_service}:
        gone.unlink()
    for service, facts in by_service.items():
        write_lines(folder / f"{service}.jsonl", facts)


def read_lines(path: Path) -> list[Fact]:
    """The facts of one file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, facts: list[Fact]) -> None:
    """Write one file in a fixed order, so that the same facts give the same bytes."""
    ordered = sorted(facts, key=_order)
    path.write_text("".join(f"{json.dumps(fact, ensure_ascii=False, separators=(',', ':'))}\n" for fact in ordered), encoding="utf-8")


def _order(fact: Fact) -> tuple[str, ...]:
    return (fact["api"], fact.get("event") or fact["path"], fact.get("method", ""), fact.get("base_url", ""))
