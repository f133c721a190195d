"""`Wechatpay`: one merchant's settings and connections, and the way of a call from its name to a verified answer."""

from __future__ import annotations

import copy
import os
import random
import time
import warnings
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, Self, cast

import httpx

from wechatpay_async import chain
from wechatpay_async._version import __version__
from wechatpay_async.auth import (
    ALLOWED_HOSTS,
    FACTS,
    SIGNED_MESSAGE,
    SigningFacts,
    WechatpayAuth,
    check_host,
    new_nonce,
    read_bounded,
)
from wechatpay_async.chain import NOT_GIVEN, Call, Node
from wechatpay_async.crypto.masking import masked
from wechatpay_async.environment import settings_from
from wechatpay_async.errors import (
    APIError,
    ConfigError,
    DecryptionError,
    InvalidData,
    MalformedMessage,
    NotFound,
    OutcomeUnknown,
    RequestError,
    SignatureError,
    TransportError,
    ValidationWarning,
    WechatpayError,
)
from wechatpay_async.platform_keys import KeySource, StaticKeys, checked_source
from wechatpay_async.protocol import v3
from wechatpay_async.protocol.target import encode_query
from wechatpay_async.response import Response
from wechatpay_async.retry import Hosts, Retry, decide, is_repeatable
from wechatpay_async.settings import (
    DEFAULT_BASE_URL,
    DEFAULT_TIMEOUT,
    check_function,
    check_kind,
    check_pkcs12,
    check_switch,
    checked_base_url,
    checked_choice,
    checked_seconds,
    checked_text,
    checked_timeout,
    checked_urls,
    is_loopback,
)
from wechatpay_async.watching import Watcher, Watchers

# The catalogue, keys, files, notifications, payloads and APIv2 are imported where they are first used: `import wechatpay_async` then costs
# hardly more than `import httpx`.
if TYPE_CHECKING:
    import ssl

    from cryptography import x509

    from wechatpay_async.api.v2 import V2
    from wechatpay_async.api.v3 import V3
    from wechatpay_async.bill_downloads import Bills
    from wechatpay_async.catalog import Operation
    from wechatpay_async.catalog_view import CatalogView
    from wechatpay_async.connections import Connections
    from wechatpay_async.crypto.keys import KeyText, PlatformKey, PlatformKeySource, PrivateKeySource
    from wechatpay_async.flows import Flows
    from wechatpay_async.key_stores import KeyStore
    from wechatpay_async.limits import RateLimits
    from wechatpay_async.merchant import Merchant
    from wechatpay_async.notifications import Notifications
    from wechatpay_async.notifications.v2 import V2Notifications
    from wechatpay_async.payloads import Payloads
    from wechatpay_async.protocol.sealed import Sealed
    from wechatpay_async.protocol.sensitive import Plan
    from wechatpay_async.protocol.v2 import V2Request
    from wechatpay_async.uploads import Upload

__all__ = ["Validate", "Wechatpay"]

Validate = Literal["off", "warn", "strict"]

DEFAULT_BACKUP_URLS: Final = ("https://api2.mch.weixin.qq.com",)
#: Seconds for a whole call.
DEFAULT_DEADLINE: Final = 60.0
DEFAULT_RETRY: Final = Retry()
USER_AGENT: Final = f"wechatpay-async/{__version__} httpx/{httpx.__version__}"

