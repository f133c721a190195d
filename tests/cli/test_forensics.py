"""The comparisons behind `wechatpay explain`, each on two messages written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cli.conftest import KEY_ID, NOW, SERIAL, Keys
from wechatpay_async.cli.forensics import (
    NotificationMaterial,
    RequestMaterial,
    Verdict,
    compare,
    explain_notification,
    explain_request,
)
from wechatpay_async.cli.keys import load_settings
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.merchant import Merchant


@pytest.fixture(scope="module")
def merchant(environ: dict[str, str]) -> Merchant:
    return load_settings(environ)


@pytest.mark.parametrize(
    ("signed", "seen", "cause"),
    [
        (b"GET\n/a\n1\nN\n\n", b"GET\n/a\n1\nN\n\n", ""),
        (b"GET\n/a\n1\nN\n\n", b"GET\n/a?b=1\n1\nN\n\n", "query_missing"),
        (b"GET\n/a?b=c d\n1\nN\n\n", b"GET\n/a?b=c%20d\n1\nN\n\n", "query_encoding"),
        (b"GET\n/a?b=c+d\n1\nN\n\n", b"GET\n/a?b=c%20d\n1\nN\n\n", "query_encoding"),
        (b"GET\n/b\n1\nN\n\n", b"GET\n/a\n1\nN\n\n", "target_differs"),
        (b"POST\n/a\nN\n1\n{}\n", b"POST\n/a\n1\nN\n{}\n", "order_swapped"),
        (b"POST\n/a\n1\nN\n{}\n", b"POST\n/a\n1\nN\n\n", "body_extra"),
        (b'POST\n/a\n1\nN\n--b\r\nContent-Disposition: form-data; name="meta"\n', b"POST\n/a\n1\nN\n{}\n", "body_multipart"),
        ("POST\n/a\n1\nN\n书\n".encode("gbk"), "POST\n/a\n1\nN\n书\n".encode(), "body_encoding"),
        (b"POST\n/a\n1\nN\n\xff\xff\xff\n", b"POST\n/a\n1\nN\n{}\n", "body_differs"),
        (b"POST\n/a\n1\nN\n{}\n", b"POST\n/a\n1\nN", "body_differs"),
    ],
)
def test_two_messages(signed: bytes, seen: bytes, cause: str) -> None:
    assert compare(signed, seen) == cause


@pytest.mark.parametrize(
    ("signed", "seen", "cause"),
    [
        (b"POST\n/a\n1\nN\n{1234}\n", b"POST\n/a\n1\nN\n{12", ""),
        (b"POST\n/a\n1\nM\n{1234}\n", b"POST\n/a\n1\nN\n{12", "nonce_differs"),
        (b"POST\n/a\n1", b"POST\n/a\n1\nN\n{12", "no_final_newline"),
    ],
)
def test_a_message_that_the_server_cut_off(signed: bytes, seen: bytes, cause: str) -> None:
    assert compare(signed, seen, truncated=True) == cause


@pytest.mark.parametrize(
    ("signed", "cause"),
    [
        (b"POST\r\n/a\r\n1\r\nN\r\n{}\r\n", "crlf"),
        (b"POST\n/a\n1\nN\n{}", "no_final_newline"),
        (b"post\n/a\n1\nN\n{}\n", "method_case"),
        (b"POST\nhttps://api.mch.weixin.qq.com/a\n1\nN\n{}\n", "host_in_target"),
        (b"POST\n/a\n1767225600000\nN\n{}\n", "milliseconds"),
        (b"POST\n/a\n1767225600\nN\n{}\n", "key_mismatch"),
    ],
)
def test_a_message_alone(signed: bytes, cause: str) -> None:
    assert explain_request(RequestMaterial(signed=signed), now=NOW).cause == cause


def test_the_ends_of_two_messages_differ() -> None:
    verdict = explain_request(RequestMaterial(signed=b"POST\n/a\n1\nN\n{}", seen=b"POST\n/a\n1\nN\n{}\n"), now=NOW)

    assert verdict.cause == "no_final_newline"
    assert [finding.part for finding in verdict.findings if not finding.good] == ["message"]


def request(
    keys: Keys, signed: bytes, *, target: str = "/v3/x", body: bytes = b"{}", headers: Mapping[str, str] | None = None
) -> RequestMaterial:
    authorization = (
        f'WECHATPAY2-SHA256-RSA2048 mchid="1900000109",nonce_str="N",signature="{Keys.sign(keys.merchant, signed)}",'
        f'timestamp="{NOW}",serial_no="{SERIAL}"'
    )
    return RequestMaterial("POST", target, {"authorization": authorization, **(headers or {})}, body)


def test_a_request_without_the_header() -> None:
    assert explain_request(RequestMaterial("POST", "/v3/x"), now=NOW).cause == "authorization_malformed"


def test_without_settings_the_form_alone_is_looked_at(keys: Keys) -> None:
    verdict = explain_request(request(keys, b"anything"), now=NOW)

    assert verdict.cause == ""
    assert [finding.part for finding in verdict.findings] == ["Authorization", "timestamp", "signature"]


@pytest.mark.parametrize("target", ["https://api.mch.weixin.qq.com/v3/x?a=1", "/v3/x?a=1"])
def test_a_request_line_may_hold_the_whole_address(target: str, keys: Keys, merchant: Merchant) -> None:
    signed = f"POST\n/v3/x?a=1\n{NOW}\nN\n{{}}\n".encode()

    assert explain_request(request(keys, signed, target=target), merchant, now=NOW).cause == "registration"


def test_a_body_that_is_no_text(keys: Keys, merchant: Merchant) -> None:
    assert explain_request(request(keys, b"anything", body=b"\xff\xfe"), merchant, now=NOW).cause == "message_or_key"


def test_an_upload_without_a_meta_is_taken_whole(keys: Keys, merchant: Merchant) -> None:
    multipart = {"Content-Type": "multipart/form-data; boundary=b"}
    signed = f"POST\n/v3/x\n{NOW}\nN\n--b--\n".encode()

    assert explain_request(request(keys, signed, body=b"--b--", headers=multipart), merchant, now=NOW).cause == "registration"


def notification(keys: Keys, body: bytes) -> NotificationMaterial:
    signature = Keys.sign(keys.platform, f"{NOW}\nN\n".encode() + body + b"\n")
    headers = {
        "Wechatpay-Timestamp": str(NOW),
        "Wechatpay-Nonce": "N",
        "Wechatpay-Signature": signature,
        "Wechatpay-Serial": KEY_ID,
    }
    return NotificationMaterial(headers, body)


def test_a_key_filed_under_another_serial(keys: Keys, merchant: Merchant) -> None:
    other = "PUB_KEY_ID_0119000001092025010199"
    third = rsa.generate_private_key(65537, 2048)
    held = (
        PlatformKey(KEY_ID, third.public_key()),
        PlatformKey("5A" * 20, third.public_key()),
        PlatformKey(other, keys.platform.public_key()),
    )

    verdict = explain_notification(notification(keys, b"{}"), replace(merchant, platform_keys=held), now=NOW)

    assert verdict.cause == "key_under_other_serial"
    assert verdict.findings[-1].english == f"fits the key filed under {other}"


def test_an_answer_has_no_resource(keys: Keys, merchant: Merchant) -> None:
    verdict = explain_notification(notification(keys, json.dumps({"code_url": "weixin://"}).encode()), merchant, now=NOW)

    assert verdict == Verdict("", verdict.findings)
    assert [finding.part for finding in verdict.findings] == ["Wechatpay-Timestamp", "Wechatpay-Serial", "Wechatpay-Signature"]


def test_a_list_has_no_resource(keys: Keys, merchant: Merchant) -> None:
    assert explain_notification(notification(keys, b"[]"), merchant, now=NOW).cause == ""
