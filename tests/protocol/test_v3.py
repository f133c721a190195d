"""APIv3's pure functions against the published vectors, and bit by bit."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import APIV3_KEY, PLATFORM_KEY
from tests.support.vectors import Vector, each_vector
from wechatpay_async import errors
from wechatpay_async.crypto import keys, rsa
from wechatpay_async.protocol import v3

NOW = 1722850421
BODY = b'{"code_url":"weixin://wxpay/bizpayurl?pr=JyC91EIz1"}'
NONCE = "d824f2e086d3c1df967785d13fcd22ef"


def signed(body: bytes = BODY, *, timestamp: str = str(NOW), nonce: str = NONCE) -> v3.SignatureHeaders:
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return v3.SignatureHeaders(timestamp, nonce, rsa.sign(PLATFORM_KEY, message), "PUB_KEY_ID_1")


@each_vector("sign_message")
def test_messages(vector: Vector) -> None:
    lines: list[str] = vector.inputs["lines"]
    if len(lines) == 5:
        message = v3.request_message(lines[0], lines[1], lines[2], lines[3], lines[4].encode())
    else:
        message = v3.reply_message(lines[0], lines[1], lines[2].encode())
    assert message == vector.expected["message"].encode()


@each_vector("request_sign")
def test_request_signature(vector: Vector) -> None:
    inputs = vector.inputs
    message = v3.request_message(inputs["method"], inputs["url"], int(inputs["timestamp"]), inputs["nonce_str"], inputs["body"].encode())
    assert message == vector.expected["message"].encode()
    assert rsa.sign(keys.load_private_key(inputs["private_key_pem"]), message) == vector.expected["signature"]


def expected_fields(fields: dict[str, str]) -> list[str]:
    """The header's fields split at `",`: only our last one keeps its quotation mark."""
    return [f'{name}="{value}' + ('"' if name == "serial_no" else "") for name, value in fields.items()]


@each_vector("authorization")
def test_authorization(vector: Vector) -> None:
    inputs = vector.inputs
    header = v3.authorization(
        inputs["scheme"], inputs["mchid"], inputs["nonce_str"], inputs["signature"], inputs["timestamp"], inputs["serial_no"]
    )
    scheme, fields = header.split(" ", 1)
    assert scheme == inputs["scheme"]
    # The order of the fields has no meaning.
    assert sorted(fields.split('",')) == sorted(expected_fields(vector.expected["fields"]))
    if "message" in vector.expected:
        message = v3.request_message(inputs["method"], inputs["url"], inputs["timestamp"], inputs["nonce_str"], inputs["body"].encode())
        assert message == vector.expected["message"].encode()


def test_a_brand_signs_under_its_own_scheme() -> None:
    assert v3.authorization(v3.BRAND_SCHEME, "40001", "2", "3", 4, "5") == (
        'WECHATPAY-BRAND-SHA256-RSA2048 brand_id="40001",nonce_str="2",signature="3",timestamp="4",serial_no="5"'
    )


@each_vector("response_verify")
def test_a_genuine_reply(vector: Vector) -> None:
    key = keys.load_public_key(vector.inputs["key_pem"], parameter="certs")
    headers = v3.signature_headers({**vector.inputs["headers"], "Wechatpay-Serial": "PUB_KEY_ID_1"})
    body = vector.inputs["body"].encode()
    assert v3.reply_message(headers.timestamp, headers.nonce, body) == vector.expected["message"].encode()
    v3.check_timestamp(headers, vector.inputs["now"])
    v3.check_signature(key, headers, body)


def test_header_names_compare_without_case() -> None:
    headers = {"WECHATPAY-TIMESTAMP": "1", "wechatpay-nonce": "2", "Wechatpay-signature": "3", "wechatpay-Serial": "4"}
    assert v3.signature_headers(headers) == ("1", "2", "3", "4")


def test_a_missing_header_says_whose_reply_it_was() -> None:
    with pytest.raises(errors.MissingSignature) as caught:
        v3.signature_headers({"request-id": "08F7", "wechatpay-serial": "PUB_KEY_ID_1"})
    assert (caught.value.request_id, caught.value.serial) == ("08F7", "PUB_KEY_ID_1")


@pytest.mark.parametrize("distance", [-299, 0, 299, 299.9, -299.9])
def test_within_the_window(distance: float) -> None:
    v3.check_timestamp(signed(), NOW + distance)


@pytest.mark.parametrize(("distance", "side"), [(300, "behind"), (-300, "ahead of"), (1e9, "behind")])
def test_outside_the_window(distance: float, side: str) -> None:
    with pytest.raises(errors.StaleTimestamp, match=f"{abs(distance):.0f} s {side} the clock; 300 s are the limit .*NTP"):
        v3.check_timestamp(signed(), NOW + distance)


