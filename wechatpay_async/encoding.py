"""From a call to the final bytes of its request; whatever signs and sends them changes nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, cast

import httpx

from wechatpay_async._version import __version__
from wechatpay_async.auth import FACTS, SigningFacts, check_host, new_nonce
from wechatpay_async.chain import NOT_GIVEN, READS, Call
from wechatpay_async.checks import check_header
from wechatpay_async.errors import ConfigError, RequestError
from wechatpay_async.merchant import Merchant
from wechatpay_async.platform_keys import KeySource
from wechatpay_async.protocol import v3
from wechatpay_async.protocol.target import encode_query
from wechatpay_async.retry import Hosts
from wechatpay_async.sealing import Sealing
from wechatpay_async.settings import checked_timeout, is_loopback

if TYPE_CHECKING:
    from wechatpay_async.protocol.v2 import V2Request

__all__ = ["Encoder", "Outgoing"]

USER_AGENT: Final = f"wechatpay-async/{__version__} httpx/{httpx.__version__}"

_SERIAL = v3.SERIAL_HEADER.lower()


class Outgoing(NamedTuple):
    """A request that is ready to be sent, any number of times.

    `appid` is the one that an APIv2 call is about; `renew` gives a streamed body from its first byte again.
    """

    request: httpx.Request
    appid: str | None = None
    renew: Callable[[], httpx.AsyncByteStream] | None = None


class Encoder:
    """Makes one merchant's requests. `timeouts` are the seconds of each step, for calls that name none."""

    def __init__(
        self,
        merchant: Merchant,
        keys: KeySource,
        sealing: Sealing,
        hosts: Hosts,
        *,
        allowed_hosts: frozenset[str],
        timeouts: Mapping[str, float | None],
        agent_secret: str | None,
    ) -> None:
        self.timeouts = timeouts
        self._merchant = merchant
        self._keys = keys
        self._sealing = sealing
        self._hosts = hosts
        self._allowed_hosts = allowed_hosts
        self._agent_secret = agent_secret
        self._calls_this_machine = is_loopback(hosts.urls[0].host)
        self._urls: dict[tuple[bytes, str], httpx.URL] = {}

    async def encode(self, call: Call) -> Outgoing:
        """The request of a call whose body is in memory. Raises `RequestError`, `ConfigError`."""
        if call.api == "v2":
            return self._encode_v2(call)
        headers, operation = self._headers(call), call.operation
        signed_reply = operation is None or operation.response_signed
        if signed_reply and self._keys.preferred_serial() is None:
            await self._keys.for_encryption()  # nothing is sent whose answer could not be verified
        if operation is not None:
            sealed = await self._sealing.seal_call(call, operation, headers.get(_SERIAL))
            if sealed is not call:
                call, headers = sealed, self._headers(sealed)
        content = b"" if call.data is None else v3.encode_json(_mapping_or_list(call.data))
        if content or call.method not in READS:
            headers.setdefault("content-type", "application/json")
        facts = SigningFacts(verify="signature" if signed_reply else "unsigned")
        return Outgoing(self._request(call, self._url(call, encode_query(call.params)), headers, content, facts))

    @asynccontextmanager
    async def encode_upload(self, call: Call) -> AsyncGenerator[Outgoing, None]:
        """The request of an upload, its file open: the signature covers the meta alone, the body is streamed."""
        if call.file is None:
            raise RequestError(f"{call.name} is an upload", hint="pass file=: a path, bytes, a binary file or an async stream")
        if call.operation is not None:
            call = await self._sealing.seal_call(call, call.operation, self._headers(call).get(_SERIAL))
        sign_fields = self._sign_v2_form(call) if call.api == "v2" else None
        fields = _fields(call.data, "a dict of the meta's other fields")
        from wechatpay_async.uploads import prepare_upload

        async with prepare_upload(call.operation, fields, call.file, call.filename, call.progress, sign_fields=sign_fields) as upload:
            headers = self._headers(call)
            headers["content-type"] = upload.content_type
            headers["content-length"] = str(upload.content_length)
            facts = None if call.api == "v2" else SigningFacts(signed_body=upload.signed)
            request = self._request(call, self._url(call, encode_query(call.params)), headers, upload.stream(), facts)
            yield Outgoing(request, renew=upload.stream)

    def encode_url(self, call: Call, url: str) -> Outgoing:
        """A GET of a URL that WeChat Pay gave, to the byte."""
        return Outgoing(self._request(call, httpx.URL(url), self._headers(call), None, SigningFacts(verify="unsigned")))

    def encode_certificates(self) -> tuple[Call, Outgoing]:
        """The download of the platform certificates, whose answer is verified by the keys that it brings."""
        call = Call("v3", "GET", "/v3/certificates", "/v3/certificates")
        return call, Outgoing(self._request(call, self._url(call, ""), self._headers(call), b"", SigningFacts(verify="unsigned")))

    def again(self, call: Call, outgoing: Outgoing) -> Outgoing:
        """The same request for another attempt: the same bytes, perhaps to another host; the middleware signs it afresh."""
        old = outgoing.request
        url = self._base_for(call).copy_with(raw_path=old.url.raw_path)
        headers = {name: value for name, value in old.headers.items() if name not in ("host", "authorization")}
        extensions = {"timeout": old.extensions["timeout"], FACTS: old.extensions[FACTS]}
        body = _Bytes(old.content) if outgoing.renew is None else outgoing.renew()
        return outgoing._replace(request=_request(old.method, url, headers, body, extensions))

    def secret(self) -> bytes:
        """The APIv2 key. Raises `ConfigError` where none was given."""
        if self._merchant.secret is None:
            raise ConfigError("secret", "missing", hint="APIv2 operations are signed with the APIv2 key")
        return self._merchant.secret.encode()

    def _encode_v2(self, call: Call) -> Outgoing:
        """An APIv2 request carries its signature among its fields."""
        fields = _fields(call.data, "a dict of the XML's fields")
        if call.method in READS:
            fields, query = {**call.params, **fields}, ""
        else:
            query = encode_query(call.params)
        built = self._build_v2(call, fields)
        headers = self._headers(call)
        headers["accept"] = "*/*"
        if built.content_type is not None:
            headers["content-type"] = built.content_type
        url = self._url(call, encode_query(built.query) or query)
        return Outgoing(self._request(call, url, headers, built.body, None), appid=built.appid)

    def _sign_v2_form(self, call: Call) -> Callable[[dict[str, str]], Mapping[str, str]]:
        return lambda fields: self._build_v2(call, fields).form

    def _build_v2(self, call: Call, fields: Mapping[str, Any]) -> V2Request:
        """Complete and sign the fields of an APIv2 call."""
        from wechatpay_async.protocol.v2 import build_request

        return build_request(
            call.operation,
            fields,
            mchid=self._merchant.mchid,
            secret=self.secret(),
            nonce=new_nonce(),
            agent_secret=self._agent_secret,
            method=call.method,
        )

    def _headers(self, call: Call) -> dict[str, str]:
        """The headers by their lower-case names."""
        headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": USER_AGENT}
        for name, value in call.headers.items():
            check_header(name, value)
            headers[name.lower()] = value
        return headers

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

    def _base_for(self, call: Call) -> httpx.URL:
        """The catalogue's host for the few operations that have one of their own; a sandbox on this machine serves them all."""
        own = call.operation.base_url if call.operation is not None else None
        return self._hosts.choose(time.monotonic()) if own is None or self._calls_this_machine else httpx.URL(own)

    def _request(
        self, call: Call, url: httpx.URL, headers: Mapping[str, str], body: bytes | httpx.AsyncByteStream | None, facts: SigningFacts | None
    ) -> httpx.Request:
        if call.api == "v2":  # the middleware looks at the others
            check_host(url, self._allowed_hosts)
        timeouts = self.timeouts if call.timeout is NOT_GIVEN else _timeouts_of(call)
        extensions = {"timeout": timeouts, FACTS: facts}
        if not isinstance(body, httpx.AsyncByteStream):
            if body or call.method not in READS:
                headers = {**headers, "content-length": str(len(body or b""))}
            body = _Bytes(body or b"")
        return _request(call.method, url, headers, body, extensions)


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


def _request(
    method: str, url: httpx.URL, headers: Mapping[str, str], body: httpx.AsyncByteStream, extensions: Mapping[str, Any]
) -> httpx.Request:
    """A request over a stream, which httpx takes as it is: it adds `Host` and `Content-Length` only to those that it makes, and slowly."""
    named = {"Host": url.netloc.decode("ascii"), **headers}
    request = httpx.Request(method, url, headers=named, stream=body, extensions=dict(extensions))
    if isinstance(body, _Bytes):
        request.read()  # the bytes are there: whoever signs them does not wait
    return request


class _Bytes(httpx.ByteStream):
    """A body in memory, read without a generator: one that a broken connection leaves half-way would have to be closed by somebody."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(self._content)


class _Once:
    """Gives its bytes, and then the end."""

    def __init__(self, content: bytes) -> None:
        self._left: bytes | None = content

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        content, self._left = self._left, None
        if content is None:
            raise StopAsyncIteration
        return content
