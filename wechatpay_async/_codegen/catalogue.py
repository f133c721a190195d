"""The catalogue step: facts and overrides become the data files that the package reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .corrections import OVERRIDES, correct, read_corrections
from .facts_store import EVENTS, FACTS, Fact, read_facts, service_of, write_lines
from .faults import refuse_faults

__all__ = ["DATA", "corrected_facts", "write_catalogue"]

DATA = Path(__file__).parent.parent / "catalog" / "data"


def write_catalogue(facts: Path = FACTS, overrides: Path = OVERRIDES, data: Path = DATA) -> None:
    """Write one data file a service, the notifications and the index; files of services that are gone are removed.

    Raises `CorrectionError` for an override that corrects nothing, `FaultyCatalogue` for faults that none corrects.
    """
    by_service = corrected_facts(facts, overrides)
    data.mkdir(parents=True, exist_ok=True)
    for gone in set(data.glob("*.jsonl")) - {data / f"{service}.jsonl" for service in by_service}:
        gone.unlink()
    for service, lines in by_service.items():
        write_lines(data / f"{service}.jsonl", lines)
    (data / "index.json").write_text(_index(by_service), encoding="utf-8")


def corrected_facts(facts: Path = FACTS, overrides: Path = OVERRIDES) -> dict[str, list[Fact]]:
    """The facts after all corrections, without fault, by service; the notifications stand under `events`."""
    raw = [_one_shape(fact) for lines in read_facts(facts).values() for fact in lines]
    corrected = correct(raw, read_corrections(overrides))
    refuse_faults(corrected)
    by_service: dict[str, list[Fact]] = {}
    for fact in corrected:
        by_service.setdefault(EVENTS if "event" in fact else service_of(fact), []).append(fact)
    return by_service


def _one_shape(fact: Fact) -> Fact:
    """An APIv2 notification has its body where APIv3 has its resource; a host is written without a slash at the end."""
    shaped = dict(fact)
    if "event" in shaped and "body" in shaped:
        shaped["resource"] = shaped.pop("body")
    if "base_url" in shaped:
        shaped["base_url"] = shaped["base_url"].rstrip("/")
    return shaped


def _index(corrected: Mapping[str, list[Fact]]) -> str:
    services = {name: [_row(fact) for fact in facts] for name, facts in sorted(corrected.items()) if name != EVENTS}
    return json.dumps({"services": services}, ensure_ascii=False, separators=(",", ":")).replace("]],", "]],\n") + "\n"


def _row(fact: Fact) -> list[Any]:
    return [fact["method"], fact["path"], *([fact["base_url"]] if "base_url" in fact else [])]
