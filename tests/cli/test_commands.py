"""The commands, each as a person at a shell sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import APIV3_KEY, KEY_ID, ORDER, Keys, pem, sealed
from wechatpay_async.cli.error_codes import ERROR_CODES
from wechatpay_async.cli.run import write_settings
from wechatpay_async.sandbox import Sandbox

Run = Callable[..., Result]


def test_help_lists_every_command(run: Run) -> None:
    text = run("--help").stdout

    for name in (
        "bill",
        "call",
        "certificates",
        "decrypt",
        "demo",
        "describe",
        "doctor",
        "explain",
        "migrate",
        "sandbox",
        "search",
        "sign",
        "verify",
    ):
        assert f"\n  {name} " in text


@pytest.mark.parametrize(
    "name",
    ["bill", "call", "certificates", "decrypt", "demo", "describe", "doctor", "explain", "migrate", "sandbox", "search", "sign", "verify"],
)
def test_every_command_has_help(name: str, run: Run) -> None:
    result = run(name, "--help")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 5


def test_an_unknown_command_is_refused(run: Run) -> None:
    assert run("pay").exit_code == 2


class TestCall:
    def test_a_dry_run_shows_the_request_and_the_five_lines(self, run: Run, environ: dict[str, str]) -> None:
        result = run("call", "v3/pay/transactions/native", "--data", json.dumps(ORDER), "--dry-run", env=environ)

        lines = result.stdout.splitlines()
        assert lines[0] == "POST https://api.mch.weixin.qq.com/v3/pay/transactions/native"
        assert lines[-5] == "1 method          POST"
        assert lines[-4] == "2 request target  /v3/pay/transactions/native"
        assert lines[-1] == "5 body            " + json.dumps(ORDER, ensure_ascii=False, separators=(",", ":"))

    def test_a_dry_run_for_machines(self, run: Run, environ: dict[str, str]) -> None:
        target = "v3.pay.transactions.out_trade_no._out_trade_no_.get"
        result = run("--json", "call", target, "-p", "out_trade_no=A B", "-q", "mchid=1900000109", "--dry-run", env=environ)

        request = json.loads(result.stdout)
        assert request["url"] == "https://api.mch.weixin.qq.com/v3/pay/transactions/out-trade-no/A%20B?mchid=1900000109"
        assert request["signed_message"].startswith("GET\n/v3/pay/transactions/out-trade-no/A%20B?mchid=1900000109\n")
        assert request["headers"]["Wechatpay-Serial"] == KEY_ID

    def test_an_order_and_its_query(self, run: Run, shop: tuple[Sandbox, str], tmp_path: Path) -> None:
        order = tmp_path / "order.json"
        order.write_text(json.dumps(ORDER), encoding="utf-8")

        made = run("--env-file", shop[1], "call", "v3.pay.transactions.native", "--data", f"@{order}")
        found = run("--env-file", shop[1], "--json", "call", "v3/pay/transactions/out-trade-no/SHELL001", "-q", "mchid=1900000109")

        assert "weixin://wxpay/bizpayurl" in made.stdout
        assert json.loads(found.stdout)["data"]["trade_state"] == "NOTPAY"

    def test_a_refusal_is_exit_code_1(self, run: Run, shop: tuple[Sandbox, str]) -> None:
        result = run("--env-file", shop[1], "--json", "call", "v3/pay/transactions/out-trade-no/NEVER001", "-q", "mchid=1900000109")

        assert result.exit_code == 1
        assert json.loads(result.stdout)["code"] == "ORDER_NOT_EXIST"

    @pytest.mark.parametrize(
        "arguments",
        [
            ("v3/pay/transactions/native", "--data", "{"),
            ("nonsense",),
            ("v3/pay/transactions/native", "--data", "@/no/such/file"),
            ("v3/pay/transactions/native", "-q", "no-equals-sign"),
        ],
    )
    def test_a_wrong_command_line_is_exit_code_2(self, arguments: tuple[str, ...], run: Run, environ: dict[str, str]) -> None:
        assert run("call", *arguments, env=environ).exit_code == 2

    def test_missing_settings_are_exit_code_2(self, run: Run) -> None:
        result = run("call", "v3/certificates", env={"WECHATPAY_MCHID": ""})

        assert result.exit_code == 2
        assert "WECHATPAY_MCHID" in result.stderr

    def test_no_network_is_exit_code_3(self, run: Run, environ: dict[str, str]) -> None:
        closed = environ | {"WECHATPAY_BASE_URL": "http://127.0.0.1:9"}

        assert run("call", "v3/certificates", env=closed).exit_code == 3


class TestDescribeAndSearch:
    def test_an_operation(self, run: Run) -> None:
        text = run("describe", "wxpay.v3.pay.transactions.native").stdout

        assert text.startswith("Native下单\nPOST /v3/pay/transactions/native\n")
        assert "amount.total" in text

    def test_a_notification(self, run: Run) -> None:
        assert "out_trade_no" in run("describe", "TRANSACTION.SUCCESS").stdout
        assert json.loads(run("--json", "describe", "TRANSACTION.SUCCESS").stdout)["api"] == "v3"

    def test_for_machines(self, run: Run) -> None:
        (fact,) = json.loads(run("--json", "describe", "v3/bill/tradebill").stdout)

        assert fact["chain"] == "wxpay.v3.bill.tradebill"
        assert fact["method"] == "GET"

    def test_what_is_not_there_suggests_what_is(self, run: Run) -> None:
        result = run("--json", "describe", "v3/pay/transactions/nativ")

        assert result.exit_code == 1
        assert "not in the catalogue" in json.loads(result.stdout)["error"]

    @pytest.mark.parametrize("words", ["退款", "refund", "申请 退款"])
    def test_both_languages_find_the_refund_first(self, words: str, run: Run) -> None:
        hits = json.loads(run("--json", "search", *words.split()).stdout)

        assert hits[0]["name"] == "wxpay.v3.refund.domestic.refunds.post"

    def test_error_codes_and_notifications_are_found(self, run: Run) -> None:
        assert json.loads(run("--json", "search", "SIGN_ERROR").stdout)[0]["kind"] == "error code"
        assert "PAYSCORE.USER_CONFIRM" in run("search", "payscore.user_confirm").stdout

    def test_nothing_found_is_exit_code_1(self, run: Run) -> None:
        assert run("search", "zzzzzz").exit_code == 1


class TestMigrate:
    @pytest.mark.parametrize(
        ("written", "chain"),
        [
            ("wxpay.refund", "wxpay.v3.refund.domestic.refunds.post("),
            ("await wxpay.mch_transfer_bills(transfer_amount=1)", "wxpay.v3.fund_app.mch_transfer.transfer_bills.post("),
            ("wxpay.v3.pay.transactions.outTradeNo.$out_trade_no$.get({})", "wxpay.v3.pay.transactions.out_trade_no._out_trade_no_.get("),
        ],
    )
    def test_the_call_here(self, written: str, chain: str, run: Run) -> None:
        calls = json.loads(run("--json", "migrate", written).stdout)

        assert f"response = await {chain}" in calls[0]["python"]

    def test_what_is_neither(self, run: Run) -> None:
        assert run("migrate", "wxpay.sing_a_song").exit_code == 1


class TestSecrets:
    def test_what_is_signed_verifies(self, run: Run, keys: Keys, environ: dict[str, str], tmp_path: Path) -> None:
        signature = run("sign", "line\n", env=environ).stdout.strip()
        (tmp_path / "own.pem").write_text(environ["WECHATPAY_PUBLIC_KEY"], encoding="utf-8")
        of_platform = Keys.sign(keys.platform, b"line\n")

        assert signature == Keys.sign(keys.merchant, b"line\n")
        assert run("verify", "line\n", of_platform, env=environ).exit_code == 0
        assert run("verify", "line", of_platform, env=environ).exit_code == 1
        assert run("--json", "verify", "line\n", of_platform, "--key", str(tmp_path / "own.pem")).exit_code == 0

    def test_standard_input_is_signed_as_it_is(self, run: Run, keys: Keys, environ: dict[str, str]) -> None:
        result = run("--json", "sign", "-", env=environ, stdin=b"a\nb\n")

        assert json.loads(result.stdout) == {"signature": Keys.sign(keys.merchant, b"a\nb\n"), "bytes": 4, "ends_in_newline": True}

    def test_a_resource_opens(self, run: Run, environ: dict[str, str]) -> None:
        resource = sealed({"out_trade_no": "B1"})

        assert json.loads(run("decrypt", json.dumps({"id": "1", "resource": resource}), env=environ).stdout) == {"out_trade_no": "B1"}
        assert json.loads(run("decrypt", json.dumps(resource), env=environ).stdout) == {"out_trade_no": "B1"}

    def test_a_resource_of_another_key_does_not(self, run: Run, environ: dict[str, str]) -> None:
        result = run("decrypt", json.dumps(sealed({}, APIV3_KEY[::-1])), env=environ)

        assert result.exit_code == 1
        assert APIV3_KEY not in result.output

    def test_a_field_opens_with_the_merchants_key(self, run: Run, keys: Keys, environ: dict[str, str]) -> None:
        from wechatpay_async.crypto import rsa

        field = rsa.oaep_encrypt(keys.merchant.public_key(), "张三".encode())

        assert run("decrypt", field, env=environ).stdout == "张三\n"


class TestDoctor:
    def test_a_right_configuration(self, run: Run, environ: dict[str, str]) -> None:
        result = run("doctor", env=environ)

        assert result.exit_code == 0
        assert "✗" not in result.stdout

    def test_online_against_the_sandbox(self, run: Run, shop: tuple[Sandbox, str]) -> None:
        checks = json.loads(run("--env-file", shop[1], "--json", "doctor", "--online").stdout)

        assert [check["part"] for check in checks if check["good"]][-2:] == ["clock", "signature"] or checks[-1]["part"] == "signature"
        assert all(check["good"] for check in checks)

    @pytest.mark.parametrize(
        ("changes", "part", "cure"),
        [
            ({"WECHATPAY_MCHID": ""}, "WECHATPAY_MCHID", "8 to 10 digits"),
            ({"WECHATPAY_MCHID": "wx0123456789"}, "WECHATPAY_MCHID", "an appid begins with wx"),
            ({"WECHATPAY_PRIVATE_KEY": ""}, "WECHATPAY_PRIVATE_KEY", "set it"),
            ({"WECHATPAY_SERIAL": ""}, "WECHATPAY_SERIAL", "openssl x509"),
            ({"WECHATPAY_SERIAL": "zz"}, "WECHATPAY_SERIAL", ""),
            ({"WECHATPAY_APIV3_KEY": "short"}, "WECHATPAY_APIV3_KEY", "exactly 32"),
            ({"WECHATPAY_APIV3_KEY": f" {APIV3_KEY}"}, "WECHATPAY_APIV3_KEY", "exactly 32"),
            ({"WECHATPAY_APIV3_KEY": ""}, "WECHATPAY_APIV3_KEY", "API security"),
            ({"WECHATPAY_PUBLIC_KEY": "", "WECHATPAY_PUBLIC_KEY_ID": ""}, "platform keys", "WECHATPAY_PUBLIC_KEY_ID"),
        ],
    )
    def test_each_wrong_part_is_named_with_its_cure(
        self, changes: dict[str, str], part: str, cure: str, run: Run, environ: dict[str, str]
    ) -> None:
        result = run("--json", "doctor", env=environ | changes)

        wrong: dict[str, Any] = next(check for check in json.loads(result.stdout) if not check["good"])
        assert result.exit_code == 1
        assert wrong["part"] == part
        assert cure in wrong["cure"]

    def test_the_merchants_own_key_as_platform_key(self, run: Run, keys: Keys, environ: dict[str, str]) -> None:
        from tests.cli.conftest import public_pem

        result = run("doctor", env=environ | {"WECHATPAY_PUBLIC_KEY": public_pem(keys.merchant)})

        assert "is the merchant's own key" in result.stdout

    def test_no_secret_is_shown(self, run: Run, keys: Keys, environ: dict[str, str]) -> None:
        shown = run("doctor", env=environ).output + run("--json", "doctor", env=environ).output

        assert APIV3_KEY not in shown
        assert pem(keys.merchant).splitlines()[1] not in shown


class TestCertificates:
    def test_a_download_is_listed_and_written(self, run: Run, tmp_path: Path) -> None:
        sandbox = Sandbox(mode="certificate")
        (serial,) = sandbox.settings()["certs"]
        with sandbox.serve() as url:
            env_file = write_settings(sandbox.settings(base_url=url), tmp_path / "sandbox")
            result = run("--env-file", str(env_file), "--json", "certificates", "--to", str(tmp_path / "out"))

        assert [each["serial"] for each in json.loads(result.stdout)] == [serial]
        assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{serial}.pem"]

    def test_a_merchant_with_the_public_key_alone(self, run: Run, environ: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "answer.json").write_text('{"data": []}', encoding="utf-8")

        assert run("certificates", "--from", str(tmp_path / "answer.json"), env=environ).exit_code == 1


def test_an_error_code_is_explained_by_itself(run: Run) -> None:
    result = run("explain", stdin=b'{"code":"OUT_TRADE_NO_USED","message":"x"}')

    assert result.exit_code == 0
    assert ERROR_CODES["OUT_TRADE_NO_USED"].cure in result.stdout


def test_what_cannot_be_read_is_said(run: Run) -> None:
    assert run("explain", stdin=b"hello").exit_code == 2


def test_the_language_follows_the_terminal(run: Run) -> None:
    english = run("explain", stdin=b"SYSTEM_ERROR", env={"LANG": "en_US.UTF-8"}).stdout
    chinese = run("explain", stdin=b"SYSTEM_ERROR", env={"LANG": "zh_CN.UTF-8"}).stdout

    assert "WeChat Pay failed" in english
    assert "微信支付系统错误" in chinese


def test_an_env_file_may_have_exports_quotes_and_comments(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    lines = ["# the shop", "", *(f'export {name}="{value}"'.replace("\n", "\\n") for name, value in environ.items())]
    path = tmp_path / "env"
    path.write_text("\n".join(lines), encoding="utf-8")

    assert run("--env-file", str(path), "doctor").exit_code == 0


def test_an_env_file_that_is_none_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("just words", encoding="utf-8")

    result = run("--env-file", str(tmp_path / "env"), "doctor")

    assert result.exit_code == 2
    assert "line 1" in result.stderr
