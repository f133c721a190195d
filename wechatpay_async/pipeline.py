"""The way of a call from its name to a verified answer, one step after the other."""

from __future__ import annotations

import copy
import random
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import anyio
import anyio.to_thread
import httpx

from wechatpay_async import decoding
from wechatpay_async.auth import WechatpayAuth
from wechatpay_async.chain import READS, Call
from wechatpay_async.checks import problems
from wechatpay_async.connections import Connections
from wechatpay_async.crypto.digests import sha1_hex
from wechatpay_async.encoding import Encoder, Outgoing
from wechatpay_async.errors import (
    APIError,
    DecryptionError,
    InvalidData,
    MalformedMessage,
    OutcomeUnknown,
    SignatureError,
    TransportError,
    ValidationWarning,
    WechatpayError,
)
from wechatpay_async.merchant import Merchant
from wechatpay_async.response import Response
from wechatpay_async.retry import Hosts, Retry, decide, is_repeatable
from wechatpay_async.sealing import Sealing
from wechatpay_async.watching import Watchers

if TYPE_CHECKING:
    import ssl

    from wechatpay_async.downloads import ExpectedHash
    from wechatpay_async.limits import RateLimits

__all__ = ["Pipeline", "Policy", "Validate"]

Validate = Literal["off", "warn", "strict"]


class Policy(NamedTuple):
    """What may differ from one use of a client to the next. `deadline` is in seconds, for a whole call with its repeats."""

    validate: Validate
    deadline: float | None
    retry: Retry


class _Journey:
    """What has become of one call so far: whether a write has left, and whether the answer to one was lost."""

    __slots__ = ("lost", "sent")

    def __init__(self) -> None:
        self.sent = False
        self.lost = False

    def judge(self, error: WechatpayError) -> WechatpayError:
        """The failure of an attempt in the light of those before: once an answer was lost, no later failure makes a write unexecuted."""
        earlier = self.lost
        self.lost = earlier or (self.sent and _tells_nothing(error))
        if not earlier:
            return error
        if isinstance(error, TransportError) and not isinstance(error, OutcomeUnknown):
            unknown = OutcomeUnknown(f"{error.message}; the answer to an earlier attempt was lost", hint=decoding.UNKNOWN)
            unknown.__cause__ = error
            return unknown
        if isinstance(error, APIError) and not error.outcome_unknown:
            error.outcome_unknown = True
            error.hint = f"the answer to an earlier attempt was lost: {decoding.UNKNOWN}"
        return error


