"""Fixtures for the whole suite: every async test runs on asyncio and on trio."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing about the code. In CI the examples are the same in every run: a new
# find in old code must not refuse a change that has nothing to do with it. Runs by hand go on looking.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ)
settings.load_profile("suite")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["default", "fast"])
def transport(request: pytest.FixtureRequest, anyio_backend_name: str) -> str | None:
    """Both transports; trio has the default one alone."""
    return "fast" if request.param == "fast" and anyio_backend_name == "asyncio" else None
