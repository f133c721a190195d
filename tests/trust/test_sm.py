"""SM2, SM3 and SM4 against the published examples."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import Vector, each_vector, vectors
from wechatpay_async.crypto import sm
from wechatpay_async.errors import ConfigError, DecryptionError, InvalidData

KEY = sm.load_private_key(vectors("sm2_decrypt")[0].inputs["private_key_pem"])


@each_vector("sm2_verify")
def test_published_signatures(vector: Vector) -> None:
    given_ = vector.inputs
    key = sm.load_public_key(given_.get("certificate_pem") or given_["public_key_pem"], parameter="vector")
    message = given_["message"].encode()
    assert sm.verify(key, message, given_["signature"]) is vector.expected["valid"]
    assert not sm.verify(key, message + b".", given_["signature"])


@each_vector("sm2_decrypt")
def test_published_ciphertexts(vector: Vector) -> None:
    key = sm.load_private_key(vector.inputs["private_key_pem"])
    assert sm.decrypt(key, vector.inputs["ciphertext"]) == vector.expected["plaintext"].encode()


@each_vector("sm4_gcm")
def test_published_sm4_gcm(vector: Vector) -> None:
    raw = {name: bytes.fromhex(value) for name, value in vector.inputs.items()}
    ciphertext = base64.b64encode(raw["ciphertext_hex"]).decode()
    opened = sm.gcm_decrypt(raw["key_hex"], raw["nonce_hex"], ciphertext, raw["associated_data_hex"])
    assert opened.hex().upper() == vector.expected["plaintext_hex"]
    for spoilt in (ciphertext, ciphertext[:-4], "no base64", ""):
        with pytest.raises(DecryptionError):
            sm.gcm_decrypt(raw["key_hex"], raw["nonce_hex"], spoilt, b"other")


def test_the_sm4_key_of_an_apiv3_key() -> None:
    # printf 0123456789abcdef0123456789abcdef | openssl dgst -sm3
    assert sm.sm4_key(b"0123456789abcdef0123456789abcdef").hex() == "065dfd8c28a6bb56148a5a39e42b5c84"


def test_what_is_signed_verifies_and_what_is_encrypted_opens() -> None:
    assert sm.verify(KEY.public_key, b"GET\n/v3/certificates\n", sm.sign(KEY, b"GET\n/v3/certificates\n"))
    assert sm.decrypt(KEY, sm.encrypt(KEY.public_key, "张三".encode())) == "张三".encode()
    assert sm.decrypt(KEY, "") == b""


@pytest.mark.parametrize("length", [0, 256])
def test_what_is_too_long_is_refused(length: int) -> None:
    with pytest.raises(InvalidData, match=f"SM2 encrypts 1 to 255 bytes, got {length}"):
        sm.encrypt(KEY.public_key, b"x" * length)


def armour(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.b64encode(der).decode()}\n-----END {label}-----\n"


PUBLIC_PEM = vectors("sm2_verify")[1].inputs["public_key_pem"]
PRIVATE_PEM = vectors("sm2_decrypt")[0].inputs["private_key_pem"]
PUBLIC_DER = base64.b64decode("".join(PUBLIC_PEM.split("\n")[1:-2]))
PRIVATE_DER = base64.b64decode("".join(PRIVATE_PEM.split("\n")[1:-2]))
P256 = PUBLIC_DER.replace(bytes.fromhex("06082a811ccf5501822d"), bytes.fromhex("06082a8648ce3d030107"))


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        ("rubbish", "no PEM certificate"),
        ("-----BEGIN PUBLIC KEY-----\n***\n-----END PUBLIC KEY-----", "not base64"),
        (PRIVATE_PEM, "this is a private key"),
        (armour("PUBLIC KEY", PUBLIC_DER[:-1]), "no public key or certificate in DER form"),
        (armour("PUBLIC KEY", b"\x04\x00"), "no public key or certificate in DER form"),
        (armour("CERTIFICATE", PUBLIC_DER), "no public key or certificate in DER form"),
        (armour("PUBLIC KEY", P256), "this is no SM2 key"),
        (armour("PUBLIC KEY", PUBLIC_DER.replace(b"\x00\x04\x09\xf9", b"\x00\x02\x09\xf9")), "no uncompressed point"),
    ],
)
def test_public_keys_that_are_none(pem: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sm.load_public_key(pem.encode(), parameter="certs")


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (PUBLIC_PEM, "this is a public key"),
        (armour("PRIVATE KEY", PUBLIC_DER), "no private key in PKCS#8 form"),
        (armour("PRIVATE KEY", PRIVATE_DER.replace(b"\xa1\x44", b"\xa2\x44")), "no private key in PKCS#8 form"),
        (armour("PRIVATE KEY", PRIVATE_DER[:-1]), "no private key in PKCS#8 form"),
    ],
)
def test_private_keys_that_are_none(pem: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sm.load_private_key(pem)


def test_a_certificate_without_a_version() -> None:
    algorithm = b"\x30\x00"
    fields = b"\x02\x01\x01" + algorithm * 4 + PUBLIC_DER
    signed = b"\x30\x81" + bytes([len(fields)]) + fields
    certificate = b"\x30\x81" + bytes([len(signed) + 2]) + signed + algorithm
    assert sm.load_public_key(armour("CERTIFICATE", certificate), parameter="certs") == sm.load_public_key(PUBLIC_PEM, parameter="certs")


def test_a_scalar_of_another_length() -> None:
    # One byte fewer in the scalar, and in each of the three lengths around it.
    inner = PRIVATE_DER[PRIVATE_DER.index(b"\x04\x20") + 2 :]
    short = b"\x02\x01\x01" + b"\x04\x1f" + inner[1:]
    key = b"\x30" + bytes([len(short)]) + short
    algorithm = b"\x30\x0a" + bytes.fromhex("06082a811ccf5501822d")
    body = b"\x02\x01\x00" + algorithm + b"\x04" + bytes([len(key)]) + key
    with pytest.raises(ConfigError, match="31 bytes, 32 are due"):
        sm.load_private_key(armour("PRIVATE KEY", b"\x30\x81" + bytes([len(body)]) + body))


def test_the_repr_shows_no_scalar() -> None:
    assert "scalar" not in repr(KEY)


@given(st.text())
def test_any_text_is_no_signature_and_no_ciphertext(text: str) -> None:
    assert not sm.verify(KEY.public_key, b"message", text)
    if text:
        with pytest.raises(DecryptionError):
            sm.decrypt(KEY, text)


@given(st.binary(max_size=200), st.sampled_from(["CERTIFICATE", "PUBLIC KEY", "PRIVATE KEY"]))
def test_any_der_is_refused_with_our_error(der: bytes, label: str) -> None:
    for load in (sm.load_private_key, sm.load_public_key):
        with pytest.raises(ConfigError):
            load(armour(label, der), parameter="key")
