"""Keys and certificates from every form that merchants hold them in, with an error that names the cure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from wechatpay_async.errors import ConfigError

# The readers of keys and certificates are imported where they are used: together they cost as much as half of httpx.
if TYPE_CHECKING:
    from cryptography import x509

PUBLIC_KEY_ID_PREFIX = "PUB_KEY_ID_"
MINIMUM_BITS = 2048

#: A path, `file://…`, PEM text or bytes, DER bytes, or one of the one-line forms `private.pkcs1://`, `private.pkcs8://`,
#: `public.pkcs1://`, `public.spki://` followed by base64.
KeyText: TypeAlias = str | bytes | PathLike[str]
#: How a caller hands over a private key.
PrivateKeySource: TypeAlias = KeyText | RSAPrivateKey
#: How a caller hands over a platform key.
PlatformKeySource: TypeAlias = "KeyText | RSAPublicKey | x509.Certificate"

_ONE_LINE_LABELS = {
    "private.pkcs1": "RSA PRIVATE KEY",
    "private.pkcs8": "PRIVATE KEY",
    "public.pkcs1": "RSA PUBLIC KEY",
    "public.spki": "PUBLIC KEY",
}
_Key = TypeVar("_Key", RSAPrivateKey, RSAPublicKey)
_HEX_SERIAL = re.compile(r"[0-9A-F]{1,40}")
_MAY_BE_A_SECRET = re.compile(r"[0-9A-Za-z+/=\s]{24,}|.*\n.*", re.DOTALL)
_DECIMAL_SERIAL = re.compile(r"[0-9]{41,49}")


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """A key of WeChat Pay's: a platform certificate's, or the public key of a `PUB_KEY_ID_…`.

    `not_before` and `not_after` are the certificate's, in UTC; a bare public key has none.
    """

    serial: str
    public_key: RSAPublicKey = field(repr=False)
    not_before: datetime | None = None
    not_after: datetime | None = None

    @property
    def is_certificate(self) -> bool:
        """Whether the key came with a certificate, and so expires."""
        return self.not_after is not None


def load_private_key(
    source: KeyText | RSAPrivateKey, *, password: bytes | str | None = None, parameter: str = "private_key"
) -> RSAPrivateKey:
    """The merchant's RSA private key. Raises `ConfigError` that names `parameter`."""
    if not isinstance(password, (str, bytes, NoneType)):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise ConfigError(f"{parameter}_password", f"expected text or bytes, got {type(password).__name__}")
    if isinstance(source, RSAPrivateKey):
        return _long_enough(source, parameter)
    data = _read(source, parameter)
    if b"CERTIFICATE-----" in data:
        raise ConfigError(parameter, "this is a certificate", hint="the private key is in apiclient_key.pem")
    if b"PUBLIC KEY-----" in data:
        raise ConfigError(parameter, "this is a public key", hint="the private key is in apiclient_key.pem")
    if isinstance(password, str):
        password = password.encode()
    from cryptography.hazmat.primitives import serialization

    load = serialization.load_pem_private_key if data.startswith(b"-----BEGIN") else serialization.load_der_private_key
    try:
        key = load(data, password=password)
    except TypeError:
        # `cryptography` raises TypeError both for a password that is missing and for one that is not needed.
        if password is None:
            raise ConfigError(parameter, "the key is encrypted and no password was given", hint="pass private_key_password=") from None
        raise ConfigError(parameter, "a password was given and the key is not encrypted", hint="leave private_key_password out") from None
    except (ValueError, UnsupportedAlgorithm):
        cause = "the key does not open with this password" if password is not None else "this is no private key in PEM or DER form"
        raise ConfigError(parameter, cause, hint="expected the contents of apiclient_key.pem") from None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError(parameter, f"expected an RSA key, got {type(key).__name__}")
    return _long_enough(key, parameter)


def load_public_key(source: KeyText | RSAPublicKey | x509.Certificate, *, parameter: str) -> RSAPublicKey:
    """A public key, from a public key or from a certificate. Raises `ConfigError` that names `parameter`."""
    return load_platform_key("", source, parameter=parameter).public_key


def load_platform_key(serial: str, source: KeyText | RSAPublicKey | x509.Certificate, *, parameter: str) -> PlatformKey:
    """The platform key filed under `serial`. A certificate must carry that very serial ("" asks for none)."""
    if isinstance(source, RSAPrivateKey):
        raise ConfigError(parameter, "this is a private key", hint="WeChat Pay's public key is in pub_key.pem")
    if isinstance(source, RSAPublicKey):
        return PlatformKey(serial, _long_enough(source, parameter))
    if not isinstance(source, (str, bytes, PathLike)):
        return _from_certificate(serial, load_certificate(source, parameter=parameter), parameter)
    data = _read(source, parameter)
    if b"PRIVATE KEY-----" in data:
        raise ConfigError(parameter, "this is a private key", hint="WeChat Pay's public key is in pub_key.pem")
    if b"CERTIFICATE-----" in data:
        return _from_certificate(serial, load_certificate(data, parameter=parameter), parameter)
    from cryptography.hazmat.primitives import serialization

    load = serialization.load_pem_public_key if data.startswith(b"-----BEGIN") else serialization.load_der_public_key
    try:
        key = load(data)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(parameter, "this is no public key or certificate", hint="expected the contents of pub_key.pem") from None
    if not isinstance(key, RSAPublicKey):
        raise ConfigError(parameter, f"expected an RSA key, got {type(key).__name__}")
    return PlatformKey(serial, _long_enough(key, parameter))


