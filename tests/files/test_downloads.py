from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tests.files.server import Answer, http, sends, serving, stalls_after
from tests.support.patience import PATIENCE
from wechatpay_async.downloads import (
    ExpectedHash,
    FileKey,
    Opener,
    Sink,
    check_download_url,
    download,
    receive,
    signed_sha1,
)
from wechatpay_async.errors import (
    APIError,
    BadHash,
    DecryptionError,
    InvalidRequest,
    MalformedMessage,
    MissingSignature,
    RequestError,
    TransportError,
    WechatpayError,
)

HOSTS = frozenset({"api.mch.weixin.qq.com", "127.0.0.1:8000", "[::1]:8000", "localhost"})
TEXT = "交易时间,订单金额\n`2026-11-24 10:02:03,`1.00\n".encode() * 100
SHA1 = ExpectedHash("SHA1", hashlib.sha1(TEXT, usedforsecurity=False).hexdigest())


@pytest.mark.parametrize(
    "url",
    [
        "https://api.mch.weixin.qq.com/v3/billdownload/file?token=a%2Fb&tartype=gzip",
        "https://api.mch.weixin.qq.com:443/v3/billdownload/file?token=x",
        "https://API.MCH.weixin.qq.com/v3/billdownload/file?token=x",
        "http://127.0.0.1:8000/v3/billdownload/file?token=x",
        "http://localhost/v3/billdownload/file?token=x",
        "http://[::1]:8000/v3/billdownload/file?token=x",
    ],
)
def test_a_url_of_an_allowed_host_stays_as_it_is(url: str) -> None:
    assert check_download_url(url, HOSTS) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://api.mch.weixin.qq.com.evil/v3/billdownload/file",
        "https://api.mch.weixin.qq.com.evil:443/",
        "https://evil.example/api.mch.weixin.qq.com",
        "https://evil.example?api.mch.weixin.qq.com",
        "https://xapi.mch.weixin.qq.com/",
        "https://api.mch.weixin.qq.com@evil.example/",
        "https://evil.example@api.mch.weixin.qq.com/",
        "https://user:pass@api.mch.weixin.qq.com/",
        "https://api.mch.weixin.qq.com:8443/",
        "https://api.mch.weixin.qq.com./",
        "https://аpi.mch.weixin.qq.com/",
        "https://api.mch.weixin.qq.com\\@evil.example/",
        "https://evil.example\\.api.mch.weixin.qq.com/",
        "https://api.mch.weixin.qq.com /",
        "https://api.mch.weixin.qq.com/\r\nHost: evil.example",
        "https://api.mch.weixin.qq.com/#@evil.example",
        "http://api.mch.weixin.qq.com/",
        "http://127.0.0.1:9000/",
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "ftp://api.mch.weixin.qq.com/",
        "file:///etc/passwd",
        "//api.mch.weixin.qq.com/",
        "/v3/billdownload/file",
        "https:///v3/billdownload/file",
        "https://[::1/",
        "http://[::1]/",
        "https://api.mch.weixin.qq.com:99999999/",
        "",
    ],
)
def test_a_url_that_only_looks_like_one_is_refused(url: str) -> None:
    with pytest.raises(RequestError):
        check_download_url(url, HOSTS)


@given(st.text("https:/@\\.?#apimchweixnqco[]:0 ", max_size=60))
def test_whatever_is_let_through_goes_to_an_allowed_host(url: str) -> None:
    try:
        check_download_url(url, HOSTS)
    except RequestError:
        return
    parsed = httpx.URL(url)
    assert parsed.host in ("api.mch.weixin.qq.com", "127.0.0.1", "::1", "localhost")
    assert not parsed.userinfo


def sunk(data: bytes, size: int = 1000, expected: ExpectedHash | None = SHA1, **options: object) -> bytes:
    file = io.BytesIO()
    sink = Sink(file, expected, **options)  # type: ignore[arg-type]  # the options differ from test to test
    for start in range(0, len(data), size):
        sink.feed(data[start : start + size])
    sink.finish()
    return file.getvalue()


