"""Keys for tests: published test keys, so that signatures can be written out, and certificates made for a purpose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.x509.oid import NameOID

from tests.support.vectors import vectors

#: The test key that WeChat Pay publishes beside its examples of request signatures.
MERCHANT_KEY_PEM: str = vectors("request_sign")[0].inputs["private_key_pem"]
MERCHANT_SERIAL = "408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"
MCHID = "1900007291"
#: Another published key, which plays WeChat Pay in tests.
PLATFORM_KEY_PEM: str = vectors("rsa_sign")[0].inputs["private_key_pem"]
PUBLIC_KEY_ID = "PUB_KEY_ID_0114232134912410000000000000"
APIV3_KEY = "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb"
SECRET = "192006250b4c09247ec02edce69f6a2d"


def private_key(pem: str) -> RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def public_pem(key: RSAPrivateKey | RSAPublicKey) -> str:
    public = key.public_key() if isinstance(key, RSAPrivateKey) else key
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


MERCHANT_KEY = private_key(MERCHANT_KEY_PEM)
PLATFORM_KEY = private_key(PLATFORM_KEY_PEM)
PLATFORM_PUBLIC_PEM = public_pem(PLATFORM_KEY)


def certificate(key: RSAPrivateKey, serial: str, *, not_before: datetime | None = None, days: int = 1825) -> x509.Certificate:
    """A self-signed certificate with this serial (hexadecimal)."""
    start = not_before or datetime(2024, 1, 1, tzinfo=UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int(serial, 16))
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


def pem(certificate_: x509.Certificate) -> str:
    return certificate_.public_bytes(serialization.Encoding.PEM).decode()
