"""`wechatpay-axios-plugin` of npm against the sandbox, on Node.js. `nox -s foreign` runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import PATIENCE
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.parties import Mode

pytestmark = pytest.mark.foreign

PACKAGE = "wechatpay-axios-plugin@0.9.6"


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package from npm, in a folder that goes away."""
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE], check=True, capture_output=True)
    return folder / "node_modules"


@pytest.mark.parametrize("mode", ["certificate", "public_key"])
def test_order_query_refund_certificates_and_notifications(modules: Path, make_key: Callable[[], Any], mode: Mode) -> None:
    sandbox = Sandbox(mode=mode, make_key=make_key)
    with sandbox.serve(deliver=True) as url:
        wanted = ("mchid", "serial", "private_key", "certs", "apiv3_key", "base_url")
        settings = {name: sandbox.settings(base_url=url)[name] for name in wanted} | {"appid": "wxd678efh567hg6787"}
        command = ["node", str(Path(__file__).parent / "axios_plugin.cjs"), json.dumps(settings)]
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, env=os.environ | {"NODE_PATH": str(modules)}, check=False
        )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    given_out = [{"serial": key.serial, "pem": key.pem} for key in sandbox.platform.certificates]
    assert found["certificates"] == (given_out if mode == "certificate" else "RESOURCE_NOT_EXISTS")
    assert found["code_url"].startswith("weixin://wxpay/")
    assert (found["paid"]["verified"], found["paid"]["event"], found["paid"]["opened"]["trade_state"]) == (
        True,
        "TRANSACTION.SUCCESS",
        "SUCCESS",
    )
    assert (found["state"], found["refund"]) == ("SUCCESS", "PROCESSING")
    assert (found["refunded"]["verified"], found["refunded"]["event"]) == (True, "REFUND.SUCCESS")
    assert found["refunded"]["opened"]["amount"]["refund"] == 60