class Pipeline:
    """Makes one merchant's calls: check, encode, pace, sign, send, verify, decode; and again where that does no harm."""

    def __init__(
        self,
        merchant: Merchant,
        policy: Policy,
        *,
        encoder: Encoder,
        auth: WechatpayAuth,
        sealing: Sealing,
        connections: Connections,
        hosts: Hosts,
        limits: RateLimits | None,
        watchers: Watchers,
        client_certificate: Callable[[], ssl.SSLContext],
    ) -> None:
        self._merchant = merchant
        self.policy = policy
        self._encoder = encoder
        self._auth = auth
        self._sealing = sealing
        self._connections = connections
        self._hosts = hosts
        self._limits = limits
        self._watchers = watchers
        self._client_certificate = client_certificate

    def with_policy(self, policy: Policy, timeouts: Mapping[str, float | None] | None) -> Self:
        """The same way with another policy, and other time-outs where they are given."""
        made = copy.copy(self)
        made.policy = policy
        if timeouts is not None:
            made._encoder = copy.copy(self._encoder)
            made._encoder.timeouts = timeouts
        return made

    def secret(self) -> bytes:
        """The APIv2 key. Raises `ConfigError` where none was given."""
        return self._encoder.secret()

    async def execute(self, call: Call) -> Response[Any]:
        """Make one call, each attempt signed afresh. Raises what `wechatpay_async.errors` lists."""
        journey = _Journey()
        with self._deadline():
            await self._connections.signer.turn(join=True)
            self._check(call)
            if call.file is not None or (call.operation is not None and call.operation.is_upload):
                async with self._encoder.encode_upload(call) as outgoing:
                    return await self._repeated(call, outgoing, journey)
            return await self._repeated(call, await self._encoder.encode(call), journey)
        raise self._late(call, journey)

    async def _repeated(self, call: Call, outgoing: Outgoing, journey: _Journey) -> Response[Any]:
        """Attempt the call as often as its failures, the policy and the deadline allow. Raises the last failure."""
        attempt = 1
        while True:
            await self._paced(call)
            journey.sent = call.method not in READS
            try:
                response = await self._watched(call, outgoing, attempt)
            except WechatpayError as error:
                failure = journey.judge(error)
                repeatable = is_repeatable(self.policy.retry, call.method, call.operation)
                chance = random.random()  # noqa: S311 — it shortens a pause
                decision = decide(self.policy.retry, failure, attempt=attempt, repeatable=repeatable, chance=chance)
                if not (decision.again and self._connections.budget.take()):
                    self._settle(call, failure)
                    raise failure from failure.__cause__
            else:
                self._connections.budget.earn()
                return response
            await anyio.sleep(decision.after)
            attempt += 1
            outgoing = self._encoder.again(call, outgoing)

    async def _watched(self, call: Call, outgoing: Outgoing, number: int) -> Response[Any]:
        """One attempt, told to the log and the watchers."""
        work = self._once(call, outgoing)
        host, mchid = outgoing.request.url.host, self._merchant.mchid
        return await self._watchers.over(work, method=call.method, template=call.template, host=host, mchid=mchid, number=number)

    async def _once(self, call: Call, outgoing: Outgoing) -> Response[Any]:
        """One attempt, from the signature to the decoded answer."""
        response = await self._send(call, outgoing)
        if call.api == "v2":
            return decoding.decode_v2(call, response, mchid=self._merchant.mchid, secret=self._encoder.secret(), appid=outgoing.appid)
        if (expected := await self._signed_hash(call, response)) is not None:
            expected.check(await anyio.to_thread.run_sync(sha1_hex, response.content))
        return await decoding.decode(call, response, self._sealing)

    async def _signed_hash(self, call: Call, response: httpx.Response) -> ExpectedHash | None:
        """The hash that WeChat Pay signed in place of the body, for the few operations where it does. Raises `SignatureError`."""
        operation = call.operation
        if operation is None or operation.response_signed or not (self._auth.verifies and response.is_success):
            return None
        from wechatpay_async.downloads import SIGNED_BY_HASH, signed_sha1

        if operation.path not in SIGNED_BY_HASH:
            return None
        expected, signed = signed_sha1(response.headers)
        await self._auth.verify(response.headers, signed)
        return expected

    async def _send(self, call: Call, outgoing: Outgoing) -> httpx.Response:
        """The whole answer to a call, read into memory within bounds."""
        response = await self._attempt(call, outgoing)
        try:
            await decoding.read(call, response)
        finally:
            await response.aclose()
        return response

    async def _attempt(self, call: Call, outgoing: Outgoing) -> httpx.Response:
        """Sign, send and verify once; the body may still be unread."""
        auth = self._auth if call.api == "v3" else None
        http = await self._http_for(call)
        try:
            response = await http.send(outgoing.request, stream=True, auth=auth, follow_redirects=False)
        except httpx.TransportError as error:
            if isinstance(error, decoding.NO_CONNECTION):
                self._note_host(outgoing.request, works=False)
            decoding.raise_transport_error(call, error)
        self._note_host(outgoing.request, works=True)
        return response

    @asynccontextmanager
    async def open_stream(self, call: Call) -> AsyncGenerator[httpx.Response, None]:
        """Make one call and hand out its body as it arrives; an error answer is raised before.

        The deadline is for everything up to the body, which may take as long as its pieces keep coming (`timeout`).
        """
        self._check(call)
        response = await self._in_time(call, self._opened(call))
        try:
            yield response
        finally:
            await response.aclose()

    @asynccontextmanager
    async def open_url(self, url: str, target: str) -> AsyncGenerator[httpx.Response, None]:
        """GET a URL that WeChat Pay gave, its path and query (`target`) untouched; the answer is checked by whoever reads it.

        The deadline is for everything up to the body.
        """
        call = Call("v3", "GET", target.partition("?")[0], target)
        response = await self._in_time(call, self._attempt(call, self._encoder.encode_url(call, url)))
        try:
            yield response
        finally:
            await response.aclose()

    async def _opened(self, call: Call) -> httpx.Response:
        """The answer to a call, its body unread. Raises the error that it stands for."""
        outgoing = await self._encoder.encode(call)
        await self._paced(call)
        response = await self._attempt(call, outgoing)
        if not response.is_success:
            try:
                await decoding.read(call, response)
                decoding.raise_error(call, response)
            finally:
                await response.aclose()
        try:
            await self._signed_hash(call, response)  # the body's own hash is for whoever reads it
        except BaseException:
            await response.aclose()
            raise
        return response

    async def _in_time(self, call: Call, opening: Awaitable[httpx.Response]) -> httpx.Response:
        """What `opening` gives within the deadline. Raises `TransportError` afterwards: nothing that is streamed changes anything."""
        with self._deadline():
            return await opening
        raise self._late(call, _Journey())

    def _deadline(self) -> anyio.CancelScope:
        seconds = self.policy.deadline
        return anyio.CancelScope(deadline=float("inf") if seconds is None else anyio.current_time() + seconds)

    async def fetch_certificates(self) -> tuple[int, Mapping[str, str], bytes]:
        """One signed `GET /v3/certificates`, its reply unverified: the keys that it brings verify it."""
        response = await self._send(*self._encoder.encode_certificates())
        return response.status_code, response.headers, response.content

    async def prepare_client_certificate(self) -> httpx.AsyncClient:
        """The HTTP client that shows the merchant's certificate. Raises `ConfigError`."""
        return await self._connections.with_certificate(self._merchant.serial, self._client_certificate)

    async def _http_for(self, call: Call) -> httpx.AsyncClient:
        """The HTTP client; for the operations that want the merchant's certificate the one that shows it."""
        if call.operation is None or not call.operation.client_cert:
            return self._connections.http
        return await self.prepare_client_certificate()

    def _check(self, call: Call) -> None:
        """Refuse what the server would refuse. `validate` decides about rules that the server may have loosened since."""
        for problem in problems(call, self._merchant.mchid):
            if problem.always or self.policy.validate == "strict":
                raise InvalidData(problem.path, problem.message, hint=problem.page)
            if self.policy.validate == "warn":
                warnings.warn(f"{call.name}: {problem.path}: {problem.message}", ValidationWarning, stacklevel=3)

    async def _paced(self, call: Call) -> None:
        if self._limits is not None:
            await self._limits.wait(call.method, call.template)

    def _note_host(self, request: httpx.Request, *, works: bool) -> None:
        """Remember whether connections to a host can be made."""
        netloc = request.url.netloc
        for host in self._hosts.urls:
            if host.netloc == netloc:
                self._hosts.worked(host) if works else self._hosts.failed(host, time.monotonic())

    def _late(self, call: Call, journey: _Journey) -> WechatpayError:
        """The call is given up, its time is over: a write that has left may have been executed by then."""
        message = f"{call.name}: no answer within the deadline of {self.policy.deadline} s"
        if not journey.sent:
            return TransportError(message, hint="deadline= is in seconds, for the whole call with its repeats")
        unknown = OutcomeUnknown(message, hint=decoding.UNKNOWN)
        self._settle(call, unknown)
        return unknown

    def _settle(self, call: Call, error: WechatpayError) -> None:
        """Where the outcome is unknown, say which query settles it, if the catalogue knows one."""
        if not isinstance(error, OutcomeUnknown):
            return
        from wechatpay_async.settling import settling_query

        query = settling_query(call, self._merchant.mchid)
        if query is not None:
            error.settle_by(query.name, lambda: self.execute(query))


def _tells_nothing(error: WechatpayError) -> bool:
    """Whether a failure leaves it open what became of a write: no answer, or none that can be trusted or read."""
    if isinstance(error, APIError):
        return error.outcome_unknown
    return isinstance(error, (OutcomeUnknown, SignatureError, MalformedMessage, DecryptionError))