@pytest.mark.parametrize("text", ["", "+1722850421", " 1722850421", "1722850421.0", "١٧٢٢٨٥٠٤٢١", "1722850421000" * 2, "-1", "1e9"])
def test_a_timestamp_that_is_no_number(text: str) -> None:
    with pytest.raises(errors.StaleTimestamp, match="not a number of seconds"):
        v3.check_timestamp(signed()._replace(timestamp=text), NOW)


def test_every_part_of_a_reply_is_covered() -> None:
    key, headers = PLATFORM_KEY.public_key(), signed()
    v3.check_signature(key, headers, BODY)
    for index in range(len(BODY)):
        changed = bytearray(BODY)
        changed[index] ^= 1
        with pytest.raises(errors.BadSignature):
            v3.check_signature(key, headers, bytes(changed))
    for other in (headers._replace(timestamp="1722850422"), headers._replace(nonce="e" + NONCE[1:])):
        with pytest.raises(errors.BadSignature, match="does not fit the raw body .*PUB_KEY_ID_1"):
            v3.check_signature(key, other, BODY)


def test_a_probe_is_refused_and_named() -> None:
    probe = signed()._replace(signature="WECHATPAY/SIGNTEST/" + "x" * 336)
    with pytest.raises(errors.BadSignature, match="a probe") as caught:
        v3.check_signature(PLATFORM_KEY.public_key(), probe, BODY)
    assert caught.value.probe


def test_json_is_compact_utf8_and_unchanged() -> None:
    body = {"description": "图书 & <b>", "amount": {"total": 1}, "list": [1, 2.5, True, ("a",)], "empty": {}}
    expected = '{"description":"图书 & <b>","amount":{"total":1},"list":[1,2.5,true,["a"]],"empty":{}}'
    assert v3.encode_json(body) == expected.encode()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": None}, r"\$\.a: is None .*leave the field out"),
        ({"a": [{"b": None}]}, r"\$\.a\[0\]\.b: is None"),
        ({"a": float("nan")}, r"\$\.a: is nan"),
        ({"a": float("-inf")}, r"\$\.a: is -inf"),
        ({"a": b"x"}, r"\$\.a: is a bytes, .*decode it"),
        ({"a": Decimal("1.5")}, r"\$\.a: is a Decimal, .*fen"),
        ({"a": datetime(2024, 1, 1)}, r"\$\.a: is a datetime, .*RFC 3339"),
        ({"a": date(2024, 1, 1)}, r"\$\.a: is a date"),
        ({"a": {1}}, r"\$\.a: is a set, .*a list"),
        ({"a": object()}, r"\$\.a: is a object, which JSON does not know$"),
        ({1: "x"}, r"\$: has a key of type int"),
        ({"a": {True: 1}}, r"\$\.a: has a key of type bool"),
        ({"description": "红包🧧"}, r"\$\.description: has a character beyond the BMP \(U\+1F9E7\) .*emoji"),
        (["\ud83e"], r"\$\[0\]: has half a surrogate pair"),
    ],
)
def test_what_must_not_be_sent(value: Any, message: str) -> None:
    with pytest.raises(errors.InvalidData, match=f"^{message}"):
        v3.encode_json(value)


JSON = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_every_json_value_comes_back(value: Any) -> None:
    assert json.loads(v3.encode_json(value)) == value


SIGN_INFORMATION = {
    "method": "GET",
    "url": "/v3/certificates",
    "truncated_sign_message": "GET\n/v3/certificates\n1554208460\nNONCE\n\n",
    "sign_message_length": 40,
}
SIGN_ERROR = {
    "code": "SIGN_ERROR",
    "message": "签名错误",
    "detail": {"detail": {"issue": "sign not match"}, "sign_information": SIGN_INFORMATION},
}


def sign_error(message: bytes, body: Any = SIGN_ERROR) -> errors.APIError:
    return v3.api_error(401, {"Request-ID": "08F7-268"}, json.dumps(body).encode(), signed_message=message)


def test_sign_error_shows_both_messages() -> None:
    error = sign_error(b"GET\n/v3/certificates?a=1\n1554208460\nNONCE\n\n")
    assert isinstance(error, errors.AuthError)
    assert error.signed_message == "GET\n/v3/certificates?a=1\n1554208460\nNONCE\n\n"
    assert error.server_message == "GET\n/v3/certificates\n1554208460\nNONCE\n\n"
    assert error.hint == "the request target differs: signed '/v3/certificates?a=1', the server saw '/v3/certificates'"
    assert str(error).startswith("401 SIGN_ERROR: 签名错误 [Request-ID 08F7-268]\n  signed here:   'GET")


def test_sign_error_with_the_same_message_is_the_wrong_key() -> None:
    error = sign_error(b"GET\n/v3/certificates\n1554208460\nNONCE\n\n")
    assert error.hint == "both sides signed the same message: the private key does not belong to the serial that was sent"


