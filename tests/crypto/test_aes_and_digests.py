"""AES and digests against the published vectors."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.support.vectors import Vector, each_vector
from wechatpay_async.crypto import aes, digests
from wechatpay_async.errors import ConfigError, DecryptionError


@each_vector("aes_gcm")
def test_gcm(vector: Vector) -> None:
    inputs = vector.inputs
    key, nonce, data = inputs["key"].encode(), inputs["nonce"].encode(), inputs["associated_data"].encode()
    if vector.expected.get("error"):
        with pytest.raises(DecryptionError):
            aes.gcm_decrypt(key, nonce, inputs["ciphertext"], data)
        return
    plaintext = aes.gcm_decrypt(key, nonce, inputs["ciphertext"], data)
    assert plaintext == vector.expected["plaintext"].encode()
    assert aes.gcm_encrypt(key, nonce, plaintext, data) == inputs["ciphertext"]


@each_vector("aes_ecb")
def test_ecb(vector: Vector) -> None:
    key, plaintext = vector.inputs["key"].encode(), vector.inputs["plaintext"].encode()
    assert aes.ecb_encrypt(key, plaintext) == vector.expected["ciphertext"]
    assert aes.ecb_decrypt(key, vector.expected["ciphertext"]) == plaintext


@pytest.mark.parametrize("ciphertext", ["", "AAAA", "密文", "pZwJZBLuy3mDACEQT4YTBA=="])
def test_ecb_refuses(ciphertext: str) -> None:
    with pytest.raises(DecryptionError, match="APIv2 secret"):
        aes.ecb_decrypt(b"0123456789abcdef0123456789abcdef", ciphertext)


@each_vector("digest")
def test_digest(vector: Vector) -> None:
    by_name = {"SHA1": digests.sha1_hex, "SHA256": digests.sha256_hex, "SM3": digests.sm3_hex}
    assert by_name[vector.inputs["algorithm"]](vector.inputs["text"].encode()) == vector.expected["hex"]


def test_md5_and_hmac() -> None:
    assert digests.md5_hex(b"") == "d41d8cd98f00b204e9800998ecf8427e"
    # RFC 4231, test case 2.
    assert digests.hmac_sha256_hex(b"Jefe", b"what do ya want for nothing?") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_a_machine_without_md5_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> None:
        raise ValueError("disabled for FIPS")

    monkeypatch.setattr(hashlib, "md5", refuse)
    with pytest.raises(ConfigError, match="forbids MD5.*HMAC-SHA256"):
        digests.md5_hex(b"")
