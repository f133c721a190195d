"""RSA against the published vectors."""

from __future__ import annotations

import base64

import pytest

from tests.support.keys import MERCHANT_KEY, PLATFORM_KEY
from tests.support.vectors import Vector, each_vector
from wechatpay_async.crypto import keys, rsa
from wechatpay_async.errors import DecryptionError


@each_vector("rsa_sign")
def test_sign(vector: Vector) -> None:
    key = keys.load_private_key(vector.inputs["private_key_pem"])
    assert rsa.sign(key, vector.inputs["message"].encode()) == vector.expected["signature"]


@each_vector("rsa_verify")
def test_verify(vector: Vector) -> None:
    held = {serial: keys.load_public_key(pem, parameter="certs") for serial, pem in vector.inputs["keys"].items()}
    key = held.get(vector.inputs["serial"])
    valid = key is not None and rsa.verify(key, vector.inputs["message"].encode(), vector.inputs["signature"])
    assert valid is vector.expected["valid"]


@each_vector("rsa_oaep")
def test_oaep(vector: Vector) -> None:
    key = keys.load_private_key(vector.inputs["private_key_pem"])
    assert rsa.oaep_decrypt(key, vector.inputs["ciphertext"]) == vector.expected["plaintext"].encode()


@each_vector("rsa_pkcs1v15")
def test_pkcs1v15_is_refused_unless_asked_for_by_name(vector: Vector) -> None:
    key = keys.load_private_key(vector.inputs["private_key_pem"])
    with pytest.raises(DecryptionError):
        rsa.oaep_decrypt(key, vector.inputs["ciphertext"])
    with pytest.raises(DecryptionError):
        rsa.pkcs1v15_decrypt_by_explicit_choice(key, vector.inputs["ciphertext"])


def test_oaep_takes_214_bytes_and_no_more() -> None:
    public = PLATFORM_KEY.public_key()
    assert rsa.oaep_limit(public) == 214
    assert rsa.oaep_decrypt(PLATFORM_KEY, rsa.oaep_encrypt(public, b"x" * 214)) == b"x" * 214
    with pytest.raises(ValueError, match="Encryption failed|too long|size"):
        rsa.oaep_encrypt(public, b"x" * 215)


def test_every_flipped_bit_of_a_signature_is_seen() -> None:
    message = b"GET\n/v3/certificates\n1554208460\n593BEC0C930BF1AFEB40B4A08C8FB242\n\n"
    public = MERCHANT_KEY.public_key()
    assert rsa.verify(public, message, rsa.sign(MERCHANT_KEY, message))
    for index in range(len(message)):
        changed = bytearray(message)
        changed[index] ^= 1
        assert not rsa.verify(public, bytes(changed), rsa.sign(MERCHANT_KEY, message))


def test_the_bits_that_base64_leaves_unused_count_too() -> None:
    signature = rsa.sign(MERCHANT_KEY, b"message")
    other = signature[:-3] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[signature[-3]] + "=="
    assert base64.b64decode(other) == base64.b64decode(signature)
    assert rsa.verify(MERCHANT_KEY.public_key(), b"message", signature)
    assert not rsa.verify(MERCHANT_KEY.public_key(), b"message", other)


@pytest.mark.parametrize("signature", ["", "é", "WECHATPAY/SIGNTEST/" + "A" * 336, "====", "AAAA\n"])
def test_what_is_no_base64_is_no_signature(signature: str) -> None:
    assert not rsa.verify(MERCHANT_KEY.public_key(), b"", signature)


def test_a_ciphertext_that_is_not_ascii() -> None:
    with pytest.raises(DecryptionError, match="does not open"):
        rsa.oaep_decrypt(MERCHANT_KEY, "密文")
