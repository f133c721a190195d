"""Client-side payloads: every expected signature was made with the openssl command on the string written beside it."""

from __future__ import annotations

import itertools
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import Vector, each_vector, vectors
from wechatpay_async import payloads
from wechatpay_async.crypto.keys import load_private_key
from wechatpay_async.errors import ConfigError, InvalidData
from wechatpay_async.payloads import Coupon, JsapiPayload, Payloads, Subsidy

PRIVATE_KEY = load_private_key(vectors("paysign")[0].inputs["private_key_pem"])
SECRET = "exposed_your_key_here_have_risks"
APPID = "wx2421b1c4370ec43b"
V2_NONCE = "e61463f8efa94090b1f366cccfbbb444"
V2_TIME = 1395712654
SCORE_NONCE = "zyx53Nkey8o4bHpxTQvd8m7e92nG5mG2"
SCORE_TIME = 1530097563


def at(timestamp: float, nonce: str, *, secret: str | bytes | None = SECRET) -> Payloads:
    return Payloads(mchid="1900000109", private_key=PRIVATE_KEY, secret=secret, clock=lambda: timestamp, nonce=lambda: nonce)


@each_vector("paysign")
def test_the_published_jsapi_signature(vector: Vector) -> None:
    given_, expected = vector.inputs, vector.expected
    bound = Payloads(
        mchid="1900000109",
        private_key=load_private_key(given_["private_key_pem"]),
        secret=None,
        clock=lambda: float(given_["timestamp"]) + 0.9,
        nonce=lambda: given_["nonce_str"],
    )
    payload = bound.jsapi(appid=given_["appid"], prepay_id=given_["prepay_id"])
    assert payload == {
        "appId": given_["appid"],
        "timeStamp": given_["timestamp"],
        "nonceStr": given_["nonce_str"],
        "package": expected["package"],
        "signType": expected["sign_type"],
        "paySign": expected["sign"],
    }
    assert bound.mini_program(appid=given_["appid"], prepay_id=given_["prepay_id"]) == payload


def test_app_signs_the_bare_prepay_id() -> None:
    # wx2421b1c4370ec43b\n1554208460\n593BEC0C930BF1AFEB40B4A08C8FB242\nwx201410272009395522657a690389285100\n
    payload = at(1554208460, "593BEC0C930BF1AFEB40B4A08C8FB242").app(appid=APPID, prepay_id="wx201410272009395522657a690389285100")
    assert payload == {
        "appid": APPID,
        "partnerid": "1900000109",
        "prepayid": "wx201410272009395522657a690389285100",
        "package": "Sign=WXPay",
        "noncestr": "593BEC0C930BF1AFEB40B4A08C8FB242",
        "timestamp": "1554208460",
        "sign": (
            "gXx9KhTP6IooKV1SuG3OCGlBIgZbKtubCZvnau6khw1iffvNT28IzLbKmztq2xA/RCNbZa1XOsoiuVmAEeTZQicWfhv4P+O4oBRIrx0X9f3cnWFkMBU9alTWs0nyQ1N9"
            "fcILOTe0f4kxOhVh+/Xhn5hOiUK7Sz3XA1mcpa3R2NCWf/e+0ow/RDf15iTymOHgDrEkT/gedg/3E0iXfDX3mFicSZhrHESZDOTXcl9RzELREBUFznd/o2NQM99WcL86"
            "m23HY0cTy+QGWU4QDmNrbQ9ihmLW71qPb0Cx/d7EQvw/Kyx0A6s64ZQp3hHdcmiRcLnjVXrKCk7LShaCK+lS3Q=="
        ),
    }


def test_a_partner_names_the_sub_merchant_of_the_order() -> None:
    assert at(V2_TIME, V2_NONCE).app(appid=APPID, prepay_id="wx1", partnerid="1900000110")["partnerid"] == "1900000110"
    assert at(V2_TIME, V2_NONCE).v2_app(appid=APPID, prepay_id="wx1", partnerid="1900000110")["partnerid"] == "1900000110"


