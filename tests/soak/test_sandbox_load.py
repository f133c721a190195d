"""Ten minutes of mixed load on the sandbox."""

from __future__ import annotations

import pytest

from tests.soak.sandbox_load import load

pytestmark = [pytest.mark.anyio, pytest.mark.soak]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_no_error_and_flat_memory() -> None:
    figures = await load(600, 200)

    print(figures)
    assert figures.errors == {}
    assert figures.memory[-1] < 1.1 * figures.memory[4]
