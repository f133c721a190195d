"""What people do with several calls in a row, as one call: a payment with the code on the user's phone, a transfer to a bank card."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, cast

import anyio

from wechatpay_async.crypto.keys import load_public_key
from wechatpay_async.errors import (
    APIError,
    ConfigError,
    InvalidData,
    MalformedMessage,
    NotFound,
    OutcomeUnknown,
    RequestError,
    SignatureError,
    TransportError,
    WechatpayError,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from wechatpay_async.api.types.v2_mmpaysptrans import V2MmpaysptransPayBankPostBody, V2MmpaysptransPayBankPostResponse
    from wechatpay_async.api.types.v2_pay import V2PayMicropayPostBody
    from wechatpay_async.api.v2 import V2
    from wechatpay_async.response import Response

__all__ = ["Flows", "Micropayment", "Outcome", "Step"]

_log = logging.getLogger("wechatpay_async.flows")

#: `paid`: the money came. `refused`: it did not and will not. `reversed`: the order is closed, and money that came went back.
#: `unknown`: nobody could be asked; settle it by hand or with the bill, and sell nothing on it.
Outcome: TypeAlias = Literal["paid", "refused", "reversed", "unknown"]

#: Seconds between two queries, and the longest time for the user to enter a password.
POLL_EVERY: Final = 5.0
POLL_FOR: Final = 30.0
#: Seconds after the payment before which WeChat Pay asks not to reverse: https://pay.weixin.qq.com/doc/global/v2/zh/4013634893
REVERSE_NOT_BEFORE: Final = 15.0
REVERSE_ATTEMPTS: Final = 10
#: Seconds that a cancelled task may still take to reverse.
CANCELLED_GRACE: Final = 30.0

# What the query and the reversal must repeat of the order.
_IDENTIFYING: Final = ("appid", "sub_appid", "mch_id", "sub_mch_id", "out_trade_no", "sign_type")
# The number was paid already, by an earlier attempt whose answer was lost: the query tells.
_PAID_BEFORE: Final = "ORDERPAID"
_REFUSED_STATES: Final = frozenset({"PAYERROR", "CLOSED"})
# An answer that is no answer: whatever was sent may have been executed.
_NO_ANSWER: Final = (OutcomeUnknown, SignatureError, MalformedMessage)


class _Client(Protocol):
    @property
    def v2(self) -> V2: ...

    async def prepare_client_certificate(self) -> None:
        """Make ready what a reversal needs. Raises `ConfigError` where it is missing."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a flow: `at` seconds after its beginning, `call` is `pay`, `query` or `reverse`, `result` a state or a code."""

    at: float
    call: Literal["pay", "query", "reverse"]
    result: str


@dataclass(frozen=True, slots=True)
class Micropayment:
    """What became of a code payment.

    `data` is the answer that decided, `error` the error that decided where one did. `steps` tells all calls in their order.
    """

    outcome: Outcome
    out_trade_no: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    error: WechatpayError | None = None
    steps: tuple[Step, ...] = ()

    @property
    def transaction_id(self) -> str | None:
        """WeChat Pay's number of the payment, where it is known."""
        return self.data.get("transaction_id")


