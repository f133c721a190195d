"""Downloads: a signed request to WeChat Pay's own hosts, a body believed when its hash fits, a file that appears whole or not at all.

Replies that carry files are not signed; their hash came in a reply that was. The hash covers the original text, after gunzip
(https://pay.weixin.qq.com/doc/v3/merchant/4013071227).
"""

from __future__ import annotations

import hmac
import json
import os
import re
import tempfile
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, NoReturn, TypeAlias, cast

import anyio
import httpx
from anyio import to_thread
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext, Cipher, algorithms, modes

from wechatpay_async.crypto.hashers import Hasher, hasher
from wechatpay_async.errors import BadHash, DecryptionError, MalformedMessage, MissingSignature, RequestError, TransportError
from wechatpay_async.protocol import v3

__all__ = [
    "MAX_BYTES",
    "SIGNED_BY_HASH",
    "ExpectedHash",
    "FileKey",
    "Opener",
    "Sink",
    "check_download_url",
    "download",
    "receive",
    "signed_sha1",
]

#: The largest original text that is written, in bytes; a bill of ten million rows has about 4 GB.
MAX_BYTES: Final = 16 * 1024**3

#: Opens a signed GET of a URL that was checked, redirects off, the body unread: the client gives it.
Opener: TypeAlias = Callable[[str], AbstractAsyncContextManager[httpx.Response]]

_PIECE = 262_144
_TAG = 16
_AES_KEY, _SM4_KEY = 32, 16
# Bills shrink to a tenth, the most repetitive to a fiftieth; gzip itself can do 1 to 1,032.
_BOMB_RATIO = 200
_BOMB_FROM = 16 * 1024**2
_ERROR_BODY = 65_536
# No layer below holds back more pieces than this when the line is cut.
_BUFFERED = 8
_ALGORITHMS = {"SHA1": "sha1", "SHA256": "sha256", "MD5": "md5", "SM3": "sm3"}
_STATEMENT_SHA1 = "Wechatpay-Statement-Sha1"
#: The operations whose signature covers the hash of the body, which stands in a header: see `signed_sha1`.
SIGNED_BY_HASH: Final = frozenset({"/v3/statements", "/v3/global/statements"})


class ExpectedHash(NamedTuple):
    """The hash that was announced: `hash_type` and `hash_value` of the reply that named the file."""

    algorithm: str
    value: str

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> ExpectedHash | None:
        """The hash that a reply announces; None where it announces none. Raises `MalformedMessage` for an algorithm unknown here."""
        value = reply.get("hash_value")
        if not value:
            return None
        algorithm = str(reply.get("hash_type") or "SHA1").upper().replace("-", "")
        if algorithm not in _ALGORITHMS:
            raise MalformedMessage(f"the file is announced with a hash of the kind {algorithm[:20]!r}, which is not known here")
        return cls(algorithm, str(value))

    @classmethod
    def one_of(cls, **given: str | None) -> ExpectedHash | None:
        """The hash that a caller gives under the name of its algorithm, `sha1="…"`; None where none is given. Raises `RequestError`."""
        hashes = [cls(name.upper(), value) for name, value in given.items() if value is not None]
        if len(hashes) > 1:
            raise RequestError("one hash of the file is enough", hint="the hash_value of the reply, under the name of its hash_type")
        for algorithm, value in hashes:
            if not isinstance(value, str) or not re.fullmatch(r"\s*[0-9A-Fa-f]+\s*", value):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
                raise RequestError(
                    f"{algorithm.lower()}: expected hexadecimal digits, got {type(value).__name__}", hint="the hash_value of the reply"
                )
        return hashes[0] if hashes else None

    def hasher(self) -> Hasher:
        """A digest to feed."""
        return hasher(_ALGORITHMS[self.algorithm])

    def check(self, found: str) -> None:
        """Raise `BadHash` unless the file has this hash."""
        if not hmac.compare_digest(found.lower().encode(), self.value.strip().lower().encode()):
            raise BadHash(
                f"the file has the {self.algorithm} {found}, announced was {self.value[:128]}",
                hint="ask for a new download_url and download it again",
            )


class FileKey(NamedTuple):
    """What opens an encrypted part of a bill: https://pay.weixin.qq.com/doc/v3/partner/4014314390."""

    key: bytes
    nonce: bytes


