"""The client certificate: from its files to a TLS context, with nothing left on disk."""

from __future__ import annotations

import logging
import ssl
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from wechatpay_async.client_certificate import ClientCertificate, load_client_certificate
from wechatpay_async.errors import ConfigError

MCHID = "1900000109"
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@cache
def key(number: int = 1) -> rsa.RSAPrivateKey:
    del number
    return rsa.generate_private_key(65537, 2048)


def certificate(*, common_name: str = MCHID, days: int = 365, start: datetime = NOW - timedelta(days=10)) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key().public_key()).serial_number(0x3775B6A4)
    return builder.not_valid_before(start).not_valid_after(NOW + timedelta(days=days)).sign(key(), hashes.SHA256())


def pem(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.PEM)


def p12(password: str = MCHID, **more: Any) -> bytes:
    encryption = serialization.BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(b"Tenpay Certificate", key(), certificate(**more), [certificate()], encryption)


def load(**more: Any) -> ClientCertificate:
    return load_client_certificate(mchid=MCHID, now=NOW, **more)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_from_certificate_and_key() -> None:
    loaded = load(merchant_cert=pem(certificate()), private_key=key())
    assert loaded.serial == "3775B6A4"
    assert loaded.expires == NOW + timedelta(days=365)
    assert loaded.issuers == ()
    assert not loaded.expires_soon(NOW)
    assert loaded.expires_soon(NOW + timedelta(days=335))


def test_from_pkcs12_with_the_merchant_number_as_password(tmp_path: Path) -> None:
    path = tmp_path / "apiclient_cert.p12"
    path.write_bytes(p12())
    for source in (p12(), path, str(path), f"file://{path}"):
        loaded = load(pkcs12=source)
        assert loaded.certificate == certificate()
        assert loaded.issuers == (certificate(),)


@pytest.mark.parametrize("password", ["another", b"another"])
def test_from_pkcs12_with_a_password_of_one_s_own(password: str | bytes) -> None:
    assert load(pkcs12=p12("another"), pkcs12_password=password).serial == "3775B6A4"


@pytest.mark.parametrize(
    ("settings", "parameter", "words"),
    [
        ({}, "merchant_cert", "missing"),
        ({"private_key": key()}, "merchant_cert", "missing"),
        ({"merchant_cert": pem(certificate())}, "merchant_cert", "missing"),
        ({"pkcs12": p12("another")}, "pkcs12", "password"),
        ({"pkcs12": b"no PKCS#12"}, "pkcs12", "no PKCS#12"),
        ({"pkcs12": "/no/such/file.p12"}, "pkcs12", "cannot read"),
        ({"merchant_cert": pem(certificate()), "private_key": key(2)}, "private_key", "does not belong"),
        ({"merchant_cert": pem(certificate(common_name="1900000110")), "private_key": key()}, "merchant_cert", "another merchant"),
        ({"merchant_cert": pem(certificate(days=0)), "private_key": key()}, "merchant_cert", "expired on 2026-11-25"),
        ({"pkcs12": p12(days=-1)}, "pkcs12", "expired on 2026-11-24"),
        ({"merchant_cert": pem(certificate(start=NOW + timedelta(days=1))), "private_key": key()}, "merchant_cert", "before 2026-11-26"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any], parameter: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load(**settings)
    assert caught.value.parameter == parameter


def test_a_pkcs12_without_an_rsa_key_is_refused() -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    encryption = serialization.BestAvailableEncryption(MCHID.encode())
    for content in (
        pkcs12.serialize_key_and_certificates(None, curve, None, None, encryption),
        pkcs12.serialize_key_and_certificates(None, key(), None, None, encryption),
    ):
        with pytest.raises(ConfigError, match="no RSA key"):
            load(pkcs12=content)


def test_a_reminder_comes_30_days_before_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load(merchant_cert=pem(certificate(days=31)), private_key=key())
        assert caplog.messages == []
        load(merchant_cert=pem(certificate(days=30)), private_key=key())
    assert caplog.messages == ["the client certificate 3775B6A4 of merchant 1900000109 expires on 2026-12-25"]


def test_the_context_holds_the_certificate_and_nothing_is_left_on_disk(temporary: Path) -> None:
    loaded = load(pkcs12=p12())
    base = ssl.create_default_context()
    assert loaded.ssl_context(base) is base
    assert isinstance(loaded.ssl_context(), ssl.SSLContext)
    assert list(temporary.iterdir()) == []


class Looking(ssl.SSLContext):
    """Looks at the file that it is given, and then refuses it."""

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        assert keyfile is None
        path = Path(certfile)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        content = path.read_bytes()
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in content
        assert content.count(b"BEGIN CERTIFICATE") == 2
        assert password
        raise ssl.SSLError("refused")


def test_the_file_is_private_encrypted_and_removed_when_the_library_refuses_it(temporary: Path) -> None:
    with pytest.raises(ConfigError, match="SSLError"):
        load(pkcs12=p12()).ssl_context(Looking(ssl.PROTOCOL_TLS_CLIENT))
    assert list(temporary.iterdir()) == []


def test_repr_shows_no_key() -> None:
    assert "private_key" not in repr(load(pkcs12=p12()))