def load_certificate(source: KeyText | x509.Certificate, *, parameter: str) -> x509.Certificate:
    """An X.509 certificate. Raises `ConfigError` that names `parameter`."""
    from cryptography import x509

    if isinstance(source, x509.Certificate):
        return source
    data = _read(source, parameter)
    load = x509.load_pem_x509_certificate if data.startswith(b"-----BEGIN") else x509.load_der_x509_certificate
    try:
        return load(data)
    except ValueError:
        raise ConfigError(parameter, "this is no certificate", hint="expected the contents of apiclient_cert.pem") from None


def certificate_serial(certificate: x509.Certificate) -> str:
    """The serial as WeChat Pay writes it: upper-case hexadecimal, whole bytes, leading zeros kept (40 digits for its own certificates)."""
    return _hexadecimal(certificate.serial_number)


def normalise_serial(text: str, *, parameter: str) -> str:
    """A certificate's serial in the one form that the protocol knows.

    Accepts what tools print: lower case, colons, spaces, a lost leading zero, decimal (41 to 49 digits). Raises `ConfigError`.
    """
    serial = re.sub(r"[\s:]", "", text).upper().removeprefix("0X")
    if serial.startswith(PUBLIC_KEY_ID_PREFIX):
        raise ConfigError(parameter, "this is the id of WeChat Pay's public key", hint="give the serial of the merchant's own certificate")
    if _DECIMAL_SERIAL.fullmatch(serial) and int(serial) < 1 << 160:
        return _hexadecimal(int(serial))
    if not _HEX_SERIAL.fullmatch(serial):
        raise ConfigError(
            parameter,
            f"not a certificate's serial ({len(text)} characters)",
            hint="40 hexadecimal digits: openssl x509 -in apiclient_cert.pem -noout -serial",
        )
    return _hexadecimal(int(serial, 16))


def same_key(private_key: RSAPrivateKey, public_key: object) -> bool:
    """Whether the two belong together."""
    return isinstance(public_key, RSAPublicKey) and private_key.public_key().public_numbers() == public_key.public_numbers()


def _hexadecimal(number: int) -> str:
    digits = f"{number:X}"
    # 20 bytes are WeChat Pay's own length; a serial of 16 bytes or fewer is somebody else's, and keeps its bytes.
    return digits.zfill(40 if len(digits) > 32 else len(digits) + len(digits) % 2)


def _from_certificate(serial: str, certificate: x509.Certificate, parameter: str) -> PlatformKey:
    public_key = certificate.public_key()
    if not isinstance(public_key, RSAPublicKey):
        raise ConfigError(parameter, f"expected a certificate of an RSA key, got {type(public_key).__name__}")
    own = certificate_serial(certificate)
    if serial.startswith(PUBLIC_KEY_ID_PREFIX):
        raise ConfigError(parameter, "a certificate is filed under a public-key id", hint=f"its serial is {own}")
    if serial and serial != own:
        raise ConfigError(parameter, f"the certificate's own serial is {own}", hint="file it under that serial")
    return PlatformKey(own, _long_enough(public_key, parameter), certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _long_enough(key: _Key, parameter: str) -> _Key:
    if key.key_size < MINIMUM_BITS:
        raise ConfigError(parameter, f"the key has {key.key_size} bits", hint=f"WeChat Pay uses {MINIMUM_BITS} bits")
    return key


def _read(source: KeyText, parameter: str) -> bytes:
    """The PEM or DER bytes behind any of the accepted forms."""
    if isinstance(source, bytes):
        return source.strip() if source.lstrip().startswith(b"-----BEGIN") else source
    if not isinstance(source, str):
        if not isinstance(source, PathLike):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise ConfigError(parameter, f"expected a path, PEM text or bytes, or a key object, got {type(source).__name__}")
        return _read_file(Path(source), parameter)
    text = source.strip()
    if text.startswith("-----BEGIN"):
        return text.replace("\\n", "\n").encode()  # an environment file holds the lines of a PEM text as one
    scheme, separator, rest = text.partition("://")
    if separator and scheme in _ONE_LINE_LABELS:
        return _pem(_ONE_LINE_LABELS[scheme], rest, parameter)
    if separator and scheme != "file":
        raise ConfigError(parameter, f"unknown form {scheme}://", hint="file://, " + ", ".join(f"{name}://" for name in _ONE_LINE_LABELS))
    return _read_file(Path(rest if separator else text), parameter)


def _read_file(path: Path, parameter: str) -> bytes:
    # Text that is neither PEM nor a path may be the key itself without its header, or another secret: it must not appear in the error.
    shown = "the given text" if _MAY_BE_A_SECRET.fullmatch(str(path)) or len(str(path)) > 255 else path
    try:
        return path.read_bytes().strip()
    except (OSError, ValueError) as error:
        raise ConfigError(
            parameter,
            f"cannot read {shown}: {getattr(error, 'strerror', None) or type(error).__name__}",
            hint="give a path, file://…, the PEM text with its -----BEGIN line, or private.pkcs8://…",
        ) from None


def _pem(label: str, text: str, parameter: str) -> bytes:
    try:
        der = binascii.a2b_base64(re.sub(r"\s", "", text).encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ConfigError(parameter, "what follows :// is not base64") from None
    body = base64.encodebytes(der)
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), body, label.encode())