@pytest.mark.parametrize("size", [1, 17, 10**6])
@pytest.mark.parametrize(
    "data",
    [TEXT, gzip.compress(TEXT), gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]), gzip.compress(b"") + gzip.compress(TEXT)],
    ids=["plain", "gzip", "two members", "empty member"],
)
def test_the_hash_covers_the_original_text(data: bytes, size: int) -> None:
    assert sunk(data, size) == TEXT


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        ("SHA1", "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"),
        ("SHA256", "B94D27B9934D3E08A52E52D7DA7DABFAC484EFE37A5380EE9088F7ACE2EFCDE9"),
        ("SM3", "44f0061e69fa6fdfc290c494654a05dc0c053da7e5c52b84ef93a9d67d3fff88"),
        ("MD5", "5eb63bbbe01eeed093cb22bb8f5acdc3"),
    ],
)
def test_every_announced_kind_of_hash_is_checked(algorithm: str, value: str) -> None:
    announced = ExpectedHash.of({"hash_type": algorithm, "hash_value": value})

    assert sunk(b"hello world", expected=announced) == b"hello world"
    with pytest.raises(BadHash):
        sunk(b"hello world!", expected=announced)


def test_a_hash_of_no_kind_is_sha1_and_no_hash_is_none() -> None:
    assert ExpectedHash.of({"hash_value": "00"}) == ExpectedHash("SHA1", "00")
    assert ExpectedHash.of({"download_url": "https://…"}) is None
    with pytest.raises(MalformedMessage, match="CRC32"):
        ExpectedHash.of({"hash_type": "CRC32", "hash_value": "00"})


def test_a_hash_that_is_no_hash_at_all_does_not_fit() -> None:
    with pytest.raises(BadHash):
        sunk(TEXT, expected=ExpectedHash("SHA1", "哈希"))


def test_text_can_be_taken_as_it_comes() -> None:
    zipped = gzip.compress(TEXT)

    assert sunk(zipped, expected=None, gunzip=False) == zipped
    with pytest.raises(BadHash, match="no sound gzip"):
        sunk(TEXT, gunzip=True)


def bomb(megabytes: int) -> bytes:
    squeeze = zlib.compressobj(9, wbits=31)
    return b"".join(squeeze.compress(bytes(1_000_000)) for _ in range(megabytes)) + squeeze.flush()


def test_a_decompression_bomb_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="decompression bomb"):
        sunk(bomb(40), 100_000)


@pytest.mark.parametrize(
    "data",
    [gzip.compress(TEXT) + b"garbage", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 50],
    ids=["something after it", "not deflated"],
)
def test_unsound_gzip_is_not_what_was_announced(data: bytes) -> None:
    with pytest.raises(BadHash, match="no sound gzip"):
        sunk(data)


def test_half_a_gzip_is_a_broken_download() -> None:
    with pytest.raises(TransportError, match="stops in the middle"):
        sunk(gzip.compress(TEXT)[:-1])


def test_no_piece_of_a_bomb_is_held_in_memory() -> None:
    largest = 0

    class Watched(io.BytesIO):
        def write(self, data: object, /) -> int:
            nonlocal largest
            assert isinstance(data, bytes)
            largest = max(largest, len(data))
            return len(data)

    sink = Sink(Watched())
    with pytest.raises(MalformedMessage, match="decompression bomb"):
        sink.feed(bomb(40))
    assert largest <= 262_144


def test_very_repetitive_bills_are_no_bombs() -> None:
    text = b"`2026-11-24 10:02:03,`1.00\n" * 100_000

    assert sunk(gzip.compress(text), expected=None) == text


def test_a_full_disk_is_said() -> None:
    class Full(io.BytesIO):
        def write(self, _data: object, /) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(RequestError, match="No space left on device"):
        Sink(Full()).feed(TEXT)


def test_a_file_has_a_largest_size() -> None:
    with pytest.raises(MalformedMessage, match="larger than 1,000 bytes"):
        sunk(TEXT, max_bytes=1000)


KEY = FileKey(b"k" * 32, b"a8607ef79034c49c")


@pytest.mark.parametrize("size", [1, 15, 16, 17, 10**6])
def test_an_encrypted_file_is_opened_before_it_is_unzipped(size: int) -> None:
    ciphertext = AESGCM(KEY.key).encrypt(KEY.nonce, gzip.compress(TEXT), None)

    assert sunk(ciphertext, size, key=KEY) == TEXT


CIPHERTEXT = AESGCM(KEY.key).encrypt(KEY.nonce, TEXT, None)


@pytest.mark.parametrize(
    "damaged",
    [CIPHERTEXT[:-1], CIPHERTEXT[:10], b"", bytes([CIPHERTEXT[0] ^ 1]) + CIPHERTEXT[1:]],
    ids=["cut", "shorter than its tag", "empty", "changed"],
)
def test_an_encrypted_file_that_does_not_open_is_refused(damaged: bytes) -> None:
    with pytest.raises(DecryptionError):
        sunk(damaged, expected=None, gunzip=False, key=KEY)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(DecryptionError, match=r"24 bytes, neither 32 \(AES\) nor 16 \(SM4\)"):
        Sink(io.BytesIO(), key=FileKey(b"k" * 24, b"n" * 16))


