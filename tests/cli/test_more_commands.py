"""The commands that run something: demo, sandbox, bill, uploads and files."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import IO

import anyio
import pytest
from click.testing import Result

from tests.bills.samples import PAYMENT, REFUND, TRADE_HEADER, TRADE_SUMMARY, TRADE_SUMMARY_HEADER, bill
from tests.cli.conftest import ORDER
from wechatpay_async import Wechatpay
from wechatpay_async.bill_downloads import Bill, Bills
from wechatpay_async.bills import TradeRow
from wechatpay_async.cli import run as run_module
from wechatpay_async.cli.__main__ import main as command
from wechatpay_async.cli.run import write_settings
from wechatpay_async.sandbox import Sandbox

Run = Callable[..., Result]


def test_the_demo_pays_refunds_and_refuses(run: Run) -> None:
    result = run("demo")

    assert result.exit_code == 0
    assert "REFUSED" in result.stdout


def test_the_sandbox_writes_what_a_client_needs(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Result] = []
    env_file = tmp_path / "keys" / "env"
    monkeypatch.setattr(run_module, "wait_for_interrupt", lambda: found.append(run("--env-file", str(env_file), "doctor", "--online")))

    result = run("--json", "sandbox", "--folder", str(tmp_path / "keys"))

    assert json.loads(result.stdout)["env_file"] == str(env_file)
    assert found[0].exit_code == 0
    assert (tmp_path / "keys" / "apiclient_key.pem").stat().st_mode & 0o077 == 0


def test_ctrl_c_ends_the_sandbox(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "wait_for_interrupt", interrupted)

    result = run("--lang", "zh", "sandbox", "--folder", str(tmp_path / "keys"))

    assert result.exit_code == 0
    assert f"设置写在 {tmp_path / 'keys' / 'env'}；按 Ctrl-C 停止" in result.stdout


def test_the_wait_ends_with_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def wait(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("threading.Event", Interrupted)

    with pytest.raises(KeyboardInterrupt):
        run_module.wait_for_interrupt()


def test_an_upload(run: Run, shop: tuple[Sandbox, str], tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")

    result = run("--env-file", shop[1], "--json", "call", "v3/merchant/media/upload", "--file", str(picture))

    assert json.loads(result.stdout)["data"]["media_id"]


def test_an_answer_is_saved_as_it_came(run: Run, shop: tuple[Sandbox, str], tmp_path: Path) -> None:
    order = ORDER | {"out_trade_no": "SAVED001"}

    run("--env-file", shop[1], "call", "v3/pay/transactions/native", "-d", json.dumps(order), "-o", str(tmp_path / "answer"))

    assert json.loads((tmp_path / "answer").read_bytes())["code_url"].startswith("weixin://")


async def pay_for_a_book(sandbox: Sandbox) -> None:
    """One paid order, by a client that lives in the sandbox's time."""
    async with Wechatpay(**sandbox.settings()) as wxpay:
        await wxpay.v3.pay.transactions.native.post(
            {
                "appid": "wxd678efh567hg6787",
                "mchid": "1900000109",
                "description": "A book",
                "out_trade_no": "BILL0001",
                "notify_url": "https://shop.example.com/n",
                "amount": {"total": 4200},
            }
        )
    sandbox.pay("BILL0001")


def test_a_bill_is_downloaded_checked_and_converted(run: Run, tmp_path: Path) -> None:
    two_days = timedelta(days=2)
    paid_at = time.time() - two_days.total_seconds()  # it stands still: no midnight may come between the payment and its day
    sandbox = Sandbox(clock=lambda: paid_at)
    anyio.run(pay_for_a_book, sandbox)
    day = datetime.fromtimestamp(paid_at, timezone(timedelta(hours=8))).date().isoformat()
    day_before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
    sandbox.clock.advance(seconds=two_days.total_seconds())
    with sandbox.serve() as url:
        env_file = str(write_settings(sandbox.settings(base_url=url), tmp_path / "keys"))
        as_csv = run("--env-file", env_file, "bill", day)
        to_file = run("--env-file", env_file, "--json", "bill", day, "--format", "jsonl", "--to", str(tmp_path / "bill.jsonl"))
        for_people = run("--env-file", env_file, "--lang", "zh", "bill", day, "--to", str(tmp_path / "bill.csv"))
        lines = run("--env-file", env_file, "--json", "bill", day)
        nothing = run("--env-file", env_file, "bill", day_before, "--to", str(tmp_path / "empty.csv"))
        raw = run("--env-file", env_file, "bill", day, "--format", "raw", "--to", str(tmp_path / "bill.txt"))
        flow = run("--env-file", env_file, "bill", day, "--kind", "fund-flow")

    (row,) = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert row["商户订单号"] == "BILL0001"
    assert row["应结订单金额"] == "42.00"
    assert json.loads(to_file.stdout)["rows"] == 1
    assert json.loads((tmp_path / "bill.jsonl").read_text(encoding="utf-8"))["商户订单号"] == "BILL0001"
    assert raw.exit_code == 0
    assert "`BILL0001" in (tmp_path / "bill.txt").read_text(encoding="utf-8")
    assert flow.exit_code == 0
    assert for_people.stdout == f"1 行，已核对 -> {tmp_path / 'bill.csv'}\n"
    assert (tmp_path / "bill.csv").read_text(encoding="utf-8") == as_csv.stdout
    assert json.loads(lines.stdout)["商户订单号"] == "BILL0001"
    assert nothing.stderr == "no movements on that day: the bill is empty\n"
    assert (tmp_path / "empty.csv").read_bytes() == b""


