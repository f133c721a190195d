"""The merchant's client certificate for the APIv2 operations that move money outwards: from its files to a TLS context for httpx.

The TLS library reads a key from a file alone. The file lives for that one read, in a private directory, with mode 0600, and encrypted with
a password that only this process has ever known.
"""

from __future__ import annotations

import logging
import os
import secrets
import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from wechatpay_async.crypto.keys import KeyText, certificate_serial, load_certificate, load_private_key, same_key
from wechatpay_async.errors import ConfigError

__all__ = ["ClientCertificate", "load_client_certificate"]

#: How long before its end a certificate is worth a reminder.
REMINDER: Final = timedelta(days=30)
_FILE_SCHEME: Final = "file://"

_log = logging.getLogger("wechatpay_async.client_certificate")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate, the private key that belongs to it, and the certificates of its issuers where they came along."""

    certificate: x509.Certificate
    private_key: RSAPrivateKey = field(repr=False)
    issuers: tuple[x509.Certificate, ...] = field(default=(), repr=False)

    @property
    def serial(self) -> str:
        """The certificate's serial, as WeChat Pay writes it."""
        return certificate_serial(self.certificate)

    @property
    def expires(self) -> datetime:
        """When the certificate ends, in UTC."""
        return self.certificate.not_valid_after_utc

    def expires_soon(self, now: datetime) -> bool:
        """Whether the certificate ends within 30 days of `now` (with a time zone)."""
        return self.expires - now <= REMINDER

    def ssl_context(self, base: ssl.SSLContext | None = None) -> ssl.SSLContext:
        """`base` (httpx's own defaults where there is none) with this certificate in it, for `httpx.AsyncClient(verify=…)`.

        Writes the encrypted key to a private file for the moment of the call: call it in a worker thread. Raises `ConfigError`.
        """
        context = httpx.create_ssl_context() if base is None else base
        password = secrets.token_bytes(32).hex()
        try:
            # The directory has mode 0700, and goes with what is in it on every way out of the block.
            with tempfile.TemporaryDirectory(prefix="wechatpay-") as folder:
                path = Path(folder) / "client.pem"
                _write_private(path, self._pem(password.encode()))
                context.load_cert_chain(path, password=password)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError("merchant_cert", f"the TLS library does not take it: {type(error).__name__}") from None
        return context

    def _pem(self, password: bytes) -> bytes:
        key = self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
        return b"".join([self.certificate.public_bytes(Encoding.PEM), *(one.public_bytes(Encoding.PEM) for one in self.issuers), key])


def load_client_certificate(
    *,
    mchid: str,
    now: datetime,
    merchant_cert: KeyText | x509.Certificate | None = None,
    private_key: KeyText | RSAPrivateKey | None = None,
    private_key_password: bytes | str | None = None,
    pkcs12: bytes | str | os.PathLike[str] | None = None,
    pkcs12_password: bytes | str | None = None,
) -> ClientCertificate:
    """The client certificate, from `merchant_cert` with `private_key`, or from a PKCS#12 (`apiclient_cert.p12`: its bytes or its path).

    `pkcs12_password` is the merchant number where it is not given, as WeChat Pay sets it. `now` has a time zone; a certificate that ends
    within 30 days of it is logged as a warning. Reads files: call it in a worker thread.
    Raises `ConfigError` where nothing is given, where key and certificate do not belong together, and for a certificate out of its time.
    """
    if pkcs12 is not None:
        loaded = _from_pkcs12(pkcs12, mchid.encode() if pkcs12_password is None else _to_bytes(pkcs12_password))
    elif merchant_cert is not None and private_key is not None:
        certificate = load_certificate(merchant_cert, parameter="merchant_cert")
        loaded = ClientCertificate(certificate, load_private_key(private_key, password=private_key_password))
    else:
        raise ConfigError(
            "merchant_cert",
            "missing, and this operation wants the client certificate",
            hint="give merchant_cert= (apiclient_cert.pem) beside private_key=, or pkcs12= (apiclient_cert.p12)",
        )
    _check(loaded, mchid, now, "merchant_cert" if pkcs12 is None else "pkcs12")
    return loaded


def _from_pkcs12(source: bytes | str | os.PathLike[str], password: bytes) -> ClientCertificate:
    content = _read(source)
    try:
        key, certificate, issuers = load_key_and_certificates(content, password)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(
            "pkcs12", "this is no PKCS#12, or its password is another", hint="the password is the merchant number unless it was changed"
        ) from None
    if not isinstance(key, RSAPrivateKey) or certificate is None:
        raise ConfigError("pkcs12", "holds no RSA key with its certificate", hint="expected the contents of apiclient_cert.p12")
    return ClientCertificate(certificate, key, tuple(issuers))


def _read(source: bytes | str | os.PathLike[str]) -> bytes:
    if isinstance(source, bytes):
        return source
    path = Path(source.removeprefix(_FILE_SCHEME) if isinstance(source, str) else source)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError("pkcs12", f"cannot read {path}: {error.strerror}") from None


def _to_bytes(password: bytes | str) -> bytes:
    return password.encode() if isinstance(password, str) else password


def _check(loaded: ClientCertificate, mchid: str, now: datetime, parameter: str) -> None:
    if not same_key(loaded.private_key, loaded.certificate.public_key()):
        raise ConfigError("private_key", f"does not belong to {parameter}", hint="both files of one download belong together")
    owners = [attribute.value for attribute in loaded.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    if any(isinstance(owner, str) and owner.isdigit() and owner != mchid for owner in owners):
        raise ConfigError(parameter, f"is the certificate of another merchant than {mchid}")
    if now < loaded.certificate.not_valid_before_utc:
        raise ConfigError(parameter, f"is not valid before {loaded.certificate.not_valid_before_utc:%Y-%m-%d}", hint="check the clock")
    if now >= loaded.expires:
        raise ConfigError(
            parameter, f"expired on {loaded.expires:%Y-%m-%d}", hint="renew the API certificate in the merchant platform, API security"
        )
    if loaded.expires_soon(now):
        _log.warning("the client certificate %s of merchant %s expires on %s", loaded.serial, mchid, f"{loaded.expires:%Y-%m-%d}")


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
