"""What the merchant's own page, mini-program or app hands to WeChat so that its user can pay, confirm or collect.

Each function computes one payload from its arguments alone; `Payloads` binds them to a merchant, a clock and a source of nonces.
The results have the exact keys that WeChat's JavaScript and mobile SDKs want: send them to the front end as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, cast
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from wechatpay_async.crypto.rsa import sign as rsa_sign
from wechatpay_async.errors import ConfigError, InvalidData
from wechatpay_async.protocol import v2

# pydantic, and so FastAPI, takes the standard library's TypedDict as a response model from Python 3.12 on only.
if sys.version_info >= (3, 12):  # pragma: no cover — one version of Python takes one of the two branches
    from typing import TypedDict
else:  # pragma: no cover — as above
    from typing_extensions import TypedDict

_MOST_COUPONS = 10
_COUPON_PAGE = "https://action.weixin.qq.com/busifavor/getcouponinfo"
_APP_PACKAGE: Literal["Sign=WXPay"] = "Sign=WXPay"


class JsapiPayload(TypedDict):
    """For `WeixinJSBridge.invoke("getBrandWCPayRequest", …)`, `wx.chooseWXPay` and, in a mini-program, `wx.requestPayment`."""

    appId: str
    timeStamp: str
    nonceStr: str
    package: str
    signType: Literal["RSA", "MD5", "HMAC-SHA256"]
    paySign: str


class AppPayload(TypedDict):
    """For `PayReq` of the open SDK on Android, iOS and HarmonyOS."""

    appid: str
    partnerid: str
    prepayid: str
    package: Literal["Sign=WXPay"]
    noncestr: str
    timestamp: str
    sign: str


class RedPacketPayload(TypedDict):
    """For `wx.sendBizRedPacket` in a mini-program."""

    timeStamp: str
    nonceStr: str
    package: str
    signType: Literal["MD5"]
    paySign: str


class Coupon(TypedDict):
    """One coupon to hand out: its batch, and the number under which the merchant hands it out."""

    stock_id: str
    out_request_no: str
    coupon_code: NotRequired[str]
    customize_send_time: NotRequired[str]


class CouponPluginPayload(TypedDict):
    """For the `send-coupon` component of the mini-program plugin."""

    send_coupon_params: list[Coupon]
    send_coupon_merchant: str
    sign: str


class TransferConfirmPayload(TypedDict):
    """For `wx.requestMerchantTransfer`, and `requestMerchantTransfer` of the JSAPI bridge."""

    mchId: str
    appId: str
    package: str


class MiniProgramView(TypedDict):
    """For `wx.openBusinessView` in a mini-program."""

    businessType: str
    extraData: dict[str, str]


class JsapiView(TypedDict):
    """For `wx.invoke("openBusinessView", …)` on a page inside WeChat."""

    businessType: str
    queryString: str


class AppView(TypedDict):
    """For `WXOpenBusinessView` of the open SDK."""

    businessType: str
    query: str


@dataclass(frozen=True, slots=True)
class BusinessView:
    """One page of WeChat's to open, in the three shapes that its three kinds of caller want.

    The signature covers the plain values; in a query string they are percent-encoded afterwards.
    """

    business_type: str
    fields: Mapping[str, str]

    def mini_program(self) -> MiniProgramView:
        """For a mini-program: `wx.openBusinessView(result)`."""
        return {"businessType": self.business_type, "extraData": dict(self.fields)}

    def jsapi(self) -> JsapiView:
        """For a page inside WeChat: `wx.invoke("openBusinessView", result, callback)`."""
        return {"businessType": self.business_type, "queryString": _query(self.fields)}

    def app(self) -> AppView:
        """For an app: the two values go into `WXOpenBusinessView.Req`."""
        return {"businessType": self.business_type, "query": _query(self.fields)}


@dataclass(frozen=True, slots=True)
class Subsidy:
    """The instalment plan of WeChat Fenfu that the user chose, when the merchant pays the interest.

    https://pay.weixin.qq.com/doc/v3/merchant/4016196709
    """

    installments: int
    period_type: str = "PERIOD"


def jsapi(
    *, appid: str, prepay_id: str, private_key: RSAPrivateKey, timestamp: int, nonce: str, subsidy: Subsidy | None = None
) -> JsapiPayload:
    """APIv3, a page inside WeChat or a mini-program, signed with the merchant's key.

    `timestamp` is in seconds. https://pay.weixin.qq.com/doc/v3/merchant/4012365339
    """
    _check(appid=appid, nonce=nonce)
    package = f"prepay_id={_bare_prepay_id(prepay_id)}{_subsidy_suffix(subsidy)}"
    signature = rsa_sign(private_key, _lines(appid, str(timestamp), nonce, package))
    return {
        "appId": appid,
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": signature,
    }


def app(*, appid: str, partnerid: str, prepay_id: str, private_key: RSAPrivateKey, timestamp: int, nonce: str) -> AppPayload:
    """APIv3, an app, signed with the merchant's key over the bare `prepay_id`.

    `timestamp` is in seconds. https://pay.weixin.qq.com/doc/v3/merchant/4013070351
    """
    _check(appid=appid, partnerid=partnerid, nonce=nonce)
    signature = rsa_sign(private_key, _lines(appid, str(timestamp), nonce, _bare_prepay_id(prepay_id)))
    return {
        "appid": appid,
        "partnerid": partnerid,
        "prepayid": prepay_id,
        "package": _APP_PACKAGE,
        "noncestr": nonce,
        "timestamp": str(timestamp),
        "sign": signature,
    }


def with_redirect_url(h5_url: str, redirect_url: str) -> str:
    """The address that opens WeChat from a browser, with the page to come back to.

    `h5_url` is the answer of the H5 order (it lives five minutes), `redirect_url` a page of the merchant's own domain, not yet encoded.
    https://pay.weixin.qq.com/doc/v3/merchant/4012791834
    """
    _check(h5_url=h5_url, redirect_url=redirect_url)
    if "redirect_url=" in h5_url:
        raise InvalidData("h5_url", "it has a redirect_url already", hint="give the h5_url as the order answered it")
    if "://" not in redirect_url:
        raise InvalidData("redirect_url", "expected a whole address such as https://shop.example/paid", hint="do not encode it beforehand")
    return f"{h5_url}{'&' if '?' in h5_url else '?'}redirect_url={quote(redirect_url, safe='')}"


def v2_jsapi(*, appid: str, prepay_id: str, secret: bytes, timestamp: int, nonce: str, sign_type: v2.SignType = "MD5") -> JsapiPayload:
    """APIv2, a page inside WeChat or a mini-program. `sign_type` is the one that the order was made with.

    https://pay.weixin.qq.com/doc/v2/merchant/4011935213
    """
    _check(appid=appid, nonce=nonce)
    package = f"prepay_id={_bare_prepay_id(prepay_id)}"
    signed = {"appId": appid, "timeStamp": str(timestamp), "nonceStr": nonce, "package": package, "signType": sign_type}
    return {
        "appId": appid,
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": package,
        "signType": sign_type,
        "paySign": _v2_signature(signed, secret, sign_type),
    }


def v2_app(
    *, appid: str, partnerid: str, prepay_id: str, secret: bytes, timestamp: int, nonce: str, sign_type: v2.SignType = "MD5"
) -> AppPayload:
    """APIv2, an app. `sign_type` is the one that the order was made with.

    https://pay.weixin.qq.com/doc/v2/merchant/4011937148
    """
    _check(appid=appid, partnerid=partnerid, nonce=nonce)
    signed = {
        "appid": appid,
        "partnerid": partnerid,
        "prepayid": _bare_prepay_id(prepay_id),
        "package": _APP_PACKAGE,
        "noncestr": nonce,
        "timestamp": str(timestamp),
    }
    return {
        "appid": appid,
        "partnerid": partnerid,
        "prepayid": prepay_id,
        "package": _APP_PACKAGE,
        "noncestr": nonce,
        "timestamp": str(timestamp),
        "sign": _v2_signature(signed, secret, sign_type),
    }


def v2_red_packet(
    *, appid: str, package: str, secret: bytes, timestamp: int, nonce: str, sign_encoded_package: bool = True
) -> RedPacketPayload:
    """APIv2, a red packet that the user opens in a mini-program.

    `package` is the answer of `mmpaymkttransfers/sendminiprogramhb`, not yet encoded. Sources disagree on whether the signature covers
    the encoded or the plain package; the encoded one is signed unless `sign_encoded_package` is false.
    https://pay.weixin.qq.com/doc/v2/partner/4011941288
    """
    _check(appid=appid, package=package, nonce=nonce)
    encoded = quote(package, safe="")
    signed = {
        "appId": appid,
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": encoded if sign_encoded_package else package,
    }
    return {
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": encoded,
        "signType": "MD5",
        "paySign": _v2_signature(signed, secret, "MD5"),
    }


def coupon_plugin(*, coupons: Sequence[Coupon], send_coupon_merchant: str, secret: bytes) -> CouponPluginPayload:
    """Up to ten coupons, handed out by the mini-program plugin. The signature covers each field, its place in the list behind its name.

    https://pay.weixin.qq.com/doc/v3/merchant/4012285674
    """
    _check(send_coupon_merchant=send_coupon_merchant)
    if not isinstance(coupons, (list, tuple)):
        raise InvalidData("coupons", f"expected a list, got {type(coupons).__name__}")
    if not 1 <= len(coupons) <= _MOST_COUPONS:
        raise InvalidData("coupons", f"expected 1 to {_MOST_COUPONS}, got {len(coupons)}")
    signed = {"send_coupon_merchant": send_coupon_merchant}
    for place, coupon in enumerate(coupons):
        if not isinstance(coupon, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise InvalidData(f"coupons[{place}]", f"expected a mapping, got {type(coupon).__name__}")
        _check(**{f"coupons[{place}].{name}": value for name, value in cast("Mapping[str, str]", coupon).items() if value != ""})
        for name in ("stock_id", "out_request_no"):
            if not coupon.get(name):
                raise InvalidData(f"coupons[{place}].{name}", "a value is needed")
        signed |= {f"{name}{place}": value for name, value in cast("Mapping[str, str]", coupon).items()}
    return {
        "send_coupon_params": [coupon.copy() for coupon in coupons],
        "send_coupon_merchant": send_coupon_merchant,
        "sign": _v2_signature(signed, secret, "HMAC-SHA256"),
    }


def coupon_h5_url(
    *, stock_id: str, out_request_no: str, send_coupon_merchant: str, open_id: str, secret: bytes, coupon_code: str | None = None
) -> str:
    """The address of the page on which the user collects one coupon; redirect the user there.

    https://pay.weixin.qq.com/doc/v3/merchant/4012285783
    """
    fields = {
        "stock_id": stock_id,
        "out_request_no": out_request_no,
        "send_coupon_merchant": send_coupon_merchant,
        "open_id": open_id,
    }
    _check(**fields)
    if coupon_code is not None and coupon_code != "":
        _check(coupon_code=coupon_code)
        fields["coupon_code"] = coupon_code
    fields["sign"] = _v2_signature(fields, secret, "HMAC-SHA256")
    return f"{_COUPON_PAGE}?{_query(fields)}#wechat_pay&wechat_redirect"


def payscore_confirm(*, mchid: str, package: str, secret: bytes, timestamp: int, nonce: str) -> BusinessView:
    """The page on which the user confirms a pay score order; `package` is the answer of its creation.

    https://pay.weixin.qq.com/doc/v3/merchant/4012587909
    """
    _check(mchid=mchid, package=package, nonce=nonce)
    fields = {
        "mch_id": mchid,
        "package": package,
        "timestamp": str(timestamp),
        "nonce_str": nonce,
        "sign_type": "HMAC-SHA256",
    }
    return BusinessView("wxpayScoreUse", fields | {"sign": _v2_signature(fields, secret, "HMAC-SHA256")})


def payscore_detail(*, mchid: str, service_id: str, out_order_no: str, secret: bytes, timestamp: int, nonce: str) -> BusinessView:
    """The page on which the user sees a pay score order.

    https://pay.weixin.qq.com/doc/v3/merchant/4012587980
    """
    _check(mchid=mchid, service_id=service_id, out_order_no=out_order_no, nonce=nonce)
    fields = {
        "mch_id": mchid,
        "service_id": service_id,
        "out_order_no": out_order_no,
        "timestamp": str(timestamp),
        "nonce_str": nonce,
        "sign_type": "HMAC-SHA256",
    }
    return BusinessView("wxpayScoreDetail", fields | {"sign": _v2_signature(fields, secret, "HMAC-SHA256")})


def transfer_confirm(*, mchid: str, appid: str, package_info: str) -> TransferConfirmPayload:
    """The page on which the user accepts a transfer; `package_info` is the answer of the transfer. Nothing is signed.

    https://pay.weixin.qq.com/doc/v3/merchant/4015273741
    """
    _check(mchid=mchid, appid=appid, package_info=package_info)
    return {"mchId": mchid, "appId": appid, "package": package_info}


def transfer_confirm_app(*, mchid: str, appid: str, package_info: str) -> AppView:
    """The same page opened from an app, through `WXOpenBusinessView`.

    https://pay.weixin.qq.com/doc/v3/merchant/4012719576
    """
    fields = transfer_confirm(mchid=mchid, appid=appid, package_info=package_info)
    query = _query({"mchId": fields["mchId"], "appId": fields["appId"], "package": fields["package"]})
    return {"businessType": "requestMerchantTransfer", "query": query}


class Payloads:
    """The client-side payloads of one merchant: `wxpay.payloads`.

    `private_key` signs APIv3 payloads, `secret` (the APIv2 key) those of APIv2, of the pay score and of coupons. `clock` gives seconds,
    `nonce` a fresh nonce of at most 32 characters.
    """

    __slots__ = ("_clock", "_mchid", "_nonce", "_private_key", "_secret")

    def __init__(
        self,
        *,
        mchid: str,
        private_key: RSAPrivateKey | None,
        secret: str | bytes | None,
        clock: Callable[[], float],
        nonce: Callable[[], str],
    ) -> None:
        self._mchid = mchid
        self._private_key = private_key
        self._secret = secret.encode() if isinstance(secret, str) else secret
        self._clock = clock
        self._nonce = nonce

    def __repr__(self) -> str:
        return f"Payloads(mchid={self._mchid!r})"

    def jsapi(self, *, appid: str, prepay_id: str, subsidy: Subsidy | None = None) -> JsapiPayload:
        """A page inside WeChat: for `WeixinJSBridge.invoke("getBrandWCPayRequest", …)`.

        `appid` is the one that the order was made with. `subsidy` names the Fenfu instalments that the user chose.
        Raises `InvalidData`. https://pay.weixin.qq.com/doc/v3/merchant/4012365339
        """
        return jsapi(
            appid=appid,
            prepay_id=prepay_id,
            private_key=self._key(),
            timestamp=self._now(),
            nonce=self._nonce(),
            subsidy=subsidy,
        )

    def mini_program(self, *, appid: str, prepay_id: str, subsidy: Subsidy | None = None) -> JsapiPayload:
        """A mini-program: for `wx.requestPayment`. The payload is that of `jsapi`, with the mini-program's `appid`.

        https://pay.weixin.qq.com/doc/v3/merchant/4012365341
        """
        return self.jsapi(appid=appid, prepay_id=prepay_id, subsidy=subsidy)

    def app(self, *, appid: str, prepay_id: str, partnerid: str | None = None) -> AppPayload:
        """An app: for `PayReq` of the open SDK. `partnerid` is this merchant; a partner gives the sub-merchant that the order named.

        Raises `InvalidData`. https://pay.weixin.qq.com/doc/v3/merchant/4013070351
        """
        return app(
            appid=appid,
            partnerid=self._mchid if partnerid is None else partnerid,
            prepay_id=prepay_id,
            private_key=self._key(),
            timestamp=self._now(),
            nonce=self._nonce(),
        )

    def h5_url(self, h5_url: str, redirect_url: str) -> str:
        """The address that opens WeChat from a browser, with `redirect_url` (not yet encoded) as the page to come back to.

        Raises `InvalidData`. https://pay.weixin.qq.com/doc/v3/merchant/4012791834
        """
        return with_redirect_url(h5_url, redirect_url)

    def v2_jsapi(self, *, appid: str, prepay_id: str, sign_type: v2.SignType = "MD5") -> JsapiPayload:
        """APIv2, a page inside WeChat. `sign_type` is the one that the order was made with.

        Raises `ConfigError` without `secret`, `InvalidData`. https://pay.weixin.qq.com/doc/v2/merchant/4011935213
        """
        return v2_jsapi(
            appid=appid,
            prepay_id=prepay_id,
            secret=self._v2_key("v2_jsapi"),
            timestamp=self._now(),
            nonce=self._nonce(),
            sign_type=sign_type,
        )

    def v2_mini_program(self, *, appid: str, prepay_id: str, sign_type: v2.SignType = "MD5") -> JsapiPayload:
        """APIv2, a mini-program: the payload of `v2_jsapi`, with the mini-program's `appid`."""
        return self.v2_jsapi(appid=appid, prepay_id=prepay_id, sign_type=sign_type)

    def v2_app(self, *, appid: str, prepay_id: str, partnerid: str | None = None, sign_type: v2.SignType = "MD5") -> AppPayload:
        """APIv2, an app. `partnerid` is this merchant unless given.

        Raises `ConfigError` without `secret`, `InvalidData`. https://pay.weixin.qq.com/doc/v2/merchant/4011937148
        """
        return v2_app(
            appid=appid,
            partnerid=self._mchid if partnerid is None else partnerid,
            prepay_id=prepay_id,
            secret=self._v2_key("v2_app"),
            timestamp=self._now(),
            nonce=self._nonce(),
            sign_type=sign_type,
        )

    def v2_red_packet(self, *, appid: str, package: str, sign_encoded_package: bool = True) -> RedPacketPayload:
        """APIv2, a red packet in a mini-program. `package` is the answer of `mmpaymkttransfers/sendminiprogramhb`, not yet encoded.

        Sources disagree on whether the signature covers the encoded or the plain package: see `v2_red_packet` of this module.
        Raises `ConfigError` without `secret`, `InvalidData`. https://pay.weixin.qq.com/doc/v2/partner/4011941288
        """
        return v2_red_packet(
            appid=appid,
            package=package,
            secret=self._v2_key("v2_red_packet"),
            timestamp=self._now(),
            nonce=self._nonce(),
            sign_encoded_package=sign_encoded_package,
        )

    def coupon_plugin(self, coupons: Sequence[Coupon], *, send_coupon_merchant: str | None = None) -> CouponPluginPayload:
        """Up to ten coupons, handed out by the mini-program plugin. `send_coupon_merchant` is this merchant unless given.

        Raises `ConfigError` without `secret`, `InvalidData`. https://pay.weixin.qq.com/doc/v3/merchant/4012285674
        """
        merchant = self._mchid if send_coupon_merchant is None else send_coupon_merchant
        return coupon_plugin(coupons=coupons, send_coupon_merchant=merchant, secret=self._v2_key("coupon_plugin"))

    def coupon_h5_url(
        self,
        *,
        stock_id: str,
        out_request_no: str,
        open_id: str,
        coupon_code: str | None = None,
        send_coupon_merchant: str | None = None,
    ) -> str:
        """The address of the page on which the user collects one coupon. `send_coupon_merchant` is this merchant unless given.

        Raises `ConfigError` without `secret`, `InvalidData`. https://pay.weixin.qq.com/doc/v3/merchant/4012285783
        """
        return coupon_h5_url(
            stock_id=stock_id,
            out_request_no=out_request_no,
            send_coupon_merchant=self._mchid if send_coupon_merchant is None else send_coupon_merchant,
            open_id=open_id,
            coupon_code=coupon_code,
            secret=self._v2_key("coupon_h5_url"),
        )

    def payscore_confirm(self, *, package: str) -> BusinessView:
        """The page on which the user confirms a pay score order; then `.mini_program()`, `.jsapi()` or `.app()` of the result.

        `package` is the answer of the order's creation. Raises `ConfigError` without `secret`, `InvalidData`.
        https://pay.weixin.qq.com/doc/v3/merchant/4012587909
        """
        return payscore_confirm(
            mchid=self._mchid,
            package=package,
            secret=self._v2_key("payscore_confirm"),
            timestamp=self._now(),
            nonce=self._nonce(),
        )

    def payscore_detail(self, *, service_id: str, out_order_no: str) -> BusinessView:
        """The page on which the user sees a pay score order; then `.mini_program()`, `.jsapi()` or `.app()` of the result.

        Raises `ConfigError` without `secret`, `InvalidData`. https://pay.weixin.qq.com/doc/v3/merchant/4012587980
        """
        return payscore_detail(
            mchid=self._mchid,
            service_id=service_id,
            out_order_no=out_order_no,
            secret=self._v2_key("payscore_detail"),
            timestamp=self._now(),
            nonce=self._nonce(),
        )

    def transfer_confirm(self, *, appid: str, package_info: str) -> TransferConfirmPayload:
        """The page on which the user accepts a transfer: for `wx.requestMerchantTransfer`. Nothing is signed.

        `package_info` is the answer of the transfer. Raises `InvalidData`. https://pay.weixin.qq.com/doc/v3/merchant/4015273741
        """
        return transfer_confirm(mchid=self._mchid, appid=appid, package_info=package_info)

    def transfer_confirm_app(self, *, appid: str, package_info: str) -> AppView:
        """The same page opened from an app: for `WXOpenBusinessView`.

        Raises `InvalidData`. https://pay.weixin.qq.com/doc/v3/merchant/4012719576
        """
        return transfer_confirm_app(mchid=self._mchid, appid=appid, package_info=package_info)

    def _now(self) -> int:
        return int(self._clock())

    def _key(self) -> RSAPrivateKey:
        if self._private_key is None:
            raise ConfigError("private_key", "this payload is signed with the merchant's private key", hint="Wechatpay(private_key=…)")
        return self._private_key

    def _v2_key(self, name: str) -> bytes:
        if self._secret is None:
            raise ConfigError(
                "secret",
                f"payloads.{name} is signed with the APIv2 key, and the client has none",
                hint="Wechatpay(secret=…): 32 characters, set in the merchant platform under API security",
            )
        return self._secret


