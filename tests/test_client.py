"""A call's way from its name to a verified answer, step by step."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.keys import (
    APIV3_KEY,
    MCHID,
    MERCHANT_KEY,
    MERCHANT_KEY_PEM,
    MERCHANT_SERIAL,
    PLATFORM_KEY,
    PLATFORM_PUBLIC_PEM,
    PUBLIC_KEY_ID,
    SECRET,
    certificate,
    pem,
)
from tests.support.platform import NOW, Platform, answer, check_request, client, settings, signed_headers
from wechatpay_async import Response, Wechatpay, errors
from wechatpay_async.crypto import aes, rsa
from wechatpay_async.environment import settings_from
from wechatpay_async.platform_keys import StaticKeys
from wechatpay_async.protocol.sealed import Sealed

pytestmark = pytest.mark.anyio

ORDER = {
    "appid": "wxd678efh567hg6787",
    "mchid": MCHID,
    "description": "Image形象店-深圳腾大-QQ公仔",
    "out_trade_no": "1217752501201407033233368018",
    "notify_url": "https://www.weixin.qq.com/wxpay/pay.php",
    "amount": {"total": 100, "currency": "CNY"},
}


async def test_a_body_that_a_broken_connection_leaves_half_way_has_nothing_to_close() -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        await wxpay.v3.pay.transactions.native.post(ORDER)  # type: ignore[arg-type]  # a plain dict
    assert isinstance(platform.last.stream, httpx.AsyncByteStream)
    body = aiter(platform.last.stream)
    assert not inspect.isasyncgen(body)  # trio complains of a generator that is never ended
    assert [piece async for piece in body] == [platform.last.content]


async def test_an_order() -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        response = await wxpay.v3.pay.transactions.native.post(ORDER)  # type: ignore[arg-type]  # a plain dict
    assert isinstance(response, Response)
    assert response.data == {"code_url": "weixin://"}
    assert (response.status_code, response.request_id, response.accepted) == (200, "08F7E8B7B6051018-268541", False)
    assert response.headers["wechatpay-nonce"] == "NONCE"
    sent = platform.last
    check_request(sent)
    assert sent.content.decode() == (
        '{"appid":"wxd678efh567hg6787","mchid":"1900007291","description":"Image形象店-深圳腾大-QQ公仔",'
        '"out_trade_no":"1217752501201407033233368018","notify_url":"https://www.weixin.qq.com/wxpay/pay.php",'
        '"amount":{"total":100,"currency":"CNY"}}'
    )
    assert str(sent.url) == "https://api.mch.weixin.qq.com/v3/pay/transactions/native"
    assert sent.headers["Accept"] == "application/json"
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["User-Agent"].startswith("wechatpay-async/")
    assert sent.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID


NOTHING: list[tuple[tuple[Any, ...], bytes]] = [((), b""), ((None,), b""), (({},), b"{}"), (({"a": "b"},), b'{"a":"b"}'), (([],), b"[]")]


@pytest.mark.parametrize(("data", "content"), NOTHING)
async def test_nothing_sends_nothing(data: tuple[Any, ...], content: bytes) -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        await wxpay.chain("v3/new/thing").post(*data)
    assert platform.last.content == content
    check_request(platform.last)


async def test_a_query_is_signed_as_it_is_sent() -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        await wxpay.chain("v3/new/thing/{no}").get(no="a/中", params={"名": "图|书 +", "list": ["x&y", "z"], "n": 1})
    target = b"/v3/new/thing/a%2F%E4%B8%AD?%E5%90%8D=%E5%9B%BE%7C%E4%B9%A6%20%2B&list=x%26y&list=z&n=1"
    assert platform.last.url.raw_path == target
    check_request(platform.last)
    assert "Content-Type" not in platform.last.headers


async def test_headers_for_one_call() -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        await wxpay.chain("v3/new").post({}, headers={"Idempotency-Key": "1", "Content-Type": "application/json; charset=utf-8"})
        with pytest.raises(errors.RequestError, match="the header authorization is this client's own"):
            await wxpay.chain("v3/new").post({}, headers={"authorization": "x"})
    assert platform.last.headers["Idempotency-Key"] == "1"
    assert platform.last.headers["Content-Type"] == "application/json; charset=utf-8"
    assert len(platform.requests) == 1


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"X": "a\r\nEvil: b"}, "the header X: the value cannot be sent"),
        ({"X": "a\nb"}, "the header X: the value cannot be sent"),
        ({"X": "a\0b"}, "the header X: the value cannot be sent"),
        ({"X": "中"}, "the header X: the value cannot be sent"),
        ({"X": 5}, "the header X: the value cannot be sent"),
        ({"X": None}, "the header X: the value cannot be sent"),
        ({"Wechatpay-Serial": "x\r\ny"}, "the header Wechatpay-Serial: the value cannot be sent"),
        ({"X\r\nY": "b"}, "not a header's name"),
        ({"X Y": "b"}, "not a header's name"),
        ({"": "b"}, "not a header's name"),
        ({b"X": "b"}, "not a header's name"),
        ({"Content-Encoding": "gzip"}, "the header Content-Encoding is this client's own"),
        ({"HOST": "evil.example"}, "the header HOST is this client's own"),
        ([("X", "y")], "headers: expected a mapping, got list"),
        ("X: y", "headers: expected a mapping, got str"),
    ],
)
async def test_a_header_that_is_none(headers: Any, message: str) -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        with pytest.raises(errors.RequestError, match=message):
            await wxpay.chain("v3/new").post({}, headers=headers)
        with pytest.raises(errors.RequestError, match=message):
            await wxpay.chain("v3/new").post({}, {"headers": headers})
    assert platform.requests == []


ITSELF: dict[str, Any] = {}
ITSELF["a"] = ITSELF


UNSENDABLE: list[tuple[Callable[[Any], Any], str]] = [
    (lambda node: node.post(ITSELF), r"\$: is nested too deeply, or holds itself"),
    (lambda node: node.post({"a": 1 << 63}), r"\$\.a: is an integer beyond 64 bits"),
    (lambda node: node.post({"\U0001f600": 1}), r"\$: has a character beyond the BMP"),
    (lambda node: node.post({"\udc00": 1}), r"\$: has half a surrogate pair"),
    (lambda node: node.get(params="a=b"), "params: expected a mapping, got str"),
    (lambda node: node.get(params=[("a", "b")]), "params: expected a mapping, got list"),
    (lambda node: node.get(params={"a": 10**5000}), r"params\.a: is an integer beyond 64 bits"),
    (lambda node: node.get(params={"\ud800": "a"}), "params: has half a surrogate pair"),
    (lambda node: node.get(params={"a": "x" * 70000}), "GET /v3/new: no URL can be made of these values"),
    (lambda node: node.get(timeout="5"), "timeout: expected seconds"),
    (lambda node: node.get(timeout=-1), "timeout: -1 seconds"),
]


@pytest.mark.parametrize(("call", "message"), UNSENDABLE)
async def test_arguments_that_cannot_be_sent(call: Callable[[Any], Any], message: str) -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        with pytest.raises(errors.RequestError, match=message):
            await call(wxpay.chain("v3/new"))
    assert platform.requests == []


async def test_a_documented_body_that_holds_itself() -> None:
    async with client(Platform()) as wxpay:
        with pytest.raises(errors.InvalidData, match="nested too deeply, or holds itself"):
            await wxpay.v3.pay.transactions.native.post({**ORDER, "detail": ITSELF})  # type: ignore[typeddict-item, unused-ignore]  # a value within itself


async def test_another_merchants_number_as_an_integer() -> None:
    async with client(Platform(), validate="off") as wxpay:
        with pytest.raises(errors.InvalidData, match=r"\$\.mchid: expected this client's own number 1900007291"):
            await wxpay.chain("v3/pay/transactions/native").post({**ORDER, "mchid": 1900000109})


@pytest.mark.parametrize(("timeout", "read"), [(None, None), (2.5, 2.5), (httpx.Timeout(1, read=9), 9)])
async def test_a_timeout_for_one_call(timeout: Any, read: float | None) -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        await wxpay.chain("v3/new").get(timeout=timeout)
    assert platform.last.extensions["timeout"]["read"] == read


class Model:
    def model_dump(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("text", "expected a mapping, got str .a dict"),
        (b"{}", "expected a mapping, got bytes"),
        (1, "expected a mapping, got int"),
        (Model(), "got Model .model.model_dump"),
        ({"a": None}, r"\$\.a: is None"),
    ],
)
async def test_a_body_of_another_kind(data: Any, message: str) -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        with pytest.raises(errors.RequestError, match=message):
            await wxpay.chain("v3/new").post(data)
    assert platform.requests == []


async def test_any_mapping_is_a_body() -> None:
    from types import MappingProxyType

    platform = Platform()
    async with client(platform) as wxpay:
        await wxpay.chain("v3/new").post(MappingProxyType({"a": 1}))
    assert platform.last.content == b'{"a":1}'


@pytest.mark.parametrize(
    ("reply", "data"),
    [
        (lambda: answer(204, b""), None),
        (lambda: answer(200, b""), None),
        (lambda: answer(200, b'{"a":[1]}', Content_Type="application/json"), {"a": [1]}),
        (lambda: answer(200, b'[{"a":1}]', Content_Type=""), [{"a": 1}]),
        (lambda: answer(200, b'{"a":1}', Content_Type="text/plain"), {"a": 1}),
        (lambda: answer(200, b"PNG", Content_Type="image/png"), b"PNG"),
        (lambda: answer(200, b'{"code":"SUCCESS","message":"ok"}'), {"code": "SUCCESS", "message": "ok"}),
        (lambda: answer(200, b'{"code":200,"message":"ok"}'), {"code": 200, "message": "ok"}),
    ],
)
async def test_what_becomes_of_a_body(reply: Callable[[], httpx.Response], data: Any) -> None:
    async with client(Platform(lambda request: reply())) as wxpay:
        assert (await wxpay.chain("v3/new").get()).data == data


async def test_a_file_is_bytes_and_needs_no_signature() -> None:
    async with client(Platform(lambda request: httpx.Response(200, content=b'{"a"'))) as wxpay:
        response = await wxpay.v3.billdownload.file.get(params={"token": "x"})  # type: ignore[call-arg, typeddict-unknown-key, unused-ignore]  # a query that is not documented
        assert response.data == b'{"a"'
        node = wxpay.chain("v3/billdownload/file")
        async with node.stream(params={"token": "x"}) as streamed:
            assert [chunk async for chunk in streamed.aiter_bytes()] == [b'{"a"']


STATEMENT = b"`2018-01-30\r\n"
STATEMENT_SHA1 = "997beec5dac3bd571af9d6410fe2c5099825f225"


def statement(body: bytes = STATEMENT, **changes: str) -> httpx.Response:
    """A statement as WeChat Pay sends it: what is signed is the hash in a header."""
    headers = {
        **signed_headers(f'{{"sha1":"{STATEMENT_SHA1}"}}'.encode()),
        "Wechatpay-Statement-Sha1": STATEMENT_SHA1,
        "Content-Type": "text/plain",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return httpx.Response(200, headers={name: value for name, value in headers.items() if value}, content=body)


@pytest.mark.parametrize("path", ["v3/statements", "v3/global/statements"])
async def test_a_statement_is_proven_by_its_signed_hash(path: str) -> None:
    async with client(Platform(lambda request: statement())) as wxpay:
        node = wxpay.chain(path)
        assert (await node.get(params={"date": "20180130"})).data == STATEMENT
        async with node.stream(params={"date": "20180130"}) as streamed:
            assert await streamed.aread() == STATEMENT


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (lambda: statement(b"`2018-01-31\r\n"), errors.BadHash),
        (lambda: statement(Wechatpay_Statement_Sha1="0" * 40), errors.BadSignature),
        (lambda: statement(Wechatpay_Statement_Sha1=""), errors.MissingSignature),
        (lambda: statement(Wechatpay_Signature=""), errors.MissingSignature),
        (lambda: statement(Wechatpay_Timestamp=str(NOW - 300)), errors.StaleTimestamp),
    ],
)
async def test_a_statement_that_is_not_proven_is_refused(reply: Callable[[], httpx.Response], kind: type[errors.SignatureError]) -> None:
    async with client(Platform(lambda request: reply())) as wxpay:
        with pytest.raises(kind):
            await wxpay.chain("v3/statements").get(params={"date": "20180130"})
        if kind is not errors.BadHash:  # the body of a stream is hashed by whoever reads it
            with pytest.raises(kind):
                async with wxpay.chain("v3/statements").stream(params={"date": "20180130"}):
                    pytest.fail("nothing is given out")  # pragma: no cover — as it says


async def test_a_stream_that_is_an_error() -> None:
    async with client(Platform(lambda request: httpx.Response(404, json={"code": "NOT_FOUND", "message": "x"}))) as wxpay:
        with pytest.raises(errors.NotFound, match="404 NOT_FOUND: x"):
            async with wxpay.chain("v3/billdownload/file").stream(params={"token": "x"}):
                raise AssertionError


async def test_202_is_accepted() -> None:
    async with client(Platform(lambda request: answer(202, b"{}"))) as wxpay:
        assert (await wxpay.chain("v3/new").post({})).accepted


async def test_a_broken_signature_gives_no_data() -> None:
    async with client(Platform(lambda request: answer(body=b'{"secret":"data"}', Wechatpay_Nonce="other"))) as wxpay:
        with pytest.raises(errors.BadSignature) as caught:
            await wxpay.chain("v3/new").post({})
    assert "data" not in str(caught.value)


async def test_the_servers_error_is_never_hidden() -> None:
    body = {
        "code": "PARAM_ERROR",
        "message": "参数错误",
        "detail": {"field": "/amount/total", "value": "0", "issue": "min", "location": "body"},
    }
    async with client(Platform(lambda request: httpx.Response(400, json=body, headers={"Request-ID": "1-2"}))) as wxpay:
        with pytest.raises(errors.InvalidRequest) as caught:
            await wxpay.chain("v3/new").post({})
    error = caught.value
    assert (error.status, error.code, error.message, error.request_id) == (400, "PARAM_ERROR", "参数错误", "1-2")
    assert error.detail["field"] == "/amount/total"
    assert str(error) == "400 PARAM_ERROR: 参数错误 [Request-ID 1-2]"


async def test_sign_error_shows_what_was_signed() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        fields = check_request(request)
        seen = f'POST\n/v3/new\n{fields["timestamp"]}\n{fields["nonce"]}\n{{"a":2}}\n'
        return httpx.Response(
            401, json={"code": "SIGN_ERROR", "message": "签名错误", "detail": {"sign_information": {"truncated_sign_message": seen}}}
        )

    async with client(Platform(refuse)) as wxpay:
        with pytest.raises(errors.AuthError) as caught:
            await wxpay.chain("v3/new").post({"a": 1})
    assert caught.value.hint == "the body differs: signed '{\"a\":1}\\n', the server saw '{\"a\":2}\\n'"


async def test_an_error_in_a_200() -> None:
    async with client(Platform(lambda request: answer(200, b'{"code":"FREQUENCY_LIMITED","message":"slow down"}'))) as wxpay:
        with pytest.raises(errors.RateLimited):
            await wxpay.chain("v3/new").get()


async def test_a_redirect_is_an_error() -> None:
    async with client(Platform(lambda request: httpx.Response(302, headers={"Location": "https://evil.example/"}))) as wxpay:
        with pytest.raises(errors.APIError, match="redirects are not followed"):
            await wxpay.chain("v3/new").get()


async def test_a_path_that_nobody_knows_gets_a_suggestion() -> None:
    missing = Platform(lambda request: httpx.Response(404, json={"code": "NOT_FOUND", "message": "x"}))
    async with client(missing) as wxpay:
        with pytest.raises(errors.NotFound, match="did you mean /v3/pay/transactions/native"):
            await wxpay.chain("v3/pay/transaction/native").post({})
        with pytest.raises(errors.NotFound) as caught:
            await wxpay.chain("v3/zzz").post({})
        assert caught.value.hint is None
        with pytest.raises(errors.NotFound) as documented:
            await wxpay.chain("v3/pay/transactions/id/1").get(params={"mchid": MCHID})
        assert documented.value.hint is None


class Broken(httpx.AsyncBaseTransport):
    """Fails before, or after, the request has left."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request
        raise self.error


