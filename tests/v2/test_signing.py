"""Signatures, the string under them, and what a call's fields become."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import Vector, each_vector
from wechatpay_async import catalog
from wechatpay_async.catalog import Operation
from wechatpay_async.crypto.aes import ecb_decrypt, ecb_encrypt
from wechatpay_async.crypto.digests import md5_hex
from wechatpay_async.errors import BadSignature, ConfigError, InvalidData, MalformedMessage, MissingSignature, RequestError
from wechatpay_async.protocol import v2
from wechatpay_async.protocol.xml import parse

MCHID = "1900000109"
SECRET = b"192006250b4c09247ec02edce69f6a2d"
NONCE = "ibuaiVcKdpRxkhJA"


def operation(method: str, path: str) -> Operation:
    found = catalog.operation("v2", method, path)
    assert found is not None
    return found


def build(path: str, data: dict[str, object], **more: Any) -> dict[str, Any]:
    """The fields on the wire of a POST."""
    request = v2.build_request(operation("POST", path), data, mchid=MCHID, secret=SECRET, nonce=NONCE, **more)
    root, values = parse(request.body)
    assert root == "xml"
    assert isinstance(values, dict)
    return values


@each_vector("v2_sign")
def test_published_signatures(vector: Vector) -> None:
    assert v2.string_to_sign(vector.inputs["params"]) == vector.expected["string_a"]
    assert v2.sign(vector.inputs["params"], vector.inputs["key"].encode(), vector.inputs["sign_type"]) == vector.expected["sign"]


@each_vector("v2_query")
def test_published_strings_leave_out_sign_and_empty_values(vector: Vector) -> None:
    # These samples of the string are in the order given; ours are sorted, as every signature is.
    assert sorted(vector.expected["string"].split("&")) == v2.string_to_sign(dict(vector.inputs["pairs"])).split("&")


@each_vector("v2_ksort")
def test_published_orders(vector: Vector) -> None:
    pairs = v2.string_to_sign({name: "1" for name, _ in vector.inputs["pairs"]}).split("&")
    assert [pair.partition("=")[0] for pair in pairs] == vector.expected["keys"]


@each_vector("v2_hash")
def test_published_digests(vector: Vector) -> None:
    if vector.inputs["key"]:
        # With no field at all the key stands alone.
        assert v2.sign({}, vector.inputs["key"].encode()).lower() == vector.expected["hex"]
    else:
        assert md5_hex(vector.inputs["text"].encode()) == vector.expected["hex"]


@each_vector("aes_ecb")
def test_published_ciphers_of_the_refund_notification(vector: Vector) -> None:
    key, plaintext = vector.inputs["key"].encode(), vector.inputs["plaintext"].encode()
    assert ecb_encrypt(key, plaintext) == vector.expected["ciphertext"]
    assert ecb_decrypt(key, vector.expected["ciphertext"]) == plaintext


def test_names_sort_by_their_bytes() -> None:
    assert v2.string_to_sign({"b": 1, "a_": 2, "aB": 3, "ab": 4, "A": 5, "é": 6, "z": 7}) == "A=5&aB=3&a_=2&ab=4&b=1&z=7&é=6"


def test_zero_is_a_value() -> None:
    assert v2.string_to_sign({"a": 0, "b": "0", "c": "", "d": None}) == "a=0&b=0"


def test_wecom_signs_a_fixed_set_of_fields_with_its_own_secret() -> None:
    fields = {
        "act_name": "XXX",
        "mch_billno": "11111234567890",
        "mch_id": "10000098",
        "nonce_str": "qFKEgfig76DF9912fewmkp",
        "re_openid": "oxTWIuGaIt6gTKsQRLau2M0yL16E",
        "total_amount": "100",
        "wxappid": "wx123456789",
        "remark": "not signed",
    }
    names = [name for name in fields if name != "remark"]
    message = (
        "act_name=XXX&mch_billno=11111234567890&mch_id=10000098&nonce_str=qFKEgfig76DF9912fewmkp"
        "&re_openid=oxTWIuGaIt6gTKsQRLau2M0yL16E&total_amount=100&wxappid=wx123456789&secret=192006250b4c09247ec02edce69f6a2d"
    )
    assert v2.workwx_sign(fields, names, SECRET.decode()) == md5_hex(message.encode()).upper()


@pytest.mark.parametrize("secret", ["", "short", "x" * 31, "x" * 33, b"x" * 16, "x" * 31 + "é"])
def test_a_secret_has_32_characters(secret: str | bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        v2.check_secret(secret)
    assert caught.value.parameter == "secret"
    assert not secret or str(secret) not in str(caught.value)


def test_a_secret_may_be_text_or_bytes() -> None:
    assert v2.check_secret(SECRET.decode()) == v2.check_secret(SECRET) == SECRET


def test_a_call_is_completed_and_signed() -> None:
    fields = build("/pay/orderquery", {"appid": "wxd930ea5d5a258f4f", "out_trade_no": "1217752501201407033233368018"})
    assert fields == {
        "appid": "wxd930ea5d5a258f4f",
        "out_trade_no": "1217752501201407033233368018",
        "mch_id": MCHID,
        "nonce_str": NONCE,
        "sign": v2.sign(
            {"appid": "wxd930ea5d5a258f4f", "mch_id": MCHID, "nonce_str": NONCE, "out_trade_no": "1217752501201407033233368018"}, SECRET
        ),
    }


def test_a_call_may_ask_for_hmac() -> None:
    fields = build("/pay/orderquery", {"out_trade_no": "1", "sign_type": "HMAC-SHA256"})
    assert fields["sign_type"] == "HMAC-SHA256"
    assert len(fields["sign"]) == 64


def test_an_unknown_sign_type_is_refused() -> None:
    with pytest.raises(InvalidData) as caught:
        build("/pay/orderquery", {"out_trade_no": "1", "sign_type": "RSA"})
    assert caught.value.path == "$.sign_type"


@pytest.mark.parametrize(
    ("path", "sent", "digits"),
    [
        ("/secapi/pay/profitsharing", "HMAC-SHA256", 64),  # the one documented type
        ("/pay/downloadfundflow", "HMAC-SHA256", 64),  # documented by its example alone
        ("/secsvc/realnameauth", "HMAC-SHA256", 64),  # must be there, and the example says which
        ("/face/get_wxpayface_authinfo", "MD5", 32),
        ("/cgi-bin/mch/customs/customdeclarequery", None, 32),  # MD5 alone, and it is the default
        ("/mmpaymkttransfers/sendredpack", None, 32),  # no such field
    ],
)
def test_the_operation_decides_the_digest(path: str, sent: str | None, digits: int) -> None:
    fields = build(path, {"out_trade_no": "1"})
    assert fields.get("sign_type") == sent
    assert len(fields["sign"]) == digits


def test_empty_values_are_not_sent() -> None:
    fields = build("/pay/orderquery", {"out_trade_no": "1", "transaction_id": None, "attach": "", "sign": "an old one"})
    assert sorted(fields) == ["mch_id", "nonce_str", "out_trade_no", "sign"]


def test_values_have_one_form_in_signature_and_body() -> None:
    fields = build("/pay/settlementquery", {"usetag": 1, "query_split": True, "extra": {"a": [1, "支"]}, "other": False})
    assert (fields["usetag"], fields["query_split"], fields["extra"], fields["other"]) == ("1", "true", '{"a":[1,"支"]}', "false")
    v2.check_sign(fields, SECRET)


@pytest.mark.parametrize("value", [1.5, b"x", object()])
def test_values_without_one_form_are_refused(value: object) -> None:
    with pytest.raises(InvalidData) as caught:
        build("/pay/orderquery", {"total_fee": value})
    assert caught.value.path == "$.total_fee"


@pytest.mark.parametrize(
    ("path", "name"),
    [("/pay/unifiedorder", "mch_id"), ("/mmpaymkttransfers/promotion/transfers", "mchid"), ("/pay/combinedorder", "combine_mch_id")],
)
def test_the_merchant_number_travels_under_the_operation_s_name(path: str, name: str) -> None:
    fields = build(path, {"device_info": "1"})
    assert [field for field in v2.MERCHANT_NAMES if field in fields] == [name]
    assert fields[name] == MCHID
    assert build(path, {name: MCHID})[name] == MCHID


@pytest.mark.parametrize("name", ["mch_id", "mchid", "combine_mch_id"])
def test_another_merchant_s_number_is_refused(name: str) -> None:
    with pytest.raises(InvalidData) as caught:
        build("/pay/unifiedorder", {name: "1900000110"})
    assert caught.value.path == f"$.{name}"


def test_a_nonce_of_the_caller_s_is_kept_and_none_is_added_where_the_facts_have_none() -> None:
    assert build("/pay/orderquery", {"nonce_str": "mine"})["nonce_str"] == "mine"
    assert "nonce_str" not in build("/papay/querycontract", {"contract_id": "1"})


def test_a_red_packet_of_wecom_needs_the_agent_s_secret() -> None:
    path = "/mmpaymkttransfers/sendworkwxredpack"
    call: dict[str, object] = {"mch_billno": "1", "wxappid": "wx1", "re_openid": "o", "total_amount": 100, "act_name": "n", "agentid": "1"}
    with pytest.raises(RequestError, match="agent_secret"):
        build(path, call)
    fields = build(path, call, agent_secret="agent")
    expected = f"act_name=n&mch_billno=1&mch_id={MCHID}&nonce_str={NONCE}&re_openid=o&total_amount=100&wxappid=wx1&secret=agent"
    assert fields["workwx_sign"] == md5_hex(expected.encode()).upper()
    v2.check_sign(fields, SECRET)
    assert build(path, {**call, "workwx_sign": "MINE"})["workwx_sign"] == "MINE"


def test_a_payment_of_wecom_signs_other_fields() -> None:
    call: dict[str, object] = {
        "partner_trade_no": "1",
        "appid": "wx1",
        "openid": "o",
        "amount": 1,
        "desc": "d",
        "ww_msg_type": "NORMAL_MSG",
    }
    fields = build("/mmpaymkttransfers/promotion/paywwsptrans2pocket", {**call, "act_name": "not signed"}, agent_secret="agent")
    expected = f"amount=1&appid=wx1&desc=d&mch_id={MCHID}&nonce_str={NONCE}&openid=o&partner_trade_no=1&ww_msg_type=NORMAL_MSG&secret=agent"
    assert fields["workwx_sign"] == md5_hex(expected.encode()).upper()


def test_a_get_signs_its_query() -> None:
    request = v2.build_request(operation("GET", "/papay/entrustweb"), {"plan_id": 12535}, mchid=MCHID, secret=SECRET, nonce=NONCE)
    assert request.body == b""
    assert request.query == {"plan_id": "12535", "mch_id": MCHID, "sign": v2.sign({"plan_id": 12535, "mch_id": MCHID}, SECRET)}


def test_a_page_for_the_user_s_browser_is_not_signed() -> None:
    request = v2.build_request(operation("GET", "/appauth/authindex"), {"appid": "wx1"}, mchid=MCHID, secret=SECRET, nonce=NONCE)
    assert request.query == {"appid": "wx1", "mch_id": MCHID}


def test_an_upload_signs_its_text_parts() -> None:
    upload = operation("POST", "/secapi/mch/uploadmedia")
    request = v2.build_request(upload, {"media_hash": "aa"}, mchid=MCHID, secret=SECRET, nonce=NONCE)
    parts = {"media_hash": "aa", "mch_id": MCHID, "sign_type": "HMAC-SHA256"}
    assert request.form == {**parts, "sign": v2.sign(parts, SECRET, "HMAC-SHA256")}
    assert request.body == b""


def test_an_operation_outside_the_catalogue_is_signed_by_the_general_rules() -> None:
    request = v2.build_request(None, {"a": "1"}, mchid=MCHID, secret=SECRET, nonce=NONCE)
    fields = {"a": "1", "mch_id": MCHID, "nonce_str": NONCE}
    assert parse(request.body) == ("xml", {**fields, "sign": v2.sign(fields, SECRET)})
    assert request.content_type == "text/xml; charset=utf-8"
    named = v2.build_request(None, {"mchid": MCHID}, mchid=MCHID, secret=SECRET, nonce=NONCE, method="GET")
    assert sorted(named.query) == ["mchid", "nonce_str", "sign"]


def test_the_appid_that_was_sent_is_remembered() -> None:
    request = v2.build_request(operation("POST", "/pay/orderquery"), {"appid": "wx1"}, mchid=MCHID, secret=SECRET, nonce=NONCE)
    assert request.appid == "wx1"


def test_a_request_s_repr_shows_no_field() -> None:
    request = v2.build_request(None, {"re_user_name": "somebody"}, mchid=MCHID, secret=SECRET, nonce=NONCE)
    assert "somebody" not in repr(request)


@pytest.mark.parametrize("sign_type", v2.SIGN_TYPES)
def test_a_signature_is_recognised_by_its_length(sign_type: v2.SignType) -> None:
    values = {"a": "1", "sign": v2.sign({"a": "1"}, SECRET, sign_type)}
    v2.check_sign(values, SECRET)
    v2.check_sign({**values, "sign": values["sign"].lower()}, SECRET)
    with pytest.raises(BadSignature):
        v2.check_sign({**values, "a": "2"}, SECRET)
    with pytest.raises(BadSignature):
        v2.check_sign(values, b"x" * 32)


def test_a_missing_signature_is_no_signature() -> None:
    for values in ({"a": "1"}, {"a": "1", "sign": ""}):
        with pytest.raises(MissingSignature):
            v2.check_sign(values, SECRET)
    with pytest.raises(BadSignature):
        v2.check_sign({"a": "1", "sign": "é"}, SECRET)


def test_no_signature_covers_what_stands_twice() -> None:
    good = v2.sign({"a": "1"}, SECRET)
    for values in ({"a": "1", "sign": [good, "x"]}, {"a": ["1", "2"], "sign": good}, {"a": {"b": "1"}, "sign": good}):
        with pytest.raises(MalformedMessage):
            v2.check_sign(values, SECRET)


def test_a_post_may_have_a_query_beside_its_body() -> None:
    manage = operation("POST", "/secapi/mch/submchmanage")
    request = v2.build_request(manage, {"action": "query", "page_index": 1}, mchid=MCHID, secret=SECRET, nonce=NONCE)
    assert request.query == {"action": "query"}
    fields = {"page_index": "1", "mch_id": MCHID}
    assert parse(request.body) == ("xml", {**fields, "sign": v2.sign(fields, SECRET)})


@pytest.mark.parametrize(("data", "path"), [({"a": "\ud800"}, "$.a"), ({"a": "\x00"}, "$.a"), ({"\ud800": "1"}, "$"), ({"a b": "1"}, "$")])
def test_what_cannot_travel_is_refused_before_it_is_signed(data: dict[str, object], path: str) -> None:
    with pytest.raises(InvalidData) as caught:
        build("/pay/orderquery", data)
    assert caught.value.path == path


values = (
    st.text(max_size=5) | st.integers() | st.booleans() | st.none() | st.floats() | st.binary(max_size=2) | st.lists(st.text(max_size=2))
)
names = st.text(max_size=4) | st.sampled_from(["sign", "sign_type", "mch_id", "nonce_str"])


@given(st.dictionaries(names, values, max_size=5))
def test_any_data_is_signed_or_refused(data: dict[str, object]) -> None:
    try:
        fields = build("/pay/orderquery", data)
    except RequestError:
        return
    v2.check_sign(fields, SECRET)
