"""What it costs to import the package, beside importing what it stands on."""

from __future__ import annotations

import os
import subprocess
import sys

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
    """Milliseconds of processor time; without what httpx imports only where the libraries of its own command are there too."""
    program = (
        f"import sys, time; sys.modules.update(rich=None, click=None); s = time.process_time(); {statement}; print(time.process_time() - s)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # compiled once, as anywhere
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout) * 1000
