"""What is wrong on a command line, in a file or in a setting: named in a line, with an exit code, never with a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.cli.conftest import APIV3_KEY, KEY_ID, NOW, ORDER, SERIAL, Keys, pem, public_pem, sealed
from tests.cli.test_doctor_certificates import certificate
from wechatpay_async.cli.explain import read_material
from wechatpay_async.cli.forensics import NotificationMaterial, RequestMaterial, explain_notification, explain_request
from wechatpay_async.cli.keys import load_settings
from wechatpay_async.cli.output import is_utf8
from wechatpay_async.cli.run import write_settings
from wechatpay_async.crypto import rsa
from wechatpay_async.merchant import Merchant
from wechatpay_async.sandbox import Sandbox

Run = Callable[..., Result]

NOT_UTF8 = "微信".encode("gbk")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with files that are wrong in their own ways."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "gbk": NOT_UTF8,
        "words": b"just words\n",
        "empty": b"",
        "list.json": b"[]",
        "deep.json": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "no-entry.json": b'{"data": [{}]}',
        "no-object.json": b'{"data": [1]}',
        "no-list.json": b'{"data": {}}',
        "ledger.csv": b"out_trade_no,amount\nA1,1\n",
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("call", "v3/pay/transactions/native", "-d", "@gbk"), 2, "@gbk is not UTF-8"),
        (("call", "v3/pay/transactions/native", "-d", "@words"), 2, "--data is no JSON"),
        (("call", "v3/pay/transactions/native", "-d", "@deep.json"), 2, "--data is no JSON"),
        (("certificates", "--from", "deep.json"), 1, "deep.json is no JSON"),
        (("decrypt", "@deep.json"), 2, "no JSON"),
        (("call", "v3/pay/transactions/native", "-d", "@no-such-file"), 2, "no file no-such-file"),
        (("call", "v3/pay/transactions/native", "-d", "{}", "-o", "no-folder/answer"), 2, "no folder no-folder"),
        (("call", "-X", "GET", "v3/pay/transactions/native", "-d", "{}"), 2, "GET takes no body"),
        (("call", "-X", "GET", "v3/merchant/media/upload", "-f", "words"), 2, "GET takes no body"),
        (("call", "v3/pay/transactions/native", "-f", "words"), 2, "takes no file"),
        (("call", "v3"), 2, "no path"),
        (("call", "v3/"), 2, "no path"),
        (("call", "v3/pay/transactions/native", "-f", "empty"), 2, "takes no file"),
        (("call", "v3/merchant/media/upload", "-f", "empty"), 2, "is empty"),
        (("bill", "yesterday"), 2, "'yesterday' is no day"),
        (("bill", "2026-01-01", "--kind", "payscore"), 2, "--kind payscore needs --service-id"),
        (("bill", "2026-01-01", "--kind", "v2-trade"), 2, "--kind v2-trade needs --appid"),
        (("bill", "2026-01-01", "--kind", "trade", "--appid", "wx1"), 2, "--kind trade has no --appid"),
        (("bill", "reconcile", "ledger.csv", "--bill", "gbk"), 1, "the bill is not UTF-8"),
        (("bill", "reconcile", "ledger.csv", "--bill", "ledger.csv"), 2, "a trade bill is wanted"),
        (("bill", "reconcile", "ledger.csv", "--bill", "words", "--html", "no-folder/page.html"), 2, "no folder no-folder"),
        (("certificates", "--from", "words"), 1, "words is no JSON"),
        (("certificates", "--from", "list.json"), 1, "this is no list of certificates"),
        (("certificates", "--from", "no-entry.json"), 1, "this is no list of certificates"),
        (("certificates", "--from", "no-object.json"), 1, "this is no list of certificates"),
        (("certificates", "--from", "no-list.json"), 1, "this is no list of certificates"),
        (("decrypt", ""), 2, "nothing to decrypt"),
        (("decrypt", "@gbk"), 2, "@gbk is not UTF-8"),
        (("decrypt", "{"), 2, "no JSON"),
        (("decrypt", '{"resource": 1}'), 1, "resource is no object"),
        (("decrypt", "{}"), 1, "resource.algorithm"),
        (("decrypt", "bm8="), 1, "does not open with this private key"),
        (("sign", "@no-such-file"), 2, "no file no-such-file"),
        (("verify", "x", "y"), 1, "the signature does not fit"),
        (("verify", "x", "y", "--serial", "PUB_KEY_ID_1"), 2, f"held: {KEY_ID}"),
        (("verify", "x", "y", "--key", "words"), 2, "no public key or certificate"),
        (("search", "refund", "--limit", "0"), 2, "'--limit'"),
        (("search", "zzzzzz"), 1, "nothing found"),
        (("describe", "v3/refund/domestic"), 1, "perhaps: wxpay.v3.refund.domestic.refunds.post"),
        (("explain", "words"), 2, "nothing that I can read"),
        (("explain", "gbk"), 2, "nothing that I can read"),
        (("explain", "empty", "--at", "-1"), 2, "'--at'"),
        (("sandbox", "--port", "99999"), 2, "'--port'"),
        (("sandbox", "--mchid", "wx1"), 2, "a merchant number is digits alone"),
        (("--env-file", "gbk", "doctor"), 2, "--env-file: is not UTF-8"),
        (("--env-file", "words", "doctor"), 2, "line 1"),
    ],
)
def test_what_is_wrong_is_named(
    arguments: tuple[str, ...], exit_code: int, words: str, files: Path, run: Run, environ: dict[str, str]
) -> None:
    result = run(*arguments, env=environ | {"WECHATPAY_VALIDATE": "off"})

    assert result.exit_code == exit_code
    assert words in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("bill", "yesterday"), 2, "'yesterday' is no day"),
        (("decrypt", '{"resource": 1}'), 1, "resource is no object"),
        (("search", "zzzzzz"), 1, "nothing found"),
        (("explain", "words"), 2, "nothing that I can read"),
        (("verify", "x", "y"), 1, "the signature does not fit"),
    ],
)
def test_machines_are_told_in_json(
    arguments: tuple[str, ...], exit_code: int, words: str, files: Path, run: Run, environ: dict[str, str]
) -> None:
    result = run("--json", *arguments, env=environ)

    assert result.exit_code == exit_code
    assert words in json.loads(result.stdout.splitlines()[-1])["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("call", "v3"), "不是路径"),
        (("describe", "v3/refund/domestic"), "是不是：wxpay.v3.refund.domestic.refunds.post"),
        (("search", "zzzzzz"), "没有找到"),
        (("decrypt", "{"), "不是 JSON"),
    ],
)
def test_in_chinese_too(arguments: tuple[str, ...], words: str, run: Run, environ: dict[str, str]) -> None:
    assert words in run("--lang", "zh", *arguments, env=environ).stderr


def test_a_byte_order_mark_is_no_part_of_a_file(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    bom = b"\xef\xbb\xbf"
    settings = "".join(f"{name}={value!r}\n" for name, value in environ.items())
    (tmp_path / "env").write_bytes(bom + settings.encode())
    (tmp_path / "order.json").write_bytes(bom + json.dumps(ORDER).encode())

    result = run(
        "--env-file", str(tmp_path / "env"), "call", "v3/pay/transactions/native", "-d", f"@{tmp_path / 'order.json'}", "--dry-run"
    )

    assert result.exit_code == 0
    assert '"out_trade_no":"SHELL001"' in result.stdout


def test_a_query_in_the_target_is_a_query(run: Run, environ: dict[str, str]) -> None:
    target = "https://api.mch.weixin.qq.com/v3/bill/tradebill?bill_date=2026-01-01&bill_type=ALL"
    result = run("call", target, "-q", "bill_type=REFUND", "--dry-run", env=environ)

    assert result.stdout.splitlines()[0] == "GET https://api.mch.weixin.qq.com/v3/bill/tradebill?bill_date=2026-01-01&bill_type=REFUND"


def test_a_warning_is_one_line(run: Run, environ: dict[str, str]) -> None:
    result = run("call", "v3/pay/transactions/native", "-d", json.dumps(ORDER | {"amount": {}}), "--dry-run", env=environ)

    (line,) = result.stderr.splitlines()
    assert line.startswith("warning: POST /v3/pay/transactions/native: $.amount.total: is required")


class TestByteForByte:
    def test_line_ends_are_signed_as_they_are(self, run: Run, keys: Keys, environ: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "message").write_bytes(b"GET\r\n/v3/x\r\n")

        signature = run("sign", f"@{tmp_path / 'message'}", env=environ).stdout.strip()

        assert signature == Keys.sign(keys.merchant, b"GET\r\n/v3/x\r\n")

    def test_what_is_no_text_is_signed_and_verified(self, run: Run, keys: Keys, environ: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "message").write_bytes(NOT_UTF8)
        signature = Keys.sign(keys.platform, NOT_UTF8)

        assert run("verify", f"@{tmp_path / 'message'}", signature, env=environ).exit_code == 0
        assert run("verify", "-", signature, env=environ, stdin=NOT_UTF8).exit_code == 0

    def test_for_machines(self, run: Run, keys: Keys, environ: dict[str, str]) -> None:
        fits = run("--json", "verify", "x", Keys.sign(keys.platform, b"x"), env=environ)

        assert json.loads(fits.stdout) == {"valid": True, "serial": KEY_ID}

    def test_a_field_for_machines(self, run: Run, keys: Keys, environ: dict[str, str]) -> None:
        field = rsa.oaep_encrypt(keys.merchant.public_key(), "张三".encode())

        assert json.loads(run("--json", "decrypt", field, env=environ).stdout) == {"plaintext": "张三"}


class TestCertificateAnswers:
    """`wechatpay certificates --from`, on an answer of GET /v3/certificates that was saved."""

    @staticmethod
    def answer(plain: bytes, serial: str) -> dict[str, Any]:
        import base64

        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        ciphertext = AESGCM(APIV3_KEY.encode()).encrypt(b"abcdefghijkl", plain, b"certificate")
        sealed_certificate = {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": "abcdefghijkl",
            "associated_data": "certificate",
            "ciphertext": base64.b64encode(ciphertext).decode(),
        }
        return {"data": [{"serial_no": serial, "encrypt_certificate": sealed_certificate}]}

    @pytest.fixture
    def listed(self, run: Run, environ: dict[str, str], tmp_path: Path) -> Callable[..., Result]:
        def invoke(plain: bytes, serial: str, **changes: str) -> Result:
            (tmp_path / "answer.json").write_text(json.dumps(self.answer(plain, serial)), encoding="utf-8")
            return run("certificates", "--from", str(tmp_path / "answer.json"), env=environ | changes)

        return invoke

    def test_a_saved_answer_is_listed(self, keys: Keys, listed: Callable[..., Result]) -> None:
        result = listed(certificate(keys.platform, days=30).encode(), SERIAL)

        assert result.exit_code == 0
        assert SERIAL in result.stdout
        assert "2026-01-31" in result.stdout

    def test_another_serial_than_announced(self, keys: Keys, listed: Callable[..., Result]) -> None:
        result = listed(certificate(keys.platform, days=30).encode(), "5A" * 20)

        assert result.exit_code == 1
        assert f"the certificate {SERIAL} was announced as {'5A' * 20}" in result.stderr

    def test_what_opens_is_no_certificate(self, listed: Callable[..., Result]) -> None:
        result = listed(b"-----BEGIN NOTHING-----", SERIAL)

        assert result.exit_code == 1
        assert f"what opens under {SERIAL} is no certificate" in result.stderr

    def test_another_apiv3_key(self, keys: Keys, listed: Callable[..., Result]) -> None:
        result = listed(certificate(keys.platform, days=30).encode(), SERIAL, WECHATPAY_APIV3_KEY=APIV3_KEY[::-1])

        assert result.exit_code == 1
        assert APIV3_KEY[::-1] not in result.output

    def test_no_apiv3_key(self, keys: Keys, listed: Callable[..., Result]) -> None:
        result = listed(certificate(keys.platform, days=30).encode(), SERIAL, WECHATPAY_APIV3_KEY="")

        assert result.exit_code == 2
        assert "set WECHATPAY_APIV3_KEY" in result.stderr

    def test_a_merchant_without_certificates(self, run: Run, tmp_path: Path) -> None:
        sandbox = Sandbox()
        with sandbox.serve() as url:
            env_file = write_settings(sandbox.settings(base_url=url), tmp_path / "sandbox")
            result = run("--env-file", str(env_file), "--lang", "zh", "certificates")

        assert result.exit_code == 1
        assert result.stderr == "没有平台证书：该商户只有微信支付公钥\n"

    def test_they_are_written_as_pem(self, run: Run, keys: Keys, environ: dict[str, str], tmp_path: Path) -> None:
        plain = certificate(keys.platform, days=30)
        (tmp_path / "answer.json").write_text(json.dumps(self.answer(plain.encode(), SERIAL)), encoding="utf-8")

        result = run("--json", "certificates", "--from", str(tmp_path / "answer.json"), "--to", str(tmp_path / "out"), env=environ)

        assert json.loads(result.stdout) == [{"serial": SERIAL, "from": "2025-01-01", "until": "2026-01-31"}]
        assert (tmp_path / "out" / f"{SERIAL}.pem").read_text(encoding="utf-8") == plain


@pytest.mark.parametrize("name", ["WECHATPAY_MCHID", "WECHATPAY_PRIVATE_KEY"])
def test_a_missing_setting_is_named(name: str, run: Run, environ: dict[str, str]) -> None:
    result = run("sign", "x", env=environ | {name: ""})

    assert result.exit_code == 2
    assert result.stderr == f"{name}: missing (set it in the environment or in --env-file)\n"


def test_without_a_platform_key_requests_are_explained_still(run: Run, environ: dict[str, str]) -> None:
    settings = environ | {"WECHATPAY_PUBLIC_KEY": "", "WECHATPAY_PUBLIC_KEY_ID": ""}

    result = run("explain", stdin=b"GET /v3/x HTTP/1.1\nAuthorization: x\n\n", env=settings)

    assert "the scheme is 'x'" in result.stdout


def test_a_resource_without_an_apiv3_key(run: Run, environ: dict[str, str]) -> None:
    result = run("decrypt", json.dumps(sealed({})), env=environ | {"WECHATPAY_APIV3_KEY": ""})

    assert result.exit_code == 2
    assert "set WECHATPAY_APIV3_KEY" in result.stderr


class TestDoctorInChinese:
    @pytest.mark.parametrize(
        ("changes", "cure"),
        [
            ({"WECHATPAY_MCHID": ""}, "商户号，8 到 10 位数字"),
            ({"WECHATPAY_MCHID": "wx1"}, "wx 开头的是 appid；商户号只有数字"),
            ({"WECHATPAY_PRIVATE_KEY": ""}, "填写路径、file://… 或 PEM 文本"),
            ({"WECHATPAY_SERIAL": ""}, "openssl x509 -in apiclient_cert.pem -noout -serial，或设置 WECHATPAY_MERCHANT_CERT"),
            ({"WECHATPAY_APIV3_KEY": "short"}, "正好 32 个字符，与商户平台设置的一致"),
            ({"WECHATPAY_APIV3_KEY": ""}, "商户平台「API 安全」"),
        ],
    )
    def test_each_cure(self, changes: dict[str, str], cure: str, run: Run, environ: dict[str, str]) -> None:
        text = run("--lang", "zh", "doctor", env=environ | changes).stdout
        checks = json.loads(run("--json", "--lang", "zh", "doctor", env=environ | changes).stdout)

        assert f"  → {cure}\n" in text
        assert cure in [check["cure"] for check in checks]

    def test_white_space_around_a_key_is_named(self, run: Run, environ: dict[str, str]) -> None:
        assert "33 字节（首尾有空白）" in run("--lang", "zh", "doctor", env=environ | {"WECHATPAY_APIV3_KEY": f" {APIV3_KEY}"}).stdout

    def test_the_merchants_own_key(self, run: Run, keys: Keys, environ: dict[str, str]) -> None:
        text = run("--lang", "zh", "doctor", env=environ | {"WECHATPAY_PUBLIC_KEY": public_pem(keys.merchant)}).stdout

        assert "使用「API 安全」里下载的微信支付公钥 pub_key.pem，不是 apiclient_cert.pem" in text


class TestDescribeInChinese:
    def test_an_operation(self, run: Run) -> None:
        text = run("--lang", "zh", "describe", "v3/merchant-service/images/{media_id}").stdout

        assert "• 应答是文件\n" in text
        assert text.splitlines()[-1].split()[0] == "media_id"
        assert "参数" in text

    def test_a_body_and_an_answer(self, run: Run) -> None:
        text = run("--lang", "zh", "describe", "v3/pay/transactions/native").stdout

        assert "请求体" in text
        assert "应答 200" in text

    def test_a_hit_is_of_a_kind(self, run: Run) -> None:
        assert run("--lang", "zh", "search", "SIGN_ERROR").stdout.splitlines()[2].startswith("错误码")


@pytest.fixture(scope="session")
def merchant(environ: dict[str, str]) -> Merchant:
    return load_settings(environ)


class TestAnythingPasted:
    """`explain` reads whatever somebody pastes."""

    @pytest.mark.parametrize(
        "text",
        [
            b"signed here: 'abc\\x'\n",
            b"signed here: '\\N{x}'\n",
            b'{"code":"SIGN_ERROR","detail":{"sign_information":{"truncated_sign_message":"\\ud800"}}}',
            b'{"code":"SIGN_ERROR","detail":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"code":["SIGN_ERROR"]}',
        ],
    )
    def test_what_was_changed_on_its_way_is_no_traceback(self, text: bytes, run: Run) -> None:
        result = run("explain", stdin=text)

        assert result.exit_code in (0, 1, 2)
        assert "Traceback" not in result.output

    def test_half_a_literal_still_names_the_code(self) -> None:
        assert read_material([b"signed here: '\\N{x}'\n"]) == (None, ["SIGN_ERROR"])

    @given(text=st.binary(max_size=300))
    def test_any_bytes(self, text: bytes) -> None:
        material, _ = read_material([text])

        assert material is None or isinstance(material, RequestMaterial | NotificationMaterial)

    @hypothesis_settings(max_examples=40)  # each tries every variant of the body against a signature
    @given(
        timestamp=st.text(max_size=20) | st.integers().map(str),
        signature=st.text(max_size=40),
        serial=st.text(max_size=10) | st.just(KEY_ID),
        body=st.binary(max_size=80) | st.just(json.dumps({"resource": {"algorithm": 1}}).encode()),
    )
    def test_any_notification(self, timestamp: str, signature: str, serial: str, body: bytes, merchant: Merchant) -> None:
        headers = {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": "n",
            "Wechatpay-Signature": signature,
            "Wechatpay-Serial": serial,
        }

        assert explain_notification(NotificationMaterial(headers, body), merchant, now=NOW).cause

    @hypothesis_settings(max_examples=40)
    @given(
        timestamp=st.text(max_size=20) | st.just(str(NOW)),
        signature=st.text(max_size=40) | st.just("AAAA" * 86),
        body=st.binary(max_size=80),
        signed=st.none() | st.binary(max_size=80),
    )
    def test_any_request(self, timestamp: str, signature: str, body: bytes, signed: bytes | None, merchant: Merchant) -> None:
        authorization = (
            'WECHATPAY2-SHA256-RSA2048 mchid="1900000109",nonce_str="n",'
            f'signature="{signature}",timestamp="{timestamp}",serial_no="{SERIAL}"'
        )
        material = RequestMaterial("POST", "/v3/x", {"Authorization": authorization}, body, signed=signed)

        assert explain_request(material, merchant, now=NOW).cause


def test_a_stream_says_whether_it_takes_any_character(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w", encoding="utf-8") as wide, (tmp_path / "b").open("w", encoding="gbk") as narrow:
        assert is_utf8(wide)
        assert not is_utf8(narrow)


def test_the_private_key_is_never_shown(run: Run, keys: Keys, environ: dict[str, str]) -> None:
    shown = run("verify", "x", "y", env=environ).output + run("decrypt", "bm8=", env=environ).output

    assert pem(keys.merchant).splitlines()[1] not in shown
