"""The stand-in for `WeixinJSBridge`: takes the parameters that a page in WeChat would give, checks them, and opens the cashier.

Parameters and results: https://pay.weixin.qq.com/doc/v3/merchant/4012791857, https://pay.weixin.qq.com/doc/v3/merchant/4012716430
and https://pay.weixin.qq.com/doc/v3/merchant/4012596371.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..models import Order
from ..parties import Merchant
from ..seal import signature_fits
from ..wire import Refusal, as_object
from . import sheets
from .diagnosis import Diagnosis, diagnose, pay_sign_guesses
from .site import Site, as_text, read_form

__all__ = ["Bridge"]

_PAY = ("appId", "timeStamp", "nonceStr", "package", "signType", "paySign")
_TRANSFER = ("mchId", "appId", "package")
_SCORE = ("mch_id", "package", "timestamp", "nonce_str", "sign_type", "sign")
_SCORE_DETAIL = ("mch_id", "service_id", "out_order_no", "timestamp", "nonce_str", "sign_type", "sign")


@dataclass
class Wrong(Exception):
    """The parameters are not taken: a sentence, what may stand beside it, and the comparison where a signature is wrong."""

    title: str
    reason: str = ""
    detail: str = ""
    diagnosis: Diagnosis | None = None


class Bridge:
    """`/_sandbox/jsapi`: the page that `bridge.js` opens over a merchant's page, and where parameters can be tried by hand."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sandbox = site.sandbox
        self._calls: dict[str, Callable[[dict[str, str]], sheets.Sheet]] = {
            "getBrandWCPayRequest": self._payment,
            "requestMerchantTransfer": self._transfer,
            "openBusinessView": self._score,
        }

    def routes(self) -> list[Route]:
        return [Route("/jsapi", self.open, methods=["GET"]), Route("/jsapi", self.act, methods=["POST"])]

    async def open(self, request: Request) -> Response:
        """The cashier for these parameters, or why they are not taken; without parameters a form for them."""
        query = request.query_params
        if "params" not in query:
            return self._site.page(request, "jsapi.html", framed=True, names=list(self._calls))
        return self._answer(request, query.get("name", "getBrandWCPayRequest"), query["params"], "")

    async def act(self, request: Request) -> Response:
        form = await read_form(request)
        return self._answer(request, form.get("name", ""), form.get("params", ""), form.get("action", ""))

    def _answer(self, request: Request, name: str, params: str, action: str) -> Response:
        result = _result_names(name)
        with self._sandbox.lock:
            self._sandbox.tick()
            try:
                sheet = self._read(name, params)
                if action:
                    sheets.act(self._sandbox, sheet, action)
                    sheet = self._read(name, params)
            except Wrong as wrong:
                return self._refused(request, wrong, result)
            except Refusal as refusal:
                return self._refused(request, Wrong("The sandbox refused:", detail=refusal.message), result)
            except LookupError:
                return self._refused(request, Wrong("The parameters cannot be used"), result)
        outcome = {"": "", "cancel": f"{result}:cancel", "expire": f"{result}:fail", "decline": f"{result}:fail"}.get(
            action, f"{result}:ok"
        )
        content: dict[str, Any] = {"sheet": sheet, "name": name, "params": params, "result": outcome, "cancelled": f"{result}:cancel"}
        return self._site.page(request, "jsapi_sheet.html", framed=True, **content)

    def _refused(self, request: Request, wrong: Wrong, result: str) -> Response:
        return self._site.page(request, "jsapi_wrong.html", framed=True, wrong=wrong, result=f"{result}:fail")

    def _read(self, name: str, params: str) -> sheets.Sheet:
        try:
            values = as_text(as_object(json.loads(params)) or {})
        except ValueError:
            values = None
        if not values:
            raise Wrong("The parameters cannot be used", "The parameters are not a JSON object of strings.")
        read = self._calls.get(name)
        if read is None:
            raise Wrong("The parameters cannot be used", "This call is not known to the stand-in.", name)
        return read(values)

    def _merchant(self, mchid: str) -> Merchant:
        merchant = self._sandbox.merchants.get(mchid)
        if merchant is None:
            raise Wrong("The parameters cannot be used", "Nothing was found for this number.", mchid)
        return merchant

    def _payment(self, values: dict[str, str]) -> sheets.Sheet:
        _complete(values, _PAY)
        order = sheets.order_by_prepay_id(self._sandbox.book, values["package"].removeprefix("prepay_id="))
        if order is None or not values["package"].startswith("prepay_id="):
            raise Wrong("The parameters cannot be used", "No order has this prepay_id.", values["package"])
        _check_app_id(order, values["appId"])
        if order.v2:
            self._check_v2(order, values)
        else:
            self._check_v3(order, values)
        return sheets.sheet_of_order(self._sandbox.book, order)

    def _check_v3(self, order: Order, values: dict[str, str]) -> None:
        if values["signType"] != "RSA":
            raise Wrong("paySign does not fit", "An APIv3 order must be signed with RSA.", values["signType"])
        names = ("appId", "timeStamp", "nonceStr", "package")
        expected = tuple(values[name] for name in names)
        # A combined order is signed by the merchant that placed it, which its parts' owners need not be.
        signers = [
            order.owner[0],
            *(mchid for mchid, number in self._sandbox.book.shelf("combine") if number == order.combine_out_trade_no),
        ]
        message = "".join(f"{line}\n" for line in expected).encode()
        keys = [self._merchant(mchid).private_key.public_key() for mchid in signers if mchid in self._sandbox.merchants]
        if not any(signature_fits(key, message, values["paySign"]) for key in keys):
            found = diagnose(names, expected, pay_sign_guesses(expected), values["paySign"], signers[-1], self._sandbox.merchants)
            raise Wrong("paySign does not fit", diagnosis=found)

    def _check_v2(self, order: Order, values: dict[str, str]) -> None:
        if values["signType"] not in {"MD5", "HMAC-SHA256"}:
            raise Wrong("paySign does not fit", "An APIv2 order must be signed with MD5 or HMAC-SHA256.", values["signType"])
        pairs = {name: values[name] for name in _PAY if name != "paySign"}
        secret = self._merchant(order.owner[0]).secret
        if not hmac.compare_digest(_v2_sign(pairs, secret, values["signType"]).encode(), values["paySign"].encode()):
            raise Wrong("paySign does not fit", "What should be signed", _v2_message(pairs, "***"))

    def _transfer(self, values: dict[str, str]) -> sheets.Sheet:
        _complete(values, _TRANSFER)
        for item in self._sandbox.book.shelf("transfers").values():
            if item.package == values["package"] and item.mchid == values["mchId"] and item.terms["appid"] == values["appId"]:
                return sheets.sheet_of_transfer(item)
        raise Wrong("The parameters cannot be used", "No transfer has this package.", values["package"])

    def _score(self, values: dict[str, str]) -> sheets.Sheet:
        _complete(values, ("businessType", "queryString"))
        given = dict(parse_qsl(values["queryString"], keep_blank_values=True))
        detail = values["businessType"] == "wxpayScoreDetail"
        _complete(given, _SCORE_DETAIL if detail else _SCORE)
        pairs = {name: value for name, value in given.items() if name != "sign"}
        secret = self._merchant(given["mch_id"]).secret
        if not hmac.compare_digest(_v2_sign(pairs, secret, "HMAC-SHA256").encode(), given["sign"].encode()):
            message = _v2_message(pairs, "***")
            raise Wrong("The pay-score signature does not fit", "Signed with the APIv2 key, HMAC-SHA256; expected:", message)
        for order in self._sandbox.book.score_orders.values():
            if (order.out_order_no == given["out_order_no"]) if detail else (order.package and order.package == given["package"]):
                return sheets.sheet_of_score(order)
        missing = "No pay-score order has this number." if detail else "No pay-score order has this package."
        raise Wrong("The parameters cannot be used", missing)


def _result_names(name: str) -> str:
    """`get_brand_wcpay_request` for `getBrandWCPayRequest`, as WeChat names its results."""
    return "get_brand_wcpay_request" if name == "getBrandWCPayRequest" else name


def _complete(values: dict[str, str], names: tuple[str, ...]) -> None:
    missing = [name for name in names if not values.get(name)]
    if missing:
        raise Wrong("The parameters cannot be used", "These parameters are missing: ", ", ".join(missing))


def _check_app_id(order: Order, app_id: str) -> None:
    known = {str(order.terms[name]) for name in ("appid", "sp_appid", "sub_appid") if name in order.terms}
    if known and app_id not in known:
        raise Wrong("The parameters cannot be used", "appId is not the one that the order was placed with.", app_id)


def _v2_message(pairs: dict[str, str], secret: str) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(pairs.items()) if value) + f"&key={secret}"


def _v2_sign(pairs: dict[str, str], secret: str, kind: str) -> str:
    message = _v2_message(pairs, secret).encode()
    if kind == "MD5":
        return hashlib.md5(message, usedforsecurity=False).hexdigest().upper()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().upper()
