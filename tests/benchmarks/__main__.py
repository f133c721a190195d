"""Runs every benchmark and writes the figures to docs/benchmarks.json, which the performance page shows."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks.bills import bill_rows
from tests.benchmarks.calls import figures as call_figures
from tests.benchmarks.chain import chain_building
from tests.benchmarks.pairing import Figure
from tests.benchmarks.start import import_time

RESULT = Path(__file__).parents[2] / "docs" / "benchmarks.json"


def main() -> None:
    """Print each figure as it comes, and keep them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="calls in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    figures: list[dict[str, object]] = []
    calls = partial(call_figures, options.calls, options.rounds)
    benchmarks: list[Callable[[], Figure | list[Figure]]] = [import_time, chain_building, bill_rows, calls]
    for benchmark in benchmarks:
        found = benchmark()
        for figure in found if isinstance(found, list) else [found]:
            print(figure.line(), flush=True)
            figures.append(figure.as_json())
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "system": platform.system()}
    RESULT.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
