"""Answers that no honest server gives, over a real socket: each ends in an error that says so, and leaves nothing behind."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from tests.support.platform import settings, signed_headers
from wechatpay_async import Wechatpay, errors

pytestmark = pytest.mark.anyio

OK = b'{"code_url":"weixin://"}'
MEBIBYTE = 1024 * 1024
BOMB = gzip.compress(b'{"a":"' + bytes(64 * MEBIBYTE) + b'"}')


def head(*lines: str, status: int = 200, body: bytes = OK) -> bytes:
    """The head of a signed answer with these lines more."""
    signed = [f"{name}: {value}" for name, value in signed_headers(body).items()]
    return "\r\n".join([f"HTTP/1.1 {status} X", *signed, *lines, "", ""]).encode("latin-1")


def whole(body: bytes, *lines: str, status: int = 200) -> bytes:
    return head(f"Content-Length: {len(body)}", *lines, status=status) + body


@asynccontextmanager
async def answering(answer: bytes, *, forever: bytes = b"") -> AsyncGenerator[Wechatpay, None]:
    """A client of a server that reads a request, sends `answer`, then `forever` again and again, and closes."""

    async def serve(stream: SocketStream) -> None:
        try:
            async with stream:
                request = b""
                while not request.endswith((b"\r\n\r\n{}", b"</xml>")):
                    request += await stream.receive()
                await stream.send(answer)
                while forever:
                    await stream.send(forever)
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            pass  # the client has gone

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610 — no Django here
        async with Wechatpay(**settings(base_url=url)) as wxpay:
            yield wxpay
        tasks.cancel_scope.cancel()


async def refused(answer: bytes, error: type[errors.WechatpayError], message: str, *, forever: bytes = b"") -> None:
    async with answering(answer, forever=forever) as wxpay:
        with pytest.raises(error, match=message):
            await wxpay.chain("v3/new").post({})


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
async def test_a_compressed_answer_that_nobody_asked_for_is_read(compress: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if compress is gzip.compress else "deflate"
    async with answering(whole(compress(OK), f"Content-Encoding: {encoding}")) as wxpay:
        assert (await wxpay.chain("v3/new").post({})).data == {"code_url": "weixin://"}


async def test_a_small_answer_that_unpacks_to_a_huge_one() -> None:
    assert len(BOMB) < MEBIBYTE
    await refused(whole(BOMB, "Content-Encoding: gzip"), errors.MalformedMessage, "larger than this client reads")


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (b"no gzip", "gzip", "the reply is no gzip"),
        (gzip.compress(OK, mtime=0)[:-9], "gzip", "the gzip of the reply is cut short"),
        (OK, "br", "the reply is encoded as 'br'"),
    ],
)
async def test_a_body_that_does_not_unpack(body: bytes, encoding: str, message: str) -> None:
    await refused(whole(body, f"Content-Encoding: {encoding}"), errors.MalformedMessage, message)


async def test_a_body_that_cannot_be_read_does_not_hide_the_servers_error() -> None:
    async with answering(whole(BOMB, "Content-Encoding: gzip", status=401)) as wxpay:
        with pytest.raises(errors.AuthError) as caught:
            await wxpay.chain("v3/new").post({})
    assert (caught.value.status, caught.value.request_id) == (401, "08F7E8B7B6051018-268541")
    assert isinstance(caught.value.__cause__, errors.MalformedMessage)


async def test_an_unsigned_answer_is_bounded_too() -> None:
    async with answering(whole(BOMB, "Content-Encoding: gzip")) as wxpay:
        with pytest.raises(errors.MalformedMessage, match="larger than this client reads"):
            await wxpay.chain("v2/pay/orderquery").post({"appid": "wxd678efh567hg6787", "out_trade_no": "1217752501201407033233368018"})


async def test_chunks_without_an_end() -> None:
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    await refused(head("Transfer-Encoding: chunked"), errors.MalformedMessage, "larger than this client reads", forever=chunk)


async def test_headers_without_an_end() -> None:
    await refused(b"HTTP/1.1 200 OK\r\n", errors.OutcomeUnknown, "RemoteProtocolError", forever=b"X: yyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 100)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Wechatpay-Timestamp: 1722850421", errors.StaleTimestamp),
        ("Wechatpay-Nonce: NONCE", errors.BadSignature),
        ("Wechatpay-Signature: AAAA", errors.BadSignature),
        ("Wechatpay-Serial: PUB_KEY_ID_0114232134912410000000000000", errors.UnknownSerial),
    ],
)
async def test_a_signature_header_twice(header: str, error: type[errors.WechatpayError]) -> None:
    await refused(whole(OK, header), error, ".")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (head(f"Content-Length: {len(OK) + 1}") + OK, errors.OutcomeUnknown, "RemoteProtocolError"),
        (head(f"Content-Length: {len(OK) - 1}") + OK, errors.BadSignature, "does not fit the raw body"),
        (head(f"Content-Length: {len(OK)}", "Content-Length: 3") + OK, errors.OutcomeUnknown, "RemoteProtocolError"),
        (b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", errors.OutcomeUnknown, "RemoteProtocolError"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", errors.OutcomeUnknown, "RemoteProtocolError"),
        (b"", errors.OutcomeUnknown, "RemoteProtocolError"),
        (head()[:60], errors.OutcomeUnknown, "RemoteProtocolError"),
    ],
)
async def test_an_answer_that_is_not_what_it_says(answer: bytes, error: type[errors.WechatpayError], message: str) -> None:
    await refused(answer, error, message)


async def test_what_precedes_an_answer_is_passed_over() -> None:
    async with answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + whole(OK)) as wxpay:
        assert (await wxpay.chain("v3/new").post({})).data == {"code_url": "weixin://"}


async def test_a_204_has_no_body_whatever_follows() -> None:
    async with answering(head(f"Content-Length: {len(OK)}", status=204, body=b"") + OK) as wxpay:
        assert (await wxpay.chain("v3/new").post({})).data is None
