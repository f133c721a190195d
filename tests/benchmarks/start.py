"""What it costs to import the package, beside importing what it stands on."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.benchmarks.pairing import Figure, paired


def import_time() -> Figure:
    """`import wechatpay_async` against `import httpx, cryptography`, each in a process of its own."""
    return paired(
        "import",
        lambda: _run("import wechatpay_async"),
        lambda: _run("import httpx, cryptography.hazmat.primitives.asymmetric.rsa"),
        unit="ms",
        goal="<= 1.15",
        rounds=15,
    )


def _run(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return (time.perf_counter() - start) * 1000
