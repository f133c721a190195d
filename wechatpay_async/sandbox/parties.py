"""Who takes part: the merchants with their keys and secrets, and the platform with the keys that it signs with."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "KeyMaker", "Merchant", "Mode", "Platform", "SigningKey", "Vault", "make_rsa_key", "serial_of"]

#: Which platform key a merchant's answers are signed with: the certificates', the public key's, or both while it switches.
Mode = Literal["certificate", "public_key"]
KeyMaker = Callable[[], rsa.RSAPrivateKey]

_FIVE_YEARS = timedelta(days=5 * 365)


def make_rsa_key() -> rsa.RSAPrivateKey:
    """A new key of the size that WeChat Pay uses."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def serial_of(certificate: x509.Certificate) -> str:
    """A certificate's serial as WeChat Pay writes it: 40 upper-case hex digits."""
    return format(certificate.serial_number, "040X")


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """A private key as PKCS#8 PEM, without a password."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: rsa.RSAPublicKey) -> str:
    """A public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Vault:
    """Keys and certificates by name, as PEM: kept for a sandbox that is started again, made where they are missing.

    Each gets its own source of numbers, so that it comes out the same whatever was made before it.
    """

    def __init__(self, seed: int, make_key: KeyMaker, kept: MutableMapping[str, str]) -> None:
        self._seed = seed
        self._make_key = make_key
        self._kept = kept

    def numbers(self, name: str) -> random.Random:
        """Numbers for the thing of that name; the secrets of a sandbox are none."""
        return random.Random(f"{self._seed}:{name}")  # noqa: S311 - repeatable numbers, no secrets

    def rsa_key(self, name: str) -> rsa.RSAPrivateKey:
        """The RSA key of that name."""
        if name not in self._kept:
            made = self._make_key()
            self._kept[name] = private_pem(made)
            return made
        key = load_pem_private_key(self._kept[name].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101 - it was made above
        return key

    def authority_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of the certificate authority."""
        if "authority.key" not in self._kept:
            self._kept["authority.key"] = private_pem(ec.generate_private_key(ec.SECP256R1()))
        key = load_pem_private_key(self._kept["authority.key"].encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - it was made above
        return key

    def certificate(self, name: str, make: Callable[[], x509.Certificate]) -> x509.Certificate:
        """The certificate of that name."""
        if name not in self._kept:
            self._kept[name] = make().public_bytes(Encoding.PEM).decode()
        return x509.load_pem_x509_certificate(self._kept[name].encode())


class Authority:
    """The certificate authority of this sandbox; nobody else trusts it."""

    def __init__(self, vault: Vault) -> None:
        self._numbers = vault.numbers("authority")
        self._key = vault.authority_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "WeChat Pay Sandbox CA, trusted by nobody")])
        self.certificate: x509.Certificate = vault.certificate(
            "authority.certificate",
            lambda: self._sign(self._name, self._key.public_key(), datetime.now(UTC), _FIVE_YEARS * 2, self._numbers, authority=True),
        )

    @property
    def pem(self) -> str:
        """The authority's certificate, for whoever is to trust it."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def issue(
        self,
        name: str,
        key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        start: datetime,
        life: timedelta = _FIVE_YEARS,
        *,
        numbers: random.Random | None = None,
        host: bool = False,
    ) -> x509.Certificate:
        """A certificate for `name` from `start` on. `host` makes it one for a server on the loopback interface."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._sign(subject, key, start, life, numbers or self._numbers, host=host)

    def _sign(
        self,
        subject: x509.Name,
        key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        start: datetime,
        life: timedelta,
        numbers: random.Random,
        *,
        authority: bool = False,
        host: bool = False,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(numbers.getrandbits(156) | 1 << 156)
            .not_valid_before(start)
            .not_valid_after(start + life)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if authority:
            usage = x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        if host:
            import ipaddress

            names = x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.IPAddress(ipaddress.ip_address("::1"))]
            )
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


@dataclass
class Merchant:
    """A merchant: what its console would show, and the private key, which the sandbox hands out since it made it."""

    mchid: str
    private_key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate = field(repr=False)
    apiv3_key: str = field(repr=False)
    secret: str = field(repr=False)
    mode: Mode = "public_key"
    #: When the merchant began to move from certificates to the public key.
    switch_started: float | None = None

    @cached_property
    def serial(self) -> str:
        return serial_of(self.certificate)

    @property
    def private_key_pem(self) -> str:
        return private_pem(self.private_key)

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @classmethod
    def make(cls, mchid: str, mode: Mode, authority: Authority, vault: Vault, start: datetime) -> Merchant:
        """A merchant with keys of its own."""
        name = f"merchant.{mchid}"
        numbers, key = vault.numbers(name), vault.rsa_key(f"{name}.key")
        letters = string.ascii_letters + string.digits
        certificate = vault.certificate(
            f"{name}.certificate", lambda: authority.issue(mchid, key.public_key(), start, numbers=vault.numbers(name))
        )
        return cls(
            mchid=mchid,
            private_key=key,
            certificate=certificate,
            apiv3_key="".join(numbers.choices(letters, k=32)),
            secret="".join(numbers.choices(letters, k=32)),
            mode=mode,
        )


@dataclass
class SigningKey:
    """A key that the platform signs with: named by its certificate's serial, or by a public-key id where it has no certificate."""

    serial: str
    private_key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate | None = field(default=None, repr=False)

    @property
    def pem(self) -> str:
        """What a merchant is given: the certificate, or the public key."""
        if self.certificate is not None:
            return self.certificate.public_bytes(Encoding.PEM).decode()
        return public_pem(self.private_key.public_key())