@pytest.mark.parametrize(
    ("error", "on_get", "on_post"),
    [
        (httpx.ConnectError("refused"), errors.TransportError, errors.TransportError),
        (httpx.ConnectTimeout(""), errors.TransportError, errors.TransportError),
        (httpx.PoolTimeout(""), errors.TransportError, errors.TransportError),
        (httpx.ReadTimeout(""), errors.TransportError, errors.OutcomeUnknown),
        (httpx.ReadError("reset"), errors.TransportError, errors.OutcomeUnknown),
        (httpx.WriteError("reset"), errors.TransportError, errors.OutcomeUnknown),
        (httpx.RemoteProtocolError("half"), errors.TransportError, errors.OutcomeUnknown),
    ],
)
async def test_a_write_without_an_answer_has_an_unknown_outcome(
    error: Exception, on_get: type[Exception], on_post: type[Exception]
) -> None:
    async with client(Broken(error)) as wxpay:
        for call, expected in ((wxpay.chain("v3/new").get(), on_get), (wxpay.chain("v3/new").post({}), on_post)):
            with pytest.raises(errors.TransportError) as caught:
                await call
            assert type(caught.value) is expected
            assert type(error).__name__ in str(caught.value)
            assert caught.value.__cause__ is error


class HalfAnswer(httpx.AsyncByteStream):
    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> bytes:
        raise httpx.ReadError("reset in the middle")