def test_the_fenfu_subsidy_is_part_of_the_signed_package() -> None:
    # …\nprepay_id=wx201410272009395522657a690389285100&subsidy_period_type=PERIOD&selected_installment_number=3\n
    payload = at(1554208460, "593BEC0C930BF1AFEB40B4A08C8FB242").mini_program(
        appid=APPID, prepay_id="wx201410272009395522657a690389285100", subsidy=Subsidy(3)
    )
    assert payload["package"] == "prepay_id=wx201410272009395522657a690389285100&subsidy_period_type=PERIOD&selected_installment_number=3"
    assert payload["paySign"] == (
        "fQEEsSsEzwf1CBnt9Dgv9Spps2fufGyPIIC5eqKjylyR5hrs6F1NM5Mz+EDK5LGkjYQ7Ski6DI3QBRArWCzMt5QAqxr8JNMwgGZ0fRUGK1Rv1vOaXLAQagaEB1oRiQXd"
        "Lbw7b2lzkcmiIwdet5KUz2N19b9NtDS/3of6NJK48cCmNk9HOQh3GTsGKaVvCSkw6w3pEPKbroPzSitmZydrCTYNgkNDfCIWPXtJ+tdu33faY+nK9k8Gw26mZ2pxtMk1"
        "x+fxhQrYVTshvhVTIZLo0tmEOteY8A1lnw1hjkwpm5cIvv3gxZR3QxbO3LRDTgAvB6Fcdkj5vd5gBhuxH4gknQ=="
    )


def test_h5_comes_back_to_an_encoded_address() -> None:
    url = at(V2_TIME, V2_NONCE).h5_url(
        "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20161110163838f231619da20804912345&package=1037687096",
        "https://www.wechatpay.com.cn",
    )
    assert url == (
        "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20161110163838f231619da20804912345&package=1037687096"
        "&redirect_url=https%3A%2F%2Fwww.wechatpay.com.cn"
    )
    assert payloads.with_redirect_url("https://h5.example/pay", "https://a.example/?x=1&y=好") == (
        "https://h5.example/pay?redirect_url=https%3A%2F%2Fa.example%2F%3Fx%3D1%26y%3D%E5%A5%BD"
    )


@pytest.mark.parametrize(
    ("h5_url", "redirect_url", "path"),
    [
        ("https://h5.example/?a=1&redirect_url=x", "https://a.example", "h5_url"),
        ("https://h5.example/?a=1", "https%3A%2F%2Fa.example", "redirect_url"),
        ("", "https://a.example", "h5_url"),
    ],
)
def test_h5_refuses_what_would_be_encoded_twice(h5_url: str, redirect_url: str, path: str) -> None:
    with pytest.raises(InvalidData) as refusal:
        payloads.with_redirect_url(h5_url, redirect_url)
    assert refusal.value.path == path


def test_v2_jsapi_signs_the_sign_type_too() -> None:
    # appId=…&nonceStr=…&package=prepay_id=u802345jgfjsdfgsdg888&signType=MD5&timeStamp=1395712654&key=exposed_your_key_here_have_risks
    bound = at(V2_TIME, V2_NONCE)
    payload = bound.v2_jsapi(appid=APPID, prepay_id="u802345jgfjsdfgsdg888")
    assert payload == {
        "appId": APPID,
        "timeStamp": "1395712654",
        "nonceStr": V2_NONCE,
        "package": "prepay_id=u802345jgfjsdfgsdg888",
        "signType": "MD5",
        "paySign": "C73A98653231B86EA50227F15FDE06E6",
    }
    assert bound.v2_mini_program(appid=APPID, prepay_id="u802345jgfjsdfgsdg888") == payload
    stronger = bound.v2_jsapi(appid=APPID, prepay_id="u802345jgfjsdfgsdg888", sign_type="HMAC-SHA256")
    assert stronger["signType"] == "HMAC-SHA256"
    assert stronger["paySign"] == "E3E32DD3DBFD1354893B35A7AA15EE9C803BC1930B05998391E1C3EF69E6851F"


