"""APIv2's notifications: what is trusted, what it says, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import vectors
from wechatpay_async.crypto import aes
from wechatpay_async.crypto.digests import md5_hex
from wechatpay_async.errors import (
    BadSignature,
    ConfigError,
    DecryptionError,
    MalformedMessage,
    MissingSignature,
    RequestError,
    SignatureError,
    WechatpayError,
)
from wechatpay_async.notifications.model import Notification
from wechatpay_async.notifications.v2 import EitherNotifications, V2Notifications, ack, fail
from wechatpay_async.protocol import v2, xml
from wechatpay_async.protocol.v3 import encode_json

MCHID = "10000100"
SECRET = b"192006250b4c09247ec02edce69f6a2d"
APIV3_KEY = b"a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb"
BEIJING = timezone(timedelta(hours=8))
RECEIVER = V2Notifications(mchid=MCHID, secret=SECRET, apiv3_key=APIV3_KEY, clock=lambda: 1_700_000_000.0)

PAID = {
    "appid": "wx2421b1c4370ec43b",
    "attach": "支付测试",
    "bank_type": "CFT",
    "is_subscribe": "Y",
    "mch_id": MCHID,
    "nonce_str": "5d2b6c2a8db53831f7eda20af46e531c",
    "openid": "oUpF8uMEb4qRXf22hE3X68TekukE",
    "out_trade_no": "1409811653",
    "result_code": "SUCCESS",
    "return_code": "SUCCESS",
    "time_end": "20140903131540",
    "total_fee": "1",
    "trade_type": "JSAPI",
    "transaction_id": "1004400740201409030005092168",
}
CONTRACT = {
    "change_type": "ADD",
    "contract_code": "100001256",
    "contract_id": "Wx15463511252015071056489715",
    "mch_id": MCHID,
    "openid": "onqOjjmM1tad-3ROpncN-yUfa6ua",
    "operate_time": "2015-07-01 10:00:00",
    "plan_id": "123",
    "request_serial": "1695",
    "result_code": "SUCCESS",
    "return_code": "SUCCESS",
}
COMBINED = {
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "combine_appid": "wx2421b1c4370ec43b",
    "combine_mch_id": MCHID,
    "combine_out_trade_no": "20150806125346",
    "nonce_str": "n",
    "trade_type": "JSAPI",
    "sign_type": "HMAC-SHA256",
    "sub_order_list": '{"order_num":1,"order_list":[{"mch_id":"1900000109","out_trade_no":"a","total_fee":10}]}',
}
REFUNDED = {
    "out_refund_no": "131811191610442717309",
    "out_trade_no": "71106718111915575302817",
    "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
    "refund_fee": "3960",
    "refund_id": "50000408942018111907145868882",
    "refund_recv_accout": "支付用户零钱",
    "refund_request_source": "API",
    "refund_status": "SUCCESS",
    "settlement_refund_fee": "3960",
    "settlement_total_fee": "3960",
    "success_time": "2018-11-19 16:24:13",
    "total_fee": "3960",
    "transaction_id": "4200000215201811190261405420",
}
DEPOSIT = {"state": "USER_PAID", "service_id": "500001", "out_order_no": "1234323JKHDFE1243252", "deposit_amount": "100"}


def signed(fields: Mapping[str, str], sign_type: v2.SignType = "MD5") -> bytes:
    return xml.build("xml", {**fields, "sign": v2.sign(fields, SECRET, sign_type)})


def refund(inside: Mapping[str, str] = REFUNDED, *, secret: bytes = SECRET, root: str = "root", **outside: str) -> bytes:
    info = aes.ecb_encrypt(md5_hex(secret).encode(), xml.build(root, inside))
    fields = {"return_code": "SUCCESS", "appid": "wx1", "mch_id": MCHID, "nonce_str": "n", "req_info": info, **outside}
    return xml.build("xml", fields)


def deposit(event_type: str = "TRANSACTION.SUCCESS", inside: object = DEPOSIT, **more: str) -> bytes:
    fields = {
        "mch_id": MCHID,
        "appid": "wx1",
        "algorithm": "HMAC-SHA256",
        "nonce_str": "n",
        "event_id": "EV-2018022511223320873",
        "event_create_time": "20180225112233",
        "event_type": event_type,
        "event_algorithm": "AEAD_AES_256_GCM",
        "event_nonce": "fdasflkja484",
        "event_ciphertext": aes.gcm_encrypt(APIV3_KEY, b"fdasflkja484", encode_json(inside), b""),
        **more,
    }
    return signed(fields, "HMAC-SHA256")


def test_a_payment() -> None:
    notification = RECEIVER.parse(signed(PAID))
    assert notification.event_type == "transaction-success"
    assert notification.resource["total_fee"] == "1"
    assert notification.typed("transaction-success")["transaction_id"] == "1004400740201409030005092168"
    assert notification.id == "v2:transaction-success:1004400740201409030005092168"
    assert notification.create_time == datetime(2014, 9, 3, 13, 15, 40, tzinfo=BEIJING)
    assert notification.mchid == MCHID
    assert notification.raw == signed(PAID)
    assert isinstance(notification, Notification)
    assert not notification.is_question


def test_the_published_payment() -> None:
    sample = next(vector for vector in vectors("v2_xml") if vector.name == "php_paysuccess")
    # Its secret is not published, so the signature is made here.
    values = {name: value for name, value in sample.expected["values"].items() if name != "sign"}
    body = sample.inputs["xml"].replace("B552ED6B279343CB493C5DD0D78AB241", v2.sign(values, SECRET)).encode()
    assert RECEIVER.parse(body).resource["coupon_id"] == "10000"


@pytest.mark.parametrize("change", [{"result_code": "FAIL"}, {"return_code": "FAIL"}, {"trade_state": "PAY_FAIL"}])
def test_a_failed_payment_is_not_called_a_success(change: dict[str, str]) -> None:
    notification = RECEIVER.parse(signed({**PAID, **change}))
    assert notification.event_type == "transaction-failed"
    with pytest.raises(RequestError):
        notification.typed("transaction-success")


def test_a_contract() -> None:
    notification = RECEIVER.parse(signed(CONTRACT))
    assert notification.typed("pap-contract-state-changed")["contract_id"] == "Wx15463511252015071056489715"
    assert notification.id == "v2:pap-contract-state-changed:Wx15463511252015071056489715:ADD:2015-07-01 10:00:00"
    assert notification.create_time == datetime(2015, 7, 1, 10, tzinfo=BEIJING)


def test_a_combined_payment_has_a_list_inside() -> None:
    notification = RECEIVER.parse(signed(COMBINED, "HMAC-SHA256"))
    assert notification.typed("combined-transactions-success")["combine_out_trade_no"] == "20150806125346"
    assert notification.content("sub_order_list")["order_list"][0]["total_fee"] == 10
    assert notification.create_time == datetime.fromtimestamp(1_700_000_000, BEIJING)
    with pytest.raises(MalformedMessage):
        notification.content("absent")


def test_a_refund_is_opened_with_the_secret() -> None:
    notification = RECEIVER.parse(refund())
    assert notification.typed("refund-processed") == REFUNDED
    assert notification.fields["appid"] == "wx1"
    assert notification.id == "v2:refund-processed:50000408942018111907145868882:SUCCESS"
    assert notification.create_time == datetime(2018, 11, 19, 16, 24, 13, tzinfo=BEIJING)


def test_a_refund_s_ciphertext_may_have_line_breaks() -> None:
    info = aes.ecb_encrypt(md5_hex(SECRET).encode(), xml.build("root", REFUNDED))
    assert RECEIVER.parse(refund(req_info=info[:76] + "\n" + info[76:])).resource == REFUNDED


def test_a_refund_sealed_with_another_secret_is_refused() -> None:
    with pytest.raises(DecryptionError):
        RECEIVER.parse(refund(secret=b"x" * 32))


@pytest.mark.parametrize("body", [refund({}, root="text"), refund(req_info="")])
def test_a_refund_without_contents_is_refused(body: bytes) -> None:
    if b"<req_info/>" in body:
        with pytest.raises(MalformedMessage):
            RECEIVER.parse(body)
    else:
        assert RECEIVER.parse(body).resource == {}


def test_a_refund_that_holds_text_is_refused() -> None:
    info = aes.ecb_encrypt(md5_hex(SECRET).encode(), b"<root>text</root>")
    with pytest.raises(MalformedMessage):
        RECEIVER.parse(refund(req_info=info))


@pytest.mark.parametrize("event_type", ["CHECK.SUCCESS", "CHECK.FAIL", "TRANSACTION.SUCCESS", "TRANSACTION.FAIL"])
def test_a_deposit_is_signed_and_sealed(event_type: str) -> None:
    notification = RECEIVER.parse(deposit(event_type))
    assert notification.event_type == event_type
    assert notification.resource == DEPOSIT
    assert notification.id == "v2:EV-2018022511223320873"
    assert notification.create_time == datetime(2018, 2, 25, 11, 22, 33, tzinfo=BEIJING)


def test_a_deposit_needs_the_apiv3_key() -> None:
    with pytest.raises(ConfigError) as caught:
        V2Notifications(mchid=MCHID, secret=SECRET).parse(deposit())
    assert caught.value.parameter == "apiv3_key"


def test_a_deposit_sealed_with_another_key_is_refused() -> None:
    with pytest.raises(DecryptionError):
        V2Notifications(mchid=MCHID, secret=SECRET, apiv3_key=b"x" * 32).parse(deposit())


@pytest.mark.parametrize("body", [deposit(inside=[1]), deposit(event_type=""), deposit(event_algorithm="AES")])
def test_a_deposit_out_of_shape_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        RECEIVER.parse(body)


def test_a_vehicle_and_a_risk() -> None:
    vehicle = {"mch_id": MCHID, "appid": "wx1", "nonce_str": "n", "plate_number": "粤B888888", "vehicle_event_createtime": "20170101080000"}
    parsed = RECEIVER.parse(signed(vehicle, "HMAC-SHA256"))
    assert parsed.typed("vehicle-state-changed-for-parking")["plate_number"] == "粤B888888"
    risk = {"mch_id": MCHID, "event_code": "E1", "transaction_id_list": '{"data":{"transaction_id":["1"]}}'}
    assert RECEIVER.parse(signed(risk)).content("transaction_id_list") == {"data": {"transaction_id": ["1"]}}
    assert RECEIVER.parse(signed(risk)).id == "v2:transactions-risk-occurred:E1"


def test_a_kind_that_nobody_knows_still_parses() -> None:
    notification = RECEIVER.parse(signed({"mch_id": MCHID, "something": "new"}))
    assert (notification.event_type, notification.resource["something"]) == ("", "new")


def test_a_repetition_carries_the_same_id_and_another_message_another() -> None:
    def id_of(**change: str) -> str:
        return RECEIVER.parse(signed({"mch_id": MCHID, "plate_number": "a", "vehicle_event_createtime": "x", **change})).id

    assert id_of(nonce_str="1") == id_of(nonce_str="2")
    assert id_of(plate_number="b") != id_of()
    assert len(id_of()) < 256


@pytest.mark.parametrize("fields", [PAID, CONTRACT, COMBINED])
def test_a_changed_message_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        RECEIVER.parse(signed(fields).replace(b"<return_code>SUCCESS", b"<extra>1</extra><return_code>SUCCESS"))


def test_an_unsigned_message_is_refused() -> None:
    with pytest.raises(MissingSignature):
        RECEIVER.parse(xml.build("xml", PAID))


def test_a_message_about_another_merchant_is_refused() -> None:
    for body in (signed({**PAID, "mch_id": "1900000110"}), refund(mch_id="1900000110")):
        with pytest.raises(SignatureError, match="another merchant"):
            RECEIVER.parse(body)


@pytest.mark.parametrize("body", [b"", b"<html/>", b"<xml>text</xml>", b"{}", b"<!DOCTYPE xml><xml/>", signed(PAID) + b"<xml/>"])
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        RECEIVER.parse(body)


def test_json_says_where_it_belongs() -> None:
    with pytest.raises(MalformedMessage, match="wxpay.notifications.parse"):
        RECEIVER.parse(b' {"id":"1"}')


def test_a_body_that_a_framework_has_decoded_is_refused() -> None:
    with pytest.raises(RequestError):
        RECEIVER.parse(signed(PAID).decode())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] — text is what is refused


def test_answers() -> None:
    notification = RECEIVER.parse(signed(PAID))
    assert notification.ack() == ack()
    assert ack().status == 200
    assert ack().body == b"<xml><return_code>SUCCESS</return_code><return_msg>OK</return_msg></xml>"
    assert ack().headers["Content-Type"] == "text/xml; charset=utf-8"
    assert ack().accepted
    refusal = notification.fail("out\x00 of <stock>")
    assert refusal == fail("out\x00 of <stock>")
    assert refusal.body == b"<xml><return_code>FAIL</return_code><return_msg><![CDATA[out  of <stock>]]></return_msg></xml>"
    assert (refusal.status, refusal.accepted) == (500, False)
    assert fail("later", status=503).status == 503


def test_repr_shows_no_secret_and_no_field() -> None:
    assert repr(RECEIVER) == "<V2Notifications mchid=10000100>"
    assert "oUpF8uMEb4qRXf22hE3X68TekukE" not in repr(RECEIVER.parse(signed(PAID)))


class V3:
    """Stands for APIv3's receiver."""

    async def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        raise MalformedMessage(f"v3 got {body!r} and {len(headers)} headers")


