"""What a reply's bytes become: values, a file, or the error that they stand for."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechatpay_async import catalog
from wechatpay_async.errors import (
    APIError,
    AuthError,
    BadSignature,
    Conflict,
    InvalidRequest,
    MalformedMessage,
    MissingSignature,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    SignatureError,
    WechatpayError,
)
from wechatpay_async.protocol import v2, xml

MCHID = "1900000109"
SECRET = b"192006250b4c09247ec02edce69f6a2d"
OK = {"return_code": "SUCCESS", "result_code": "SUCCESS", "mch_id": MCHID}


def read(path: str, body: bytes, *, method: str = "POST", headers: dict[str, str] | None = None, **more: Any) -> Any:
    operation = catalog.operation("v2", method, path)
    assert operation is not None
    return v2.read_reply(operation, headers or {}, body, mchid=MCHID, secret=SECRET, **more)


def signed(values: dict[str, Any], sign_type: v2.SignType = "MD5") -> bytes:
    return xml.build("xml", {**values, "sign": v2.sign(values, SECRET, sign_type)})


def test_a_signed_reply_is_given_out() -> None:
    values = {**OK, "trade_state": "SUCCESS", "total_fee": "1"}
    assert read("/pay/orderquery", signed(values))["total_fee"] == "1"
    assert read("/pay/orderquery", signed(values, "HMAC-SHA256"))["trade_state"] == "SUCCESS"


def test_a_changed_reply_is_not() -> None:
    body = signed({**OK, "trade_state": "NOTPAY"}).replace(b"NOTPAY", b"SUCCESS")
    with pytest.raises(BadSignature):
        read("/pay/orderquery", body)


def test_a_reply_without_a_signature_is_not() -> None:
    with pytest.raises(MissingSignature):
        read("/pay/orderquery", xml.build("xml", OK))


def test_a_second_sign_is_refused() -> None:
    body = signed(OK).replace(b"</xml>", b"<sign>0</sign></xml>")
    with pytest.raises(MalformedMessage):
        read("/pay/orderquery", body)


def test_a_reply_that_the_facts_call_unsigned_needs_none() -> None:
    assert read("/mmpaymkttransfers/sendredpack", xml.build("xml", OK)) == OK


@pytest.mark.parametrize("name", v2.MERCHANT_NAMES)
def test_a_reply_about_another_merchant_is_not_trusted(name: str) -> None:
    with pytest.raises(SignatureError, match=name):
        read("/mmpaymkttransfers/sendredpack", xml.build("xml", {**OK, name: "1900000110"}))


def test_a_reply_about_another_appid_is_not_trusted() -> None:
    body = signed({**OK, "appid": "wx2"})
    assert read("/pay/orderquery", body, appid="wx2")["appid"] == "wx2"
    assert read("/pay/orderquery", body)["appid"] == "wx2"
    with pytest.raises(SignatureError, match="appid"):
        read("/pay/orderquery", body, appid="wx1")


def test_lists_are_lists_however_often_an_element_stands() -> None:
    one = b"<xml><return_code>SUCCESS</return_code><hblist><hbinfo><amount>1</amount></hbinfo></hblist></xml>"
    two = one.replace(b"</hblist>", b"<hbinfo><amount>2</amount></hbinfo></hblist>")
    none = b"<xml><return_code>SUCCESS</return_code><hblist/></xml>"
    assert read("/mmpaymkttransfers/gethbinfo", one)["hblist"] == {"hbinfo": [{"amount": "1"}]}
    assert read("/mmpaymkttransfers/gethbinfo", two)["hblist"] == {"hbinfo": [{"amount": "1"}, {"amount": "2"}]}
    assert read("/mmpaymkttransfers/gethbinfo", none)["hblist"] == {}
    empty = b"<xml><return_code>SUCCESS</return_code><mchinfo/></xml>"
    assert read("/secapi/mch/submchmanage", empty)["mchinfo"] == []


def failure(code: str, **more: str) -> bytes:
    return xml.build("xml", {"return_code": "SUCCESS", "return_msg": "OK", "result_code": "FAIL", "err_code": code, **more})


@pytest.mark.parametrize(
    ("code", "error_class", "retryable", "outcome_unknown"),
    [
        ("SYSTEMERROR", ServerError, True, True),
        ("BANKERROR", ServerError, True, True),
        ("BIZERR_NEED_RETRY", ServerError, True, True),
        ("FREQUENCY_LIMITED", RateLimited, True, False),
        ("USERPAYING", Conflict, False, True),
        ("PROCESSING", Conflict, False, True),
        ("ORDERNOTEXIST", NotFound, False, False),
        ("REFUNDNOTEXIST", NotFound, False, False),
        ("NOTENOUGH", PermissionDenied, False, False),
        ("NOAUTH", PermissionDenied, False, False),
        ("SIGNERROR", AuthError, False, False),
        ("CA_ERROR", AuthError, False, False),
        ("PARAM_ERROR", InvalidRequest, False, False),
        ("AUTHCODEEXPIRE", InvalidRequest, False, False),
        ("NEVER_SEEN_BEFORE", InvalidRequest, False, False),
    ],
)
def test_codes_become_classes(code: str, error_class: type[APIError], retryable: bool, outcome_unknown: bool) -> None:
    with pytest.raises(APIError) as caught:
        read("/pay/micropay", failure(code, err_code_des="says why"))
    error = caught.value
    assert type(error) is error_class
    assert (error.status, error.code, error.message) == (200, code, "says why")
    assert (error.retryable, error.outcome_unknown) == (retryable, outcome_unknown)
    assert error.detail["err_code"] == code


def test_no_class_is_changed_by_one_unfinished_payment() -> None:
    with pytest.raises(Conflict):
        read("/pay/micropay", failure("USERPAYING"))
    assert Conflict.outcome_unknown is False


def test_the_server_s_error_comes_before_the_signature() -> None:
    body = xml.build("xml", {"return_code": "FAIL", "return_msg": "签名错误", "sign": "wrong"})
    with pytest.raises(InvalidRequest) as caught:
        read("/pay/orderquery", body)
    assert (caught.value.code, caught.value.message, caught.value.outcome_unknown) == ("", "签名错误", False)


def test_an_error_without_words_is_described() -> None:
    with pytest.raises(InvalidRequest, match="HTTP 200, text/xml"):
        read("/pay/orderquery", b"<xml><return_code>FAIL</return_code></xml>", headers={"Content-Type": "text/xml"})


def test_an_error_s_request_id_and_body_are_kept_and_its_sign_is_not_detail() -> None:
    with pytest.raises(APIError) as caught:
        read("/pay/orderquery", failure("ORDERNOTEXIST", sign="A1"), headers={"request-id": "08F7-0"})
    assert caught.value.request_id == "08F7-0"
    assert "sign" not in caught.value.detail
    assert caught.value.body.startswith(b"<xml>")


BILL = "\ufeff交易时间,商户号\r\n`2014-11-10 16:33:45,`1900000109\r\n".encode()


def test_a_bill_comes_as_its_bytes() -> None:
    assert read("/pay/downloadbill", BILL) == BILL
    zipped = gzip.compress(BILL)
    assert read("/pay/downloadbill", zipped) == zipped


def test_a_table_comes_as_bytes_where_the_facts_list_no_signature() -> None:
    assert read("/billcommentsp/batchquerycomment", b"100\n`2017-07-01") == b"100\n`2017-07-01"


def test_a_bill_that_is_not_there_is_an_error_in_xml() -> None:
    body = xml.build("xml", {"return_code": "FAIL", "return_msg": "No Bill Exist", "error_code": "20002"})
    with pytest.raises(InvalidRequest) as caught:
        read("/pay/downloadbill", body)
    assert (caught.value.code, caught.value.message) == ("20002", "No Bill Exist")


def test_a_table_is_no_signed_reply() -> None:
    with pytest.raises(MalformedMessage):
        read("/pay/orderquery", BILL)


@pytest.mark.parametrize("path", ["/pay/orderquery", "/pay/downloadbill"])
def test_nothing_is_no_reply(path: str) -> None:
    with pytest.raises(MalformedMessage):
        read(path, b"")


TOKEN = b'{"retcode":0,"retmsg":"ok","access_token":"a","access_token_expire_in":7200}'


def test_a_token_comes_as_json() -> None:
    values = read("/appauth/getaccesstoken", TOKEN, method="GET")
    assert values == {"retcode": 0, "retmsg": "ok", "access_token": "a", "access_token_expire_in": 7200}
    assert read("/appauth/getaccesstoken", b"\xef\xbb\xbf" + TOKEN, method="GET") == values


def test_a_retcode_other_than_zero_is_an_error() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read("/appauth/getaccesstoken", b'{"retcode":-1,"retmsg":"invalid code"}', method="GET")
    assert (caught.value.code, caught.value.message) == ("-1", "invalid code")


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"a":1}'])
def test_other_json_is_no_reply(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read("/appauth/getaccesstoken", body, method="GET")


def test_json_is_no_signed_reply() -> None:
    with pytest.raises(MalformedMessage):
        read("/pay/orderquery", TOKEN)


def test_the_gateway_s_json_error_is_an_error() -> None:
    with pytest.raises(RateLimited) as caught:
        read("/pay/orderquery", b'{"code":"FREQUENCY_LIMITED","message":"slower"}', status=429)
    assert (caught.value.status, caught.value.message) == (429, "slower")


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (400, InvalidRequest),
        (401, AuthError),
        (403, PermissionDenied),
        (404, NotFound),
        (429, RateLimited),
        (500, ServerError),
        (502, ServerError),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html><body>502 Bad Gateway</html>", b"<!DOCTYPE html><html/>", b"upstream timed out", b"{"])
def test_an_http_error_is_an_error_whatever_its_body(status: int, error_class: type[APIError], body: bytes) -> None:
    for path in ("/pay/orderquery", "/pay/downloadbill"):
        with pytest.raises(APIError) as caught:
            read(path, body, status=status)
        assert type(caught.value) is error_class


def test_the_gateway_s_page_about_the_certificate_is_explained() -> None:
    page = b"<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n</html>"
    with pytest.raises(InvalidRequest, match="client certificate"):
        read("/secapi/pay/refund", page, status=400)
    with pytest.raises(InvalidRequest) as caught:
        read("/pay/orderquery", page, status=400)
    assert caught.value.hint is None


@pytest.mark.parametrize(
    "body",
    [
        b"<html/>",
        b"<xml/>",
        b"<xml>text</xml>",
        b"<xml><a>1</a></xml>",
        b"<xml><return_code>SUCCESS</return_code><return_code>SUCCESS</return_code></xml>",
        "<xml><a/></xml>".encode("utf-16"),
    ],
)
def test_other_xml_is_no_reply(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read("/pay/orderquery", body)


def test_a_page_for_the_browser() -> None:
    for body in (b"<html>", b"<!DOCTYPE html><html></html>", b"<html></html>", b"plain", b"{}"):
        assert read("/papay/entrustweb", body, method="GET") == body
    assert read("/appauth/authindex", b"", method="GET", status=302) is None
    with pytest.raises(InvalidRequest):
        read("/papay/entrustweb", b"<xml><return_code>FAIL</return_code></xml>", method="GET")
    assert read("/papay/entrustweb", xml.build("xml", OK), method="GET") == xml.build("xml", OK)


def test_an_operation_outside_the_catalogue_must_be_signed() -> None:
    assert v2.read_reply(None, {}, signed(OK), mchid=MCHID, secret=SECRET)["result_code"] == "SUCCESS"
    for body in (xml.build("xml", OK), BILL):
        with pytest.raises((MissingSignature, MalformedMessage)):
            v2.read_reply(None, {}, body, mchid=MCHID, secret=SECRET)


def test_numbered_fields_are_folded_on_request() -> None:
    operation = catalog.operation("v2", "POST", "/pay/refundquery")
    assert operation is not None
    values = {
        "refund_count": "2",
        "refund_id_0": "a",
        "refund_id_1": "b",
        "refund_fee_1": "7",
        "coupon_refund_id_0_0": "x",
        "coupon_refund_id_0_1": "y",
        "coupon_refund_id_2_0": "z",
        "coupon_refund_fee_0": "3",
        "coupon_refund_fee_0_0": "2",
        "refund_id_01": "no number",
        "refund_id_1000": "no list is that long",
        "undocumented_0": "u",
        "fee_0_0": "v",
    }
    assert v2.fold_numbered(values, operation) == {
        "refund_count": "2",
        "refund_id_$n": ["a", "b"],
        "refund_fee_$n": [None, "7"],
        "coupon_refund_id_$n_$m": [["x", "y"], None, ["z"]],
        "coupon_refund_fee_$n": ["3"],
        "coupon_refund_fee_$n_$m": [["2"]],
        "refund_id_01": "no number",
        "refund_id_1000": "no list is that long",
        "undocumented_0": "u",
        "fee_0_0": "v",
    }


names = st.sampled_from(["return_code", "result_code", "err_code", "retcode", "code", "mch_id", "appid", "sign", "hblist", "a", "a_0"])
texts = st.sampled_from(["SUCCESS", "FAIL", MCHID, "", "0", "-1", "支付"]) | st.text("ab01", max_size=8)
bodies = (
    st.binary(max_size=80)
    | st.dictionaries(names, texts | st.lists(texts, max_size=2) | st.dictionaries(names, texts, max_size=2)).map(
        lambda value: xml.build("xml", value)
    )
    | st.dictionaries(names, texts | st.integers() | st.none(), max_size=4).map(lambda value: repr(value).replace("'", '"').encode())
)
operations = st.sampled_from([operation for operation in catalog.operations() if operation.api == "v2"]) | st.none()


@given(operations, bodies, st.sampled_from([200, 302, 404, 500]))
def test_any_reply_is_read_or_refused(operation: catalog.Operation | None, body: bytes, status: int) -> None:
    try:
        v2.read_reply(operation, {}, body, mchid=MCHID, secret=SECRET, appid="wx1", status=status)
    except WechatpayError:
        return
    assert status < 400


@given(st.dictionaries(st.from_regex(r"\A[a-z_]{1,8}\Z"), st.text("ab支<&]> ", max_size=8), max_size=6), st.sampled_from(v2.SIGN_TYPES))
def test_what_is_signed_and_built_is_read_back(values: dict[str, str], sign_type: v2.SignType) -> None:
    values = {**{name: value for name, value in values.items() if name != "sign"}, **OK}
    assert v2.read_reply(None, {}, signed(values, sign_type), mchid=MCHID, secret=SECRET).items() >= values.items()
