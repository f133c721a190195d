"""The platform's own signing and sealing: answers and notifications signed, resources and fields encrypted."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["as_json", "encrypt_resource", "open_field", "seal_bytes", "seal_field", "sign", "signature_fits"]

_PKCS1 = padding.PKCS1v15()
# SHA-1 on both sides is what WeChat Pay uses for sensitive fields: https://pay.weixin.qq.com/doc/v3/merchant/4013053257
_OAEP = padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - the protocol's choice


def as_json(data: Any) -> bytes:
    """JSON as the platform writes it: UTF-8, no spaces."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def sign(key: rsa.RSAPrivateKey, message: bytes) -> str:
    """SHA256withRSA, base64."""
    return base64.b64encode(key.sign(message, _PKCS1, hashes.SHA256())).decode()


def signature_fits(key: rsa.RSAPublicKey, message: bytes, signature: str) -> bool:
    """Whether a base64 signature is this key's over this message, written in the one way that base64 has for it."""
    try:
        raw = base64.b64decode(signature, validate=True)
        if base64.b64encode(raw).decode() != signature:
            return False
        key.verify(raw, message, _PKCS1, hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def encrypt_resource(apiv3_key: str, nonce: str, plaintext: bytes, associated_data: str) -> dict[str, str]:
    """A resource under AEAD_AES_256_GCM, the tag at the end."""
    sealed = AESGCM(apiv3_key.encode()).encrypt(nonce.encode(), plaintext, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": nonce,
        "associated_data": associated_data,
        "ciphertext": base64.b64encode(sealed).decode(),
    }


def seal_field(key: rsa.RSAPublicKey, plaintext: str) -> str:
    """A sensitive field as it travels; an empty one is left alone."""
    return base64.b64encode(key.encrypt(plaintext.encode(), _OAEP)).decode() if plaintext else ""


def seal_bytes(key: rsa.RSAPublicKey, plaintext: bytes) -> bytes:
    """RSA-OAEP for a key, as the key of an encrypted bill travels."""
    return key.encrypt(plaintext, _OAEP)


def open_field(key: rsa.RSAPrivateKey, ciphertext: str) -> str | None:
    """A sensitive field's plaintext; None when it was not sealed for this key."""
    try:
        return key.decrypt(base64.b64decode(ciphertext, validate=True), _OAEP).decode()
    except (binascii.Error, ValueError):
        return None