@pytest.mark.anyio
async def test_both_kinds_behind_one_address() -> None:
    both = EitherNotifications(V3(), RECEIVER)
    assert (await both.parse({}, b"\n" + signed(PAID))).event_type == "transaction-success"
    with pytest.raises(MalformedMessage, match="v3 got"):
        await both.parse({}, b"{}")
    with pytest.raises(MalformedMessage, match="APIv3"):
        await EitherNotifications(None, RECEIVER).parse({}, b"{}")


fields = st.dictionaries(
    st.sampled_from([*PAID, *CONTRACT, *COMBINED, "req_info", "event_ciphertext", "event_type", "event_id", "sign"]),
    st.text("01ab支=", max_size=6) | st.sampled_from(["SUCCESS", MCHID]) | st.lists(st.text("a", max_size=1), max_size=2),
    max_size=8,
)


@given(st.binary(max_size=60) | fields.map(lambda value: xml.build("xml", value)))
def test_any_body_is_parsed_or_refused(body: bytes) -> None:
    try:
        RECEIVER.parse(body)
    except WechatpayError:
        return
    raise AssertionError("nothing here is signed")


@given(fields)
def test_any_signed_fields_are_parsed_or_refused(values: dict[str, Any]) -> None:
    texts = {name: value for name, value in values.items() if isinstance(value, str) and name != "sign"}
    try:
        notification = RECEIVER.parse(signed(texts))
    except WechatpayError:
        return
    assert notification.id.startswith("v2:")
    assert len(notification.id) <= 256
