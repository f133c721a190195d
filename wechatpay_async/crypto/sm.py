"""SM2, SM3 and SM4 (国密) as WeChat Pay uses them, for merchants whose keys and certificates are of that kind.

`cryptography` has SM3 and SM4 but no SM2: that comes from GmSSL, with `pip install 'wechatpay-async[sm]'`.
Signatures are ASN.1 DER with the id `1234567812345678`, ciphertexts C1C3C2 in ASN.1 DER; both travel in base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from wechatpay_async.errors import ConfigError, DecryptionError, InvalidData

SCHEME: Final = "WECHATPAY2-SM2-WITH-SM3"
#: The most bytes that one ciphertext holds.
SM2_LIMIT: Final = 255

_TAG_BYTES = 16
_POINT_BYTES = 64
_SCALAR_BYTES = 32
_SM2_CURVE = bytes.fromhex("06082a811ccf5501822d")  # the object identifier 1.2.156.10197.1.301
_PEM = re.compile(rb"-----BEGIN (CERTIFICATE|PUBLIC KEY|PRIVATE KEY)-----(.*?)-----END", re.DOTALL)
_SEQUENCE, _EXPLICIT_0, _EXPLICIT_1 = 0x30, 0xA0, 0xA1


@dataclass(frozen=True, slots=True)
class SM2PublicKey:
    """A point of the curve: 64 bytes."""

    point: bytes


@dataclass(frozen=True, slots=True)
class SM2PrivateKey:
    """A scalar of 32 bytes and its point."""

    scalar: bytes = field(repr=False)
    public_key: SM2PublicKey


def load_public_key(pem: str | bytes, *, parameter: str) -> SM2PublicKey:
    """The key of a PEM public key or certificate. Raises `ConfigError` that names `parameter`."""
    label, der = _unarmour(pem, parameter)
    if label == "PRIVATE KEY":
        raise ConfigError(parameter, "this is a private key")
    try:
        key_info = der if label == "PUBLIC KEY" else _key_info_of_certificate(der)
        algorithm, bits = _children(key_info)
    except (ValueError, IndexError):
        raise ConfigError(parameter, "this is no public key or certificate in DER form") from None
    return SM2PublicKey(_point(algorithm, bits.content[1:], parameter))


def load_private_key(pem: str | bytes, *, parameter: str = "private_key") -> SM2PrivateKey:
    """The key of an unencrypted PEM private key (PKCS#8). Raises `ConfigError` that names `parameter`."""
    label, der = _unarmour(pem, parameter)
    if label != "PRIVATE KEY":
        raise ConfigError(parameter, f"this is a {label.lower()}")
    try:
        _, algorithm, octets = _children(der)[:3]
        _, scalar, *rest = _children(octets.content)
        bits = next(_children_of(part.content) for part in rest if part.tag == _EXPLICIT_1)[0]
    except (ValueError, IndexError, StopIteration):
        raise ConfigError(parameter, "this is no private key in PKCS#8 form with its public key") from None
    public_key = SM2PublicKey(_point(algorithm, bits.content[1:], parameter))
    if len(scalar.content) != _SCALAR_BYTES:
        raise ConfigError(parameter, f"the key has {len(scalar.content)} bytes, {_SCALAR_BYTES} are due")
    return SM2PrivateKey(scalar.content, public_key)


def sign(key: SM2PrivateKey, message: bytes) -> str:
    """The base64 signature of `message`, SM2 with SM3. Each one is another, and all of them verify."""
    return base64.b64encode(_gmssl().sm2_sign(key.scalar, key.public_key.point, message)).decode("ascii")


def verify(key: SM2PublicKey, message: bytes, signature: str) -> bool:
    """Whether `signature` (base64) is the key owner's for `message`. Whatever is no base64 is simply not a signature."""
    gmssl = _gmssl()
    try:
        return bool(gmssl.sm2_verify(key.point, message, binascii.a2b_base64(signature.encode("ascii"), strict_mode=True)))
    except (gmssl.GmsslInnerError, binascii.Error, UnicodeEncodeError):
        return False


def encrypt(key: SM2PublicKey, plaintext: bytes) -> str:
    """Encrypt 1 to 255 bytes for the key's owner; base64. Raises `InvalidData`."""
    if not 1 <= len(plaintext) <= SM2_LIMIT:
        raise InvalidData("plaintext", f"SM2 encrypts 1 to {SM2_LIMIT} bytes, got {len(plaintext)}")
    return base64.b64encode(_gmssl().sm2_encrypt(key.point, plaintext)).decode("ascii")


def decrypt(key: SM2PrivateKey, ciphertext: str) -> bytes:
    """Open a base64 ciphertext. An empty one stands for an empty value. Raises `DecryptionError`."""
    if not ciphertext:
        return b""
    gmssl = _gmssl()
    try:
        return bytes(gmssl.sm2_decrypt(key.scalar, binascii.a2b_base64(ciphertext.encode("ascii"), strict_mode=True)))
    except (gmssl.GmsslInnerError, binascii.Error, UnicodeEncodeError):
        raise DecryptionError("the ciphertext does not open with this SM2 key", hint="it is encrypted for another certificate") from None


def sm4_key(apiv3_key: bytes) -> bytes:
    """The SM4 key that belongs to an APIv3 key: the first 16 bytes of its SM3 digest."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(apiv3_key)
    return digest.finalize()[:16]


def gcm_decrypt(key: bytes, nonce: bytes, ciphertext: str, associated_data: bytes) -> bytes:
    """Open an `AEAD_SM4_GCM` ciphertext in base64 whose last 16 bytes are the tag. Raises `DecryptionError`."""
    try:
        sealed = binascii.a2b_base64(ciphertext.encode("ascii"), strict_mode=True)
        decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, sealed[-_TAG_BYTES:])).decryptor()
        decryptor.authenticate_additional_data(associated_data)
        return decryptor.update(sealed[:-_TAG_BYTES]) + decryptor.finalize()
    except (InvalidTag, ValueError):
        raise DecryptionError(
            "the SM4-GCM ciphertext does not open", hint="is this merchant's APIv3 key the one that is set today?"
        ) from None


class _Part(NamedTuple):
    """One ASN.1 value: its tag, its content, and itself with its head."""

    tag: int
    content: bytes
    whole: bytes


def _gmssl() -> ModuleType:
    """GmSSL, which only the extra brings."""
    try:
        return import_module("gmssl_pyx")
    except ImportError:  # pragma: no cover — the tests install the extra
        raise ConfigError("sm", "SM2 needs GmSSL", hint="pip install 'wechatpay-async[sm]'") from None


def _unarmour(pem: str | bytes, parameter: str) -> tuple[str, bytes]:
    found = _PEM.search(pem.encode() if isinstance(pem, str) else pem)
    if found is None:
        raise ConfigError(parameter, "this is no PEM certificate, public key or PKCS#8 private key")
    try:
        return found[1].decode(), binascii.a2b_base64(re.sub(rb"\s", b"", found[2]), strict_mode=True)
    except binascii.Error:
        raise ConfigError(parameter, "what stands between BEGIN and END is not base64") from None


def _key_info_of_certificate(der: bytes) -> bytes:
    """The subject's public key of a certificate: the sixth field, or the seventh where a version stands before."""
    signed = _children(_children(der)[0].whole)
    return signed[6 if signed[0].tag == _EXPLICIT_0 else 5].whole


def _point(algorithm: _Part, uncompressed: bytes, parameter: str) -> bytes:
    if _SM2_CURVE not in algorithm.content:
        raise ConfigError(parameter, "this is no SM2 key", hint="its algorithm is another one")
    if len(uncompressed) != 1 + _POINT_BYTES or uncompressed[0] != 4:
        raise ConfigError(parameter, "the public key is no uncompressed point")
    return uncompressed[1:]


def _children(der: bytes) -> list[_Part]:
    """The values inside one SEQUENCE. Raises `ValueError`."""
    outer = _children_of(der)
    if len(outer) != 1 or outer[0].tag != _SEQUENCE:
        raise ValueError("expected one SEQUENCE")
    return _children_of(outer[0].content)


def _children_of(content: bytes) -> list[_Part]:
    """The values that stand one after the other. Raises `ValueError`, `IndexError`."""
    parts: list[_Part] = []
    at = 0
    while at < len(content):
        start, tag, length, at = at, content[at], content[at + 1], at + 2
        if length >= 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(content[at : at + size], "big"), at + size
        if at + length > len(content):
            raise ValueError("a value is cut off")
        parts.append(_Part(tag, content[at : at + length], content[start : at + length]))
        at += length
    return parts
