"""AES as WeChat Pay uses it: AES-256-GCM for APIv3 resources, AES-256-ECB for the APIv2 refund notification."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from wechatpay_async.errors import DecryptionError

_BLOCK_BITS = 128


def gcm_decrypt(key: bytes | AESGCM, nonce: bytes, ciphertext: str, associated_data: bytes) -> bytes:
    """Open a base64 ciphertext whose last 16 bytes are the tag. `key` may be an `AESGCM` that is kept. Raises `DecryptionError`."""
    try:
        cipher = key if isinstance(key, AESGCM) else AESGCM(key)
        return cipher.decrypt(nonce, _from_base64(ciphertext), associated_data)
    except (InvalidTag, ValueError):
        raise DecryptionError(
            "the AES-GCM ciphertext does not open", hint="is this merchant's APIv3 key the one that is set in the merchant platform today?"
        ) from None


def gcm_encrypt(key: bytes, nonce: bytes, plaintext: bytes, associated_data: bytes) -> str:
    """Seal `plaintext`; base64 with the tag at the end. A nonce must never be used twice with one key."""
    return base64.b64encode(AESGCM(key).encrypt(nonce, plaintext, associated_data)).decode("ascii")


def ecb_decrypt(key: bytes, ciphertext: str) -> bytes:
    """Open a base64 ciphertext with PKCS#7 padding. Raises `DecryptionError`."""
    try:
        decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 — the protocol's choice
        padded = decryptor.update(_from_base64(ciphertext)) + decryptor.finalize()
        unpadder = PKCS7(_BLOCK_BITS).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise DecryptionError("the AES-ECB ciphertext does not open", hint="is the APIv2 secret the merchant's own?") from None


def ecb_encrypt(key: bytes, plaintext: bytes) -> str:
    """Seal `plaintext` with PKCS#7 padding; base64."""
    padder = PKCS7(_BLOCK_BITS).padder()
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 — the protocol's choice
    padded = padder.update(plaintext) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode("ascii")


def _from_base64(text: str) -> bytes:
    return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
