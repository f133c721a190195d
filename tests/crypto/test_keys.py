"""Every form of a key, and every mistake with one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import MERCHANT_KEY, MERCHANT_KEY_PEM, PLATFORM_KEY, PLATFORM_PUBLIC_PEM, PUBLIC_KEY_ID, certificate, pem
from tests.support.vectors import Vector, each_vector
from wechatpay_async.crypto import keys
from wechatpay_async.errors import ConfigError

Encoding, Private, Public = serialization.Encoding, serialization.PrivateFormat, serialization.PublicFormat
PLAIN = serialization.NoEncryption()
NUMBERS = MERCHANT_KEY.private_numbers()


def private_bytes(
    encoding: serialization.Encoding, form: serialization.PrivateFormat, encryption: serialization.KeySerializationEncryption = PLAIN
) -> bytes:
    return MERCHANT_KEY.private_bytes(encoding, form, encryption)


def public_bytes(encoding: serialization.Encoding, form: serialization.PublicFormat) -> bytes:
    return PLATFORM_KEY.public_key().public_bytes(encoding, form)


def one_line(der: bytes) -> str:
    return base64.b64encode(der).decode()


PRIVATE_FORMS = {
    "object": MERCHANT_KEY,
    "pem text": MERCHANT_KEY_PEM,
    "pem text in white space": f"\n  {MERCHANT_KEY_PEM}\n\n",
    "pem bytes": MERCHANT_KEY_PEM.encode(),
    "pkcs1 pem": private_bytes(Encoding.PEM, Private.TraditionalOpenSSL),
    "der bytes": private_bytes(Encoding.DER, Private.PKCS8),
    "private.pkcs8": "private.pkcs8://" + one_line(private_bytes(Encoding.DER, Private.PKCS8)),
    "private.pkcs1": "private.pkcs1://" + one_line(private_bytes(Encoding.DER, Private.TraditionalOpenSSL)),
}
PUBLIC_FORMS = {
    "object": PLATFORM_KEY.public_key(),
    "pem text": PLATFORM_PUBLIC_PEM,
    "pkcs1 pem": public_bytes(Encoding.PEM, Public.PKCS1),
    "der bytes": public_bytes(Encoding.DER, Public.SubjectPublicKeyInfo),
    "public.spki": "public.spki://" + one_line(public_bytes(Encoding.DER, Public.SubjectPublicKeyInfo)),
    "public.pkcs1": "public.pkcs1://" + one_line(public_bytes(Encoding.DER, Public.PKCS1)),
    "certificate object": certificate(PLATFORM_KEY, "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"),
    "certificate pem": pem(certificate(PLATFORM_KEY, "5157F09EFDC096DE15EBE81A47057A7232F1B8E1")),
}


@pytest.mark.parametrize("form", PRIVATE_FORMS.values(), ids=PRIVATE_FORMS)
def test_private_key_forms(form: keys.PrivateKeySource) -> None:
    assert keys.load_private_key(form).private_numbers() == NUMBERS


@pytest.mark.parametrize("form", PUBLIC_FORMS.values(), ids=PUBLIC_FORMS)
def test_public_key_forms(form: keys.PlatformKeySource) -> None:
    assert keys.load_public_key(form, parameter="certs").public_numbers() == PLATFORM_KEY.public_key().public_numbers()


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "apiclient_key.pem"
    file.write_text(MERCHANT_KEY_PEM)
    for source in (file, str(file), f"file://{file}"):
        assert keys.load_private_key(source).private_numbers() == NUMBERS


def test_an_encrypted_key() -> None:
    encrypted = private_bytes(Encoding.PEM, Private.PKCS8, serialization.BestAvailableEncryption(b"hunter2"))
    assert keys.load_private_key(encrypted, password="hunter2").private_numbers() == NUMBERS
    assert keys.load_private_key(encrypted, password=b"hunter2").private_numbers() == NUMBERS
    with pytest.raises(ConfigError, match="^private_key: the key is encrypted and no password was given .pass private_key_password="):
        keys.load_private_key(encrypted)
    with pytest.raises(ConfigError, match="does not open with this password") as caught:
        keys.load_private_key(encrypted, password="hunter3")
    assert "hunter" not in str(caught.value)
    with pytest.raises(ConfigError, match="the key is not encrypted"):
        keys.load_private_key(MERCHANT_KEY_PEM, password="hunter2")


SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 — to be refused
CURVE = ec.generate_private_key(ec.SECP256R1())
CURVE_PEM = CURVE.private_bytes(Encoding.PEM, Private.PKCS8, PLAIN)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PLATFORM_PUBLIC_PEM, "this is a public key"),
        (pem(certificate(MERCHANT_KEY, "4B" * 20)), "this is a certificate"),
        ("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----", "this is no private key"),
        (b"\x30\x82nonsense", "this is no private key"),
        (CURVE_PEM, "expected an RSA key, got EllipticCurvePrivateKey|expected an RSA key, got EC"),
        (SHORT, "the key has 1024 bits"),
        (42, "expected a path, PEM text or bytes, or a key object, got int"),
        ("/nowhere/apiclient_key.pem", "cannot read /nowhere/apiclient_key.pem: No such file"),
        ("https://example.com/key.pem", "unknown form https://"),
        ("private.pkcs8://not base64!", "what follows :// is not base64"),
    ],
)
def test_not_a_private_key(source: keys.PrivateKeySource, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^private_key: ({message})") as caught:
        keys.load_private_key(source)
    assert caught.value.parameter == "private_key"


def test_a_key_without_its_header_is_not_shown() -> None:
    bare = MERCHANT_KEY_PEM.split("\n", 1)[1]
    with pytest.raises(ConfigError, match="cannot read the given text") as caught:
        keys.load_private_key(bare)
    assert bare[:20] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (MERCHANT_KEY_PEM, "this is a private key"),
        (MERCHANT_KEY, "this is a private key"),
        ("-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----", "no public key or certificate"),
        ("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----", "no certificate"),
        (CURVE.public_key().public_bytes(Encoding.PEM, Public.SubjectPublicKeyInfo), "expected an RSA key"),
        (SHORT.public_key(), "the key has 1024 bits"),
    ],
)
def test_not_a_platform_key(source: keys.PlatformKeySource, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        keys.load_public_key(source, parameter="certs")


def test_a_certificate_object_is_taken_as_it_is() -> None:
    held = certificate(PLATFORM_KEY, "4B" * 20)
    assert keys.load_certificate(held, parameter="merchant_cert") is held


@each_vector("certificate_serial")
def test_certificate_serial(vector: Vector) -> None:
    loaded = keys.load_certificate(vector.inputs["certificate_pem"], parameter="merchant_cert")
    assert keys.certificate_serial(loaded) == vector.expected["serial"]
    assert keys.normalise_serial(vector.expected["serial"].lower(), parameter="serial") == vector.expected["serial"]


@pytest.mark.parametrize(
    "text",
    [
        "0C4AEF34B89340881BB2B25226393DC2E47F094B",
        "0c4aef34b89340881bb2b25226393dc2e47f094b",
        "C4AEF34B89340881BB2B25226393DC2E47F094B",
        "0x0C4AEF34B89340881BB2B25226393DC2E47F094B",
        "0C:4A:EF:34:B8:93:40:88:1B:B2:B2:52:26:39:3D:C2:E4:7F:09:4B",
        " 0C4AEF34 B8934088 1BB2B252 26393DC2 E47F094B\n",
        "70178982170940638711466014973452950698127722827",
    ],
)
def test_a_serial_in_any_form(text: str) -> None:
    assert keys.normalise_serial(text, parameter="serial") == "0C4AEF34B89340881BB2B25226393DC2E47F094B"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PUBLIC_KEY_ID, "this is the id of WeChat Pay's public key"),
        ("", "not a certificate's serial .0 characters."),
        ("serial", "not a certificate's serial"),
        ("9" * 49, "not a certificate's serial .49 characters."),
        ("F" * 41, "not a certificate's serial .41 characters."),
    ],
)
def test_no_serial(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^serial: {message}"):
        keys.normalise_serial(text, parameter="serial")


@given(st.integers(min_value=1 << 129, max_value=(1 << 160) - 1))
def test_decimal_and_hexadecimal_serials_agree(number: int) -> None:
    expected = f"{number:040X}"
    assert keys.normalise_serial(f"{number:x}", parameter="serial") == expected
    if number >= 10**40:
        assert keys.normalise_serial(str(number), parameter="serial") == expected


@given(st.text(max_size=60))
def test_no_text_makes_a_serial_of_another_kind(text: str) -> None:
    try:
        serial = keys.normalise_serial(text, parameter="serial")
    except ConfigError:
        return
    assert 0 < len(serial) <= 40
    assert set(serial) <= set("0123456789ABCDEF")


def curve_certificate() -> x509.Certificate:
    """A certificate of a key that is not RSA."""
    name = x509.Name([])
    start = datetime(2024, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(CURVE.public_key()).serial_number(1)
    return builder.not_valid_before(start).not_valid_after(start + timedelta(days=1)).sign(CURVE, hashes.SHA256())


def test_a_certificate_is_filed_under_its_own_serial() -> None:
    held = certificate(PLATFORM_KEY, "5157F09EFDC096DE15EBE81A47057A7232F1B8E1")
    key = keys.load_platform_key("5157F09EFDC096DE15EBE81A47057A7232F1B8E1", held, parameter="certs")
    assert key.is_certificate
    with pytest.raises(ConfigError, match="own serial is 5157F09EFDC096DE15EBE81A47057A7232F1B8E1"):
        keys.load_platform_key("4B" * 20, held, parameter="certs")
    with pytest.raises(ConfigError, match="filed under a public-key id"):
        keys.load_platform_key(PUBLIC_KEY_ID, held, parameter="certs")
    with pytest.raises(ConfigError, match="certificate of an RSA key"):
        keys.load_platform_key("", curve_certificate(), parameter="certs")


def test_a_platform_key_does_not_show_itself() -> None:
    key = keys.load_platform_key(PUBLIC_KEY_ID, PLATFORM_PUBLIC_PEM, parameter="certs")
    assert not key.is_certificate
    assert repr(key) == f"PlatformKey(serial='{PUBLIC_KEY_ID}', not_before=None, not_after=None)"


def test_same_key() -> None:
    assert keys.same_key(MERCHANT_KEY, MERCHANT_KEY.public_key())
    assert not keys.same_key(MERCHANT_KEY, PLATFORM_KEY.public_key())
    assert not keys.same_key(MERCHANT_KEY, CURVE.public_key())
