"""The floors of the package: a module imports only from floors below its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.source import Import, imports, modules

#: The package from the ground up: errors; pure functions on bytes; the protocol and the facts; names, events and rows; the edge to httpx
#: and anyio, whose steps stand on each other; the client; the thin edges. Neighbours on one step do not know each other.
FLOORS = [
    {"errors", "spelling", "_version"},
    {"crypto", "response", "settings"},
    {"catalog"},
    {"protocol"},
    {"chain", "payloads", "notifications", "bills", "merchant", "key_stores", "environment", "turns"},
    {"platform_keys", "retry", "inbox", "reconcile", "settling", "checks", "catalog_view", "limits", "watching", "places", "signing"},
    {"auto_keys", "auth", "uploads", "downloads", "client_certificate", "fast", "sealing"},
    {"transport", "bill_downloads", "flows", "encoding", "decoding"},
    {"connections"},
    {"pipeline"},
    {"client", "deliveries", "otel"},
    {"fastapi", "sandbox"},
    {"cli", "pytest_plugin"},
]
LEVEL = {part: level for level, parts in enumerate(FLOORS) for part in parts}
LEVEL[""] = LEVEL["client"]  # the root module re-exports the client and what lies below

#: What `pip install wechatpay-async` brings; everything else is an extra.
REQUIRED = {"anyio", "cryptography", "httpx", "typing_extensions"}

#: Where an extra may be imported at the top of a module: the edge that exists for it.
EDGES = {
    "wechatpay_async.fast": {"aiohttp", "yarl"},
    "wechatpay_async.otel": {"opentelemetry"},
    "wechatpay_async.fastapi": {"fastapi", "starlette"},
    "wechatpay_async.pytest_plugin": {"pytest"},
    "wechatpay_async.cli": {"click", "rich"},
    "wechatpay_async.inbox.postgres": {"psycopg", "psycopg_pool"},
    "wechatpay_async.inbox.redis": {"redis"},
    "wechatpay_async.sandbox": {"defusedxml", "jinja2", "segno", "starlette", "uvicorn"},
}

HAND_WRITTEN = [name for name in modules() if "._codegen" not in name]


def part_of(name: str) -> str:
    """`wechatpay_async.crypto.rsa` -> `crypto`; the root itself -> ``."""
    return [*name.split("."), ""][1]


def ours(module: str) -> list[Import]:
    return [found for found in imports(module) if found.name.split(".")[0] == "wechatpay_async"]


def test_every_module_has_its_floor() -> None:
    assert {part_of(name) for name in HAND_WRITTEN} <= LEVEL.keys()


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_a_module_imports_only_from_the_floors_below(module: str) -> None:
    own = part_of(module)
    if own == "":
        return
    wrong = [
        f"line {found.line}: {found.name}"
        for found in ours(module)
        if (target := part_of(found.name)) != own
        and not (target == "api" and found.type_only)
        and LEVEL.get(target, LEVEL[""]) >= LEVEL[own]  # a name that is no module is the root's
    ]

    assert wrong == []


@pytest.mark.parametrize("module", [name for name in HAND_WRITTEN if part_of(name) == "sandbox"])
def test_the_sandbox_shares_no_code_with_the_client(module: str) -> None:
    """What it takes from the package are the facts alone: it must not agree with the client because both are wrong alike."""
    taken = {part_of(found.name) for found in ours(module)}

    assert taken <= {"sandbox", "catalog", "_version"}


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_extras_are_imported_only_where_they_are_used(module: str) -> None:
    allowed = {name for edge, names in EDGES.items() if module == edge or module.startswith(f"{edge}.") for name in names}
    foreign = {
        found.name.split(".")[0]
        for found in imports(module)
        if found.top_level and not found.type_only and found.name.split(".")[0] not in sys.stdlib_module_names
    }

    assert foreign - REQUIRED - {"wechatpay_async"} <= allowed


def test_nothing_imports_the_generator() -> None:
    assert [found for name in HAND_WRITTEN for found in ours(name) if part_of(found.name) == "_codegen"] == []


def test_the_root_loads_no_extra_no_edge_and_no_generated_module() -> None:
    """In a process of its own, since this one has loaded everything already."""
    # httpx loads its own command line's extras where they are there: what counts is what comes on top.
    script = "import sys, httpx; before = set(sys.modules); import wechatpay_async; print('\\n'.join(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    extras = {name for names in EDGES.values() for name in names} | {"httpx_aiohttp", "aiohttp", "httpx2", "trio", "redis", "opentelemetry"}

    assert not extras & set(loaded)
    assert [name for name in loaded if name.startswith(("wechatpay_async.api", "wechatpay_async._codegen"))] == []
    edges = set[str]().union(*FLOORS[-2:])
    assert {part_of(name) for name in loaded if name.startswith("wechatpay_async.")} & edges == set()