def gives(fetch: Callable[[IO[bytes]], Awaitable[bool]]) -> Callable[..., Bill[TradeRow]]:
    """A method of `Bills` whose bill is what `fetch` writes."""

    def method(self: Bills, day: str, **options: object) -> Bill[TradeRow]:
        return Bill(fetch, TradeRow)

    return method


@pytest.mark.parametrize("form", ["csv", "jsonl", "raw"])
def test_a_bill_that_does_not_add_up_leaves_no_file(
    form: str, run: Run, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = bill(TRADE_HEADER, PAYMENT, REFUND, TRADE_SUMMARY_HEADER, TRADE_SUMMARY.replace("12.34", "12.35"))

    async def fetch(file: IO[bytes]) -> bool:
        file.write(text)
        return True

    monkeypatch.setattr(Bills, "trade", gives(fetch))

    result = run("bill", "2026-11-24", "--format", form, "--to", str(tmp_path / "bill"), env=environ)

    assert result.exit_code == 1
    assert "订单总金额" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_bill_has_its_header(run: Run, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(file: IO[bytes]) -> bool:
        file.write(bill("a,b"))
        return True

    monkeypatch.setattr(Bills, "trade", gives(fetch))

    assert run("bill", "2026-11-24", env=environ).stdout == "a,b\n"


def test_a_raw_bill_needs_a_file(run: Run, environ: dict[str, str]) -> None:
    assert run("bill", "2026-01-01", "--format", "raw", env=environ).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "first_line"),
    [
        (("-X", "PUT", "v3/merchant-service/complaint-notifications", "-d", '{"url":"https://a.example.com"}'), "PUT"),
        (("-X", "DELETE", "v3/merchant-service/complaint-notifications"), "DELETE"),
        (("PATCH", "v3/marketing/busifavor/stocks/{stock_id}", "-p", "stock_id=1", "-d", '{"out_request_no":"1"}'), "PATCH"),
        (("v3/merchant-service/complaint-notifications",), "GET"),
        (("v3/merchant-service/complaint-notifications", "-d", '{"url":"https://a.example.com"}'), "POST"),
        (("v3/not/in/the/catalogue/yet",), "GET"),
        (("v3/not/in/the/catalogue/yet", "-d", "{}"), "POST"),
    ],
)
def test_the_verb_follows_from_what_is_asked(arguments: tuple[str, ...], first_line: str, run: Run, environ: dict[str, str]) -> None:
    result = run("call", *arguments, "--dry-run", env=environ | {"WECHATPAY_VALIDATE": "off"})

    assert result.stdout.splitlines()[0].split(" ")[0] == first_line


def test_an_answer_that_is_a_file_wants_a_place(run: Run, shop: tuple[Sandbox, str]) -> None:
    result = run("--env-file", shop[1], "call", "v3/transferdownload/signfile", "-q", "token=T")

    assert result.exit_code == 1
    assert "--output" in result.stderr


def test_an_operation_with_parameters_and_one_with_a_file(run: Run) -> None:
    assert "transaction_id" in run("describe", "v3/pay/transactions/id/{transaction_id}").stdout
    assert "meta" in run("describe", "v3/merchant/media/upload").stdout
    assert "answers with a file" in run("describe", "v3/merchant-service/images/{media_id}").stdout


def test_for_people_too(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    assert "wxpay.v3.refund.domestic.refunds.post(" in run("migrate", "wxpay.refund").stdout
    message, answer = tmp_path / "message", tmp_path / "answer.json"
    message.write_bytes(b"POST\n/v3/x\n1\nA\n{}")
    answer.write_text(
        json.dumps({"code": "SIGN_ERROR", "detail": [{"truncated_sign_message": "POST\n/v3/x\n1\nA\n{}\n"}]}), encoding="utf-8"
    )

    result = run("explain", str(answer), "--message", str(message))

    assert "the message lacks the newline at its very end" in result.stdout
    assert "✗" in result.stdout
    assert json.loads(run("--json", "explain", stdin=b"SYSTEM_ERROR").stdout)[0]["code"] == "SYSTEM_ERROR"


def test_no_network_is_named_by_the_doctor(run: Run, environ: dict[str, str]) -> None:
    result = run("doctor", "--online", env=environ | {"WECHATPAY_BASE_URL": "http://127.0.0.1:9"})

    assert "network: http://127.0.0.1:9: ConnectError" in result.stdout


def test_wrong_keys_are_named_by_the_doctor(run: Run, shop: tuple[Sandbox, str], environ: dict[str, str]) -> None:
    url = next(line for line in Path(shop[1]).read_text(encoding="utf-8").splitlines() if "BASE_URL" in line).partition("=")[2]

    result = run("doctor", "--online", env=environ | {"WECHATPAY_BASE_URL": url})

    assert "✗ signature: 401 SIGN_ERROR" in result.stdout


def test_the_command_says_which_extra_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wechatpay_async.cli.app", None)
    monkeypatch.setattr("builtins.__import__", refuse("click"))

    with pytest.raises(SystemExit, match=r"pip install 'wechatpay-async\[cli\]'"):
        command()


def refuse(name: str) -> Callable[..., object]:
    def refused(*arguments: object, **options: object) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return refused
