"""What is repeated, what never is, and where: the decisions alone, then through the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest

from tests.support.keys import MCHID
from tests.support.platform import Platform, answer, check_request, client
from wechatpay_async import catalog, errors
from wechatpay_async.chain import Call
from wechatpay_async.retry import Decision, Hosts, Retry, RetryBudget, business_number, decide, is_repeatable
from wechatpay_async.settling import settling_query

pytestmark = pytest.mark.anyio

NOW_OR_NEVER = Retry(first_pause=0)
NO, AT_ONCE = Decision(again=False), Decision(again=True)
NOT_SENT = errors.TransportError("refused")
LOST = errors.OutcomeUnknown("reset")
PROBE = errors.BadSignature("a probe", probe=True)
FORGED = errors.BadSignature("forged")


def api(kind: type[errors.APIError], status: int, retry_after: float | None = None) -> errors.APIError:
    return kind(status, "", "", retry_after=retry_after)


@pytest.mark.parametrize(
    ("error", "on_repeatable", "on_other"),
    [
        (NOT_SENT, True, True),
        (LOST, True, False),
        (api(errors.RateLimited, 429), True, True),
        (api(errors.ServerError, 500), True, False),
        (PROBE, True, False),
        (FORGED, False, False),
        (errors.StaleTimestamp("old"), False, False),
        (api(errors.InvalidRequest, 400), False, False),
        (api(errors.AuthError, 401), False, False),
        (api(errors.NotFound, 404), False, False),
        (errors.DecryptionError("x"), False, False),
        (errors.RequestError("x"), False, False),
    ],
)
def test_what_is_repeated(error: Exception, on_repeatable: bool, on_other: bool) -> None:
    for repeatable, again in ((True, on_repeatable), (False, on_other)):
        assert decide(Retry(), error, attempt=1, repeatable=repeatable, chance=0.5).again is again


@pytest.mark.parametrize(
    ("attempt", "chance", "pause"),
    [(1, 1.0, 0.5), (1, 0.0, 0.0), (2, 1.0, 1.0), (3, 0.5, 1.0), (4, 1.0, 4.0), (5, 1.0, 8.0), (9, 1.0, 8.0)],
)
def test_pauses_grow_and_are_left_to_chance(attempt: int, chance: float, pause: float) -> None:
    assert decide(Retry(attempts=10), NOT_SENT, attempt=attempt, repeatable=True, chance=chance) == (True, pause)


def test_the_server_says_how_long_to_wait() -> None:
    assert decide(Retry(), api(errors.RateLimited, 429, 7.0), attempt=1, repeatable=False, chance=1.0) == (True, 7.5)


def test_the_last_attempt_is_the_last() -> None:
    assert decide(Retry(attempts=2), NOT_SENT, attempt=2, repeatable=True, chance=0) == NO
    assert decide(Retry(), PROBE, attempt=1, repeatable=True, chance=1) == AT_ONCE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attempts": 0}, "attempts is 0"),
        ({"first_pause": 9.0}, "0 <= first_pause <= longest_pause"),
        ({"attempts": "3"}, "expected attempts as a number, got str"),
        ({"first_pause": -1.0}, "expected seconds from 0, got -1.0"),
        ({"longest_pause": "8"}, "expected seconds, got str"),
        ({"longest_pause": float("nan")}, "expected seconds from 0, got nan"),
        ({"writes": "some"}, "unknown value 'some' of writes"),
    ],
)
def test_a_wrong_policy(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ConfigError, match=f"^retry: .*{message}"):
        Retry(**settings)


@pytest.mark.parametrize(
    ("method", "path", "number"),
    [
        ("POST", "/v3/pay/transactions/native", "out_trade_no"),
        ("POST", "/v3/refund/domestic/refunds", "out_refund_no"),
        ("POST", "/v3/fund-app/mch-transfer/transfer-bills", "out_bill_no"),
        ("POST", "/v3/combine-transactions/jsapi", "combine_out_trade_no"),
        ("POST", "/v3/payscore/serviceorder/{out_order_no}/complete", "out_order_no"),
        ("POST", "/v3/ecommerce/profitsharing/receivers/add", None),
        ("POST", "/v3/brand/partner/card-member/user-cards/{user_card_code}/confirm", None),
    ],
)
def test_the_number_that_makes_a_write_safe(method: str, path: str, number: str | None) -> None:
    operation = catalog.operation("v3", method, path)
    assert operation is not None
    assert business_number(operation) == number
    assert is_repeatable(Retry(), method, operation) is (number is not None)
    assert is_repeatable(Retry(writes="all"), method, operation)
    assert not is_repeatable(Retry(writes="never"), method, operation)
    assert not is_repeatable(Retry(), method, None)
    assert is_repeatable(Retry(writes="never"), "GET", None)


def test_repeats_must_be_earned() -> None:
    budget = RetryBudget(2)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    for _ in range(10):
        budget.earn()
    assert [budget.take() for _ in range(2)] == [True, False]
    for _ in range(100):
        budget.earn()
    assert [budget.take() for _ in range(3)] == [True, True, False]


ONE, TWO = httpx.URL("https://one"), httpx.URL("https://two")


def test_a_host_rests_and_comes_back_slowly() -> None:
    hosts = Hosts([ONE, TWO])
    assert hosts.choose(0) == ONE
    hosts.failed(ONE, 0)
    assert [hosts.choose(now) for now in (0, 29.9)] == [TWO, TWO]
    assert hosts.choose(30) == ONE  # one call tries it
    assert hosts.choose(31) == TWO  # the others wait for its outcome
    hosts.failed(ONE, 32)
    assert hosts.choose(91) == TWO  # 60 s from the second failure on
    assert hosts.choose(92) == ONE
    hosts.worked(ONE)
    assert [hosts.choose(93), hosts.choose(93)] == [ONE, ONE]


def test_where_all_rest_the_first_to_return_is_chosen() -> None:
    hosts = Hosts([ONE, TWO])
    hosts.failed(ONE, 5)
    hosts.failed(TWO, 0)
    assert hosts.choose(10) == TWO
    for _ in range(9):
        hosts.failed(ONE, 0)
    assert hosts.choose(299.9) == TWO
    hosts.worked(TWO)
    hosts.worked(TWO)
    assert hosts.choose(299.9) == TWO


Step = Exception | Callable[[], httpx.Response]


class Scripted(Platform):
    """Does one step of a script for each request."""

    def __init__(self, *steps: Step) -> None:
        super().__init__()
        self.steps: Iterator[Step] = iter(steps)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        step = next(self.steps)
        if isinstance(step, Exception):
            raise step
        return step()


def busy() -> httpx.Response:
    return httpx.Response(500, json={"code": "SYSTEM_ERROR", "message": "系统错误"})


ORDER = {"out_trade_no": "1217752501201407033233368018", "mchid": MCHID}


async def test_each_attempt_is_signed_afresh_over_the_same_bytes() -> None:
    platform = Scripted(httpx.ReadError("reset"), busy, answer)
    async with client(platform, retry=NOW_OR_NEVER, validate="off") as wxpay:
        response = await wxpay.chain("v3/pay/transactions/native").post(ORDER)
    assert response.data == {"code_url": "weixin://"}
    assert len({check_request(request)["nonce"] for request in platform.requests}) == 3
    assert len({request.content for request in platform.requests}) == 1


async def test_a_write_without_a_number_is_not_repeated() -> None:
    platform = Scripted(httpx.ReadError("reset"), answer)
    async with client(platform, retry=NOW_OR_NEVER) as wxpay:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await wxpay.chain("v3/new").post({})
    assert len(platform.requests) == 1
    assert caught.value.query is None
    with pytest.raises(errors.RequestError, match="no query operation is known"):
        await caught.value.resolve()


async def test_the_caller_can_promise_that_it_is_safe() -> None:
    platform = Scripted(httpx.ReadError("reset"), answer)
    async with client(platform, retry=Retry(first_pause=0, writes="all")) as wxpay:
        await wxpay.chain("v3/new").post({})
    assert len(platform.requests) == 2


async def test_an_unknown_outcome_is_settled_by_its_query() -> None:
    platform = Scripted(httpx.ReadTimeout(""), lambda: answer(200, b'{"trade_state":"SUCCESS"}'))
    async with client(platform, validate="off") as wxpay:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await wxpay.chain("v3/pay/transactions/native").post(ORDER)
        assert caught.value.query == "GET /v3/pay/transactions/out-trade-no/{out_trade_no}"
        assert "await error.resolve() asks GET /v3/pay/transactions/out-trade-no/{out_trade_no}" in str(caught.value)
        response = await caught.value.resolve()
    assert response.data == {"trade_state": "SUCCESS"}
    assert platform.last.url.raw_path == f"/v3/pay/transactions/out-trade-no/1217752501201407033233368018?mchid={MCHID}".encode()


async def test_a_4xx_is_never_repeated() -> None:
    platform = Scripted(lambda: httpx.Response(400, json={"code": "PARAM_ERROR", "message": ""}))
    async with client(platform, retry=NOW_OR_NEVER) as wxpay:
        with pytest.raises(errors.InvalidRequest):
            await wxpay.chain("v3/new").get()
    assert len(platform.requests) == 1


async def test_an_outage_is_not_made_worse() -> None:
    platform = Scripted(*[busy] * 100)
    async with client(platform, retry=NOW_OR_NEVER) as wxpay:
        for _ in range(30):
            with pytest.raises(errors.ServerError):
                await wxpay.chain("v3/new").get()
    assert len(platform.requests) == 30 + 20


async def test_another_host_while_connections_fail() -> None:
    platform = Scripted(httpx.ConnectError("refused"), answer, answer)
    async with client(platform, retry=NOW_OR_NEVER) as wxpay:
        await wxpay.chain("v3/new").post({})
        await wxpay.v3.certificates.get()
    assert [request.url.host for request in platform.requests] == [
        "api.mch.weixin.qq.com",
        "api2.mch.weixin.qq.com",
        "api2.mch.weixin.qq.com",
    ]
    for request in platform.requests:
        check_request(request)
        assert request.headers["Host"] == request.url.host


async def test_a_host_that_answers_is_kept() -> None:
    platform = Scripted(busy, httpx.ReadError("reset"), answer)
    async with client(platform, retry=NOW_OR_NEVER) as wxpay:
        await wxpay.chain("v3/new").get()
    assert {request.url.host for request in platform.requests} == {"api.mch.weixin.qq.com"}


async def test_ones_own_hosts() -> None:
    platform = Scripted(httpx.ConnectError("refused"), answer)
    urls: dict[str, Any] = {"base_url": "https://one.example", "backup_urls": ["https://two.example:8443"]}
    async with client(platform, retry=NOW_OR_NEVER, **urls) as wxpay:
        await wxpay.chain("v3/new").get()
    assert [request.url.netloc for request in platform.requests] == [b"one.example", b"two.example:8443"]


async def test_an_upload_is_read_again() -> None:
    platform = Scripted(httpx.ConnectError("refused"), lambda: answer(200, b"{}"))
    async with client(platform, retry=NOW_OR_NEVER) as wxpay:
        await wxpay.chain("v3/merchant/media/upload").post(file=b"\x89PNG\r\n\x1a\n", filename="a.png")
    assert platform.requests[0].content == platform.requests[1].content != b""


class Stuck(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request
        await anyio.sleep_forever()
        raise AssertionError


async def test_the_deadline_ends_a_call() -> None:
    async with client(Stuck(), deadline=0.01, validate="off") as wxpay:
        with pytest.raises(errors.TransportError, match=r"no answer within the deadline of 0\.01 s") as caught:
            await wxpay.chain("v3/new").get()
        assert type(caught.value) is errors.TransportError
        with pytest.raises(errors.OutcomeUnknown, match="asks GET /v3/pay/transactions/out-trade-no"):
            await wxpay.chain("v3/pay/transactions/native").post(ORDER)


class Endless(httpx.AsyncByteStream):
    """A body of which nothing ever comes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await anyio.sleep_forever()
        yield b""