def test_v2_app() -> None:
    # appid=…&noncestr=…&package=Sign=WXPay&partnerid=1900000109&prepayid=u802345jgfjsdfgsdg888&timestamp=1395712654&key=…
    bound = at(V2_TIME, V2_NONCE)
    assert bound.v2_app(appid=APPID, prepay_id="u802345jgfjsdfgsdg888") == {
        "appid": APPID,
        "partnerid": "1900000109",
        "prepayid": "u802345jgfjsdfgsdg888",
        "package": "Sign=WXPay",
        "noncestr": V2_NONCE,
        "timestamp": "1395712654",
        "sign": "DE8E0132CFF50C97EAA706EF0DA51B94",
    }
    stronger = bound.v2_app(appid=APPID, prepay_id="u802345jgfjsdfgsdg888", sign_type="HMAC-SHA256")
    assert stronger["sign"] == "C6CCA05971DF0CDB83DBC944130509C388187EBBC95B53665276F0C94B420B3F"


def test_v2_red_packet_leaves_the_sign_type_unsigned() -> None:
    # appId=…&nonceStr=…&package=sendid%3D242e8abd163d300019b2%26ver%3D8%26mchid%3D1900000109&timeStamp=1395712654&key=…
    bound = at(V2_TIME, V2_NONCE)
    package = "sendid=242e8abd163d300019b2&ver=8&mchid=1900000109"
    assert bound.v2_red_packet(appid=APPID, package=package) == {
        "timeStamp": "1395712654",
        "nonceStr": V2_NONCE,
        "package": "sendid%3D242e8abd163d300019b2%26ver%3D8%26mchid%3D1900000109",
        "signType": "MD5",
        "paySign": "9C752E64122B40F5942C1CDE2FB70F31",
    }
    plain = bound.v2_red_packet(appid=APPID, package=package, sign_encoded_package=False)
    assert plain["package"] == "sendid%3D242e8abd163d300019b2%26ver%3D8%26mchid%3D1900000109"
    assert plain["paySign"] == "A11C12F49AFF45AEE2548044FDECDDBC"


def test_coupons_of_the_mini_program_plugin() -> None:
    # out_request_no0=1234567&out_request_no1=7654321&send_coupon_merchant=10016226&stock_id0=abc123&stock_id1=321cba&key=…
    coupons: list[Coupon] = [
        {"out_request_no": "1234567", "stock_id": "abc123"},
        {"out_request_no": "7654321", "stock_id": "321cba"},
    ]
    payload = at(V2_TIME, V2_NONCE).coupon_plugin(coupons, send_coupon_merchant="10016226")
    assert payload == {
        "send_coupon_params": [
            {"out_request_no": "1234567", "stock_id": "abc123"},
            {"out_request_no": "7654321", "stock_id": "321cba"},
        ],
        "send_coupon_merchant": "10016226",
        "sign": "20FB971D442A119C85CA1A49DBDEA61A14944D98AFC1D2B040030C5C8792A83A",
    }
    payload["send_coupon_params"][0]["stock_id"] = "changed"
    assert coupons[0]["stock_id"] == "abc123"


def test_a_coupon_with_a_code_and_an_empty_time() -> None:
    # coupon_code0=100088&out_request_no0=1234567&send_coupon_merchant=1900000109&stock_id0=abc123&key=…
    payload = at(V2_TIME, V2_NONCE).coupon_plugin(
        [{"out_request_no": "1234567", "stock_id": "abc123", "coupon_code": "100088", "customize_send_time": ""}]
    )
    assert payload["send_coupon_merchant"] == "1900000109"
    assert payload["sign"] == "4F590E4C1F5BFE79DA56C1F1225D25BADA6B0FEE7341A121DCE7EC8BCD028403"


@pytest.mark.parametrize(
    ("coupons", "path"),
    [
        ([], "coupons"),
        ([{"out_request_no": "1", "stock_id": "a"}] * 11, "coupons"),
        ([{"out_request_no": "1", "stock_id": "a"}, {"stock_id": "a"}], "coupons[1].out_request_no"),
        ([{"out_request_no": "1", "stock_id": ""}], "coupons[0].stock_id"),
    ],
)
def test_coupons_that_cannot_be_handed_out(coupons: list[Coupon], path: str) -> None:
    with pytest.raises(InvalidData) as refusal:
        at(V2_TIME, V2_NONCE).coupon_plugin(coupons)
    assert refusal.value.path == path


