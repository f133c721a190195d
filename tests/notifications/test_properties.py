"""Whatever arrives, a notification comes out or one of the package's errors; nothing else."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.callbacks import NOW, callback, compact, message, seal, signed
from tests.support.keys import APIV3_KEY, MCHID, PLATFORM_KEY, PUBLIC_KEY_ID
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.errors import SignatureError, WechatpayError
from wechatpay_async.notifications import Notification, Notifications, Recipient
from wechatpay_async.platform_keys import StaticKeys

RECEIVER = Notifications(
    [Recipient(MCHID, StaticKeys([PlatformKey(PUBLIC_KEY_ID, PLATFORM_KEY.public_key())]), (APIV3_KEY.encode(),))], clock=lambda: float(NOW)
)
GENUINE = callback()
#: The headers that the signature depends on.
NAMES = st.sampled_from(["wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-serial"])
TEXT = st.text(max_size=20) | st.sampled_from([str(NOW), PUBLIC_KEY_ID, "", "WECHATPAY/SIGNTEST/x", "\ud800"])
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def outcome(headers: Any, body: Any) -> Notification | WechatpayError:
    try:
        return RECEIVER.parse_blocking(headers, body)
    except WechatpayError as error:
        return error


@settings(deadline=None)
@given(st.dictionaries(NAMES | TEXT, TEXT | st.binary() | st.none() | st.integers()), st.binary())
def test_no_headers_and_no_body_make_anything_but_our_errors(headers: Any, body: bytes) -> None:
    assert isinstance(outcome(headers, body), WechatpayError)


@settings(deadline=None)
@given(ANYTHING, ANYTHING)
def test_no_value_at_all_makes_anything_but_our_errors(headers: Any, body: Any) -> None:
    assert isinstance(outcome(headers, body), WechatpayError)


@settings(deadline=None)
@given(NAMES, TEXT)
def test_no_change_of_a_header_is_believed(name: str, value: str) -> None:
    if value != GENUINE.headers[name]:
        assert isinstance(outcome(GENUINE.headers | {name: value}, GENUINE.body), SignatureError)


@settings(deadline=None)
@given(st.integers(0, len(GENUINE.body) - 1), st.integers(1, 255))
def test_no_changed_byte_of_the_body_is_believed(position: int, difference: int) -> None:
    body = bytearray(GENUINE.body)
    body[position] ^= difference
    assert isinstance(outcome(GENUINE.headers, bytes(body)), WechatpayError)


@settings(deadline=None)
@given(st.integers(0, 255), st.integers(1, 255))
def test_no_changed_byte_of_the_signature_is_believed(position: int, difference: int) -> None:
    signature = bytearray(base64.b64decode(GENUINE.headers["wechatpay-signature"]))
    signature[position] ^= difference
    headers = GENUINE.headers | {"wechatpay-signature": base64.b64encode(signature).decode()}
    assert isinstance(outcome(headers, GENUINE.body), SignatureError)


@settings(max_examples=60, deadline=None)
@given(ANYTHING | st.dictionaries(st.sampled_from([*message(), "algorithm"]), ANYTHING))
def test_no_signed_json_makes_anything_but_our_errors(value: Any) -> None:
    request = signed(json.dumps(value).encode())
    assert isinstance(outcome(request.headers, request.body), WechatpayError)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["algorithm", "ciphertext", "nonce", "associated_data", "original_type"]), ANYTHING))
def test_no_signed_resource_makes_anything_but_our_errors(changes: dict[str, Any]) -> None:
    original = message()
    body = json.dumps(original | {"resource": original["resource"] | changes}).encode()
    request = signed(body)
    assert isinstance(outcome(request.headers, request.body), Notification | WechatpayError)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXT, ANYTHING, max_size=4))
def test_every_sealed_object_comes_out_as_it_went_in(resource: dict[str, Any]) -> None:
    original = message()
    sealed = seal(json.dumps(resource).encode())
    request = signed(compact(original | {"resource": original["resource"] | {"ciphertext": sealed}}))
    found = outcome(request.headers, request.body)
    assert isinstance(found, Notification)
    assert json.dumps(found.resource) == json.dumps(resource)