def check_download_url(url: str, allowed_hosts: frozenset[str]) -> str:
    """The URL as given, if it is one that may see a signature; before any header leaves.

    `allowed_hosts` holds `host` for the usual port, else `host:port`; plain http is for `127.0.0.1`, `localhost` and `::1` among them.
    Raises `RequestError` for another host, another scheme or port, a user name, and whatever two readers could read differently.
    """
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise RequestError(f"the download_url: expected text, got {type(url).__name__}")
    if not re.fullmatch(r"[\x21-\x7e]+", url) or "\\" in url:
        raise RequestError("the download_url holds a character that no URL holds", hint="pass it exactly as the reply gave it")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise RequestError(f"the download_url is no URL: {error}") from error
    authority = re.match(r"[A-Za-z]+://([^/?#]*)", url)
    if authority is None or "@" in authority[1] or parsed.userinfo:
        raise RequestError("the download_url names a user or no host", hint="what stands before @ is not the host it would be sent to")
    host = parsed.host.lower()
    local = parsed.scheme == "http" and host in ("127.0.0.1", "localhost", "::1")
    if parsed.scheme != "https" and not local:
        raise RequestError(f"the download_url has the scheme {parsed.scheme!r}: only https is signed for")
    if parsed.fragment:
        raise RequestError("the download_url has a fragment, which is never sent")
    name = f"[{host}]" if ":" in host else host
    if (name if parsed.port is None else f"{name}:{parsed.port}") not in allowed_hosts:
        raise RequestError(f"{authority[1][:80]} is not a host of WeChat Pay that this client signs for", hint="nothing was sent")
    return url