def opener_of(answer: httpx.Response, asked: list[str] | None = None) -> Opener:
    """Opens the same answer whatever is asked for."""

    @asynccontextmanager
    async def open_(url: str) -> AsyncGenerator[httpx.Response, None]:
        if asked is not None:
            asked.append(url)
        async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as client, client.stream("GET", url) as response:
            yield response

    return open_


URL = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=a%2Fb"


@pytest.mark.anyio
async def test_the_file_appears_with_its_original_text(tmp_path: Path, anyio_backend: str) -> None:
    target = tmp_path / "bill.csv"
    asked: list[str] = []

    written = await download(opener_of(httpx.Response(200, content=gzip.compress(TEXT)), asked), URL, target, SHA1, allowed_hosts=HOSTS)

    assert written == target
    assert target.read_bytes() == TEXT
    assert asked == [URL]
    assert os.listdir(tmp_path) == ["bill.csv"]


@pytest.mark.anyio
async def test_an_older_file_stays_until_the_new_one_is_proven(tmp_path: Path, anyio_backend: str) -> None:
    target = tmp_path / "bill.csv"
    target.write_text("yesterday's")

    with pytest.raises(BadHash):
        await download(opener_of(httpx.Response(200, content=b"other")), URL, target, SHA1, allowed_hosts=HOSTS)
    assert target.read_text() == "yesterday's"

    await download(opener_of(httpx.Response(200, content=TEXT)), URL, target, SHA1, allowed_hosts=HOSTS)
    assert target.read_bytes() == TEXT


@pytest.mark.anyio
@pytest.mark.parametrize("target", ["", "no/such/folder/bill.csv"])
async def test_a_path_that_cannot_be_written_is_refused_before_anything_is_sent(target: str, tmp_path: Path, anyio_backend: str) -> None:
    asked: list[str] = []

    with pytest.raises(RequestError):
        await download(opener_of(httpx.Response(200), asked), URL, tmp_path / target, SHA1, allowed_hosts=HOSTS)

    assert asked == []


@pytest.mark.anyio
async def test_a_url_of_another_host_is_refused_before_anything_is_sent(tmp_path: Path, anyio_backend: str) -> None:
    asked: list[str] = []

    with pytest.raises(RequestError, match="not a host of WeChat Pay"):
        await download(opener_of(httpx.Response(200), asked), "https://evil.example/", tmp_path / "b", SHA1, allowed_hosts=HOSTS)

    assert asked == []
    assert os.listdir(tmp_path) == []


@pytest.mark.anyio
async def test_a_redirect_is_not_followed(tmp_path: Path, anyio_backend: str) -> None:
    answer = httpx.Response(302, headers={"Location": "https://evil.example/"})

    with pytest.raises(APIError, match="redirects are not followed"):
        await download(opener_of(answer), URL, tmp_path / "bill.csv", SHA1, allowed_hosts=HOSTS)


