"""`wechatpay explain` names the cause of broken requests: one for each usual mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import KEY_ID, NOW, SERIAL, Keys

Explain = Callable[..., dict[str, Any]]

BODY = '{"description":"一本书","out_trade_no":"B1","amount":{"total":1}}'.encode()
NONCE = "593BEC0C930BF1AFEB40B4A08C8FB242"


def sent(
    keys: Keys,
    message: bytes,
    *,
    method: str = "POST",
    target: str = "/v3/pay/transactions/native",
    body: bytes = BODY,
    timestamp: str = str(NOW),
    serial: str = SERIAL,
    mchid: str = "1900000109",
    scheme: str = "WECHATPAY2-SHA256-RSA2048",
    separator: str = ",",
    content_type: str = "application/json",
    signature: str | None = None,
) -> bytes:
    """A request as it went over the wire, its signature over `message`."""
    fields = {
        "mchid": mchid,
        "nonce_str": NONCE,
        "signature": Keys.sign(keys.merchant, message) if signature is None else signature,
        "timestamp": timestamp,
        "serial_no": serial,
    }
    joined = separator.join(f'{name}="{value}"' for name, value in fields.items())
    head = f"{method} {target} HTTP/1.1\r\nContent-Type: {content_type}\r\nAuthorization: {scheme} {joined}\r\n\r\n"
    return head.encode() + body


def message(method: str = "POST", target: str = "/v3/pay/transactions/native", timestamp: str = str(NOW), body: bytes = BODY) -> bytes:
    return f"{method}\n{target}\n{timestamp}\n{NONCE}\n".encode() + body + b"\n"


QUERY = "/v3/pay/transactions/out-trade-no/B1?mchid=1900000109"
NAMED = "/v3/marketing/favor/stocks?name=%E4%B9%A6%20A"
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{"sha256":"ab"}\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nPNG\r\n--b--\r\n'
)


@pytest.mark.parametrize(
    ("cause", "signed_over", "how"),
    [
        ("no_final_newline", message()[:-1], {}),
        ("crlf", message().replace(b"\n", b"\r\n"), {}),
        ("method_case", message(method="post"), {}),
        ("host_in_target", message(target="https://api.mch.weixin.qq.com/v3/pay/transactions/native"), {}),
        ("query_missing", message("GET", QUERY.split("?")[0], body=b""), {"method": "GET", "target": QUERY, "body": b""}),
        (
            "query_encoding",
            message("GET", "/v3/marketing/favor/stocks?name=书 A", body=b""),
            {"method": "GET", "target": NAMED, "body": b""},
        ),
        ("body_missing", message(body=b""), {}),
        ("body_extra", message("GET", QUERY, body=b"{}"), {"method": "GET", "target": QUERY, "body": b""}),
        ("body_reserialised", message(body=json.dumps(json.loads(BODY)).encode()), {}),
        ("body_encoding", message(body=BODY.decode().encode("gbk")), {}),
        ("body_multipart", message(body=MULTIPART), {"body": MULTIPART, "content_type": "multipart/form-data; boundary=b"}),
        ("milliseconds", message(timestamp=f"{NOW}000"), {"timestamp": f"{NOW}000"}),
        ("order_swapped", f"POST\n/v3/pay/transactions/native\n{NONCE}\n{NOW}\n".encode() + BODY + b"\n", {}),
        ("clock", message(timestamp=str(NOW - 301)), {"timestamp": str(NOW - 301)}),
        ("serial_is_platform", message(), {"serial": KEY_ID}),
        ("serial_differs", message(), {"serial": "0" * 40}),
        ("mchid_differs", message(), {"mchid": "1900007777"}),
        ("scheme", message(), {"scheme": "WECHATPAY2-SHA256-RSA4096"}),
        ("authorization_malformed", message(), {"separator": ", "}),
        ("signature_encoding", message(), {"signature": "ab" * 32}),
        ("signature_encoding", message(), {"signature": "not base64!"}),
        ("registration", message(), {}),
    ],
)
def test_the_cause_is_named_from_the_request_as_sent(
    cause: str, signed_over: bytes, how: dict[str, Any], keys: Keys, environ: dict[str, str], explain: Explain
) -> None:
    verdict = explain(sent(keys, signed_over, **how), env=environ)

    assert verdict["cause"] == cause
    assert verdict["exit_code"] == 1
    assert verdict["cure"]


def test_a_key_of_another_certificate_fits_nothing(keys: Keys, environ: dict[str, str], explain: Explain) -> None:
    strange = Keys(keys.platform, keys.merchant)

    verdict = explain(sent(strange, message()), env=environ)

    assert verdict["cause"] == "message_or_key"


def answer(seen: bytes) -> bytes:
    """The 401 of the server, which shows the message that it put together."""
    information = {
        "method": "POST",
        "url": "/v3/pay/transactions/native",
        "truncated_sign_message": seen.decode(),
        "sign_message_length": len(seen),
    }
    detail = {"field": "signature", "issue": "sign not match", "location": "authorization", "sign_information": information}
    return json.dumps({"code": "SIGN_ERROR", "message": "签名错误", "detail": detail}).encode()


@pytest.mark.parametrize(
    ("cause", "signed"),
    [
        ("key_mismatch", message()),
        ("no_final_newline", message()[:-1]),
        ("crlf", message().replace(b"\n", b"\r\n")),
        ("method_case", message(method="post")),
        ("host_in_target", message(target="https://api.mch.weixin.qq.com/v3/pay/transactions/native")),
        ("target_differs", message(target="/pay/transactions/native")),
        ("milliseconds", message(timestamp=f"{NOW}000")),
        ("timestamp_differs", message(timestamp=str(NOW + 1))),
        ("nonce_differs", message().replace(NONCE.encode(), b"AAAA")),
        ("body_missing", message(body=b"")),
        ("body_reserialised", message(body=json.dumps(json.loads(BODY), indent=2).encode())),
        ("body_differs", message(body=b'{"amount":2}')),
    ],
)
def test_the_cause_is_named_from_the_servers_answer_and_the_signed_message(cause: str, signed: bytes, explain: Explain) -> None:
    verdict = explain(answer(message()), message=signed)

    assert verdict["cause"] == cause


def test_the_text_of_this_packages_own_error_is_enough(explain: Explain) -> None:
    text = (
        "wechatpay_async.errors.AuthError: 401 SIGN_ERROR: 签名错误 [Request-ID 0A]\n"
        f"  signed here:   {message(body=b'').decode()!r}\n"
        f"  seen by server: {message().decode()!r} (the body differs)"
    )

    verdict = explain(text.encode())

    assert verdict["cause"] == "body_missing"
    assert [finding["part"] for finding in verdict["findings"] if not finding["good"]] == ["line 5, body"]


def test_a_message_by_itself_shows_what_it_can(explain: Explain) -> None:
    assert explain(message()[:-1].replace(BODY, b""))["cause"] == "no_final_newline"
    assert explain(message(method="post"))["cause"] == "method_case"
    assert explain(message())["cause"] == "key_mismatch"


def test_the_cause_is_told_in_chinese_too(explain: Explain) -> None:
    verdict = explain(answer(message()), message=message()[:-1], language="zh")

    assert verdict["text"] == "签名串缺少结尾的换行"


def test_the_lines_have_chinese_names(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "signed").write_bytes(message(body=b""))

    result = run("--lang", "zh", "explain", "--message", str(tmp_path / "signed"), stdin=answer(message()))

    lines = result.stdout.splitlines()
    assert lines[:4] == ["✓ 第 1 行，请求方法：一致", "✓ 第 2 行，请求路径：一致", "✓ 第 3 行，时间戳：一致", "✓ 第 4 行，随机串：一致"]
    assert lines[4].startswith("✗ 第 5 行，正文：签名时 ''，服务器看到 ")
