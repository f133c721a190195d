"""OpenTelemetry: a span and a duration for each attempt, by the names of its semantic conventions. Needs the extra `otel`.

It is a watcher: `Wechatpay(..., watchers=[OpenTelemetry()])`.
"""

from __future__ import annotations

from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider, get_tracer

from wechatpay_async._version import __version__
from wechatpay_async.watching import Attempt

__all__ = ["OpenTelemetry"]


class OpenTelemetry:
    """A watcher that makes spans and metrics of attempts, without anything personal: the template stands for the path.

    A span is a child of the one that is current where the call is made. The providers are the global ones where none are given.
    Source of the names: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
    """

    def __init__(self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None) -> None:
        self._tracer = get_tracer("wechatpay_async", __version__, tracer_provider)
        meter = get_meter("wechatpay_async", __version__, meter_provider)
        self._duration = meter.create_histogram("http.client.request.duration", unit="s", description="Duration of an attempt at a call.")

    def __call__(self, attempt: Attempt) -> None:
        """Record an attempt that is over."""
        attributes: dict[str, str | int] = {
            "http.request.method": attempt.method,
            "url.template": attempt.template,
            "server.address": attempt.host,
        }
        if attempt.status is not None:
            attributes["http.response.status_code"] = attempt.status
        if attempt.error is not None:
            attributes["error.type"] = attempt.error
        self._duration.record(attempt.duration, attributes)
        self._record_span(attempt, attributes)

    def _record_span(self, attempt: Attempt, attributes: dict[str, str | int]) -> None:
        own: dict[str, str | int] = {"http.request.resend_count": attempt.number - 1} if attempt.number > 1 else {}
        if attempt.request_id is not None:
            own["wechatpay.request_id"] = attempt.request_id
        start = int(attempt.started * 1e9)
        span = self._tracer.start_span(
            f"{attempt.method} {attempt.template}", kind=SpanKind.CLIENT, start_time=start, attributes={**attributes, **own}
        )
        if attempt.error is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(start + int(attempt.duration * 1e9))
