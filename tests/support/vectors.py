"""The published test vectors, by kind: see `tests/vectors/README.md`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "vectors"


@dataclass(frozen=True)
class Vector:
    """One published case: what goes in, what must come out, and who says so."""

    name: str
    source: str
    inputs: dict[str, Any]
    expected: dict[str, Any]


def vectors(kind: str) -> list[Vector]:
    """All vectors of one kind."""
    cases = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    return [Vector(case["name"], case["source"], case["inputs"], case["expected"]) for case in cases]


def each_vector(kind: str) -> pytest.MarkDecorator:
    """Run a test once for each vector of a kind, under the vector's name, as the argument `vector`."""
    cases = vectors(kind)
    return pytest.mark.parametrize("vector", cases, ids=[case.name for case in cases])