def _check(**fields: str) -> None:
    """Refuse what is no text, empty, or has control characters: a line break would shift the lines of what is signed."""
    for name, value in fields.items():
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise InvalidData(name, f"expected text, got {type(value).__name__}")
        if not value:
            raise InvalidData(name, "a value is needed")
        if any(character < " " or character == "\x7f" for character in value):
            raise InvalidData(name, "it has control characters")


def _bare_prepay_id(prepay_id: str) -> str:
    _check(prepay_id=prepay_id)
    if "=" in prepay_id or "&" in prepay_id:
        raise InvalidData("prepay_id", "expected the bare id", hint='without "prepay_id=" before it and without parameters behind it')
    return prepay_id


def _subsidy_suffix(subsidy: Subsidy | None) -> str:
    if subsidy is None:
        return ""
    if not isinstance(subsidy, Subsidy):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise InvalidData("subsidy", f"expected a Subsidy, got {type(subsidy).__name__}", hint="Subsidy(installments=3)")
    _check(period_type=subsidy.period_type)
    number = subsidy.installments
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:  # pyright: ignore[reportUnnecessaryIsInstance] — as above
        raise InvalidData("subsidy.installments", f"expected a number above 0, got {number!r:.20}")
    return f"&subsidy_period_type={subsidy.period_type}&selected_installment_number={subsidy.installments}"


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _query(fields: Mapping[str, str]) -> str:
    return urlencode(fields, quote_via=quote, safe="")


def _v2_signature(fields: Mapping[str, str], secret: bytes, sign_type: v2.SignType) -> str:
    if sign_type not in v2.SIGN_TYPES:
        raise InvalidData("sign_type", f"expected MD5 or HMAC-SHA256, got {sign_type!r}")
    return v2.sign(fields, secret, sign_type)
