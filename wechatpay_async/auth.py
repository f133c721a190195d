"""The signing middleware: signs each request as it leaves, and verifies each reply before anybody reads it.

Usable alone on one's own client:

    async with httpx.AsyncClient(auth=WechatpayAuth(merchant, StaticKeys(merchant.platform_keys))) as http:
        await http.get("https://api.mch.weixin.qq.com/v3/…")
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NoReturn, cast

import httpx

from wechatpay_async.errors import MalformedMessage, MissingSignature, RequestError, SignatureError
from wechatpay_async.platform_keys import KeySource
from wechatpay_async.protocol import v3
from wechatpay_async.response import WholeStream
from wechatpay_async.settings import is_loopback
from wechatpay_async.signing import Signer

if TYPE_CHECKING:
    from wechatpay_async.merchant import Merchant

__all__ = ["ALLOWED_HOSTS", "SigningFacts", "WechatpayAuth", "is_loopback", "new_nonce"]

#: WeChat Pay's hosts, each as it stands in a URL (`host`, or `host:port`): no other is ever signed for, loopback aside.
ALLOWED_HOSTS: Final = frozenset(
    {
        "api.mch.weixin.qq.com",
        "api2.mch.weixin.qq.com",
        "api.wechatpay.cn",
        "api2.wechatpay.cn",
        "pay.wechatpay.cn",  # the invoice files of the catalogue
        "apihk.mch.weixin.qq.com",
        "fraud.mch.weixin.qq.com",
        "payapp.mch.weixin.qq.com",
        "payapp.weixin.qq.com",
    }
)
#: The largest reply that is read into memory, in bytes. Files are streamed and have no limit here.
REPLY_LIMIT: Final = 16 * 1024 * 1024
# Pieces of a body that can still come out of a connection that is closed.
_BUFFERED = 1_000
#: Where a request carries its `SigningFacts`, and where the middleware leaves the message that it signed.
FACTS: Final = "wechatpay_facts"
SIGNED_MESSAGE: Final = "wechatpay_signed_message"


class SigningFacts(NamedTuple):
    """What the middleware must know of a request beyond the request itself.

    `signed_body` is what the signature covers where that is not the body (an upload's `meta`). `verify` says how the reply is trusted:
    by its signature, or by nothing that a header could tell (files: by their hash, elsewhere).
    """

    signed_body: bytes | None = None
    verify: Literal["signature", "unsigned"] = "signature"


def new_nonce() -> str:
    """32 characters of [0-9a-f]."""
    return secrets.token_hex(16)


class WechatpayAuth(httpx.Auth):
    """`httpx.Auth` for APIv3, on an `AsyncClient`.

    Every attempt gets a fresh nonce and timestamp. Replies with a 2xx status are verified on their raw bytes unless the catalogue says
    that they are not signed; other replies are handed on as they are, since WeChat Pay does not sign them reliably.

    Raises `RequestError` for a host that must not see a signature, and the `SignatureError`s.
    """

    def __init__(
        self,
        merchant: Merchant,
        keys: KeySource,
        *,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = new_nonce,
        verification: Literal["on", "dangerously off"] = "on",
        allowed_hosts: frozenset[str] = ALLOWED_HOSTS,
        signer: Signer | None = None,
    ) -> None:
        self._merchant = merchant
        self._keys = keys
        self._clock = clock
        self._nonce = nonce
        self._verification = verification
        self._allowed_hosts = allowed_hosts
        self._signer = signer if signer is not None else Signer()

    @property
    def verifies(self) -> bool:
        """Whether replies are verified at all."""
        return self._verification == "on"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:  # noqa: ARG002 — httpx's signature
        """Refused: replies may need a platform key that has to be asked for."""
        raise RequestError("WechatpayAuth signs for httpx.AsyncClient, not for httpx.Client")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign, let httpx send, verify."""
        facts = self._admitted(request)
        with self._signer.call():
            await self.sign(request, facts)
            response = yield request
            await self._verify(response, facts)

    async def exchange(self, request: httpx.Request, transport: httpx.AsyncBaseTransport) -> httpx.Response:
        """Sign, send over `transport`, verify: the same without an `httpx.AsyncClient` in between."""
        facts = self._admitted(request)
        with self._signer.call():
            await self.sign(request, facts)
            response = await transport.handle_async_request(request)
            response.request = request
            try:
                await self._verify(response, facts)
            except BaseException:
                await response.aclose()
                raise
        return response

    async def sign(self, request: httpx.Request, facts: SigningFacts) -> None:
        """Put a fresh `Authorization` on the request, over exactly the target and the bytes that httpx will send."""
        body = facts.signed_body if facts.signed_body is not None else await request.aread()
        timestamp, nonce = int(self._clock()), self._nonce()
        target = request.url.raw_path.decode("ascii")
        message = v3.request_message(request.method, target, timestamp, nonce, body)
        signature = await self._signer.sign(self._merchant.private_key, message)
        scheme, account = v3.SCHEME, self._merchant.mchid
        if target.startswith(v3.BRAND_PREFIX):
            scheme, account = v3.BRAND_SCHEME, self._brand_id()
        request.headers["Authorization"] = v3.authorization(scheme, account, nonce, signature, timestamp, self._merchant.serial)
        request.headers["Accept-Encoding"] = "identity"  # the signature of the reply covers its plain bytes
        request.extensions[SIGNED_MESSAGE] = message
        if v3.SERIAL_HEADER not in request.headers and (serial := self._keys.preferred_serial()):
            request.headers[v3.SERIAL_HEADER] = serial

    async def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Refuse what WeChat Pay has not signed. Raises `SignatureError` of the kind that says why."""
        signature = v3.signature_headers(headers)
        v3.check_timestamp(signature, self._clock())
        key = await self._keys.find(signature.serial)  # even where it is held: this is what refreshes certificates before need
        v3.check_signature(key.public_key, signature, body)

    def _admitted(self, request: httpx.Request) -> SigningFacts:
        """What is known of a request that may be signed. Raises `RequestError` for one that must not be."""
        check_host(request.url, self._allowed_hosts)
        if self._verification != "on" and not is_loopback(request.url.host):
            raise RequestError(
                f"{request.url.host}: not called while verification is off", hint="it is for tests against a loopback address"
            )
        return request.extensions.get(FACTS) or _facts_of(request)

    async def _verify(self, response: httpx.Response, facts: SigningFacts) -> None:
        """Read a reply that must be signed to its end, and refuse it unless WeChat Pay signed it."""
        if facts.verify != "signature" or self._verification != "on" or not response.is_success:
            return
        await read_bounded(response)
        await self._signer.turn()
        try:
            await self.verify(response.headers, response.content)
        except SignatureError as error:
            _complete(error, response)

    def _brand_id(self) -> str:
        if self._merchant.brand_id is None:
            raise RequestError("brand_id is not set", hint='operations below "/brand/" are signed by a brand: Wechatpay(brand_id="…")')
        return self._merchant.brand_id


def check_host(url: httpx.URL, allowed_hosts: frozenset[str]) -> None:
    """Refuse to sign for a host that is not WeChat Pay's. Raises `RequestError` before any header leaves."""
    netloc = url.netloc.decode("ascii")
    if url.scheme == "https" and netloc in allowed_hosts and not url.userinfo:
        return
    if url.userinfo:
        raise RequestError("the URL carries user information before its host", hint="it may be made to look like another host")
    if is_loopback(url.host) and url.scheme in ("http", "https"):
        return
    if url.scheme != "https":
        raise RequestError(
            f"{url.scheme}://{url.host}: only https is signed for", hint="plain http is for the sandbox on a loopback address"
        )
    raise RequestError(f"{netloc}: not a host of WeChat Pay", hint="set base_url= to call another one on purpose")


async def read_bounded(response: httpx.Response, limit: int = REPLY_LIMIT) -> None:
    """Read a reply into memory, but no more than `limit` bytes of it, compressed or not. Raises `MalformedMessage`."""
    if response.is_stream_consumed:
        return
    announced, encoding = response.headers.get("Content-Length", ""), response.headers.get("Content-Encoding", "identity").lower()
    stream = cast("httpx.AsyncByteStream", response.stream)
    if encoding != "identity":
        try:
            raw = b"".join([chunk async for chunk in _Bounded(stream, limit)])
        finally:
            await stream.aclose()
        response.stream = httpx.ByteStream(_inflated(raw, encoding, limit))
        del response.headers["Content-Encoding"]
    elif not (announced.isdecimal() and int(announced) <= limit):  # a reply that announces its length is held to it by the HTTP layer
        response.stream = _Bounded(stream, limit)
    elif isinstance(stream, WholeStream):
        response.stream = httpx.ByteStream(await stream.read_whole())
        response.read()
    await response.aread()


class _Bounded(httpx.AsyncByteStream):
    """A stream that ends with an error where it passes a limit."""

    def __init__(self, stream: httpx.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._left = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # trio wants generators closed where they are left, not when they are collected.
        async with aclosing(cast("AsyncGenerator[bytes, None]", aiter(self._stream))) as chunks:
            async for chunk in chunks:
                self._left -= len(chunk)
                if self._left < 0:
                    await self._break_off(chunks)
                    raise _too_large()
                yield chunk

    async def _break_off(self, chunks: AsyncGenerator[bytes, None]) -> None:
        """Close the connection, so that every generator down to it ends by itself: httpx closes none but the uppermost."""
        await self._stream.aclose()
        with suppress(httpx.TransportError, httpx.StreamError, StopAsyncIteration):
            for _ in range(_BUFFERED):
                await anext(chunks)

    async def aclose(self) -> None:
        await self._stream.aclose()


def _inflated(raw: bytes, encoding: str, limit: int) -> bytes:
    """The bytes behind a `Content-Encoding`, which this client does not ask for. Raises `MalformedMessage`."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise MalformedMessage(f"the reply is encoded as {encoding[:20]!r}", hint="this client asks for plain bytes")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip and zlib alike
    try:
        plain = inflater.decompress(raw, limit + 1)
    except zlib.error:
        raise MalformedMessage(f"the reply is no {encoding}") from None
    if len(plain) > limit:
        raise _too_large()
    if not inflater.eof:
        raise MalformedMessage(f"the {encoding} of the reply is cut short")
    return plain


def _too_large() -> MalformedMessage:
    return MalformedMessage("the reply is larger than this client reads", hint="files are streamed: node.stream(...)")


def _facts_of(request: httpx.Request) -> SigningFacts:
    """What the catalogue says of a request that somebody else built."""
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        raise RequestError("an upload signs its meta alone", hint=f"pass extensions={{{FACTS!r}: SigningFacts(signed_body=meta)}}")
    from wechatpay_async import catalog

    found = catalog.match(request.method, request.url.raw_path.decode("ascii"))
    return SigningFacts(verify="signature" if found is None or found[0].response_signed else "unsigned")


def _complete(error: SignatureError, response: httpx.Response) -> NoReturn:
    """Say which answer it was."""
    error.request_id = response.headers.get(v3.REQUEST_ID_HEADER)
    if isinstance(error, MissingSignature):
        error.message = f"the {response.status_code} reply is {error.message}"
    raise error
