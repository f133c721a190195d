"""The demo tells its story to the end, and refuses the tampered answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.patience import PATIENCE
from wechatpay_async.cli import demo


def test_the_story_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main() == 0
    told = capsys.readouterr().out
    assert "/v3/payscore/partner/serviceorder/DEMO-SCORE-1/modify" in told
    assert '"trade_state": "REFUND"' in told
    assert "REFUSED, and no data is given out: BadSignature" in told
    assert "9 calls over a real socket, all signed: 8 answers verified, one refused" in told
    assert max(map(len, told.splitlines())) <= 80


def test_it_runs_as_a_module_on_a_terminal_without_chinese() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "wechatpay_async.cli.demo"],
        env={"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
