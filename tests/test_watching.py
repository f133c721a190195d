"""What is told of attempts, and to whom."""

from __future__ import annotations

import logging

import anyio
import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.keys import MCHID
from tests.support.platform import Platform, answer, client
from wechatpay_async import APIError, TransportError
from wechatpay_async.otel import OpenTelemetry
from wechatpay_async.retry import Retry
from wechatpay_async.watching import Attempt

pytestmark = pytest.mark.anyio

SECRET_ORDER = "SECRET20261125"
PATH = "/v3/pay/transactions/out-trade-no/{out_trade_no}"


class Failing(Platform):
    """Fails once, then answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await super().handle_async_request(request)
        if len(self.requests) == 1:
            return httpx.Response(500, json={"code": "SYSTEM_ERROR", "message": "x"}, headers={"Request-ID": "R1"})
        return answer(200, b'{"trade_state":"SUCCESS"}')


async def test_each_attempt_is_told_without_any_value(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Attempt] = []
    with caplog.at_level(logging.INFO, logger="wechatpay_async"):
        async with client(Failing(), retry=Retry(first_pause=0), watchers=[seen.append]) as wxpay:
            await wxpay.v3.pay.transactions.outTradeNo._out_trade_no_.get(params={"mchid": MCHID}, out_trade_no=SECRET_ORDER)
    told = [(attempt.number, attempt.status, attempt.error, attempt.request_id) for attempt in seen]
    assert told == [(1, 500, "ServerError", "R1"), (2, 200, None, "08F7E8B7B6051018-268541")]
    assert {(attempt.method, attempt.template, attempt.host, attempt.mchid) for attempt in seen} == {
        ("GET", PATH, "api.mch.weixin.qq.com", MCHID)
    }
    assert all(attempt.started > 1.7e9 and 0 <= attempt.duration < 60 for attempt in seen)
    lines = [record.getMessage() for record in caplog.records if record.name == "wechatpay_async.calls"]
    assert lines[0].startswith(f"GET {PATH} 500 ServerError in 0.0")
    assert lines[0].endswith(" s, attempt 1 at api.mch.weixin.qq.com, Request-ID R1")
    assert [record.levelname for record in caplog.records if record.name == "wechatpay_async.calls"] == ["WARNING", "INFO"]
    assert SECRET_ORDER not in "".join(lines)


async def test_a_watcher_that_fails_breaks_no_payment(caplog: pytest.LogCaptureFixture) -> None:
    def broken(attempt: Attempt) -> None:
        raise ValueError(attempt.method)

    seen: list[Attempt] = []
    async with client(Platform(), watchers=[broken, seen.append]) as wxpay:
        await wxpay.v3.certificates.get()
    assert len(seen) == 1
    assert "the watcher broken failed" in caplog.text


async def test_a_call_without_an_answer() -> None:
    class Refused(Platform):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused")

    seen: list[Attempt] = []
    async with client(Refused(), watchers=[seen.append]) as wxpay:
        with pytest.raises(TransportError):
            await wxpay.v3.certificates.get()
    assert [(attempt.status, attempt.error, attempt.request_id) for attempt in seen] == [(None, "TransportError", None)]
    assert "None" not in str(seen[0])


async def test_a_call_that_is_given_up() -> None:
    class Stuck(Platform):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            caller.cancel()  # no sooner: what comes before the attempt may take any time
            await anyio.sleep_forever()
            raise AssertionError

    seen: list[Attempt] = []
    async with client(Stuck(), watchers=[seen.append]) as wxpay:
        with anyio.CancelScope() as caller:
            await wxpay.v3.certificates.get()
    assert [attempt.error for attempt in seen] in (["CancelledError"], ["Cancelled"])


async def test_spans_and_durations() -> None:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    watcher = OpenTelemetry(tracers, MeterProvider([reader], shutdown_on_exit=False))
    async with client(Failing(), retry=Retry(first_pause=0), watchers=[watcher]) as wxpay:
        with tracers.get_tracer("shop").start_as_current_span("checkout") as checkout:
            await wxpay.v3.pay.transactions.outTradeNo._out_trade_no_.get(params={"mchid": MCHID}, out_trade_no=SECRET_ORDER)
    first, second, _ = spans.get_finished_spans()
    common = {"http.request.method": "GET", "url.template": PATH, "server.address": "api.mch.weixin.qq.com"}
    assert first.name == f"GET {PATH}"
    assert first.parent is not None
    assert first.parent.span_id == checkout.get_span_context().span_id
    assert dict(first.attributes or {}) == {
        **common,
        "http.response.status_code": 500,
        "error.type": "ServerError",
        "wechatpay.request_id": "R1",
    }
    assert (first.status.is_ok, second.status.is_ok) == (False, True)
    assert (second.attributes or {})["http.request.resend_count"] == 1
    assert first.start_time is not None
    assert first.end_time is not None
    assert first.end_time >= first.start_time
    data = reader.get_metrics_data()
    assert data is not None
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert all(isinstance(point, HistogramDataPoint) and point.count == 1 for point in points)
    assert [dict(point.attributes or {}) for point in points] == [
        {**common, "http.response.status_code": 500, "error.type": "ServerError"},
        {**common, "http.response.status_code": 200},
    ]


async def test_a_span_without_an_answer() -> None:
    spans = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    OpenTelemetry(tracers)(Attempt("GET", "/v3/x", "h", MCHID, 1, None, None, "TransportError", 1.0, 0.5))
    (span,) = spans.get_finished_spans()
    assert (span.start_time, span.end_time) == (1_000_000_000, 1_500_000_000)
    assert "http.response.status_code" not in (span.attributes or {})


async def test_an_api_error_keeps_its_place() -> None:
    seen: list[Attempt] = []
    platform = Platform(lambda request: httpx.Response(400, json={"code": "PARAM_ERROR", "message": "x"}))
    async with client(platform, watchers=[seen.append]) as wxpay:
        with pytest.raises(APIError):
            await wxpay.chain("v3/new").post({})
    assert [(attempt.status, attempt.error) for attempt in seen] == [(400, "InvalidRequest")]