async def test_what_the_caller_changes_meanwhile_is_not_asked_about() -> None:
    """One dict for all orders: the query that settles the first one asks about the first one."""
    order = {**ORDER, "out_trade_no": "FIRST-ORDER-1"}
    asked: list[str] = []

    def lose(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        order["out_trade_no"] = "SECOND-ORDER-2"
        if request.method == "POST":
            raise httpx.ReadError("gone")
        return answer(body=b'{"trade_state":"NOTPAY"}')

    async with client(Platform(lose)) as wxpay:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await wxpay.chain("v3/pay/transactions/native").post(order)
        assert (await caught.value.resolve()).data == {"trade_state": "NOTPAY"}
    assert asked == ["/v3/pay/transactions/native", "/v3/pay/transactions/out-trade-no/FIRST-ORDER-1"]


async def test_an_answer_that_breaks_off() -> None:
    platform = Platform(lambda request: httpx.Response(500, stream=HalfAnswer()))
    async with client(platform) as wxpay:
        with pytest.raises(errors.OutcomeUnknown, match="reset in the middle"):
            await wxpay.chain("v3/new").post({})


WRONG = {**ORDER, "descripton": "misspelt"}


async def test_what_the_server_may_have_loosened_is_warned_of() -> None:
    platform = Platform()
    async with client(platform) as wxpay:
        with pytest.warns(errors.ValidationWarning, match=r"POST /v3/pay/transactions/native: \$\.descripton: "):
            await wxpay.v3.pay.transactions.native.post(WRONG)  # type: ignore[arg-type]  # wrong on purpose
    async with client(platform, validate="off") as wxpay:
        await wxpay.v3.pay.transactions.native.post(WRONG)  # type: ignore[arg-type]  # wrong on purpose
    assert len(platform.requests) == 2
    async with client(platform, validate="strict") as wxpay:
        with pytest.raises(errors.InvalidData) as caught:
            await wxpay.v3.pay.transactions.native.post(WRONG)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.path == "$.descripton"
    assert len(platform.requests) == 2


@pytest.mark.parametrize("validate", ["off", "warn", "strict"])
@pytest.mark.parametrize(
    ("path", "change", "field"),
    [
        ("v3/pay/transactions/native", {"amount": {"total": 1.5}}, "$.amount.total"),
        ("v3/pay/transactions/native", {"description": None}, "$.description"),
        ("v3/pay/transactions/native", {"mchid": "1900000109"}, "$.mchid"),
        ("v3/pay/partner/transactions/native", {"sp_mchid": "1900000109"}, "$.sp_mchid"),
    ],
)
@pytest.mark.filterwarnings("ignore::wechatpay_async.errors.ValidationWarning")
async def test_what_is_always_refused(validate: str, path: str, change: dict[str, Any], field: str) -> None:
    platform = Platform()
    body = {**ORDER, **change} if validate != "strict" or "partner" not in path else change
    async with client(platform, validate=validate) as wxpay:
        with pytest.raises(errors.InvalidData):
            await wxpay.chain(path).post(body)
        if validate == "off":
            with pytest.raises(errors.InvalidData) as caught:
                await wxpay.chain(path).post(body)
            assert caught.value.path == field
    assert platform.requests == []


async def test_another_merchants_number_in_a_query() -> None:
    async with client(Platform()) as wxpay:
        with pytest.raises(errors.InvalidData, match=r"^query\.mchid: expected this client's own number"):
            await wxpay.chain("v3/pay/transactions/id/1").get(params={"mchid": "1900000109"})


async def test_sensitive_fields_are_sealed_and_opened() -> None:
    name = rsa.oaep_encrypt(MERCHANT_KEY.public_key(), "李四".encode())
    platform = Platform(lambda request: answer(200, json.dumps({"complaint_id": "1", "payer_phone": name}).encode()))
    body = {"account": "86693852", "type": "MERCHANT_ID", "name": "张三", "relation_type": "STORE", "appid": "wx8888888888888888"}
    async with client(platform) as wxpay:
        await wxpay.chain("v3/profitsharing/receivers/add").post(body)
        sent = json.loads(platform.last.content)
        assert rsa.oaep_decrypt(PLATFORM_KEY, sent["name"]) == "张三".encode()
        assert body["name"] == "张三"
        assert platform.last.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
        response = await wxpay.chain("v3/merchant-service/complaints-v2/1").get()
        assert response.data["payer_phone"] == "李四"


async def test_a_field_that_does_not_open_is_named() -> None:
    platform = Platform(lambda request: answer(200, b'{"complaint_id":"1","payer_phone":"AAAA"}'))
    async with client(platform) as wxpay:
        with pytest.raises(errors.DecryptionError) as caught:
            await wxpay.chain("v3/merchant-service/complaints-v2/1").get()
    assert caught.value.field == "$.payer_phone"


async def test_sealing_by_hand() -> None:
    platform = Platform()
    async with client(platform, validate="off") as wxpay:
        sealed = await wxpay.seal("张三")
        await wxpay.chain("v3/profitsharing/receivers/add").post({"name": sealed}, headers={"Wechatpay-Serial": PUBLIC_KEY_ID})
        with pytest.raises(errors.UnknownSerial):
            await wxpay.chain("v3/profitsharing/receivers/add").post({"name": "张三"}, headers={"Wechatpay-Serial": "PUB_KEY_ID_X"})
        assert wxpay.unseal(rsa.oaep_encrypt(MERCHANT_KEY.public_key(), b"x")) == "x"
    assert isinstance(sealed, Sealed)
    assert json.loads(platform.last.content)["name"] == str(sealed)


async def test_nothing_is_sent_whose_answer_could_not_be_verified() -> None:
    platform = Platform()
    async with client(platform, certs=None) as wxpay:
        with pytest.raises(errors.ConfigError, match="^certs: "):
            await wxpay.chain("v3/new").post({})
    assert platform.requests == []


async def test_apiv2_goes_as_xml() -> None:
    body = (
        b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code><mch_id>1900007291</mch_id>"
        b"<trade_state>SUCCESS</trade_state><sign>%b</sign></xml>"
    )
    import hashlib

    text = f"mch_id=1900007291&result_code=SUCCESS&return_code=SUCCESS&trade_state=SUCCESS&key={SECRET}"
    sign = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()
    platform = Platform(lambda request: httpx.Response(200, content=body % sign.encode()))
    async with client(platform, validate="off") as wxpay:
        response = await wxpay.chain("v2/pay/orderquery").post({"appid": "wx8888888888888888", "out_trade_no": "1"})
        assert response.data["trade_state"] == "SUCCESS"
        assert str(platform.last.url) == "https://api.mch.weixin.qq.com/pay/orderquery"
        assert "Authorization" not in platform.last.headers
        assert b"<mch_id>1900007291</mch_id>" in platform.last.content
        with pytest.raises(errors.RequestError, match="expected a mapping, got str"):
            await wxpay.chain("v2/new").post("<xml/>")
    async with client(platform, secret=None, validate="off") as wxpay:
        with pytest.raises(errors.ConfigError, match="^secret: missing"):
            await wxpay.chain("v2/pay/orderquery").post({"appid": "wx8888888888888888", "out_trade_no": "1"})


async def test_apiv2_reads_put_their_fields_into_the_query() -> None:
    platform = Platform(lambda request: httpx.Response(200, content=b'{"retcode":0,"retmsg":"ok"}'))
    async with client(platform) as wxpay:
        params = {"appid": "wx1", "code": "2", "openid": "3", "grant_type": "authorization_code", "scope": "pay_identity"}
        await wxpay.chain("v2/appauth/getaccesstoken").get(params=params)
    query = dict(platform.last.url.params)
    assert query["mch_id"] == MCHID
    assert query["code"] == "2"
    assert len(query["sign"]) in (32, 64)


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        (None, "v3/transactions/native", "https://apihk.mch.weixin.qq.com/v3/transactions/native"),
        ("https://api2.mch.weixin.qq.com", "v3/new", "https://api2.mch.weixin.qq.com/v3/new"),
        ("http://127.0.0.1:8080", "v3/transactions/native", "http://127.0.0.1:8080/v3/transactions/native"),
        ("https://proxy.example:8443/", "v3/new", "https://proxy.example:8443/v3/new"),
    ],
)
async def test_hosts(base_url: str | None, path: str, url: str) -> None:
    platform = Platform()
    async with client(platform, base_url=base_url, validate="off") as wxpay:
        await wxpay.chain(path).post({})
    assert str(platform.last.url) == url


