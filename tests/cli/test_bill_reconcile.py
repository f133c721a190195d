"""`wechatpay bill reconcile`: a ledger against a bill, from a file and downloaded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import anyio
import pytest
from click.testing import Result

from tests.bills.samples import TRADE_HEADER, bill
from tests.cli.test_more_commands import pay_for_a_book
from wechatpay_async.cli.run import write_settings
from wechatpay_async.sandbox import Sandbox

Run = Callable[..., Result]


def line(**values: str) -> str:
    return ",".join("`" + values.get(name, "") for name in TRADE_HEADER.split(","))


@pytest.fixture
def bill_file(tmp_path: Path) -> str:
    paid = line(交易状态="SUCCESS", 商户订单号="A1", 订单金额="12.34", 商户退款单号="0", 申请退款金额="0.00")
    refunded = line(交易状态="REFUND", 商户订单号="A1", 订单金额="0.00", 商户退款单号="R1", 申请退款金额="2.00", 退款状态="SUCCESS")
    (tmp_path / "bill.txt").write_bytes(bill(TRADE_HEADER, paid, refunded))
    return str(tmp_path / "bill.txt")


@pytest.fixture
def ledger(tmp_path: Path) -> Callable[[bytes], str]:
    def write(data: bytes) -> str:
        (tmp_path / "ledger.csv").write_bytes(data)
        return str(tmp_path / "ledger.csv")

    return write


HEAD = b"out_trade_no,amount,status,out_refund_no\n"
AGREEING = HEAD + b"A1,1234,SUCCESS,\nA1,200,SUCCESS,R1\n"


def test_both_sides_agree(run: Run, bill_file: str, ledger: Callable[[bytes], str], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = run("bill", "reconcile", ledger(b"\xef\xbb\xbf" + AGREEING), "--bill", bill_file, "--html", str(page))

    assert result.exit_code == 0
    assert "12.34" in result.stdout
    assert result.stderr == ""
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_a_difference_is_an_exit_code_of_its_own(run: Run, bill_file: str, ledger: Callable[[bytes], str]) -> None:
    result = run("--json", "bill", "reconcile", ledger(b"amount,out_trade_no\n1235,A1\n"), "--bill", bill_file)

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["total"] == 2
    assert {(each["number"], each["here_amount"], each["there_amount"]) for each in report["differences"]} == {
        ("A1", 1235, 1234),
        ("R1", None, 200),
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "amount and no out_trade_no"),
        (HEAD + b"A1,12.34,,\n", "line 2"),
        (HEAD + b"A1\n", "line 2"),
        (HEAD + b"\xff,1,,\n", "UTF-8"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_named(data: bytes, words: str, run: Run, bill_file: str, ledger: Callable[[bytes], str]) -> None:
    result = run("bill", "reconcile", ledger(data), "--bill", bill_file)

    assert result.exit_code == 2
    assert words in result.stderr


def test_one_bill_is_wanted(run: Run, bill_file: str, ledger: Callable[[bytes], str]) -> None:
    assert run("bill", "reconcile", ledger(AGREEING)).exit_code == 2
    assert run("bill", "reconcile", ledger(AGREEING), "--bill", bill_file, "--day", "2026-01-01").exit_code == 2


def test_the_bill_of_a_day_is_downloaded(run: Run, ledger: Callable[[bytes], str], tmp_path: Path) -> None:
    two_days = timedelta(days=2).total_seconds()
    paid_at = time.time() - two_days  # it stands still: no midnight may come between the payment and its day
    sandbox = Sandbox(clock=lambda: paid_at)
    anyio.run(pay_for_a_book, sandbox)
    day = datetime.fromtimestamp(paid_at, timezone(timedelta(hours=8))).date().isoformat()
    sandbox.clock.advance(seconds=two_days)
    with sandbox.serve() as url:
        env_file = str(write_settings(sandbox.settings(base_url=url), tmp_path / "keys"))
        result = run("--env-file", env_file, "bill", "reconcile", ledger(HEAD + b"BILL0001,4200,SUCCESS,\n"), "--day", day)

    assert result.exit_code == 0
    assert "42.00" in result.stdout