#: What a server can do to a download, and the error that says so.
FAILURES: dict[str, tuple[Answer, type[WechatpayError], str]] = {
    "killed in the middle": (sends(http(TEXT[:500], length=len(TEXT))), TransportError, "broke off after 500 bytes"),
    "killed before the answer": (sends(b""), TransportError, "server disconnected"),
    "killed within the headers": (sends(b"HTTP/1.1 200 OK\r\nConte"), TransportError, "server disconnected"),
    "stalled in the middle": (stalls_after(http(TEXT[:500], length=len(TEXT))), TransportError, "stalled after 500 bytes"),
    "claims more than it sends": (sends(http(TEXT, length=len(TEXT) + 1)), TransportError, f"broke off after {len(TEXT):,} bytes"),
    "claims less than it sends": (sends(http(TEXT, length=len(TEXT) - 1)), BadHash, "SHA1"),
    "gzip bomb": (sends(http(bomb(40))), MalformedMessage, "decompression bomb"),
    "half a gzip": (sends(http(gzip.compress(TEXT)[:-5])), TransportError, "stops in the middle"),
    "a changed gzip": (sends(http(gzip.compress(TEXT)[:-8] + bytes(8))), BadHash, "no sound gzip"),
    "another file": (sends(http(b"something else")), BadHash, "announced was"),
    "nothing at all": (sends(http(b"")), BadHash, "announced was"),
    "expired address": (
        sends(http(b'{"code":"PARAM_ERROR","message":"token expired"}', status="400 Bad Request")),
        InvalidRequest,
        "token expired",
    ),
    "a page of a proxy": (sends(http(b"<html>busy</html>", status="502 Bad Gateway")), APIError, "502"),
    "an error cut short": (sends(http(b'{"code"', status="400 Bad Request", length=100)), APIError, "400"),
    "an endless error": (sends(http(b"x" * 500_000, status="500 Internal Server Error")), APIError, "500"),
    "moved elsewhere": (sends(http(b"", status="302 Found", headers="Location: http://evil.example/\r\n")), APIError, "redirects"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("failure", FAILURES)
async def test_every_failure_has_its_error_and_leaves_no_file(failure: str, tmp_path: Path, anyio_backend: str) -> None:
    answer, kind, message = FAILURES[failure]

    @asynccontextmanager
    async def open_(url: str) -> AsyncGenerator[httpx.Response, None]:
        # A second is for the server that stalls alone: the others are slow only where the machine is.
        read = 1.0 if failure == "stalled in the middle" else PATIENCE
        async with httpx.AsyncClient(timeout=httpx.Timeout(PATIENCE, read=read), trust_env=False) as client:
            try:
                async with client.stream("GET", url) as response:
                    yield response
            except httpx.TransportError as error:
                raise TransportError(str(error).lower()) from error

    with serving(answer) as address, pytest.raises(kind, match=message):
        await download(open_, address + "/file", tmp_path / "bill.csv", SHA1, allowed_hosts=frozenset({address.removeprefix("http://")}))

    assert os.listdir(tmp_path) == []


@pytest.mark.anyio
async def test_a_length_that_no_layer_below_has_checked_is_checked(anyio_backend: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"

    response = httpx.Response(200, headers={"Content-Length": "8"}, content=body())

    with pytest.raises(TransportError, match="ended after 4 of 8 bytes"):
        await receive(response, Sink(io.BytesIO()))


@pytest.mark.anyio
async def test_a_cancelled_download_leaves_no_file(tmp_path: Path, anyio_backend: str) -> None:
    @asynccontextmanager
    async def open_(url: str) -> AsyncGenerator[httpx.Response, None]:
        scope.cancel()
        await anyio.sleep_forever()
        yield httpx.Response(200)

    with anyio.CancelScope() as scope:
        await download(open_, URL, tmp_path / "bill.csv", SHA1, allowed_hosts=HOSTS)

    assert scope.cancelled_caught
    assert os.listdir(tmp_path) == []


def test_the_signature_of_a_statement_covers_its_hash() -> None:
    expected, signed = signed_sha1({"wechatpay-statement-sha1": "79bb0f45fc4c42234a918000b2668d689e2bde04"})

    assert expected == ExpectedHash("SHA1", "79bb0f45fc4c42234a918000b2668d689e2bde04")
    assert signed == b'{"sha1":"79bb0f45fc4c42234a918000b2668d689e2bde04"}'


@pytest.mark.parametrize("headers", [{}, {"Wechatpay-Statement-Sha1": ""}, {"Wechatpay-Statement-Sha1": '"}'}])
def test_a_statement_without_its_hash_is_not_trusted(headers: dict[str, str]) -> None:
    with pytest.raises(MissingSignature, match="Wechatpay-Statement-Sha1"):
        signed_sha1(headers)


def test_a_key_of_sixteen_bytes_is_one_of_sm4() -> None:
    encryptor = Cipher(algorithms.SM4(b"k" * 16), modes.GCM(b"a8607ef79034c49c")).encryptor()
    ciphertext = encryptor.update(TEXT) + encryptor.finalize() + encryptor.tag
    file = io.BytesIO()
    sink = Sink(file, key=FileKey(b"k" * 16, b"a8607ef79034c49c"))
    for piece in (ciphertext[:7], ciphertext[7:]):
        sink.feed(piece)
    sink.finish()
    assert file.getvalue() == TEXT

    spoilt = Sink(io.BytesIO(), key=FileKey(b"k" * 16, b"a8607ef79034c49c"))
    spoilt.feed(bytes([ciphertext[0] ^ 1]) + ciphertext[1:])
    with pytest.raises(DecryptionError, match="the file does not open"):
        spoilt.finish()