async def test_a_borrowed_client_stays_open() -> None:
    platform = Platform()
    http = httpx.AsyncClient(transport=platform)
    async with Wechatpay(**settings(http_client=http)) as wxpay:
        await wxpay.chain("v3/new").get()
    assert not http.is_closed
    await http.aclose()
    own = client(platform)
    await own.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await own.chain("v3/new").get()


CERTIFICATE = certificate(MERCHANT_KEY, MERCHANT_SERIAL)


@pytest.mark.parametrize(
    ("changes", "parameter", "message"),
    [
        ({"mchid": 1900007291}, "mchid", "expected text, got int (the number in quotes)"),
        ({"mchid": "wxd678efh567hg6787"}, "mchid", "this looks like an appid"),
        ({"mchid": "12"}, "mchid", "not a merchant number"),
        ({"mchid": b"1900007291"}, "mchid", "expected text, got bytes"),
        ({"serial": None}, "serial", "missing"),
        ({"serial": PUBLIC_KEY_ID}, "serial", "this is the id of WeChat Pay's public key"),
        (
            {"serial": "4B" * 20, "merchant_cert": CERTIFICATE},
            "serial",
            f"the certificate in merchant_cert has the serial {MERCHANT_SERIAL}",
        ),
        ({"private_key": PLATFORM_PUBLIC_PEM}, "private_key", "this is a public key"),
        ({"private_key": PLATFORM_KEY, "merchant_cert": CERTIFICATE}, "private_key", "does not belong to merchant_cert"),
        ({"apiv3_key": "short"}, "apiv3_key", "has 5 bytes"),
        ({"apiv3_key": APIV3_KEY + "\n"}, "apiv3_key", "has 33 bytes (white space around it?)"),
        ({"apiv3_key": "密" * 10 + "ab"}, "apiv3_key", "not ASCII"),
        ({"secret": SECRET[:-1]}, "secret", "has 31 bytes"),
        ({"certs": {MERCHANT_SERIAL: pem(CERTIFICATE)}}, f"certs[{MERCHANT_SERIAL!r}]", "the merchant certificate's own serial"),
        ({"certs": {PUBLIC_KEY_ID: MERCHANT_KEY.public_key()}}, f"certs[{PUBLIC_KEY_ID!r}]", "this is the merchant's own key"),
        ({"certs": {PUBLIC_KEY_ID: MERCHANT_KEY_PEM}}, f"certs[{PUBLIC_KEY_ID!r}]", "this is a private key"),
        ({"certs": {"x": PLATFORM_PUBLIC_PEM}}, "certs['x']", "not a certificate's serial"),
        ({"certs": None, "secret": None}, "certs", "missing: no reply could be verified"),
        ({"base_url": "http://api.mch.weixin.qq.com"}, "base_url", "plain http is for this machine alone"),
        ({"base_url": "api.mch.weixin.qq.com"}, "base_url", "expected https://host"),
        ({"base_url": "https://api.mch.weixin.qq.com/v3"}, "base_url", "more than a host and a port"),
        ({"base_url": "https://u:p@api.mch.weixin.qq.com"}, "base_url", "more than a host and a port"),
        ({"base_url": "https://[x"}, "base_url", "expected https://host"),
        ({"base_url": "https://a:b"}, "base_url", "not a URL"),
        ({"validate": "strikt"}, "validate", "unknown value 'strikt' (did you mean 'strict'?)"),
        ({"validate": "zzz"}, "validate", "one of off, warn, strict"),
        ({"transport": "slow"}, "transport", "unknown transport 'slow'"),
        ({"transport": Platform(), "http_client": httpx.AsyncClient(transport=Platform())}, "transport", "given together with http_client"),
        ({"dangerously_skip_verification": True}, "dangerously_skip_verification", "refused for a host other than this machine"),
        ({"platform_keys": "auto", "apiv3_key": None}, "apiv3_key", "missing"),
        ({"platform_keys": "automatic"}, "platform_keys", "unknown value 'automatic'"),
        ({"key_store": object()}, "key_store", "given without anything to keep"),
    ],
)
def test_a_wrong_setting(changes: dict[str, Any], parameter: str, message: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        Wechatpay(**settings(**changes))
    assert caught.value.parameter == parameter
    assert message in str(caught.value)
    for secret in (APIV3_KEY, SECRET, MERCHANT_KEY_PEM[100:140]):
        assert secret not in str(caught.value)


def test_settings_in_other_forms() -> None:
    wxpay = Wechatpay(**settings(serial=None, merchant_cert=CERTIFICATE, apiv3_key=APIV3_KEY.encode(), timeout=3))
    assert repr(wxpay) == f"<Wechatpay mchid={MCHID} base_url=https://api.mch.weixin.qq.com>"
    for secret in (APIV3_KEY, SECRET, "BEGIN"):
        assert secret not in repr(vars(wxpay))


async def test_verification_can_be_switched_off_for_this_machine_alone() -> None:
    unsigned = Platform(lambda request: httpx.Response(200, json={"a": 1}))
    async with client(unsigned, base_url="http://127.0.0.1", dangerously_skip_verification=True) as wxpay:
        assert (await wxpay.chain("v3/new").get()).data == {"a": 1}
    async with client(unsigned, base_url="http://127.0.0.1") as wxpay:
        with pytest.raises(errors.MissingSignature):
            await wxpay.chain("v3/new").get()


def test_a_key_source_of_ones_own() -> None:
    keys = StaticKeys()
    assert Wechatpay(**settings(certs=None, platform_keys=keys)).platform_keys is keys


async def test_several_merchants_share_nothing_but_the_pool() -> None:
    platform = Platform()
    http = httpx.AsyncClient(transport=platform)
    one = Wechatpay(**settings(http_client=http))
    two = Wechatpay(**settings(http_client=http, mchid="1900000109"))
    await one.chain("v3/new").get()
    await two.chain("v3/new").get()
    assert [check_request(request)["mchid"] for request in platform.requests] == [MCHID, "1900000109"]
    assert one.v3 != two.v3
    await http.aclose()


ENVIRONMENT = {
    "WECHATPAY_MCHID": MCHID,
    "WECHATPAY_SERIAL": MERCHANT_SERIAL,
    "WECHATPAY_PRIVATE_KEY": MERCHANT_KEY_PEM,
    "WECHATPAY_PUBLIC_KEY_ID": PUBLIC_KEY_ID,
    "WECHATPAY_PUBLIC_KEY": PLATFORM_PUBLIC_PEM,
    "WECHATPAY_APIV3_KEY": APIV3_KEY,
    "WECHATPAY_BASE_URL": "http://127.0.0.1:9",
    "PATH": "/usr/bin",
    "WECHATPAY_NOTIFY_URL": "https://shop.example/notify",
}


async def test_settings_from_the_environment() -> None:
    platform = Platform()
    async with Wechatpay.from_env(ENVIRONMENT, transport=platform, clock=lambda: float(NOW)) as wxpay:
        await wxpay.chain("v3/new").get()
    assert str(platform.last.url) == "http://127.0.0.1:9/v3/new"
    check_request(platform.last)


def test_an_environment_without_a_public_key() -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if "PUBLIC" not in name}
    assert repr(Wechatpay.from_env({**environment, "WECHATPAY_PLATFORM_KEYS": "auto"}).notifications)


