"""One notification, verified and opened; every way in which it can be wrong has an error of its own."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import httpx
import pytest

from tests.support import platform
from tests.support.callbacks import NOW, TRANSACTION, Callback, callback, compact, message, probe, seal, signed
from tests.support.handmade import OAEP
from tests.support.keys import APIV3_KEY, MCHID, MERCHANT_KEY, PLATFORM_KEY, PUBLIC_KEY_ID
from tests.support.vectors import Vector, each_vector, vectors
from wechatpay_async import catalog
from wechatpay_async.crypto.keys import PlatformKey, load_platform_key
from wechatpay_async.errors import (
    BadSignature,
    ConfigError,
    DecryptionError,
    MalformedMessage,
    MissingSignature,
    RequestError,
    StaleTimestamp,
    UnknownSerial,
)
from wechatpay_async.notifications import Notification, Notifications, Recipient, Signer
from wechatpay_async.platform_keys import StaticKeys

BEIJING = timezone(timedelta(hours=8))


def receiver(
    *, keys: Mapping[str, PlatformKey] | None = None, apiv3_keys: tuple[str, ...] = (APIV3_KEY,), now: float = NOW
) -> Notifications:
    held = {PUBLIC_KEY_ID: PlatformKey(PUBLIC_KEY_ID, PLATFORM_KEY.public_key())} if keys is None else keys
    recipient = Recipient(MCHID, StaticKeys(held.values()), tuple(key.encode() for key in apiv3_keys))
    return Notifications([recipient], clock=lambda: now)


def parse(request: Callback, **options: Any) -> Notification:
    return receiver(**options).parse_blocking(request.headers, request.body)


@pytest.mark.anyio
async def test_a_genuine_notification_is_opened() -> None:
    request = callback()
    notification = await receiver().parse(request.headers, request.body)
    assert notification.id == "EV-2018022511223320873"
    assert notification.event_type == "TRANSACTION.SUCCESS"
    assert notification.create_time == datetime(2015, 5, 20, 13, 29, 35, tzinfo=BEIJING)
    assert notification.summary == "支付成功"
    assert notification.resource_type == "encrypt-resource"
    assert notification.original_type == "transaction"
    assert notification.resource == TRANSACTION
    assert notification.raw == request.body
    assert notification.mchid == MCHID


@pytest.mark.parametrize("rename", [str.lower, str.upper, str.title, str.swapcase], ids=["lower", "upper", "title", "swapped"])
def test_header_names_compare_without_case(rename: Callable[[str], str]) -> None:
    request = callback()
    headers = {rename(name): value for name, value in request.headers.items()}
    assert receiver().parse_blocking(headers, request.body).resource == TRANSACTION


def test_any_mapping_of_headers_will_do() -> None:
    request = callback()
    assert receiver().parse_blocking(httpx.Headers(request.headers), request.body).resource == TRANSACTION


def test_bytes_that_are_not_bytes_objects_are_raw_too() -> None:
    request = callback()
    assert receiver().parse_blocking(request.headers, cast("bytes", bytearray(request.body))).raw == request.body


@pytest.mark.parametrize("body", [{}, "", json.dumps(message()), None, 1, memoryview(b"{}")])
def test_a_body_that_is_not_raw_is_refused_with_the_cure(body: Any) -> None:
    with pytest.raises(RequestError, match=r"raw bytes, got \w+: the signature covers them") as caught:
        receiver().parse_blocking(callback().headers, body)
    assert "await request.body()" in str(caught.value)
    assert "Django: request.body" in str(caught.value)


@pytest.mark.parametrize("headers", [None, [("wechatpay-nonce", "1")], "wechatpay-nonce: 1"])
def test_headers_that_are_no_mapping_are_refused(headers: Any) -> None:
    with pytest.raises(RequestError, match="headers must be a mapping"):
        receiver().parse_blocking(headers, callback().body)


@each_vector("response_reject")
def test_published_rejections(vector: Vector) -> None:
    errors = {
        "timestamp": (StaleTimestamp, "not a number of seconds"),
        "serial": (UnknownSerial, "'fake'"),
        "missing headers": (
            MissingSignature,
            "missing Wechatpay-Timestamp, Wechatpay-Nonce, Wechatpay-Signature, Wechatpay-Serial",
        ),
    }
    reason = vector.expected["reason"]
    error, text = errors.get(reason, (MissingSignature, reason))
    known = {serial: PlatformKey(serial, PLATFORM_KEY.public_key()) for serial in vector.inputs["known_serials"]}
    with pytest.raises(error, match=text):
        receiver(keys=known, now=vector.inputs["now"]).parse_blocking(vector.inputs["headers"], vector.inputs["body"].encode())


@each_vector("notification")
def test_published_notifications_that_are_malformed_after_a_right_signature(vector: Vector) -> None:
    texts = {"body": "the body is no JSON", "algorithm": r"resource\.algorithm: expected AEAD_AES_256_GCM|id and event_type"}
    request = signed(vector.inputs["body"].encode())
    with pytest.raises(MalformedMessage, match=texts[vector.expected["reason"]]):
        parse(request, apiv3_keys=(vector.inputs["api_v3_key"],))


@pytest.mark.parametrize(("distance", "fresh"), [(299, True), (-299, True), (300, False), (-300, False)])
def test_a_timestamp_five_minutes_away_is_stale(distance: int, fresh: bool) -> None:
    request = callback()
    if fresh:
        assert parse(request, now=NOW + distance).resource == TRANSACTION
    else:
        with pytest.raises(StaleTimestamp, match="300 s behind" if distance > 0 else "300 s ahead of"):
            parse(request, now=NOW + distance)


def test_a_key_that_is_not_held_is_named_with_the_cure() -> None:
    request = callback()
    with pytest.raises(UnknownSerial, match="PUB_KEY_ID_0114232134912410000000000000") as caught:
        parse(request, keys={})
    assert caught.value.serial == PUBLIC_KEY_ID
    assert "certs=" in str(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize("serial", ["PUB_KEY_ID_0", "7132D72A03E93CDDF8C03BBD1F37EEDF00000000", "no serial\n", "x" * 4_000])
async def test_an_unknown_serial_is_refused_by_parse_too(serial: str) -> None:
    request = callback()
    with pytest.raises(UnknownSerial):
        await receiver().parse(request.headers | {"wechatpay-serial": serial}, request.body)


def test_a_changed_body_does_not_fit_the_signature() -> None:
    request = callback()
    with pytest.raises(BadSignature, match="does not fit the raw body") as caught:
        parse(Callback(request.headers, request.body.replace(b"EV-2018", b"EV-2019")))
    assert caught.value.probe is False
    assert "re-serialised" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{}, {"separators": (",", ":")}, {"ensure_ascii": False}], ids=["default", "escaped non-ASCII", "spaced"]
)
def test_a_body_that_went_through_a_parser_gets_the_hint(options: dict[str, Any]) -> None:
    request = callback()
    with pytest.raises(BadSignature, match=r"looks re-serialised.*FastAPI and starlette: await request\.body\(\)"):
        parse(Callback(request.headers, json.dumps(json.loads(request.body), **options).encode()))


def test_another_s_signature_is_bad() -> None:
    with pytest.raises(BadSignature):
        parse(signed(compact(message()), key=MERCHANT_KEY))


def test_a_probe_is_refused_like_a_bad_signature_and_logged_as_a_probe(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wechatpay_async")
    with pytest.raises(BadSignature, match="on purpose") as caught:
        parse(probe(callback()))
    assert caught.value.probe is True
    assert caught.value.serial == PUBLIC_KEY_ID
    assert [record.getMessage() for record in caplog.records] == [
        f"a WeChat Pay signature probe was refused, as it should be (serial {PUBLIC_KEY_ID})"
    ]


def test_a_wrong_apiv3_key_says_so() -> None:
    with pytest.raises(DecryptionError, match="the signature is right, but the resource does not open") as caught:
        parse(callback(), apiv3_keys=("0" * 32,))
    assert "APIv3 key given here is not the one" in str(caught.value)


def test_two_apiv3_keys_serve_while_the_key_is_being_changed() -> None:
    keys = ("0" * 32, APIV3_KEY)
    assert parse(callback(), apiv3_keys=keys).resource == TRANSACTION
    assert parse(callback(apiv3_key="0" * 32), apiv3_keys=keys).resource == TRANSACTION


@pytest.mark.parametrize("body", [b"<xml><return_code>SUCCESS</return_code></xml>", b"\r\n <xml/>"])
def test_xml_says_which_setting_causes_it(body: bytes) -> None:
    with pytest.raises(MalformedMessage, match="an APIv2 notification") as caught:
        receiver().parse_blocking({}, body)
    assert "notify_url with each refund" in str(caught.value)
    assert "4013071200" in str(caught.value)


def test_an_enormous_body_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(MalformedMessage, match="the body has 1048577 bytes; 1048576 are the limit"):
        receiver().parse_blocking({}, b"{" * 1_048_577)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "the body is no JSON"),
        (b"\xff", "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON: RecursionError"),
        (b"{} {}", "something follows the value"),
        (b"[]", "expected a JSON object, got list"),
        (b"{}", "resource: expected an object, got NoneType"),
        (compact(message() | {"resource": "text"}), "resource: expected an object, got str"),
        (compact(message(number="")), "id and event_type: expected text in both"),
        (compact(message() | {"id": 1}), "id and event_type: expected text in both"),
        (compact(message(event_type="")), "id and event_type: expected text in both"),
        (compact(message() | {"event_type": None}), "id and event_type: expected text in both"),
        (compact(message([1])), "the decrypted resource is no JSON object but list"),
    ],
)
def test_a_right_signature_over_something_else_is_malformed(body: bytes, text: str) -> None:
    with pytest.raises(MalformedMessage, match=text):
        parse(signed(body))


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("algorithm", "AEAD_SM4_GCM", "expected AEAD_AES_256_GCM, got 'AEAD_SM4_GCM'"),
        ("nonce", 1, "resource.nonce: expected text, got int"),
        ("ciphertext", None, "resource.ciphertext: expected text, got NoneType"),
        ("associated_data", [], "resource.associated_data: expected text, got list"),
    ],
)
def test_a_resource_of_another_shape_is_malformed(field: str, value: object, text: str) -> None:
    original = message()
    with pytest.raises(MalformedMessage, match=text):
        parse(signed(compact(original | {"resource": original["resource"] | {field: value}})))


@pytest.mark.parametrize("associated_data", [None, ""])
def test_associated_data_may_be_absent_null_or_empty(associated_data: str | None) -> None:
    original = message()
    resource = original["resource"] | {"ciphertext": seal(compact(TRANSACTION), associated_data=""), "associated_data": associated_data}
    assert parse(signed(compact(original | {"resource": resource}))).resource == TRANSACTION
    del resource["associated_data"]
    assert parse(signed(compact(original | {"resource": resource}))).resource == TRANSACTION


@pytest.mark.parametrize(
    ("create_time", "expected"),
    [
        ("2015-05-20T13:29:35+08:00", datetime(2015, 5, 20, 13, 29, 35, tzinfo=BEIJING)),
        ("2015-05-20T13:29:35.123456789+08:00", datetime(2015, 5, 20, 13, 29, 35, 123456, tzinfo=BEIJING)),
        ("2015-05-20T05:29:35Z", datetime(2015, 5, 20, 13, 29, 35, tzinfo=BEIJING)),
        ("2015-05-20T13:29:35", datetime(2015, 5, 20, 13, 29, 35, tzinfo=BEIJING)),
        ("20180225112233", datetime(2018, 2, 25, 11, 22, 33, tzinfo=BEIJING)),
        ("yesterday", datetime.fromtimestamp(NOW, BEIJING)),
        ("20181325112233", datetime.fromtimestamp(NOW, BEIJING)),
        (None, datetime.fromtimestamp(NOW, BEIJING)),
        (7, datetime.fromtimestamp(NOW, BEIJING)),
    ],
)
def test_a_time_always_has_an_offset_and_never_stops_an_event(create_time: object, expected: datetime) -> None:
    moment = parse(signed(compact(message() | {"create_time": create_time}))).create_time
    assert moment == expected
    assert moment.tzinfo is not None


def test_an_event_of_tomorrow_is_opened_too() -> None:
    notification = parse(callback({"anything": 1}, event_type="MOON_LANDING.SUCCESS", summary=None, resource_type=5))
    assert notification.event_type == "MOON_LANDING.SUCCESS"
    assert notification.resource == {"anything": 1}
    assert notification.summary == ""
    assert notification.resource_type == ""


@pytest.mark.parametrize("event_type", [event.event for event in catalog.events() if event.api == "v3"])
def test_every_documented_event_is_opened_under_its_own_name(event_type: str) -> None:
    notification = parse(callback({"state": event_type}, event_type=event_type, original_type=""))
    view: Any = notification.resource_as
    assert view(event_type) == {"state": event_type}


def test_the_typed_view_is_the_resource_of_that_very_event() -> None:
    notification = parse(callback())
    assert notification.resource_as("TRANSACTION.SUCCESS").get("out_trade_no") == "1217752501201407033233368018"
    with pytest.raises(RequestError, match=r"this notification is TRANSACTION\.SUCCESS, not REFUND\.SUCCESS"):
        notification.resource_as("REFUND.SUCCESS")


def test_a_repr_has_neither_secrets_nor_personal_data() -> None:
    notification = parse(callback())
    assert repr(notification) == (f"<Notification EV-2018022511223320873 TRANSACTION.SUCCESS 2015-05-20T13:29:35+08:00 mchid={MCHID}>")
    recipient = Recipient(MCHID, StaticKeys(), (APIV3_KEY.encode(),))
    assert repr(recipient) == f"Recipient(mchid='{MCHID}')"


@pytest.mark.parametrize(
    ("keys", "text"),
    [((), "apiv3_key: is needed to open notifications"), ((b"short",), "apiv3_key: expected 32 bytes, got 5")],
)
def test_a_recipient_needs_a_key_of_32_bytes(keys: tuple[bytes, ...], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Recipient(MCHID, StaticKeys(), keys)


def test_the_body_of_the_official_example_verifies_before_it_turns_out_to_be_no_notification() -> None:
    vector = vectors("response_verify")[0]
    key = load_platform_key("PUB_KEY_ID_1", vector.inputs["key_pem"], parameter="certs")
    notifications = receiver(keys={"PUB_KEY_ID_1": key}, now=vector.inputs["now"])
    headers = vector.inputs["headers"] | {"Wechatpay-Serial": "PUB_KEY_ID_1"}
    with pytest.raises(MalformedMessage, match="resource: expected an object"):
        notifications.parse_blocking(headers, vector.inputs["body"].encode())
    with pytest.raises(BadSignature):
        notifications.parse_blocking(headers, vector.inputs["body"].encode() + b" ")


CARD = "BRAND_MEMBER_CARD_SP.USER_CARD.CREATE"


def sealed(text: str) -> str:
    return base64.b64encode(MERCHANT_KEY.public_key().encrypt(text.encode(), OAEP)).decode()


def card(phone: Any, value: Any, signer: Signer | None) -> dict[str, Any]:
    """The resource of a notification about a member card, as the receiver gives it."""
    resource = {"card_id": "1", "phone_number": phone, "user_information": {"common_field_list": [{"name": "NAME", "value": value}]}}
    request = signed(compact(message(resource, event_type=CARD, original_type="user_card")))
    keys = StaticKeys([PlatformKey(PUBLIC_KEY_ID, PLATFORM_KEY.public_key())])
    recipient = Recipient(MCHID, keys, (APIV3_KEY.encode(),), signer)
    return Notifications([recipient], clock=lambda: float(NOW)).parse_blocking(request.headers, request.body).resource


SIGNER = Signer(MCHID, "3775B6A45ACD588826D15E583A95F5DD12345678", MERCHANT_KEY)


def test_fields_that_are_encrypted_once_more_are_opened() -> None:
    found = card(sealed("13800138000"), sealed("张三"), SIGNER)
    assert found == {
        "card_id": "1",
        "phone_number": "13800138000",
        "user_information": {"common_field_list": [{"name": "NAME", "value": "张三"}]},
    }


def test_without_the_merchant_s_key_they_stay_encrypted() -> None:
    phone, name = sealed("13800138000"), sealed("张三")
    found = card(phone, name, None)
    assert (found["phone_number"], found["user_information"]["common_field_list"][0]["value"]) == (phone, name)


def test_a_field_that_is_no_ciphertext_stays_as_it_came() -> None:
    found = card("13800138000", "", SIGNER)
    assert (found["phone_number"], found["user_information"]["common_field_list"][0]["value"]) == ("13800138000", "")


def test_a_field_that_is_encrypted_for_another_is_named() -> None:
    other = base64.b64encode(PLATFORM_KEY.public_key().encrypt(b"1", OAEP)).decode()
    with pytest.raises(DecryptionError, match="the ciphertext does not open with this private key") as caught:
        card("13800138000", other, SIGNER)
    assert caught.value.field == "resource.user_information.common_field_list[0].value"


@pytest.mark.anyio
async def test_a_client_s_own_notifications_open_them() -> None:
    resource = {"out_bill_no": "1", "user_name": sealed("张三")}
    request = signed(compact(message(resource, event_type="MCHTRANSFER.QQWALLETBILL.FINISHED")), timestamp=platform.NOW)
    async with platform.client(platform.Platform()) as wxpay:
        assert (await wxpay.notifications.parse(request.headers, request.body)).resource == {"out_bill_no": "1", "user_name": "张三"}


def test_headers_as_asgi_has_them() -> None:
    request = callback()
    as_bytes: Any = {name.encode(): value.encode() for name, value in request.headers.items()}
    assert receiver().parse_blocking(as_bytes, request.body).id == "EV-2018022511223320873"
