"""The catalogue step: facts and overrides become the data files that the package reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .facts_store import EVENTS, FACTS, Fact, read_facts, write_lines

__all__ = ["DATA", "write_catalogue"]

DATA = Path(__file__).parent.parent / "catalog" / "data"


def write_catalogue(facts: Path = FACTS, data: Path = DATA) -> None:
    """Write one data file a service, the notifications and the index; files of services that are gone are removed."""
    corrected = {service: [_tidy(fact) for fact in lines] for service, lines in read_facts(facts).items()}
    data.mkdir(parents=True, exist_ok=True)
    for gone in set(data.glob("*.jsonl")) - {data / f"{service}.jsonl" for service in corrected}:
        gone.unlink()
    for service, lines in corrected.items():
        write_lines(data / f"{service}.jsonl", lines)
    (data / "index.json").write_text(_index(corrected), encoding="utf-8")


def _tidy(fact: Fact) -> Fact:
    if "base_url" in fact:
        return {**fact, "base_url": fact["base_url"].rstrip("/")}
    return fact


def _index(corrected: Mapping[str, list[Fact]]) -> str:
    services = {name: [_row(fact) for fact in facts] for name, facts in sorted(corrected.items()) if name != EVENTS}
    return json.dumps({"services": services}, ensure_ascii=False, separators=(",", ":")).replace("]],", "]],\n") + "\n"


def _row(fact: Fact) -> list[Any]:
    return [fact["method"], fact["path"], *([fact["base_url"]] if "base_url" in fact else [])]
