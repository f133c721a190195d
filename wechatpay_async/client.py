"""`Wechatpay`: one merchant's settings, what belongs to them, and where each thing that it offers is done."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import cached_property
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

import httpx

from wechatpay_async import chain
from wechatpay_async.chain import NOT_GIVEN, Call, Node
from wechatpay_async.errors import ConfigError
from wechatpay_async.response import Response
from wechatpay_async.retry import Hosts, Retry
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

# Whatever makes calls, and the catalogue, keys, files, notifications, payloads, are imported where they are first used:
# `import wechatpay_async` then costs hardly more than `import httpx`.
if TYPE_CHECKING:
    import ssl

    from cryptography import x509

    from wechatpay_async.api.v2 import V2
    from wechatpay_async.api.v3 import V3
    from wechatpay_async.bill_downloads import Bills
    from wechatpay_async.catalog_view import CatalogView
    from wechatpay_async.connections import Connections
    from wechatpay_async.crypto.keys import KeyText, PlatformKeySource, PrivateKeySource
    from wechatpay_async.flows import Flows
    from wechatpay_async.key_stores import KeyStore
    from wechatpay_async.limits import RateLimits
    from wechatpay_async.merchant import Merchant
    from wechatpay_async.notifications import Notifications
    from wechatpay_async.notifications.v2 import V2Notifications
    from wechatpay_async.payloads import Payloads
    from wechatpay_async.platform_keys import KeySource
    from wechatpay_async.protocol.sealed import Sealed
    from wechatpay_async.watching import Watcher

__all__ = ["Validate", "Wechatpay"]

Validate = Literal["off", "warn", "strict"]

DEFAULT_BACKUP_URLS: Final = ("https://api2.mch.weixin.qq.com",)
#: Seconds for a whole call.
DEFAULT_DEADLINE: Final = 60.0
DEFAULT_RETRY: Final = Retry()


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
    `http_client`. `timeout` is in seconds for each attempt, `deadline` for the whole call with its repeats (of a file up to its first
    byte). `retry` says how often a call is repeated, `backup_urls` which hosts are called while connections to `base_url` fail.
    `rate_limits` paces calls (`"documented"`, or calls a second by `"POST /v3/refund"`), `watchers` are told of each attempt. `clock`
    gives seconds.

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
        from wechatpay_async.auth import ALLOWED_HOSTS, WechatpayAuth
        from wechatpay_async.connections import Connections
        from wechatpay_async.crypto.masking import masked
        from wechatpay_async.encoding import Encoder
        from wechatpay_async.merchant import load_merchant
        from wechatpay_async.pipeline import Pipeline, Policy
        from wechatpay_async.sealing import Sealing
        from wechatpay_async.watching import Watchers

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
        policy = Policy(_checked_validate(validate), checked_seconds("deadline", deadline), _checked_retry(retry))
        agent_secret = checked_text("agent_secret", agent_secret)
        limits = _rate_limits(rate_limits)
        check_function("clock", clock, "a function that gives seconds", hint="clock=time.time")
        self._clock = clock
        timeout = checked_timeout(timeout)
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
        if self._connections.hosts.urls == hosts.urls:
            hosts = self._connections.hosts
        self._allowed_hosts = ALLOWED_HOSTS | {url.netloc.decode("ascii") for url in hosts.urls}
        self._auth = WechatpayAuth(
            self._merchant,
            self._keys,
            clock=clock,
            verification="dangerously off" if dangerously_skip_verification else "on",
            allowed_hosts=self._allowed_hosts,
            signer=self._connections.signer,
        )
        check_pkcs12(pkcs12, pkcs12_password)
        self._pkcs12, self._pkcs12_password = pkcs12, pkcs12_password
        self._sealing = Sealing(self._merchant.private_key, self._keys)
        self._pipeline = Pipeline(
            self._merchant,
            policy,
            encoder=Encoder(
                self._merchant,
                self._keys,
                self._sealing,
                hosts,
                allowed_hosts=self._allowed_hosts,
                timeouts=timeout.as_dict(),
                agent_secret=agent_secret,
            ),
            auth=self._auth,
            sealing=self._sealing,
            connections=self._connections,
            hosts=hosts,
            limits=limits,
            watchers=Watchers(watchers),
            client_certificate=self._client_certificate_context,
        )
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

            given, clock = merchant.platform_keys, self._clock
            return AutoKeys(lambda: self._pipeline.fetch_certificates(), merchant.apiv3_key, given=given, store=store, clock=clock)
        from wechatpay_async.platform_keys import StaticKeys, checked_source

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
            from wechatpay_async.environment import settings_from

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
        policy = self._pipeline.policy
        policy = policy._replace(
            validate=_checked_validate(changes.get("validate", policy.validate)),
            deadline=checked_seconds("deadline", changes.get("deadline", policy.deadline)),
            retry=_checked_retry(changes.get("retry", policy.retry)),
        )
        timeouts = checked_timeout(timeout).as_dict() if "timeout" in changes else None
        sibling._pipeline = self._pipeline.with_policy(policy, timeouts)
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
        from wechatpay_async.auth import new_nonce
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
        return V2Notifications(mchid=merchant.mchid, secret=self._pipeline.secret(), apiv3_key=merchant.apiv3_key, clock=self._clock)

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
        return await self._sealing.seal_text(text)

    def unseal(self, ciphertext: str) -> str:
        """A sensitive value of an answer, decrypted with the merchant's private key. Raises `DecryptionError`."""
        return self._sealing.open_text(ciphertext)

    async def download(
        self, url: str, to: str | PathLike[str], *, sha1: str | None = None, sha256: str | None = None, sm3: str | None = None
    ) -> Path:
        """Download a `download_url`, exactly as it was given, to the path `to`.

        `sha1`, `sha256` or `sm3` is the `hash_value` that came with the URL, by its `hash_type`; the file appears when its content has that
        hash, never before. Without one nothing proves the file, since answers that carry files are not signed.

        Raises `RequestError` for a URL that is not WeChat Pay's, `BadHash`, `MalformedMessage`, `TransportError`, `APIError`.
        """
        from wechatpay_async.downloads import ExpectedHash, download

        expected = ExpectedHash.one_of(sha1=sha1, sha256=sha256, sm3=sm3)
        return await download(self.open_url, url, to, expected, allowed_hosts=self._allowed_hosts)

    async def execute(self, call: Call) -> Response[Any]:
        """Make one call: check, encode, send (each attempt signed afresh), verify, decode. The verbs of a chain come here."""
        return await self._pipeline.execute(call)

    def open_stream(self, call: Call) -> AbstractAsyncContextManager[httpx.Response]:
        """Make one call and hand out its body as it arrives; an error answer is raised before."""
        return self._pipeline.open_stream(call)

    def open_url(self, url: str) -> AbstractAsyncContextManager[httpx.Response]:
        """GET a URL that WeChat Pay gave, its path and query untouched; the answer is checked by whoever reads it."""
        from wechatpay_async.downloads import check_download_url

        return self._pipeline.open_url(url, check_download_url(url, self._allowed_hosts))

    async def prepare_client_certificate(self) -> None:
        """Make the second connection pool now, with the client certificate, so that a later call cannot fail for the want of it.

        Raises `ConfigError` where the certificate is missing, expired or another merchant's.
        """
        await self._pipeline.prepare_client_certificate()

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

    async def verify_signed(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check that `Wechatpay-*` headers sign these bytes. Raises `SignatureError`."""
        await self._auth.verify(headers, body)

    def decrypt_key(self, ciphertext: str) -> bytes:
        """Open a key that is encrypted for this merchant (`encrypt_key` of a bill). Raises `DecryptionError`."""
        return self._sealing.open_key(ciphertext)


# What a client makes of itself when first asked, and what a sibling must make anew.
_BOUND_TO_ONE_CLIENT: Final = ("_root_v3", "_root_v2", "bills", "flows")


def _rate_limits(rates: Mapping[str, float] | Literal["documented"] | None) -> RateLimits | None:
    if rates is None:
        return None
    if isinstance(rates, str):
        checked_choice("rate_limits", rates, ("documented",))
    from wechatpay_async.limits import DOCUMENTED_RATES, RateLimits

    return RateLimits(DOCUMENTED_RATES if isinstance(rates, str) else rates)


def _checked_validate(validate: Validate) -> Validate:
    return cast("Validate", checked_choice("validate", validate, ("off", "warn", "strict")))


def _checked_retry(retry: Retry) -> Retry:
    check_kind("retry", retry, Retry, "a Retry", hint="Retry(attempts=1) tries once")
    return retry


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