async def test_the_deadline_of_a_stream_is_for_everything_up_to_its_body() -> None:
    url = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=x"
    async with client(Stuck(), deadline=0.01) as wxpay:
        for opened in (wxpay.chain("v3/billdownload/file").stream(params={"token": "x"}), wxpay.open_url(url)):
            with pytest.raises(errors.TransportError, match=r"/v3/billdownload/file: no answer within the deadline of 0\.01 s") as caught:
                async with opened:
                    pytest.fail("nothing was answered")  # pragma: no cover — as it says
            assert type(caught.value) is errors.TransportError

    async with client(Scripted(lambda: httpx.Response(500, stream=Endless())), deadline=0.01) as wxpay:
        with pytest.raises(errors.TransportError, match="deadline"):
            async with wxpay.chain("v3/new").stream():
                pytest.fail("an error is no stream")  # pragma: no cover — as it says

    unlimited = float("inf")
    async with client(Scripted(lambda: httpx.Response(200, content=b"a,b")), deadline=60) as wxpay, wxpay.open_url(url) as response:
        assert (anyio.current_effective_deadline(), await response.aread()) == (unlimited, b"a,b")


async def test_the_deadline_survives_repeats() -> None:
    platform = Scripted(*[busy] * 9)
    async with client(platform, deadline=0.02, retry=Retry(first_pause=5.0, longest_pause=5.0, attempts=9)) as wxpay:
        with pytest.raises(errors.TransportError, match="deadline"):
            await wxpay.chain("v3/new").get()


