"""`wechatpay doctor` on certificates: whose they are, whose key, how long they live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.cli.conftest import NOW, SERIAL, Keys
from wechatpay_async.cli.doctor import check_offline

SERIAL_NUMBER = int(SERIAL, 16)


def certificate(key: rsa.RSAPrivateKey, *, days: int, serial: int = SERIAL_NUMBER) -> str:
    """A self-signed certificate that ends so many days after NOW."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "1900000109")])
    start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=365)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(serial)
    signed = builder.not_valid_before(start).not_valid_after(start + timedelta(days=365 + days)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def wrong(environ: dict[str, str], **changes: str) -> dict[str, str]:
    """The parts that are wrong, and what was found."""
    return {check.part: check.english for check in check_offline(environ | changes, now=NOW) if not check.good}


def test_a_certificate_of_its_key_is_right(keys: Keys, environ: dict[str, str]) -> None:
    assert wrong(environ, WECHATPAY_MERCHANT_CERT=certificate(keys.merchant, days=400)) == {}
    assert wrong(environ, WECHATPAY_MERCHANT_CERT=certificate(keys.merchant, days=400), WECHATPAY_SERIAL="") == {}


def test_a_certificate_that_ends_soon_is_named(keys: Keys, environ: dict[str, str]) -> None:
    found = wrong(environ, WECHATPAY_MERCHANT_CERT=certificate(keys.merchant, days=30))

    assert found == {"WECHATPAY_MERCHANT_CERT": f"{SERIAL}, ends 2026-01-31 (30 days)"}


def test_a_key_of_another_certificate_is_named(keys: Keys, environ: dict[str, str]) -> None:
    found = wrong(environ, WECHATPAY_MERCHANT_CERT=certificate(keys.platform, days=400))

    assert found["key pair"] == "the key is not the certificate's"


def test_a_serial_of_another_certificate_is_named(keys: Keys, environ: dict[str, str]) -> None:
    found = wrong(environ, WECHATPAY_MERCHANT_CERT=certificate(keys.merchant, days=400), WECHATPAY_SERIAL="AB" * 20)

    assert found["WECHATPAY_SERIAL"] == f"the certificate's is {SERIAL}"


def test_what_is_no_certificate_is_named(environ: dict[str, str]) -> None:
    assert "WECHATPAY_MERCHANT_CERT" in wrong(
        environ, WECHATPAY_MERCHANT_CERT="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )


@pytest.mark.parametrize(("days", "part"), [(-1, {"platform keys": f"certificate {'5A' * 20} has ended"}), (100, {})])
def test_a_platform_certificate_is_told_from_a_public_key(days: int, part: dict[str, Any], keys: Keys, environ: dict[str, str]) -> None:
    serial = "5A" * 20
    pem = certificate(keys.platform, days=days, serial=int(serial, 16))

    found = wrong(environ, WECHATPAY_PUBLIC_KEY_ID=serial, WECHATPAY_PUBLIC_KEY=pem)

    assert found == part


def test_downloaded_certificates_need_no_key(environ: dict[str, str]) -> None:
    assert wrong(environ, WECHATPAY_PUBLIC_KEY_ID="", WECHATPAY_PUBLIC_KEY="", WECHATPAY_PLATFORM_KEYS="auto") == {}


def test_a_public_key_that_is_none_is_named(environ: dict[str, str]) -> None:
    assert "WECHATPAY_PUBLIC_KEY" in wrong(environ, WECHATPAY_PUBLIC_KEY="nonsense")
