"""The reply of `GET /v3/certificates`: what it brings, who signed it, and what its failures mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import Vector, each_vector
from tests.trust.platform import APIV3_KEY, NOW, entry, error, issue, listing, public_key, signed
from wechatpay_async.crypto.keys import load_certificate, load_private_key
from wechatpay_async.errors import (
    APIError,
    BadSignature,
    ConfigError,
    DecryptionError,
    MalformedMessage,
    MissingSignature,
    ServerError,
    StaleTimestamp,
    UnknownSerial,
    WechatpayError,
)
from wechatpay_async.protocol.certificates import check_reply, download_error, read_certificates

A = issue("a", 1)
B = issue("b", 2)


@each_vector("certificates")
def test_the_published_download(vector: Vector) -> None:
    given_ = vector.inputs
    body = given_["response_body"].encode()
    keys = read_certificates(body, given_["api_v3_key"].encode())
    assert list(keys) == [expected["serial_no"] for expected in vector.expected["certificates"]]
    for expected in vector.expected["certificates"]:
        key = keys[expected["serial_no"]]
        certificate = load_certificate(expected["pem"], parameter="vector")
        assert key.public_key.public_numbers() == certificate.public_key().public_numbers()  # type: ignore[union-attr]  # pyright: ignore — an RSA key, as every one here
        assert key.not_before == datetime.fromisoformat(expected["effective_time"])
        assert key.not_after == datetime.fromisoformat(expected["expire_time"])
    headers = signed(body, load_private_key(given_["platform_private_key_pem"]), next(iter(keys)), now=NOW)
    check_reply(headers, body, NOW, keys)


def test_several_certificates_and_those_of_another_algorithm() -> None:
    other = entry(B, encrypt_certificate={"algorithm": "AEAD_SM4_GCM", "nonce": "n", "ciphertext": "c", "associated_data": "certificate"})
    keys = read_certificates(json.dumps({"data": [entry(A), other]}).encode(), APIV3_KEY)
    assert list(keys) == [A.serial]
    assert keys[A.serial].not_before == datetime.fromtimestamp(NOW - 86400, UTC)
    assert keys[A.serial].is_certificate


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "the body is no JSON"),
        (b"[]", "certificates: expected a list under data"),
        (b'{"data": {}}', "certificates: expected a list under data"),
        (b'{"data": [1]}', r"certificates.data\[0\]: expected an object, got int"),
        (b'{"data": [{}]}', r"certificates.data\[0\]: expected serial_no and encrypt_certificate"),
        (b'{"data": [{"serial_no": "A", "encrypt_certificate": {"algorithm": "AEAD_AES_256_GCM"}}]}', "resource.nonce: expected text"),
        (json.dumps({"data": [entry(A, serial_no=B.serial)]}).encode(), f"the certificate's own serial is {A.serial}"),
    ],
)
def test_a_list_that_is_none(body: bytes, message: str) -> None:
    with pytest.raises(MalformedMessage, match=message):
        read_certificates(body, APIV3_KEY)


def test_another_apiv3_key_names_the_entry_and_the_cure() -> None:
    with pytest.raises(DecryptionError, match=r"certificates.data\[1\]: .*APIv3 key") as failure:
        read_certificates(json.dumps({"data": [entry(A), entry(B, apiv3_key=b"x" * 32)]}).encode(), APIV3_KEY)
    assert failure.value.field == "certificates.data[1]"


def test_the_signature_is_checked_with_the_key_it_names() -> None:
    _, headers, body = listing(A, B)
    keys = read_certificates(body, APIV3_KEY)
    check_reply(headers, body, NOW, keys)
    with pytest.raises(UnknownSerial, match="they are not taken over"):
        check_reply(headers, body, NOW, {B.serial: keys[B.serial]})
    with pytest.raises(BadSignature):
        check_reply(headers, body + b" ", NOW, keys)
    with pytest.raises(StaleTimestamp):
        check_reply(headers, body, NOW + 300, keys)
    with pytest.raises(MissingSignature):
        check_reply({}, body, NOW, keys)


@pytest.mark.parametrize(("status", "code"), [(404, "RESOURCE_NOT_EXISTS"), (404, "NOT_FOUND"), (404, "")])
def test_404_means_public_key_mode(status: int, code: str) -> None:
    failure = download_error(*error(status, code))
    assert isinstance(failure, ConfigError)
    assert failure.parameter == "platform_keys"
    assert "public-key mode" in str(failure)
    assert "pub_key.pem" in str(failure)


def test_500_may_mean_it() -> None:
    failure = download_error(*error(500, "SYSTEM_ERROR"))
    assert isinstance(failure, ServerError)
    assert "perhaps this merchant uses the public-key mode" in str(failure)


def test_other_errors_are_the_servers() -> None:
    failure = download_error(*error(401, "SIGN_ERROR"))
    assert isinstance(failure, APIError)
    assert failure.status == 401
    assert "public-key" not in str(failure)
    assert download_error(200, {}, b"") is None


scraps: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | st.sampled_from(["AEAD_AES_256_GCM", A.serial]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "serial_no", "encrypt_certificate", "algorithm", "nonce", "ciphertext", "associated_data"]), inner
        )
    ),
)


@given(st.binary() | scraps.map(lambda value: json.dumps({"data": value}).encode()))
def test_any_body_gives_certificates_or_our_error(body: bytes) -> None:
    try:
        keys = read_certificates(body, APIV3_KEY)
    except WechatpayError:
        return
    assert keys == {}


@given(st.dictionaries(st.sampled_from(["wechatpay-timestamp", "Wechatpay-Nonce", "WECHATPAY-SIGNATURE", "Wechatpay-Serial"]), st.text()))
def test_any_headers_are_refused_with_our_error(headers: dict[str, str]) -> None:
    with pytest.raises(WechatpayError):
        check_reply(headers, b"{}", NOW, {public_key().serial: public_key()})