_SERIAL = v3.SERIAL_HEADER.lower()
_READS = frozenset({"GET", "HEAD"})
# These fail before the request has left, so nothing was executed, whatever the method.
_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_NOT_SENT = (*_NO_CONNECTION, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_UNKNOWN = "it may have been executed: query by its business number, or repeat with the same number and the same body"
_SUCCESS_CODES = frozenset({"SUCCESS", "OK", ""})


class _Outgoing(NamedTuple):
    """A request that is ready to be sent, any number of times.

    `appid` is the one that an APIv2 call is about; `renew` gives a streamed body from its first byte again.
    """

    request: httpx.Request
    appid: str | None = None
    renew: Callable[[], httpx.AsyncByteStream] | None = None


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
            unknown = OutcomeUnknown(f"{error.message}; the answer to an earlier attempt was lost", hint=_UNKNOWN)
            unknown.__cause__ = error
            return unknown
        if isinstance(error, APIError) and not error.outcome_unknown:
            error.outcome_unknown = True
            error.hint = f"the answer to an earlier attempt was lost: {_UNKNOWN}"
        return error


class Wechatpay:
    """A merchant's client of the WeChat Pay OpenAPI.

        async with Wechatpay(mchid=…, serial=…, private_key=…, certs={"PUB_KEY_ID_…": …}, apiv3_key=…) as wxpay:
            response = await wxpay.v3.pay.transactions.native.post({...})
            response.data["code_url"]

    `mchid` is the merchant number (a partner's own), `serial` its API certificate's serial, `private_key` that certificate's key, `certs`
    WeChat Pay's keys by public-key id or serial. Keys are paths, `file://…`, PEM, `private.pkcs8://…` or key objects. `apiv3_key` has 32
    bytes and opens notifications and certificates, `secret` is the APIv2 key, `agent_secret` that of the WeCom application for its red
    packets. `platform_keys="auto"` downloads platform certificates, `key_store` keeps them across processes. `merchant_cert` or `pkcs12`
    is the client certificate of the APIv2 operations that want one; they get a connection pool of their own, also beside a borrowed
    `http_client`. `timeout` is in seconds for each attempt, `deadline` for the whole call with its repeats. `retry` says how often a call
    is repeated, `backup_urls` which hosts are called while connections to `base_url` fail. `rate_limits` paces calls
    (`"documented"`, or calls a second by `"POST /v3/refund"`), `watchers` are told of each attempt. `clock` gives seconds.

    Raises `ConfigError`, which names the setting and the cure, when the client is made.
    """

    def __init__(
        self,
        *,
        mchid: str,
        serial: str | None = None,
        private_key: PrivateKeySource,
        private_key_password: str | bytes | None = None,
        certs: Mapping[str, PlatformKeySource] | None = None,
        apiv3_key: str | bytes | None = None,
        secret: str | bytes | None = None,
        agent_secret: str | None = None,
        merchant_cert: KeyText | x509.Certificate | None = None,
        pkcs12: bytes | str | PathLike[str] | None = None,
        pkcs12_password: str | bytes | None = None,
        brand_id: str | None = None,
        base_url: str = DEFAULT_BASE_URL,
        backup_urls: Sequence[str] | None = None,
        timeout: float | httpx.Timeout = DEFAULT_TIMEOUT,
        deadline: float | None = DEFAULT_DEADLINE,
        retry: Retry = DEFAULT_RETRY,
        rate_limits: Mapping[str, float] | Literal["documented"] | None = None,
        watchers: Sequence[Watcher] = (),
        validate: Validate = "warn",
        platform_keys: KeySource | Literal["auto"] | None = None,
        key_store: KeyStore | None = None,
        transport: httpx.AsyncBaseTransport | str | None = None,
        http_client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        dangerously_skip_verification: bool = False,
        connections: Connections | None = None,
    ) -> None:
        from wechatpay_async.connections import Connections
        from wechatpay_async.merchant import load_merchant

        # Error reporters show the variables of each frame of a traceback: from here on none of them shows a key.
        private_key, private_key_password, pkcs12_password = masked(private_key), masked(private_key_password), masked(pkcs12_password)
        pkcs12 = masked(pkcs12)
        apiv3_key, secret, agent_secret = masked(apiv3_key), masked(secret), masked(agent_secret)
        certs = {name: masked(key) for name, key in certs.items()} if isinstance(certs, Mapping) else certs
        self._merchant = load_merchant(
            mchid=mchid,
            serial=serial,
            private_key=private_key,
            private_key_password=private_key_password,
            certs=certs,
            apiv3_key=apiv3_key,
            secret=secret,
            merchant_cert=merchant_cert,
            brand_id=brand_id,
        )
        self._base_url = checked_base_url(base_url)
        backups = backup_urls if backup_urls is not None else DEFAULT_BACKUP_URLS if base_url == DEFAULT_BASE_URL else ()
        hosts = Hosts([self._base_url, *checked_urls("backup_urls", backups)])
        self._deadline = checked_seconds("deadline", deadline)
        self._retry = _checked_retry(retry)
        self._agent_secret = checked_text("agent_secret", agent_secret)
        self._limits = _rate_limits(rate_limits)
        self._watchers = Watchers(watchers)
        check_function("clock", clock, "a function that gives seconds", hint="clock=time.time")
        self._clock = clock
        self._validate = checked_choice("validate", validate, ("off", "warn", "strict"))
        timeout = checked_timeout(timeout)
        self._timeouts = timeout.as_dict()
        self._keys = self._key_source(platform_keys, key_store)
        check_switch("dangerously_skip_verification", dangerously_skip_verification)
        if dangerously_skip_verification and not all(is_loopback(url.host) for url in hosts.urls):
            raise ConfigError(
                "dangerously_skip_verification",
                "refused for a host other than this machine",
                hint="it is for tests against a loopback address",
            )
        if transport is not None and http_client is not None:
            raise ConfigError("transport", "given together with http_client", hint="give the transport to your own client")
        if http_client is not None:
            check_kind("http_client", http_client, httpx.AsyncClient, "an httpx.AsyncClient")
        if transport is not None:
            check_kind("transport", transport, (str, httpx.AsyncBaseTransport), 'an httpx.AsyncBaseTransport or "fast"')
        if connections is not None:
            check_kind("connections", connections, Connections, "the connections of another client", hint="share() gives them")
            if transport is not None or http_client is not None:
                raise ConfigError("transport", "given beside connections that are shared", hint="a client of its own: Wechatpay(…)")
        self._is_guest = connections is not None
        self._connections = connections or Connections(hosts, timeout, transport=transport, http_client=http_client)
        self._hosts = hosts if self._connections.hosts.urls != hosts.urls else self._connections.hosts
        self._allowed_hosts = ALLOWED_HOSTS | {url.netloc.decode("ascii") for url in hosts.urls}
        self._auth = WechatpayAuth(
            self._merchant,
            self._keys,
            clock=clock,
            verification="dangerously off" if dangerously_skip_verification else "on",
            allowed_hosts=self._allowed_hosts,
            signer=self._connections.signer,
        )
        self._urls: dict[tuple[bytes, str], httpx.URL] = {}
        check_pkcs12(pkcs12, pkcs12_password)
        self._pkcs12, self._pkcs12_password = pkcs12, pkcs12_password
        self._shared: dict[str, Any] = {
            "base_url": base_url,
            "backup_urls": backup_urls,
            "timeout": timeout,
            "deadline": deadline,
            "retry": retry,
            "rate_limits": rate_limits,
            "watchers": watchers,
            "validate": validate,
            "clock": clock,
            "dangerously_skip_verification": dangerously_skip_verification,
        }

    def _key_source(self, source: KeySource | Literal["auto"] | None, store: KeyStore | None) -> KeySource:
        merchant = self._merchant
        if source == "auto":
            if merchant.apiv3_key is None:
                raise ConfigError("apiv3_key", "missing", hint='platform_keys="auto" opens the certificates with it')
            from wechatpay_async.auto_keys import AutoKeys

            return AutoKeys(self._fetch_certificates, merchant.apiv3_key, given=merchant.platform_keys, store=store, clock=self._clock)
        if store is not None:
            raise ConfigError("key_store", "given without anything to keep", hint='it goes with platform_keys="auto"')
        if source is not None:
            return checked_source(source)
        if not merchant.platform_keys and merchant.secret is None:
            raise ConfigError(
                "certs", "missing: no reply could be verified", hint='certs={"PUB_KEY_ID_…": "pub_key.pem"}, or platform_keys="auto"'
            )
        return StaticKeys(merchant.platform_keys)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **settings: Any) -> Self:
        """A client from `WECHATPAY_MCHID`, `_SERIAL`, `_PRIVATE_KEY`, `_APIV3_KEY`, `_SECRET`, `_PUBLIC_KEY_ID` and `_PUBLIC_KEY`, ….

        Keyword arguments win over the environment (`os.environ`, or the mapping given). Raises `ConfigError`.
        """
        try:
            return cls(**{**settings_from(os.environ if environ is None else environ), **settings})
        except ConfigError as error:
            environ, settings = None, {}  # error reporters show the variables of this frame too
            raise error.with_traceback(None) from error.__cause__

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that this client made; those that were passed in, or are another client's, are only borrowed."""
        if not self._is_guest:
            await self._connections.aclose()

    def share(self, **settings: Any) -> Self:
        """Another merchant's client on this one's connections, hosts and budget for repeats; it never closes them.

        `settings` are the other merchant's (`mchid`, `serial`, `private_key`, `certs`, …); whatever is no merchant's own (`base_url`,
        `timeout`, `retry`, `validate`, `watchers`, …) is as here unless it is given. Raises `ConfigError`.
        """
        if "connections" in settings:
            raise ConfigError("connections", "given to share()", hint="the other merchant's client takes this one's")
        return type(self)(**{**self._shared, **settings}, connections=self._connections)

    def with_options(
        self,
        *,
        timeout: float | httpx.Timeout = NOT_GIVEN,
        deadline: float | None = NOT_GIVEN,
        retry: Retry = NOT_GIVEN,
        validate: Validate = NOT_GIVEN,
    ) -> Self:
        """The same merchant on the same connections, calling with other settings: `wxpay.with_options(deadline=5).v3…`.

        It shares everything else, and closes nothing. Raises `ConfigError`.
        """
        given = {"timeout": timeout, "deadline": deadline, "retry": retry, "validate": validate}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not NOT_GIVEN}
        sibling = copy.copy(self)
        for bound in _BOUND_TO_ONE_CLIENT:
            sibling.__dict__.pop(bound, None)
        sibling._is_guest = True
        sibling._shared = {**self._shared, **changes}
        if "timeout" in changes:
            sibling._timeouts = checked_timeout(timeout).as_dict()
        sibling._deadline = checked_seconds("deadline", changes.get("deadline", self._deadline))
        sibling._retry = _checked_retry(changes.get("retry", self._retry))
        sibling._validate = checked_choice("validate", changes.get("validate", self._validate), ("off", "warn", "strict"))
        return sibling

    def __repr__(self) -> str:
        # A report of a wrong setting shows a client that is not made yet.
        merchant: Merchant | None = getattr(self, "_merchant", None)
        return f"<Wechatpay mchid={merchant and merchant.mchid} base_url={getattr(self, '_base_url', None)}>"

    @property
    def v3(self) -> V3:
        """APIv3: `wxpay.v3.pay.transactions.native.post({...})`."""
        return cast("V3", self._root_v3)

    @property
    def v2(self) -> V2:
        """APIv2: `wxpay.v2.pay.micropay.post({...})`."""
        return cast("V2", self._root_v2)

    @cached_property
    def _root_v3(self) -> Node:
        return chain.root(self, "v3")

    @cached_property
    def _root_v2(self) -> Node:
        return chain.root(self, "v2")

    @property
    def platform_keys(self) -> KeySource:
        """WeChat Pay's keys as this client finds them: for notifications elsewhere, for a `Refresher`, for the merchant's other clients."""
        return self._keys

    def chain(self, path: str) -> Node:
        """A whole path, in which nothing is rewritten: `wxpay.chain("v3/pay/transactions/id/{transaction_id}")`. Raises `RequestError`."""
        return chain.whole(self, path)

    __getitem__ = chain

    @cached_property
    def payloads(self) -> Payloads:
        """What a page, a mini-program or an app hands to WeChat: `wxpay.payloads.jsapi(appid=…, prepay_id=…)`."""
        from wechatpay_async.payloads import Payloads

        merchant = self._merchant
        return Payloads(mchid=merchant.mchid, private_key=merchant.private_key, secret=merchant.secret, clock=self._clock, nonce=new_nonce)

    @cached_property
    def notifications(self) -> Notifications:
        """Verifies and opens notifications: `await wxpay.notifications.parse(headers, body)`. Raises `ConfigError` without `apiv3_key`."""
        from wechatpay_async.notifications import Notifications, Recipient, Signer

        merchant = self._merchant
        keys = () if merchant.apiv3_key is None else (merchant.apiv3_key,)
        signer = Signer(merchant.mchid, merchant.serial, merchant.private_key)
        return Notifications([Recipient(merchant.mchid, self._keys, keys, signer)], clock=self._clock)

    @cached_property
    def v2_notifications(self) -> V2Notifications:
        """Verifies and opens APIv2's notifications: `wxpay.v2_notifications.parse(body)`. Raises `ConfigError` without `secret`."""
        from wechatpay_async.notifications.v2 import V2Notifications

        merchant = self._merchant
        return V2Notifications(mchid=merchant.mchid, secret=self._secret(), apiv3_key=merchant.apiv3_key, clock=self._clock)

    @cached_property
    def bills(self) -> Bills:
        """Bills, downloaded, proven and read: `async for row in wxpay.bills.trade("2026-11-24")`."""
        from wechatpay_async.bill_downloads import Bills

        return Bills(_BillAccess(self), clock=self._clock)

    @cached_property
    def flows(self) -> Flows:
        """What takes several calls: `await wxpay.flows.micropay({...})`."""
        from wechatpay_async.flows import Flows

        return Flows(self)

    @cached_property
    def catalog(self) -> CatalogView:
        """What is documented: `wxpay.catalog.search("退款")`, `wxpay.catalog.describe(wxpay.v3.refund.domestic.refunds)`."""
        from wechatpay_async.catalog_view import CatalogView

        return CatalogView()

    async def seal(self, text: str) -> Sealed:
        """A sensitive value for a path outside the catalogue, encrypted with the platform key that `Wechatpay-Serial` names.

        Raises `InvalidData` where it is too long for the key (214 bytes).
        """
        from wechatpay_async.protocol import sensitive

        key = await self._keys.for_encryption()
        return sensitive.seal_text(text, sensitive.oaep_encryption(key.public_key))

    def unseal(self, ciphertext: str) -> str:
        """A sensitive value of an answer, decrypted with the merchant's private key. Raises `DecryptionError`."""
        from wechatpay_async.protocol import sensitive

        return sensitive.unseal_text(ciphertext, sensitive.oaep_decryption(self._merchant.private_key))

    async def download(
        self, url: str, to: str | PathLike[str], *, sha1: str | None = None, sha256: str | None = None, sm3: str | None = None
    ) -> Path:
        """Download a `download_url`, exactly as it was given, to the path `to`.

        `sha1`, `sha256` or `sm3` is the `hash_value` that came with the URL, by its `hash_type`; the file appears when its content has that
        hash, never before.

        Raises `RequestError` for a URL that is not WeChat Pay's, `BadHash`, `MalformedMessage`, `TransportError`, `APIError`.
        """
        from wechatpay_async.downloads import ExpectedHash, download

        given = {"SHA1": sha1, "SHA256": sha256, "SM3": sm3}
        expected = next((ExpectedHash(algorithm, value) for algorithm, value in given.items() if value is not None), None)
        return await download(self.open_url, url, to, expected, allowed_hosts=self._allowed_hosts)

    async def execute(self, call: Call) -> Response[Any]:
        """Make one call: check, encode, send (each attempt signed afresh), verify, decode. The verbs of a chain come here."""
        self._check(call)
        with self._within_deadline(call) as journey:
            if call.file is not None or (call.operation is not None and call.operation.is_upload):
                call = await self._with_sealed_meta(call)
                async with self._prepared(call) as upload:
                    return await self._repeated(call, self._encode_upload(call, upload), journey)
            outgoing = self._encode_v2(call) if call.api == "v2" else await self._encode(call)
            return await self._repeated(call, outgoing, journey)

    async def _repeated(self, call: Call, outgoing: _Outgoing, journey: _Journey) -> Response[Any]:
        """Attempt the call as often as its failures, the policy and the deadline allow. Raises the last failure."""
        attempt = 1
        while True:
            await self._paced(call)
            journey.sent = call.method not in _READS
            try:
                response = await self._watched(call, outgoing, attempt)
            except WechatpayError as error:
                failure = journey.judge(error)
                repeatable = is_repeatable(self._retry, call.method, call.operation)
                chance = random.random()  # noqa: S311 — it shortens a pause
                decision = decide(self._retry, failure, attempt=attempt, repeatable=repeatable, chance=chance)
                if not (decision.again and self._connections.budget.take()):
                    self._settle(call, failure)
                    raise failure from failure.__cause__
            else:
                self._connections.budget.earn()
                return response
            import anyio

            await anyio.sleep(decision.after)
            attempt += 1
            outgoing = self._again(call, outgoing)

    @contextmanager
    def _within_deadline(self, call: Call) -> Generator[_Journey, None, None]:
        """Give the call up when its time is over: a write that has left may have been executed by then."""
        import anyio

        journey = _Journey()
        try:
            with anyio.fail_after(self._deadline):
                yield journey
        except TimeoutError as error:
            message = f"{call.name}: no answer within the deadline of {self._deadline} s"
            if not journey.sent:
                raise TransportError(message, hint="deadline= is in seconds, for the whole call with its repeats") from error
            unknown = OutcomeUnknown(message, hint=_UNKNOWN)
            self._settle(call, unknown)
            raise unknown from error

    def _again(self, call: Call, outgoing: _Outgoing) -> _Outgoing:
        """The same request for another attempt: the same bytes, perhaps to another host; the middleware signs it afresh."""
        old = outgoing.request
        url = self._base_for(call).copy_with(raw_path=old.url.raw_path)
        headers = [(name, value) for name, value in old.headers.multi_items() if name not in ("host", "authorization")]
        extensions = {"timeout": old.extensions["timeout"], FACTS: old.extensions[FACTS]}
        if outgoing.renew is None:
            return outgoing._replace(request=httpx.Request(old.method, url, headers=headers, content=old.content, extensions=extensions))
        return outgoing._replace(request=_streaming(old.method, url, httpx.Headers(headers), outgoing.renew(), extensions))

    def _settle(self, call: Call, error: WechatpayError) -> None:
        """Where the outcome is unknown, say which query settles it, if the catalogue knows one."""
        if not isinstance(error, OutcomeUnknown):
            return
        from wechatpay_async.settling import settling_query

        query = settling_query(call, self._merchant.mchid)
        if query is not None:
            error.settle_by(query.name, lambda: self.execute(query))

    async def _watched(self, call: Call, outgoing: _Outgoing, number: int) -> Response[Any]:
        """One attempt, told to the log and the watchers."""
        work = self._once(call, outgoing)
        host, mchid = outgoing.request.url.host, self._merchant.mchid
        return await self._watchers.over(work, method=call.method, template=call.template, host=host, mchid=mchid, number=number)

    async def _paced(self, call: Call) -> None:
        if self._limits is not None:
            await self._limits.wait(call.method, call.template)

    async def _once(self, call: Call, outgoing: _Outgoing) -> Response[Any]:
        """One attempt, from the signature to the decoded answer."""
        response = await self._send(call, outgoing)
        return self._decode_v2(call, outgoing, response) if call.api == "v2" else await self._decode(call, response)

    @asynccontextmanager
    async def open_stream(self, call: Call) -> AsyncGenerator[httpx.Response, None]:
        """Make one call and hand out its body as it arrives; an error answer is raised before."""
        self._check(call)
        outgoing = self._encode_v2(call) if call.api == "v2" else await self._encode(call)
        await self._paced(call)
        response = await self._attempt(call, outgoing)
        try:
            if not response.is_success:
                await _read(call, response)
                self._raise_error(call, response)
            yield response
        finally:
            await response.aclose()

    @asynccontextmanager
    async def open_url(self, url: str) -> AsyncGenerator[httpx.Response, None]:
        """GET a URL that WeChat Pay gave, its path and query untouched; the answer is checked by whoever reads it."""
        from wechatpay_async.downloads import check_download_url

        target = check_download_url(url, self._allowed_hosts)
        call = Call("v3", "GET", target.partition("?")[0], target)
        request = self._request(call, httpx.URL(url), self._headers(call), None, SigningFacts(verify="unsigned"))
        response = await self._attempt(call, _Outgoing(request))
        try:
            yield response
        finally:
            await response.aclose()

    async def verify_signed(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check that `Wechatpay-*` headers sign these bytes. Raises `SignatureError`."""
        await self._auth.verify(headers, body)

    def decrypt_key(self, ciphertext: str) -> bytes:
        """Open a key that is encrypted for this merchant (`encrypt_key` of a bill). Raises `DecryptionError`."""
        from wechatpay_async.crypto import rsa

        return rsa.oaep_decrypt(self._merchant.private_key, ciphertext)

    async def _fetch_certificates(self) -> tuple[int, Mapping[str, str], bytes]:
        """One signed `GET /v3/certificates`, its reply unverified: the keys that it brings verify it."""
        call = Call("v3", "GET", "/v3/certificates", "/v3/certificates")
        request = self._request(call, self._url(call, ""), self._headers(call), b"", SigningFacts(verify="unsigned"))
        response = await self._send(call, _Outgoing(request))
        return response.status_code, response.headers, response.content

    def _check(self, call: Call) -> None:
        """Refuse what the server would refuse. `validate` decides about rules that the server may have loosened since."""
        from wechatpay_async.checks import problems

        for problem in problems(call, self._merchant.mchid):
            if problem.always or self._validate == "strict":
                raise InvalidData(problem.path, problem.message, hint=problem.page)
            if self._validate == "warn":
                warnings.warn(f"{call.name}: {problem.path}: {problem.message}", ValidationWarning, stacklevel=2)

    async def _encode(self, call: Call) -> _Outgoing:
        """The final bytes of an APIv3 request; nothing after this changes them."""
        from wechatpay_async.protocol import sensitive

        operation, data, params = call.operation, call.data, call.params
        headers = self._headers(call)
        signed_reply = operation is None or operation.response_signed
        if signed_reply and self._keys.preferred_serial() is None:
            await self._keys.for_encryption()  # nothing is sent whose answer could not be verified
        if operation is not None and (key := await self._sealing_key(call, operation, headers.get(_SERIAL))):
            headers[_SERIAL] = key.serial
            encryption = sensitive.oaep_encryption(key.public_key)
            data = sensitive.seal(data, sensitive.body_plan(operation), encryption)
            params = sensitive.seal_query(params, sensitive.query_plan(operation), encryption)
        content = b"" if data is None else v3.encode_json(_mapping_or_list(data))
        if content or call.method not in _READS:
            headers.setdefault("content-type", "application/json")
        facts = SigningFacts(verify="signature" if signed_reply else "unsigned")
        return _Outgoing(self._request(call, self._url(call, encode_query(params)), headers, content, facts))

    async def _with_sealed_meta(self, call: Call) -> Call:
        """The same upload with the sensitive fields of its meta encrypted."""
        from wechatpay_async.protocol import sensitive

        plan = None if call.operation is None else sensitive.form_plan(call.operation)
        if not sensitive.count(call.data, plan):
            return call
        key = await self._key_for_sealing(self._headers(call).get(_SERIAL))
        sealed = sensitive.seal(call.data, plan, sensitive.oaep_encryption(key.public_key))
        return replace(call, data=sealed, headers={**call.headers, v3.SERIAL_HEADER: key.serial})

    @asynccontextmanager
    async def _prepared(self, call: Call) -> AsyncGenerator[Upload, None]:
        """An upload's file, read for its digest, and the meta over it."""
        if call.file is None:
            raise RequestError(f"{call.name} is an upload", hint="pass file=: a path, bytes, a binary file or an async stream")
        sign_fields = self._sign_v2_form(call) if call.api == "v2" else None
        fields = _fields(call.data, "a dict of the meta's other fields")
        from wechatpay_async.uploads import prepare_upload

        async with prepare_upload(call.operation, fields, call.file, call.filename, call.progress, sign_fields=sign_fields) as upload:
            yield upload

    def _encode_upload(self, call: Call, upload: Upload) -> _Outgoing:
        """An upload's request: the signature covers the meta alone, the body is streamed."""
        headers = self._headers(call)
        headers["content-type"] = upload.content_type
        headers["content-length"] = str(upload.content_length)
        facts = None if call.api == "v2" else SigningFacts(signed_body=upload.signed)
        request = self._request(call, self._url(call, encode_query(call.params)), headers, upload.stream(), facts)
        return _Outgoing(request, renew=upload.stream)

    def _sign_v2_form(self, call: Call) -> Callable[[dict[str, str]], Mapping[str, str]]:
        return lambda fields: self._build_v2(call, fields).form

    def _encode_v2(self, call: Call) -> _Outgoing:
        """The final bytes of an APIv2 request, which carries its signature among its fields."""
        fields = _fields(call.data, "a dict of the XML's fields")
        if call.method in _READS:
            fields, query = {**call.params, **fields}, ""
        else:
            query = encode_query(call.params)
        built = self._build_v2(call, fields)
        headers = self._headers(call)
        headers["accept"] = "*/*"
        if built.content_type is not None:
            headers["content-type"] = built.content_type
        url = self._url(call, encode_query(built.query) or query)
        return _Outgoing(self._request(call, url, headers, built.body, None), appid=built.appid)

    def _build_v2(self, call: Call, fields: Mapping[str, Any]) -> V2Request:
        """Complete and sign the fields of an APIv2 call."""
        from wechatpay_async.protocol.v2 import build_request

        return build_request(
            call.operation,
            fields,
            mchid=self._merchant.mchid,
            secret=self._secret(),
            nonce=new_nonce(),
            agent_secret=self._agent_secret,
            method=call.method,
        )

    def _secret(self) -> bytes:
        if self._merchant.secret is None:
            raise ConfigError("secret", "missing", hint="APIv2 operations are signed with the APIv2 key")
        return self._merchant.secret.encode()

    def _headers(self, call: Call) -> dict[str, str]:
        """The headers by their lower-case names."""
        headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": USER_AGENT}
        for name, value in call.headers.items():
            from wechatpay_async.checks import check_header

            check_header(name, value)
            headers[name.lower()] = value
        return headers

    async def _sealing_key(self, call: Call, operation: Operation, chosen: str | None) -> PlatformKey | None:
        """The platform key for this call's sensitive fields, the `chosen` one where the caller named it; None where it sends none."""
        from wechatpay_async.protocol import sensitive

        plans = ((call.data, sensitive.body_plan(operation)), (call.params, sensitive.query_plan(operation)))
        if not any(sensitive.count(data, plan) for data, plan in plans):
            return None
        return await self._key_for_sealing(chosen)

    async def _key_for_sealing(self, chosen: str | None) -> PlatformKey:
        """The platform key that the caller named, or the one that is due."""
        return await self._keys.find(chosen) if chosen else await self._keys.for_encryption()

    def _url(self, call: Call, query: str) -> httpx.URL:
        # A path without values in it is one of a few hundred, and parsing a URL costs as much as verifying a signature.
        if query or call.path != call.template:
            try:
                return self._base_for(call).copy_with(raw_path=(f"{call.path}?{query}" if query else call.path).encode("ascii"))
            except httpx.InvalidURL as error:
                raise RequestError(f"{call.name}: no URL can be made of these values: {error}") from None
        base = self._base_for(call)
        url = self._urls.get((base.netloc, call.path))
        if url is None:
            url = base.copy_with(raw_path=call.path.encode("ascii"))
            if call.operation is not None:
                self._urls[base.netloc, call.path] = url
        return url

    def _request(
        self, call: Call, url: httpx.URL, headers: Mapping[str, str], body: bytes | httpx.AsyncByteStream | None, facts: SigningFacts | None
    ) -> httpx.Request:
        check_host(url, self._allowed_hosts)
        timeouts = self._timeouts if call.timeout is NOT_GIVEN else _timeouts_of(call)
        extensions = {"timeout": timeouts, FACTS: facts}
        if isinstance(body, httpx.AsyncByteStream):
            return _streaming(call.method, url, headers, body, extensions)
        return httpx.Request(call.method, url, headers=headers, content=body, extensions=extensions)

    def _base_for(self, call: Call) -> httpx.URL:
        """The catalogue's host for the few operations that have one of their own; a sandbox on this machine serves them all."""
        own = call.operation.base_url if call.operation is not None else None
        return self._hosts.choose(time.monotonic()) if own is None or is_loopback(self._base_url.host) else httpx.URL(own)

    async def _send(self, call: Call, outgoing: _Outgoing) -> httpx.Response:
        """The whole answer to a call, read into memory within bounds."""
        response = await self._attempt(call, outgoing)
        try:
            await _read(call, response)
        finally:
            await response.aclose()
        return response

    async def _attempt(self, call: Call, outgoing: _Outgoing) -> httpx.Response:
        """Sign, send and verify once; the body may still be unread."""
        auth = self._auth if call.api == "v3" else None
        http = await self._http_for(call)
        try:
            response = await http.send(outgoing.request, stream=True, auth=auth, follow_redirects=False)
        except httpx.TransportError as error:
            if isinstance(error, _NO_CONNECTION):
                self._note_host(outgoing.request, works=False)
            _raise_transport_error(call, error)
        self._note_host(outgoing.request, works=True)
        return response

    def _note_host(self, request: httpx.Request, *, works: bool) -> None:
        """Remember whether connections to a host can be made."""
        netloc = request.url.netloc
        for host in self._hosts.urls:
            if host.netloc == netloc:
                self._hosts.worked(host) if works else self._hosts.failed(host, time.monotonic())

    async def prepare_client_certificate(self) -> None:
        """Make the second connection pool now, with the client certificate, so that a later call cannot fail for the want of it.

        Raises `ConfigError` where the certificate is missing, expired or another merchant's.
        """
        await self._connections.with_certificate(self._merchant.serial, self._client_certificate_context)

    async def _http_for(self, call: Call) -> httpx.AsyncClient:
        """The HTTP client; for the operations that want the merchant's certificate the one that shows it."""
        if call.operation is None or not call.operation.client_cert:
            return self._connections.http
        return await self._connections.with_certificate(self._merchant.serial, self._client_certificate_context)

    def _client_certificate_context(self) -> ssl.SSLContext:
        from wechatpay_async.client_certificate import load_client_certificate

        loaded = load_client_certificate(
            mchid=self._merchant.mchid,
            now=datetime.fromtimestamp(self._clock(), UTC),
            merchant_cert=self._merchant.certificate,
            private_key=self._merchant.private_key,
            pkcs12=self._pkcs12,
            pkcs12_password=self._pkcs12_password,
        )
        return loaded.ssl_context()

    async def _decode(self, call: Call, response: httpx.Response) -> Response[Any]:
        """The verified data of an answer, its sensitive fields opened; or the error that it stands for."""
        from wechatpay_async.protocol import sensitive

        if not response.is_success:
            self._raise_error(call, response)
        body, operation = response.content, call.operation
        if not body:
            data: Any = None
        elif (operation is not None and operation.download) or not _is_json(response):
            data = body
        else:
            data = v3.decode_json(body)
            if _is_error_envelope(data, operation):
                self._raise_error(call, response)
            if operation is not None and (plan := sensitive.answer_plan(operation, response.status_code)) is not None:
                data = await self._unsealed(data, plan)
        return Response(data, response, response.status_code, response.headers.get(v3.REQUEST_ID_HEADER))

    async def _unsealed(self, data: Any, plan: Plan) -> Any:
        """An answer with its sensitive fields opened; many of them in a worker thread, since each takes 0.7 ms."""
        import anyio.to_thread

        from wechatpay_async.protocol import sensitive

        decrypt = sensitive.oaep_decryption(self._merchant.private_key)
        if sensitive.count(data, plan) > 1:
            return await anyio.to_thread.run_sync(sensitive.unseal, data, plan, decrypt)
        return sensitive.unseal(data, plan, decrypt)

    def _decode_v2(self, call: Call, outgoing: _Outgoing, response: httpx.Response) -> Response[Any]:
        """The checked values of an APIv2 answer."""
        from wechatpay_async.protocol.v2 import read_reply

        data = read_reply(
            call.operation,
            response.headers,
            response.content,
            mchid=self._merchant.mchid,
            secret=self._secret(),
            appid=outgoing.appid,
            status=response.status_code,
        )
        return Response(data, response, response.status_code, response.headers.get(v3.REQUEST_ID_HEADER))

    def _raise_error(self, call: Call, response: httpx.Response) -> NoReturn:
        signed = response.request.extensions.get(SIGNED_MESSAGE)
        error = v3.api_error(response.status_code, response.headers, response.content, signed_message=signed)
        if response.has_redirect_location:
            error.hint = "redirects are not followed: a signature must not travel to another address"
        elif isinstance(error, NotFound) and call.operation is None:
            from wechatpay_async.checks import did_you_mean

            error.hint = did_you_mean(call) or error.hint
        raise error


# What a client makes of itself when first asked, and what a sibling must make anew.
_BOUND_TO_ONE_CLIENT: Final = ("_root_v3", "_root_v2", "bills", "flows")


def _rate_limits(rates: Mapping[str, float] | Literal["documented"] | None) -> RateLimits | None:
    if rates is None:
        return None
    if isinstance(rates, str):
        checked_choice("rate_limits", rates, ("documented",))
    from wechatpay_async.limits import DOCUMENTED_RATES, RateLimits

    return RateLimits(DOCUMENTED_RATES if isinstance(rates, str) else rates)


def _checked_retry(retry: Retry) -> Retry:
    check_kind("retry", retry, Retry, "a Retry", hint="Retry(attempts=1) tries once")
    return retry


def _timeouts_of(call: Call) -> dict[str, float | None]:
    try:
        return checked_timeout(call.timeout).as_dict()
    except ConfigError as error:
        raise RequestError(str(error)) from None


def _mapping_or_list(data: Any) -> Any:
    """A body as `json` takes it. Raises `RequestError` that says how to make one from what came."""
    if isinstance(data, (dict, list, tuple)):
        return cast("object", data)
    if isinstance(data, Mapping):
        return dict(cast("Mapping[str, Any]", data))
    cure = "model.model_dump(exclude_none=True)" if hasattr(data, "model_dump") else "a dict: the client makes the JSON itself"
    raise RequestError(f"the body: expected a mapping, got {type(data).__name__}", hint=cure)


def _fields(data: object, cure: str) -> Mapping[str, Any]:
    """A body that must be a mapping. Raises `RequestError`."""
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise RequestError(f"the body: expected a mapping, got {type(data).__name__}", hint=cure)
    return cast("Mapping[str, Any]", data)


def _is_json(response: httpx.Response) -> bool:
    content_type = response.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    return content_type == "application/json" or content_type.endswith("+json") or response.content[:1] in (b"{", b"[")


def _is_error_envelope(data: Any, operation: Operation | None) -> bool:
    """Whether a 2xx carries an error all the same. An operation whose answer has a `code` of its own is left alone."""
    if not isinstance(data, dict):
        return False
    envelope = cast("dict[str, Any]", data)
    if not isinstance(envelope.get("code"), str) or "message" not in envelope or envelope["code"].upper() in _SUCCESS_CODES:
        return False
    documented = cast("Mapping[str, Any]", (operation.responses.get("200") if operation is not None else None) or {})
    return "code" not in documented.get("properties", {})


def _tells_nothing(error: WechatpayError) -> bool:
    """Whether a failure leaves it open what became of a write: no answer, or none that can be trusted or read."""
    if isinstance(error, APIError):
        return error.outcome_unknown
    return isinstance(error, (OutcomeUnknown, SignatureError, MalformedMessage, DecryptionError))


async def _read(call: Call, response: httpx.Response) -> None:
    """The whole body, within bounds. A body that cannot be read does not hide that the answer is an error."""
    try:
        await read_bounded(response)
    except httpx.TransportError as error:
        _raise_transport_error(call, error)
    except MalformedMessage as error:
        if response.is_success:
            raise
        raise v3.api_error(response.status_code, response.headers, b"") from error


def _raise_transport_error(call: Call, error: httpx.TransportError) -> NoReturn:
    """Tell a call that was surely not executed from one whose outcome nobody knows."""
    cause = f"{call.name}: {type(error).__name__}{f': {error}' if str(error) else ''}"
    if call.method in _READS or isinstance(error, _NOT_SENT):
        raise TransportError(cause, hint="nothing was executed: the call can be repeated") from error
    raise OutcomeUnknown(cause, hint=_UNKNOWN) from error


def _streaming(
    method: str, url: httpx.URL, headers: Mapping[str, str], body: httpx.AsyncByteStream, extensions: Mapping[str, Any]
) -> httpx.Request:
    """A request whose body is streamed; httpx adds `Host` only to those whose body it has made."""
    named = {"Host": url.netloc.decode("ascii"), **headers}
    return httpx.Request(method, url, headers=named, stream=body, extensions=dict(extensions))


class _BillAccess:
    """What bills ask of their client, and nothing more."""

    def __init__(self, client: Wechatpay) -> None:
        self._client = client

    async def bill_info(self, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        response = await self._client.chain(path).get(params=params)
        return cast("Mapping[str, Any]", response.data)

    def open_download(self, url: str) -> AbstractAsyncContextManager[httpx.Response]:
        return self._client.open_url(url)

    def open_v2_bill(self, path: str, fields: Mapping[str, str]) -> AbstractAsyncContextManager[httpx.Response]:
        from wechatpay_async.catalog import operation

        documented = operation("v2", "POST", path)
        return self._client.open_stream(Call("v2", "POST", path, path, documented, data=fields))

    async def verify_signed(self, headers: Mapping[str, str], body: bytes) -> None:
        await self._client.verify_signed(headers, body)

    def open_statement(self, path: str, params: Mapping[str, str]) -> AbstractAsyncContextManager[httpx.Response]:
        from wechatpay_async.catalog import operation

        return self._client.open_stream(Call("v3", "GET", path, path, operation("v3", "GET", path), params=params))

    def decrypt_key(self, ciphertext: str) -> bytes:
        return self._client.decrypt_key(ciphertext)
