"""How a command ends: with which code, on which stream, and with what for a machine."""

from __future__ import annotations

import builtins
import io
import json
import re
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import Result

from tests.cli.conftest import NOW, ORDER, Keys
from tests.cli.test_doctor_certificates import certificate
from wechatpay_async import catalog
from wechatpay_async.cli import app, call, describe, doctor
from wechatpay_async.cli import demo as demo_module
from wechatpay_async.cli.__main__ import main as command
from wechatpay_async.cli.fields import fields_of
from wechatpay_async.cli.output import Output
from wechatpay_async.cli.run import write_settings
from wechatpay_async.cli.samples import call_source, sample
from wechatpay_async.sandbox import Sandbox

Run = Callable[..., Result]


def raising(error: BaseException) -> Callable[..., object]:
    def raises(*arguments: object, **options: object) -> object:
        raise error

    return raises


class TestWhatWentWrong:
    def test_a_forged_answer(self, run: Run, shop: tuple[Sandbox, str]) -> None:
        sandbox, env_file = shop
        with sandbox.faults.on("wrong_signature"):
            result = run("--env-file", env_file, "--json", "call", "v3/pay/transactions/native", "-d", json.dumps(ORDER))

        told = json.loads(result.stdout)
        assert result.exit_code == 1
        assert told["class"] == "BadSignature"
        assert told["serial"] == sandbox.platform.public_key.serial
        assert "code_url" not in result.output

    def test_a_lost_answer(self, run: Run, shop: tuple[Sandbox, str]) -> None:
        sandbox, env_file = shop
        with sandbox.faults.on("half"):
            result = run("--env-file", env_file, "--json", "call", "v3/pay/transactions/native", "-d", json.dumps(ORDER))

        told = json.loads(result.stdout)
        assert result.exit_code == 3
        assert told["class"] == "OutcomeUnknown"
        assert told["query"] == "GET /v3/pay/transactions/out-trade-no/{out_trade_no}"

    def test_a_disk_that_is_full(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(describe, "search_all", raising(OSError(28, "No space left on device")))

        result = run("search", "refund")

        assert result.exit_code == 2
        assert result.stderr == "[Errno 28] No space left on device\n"

    def test_a_reader_that_has_gone(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(describe, "search_all", raising(BrokenPipeError(32, "Broken pipe")))

        result = run("search", "refund")

        assert result.exit_code == 1
        assert result.stderr == ""

    @pytest.mark.parametrize(("language", "word"), [("en", "interrupted"), ("zh", "已中断")])
    def test_ctrl_c(self, language: str, word: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(describe, "search_all", raising(KeyboardInterrupt()))

        result = run("--lang", language, "search", "refund")

        assert result.exit_code == 130
        assert result.stderr == f"{word}\n"

    @pytest.mark.parametrize(
        ("verb", "exit_code", "words"), [("GET", 130, "interrupted\n"), ("POST", 3, "interrupted: the outcome is unknown, query it\n")]
    )
    def test_ctrl_c_in_a_call(
        self, verb: str, exit_code: int, words: str, run: Run, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(call, "_call", raising(KeyboardInterrupt()))

        result = run("call", "-X", verb, "v3/merchant-service/complaint-notifications", env=environ)

        assert result.exit_code == exit_code
        assert result.stderr == words

    @pytest.mark.parametrize("arguments", [("demo",), ("sandbox",)])
    @pytest.mark.parametrize(("language", "words"), [("en", "the sandbox is not installed"), ("zh", "没有安装沙箱")])
    def test_the_sandbox_is_not_installed(
        self, arguments: tuple[str, ...], language: str, words: str, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "wechatpay_async.cli.demo", raising=False)
        real = builtins.__import__

        def without_the_sandbox(name: str, *arguments: Any, **options: Any) -> Any:
            if "sandbox" in name:
                raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
            return real(name, *arguments, **options)

        monkeypatch.setattr(builtins, "__import__", without_the_sandbox)

        result = run("--lang", language, *arguments)

        assert result.exit_code == 2
        assert words in result.stderr
        assert "pip install 'wechatpay-async[sandbox]'" in result.stderr


class TestStart:
    def test_the_command_starts(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(sys, "argv", ["wechatpay", "--version"])

        with pytest.raises(SystemExit) as ended:
            command()

        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith("wechatpay, version ")

    def test_another_module_that_is_missing_is_a_fault_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "wechatpay_async.cli.app", None)

        with pytest.raises(ModuleNotFoundError):
            command()

    @pytest.mark.parametrize(
        ("typed", "begun", "completed"),
        [([], "de", ["decrypt", "demo", "describe"]), (["bill"], "re", ["reconcile"]), (["bill", "download"], "--sub", ["--sub-mchid"])],
    )
    def test_the_shell_completes(self, typed: list[str], begun: str, completed: list[str]) -> None:
        shell = BashComplete(app.wechatpay, {}, "wechatpay", "_WECHATPAY_COMPLETE")

        assert [each.value for each in shell.get_completions(typed, begun)] == completed

    def test_an_unknown_command_has_no_module(self) -> None:
        assert app.wechatpay.get_command(click.Context(app.wechatpay), "pay") is None


class TestDemo:
    def test_in_chinese(self, run: Run) -> None:
        text = run("--lang", "zh", "demo").stdout

        assert "拒绝（REFUSED），不给出任何数据" in text
        assert text.splitlines()[-1] == "经真实端口发出 9 次调用，全部签名：8 个应答验签通过，1 个被拒绝"
        assert "signature verified" not in text

    def test_a_tampered_answer_that_is_believed_is_a_failure(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        class Harmless(Sandbox):
            """A sandbox whose faults do nothing."""

            def __init__(self) -> None:
                super().__init__()
                monkeypatch.setattr(self.faults, "on", nullcontext)

        monkeypatch.setattr(demo_module, "Sandbox", Harmless)

        result = run("demo")

        assert result.exit_code == 1


class TestOnATerminal:
    """What a person at a terminal gets beside what a pipe gets."""

    def shown(self, show: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> str:
        class Terminal(io.StringIO):
            encoding = "utf-8"

            def isatty(self) -> bool:
                return True

        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        with redirect_stdout(Terminal()) as terminal:
            show()
        return terminal.getvalue()

    def test_a_document_is_coloured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = self.shown(lambda: Output().document({"a": "一"}), monkeypatch)

        assert "\x1b[" in text
        assert "一" in text

    def test_for_machines_it_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.shown(lambda: Output(as_json=True).document({"a": "一"}), monkeypatch) == '{"a": "一"}\n'

    def test_markup_in_a_text_is_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "[bold]x[/bold]" in self.shown(lambda: Output().line("[bold]x[/bold]"), monkeypatch)


class TestCalls:
    def test_an_answer_without_a_body(self, run: Run, shop: tuple[Sandbox, str]) -> None:
        _, env_file = shop
        run("--env-file", env_file, "call", "v3/pay/transactions/native", "-d", json.dumps(ORDER | {"out_trade_no": "EXITS002"}))

        closed = run("--env-file", env_file, "call", "v3/pay/transactions/out-trade-no/EXITS002/close", "-d", '{"mchid":"1900000109"}')

        (line,) = closed.stdout.splitlines()
        assert line.startswith("204  Request-ID ")

    def test_a_dry_run_of_apiv2_signs_no_lines(self, run: Run, environ: dict[str, str]) -> None:
        order = {"appid": "wx1", "body": "A pen", "out_trade_no": "B1", "total_fee": 1, "spbill_create_ip": "127.0.0.1"}
        settings = environ | {"WECHATPAY_SECRET": "0" * 32, "WECHATPAY_VALIDATE": "off"}

        result = run("call", "v2/pay/unifiedorder", "-d", json.dumps(order), "--dry-run", env=settings)

        assert "<out_trade_no>B1</out_trade_no>" in result.stdout
        assert "signed, each line" not in result.stdout


class TestDoctor:
    def test_an_order_of_that_number_is_there(self, run: Run, shop: tuple[Sandbox, str]) -> None:
        _, env_file = shop
        run("--env-file", env_file, "call", "v3/pay/transactions/native", "-d", json.dumps(ORDER | {"out_trade_no": "DOCTOR0000000000"}))

        checks = json.loads(run("--env-file", env_file, "--json", "doctor", "--online").stdout)

        assert checks[-1] == {"part": "signature", "good": True, "text": "WeChat Pay verified a request", "cure": ""}

    def test_a_certificate_without_its_key(self, keys: Keys, environ: dict[str, str]) -> None:
        settings = environ | {"WECHATPAY_MERCHANT_CERT": certificate(keys.merchant, days=400), "WECHATPAY_PRIVATE_KEY": ""}

        parts = [check.part for check in doctor.check_offline(settings, now=NOW)]

        assert "WECHATPAY_MERCHANT_CERT" in parts
        assert "key pair" not in parts


class TestBills:
    def test_bill_alone_lists_its_commands(self, run: Run) -> None:
        for arguments in (("bill",), ("bill", "-h"), ("bill", "--help")):
            assert "reconcile" in run(*arguments).output

    @pytest.mark.parametrize(
        ("kind", "options", "operation"),
        [
            ("sub-merchant-fund-flow", ("--sub-mchid", "1900000110"), "GET /v3/bill/sub-merchant-fundflowbill"),
            ("ecommerce-fund-flow", (), "GET /v3/ecommerce/bill/fundflowbill"),
            ("fund-flow", ("--account-type", "OPERATION"), "GET /v3/bill/fundflowbill"),
            ("profit-sharing", (), "GET /v3/profitsharing/bills"),
            ("payscore", ("--service-id", "500001"), "GET /v3/payscore/merchant-bill"),
            ("withdraw-exceptions", (), "GET /v3/merchant/fund/withdraw/bill-type/{bill_type}"),
            ("funds-to-oversea", (), "GET /v3/funds-to-oversea/bill-download-url"),
            ("statement", (), "GET /v3/global/statements"),
            ("v2-trade", ("--appid", "wxd678efh567hg6787"), "POST /pay/downloadbill"),
        ],
    )
    def test_each_kind_asks_its_operation(
        self, kind: str, options: tuple[str, ...], operation: str, run: Run, shop: tuple[Sandbox, str]
    ) -> None:
        sandbox, env_file = shop

        run("--env-file", env_file, "bill", "2026-01-01", "--kind", kind, *options)

        assert operation in [call.operation for call in sandbox.calls]

    def test_a_kind_that_wants_the_client_certificate_says_so(self, run: Run, shop: tuple[Sandbox, str]) -> None:
        result = run("--env-file", shop[1], "bill", "2026-01-01", "--kind", "v2-fund-flow", "--appid", "wxd678efh567hg6787")

        assert result.exit_code == 2
        assert "merchant_cert" in result.stderr


def test_fields_below_a_choice_are_fields() -> None:
    schema: dict[str, Any] = {"anyOf": [{"required": ["a"], "properties": {"a": {}}}, {"properties": {"b": {}}}]}

    assert [(name, required) for name, _, required in fields_of(schema)] == [("a", True), ("b", False)]


def test_a_choice_is_shown_by_its_first() -> None:
    schema: dict[str, Any] = {"properties": {}, "anyOf": [{"type": "string", "example": "A"}, {"type": "integer"}]}

    assert sample(schema) == "A"


def test_the_doctor_needs_no_date_from_the_server() -> None:
    assert doctor._check_clock(None, 0) == []  # pyright: ignore[reportPrivateUsage] - every server here sends a date


def test_a_text_without_an_example_is_as_long_as_it_must_be() -> None:
    assert sample({"type": "string", "minLength": 9}) == "example00"
    assert sample({"type": "string", "maxLength": 3}) == "exa"


class TestWithoutANetwork:
    """Settings that are right, and a disk or a port that is not."""

    def test_a_port_that_is_taken(self, run: Run, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            result = run("sandbox", "--port", str(taken.getsockname()[1]), "--folder", str(tmp_path / "keys"))

        assert result.exit_code == 2
        assert "cannot be had" in result.stderr
        assert not (tmp_path / "keys").exists()


def test_a_sample_upload_names_what_it_wants_beside_the_file() -> None:
    def fields(path: str) -> list[str]:
        operation = catalog.operation("v3", "POST", path)
        assert operation is not None
        return re.findall(r'^        "(\w+)"', call_source("upload", operation), re.MULTILINE)

    assert fields("/v3/new-tax-control-fapiao/fapiao-applications/upload-fapiao-file") == ["file_type"]
    assert fields("/v3/mch-manage/submission-files/sub-mchid/{sub_mchid}/upload") == ["item_id", "manage_record_id"]


def test_the_settings_are_files_for_their_owner_alone(tmp_path: Path) -> None:
    env = write_settings(Sandbox().settings(), tmp_path / "keys")

    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["apiclient_key.pem", "env", "platform.pem"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in env.parent.iterdir())