WRITES: list[tuple[str, dict[str, Any], str, dict[str, str]]] = [
    ("/v3/pay/transactions/native", {"out_trade_no": "1"}, "/v3/pay/transactions/out-trade-no/1", {"mchid": MCHID}),
    ("/v3/refund/domestic/refunds", {"out_refund_no": "1/2"}, "/v3/refund/domestic/refunds/1%2F2", {}),
    (
        "/v3/payscore/serviceorder",
        {"out_order_no": "1", "service_id": "2", "appid": "wx"},
        "/v3/payscore/serviceorder",
        {"out_order_no": "1", "service_id": "2", "appid": "wx"},
    ),
    ("/v3/profitsharing/orders", {"out_order_no": "1", "transaction_id": "2"}, "/v3/profitsharing/orders/1", {"transaction_id": "2"}),
]


@pytest.mark.parametrize(("path", "body", "target", "params"), WRITES)
def test_settling_queries(path: str, body: dict[str, Any], target: str, params: dict[str, str]) -> None:
    query = settling_query(Call("v3", "POST", path, path, catalog.operation("v3", "POST", path), data=body), MCHID)
    assert query is not None
    assert (query.path, query.params) == (target, params)


@pytest.mark.parametrize(
    ("api_", "path", "body"),
    [
        ("v3", "/v3/transfer/batches", {"out_batch_no": "1"}),
        ("v3", "/v3/pay/transactions/native", None),
        ("v2", "/pay/unifiedorder", {"out_trade_no": "1"}),
        ("v3", "/v3/new", {"out_trade_no": "1"}),
    ],
)
def test_writes_that_no_query_settles(api_: Any, path: str, body: dict[str, Any] | None) -> None:
    assert settling_query(Call(api_, "POST", path, path, catalog.operation(api_, "POST", path), data=body), MCHID) is None


