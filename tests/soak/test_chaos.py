"""Ten thousand calls to a server that misbehaves, on each transport."""

from __future__ import annotations

import pytest

from tests.soak.chaos import run

pytestmark = [pytest.mark.anyio, pytest.mark.soak]


@pytest.mark.parametrize("transport", [None, "fast"])
async def test_every_call_ends_well_or_in_the_right_error(anyio_backend_name: str, transport: str | None) -> None:
    if transport == "fast" and anyio_backend_name == "trio":
        transport = None
    report = await run(10_000, at_once=50, transport=transport)

    assert report.wrong == []
    assert sum(report.ends.values()) == 10_000
    assert (report.left_open, report.left_running) == (0, 0)