def test_coupon_h5_page() -> None:
    # coupon_code=1219000000000001&open_id=oUpF8uMuAJO_M2pxb1Q9zNjWeS6o&out_request_no=12341&send_coupon_merchant=10016226
    # &stock_id=12111100000001&key=…
    url = at(V2_TIME, V2_NONCE).coupon_h5_url(
        stock_id="12111100000001",
        out_request_no="12341",
        open_id="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
        coupon_code="1219000000000001",
        send_coupon_merchant="10016226",
    )
    assert url == (
        "https://action.weixin.qq.com/busifavor/getcouponinfo?stock_id=12111100000001&out_request_no=12341"
        "&send_coupon_merchant=10016226&open_id=oUpF8uMuAJO_M2pxb1Q9zNjWeS6o&coupon_code=1219000000000001"
        "&sign=DDC1B4567D8C5D8703796FDBA88D659310322D4B089E0C0EDF27CEE521535B32#wechat_pay&wechat_redirect"
    )


def test_coupon_h5_page_without_a_code_is_this_merchants() -> None:
    url = at(V2_TIME, V2_NONCE).coupon_h5_url(stock_id="12111100000001", out_request_no="12341", open_id="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o")
    assert parse_qs(urlsplit(url).query) == {
        "stock_id": ["12111100000001"],
        "out_request_no": ["12341"],
        "send_coupon_merchant": ["1900000109"],
        "open_id": ["oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"],
        "sign": ["05CD5CE4168F33ED98189289FD26F32B14C11894934A368E66ABFD9575C4F8CE"],
    }


def test_pay_score_confirmation_in_its_three_shapes() -> None:
    # mch_id=…&nonce_str=…&package=AAQTEX+b/9=&sign_type=HMAC-SHA256&timestamp=1530097563&key=…: the plain package is signed
    view = at(SCORE_TIME, SCORE_NONCE).payscore_confirm(package="AAQTEX+b/9=")
    signature = "2FF0A270B9D703E1660FF4F8744C0F39CDF2176AEC112B397F4B2C79F66CD324"
    assert view.mini_program() == {
        "businessType": "wxpayScoreUse",
        "extraData": {
            "mch_id": "1900000109",
            "package": "AAQTEX+b/9=",
            "timestamp": "1530097563",
            "nonce_str": SCORE_NONCE,
            "sign_type": "HMAC-SHA256",
            "sign": signature,
        },
    }
    query = (
        f"mch_id=1900000109&package=AAQTEX%2Bb%2F9%3D&timestamp=1530097563&nonce_str={SCORE_NONCE}&sign_type=HMAC-SHA256&sign={signature}"
    )
    assert view.jsapi() == {"businessType": "wxpayScoreUse", "queryString": query}
    assert view.app() == {"businessType": "wxpayScoreUse", "query": query}


def test_pay_score_detail() -> None:
    # mch_id=…&nonce_str=…&out_order_no=1234323JKHDFE1243252&service_id=88888888000011&sign_type=HMAC-SHA256&timestamp=1530097563&key=…
    view = at(SCORE_TIME, SCORE_NONCE).payscore_detail(service_id="88888888000011", out_order_no="1234323JKHDFE1243252")
    assert view.app() == {
        "businessType": "wxpayScoreDetail",
        "query": (
            "mch_id=1900000109&service_id=88888888000011&out_order_no=1234323JKHDFE1243252&timestamp=1530097563"
            f"&nonce_str={SCORE_NONCE}&sign_type=HMAC-SHA256&sign=E22955D5092EA27DFF8B3C191136EBDF7077A6382E3BCFBA1223A1C5A84894EB"
        ),
    }


