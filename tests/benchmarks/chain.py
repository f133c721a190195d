"""What it costs to write a chain of seven segments, once its nodes are there.

python -m tests.benchmarks.chain
"""

from __future__ import annotations

import time
from typing import Any

from tests.benchmarks.pairing import Figure, paired
from tests.support.platform import Platform, client

TURNS = 100_000


class Plain:
    """An attribute that leads to the same object again: the least that seven dots can cost."""

    def __init__(self) -> None:
        self.step = self


def chain_building() -> Figure:
    """Microseconds for `wxpay.v3.payscore.partner.serviceorder._out_order_no_.modify` and its verb."""
    wxpay: Any = client(Platform())
    plain: Any = Plain()

    def ours() -> float:
        start = time.thread_time()
        for _ in range(TURNS):
            wxpay.v3.payscore.partner.serviceorder._out_order_no_.modify.post  # noqa: B018 — building it is what is measured
        return (time.thread_time() - start) / TURNS * 1e6

    def theirs() -> float:
        start = time.thread_time()
        for _ in range(TURNS):
            plain.step.step.step.step.step.step.step  # noqa: B018 - the access is what is measured
        return (time.thread_time() - start) / TURNS * 1e6

    ours()
    return paired("a chain of seven names, beside seven attributes", ours, theirs, unit="us", goal="<= 2 us")


if __name__ == "__main__":
    print(chain_building().line())