class Sink:
    """Where the pieces of a body go: decrypted, unzipped, hashed and written, with bounds. Blocking: called in a worker thread.

    `gunzip` None looks at the first bytes, which tell gzip from any text. `expected` None leaves the hash to the caller.
    """

    def __init__(
        self,
        file: IO[bytes],
        expected: ExpectedHash | None = None,
        *,
        key: FileKey | None = None,
        gunzip: bool | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.received: int = 0
        self.written: int = 0
        self._file = file
        self._expected = expected
        self._hasher = expected.hasher() if expected is not None else None
        self._decrypt = _Decryption(key) if key is not None else None
        self._gunzip = gunzip
        self._zip: _Gunzip | None = None
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        self.received += len(data)
        self._plain(self._decrypt.feed(data) if self._decrypt is not None else data)

    def finish(self) -> None:
        """The body has ended: raise unless it is whole, authentic and as announced."""
        if self._decrypt is not None:
            self._plain(self._decrypt.finish())
        if self._zip is not None:
            self._zip.finish()
        if self._hasher is not None and self._expected is not None:
            self._expected.check(self._hasher.hexdigest())

    def _plain(self, data: bytes) -> None:
        if not data:
            return
        if self._gunzip is None:
            self._gunzip = data[:1] == b"\x1f"
        if self._gunzip and self._zip is None:
            self._zip = _Gunzip()
        for piece in self._zip.feed(data) if self._zip is not None else (data,):
            self.written += len(piece)
            if self.written > self._max_bytes:
                raise MalformedMessage(f"the file is larger than {self._max_bytes:,} bytes", hint="max_bytes= allows more")
            if self._zip is not None and self.written > _BOMB_FROM and self.written > self.received * _BOMB_RATIO:
                raise MalformedMessage(f"{self.received:,} bytes of gzip grew beyond {_BOMB_RATIO} times their size: a decompression bomb")
            if self._hasher is not None:
                self._hasher.update(piece)
            try:
                self._file.write(piece)
            except OSError as error:
                raise RequestError(f"the file cannot be written: {error}") from error


class _Gunzip:
    """gzip, one member after the other, never more than a piece at a time."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            try:
                piece = self._member.decompress(data, _PIECE)
            except zlib.error as error:
                raise BadHash(f"the file is no sound gzip: {error}", hint="ask for a new download_url and download it again") from error
            yield piece
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            # A full piece may have left more behind in zlib even when all input is taken.
            if not data and (self._member.eof or len(piece) < _PIECE):
                return

    def finish(self) -> None:
        if not self._member.eof:
            raise TransportError("the gzip stops in the middle", hint="ask for a new download_url")


class _Decryption:
    """AES-256-GCM, or SM4-GCM by the length of its key, the tag in the last 16 bytes.

    What it gives is not trusted before `finish`: it goes to a file that nobody sees yet.
    """

    def __init__(self, key: FileKey) -> None:
        if len(key.key) not in (_AES_KEY, _SM4_KEY):
            raise DecryptionError(f"the key of the file has {len(key.key)} bytes, neither {_AES_KEY} (AES) nor {_SM4_KEY} (SM4)")
        cipher = algorithms.AES(key.key) if len(key.key) == _AES_KEY else algorithms.SM4(key.key)
        # 96 bits are usual; WeChat Pay sends 16 characters, which GCM takes as well.
        decryptor = Cipher(cipher, modes.GCM(key.nonce)).decryptor()
        self._context: AEADDecryptionContext = decryptor
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        self._held = data[-_TAG:]
        return self._context.update(data[:-_TAG])

    def finish(self) -> bytes:
        try:
            return self._context.finalize_with_tag(self._held)
        except (InvalidTag, ValueError) as error:
            raise DecryptionError("the file does not open: cut, changed on the way, or encrypted with another key") from error


async def receive(response: httpx.Response, sink: Sink) -> None:
    """Read an answer to its end into a sink, disk and decompression beside the event loop.

    Raises `APIError` for an error answer, `TransportError` for a connection that broke, stalled or ended early, and what the sink raises.
    """
    if not response.is_success:
        await _raise_error(response)
    announced = response.headers.get("Content-Length", "")
    received = 0
    try:
        async with aclosing(_pieces(response)) as pieces:
            async for piece in pieces:
                received += len(piece)
                await to_thread.run_sync(sink.feed, piece)
    except httpx.TimeoutException as error:
        raise TransportError(
            f"the download stalled after {response.num_bytes_downloaded:,} bytes", hint="ask for a new download_url"
        ) from error
    except httpx.TransportError as error:
        raise TransportError(
            f"the download broke off after {response.num_bytes_downloaded:,} bytes: {error}", hint="ask for a new download_url"
        ) from error
    if announced.isdecimal() and int(announced) != received:
        raise TransportError(f"the download ended after {received:,} of {int(announced):,} bytes", hint="ask for a new download_url")
    await to_thread.run_sync(sink.finish)


async def _pieces(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The body as it came, no content coding undone. A body that is in memory already is one piece. Take it with `aclosing`."""
    if response.is_stream_consumed:
        yield response.content
        return
    pieces = cast("AsyncGenerator[bytes, None]", response.aiter_raw(_PIECE))
    try:
        async for piece in pieces:
            yield piece
    except GeneratorExit:
        await _give_up(response, pieces)
        raise


async def _give_up(response: httpx.Response, pieces: AsyncGenerator[bytes, None]) -> None:
    """Leave a body in its middle. httpx reads through nested generators, which end only when reading does: so the line is cut first."""
    with anyio.CancelScope(shield=True):
        await response.aclose()
        with suppress(httpx.TransportError, httpx.StreamError):
            for _ in range(_BUFFERED):
                await anext(pieces, None)
        await pieces.aclose()


async def _raise_error(response: httpx.Response) -> NoReturn:
    body = b""
    with suppress(httpx.TransportError):
        async with aclosing(_pieces(response)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > _ERROR_BODY:
                    break
    error = v3.api_error(response.status_code, response.headers, body[:_ERROR_BODY])
    if response.has_redirect_location:
        error.hint = "redirects are not followed: a signature must not travel to another address"
    raise error


async def download(
    opener: Opener,
    url: str,
    to: str | os.PathLike[str],
    expected: ExpectedHash | None,
    *,
    allowed_hosts: frozenset[str],
    max_bytes: int = MAX_BYTES,
    gunzip: bool | None = None,
) -> Path:
    """Download `url` to the path `to`, which appears when all has come and the hash fits, never before. An older file is replaced.

    Raises `RequestError` for a URL or a path that cannot be right, `BadHash`, `MalformedMessage` for what is too large or no sound gzip,
    `TransportError` and `APIError`. No part of the file is left then. A download is never taken up in the middle: ask for a new URL.
    """
    check_download_url(url, allowed_hosts)
    async with whole_file(to) as file, opener(url) as response:
        await receive(response, Sink(file, expected, gunzip=gunzip, max_bytes=max_bytes))
    return Path(to)


@asynccontextmanager
async def whole_file(to: str | os.PathLike[str]) -> AsyncGenerator[IO[bytes], None]:
    """A file beside `to` that takes its name when the block ends well and vanishes when it does not."""
    if not isinstance(to, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise RequestError(f"to: expected a path, got {type(to).__name__}")
    target = Path(to)
    file = await to_thread.run_sync(_beside, target)
    try:
        yield file
        await to_thread.run_sync(_take_name, file, target)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(_discard, file)
        raise


def _beside(target: Path) -> IO[bytes]:
    if target.is_dir():
        raise RequestError(f"{target} is a directory", hint="name the file to write")
    try:
        return tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False)
    except OSError as error:
        raise RequestError(f"{target} cannot be written: {error}") from error


def _take_name(file: IO[bytes], target: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    Path(file.name).replace(target)


def _discard(file: IO[bytes]) -> None:
    file.close()
    Path(file.name).unlink(missing_ok=True)


def signed_sha1(headers: Mapping[str, str]) -> tuple[ExpectedHash, bytes]:
    """The hash that a statement's header announces, and the bytes that its signature covers: `{"sha1":"…"}`, not the body.

    Official page: https://pay.weixin.qq.com/wiki/doc/api/wxpay/ch/fusion_wallet_ch/QuickPay/chapter8_5.shtml. Raises `MissingSignature`.
    """
    value = next((value for name, value in headers.items() if name.lower() == _STATEMENT_SHA1.lower()), "")
    if not re.fullmatch(r"[0-9A-Fa-f]{40}", value):
        raise MissingSignature(f"the header {_STATEMENT_SHA1} is absent or no SHA-1: the statement cannot be trusted")
    return ExpectedHash("SHA1", value), json.dumps({"sha1": value}, separators=(",", ":")).encode()