async def test_a_lost_answer_stays_lost() -> None:
    platform = Scripted(httpx.ReadError("reset"), httpx.ConnectError("refused"))
    async with client(platform, retry=Retry(attempts=2, first_pause=0), validate="off") as wxpay:
        with pytest.raises(errors.OutcomeUnknown, match="the answer to an earlier attempt was lost"):
            await wxpay.chain("v3/pay/transactions/native").post(ORDER)


async def test_a_refusal_after_a_lost_answer_proves_nothing() -> None:
    platform = Scripted(busy, lambda: httpx.Response(403, json={"code": "OUT_TRADE_NO_USED", "message": ""}))
    async with client(platform, retry=NOW_OR_NEVER, validate="off") as wxpay:
        with pytest.raises(errors.PermissionDenied, match="an earlier attempt was lost") as caught:
            await wxpay.chain("v3/pay/transactions/native").post(ORDER)
    assert caught.value.outcome_unknown
    platform = Scripted(busy, busy)
    async with client(platform, retry=Retry(attempts=2, first_pause=0), validate="off") as wxpay:
        with pytest.raises(errors.ServerError) as again:
            await wxpay.chain("v3/pay/transactions/native").post(ORDER)
    assert again.value.outcome_unknown


async def test_a_reply_that_cannot_be_trusted_is_a_lost_answer() -> None:
    probe: dict[str, Any] = {"Wechatpay_Signature": "WECHATPAY/SIGNTEST/x"}
    platform = Scripted(lambda: answer(**probe), httpx.ConnectError("refused"))
    async with client(platform, retry=Retry(attempts=2, first_pause=0), validate="off") as wxpay:
        with pytest.raises(errors.OutcomeUnknown):
            await wxpay.chain("v3/pay/transactions/native").post(ORDER)


async def test_a_read_is_never_of_unknown_outcome() -> None:
    platform = Scripted(busy, httpx.ConnectError("refused"))
    async with client(platform, retry=Retry(attempts=2, first_pause=0)) as wxpay:
        with pytest.raises(errors.TransportError) as caught:
            await wxpay.chain("v3/new").get()
    assert type(caught.value) is errors.TransportError


async def test_the_deadline_before_anything_has_left() -> None:
    class Slow:
        """A key source that waits."""

        def held(self, serial: str) -> None:
            del serial

        async def find(self, serial: str) -> Any:
            raise NotImplementedError(serial)

        async def for_encryption(self) -> Any:
            await anyio.sleep_forever()

        def preferred_serial(self) -> None:
            return None

    async with client(Platform(), certs=None, platform_keys=Slow(), deadline=0.01) as wxpay:
        with pytest.raises(errors.TransportError, match="deadline") as caught:
            await wxpay.chain("v3/new").post({})
    assert type(caught.value) is errors.TransportError
