"""`wechatpay explain` names the cause of refused notifications: one for each usual mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import APIV3_KEY, KEY_ID, NOW, SERIAL, Keys, public_pem, sealed

Explain = Callable[..., dict[str, Any]]

NOTIFICATION = {
    "id": "EV-1",
    "create_time": "2026-01-01T08:00:00+08:00",
    "resource_type": "encrypt-resource",
    "event_type": "TRANSACTION.SUCCESS",
    "summary": "支付成功",
    "resource": sealed({"out_trade_no": "B1"}),
}
BODY = json.dumps(NOTIFICATION, ensure_ascii=False, separators=(",", ":")).encode()


def received(keys: Keys, body: bytes = BODY, *, signed: bytes = BODY, without: str = "", **changes: str) -> bytes:
    """Headers and body as they arrived; the signature is over `signed`."""
    timestamp = changes.pop("timestamp", str(NOW))
    headers = {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": "EcmEq9sdAoRL",
        "Wechatpay-Signature": changes.pop("signature", "")
        or Keys.sign(keys.platform, f"{timestamp}\nEcmEq9sdAoRL\n".encode() + signed + b"\n"),
        "Wechatpay-Serial": changes.pop("serial", KEY_ID),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != without)
    return f"POST /wechatpay/notify HTTP/1.1\r\nHost: shop.example.com\r\n{head}\r\n".encode() + body


def test_a_genuine_notification_has_nothing_wrong(keys: Keys, environ: dict[str, str], explain: Explain) -> None:
    verdict = explain(received(keys), env=environ)

    assert verdict["cause"] == ""
    assert verdict["exit_code"] == 0
    assert [finding["good"] for finding in verdict["findings"]] == [True, True, True, True]


@pytest.mark.parametrize(
    ("cause", "body", "changes"),
    [
        ("header_missing", BODY, {"without": "Wechatpay-Signature"}),
        ("clock", BODY, {"timestamp": str(NOW - 400)}),
        ("public_key_not_held", BODY, {"serial": "PUB_KEY_ID_0999999999992025010100"}),
        ("certificate_not_held", BODY, {"serial": "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"}),
        ("serial_is_merchants", BODY, {"serial": SERIAL}),
        ("probe", BODY, {"signature": "WECHATPAY/SIGNTEST/AAAA"}),
        ("body_reserialised", json.dumps(NOTIFICATION, ensure_ascii=False).encode(), {}),
        ("body_reserialised", json.dumps(NOTIFICATION).encode(), {}),
        ("body_reserialised", json.dumps(NOTIFICATION, indent=3, sort_keys=True).encode(), {}),
        ("trailing_white_space", BODY + b"\n", {}),
        ("byte_order_mark", b"\xef\xbb\xbf" + BODY, {}),
        ("body_encoding", BODY.decode().encode("gbk"), {}),
        ("body_encoding", BODY.decode("latin-1").encode(), {}),
        ("body_or_key", BODY.replace(b"EV-1", b"EV-2"), {}),
        ("empty_body", b"", {}),
        ("xml", b"<xml><return_code>SUCCESS</return_code></xml>", {}),
        ("html", b"<!DOCTYPE html><title>403</title>", {}),
        ("not_json", b"id=EV-1&event_type=TRANSACTION.SUCCESS", {}),
    ],
)
def test_the_cause_is_named(
    cause: str, body: bytes, changes: dict[str, Any], keys: Keys, environ: dict[str, str], explain: Explain
) -> None:
    verdict = explain(received(keys, body, **changes), env=environ)

    assert verdict["cause"] == cause
    assert verdict["exit_code"] == 1


def test_another_apiv3_key_is_told_from_a_changed_resource(keys: Keys, environ: dict[str, str], explain: Explain) -> None:
    verdict = explain(received(keys), env=environ | {"WECHATPAY_APIV3_KEY": APIV3_KEY[::-1]})

    assert verdict["cause"] == "apiv3_key_wrong"


def test_a_missing_apiv3_key_is_named(keys: Keys, environ: dict[str, str], explain: Explain) -> None:
    verdict = explain(received(keys), env=environ | {"WECHATPAY_APIV3_KEY": ""})

    assert verdict["cause"] == "apiv3_key_missing"


def test_a_resource_of_another_shape_is_named(keys: Keys, environ: dict[str, str], explain: Explain) -> None:
    body = json.dumps({**NOTIFICATION, "resource": {"algorithm": "ROT13"}}, separators=(",", ":")).encode()

    verdict = explain(received(keys, body, signed=body), env=environ)

    assert verdict["cause"] == "associated_data_changed"


def test_the_merchants_own_key_as_platform_key_is_named(keys: Keys, environ: dict[str, str], explain: Explain) -> None:
    verdict = explain(received(keys), env=environ | {"WECHATPAY_PUBLIC_KEY": public_pem(keys.merchant)})

    assert verdict["cause"] == "platform_key_is_merchants"


def test_without_any_settings_headers_and_clock_are_looked_at(keys: Keys, explain: Explain) -> None:
    assert explain(received(keys, timestamp=str(NOW + 300)))["cause"] == "clock"
    assert explain(received(keys))["cause"] == ""
