"""Code payments, told by a client that answers from a script and a clock that only moves when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from wechatpay_async.errors import (
    APIError,
    BadSignature,
    ConfigError,
    Conflict,
    InvalidData,
    InvalidRequest,
    MalformedMessage,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RequestError,
    ServerError,
    TransportError,
)
from wechatpay_async.flows import Flows, Micropayment, Step

pytestmark = pytest.mark.anyio

ORDER: Any = {"appid": "wx1", "sub_mch_id": "190", "out_trade_no": "A1", "auth_code": "120061098828009406", "body": "tea", "total_fee": 1}
PAID = {"transaction_id": "T1", "trade_type": "MICROPAY"}


def api(code: str, error_class: type[APIError] = InvalidRequest, **detail: str) -> APIError:
    error = error_class(200, code, "", {"err_code": code, **detail})
    if code == "USERPAYING":
        error.outcome_unknown = True
    return error


def state(name: str) -> dict[str, str]:
    return {"trade_state": name, **(PAID if name == "SUCCESS" else {})}


class Shop:
    """A client whose calls answer from lists, and a clock beside it."""

    def __init__(self, pay: list[Any], query: list[Any] | None = None, reverse: list[Any] | None = None) -> None:
        self.now = 1000.0
        self.certificate_error: Exception | None = None
        self.calls: list[tuple[str, float, Any]] = []
        answers = {"pay": pay, "query": query or [], "reverse": reverse or []}

        def node(name: str) -> Any:
            async def post(data: Any) -> Any:
                self.calls.append((name, self.now - 1000.0, data))
                await anyio.lowlevel.checkpoint()
                answer: Any = answers[name].pop(0)
                if callable(answer):
                    answer = await cast("Callable[[], Any]", answer)()
                if isinstance(answer, Exception):
                    raise answer
                return SimpleNamespace(data=answer)

            return SimpleNamespace(post=post)

        pay_node = SimpleNamespace(micropay=node("pay"), orderquery=node("query"))
        self.v2 = SimpleNamespace(pay=pay_node, secapi=SimpleNamespace(pay=SimpleNamespace(reverse=node("reverse"))))

    async def prepare_client_certificate(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self.certificate_error is not None:
            raise self.certificate_error

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.now += seconds

    def clock(self) -> float:
        return self.now

    async def micropay(self, **more: Any) -> Micropayment:
        return await Flows(cast("Any", self)).micropay(ORDER, clock=self.clock, sleep=self.sleep, **more)

    def times(self, name: str) -> list[float]:
        return [at for call, at, _ in self.calls if call == name]


async def test_a_payment_without_a_password() -> None:
    shop = Shop([PAID])
    result = await shop.micropay()
    assert result == Micropayment("paid", "A1", PAID, None, (Step(0.0, "pay", "SUCCESS"),))
    assert result.transaction_id == "T1"
    assert shop.calls == [("pay", 0.0, ORDER)]


async def test_a_user_who_enters_the_password_in_time() -> None:
    shop = Shop([api("USERPAYING", Conflict)], [state("USERPAYING"), state("SUCCESS")])
    result = await shop.micropay()
    assert (result.outcome, result.transaction_id) == ("paid", "T1")
    assert result.steps == (
        Step(0.0, "pay", "USERPAYING"),
        Step(5.0, "query", "USERPAYING"),
        Step(10.0, "query", "SUCCESS"),
    )
    assert shop.calls[1][2] == {"appid": "wx1", "sub_mch_id": "190", "out_trade_no": "A1"}


async def test_a_user_who_does_not_is_reversed_after_30_s() -> None:
    shop = Shop([api("USERPAYING", Conflict)], [state("USERPAYING")] * 6, [{"recall": "N"}])
    result = await shop.micropay()
    assert result.outcome == "reversed"
    assert shop.times("query") == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0]
    assert shop.times("reverse") == [30.0]


async def test_a_reversal_is_called_again_while_wechat_pay_asks_for_it() -> None:
    failures = [{"recall": "Y"}, api("SYSTEMERROR", ServerError), api("X", recall="Y"), OutcomeUnknown("no answer"), BadSignature("forged")]
    shop = Shop([api("SYSTEMERROR", ServerError)], [api("ORDERNOTEXIST", NotFound)] * 6, [*failures, MalformedMessage("html"), {}])
    result = await shop.micropay()
    assert result.outcome == "reversed"
    assert shop.times("reverse") == [30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0]
    assert [step.result for step in result.steps if step.call == "reverse"] == [
        "recall", "SYSTEMERROR", "X", "OutcomeUnknown", "BadSignature", "MalformedMessage", "SUCCESS",
    ]  # fmt: skip


@pytest.mark.parametrize("answer", [OutcomeUnknown("timed out"), BadSignature("changed"), MalformedMessage("html"), api("ORDERPAID")])
async def test_what_is_no_answer_is_asked_for(answer: Exception) -> None:
    shop = Shop([answer], [TransportError("no network"), ConfigError("secret", "gone"), state("SUCCESS")])
    assert (await shop.micropay()).outcome == "paid"


@pytest.mark.parametrize(
    "error", [api("NOTENOUGH", PermissionDenied), api("AUTHCODEEXPIRE"), api("ORDERREVERSED"), api("OUT_TRADE_NO_USED", PermissionDenied)]
)
@pytest.mark.parametrize("found", [api("ORDERNOTEXIST", NotFound), state("NOTPAY"), state("PAYERROR"), state("REVOKED")])
async def test_a_refusal_is_final_when_no_money_is_found(error: APIError, found: Any) -> None:
    shop = Shop([error], [found])
    result = await shop.micropay()
    assert (result.outcome, result.error) == ("refused", error)
    assert [step.call for step in result.steps] == ["pay", "query"]


async def test_a_request_that_was_not_even_read_is_refused_at_once() -> None:
    shop = Shop([api("")])
    result = await shop.micropay()
    assert result.outcome == "refused"
    assert result.steps == (Step(0.0, "pay", "FAIL"),)


async def test_a_refusal_of_the_second_of_two_does_not_hide_that_the_first_was_paid() -> None:
    shop = Shop([api("AUTH_CODE_INVALID")], [state("SUCCESS")])
    assert (await shop.micropay()).outcome == "paid"


@pytest.mark.parametrize("found", [state("USERPAYING"), TransportError("no network")])
async def test_a_refusal_that_cannot_be_confirmed_is_followed_up(found: Any) -> None:
    shop = Shop([api("AUTH_CODE_INVALID")], [found, state("SUCCESS")])
    assert (await shop.micropay()).outcome == "paid"
    assert shop.times("query") == [0.0, 5.0]


@pytest.mark.parametrize(
    ("final", "outcome"), [("PAYERROR", "refused"), ("CLOSED", "refused"), ("REVOKED", "reversed"), ("SUCCESS", "paid")]
)
async def test_final_states(final: str, outcome: str) -> None:
    shop = Shop([api("USERPAYING", Conflict)], [state("NOTPAY"), state(final)])
    assert (await shop.micropay()).outcome == outcome


@pytest.mark.parametrize("error", [TransportError("refused"), RequestError("wrong"), ConfigError("secret", "missing")])
async def test_what_was_never_sent_is_raised(error: Exception) -> None:
    shop = Shop([error])
    with pytest.raises(type(error)):
        await shop.micropay()
    assert len(shop.calls) == 1


async def test_a_reversal_that_wechat_pay_will_never_do() -> None:
    shop = Shop([api("USERPAYING", Conflict)], [state("USERPAYING")] * 7, [api("REVERSE_EXPIRE", recall="N")])
    result = await shop.micropay()
    assert result.outcome == "unknown"
    assert isinstance(result.error, InvalidRequest)
    assert result.error.code == "REVERSE_EXPIRE"


async def test_the_last_query_may_find_the_money_after_all() -> None:
    shop = Shop([api("USERPAYING", Conflict)], [*[state("USERPAYING")] * 6, state("SUCCESS")], [ConfigError("merchant_cert", "missing")])
    assert (await shop.micropay()).outcome == "paid"


async def test_attempts_are_bounded() -> None:
    shop = Shop([OutcomeUnknown("gone")], [OutcomeUnknown("gone")] * 3, [OutcomeUnknown("gone")] * 3)
    result = await shop.micropay(poll_every=7.0, poll_for=20.0, reverse_attempts=3)
    assert result.outcome == "unknown"
    assert isinstance(result.error, OutcomeUnknown)
    assert shop.times("query") == [7.0, 14.0, 29.0]
    assert shop.times("reverse") == [15.0, 22.0, 29.0]


async def test_an_order_without_a_number_is_not_sent() -> None:
    shop = Shop([])
    with pytest.raises(InvalidData):
        await Flows(cast("Any", shop)).micropay(cast("Any", {"auth_code": "1"}))
    assert shop.calls == []


async def test_the_result_is_reported() -> None:
    reports: list[Micropayment] = []
    result = await Shop([PAID]).micropay(report=reports.append)
    assert reports == [result]


def cancelling(scope: anyio.CancelScope) -> Callable[[], Any]:
    async def cancel() -> dict[str, str]:
        scope.cancel()
        await anyio.lowlevel.checkpoint()
        return {}

    return cancel


@pytest.mark.parametrize("when", ["pay", "query"])
async def test_a_cancelled_task_still_reverses(when: str, caplog: pytest.LogCaptureFixture) -> None:
    reports: list[Micropayment] = []
    scope = anyio.CancelScope()
    pay = [cancelling(scope)] if when == "pay" else [api("USERPAYING", Conflict)]
    shop = Shop(pay, [cancelling(scope)], [{"recall": "Y"}, {}])
    with scope:
        await shop.micropay(report=reports.append)
    assert scope.cancelled_caught
    assert [report.outcome for report in reports] == ["reversed"]
    assert shop.times("reverse") == [15.0, 20.0]
    assert caplog.messages == ["the payment A1 was cancelled by this program, outcome: reversed"]


async def test_a_cancelled_task_s_report_is_unknown_when_the_time_was_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wechatpay_async.flows.CANCELLED_GRACE", 0.0)
    reports: list[Micropayment] = []
    with anyio.CancelScope() as scope:
        await Shop([cancelling(scope)], [], [anyio.sleep_forever]).micropay(report=reports.append)
    assert [(report.outcome, report.out_trade_no) for report in reports] == [("unknown", "A1")]


async def test_repr_shows_no_data() -> None:
    assert "T1" not in repr(await Shop([PAID]).micropay())


async def test_a_cancelled_task_needs_no_report() -> None:
    with anyio.CancelScope() as scope:
        await Shop([cancelling(scope)], [], [{}]).micropay()
    assert scope.cancelled_caught


async def test_a_payment_that_could_not_be_reversed_is_not_begun() -> None:
    shop = Shop([PAID])
    shop.certificate_error = ConfigError("merchant_cert", "missing")
    with pytest.raises(ConfigError):
        await shop.micropay()
    assert shop.calls == []


async def test_an_order_that_never_arrived_is_no_payment() -> None:
    lost = api("ORDERNOTEXIST", NotFound)
    result = await Shop([OutcomeUnknown("timed out")], [lost] * 7, [lost]).micropay()
    assert (result.outcome, result.error) == ("refused", lost)