def test_the_settings_that_an_environment_can_hold() -> None:
    environ = {
        f"WECHATPAY_{name}": name
        for name in ("AGENT_SECRET", "BRAND_ID", "MERCHANT_CERT", "PKCS12", "PKCS12_PASSWORD", "SECRET", "VALIDATE")
    }
    found = settings_from(
        {"WECHATPAY_MCHID": MCHID, "WECHATPAY_PRIVATE_KEY": "key.pem", "WECHATPAY_TIMEOUT": "12.5", "WECHATPAY_DEADLINE": "40", **environ}
    )
    assert found == {
        "mchid": MCHID,
        "private_key": "key.pem",
        "timeout": 12.5,
        "deadline": 40.0,
        "agent_secret": "AGENT_SECRET",
        "brand_id": "BRAND_ID",
        "merchant_cert": "MERCHANT_CERT",
        "pkcs12": "PKCS12",
        "pkcs12_password": "PKCS12_PASSWORD",
        "secret": "SECRET",
        "validate": "VALIDATE",
    }


def test_settings_from_the_real_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert repr(Wechatpay.from_env()) == f"<Wechatpay mchid={MCHID} base_url=http://127.0.0.1:9>"


@pytest.mark.parametrize(
    ("changes", "parameter", "message"),
    [
        ({"WECHATPAY_MCHID": ""}, "WECHATPAY_MCHID", "missing from the environment"),
        ({"WECHATPAY_PRIVATE_KEY": ""}, "WECHATPAY_PRIVATE_KEY", "missing from the environment"),
        ({"WECHATPAY_PUBLIC_KEY": ""}, "WECHATPAY_PUBLIC_KEY", "go together"),
        ({"WECHATPAY_PUBLIC_KEY_ID": ""}, "WECHATPAY_PUBLIC_KEY_ID", "go together"),
        ({"WECHATPAY_APIV3KEY": "x"}, "WECHATPAY_APIV3KEY", "did you mean WECHATPAY_APIV3_KEY?"),
        ({"WECHATPAY_DEADLINE": "a minute"}, "WECHATPAY_DEADLINE", "expected seconds as a number (WECHATPAY_DEADLINE=30)"),
        ({"WECHATPAY_TIMEOUT": "0"}, "timeout", "0.0 seconds"),
    ],
)
def test_a_wrong_environment(changes: dict[str, str], parameter: str, message: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        Wechatpay.from_env({**ENVIRONMENT, **changes})
    assert caught.value.parameter == parameter
    assert message in str(caught.value)


def test_what_hangs_on_the_client() -> None:
    wxpay = Wechatpay(**settings())
    payload = wxpay.payloads.jsapi(appid="wx8888888888888888", prepay_id="wx201410272009395522657a690389285100")
    assert payload["timeStamp"] == str(NOW)
    assert wxpay.payloads is wxpay.payloads
    assert wxpay.notifications.recipients[0].mchid == MCHID
    with pytest.raises(errors.ConfigError, match="apiv3_key"):
        Wechatpay(**settings(apiv3_key=None)).notifications  # noqa: B018 — the access is what raises
    assert str(wxpay["v3/pay/transactions/id/{transaction_id}"]) == "v3/pay/transactions/id/{transaction_id}"
    assert str(wxpay.v2.pay.micropay) == "v2/pay/micropay"


async def test_an_upload() -> None:
    platform = Platform(lambda request: answer(200, b'{"media_id":"1"}'))
    progress: list[tuple[int, int | None]] = []
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
    async with client(platform) as wxpay:
        node = wxpay.chain("v3/merchant/media/upload")
        response = await node.post(file=picture, filename="a.png", progress=lambda sent, total: progress.append((sent, total)))
        with pytest.raises(errors.RequestError, match="pass file=: a path, bytes"):
            await node.post({"filename": "a.png"})
        with pytest.raises(errors.RequestError, match="expected a mapping, got str .a dict of the meta"):
            await node.post("a.png", file=picture)
    assert response.data == {"media_id": "1"}
    sent = platform.last
    meta = b'{"filename":"a.png","sha256":"' + sha256(picture).hexdigest().encode() + b'"}'
    check_request(sent, signed_body=meta)
    assert meta in sent.content
    assert picture in sent.content
    assert sent.headers["Content-Length"] == str(len(sent.content))
    assert progress[-1][0] == progress[-1][1]


async def test_an_apiv2_upload_signs_its_fields() -> None:
    reply = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code><media_id>1</media_id></xml>"
    platform = Platform(lambda request: httpx.Response(200, content=reply))
    async with client(platform, validate="off", merchant_cert=CERTIFICATE) as wxpay:
        with pytest.raises(errors.MissingSignature):
            await wxpay.chain("v2/secapi/mch/uploadmedia").post(file=b"\x89PNG\r\n\x1a\n", filename="a.png")
    assert b'name="sign"' in platform.last.content
    assert MCHID.encode() in platform.last.content


async def test_a_download(tmp_path: Path) -> None:
    platform = Platform(lambda request: httpx.Response(200, content=b"hello"))
    url = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=a%2Fb%7C&tartype="
    async with client(platform) as wxpay:
        path = await wxpay.download(url, tmp_path / "bill.csv", sha1="aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")
        assert path.read_bytes() == b"hello"
        assert platform.last.url.raw_path == b"/v3/billdownload/file?token=a%2Fb%7C&tartype="
        check_request(platform.last)
        await wxpay.download(url, tmp_path / "unchecked.csv")
        with pytest.raises(errors.BadHash):
            await wxpay.download(url, tmp_path / "wrong.csv", sha1="0" * 40)
        with pytest.raises(errors.RequestError):
            await wxpay.download("https://evil.example/x", tmp_path / "evil.csv")
    assert sorted(os.listdir(tmp_path)) == ["bill.csv", "unchecked.csv"]


async def test_many_sensitive_values_are_opened_beside_the_loop() -> None:
    phone = rsa.oaep_encrypt(MERCHANT_KEY.public_key(), b"13800138000")
    complaints = {"data": [{"payer_phone": phone}, {"payer_phone": phone}], "limit": 2, "offset": 0, "total_count": 2}
    async with client(Platform(lambda request: answer(200, json.dumps(complaints).encode())), validate="off") as wxpay:
        response = await wxpay.chain("v3/merchant-service/complaints-v2").get()
    assert [entry["payer_phone"] for entry in response.data["data"]] == ["13800138000", "13800138000"]


async def test_downloaded_certificates() -> None:
    serial = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
    issued = certificate(PLATFORM_KEY, serial)
    sealed = aes.gcm_encrypt(APIV3_KEY.encode(), b"0123456789ab", pem(issued).encode(), b"certificate")
    resource = {"algorithm": "AEAD_AES_256_GCM", "nonce": "0123456789ab", "associated_data": "certificate", "ciphertext": sealed}
    times = {"effective_time": "2024-01-01T00:00:00+00:00", "expire_time": "2028-12-30T00:00:00+00:00"}
    body = json.dumps({"data": [{"serial_no": serial, **times, "encrypt_certificate": resource}]}).encode()

    def reply(request: httpx.Request) -> httpx.Response:
        return answer(200, body if request.url.path == "/v3/certificates" else b"{}", Wechatpay_Serial=serial)

    platform = Platform(reply)
    async with client(platform, certs=None, platform_keys="auto") as wxpay:
        await wxpay.chain("v3/new").post({})
    assert [request.url.path for request in platform.requests] == ["/v3/certificates", "/v3/new"]
    assert platform.last.headers["Wechatpay-Serial"] == serial


async def test_a_client_certificate_is_wanted() -> None:
    reply = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"
    platform = Platform(lambda request: httpx.Response(200, content=reply))
    async with client(platform, validate="off") as wxpay:
        with pytest.raises(errors.ConfigError, match="^merchant_cert: missing, and this operation wants the client certificate"):
            await wxpay.chain("v2/mmpaymkttransfers/sendredpack").post({"wxappid": "wx1"})
    assert platform.requests == []
    wxpay = client(platform, validate="off", merchant_cert=CERTIFICATE)
    for _ in range(2):
        await wxpay.chain("v2/mmpaymkttransfers/sendredpack").post({"wxappid": "wx1"})
    assert len(wxpay._connections.owned) == 2  # pyright: ignore[reportPrivateUsage] — nothing else shows it
    await wxpay.aclose()
    assert all(http.is_closed for http in wxpay._connections.owned)  # pyright: ignore[reportPrivateUsage] — as above


def test_the_catalogue_at_hand() -> None:
    wxpay = Wechatpay(**settings())
    assert any(found.title == "退款申请" for found in wxpay.catalog.search("退款"))
    described = wxpay.catalog.describe(wxpay.chain("v3/refund/domestic/refunds"))
    assert described.name == "POST /v3/refund/domestic/refunds"
    assert wxpay.catalog.describe("TRANSACTION.SUCCESS").name == "v3 TRANSACTION.SUCCESS"
    with pytest.raises(errors.RequestError, match="GET /v3/customs/orders, POST /v3/customs/orders, PATCH /v3/customs/orders"):
        wxpay.catalog.describe(wxpay.chain("v3/customs/orders"))
    with pytest.raises(errors.RequestError, match="has these operations: none"):
        wxpay.catalog.describe(wxpay.v3)
    with pytest.raises(errors.RequestError, match="expected a node, an operation or a name, got int"):
        wxpay.catalog.describe(1)


def test_more_that_hangs_on_the_client() -> None:
    wxpay = Wechatpay(**settings())
    assert wxpay.flows is wxpay.flows
    assert repr(wxpay.v2_notifications)
    with pytest.raises(errors.ConfigError, match="^secret: missing"):
        Wechatpay(**settings(secret=None)).v2_notifications  # noqa: B018 — the access is what raises
    assert wxpay.platform_keys.preferred_serial() == PUBLIC_KEY_ID


async def test_a_bill() -> None:
    text = "﻿交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号\n总交易单数\n`0\n"
    info = {"download_url": "https://api.mch.weixin.qq.com/v3/billdownload/file?token=1", "hash_type": "SHA1"}
    body = json.dumps({**info, "hash_value": sha1(text.encode(), usedforsecurity=False).hexdigest()}).encode()
    replies = {"/v3/bill/tradebill": lambda: answer(200, body), "/v3/billdownload/file": lambda: httpx.Response(200, content=text.encode())}
    platform = Platform(lambda request: replies[request.url.path]())
    async with client(platform) as wxpay:
        assert [row async for row in wxpay.bills.trade("2024-08-04", check=False)] == []
    for request in platform.requests:
        check_request(request)


async def test_what_bills_ask_of_their_client() -> None:
    async with client(Platform(lambda request: answer(200, b"x", Content_Type="text/plain")), validate="off") as wxpay:
        access = wxpay.bills._client  # pyright: ignore[reportPrivateUsage] — the seam itself
        async with access.open_v2_bill("/pay/downloadbill", {"bill_date": "20240804"}) as response:
            assert await response.aread() == b"x"
        assert access.decrypt_key(rsa.oaep_encrypt(MERCHANT_KEY.public_key(), b"k" * 32)) == b"k" * 32


async def test_what_bills_ask_of_their_client_for_a_statement() -> None:
    async with client(Platform(lambda request: statement()), validate="off") as wxpay:
        access = wxpay.bills._client  # pyright: ignore[reportPrivateUsage] — the seam itself
        async with access.open_statement("/v3/statements", {"date": "20180130"}) as response:
            assert await response.aread() == STATEMENT
            await access.verify_signed(response.headers, f'{{"sha1":"{STATEMENT_SHA1}"}}'.encode())
            with pytest.raises(errors.BadSignature):
                await access.verify_signed(response.headers, b"y")


async def test_the_client_certificate_can_be_made_ready_beforehand() -> None:
    wxpay = client(Platform(), merchant_cert=CERTIFICATE)
    await wxpay.prepare_client_certificate()
    await wxpay.prepare_client_certificate()
    assert len(wxpay._connections.owned) == 2  # pyright: ignore[reportPrivateUsage] — nothing else shows it
    await wxpay.aclose()
    async with client(Platform()) as without:
        with pytest.raises(errors.ConfigError, match="^merchant_cert: missing"):
            await without.prepare_client_certificate()


async def test_sensitive_fields_of_an_uploads_meta_are_sealed() -> None:
    platform = Platform(lambda request: answer(200, b"{}"))
    contact = {"consultation_phone_number": "13800138000"}
    meta = {
        "merchant_contact_information": contact,
        **dict.fromkeys(("transaction_id", "transaction_mchid", "openid", "out_trade_no"), "1"),
    }
    async with client(platform, validate="off") as wxpay:
        await wxpay.chain("v3/marketing/shopping-receipt/shoppingreceipts").post(meta, file=b"\x89PNG\r\n\x1a\n", filename="a.png")
    sent = platform.last
    part = next(part for part in sent.content.split(b"\r\n") if part.startswith(b"{"))
    check_request(sent, signed_body=part)
    sealed = json.loads(part)["merchant_contact_information"]["consultation_phone_number"]
    assert rsa.oaep_decrypt(PLATFORM_KEY, sealed) == b"13800138000"
    assert sent.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
    assert contact == {"consultation_phone_number": "13800138000"}
