"""WeChat Pay's side for the speed figures: checks each request as the sandbox does, in a process of its own, at as little cost as possible.

    python -m tests.benchmarks.server

Every request's signature is verified over its raw target and body, with its timestamp and its nonce. Answers are signed too, once a second:
all answers of one second are the same bytes, so that the machine's cores are left to the clients that are measured.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Generator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.support.keys import MCHID, MERCHANT_KEY, MERCHANT_SERIAL, PLATFORM_KEY, PUBLIC_KEY_ID

ANSWER = b'{"code_url":"weixin://wxpay/bizpayurl?pr=tVYQpZ1"}'
_AUTHORIZATION = re.compile(
    rb'\r\nauthorization: WECHATPAY2-SHA256-RSA2048 (?=[^\r]*mchid="(?P<mchid>[^"]+)")(?=[^\r]*nonce_str="(?P<nonce>[^"]+)")'
    rb'(?=[^\r]*signature="(?P<signature>[^"]+)")(?=[^\r]*timestamp="(?P<timestamp>[^"]+)")(?=[^\r]*serial_no="(?P<serial>[^"]+)")',
    re.IGNORECASE,
)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PADDING, _SHA256 = padding.PKCS1v15(), hashes.SHA256()
_OWNER = MCHID.encode(), MERCHANT_SERIAL.encode()


class Platform:
    """What the server knows: the merchant's key, the nonces seen, and the answer of this second."""

    def __init__(self) -> None:
        self.merchant_key = MERCHANT_KEY.public_key()
        self.nonces: set[bytes] = set()
        self.second = 0
        self.answer = b""

    def reply(self, head: bytes, body: bytes) -> bytes:
        """The signed answer to a request that is right, 401 for any other."""
        now = int(time.time())
        if not self._is_right(head, body, now):
            return b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 21\r\n\r\n" + b'{"code":"SIGN_ERROR"}'[:21]
        if now != self.second:
            self.second, self.answer = now, self._signed(now)
        return self.answer

    def _is_right(self, head: bytes, body: bytes, now: int) -> bool:
        method, target, _ = head.split(b" ", 2)
        found = _AUTHORIZATION.search(head)
        if found is None or (found["mchid"], found["serial"]) != _OWNER or abs(now - int(found["timestamp"])) >= 300:
            return False
        if found["nonce"] in self.nonces:
            return False
        self.nonces.add(found["nonce"])
        message = b"%b\n%b\n%b\n%b\n%b\n" % (method, target, found["timestamp"], found["nonce"], body)
        try:
            self.merchant_key.verify(base64.b64decode(found["signature"]), message, _PADDING, _SHA256)
        except InvalidSignature:
            return False
        return True

    def _signed(self, now: int) -> bytes:
        message = b"%d\nNONCE%d\n%b\n" % (now, now, ANSWER)
        signature = base64.b64encode(PLATFORM_KEY.sign(message, _PADDING, _SHA256)).decode()
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\nRequest-ID: 08F7E8B7B6051018-268541\r\n"
            f"Wechatpay-Timestamp: {now}\r\nWechatpay-Nonce: NONCE{now}\r\nWechatpay-Signature: {signature}\r\n"
            f"Wechatpay-Serial: {PUBLIC_KEY_ID}\r\nWechatpay-Signature-Type: WECHATPAY2-SHA256-RSA2048\r\n\r\n"
        )
        return head.encode() + ANSWER


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as far as clients that send a `Content-Length` need it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end]
        length = _LENGTH.search(head)
        total = end + 4 + (int(length[1]) if length else 0)
        if len(self.buffer) >= total:
            body, self.buffer = self.buffer[end + 4 : total], self.buffer[total:]
            self.transport.write(self.platform.reply(head, body))


async def serve() -> None:
    platform = Platform()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(platform), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.to_thread(sys.stdin.read)  # until whoever started it goes


@contextlib.contextmanager
def running() -> Generator[str]:
    """The server in a process of its own; gives its base URL."""
    command = [sys.executable, "-m", "tests.benchmarks.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(serve())