class Flows:
    """The flows of one client: `wxpay.flows`."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._bank_key: RSAPublicKey | None = None

    async def pay_bank(self, order: V2MmpaysptransPayBankPostBody) -> Response[V2MmpaysptransPayBankPostResponse]:
        """Pay to a bank card: `enc_bank_no` and `enc_true_name` are given in plain text, and encrypted here.

        `order`: the fields of `POST /mmpaysptrans/pay_bank`; amounts in fen. The key comes from `POST /risk/getpublickey` at the first
        transfer, and again after one that was refused. `order` stays as it is; a `Sealed` value is sent as it is. Needs the client
        certificate (`merchant_cert` or `pkcs12`).

        Raises `InvalidData` for a value that is too long to encrypt, and what the two calls raise.
        https://pay.weixin.qq.com/wiki/doc/api/tools/mch_pay.php?chapter=24_2
        """
        if not isinstance(order, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise RequestError(f"the order: expected a mapping, got {type(order).__name__}")
        from wechatpay_async.protocol import sensitive

        plan = sensitive.Plan(fields=dict.fromkeys(("enc_bank_no", "enc_true_name"), sensitive.Plan(sensitive=True)))
        encryption = sensitive.oaep_encryption(await self._key_of_bank_transfers())
        try:
            return await self._client.v2.mmpaysptrans.pay_bank.post(sensitive.seal(order, plan, encryption))
        except APIError:
            self._bank_key = None
            raise

    async def _key_of_bank_transfers(self) -> RSAPublicKey:
        """WeChat Pay's key for bank cards: https://pay.weixin.qq.com/wiki/doc/api/tools/mch_pay_yhk.php?chapter=24_7&index=4."""
        if self._bank_key is None:
            response = await self._client.v2.risk.getpublickey.post({"sign_type": "MD5"})
            try:
                # As bytes, which are a key and never the path of a file.
                self._bank_key = load_public_key(str(response.data.get("pub_key")).encode(), parameter="pub_key")
            except ConfigError:
                raise MalformedMessage("pub_key: the answer has no RSA key") from None
        return self._bank_key

    async def micropay(
        self,
        order: V2PayMicropayPostBody,
        *,
        poll_every: float = POLL_EVERY,
        poll_for: float = POLL_FOR,
        reverse_attempts: int = REVERSE_ATTEMPTS,
        report: Callable[[Micropayment], object] | None = None,
        clock: Callable[[], float] = anyio.current_time,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> Micropayment:
        """Take a payment with the code on the user's phone: pay, query while the user enters a password, reverse what stays unclear.

        `order`: the fields of `POST /pay/micropay`, with `out_trade_no` and `auth_code`. Times in seconds. The reversal needs the
        client certificate (`merchant_cert` or `pkcs12`). `report` gets the result, too, also when the task is cancelled: then the
        payment is still reversed, for at most 30 s, before the cancellation goes on. `clock` and `sleep` are for tests.

        Raises `RequestError` for an order that cannot be sent, `ConfigError` where a reversal would not be possible (looked at before
        anything is sent), and `TransportError` where nothing was sent.
        https://pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_10&index=1
        """
        if not isinstance(order, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise RequestError(f"the order: expected a mapping, got {type(order).__name__}")
        if not order.get("out_trade_no"):
            raise InvalidData("$.out_trade_no", "is missing", hint="the number under which the payment is queried and reversed")
        await self._client.prepare_client_certificate()
        payment = _Payment(self._client, order, poll_every, reverse_attempts, clock, sleep)
        try:
            result = await payment.run(poll_for)
        except anyio.get_cancelled_exc_class():
            result = await payment.abandon(CANCELLED_GRACE)
            _log.warning("the payment %s was cancelled by this program, outcome: %s", result.out_trade_no, result.outcome)
            if report is not None:
                report(result)
            raise
        if report is not None:
            report(result)
        return result


class _Payment:
    """One code payment on its way."""

    def __init__(
        self,
        client: _Client,
        order: V2PayMicropayPostBody,
        every: float,
        attempts: int,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._client = client
        self._order = order
        fields = cast("Mapping[str, object]", order)
        self._reference: Any = {name: fields[name] for name in _IDENTIFYING if name in fields}
        self._every = every
        self._attempts = attempts
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._steps: list[Step] = []
        self._state = ""
        self._query_failure: WechatpayError | None = None

    async def run(self, poll_for: float) -> Micropayment:
        """The whole story: pay, query, reverse."""
        return await self._pay() or await self._poll(poll_for) or await self._reverse()

    async def abandon(self, grace: float) -> Micropayment:
        """Reverse for at most `grace` seconds, whatever came before, although the task is being cancelled."""
        with anyio.move_on_after(grace, shield=True):
            return await self._reverse()
        return self._result("unknown")

    async def _pay(self) -> Micropayment | None:
        """The outcome, or None where it must be asked for."""
        try:
            response = await self._client.v2.pay.micropay.post(self._order)
        except APIError as error:
            self._note("pay", error.code or "FAIL")
            if error.outcome_unknown or error.code == _PAID_BEFORE:
                return None
            return await self._confirm_refusal(error) if error.code else self._result("refused", error=error)
        except _NO_ANSWER as error:
            self._note("pay", type(error).__name__)
            return None
        self._note("pay", "SUCCESS")
        return self._result("paid", cast("Mapping[str, Any]", response.data))

    async def _confirm_refusal(self, error: APIError) -> Micropayment | None:
        """Ask once whether the money came all the same.

        A payment is sent again when its answer is lost, and then it is the second one that is refused: the code was used, the number, too.
        """
        result = await self._query()
        if result is not None and result.outcome == "paid":
            return result
        failure = self._query_failure
        is_clear = self._state != "USERPAYING" if failure is None else isinstance(failure, NotFound)
        return self._result("refused", error=error) if is_clear else None

    async def _poll(self, poll_for: float) -> Micropayment | None:
        """Query until the order has a final state; None when the time is over before."""
        while self._clock() - self._began + self._every <= poll_for:
            await self._sleep(self._every)
            if (result := await self._query()) is not None:
                return result
        return None

    async def _query(self) -> Micropayment | None:
        """The outcome, where the order has a final state."""
        try:
            response = await self._client.v2.pay.orderquery.post(self._reference)
        except WechatpayError as error:
            self._note("query", _name(error))
            self._query_failure = error
            return None
        data = cast("Mapping[str, Any]", response.data)
        state = str(data.get("trade_state", ""))
        self._note("query", state)
        self._state, self._query_failure = state, None
        if state == "SUCCESS":
            return self._result("paid", data)
        if state == "REVOKED":
            return self._result("reversed", data)
        return self._result("refused", data) if state in _REFUSED_STATES else None

    async def _reverse(self) -> Micropayment:
        """Reverse again and again until WeChat Pay says that it is done, or that it never will be."""
        await self._sleep(max(0.0, self._began + REVERSE_NOT_BEFORE - self._clock()))
        failure: WechatpayError | None = None
        for attempt in range(self._attempts):
            if attempt:
                await self._sleep(self._every)
            try:
                response = await self._client.v2.secapi.pay.reverse.post(self._reference)
            except WechatpayError as error:
                self._note("reverse", _name(error))
                failure = error
                if not _worth_repeating(error):
                    break
            else:
                recall = response.data.get("recall") == "Y"
                self._note("reverse", "recall" if recall else "SUCCESS")
                if not recall:
                    return self._result("reversed", cast("Mapping[str, Any]", response.data))
        return await self._query() or self._result("refused" if self._never_arrived(failure) else "unknown", error=failure)

    def _never_arrived(self, failure: WechatpayError | None) -> bool:
        """Whether neither the reversal nor the last query found the order: what was sent got lost on its way."""
        return isinstance(failure, NotFound) and isinstance(self._query_failure, NotFound)

    def _note(self, call: Literal["pay", "query", "reverse"], result: str) -> None:
        self._steps.append(Step(self._clock() - self._began, call, result))

    def _result(self, outcome: Outcome, data: Mapping[str, Any] | None = None, error: WechatpayError | None = None) -> Micropayment:
        return Micropayment(outcome, self._order["out_trade_no"], data or {}, error, tuple(self._steps))


def _name(error: WechatpayError) -> str:
    return (error.code or "FAIL") if isinstance(error, APIError) else type(error).__name__


def _worth_repeating(error: WechatpayError) -> bool:
    """Whether another reversal may do better: WeChat Pay says so (`recall`), or there was no answer."""
    if isinstance(error, APIError):
        detail = cast("Mapping[str, object]", error.detail or {})  # an APIv2 error's detail is its fields
        return detail.get("recall") == "Y" or error.retryable or error.outcome_unknown
    return isinstance(error, (TransportError, SignatureError, MalformedMessage))