class Platform:
    """The platform's keys: the public key, and the certificates, of which the newest signs."""

    def __init__(self, authority: Authority, vault: Vault, start: datetime) -> None:
        self._authority = authority
        self._vault = vault
        self._start = start
        self._public_key: SigningKey | None = None
        self._certificates: list[SigningKey] = []
        self._issued = 0
        self._signing = ""

    @property
    def public_key(self) -> SigningKey:
        """The `PUB_KEY_ID_…` key, made when first asked for."""
        if self._public_key is None:
            digits = "".join(self._vault.numbers("platform.public").choices(string.digits, k=28))
            self._public_key = SigningKey(f"PUB_KEY_ID_0114{digits}", self._vault.rsa_key("platform.public.key"))
        return self._public_key

    @property
    def certificates(self) -> list[SigningKey]:
        """The certificates that `GET /v3/certificates` gives out, oldest first; never empty."""
        if not self._certificates:
            self.add_certificate(self._start)
        return self._certificates

    def add_certificate(self, start: datetime, *, sign_with_it: bool = True) -> SigningKey:
        """Give out one more certificate, valid from `start` on, and sign with it, or not yet."""
        name = f"platform.{self._issued}"
        self._issued += 1
        key = self._vault.rsa_key(f"{name}.key")
        certificate = self._vault.certificate(
            f"{name}.certificate",
            lambda: self._authority.issue(
                "Tenpay.com sandbox platform certificate", key.public_key(), start, numbers=self._vault.numbers(name)
            ),
        )
        made = SigningKey(serial_of(certificate), key, certificate)
        self._certificates.append(made)
        if sign_with_it:
            self._signing = made.serial
        return made

    def retire_certificate(self, serial: str) -> None:
        """Stop giving out a certificate, and signing with it."""
        self._certificates = [key for key in self._certificates if key.serial != serial]

    def key_for(self, mode: Mode) -> SigningKey:
        """The key that answers are signed with by default."""
        return self.public_key if mode == "public_key" else self._signing_certificate()

    def _signing_certificate(self) -> SigningKey:
        given_out = self.certificates
        return next((key for key in given_out if key.serial == self._signing), given_out[-1])

    def find(self, serial: str) -> SigningKey | None:
        """The key of that name, whichever kind it is; asked for by name, a key is made as when it is asked for at all."""
        known = [self.public_key] if serial.startswith("PUB_KEY_ID_") else self.certificates
        return next((key for key in known if key.serial == serial), None)