def test_transfer_confirmation_is_not_signed() -> None:
    bound = at(V2_TIME, V2_NONCE, secret=None)
    assert bound.transfer_confirm(appid=APPID, package_info="affffddafdfafddffda==") == {
        "mchId": "1900000109",
        "appId": APPID,
        "package": "affffddafdfafddffda==",
    }
    assert bound.transfer_confirm_app(appid=APPID, package_info="affffddafdfafddffda==") == {
        "businessType": "requestMerchantTransfer",
        "query": "mchId=1900000109&appId=wx2421b1c4370ec43b&package=affffddafdfafddffda%3D%3D",
    }


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("v2_jsapi", {"appid": APPID, "prepay_id": "wx1"}),
        ("v2_app", {"appid": APPID, "prepay_id": "wx1"}),
        ("v2_red_packet", {"appid": APPID, "package": "a=1"}),
        ("coupon_plugin", {"coupons": [{"stock_id": "1", "out_request_no": "2"}]}),
        ("coupon_h5_url", {"stock_id": "1", "out_request_no": "2", "open_id": "o"}),
        ("payscore_confirm", {"package": "p"}),
        ("payscore_detail", {"service_id": "1", "out_order_no": "2"}),
    ],
)
def test_without_the_apiv2_key_the_error_names_it(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"payloads.{name} is signed with the APIv2 key") as refusal:
        getattr(at(V2_TIME, V2_NONCE, secret=None), name)(**arguments)
    assert refusal.value.parameter == "secret"


def test_without_a_private_key_the_error_names_it() -> None:
    bound = Payloads(mchid="1900000109", private_key=None, secret=SECRET.encode(), clock=lambda: 0.0, nonce=lambda: "n")
    with pytest.raises(ConfigError, match="private_key"):
        bound.jsapi(appid=APPID, prepay_id="wx1")
    assert bound.v2_jsapi(appid=APPID, prepay_id="wx1")["signType"] == "MD5"


@pytest.mark.parametrize("prepay_id", ["prepay_id=wx1", "wx1&x=2", "", "wx1\n", None, 5])
def test_a_prepay_id_that_is_not_the_bare_id(prepay_id: Any) -> None:
    bound = at(V2_TIME, V2_NONCE)
    for make in (bound.jsapi, bound.app, bound.v2_jsapi, bound.v2_app):
        with pytest.raises(InvalidData) as refusal:
            make(appid=APPID, prepay_id=prepay_id)
        assert refusal.value.path == "prepay_id"


def test_an_unknown_sign_type() -> None:
    with pytest.raises(InvalidData, match="expected MD5 or HMAC-SHA256, got 'SHA1'"):
        at(V2_TIME, V2_NONCE).v2_jsapi(appid=APPID, prepay_id="wx1", sign_type=cast("Any", "SHA1"))


def test_each_payload_has_a_nonce_of_its_own() -> None:
    numbers = itertools.count(1)
    bound = Payloads(mchid="1900000109", private_key=PRIVATE_KEY, secret=SECRET, clock=lambda: 1.0, nonce=lambda: f"nonce{next(numbers)}")
    assert bound.jsapi(appid=APPID, prepay_id="wx1")["nonceStr"] == "nonce1"
    assert bound.jsapi(appid=APPID, prepay_id="wx1")["nonceStr"] == "nonce2"


def test_a_payload_can_be_the_answer_of_a_fastapi_route() -> None:
    application = FastAPI()

    @application.get("/pay")
    def pay() -> JsapiPayload:
        return at(V2_TIME, V2_NONCE).v2_jsapi(appid=APPID, prepay_id="u802345jgfjsdfgsdg888")

    assert TestClient(application).get("/pay").json()["paySign"] == "C73A98653231B86EA50227F15FDE06E6"
    assert "JsapiPayload" in application.openapi()["components"]["schemas"]


def test_the_repr_shows_no_secret() -> None:
    assert repr(at(V2_TIME, V2_NONCE)) == "Payloads(mchid='1900000109')"


@given(st.text(), st.text())
def test_any_text_gives_a_payload_or_our_error(appid: str, prepay_id: str) -> None:
    try:
        payload = at(V2_TIME, V2_NONCE).v2_jsapi(appid=appid, prepay_id=prepay_id)
    except InvalidData:
        return
    assert payload["package"] == f"prepay_id={prepay_id}"