def test_sign_error_whose_message_the_server_cut_short() -> None:
    body = {"code": "SIGN_ERROR", "message": "", "detail": [{"truncated_sign_message": 'POST\n/v3/pay\n1\nN\n{"a"'}]}
    error = sign_error(b'POST\n/v3/pay\n1\nN\n{"a":1}\n', body)
    assert error.hint is not None
    assert error.hint.startswith("both sides signed the same message")


def test_sign_error_without_the_servers_message() -> None:
    error = sign_error(b"GET\n/\n1\nN\n\n", {"code": "SIGN_ERROR", "message": "no"})
    assert error.server_message is None
    assert error.hint is not None
    assert "compare the two messages" in error.hint


@pytest.mark.parametrize(
    ("status", "code", "error", "retryable", "outcome_unknown"),
    [
        (400, "PARAM_ERROR", errors.InvalidRequest, False, False),
        (401, "SIGN_ERROR", errors.AuthError, False, False),
        (403, "NO_AUTH", errors.PermissionDenied, False, False),
        (404, "ORDER_NOT_EXIST", errors.NotFound, False, False),
        (409, "RESOURCE_CONFLICT", errors.Conflict, False, False),
        (429, "RATELIMIT_EXCEEDED", errors.RateLimited, True, False),
        (400, "FREQUENCY_LIMITED", errors.RateLimited, True, False),
        (500, "SYSTEM_ERROR", errors.ServerError, True, True),
        (400, "SYSTEM_ERROR", errors.ServerError, True, True),
        (502, "", errors.ServerError, True, True),
        (418, "", errors.APIError, False, False),
    ],
)
def test_class_by_code_and_status(status: int, code: str, error: type[errors.APIError], retryable: bool, outcome_unknown: bool) -> None:
    found = v3.api_error(status, {}, json.dumps({"code": code, "message": "m"}).encode())
    assert type(found) is error
    assert (found.status, found.code, found.message) == (status, code, "m")
    assert (found.retryable, found.outcome_unknown) == (retryable, outcome_unknown)


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_envelope(body: bytes) -> None:
    error = v3.api_error(502, {"Content-Type": "text/html", "Retry-After": "7"}, body)
    assert isinstance(error, errors.ServerError)
    assert error.code == ""
    assert error.message == (
        "HTTP 502 with an empty body" if not body else f"HTTP 502 with a body that is no error envelope (text/html, {len(body)} bytes)"
    )
    assert error.retry_after == 7.0
    assert len(error.body) <= 4096


@pytest.mark.parametrize("text", ["Wed, 21 Oct 2015 07:28:00 GMT", "-1", "9999999", "١"])
def test_a_retry_after_in_another_form(text: str) -> None:
    assert v3.api_error(429, {"retry-after": text}, b"").retry_after is None


@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_error_body_makes_anything_else(status: int, body: bytes) -> None:
    assert isinstance(v3.api_error(status, {}, body, signed_message=b""), errors.APIError)


@each_vector("notification")
def test_notification_bodies(vector: Vector) -> None:
    key = vector.inputs["api_v3_key"].encode()
    if vector.expected.get("error"):
        with pytest.raises(errors.MalformedMessage):
            v3.decrypt_resource(v3.decode_json(vector.inputs["body"].encode())["resource"], key)
        return
    resource = v3.decode_json(vector.inputs["body"].encode())["resource"]
    assert json.loads(v3.decrypt_resource(resource, key)) == vector.expected["resource"]


RESOURCE = {
    "algorithm": "AEAD_AES_256_GCM",
    "nonce": "uluk4a9R25RW",
    "ciphertext": "ulwSiIajGClcvcOYvOQ7+l+0PAbzzwI=",
    "associated_data": "associatedData",
}


def test_a_resource_opens() -> None:
    assert v3.decrypt_resource(RESOURCE, APIV3_KEY.encode()) == b"message"


@pytest.mark.parametrize("absent", [{"associated_data": None}, {"associated_data": ""}])
def test_associated_data_may_be_absent(absent: dict[str, Any]) -> None:
    with pytest.raises(errors.DecryptionError, match="APIv3 key"):
        v3.decrypt_resource({**RESOURCE, **absent}, APIV3_KEY.encode())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"algorithm": "AEAD_SM4_GCM"}, "resource.algorithm: expected AEAD_AES_256_GCM, got 'AEAD_SM4_GCM'"),
        ({"algorithm": None}, "resource.algorithm: expected AEAD_AES_256_GCM, got NoneType"),
        ({"nonce": 1}, "resource.nonce: expected text, got int"),
        ({"ciphertext": None}, "resource.ciphertext: expected text, got NoneType"),
        ({"associated_data": []}, "resource.associated_data: expected text, got list"),
    ],
)
def test_a_resource_of_another_shape(change: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.MalformedMessage, match=message):
        v3.decrypt_resource({**RESOURCE, **change}, APIV3_KEY.encode())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"{} {}", b"{}x"])
def test_no_json(body: bytes) -> None:
    with pytest.raises(errors.MalformedMessage, match="the body is no JSON"):
        v3.decode_json(body)
