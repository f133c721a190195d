"""The ways of making one signed and verified call that are measured beside each other."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import subprocess
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.support.keys import (
    APIV3_KEY,
    MCHID,
    MERCHANT_KEY,
    MERCHANT_KEY_PEM,
    MERCHANT_SERIAL,
    PLATFORM_KEY,
    PLATFORM_PUBLIC_PEM,
    PUBLIC_KEY_ID,
)
from wechatpay_async import Wechatpay
from wechatpay_async.settings import DEFAULT_TIMEOUT
from wechatpay_async.transport import DEFAULT_LIMITS

PATH = "/v3/pay/transactions/native"
ORDER: dict[str, Any] = {
    "mchid": MCHID,
    "out_trade_no": "native12177525012014070332333",
    "appid": "wxdace645e0bc2c424",
    "description": "Image形象店-深圳腾大-QQ公仔",
    "notify_url": "https://weixin.qq.com/",
    "amount": {"total": 1, "currency": "CNY"},
}


@dataclass(frozen=True)
class Round:
    """What a number of calls took: seconds by the clock, and of this side's own processor time."""

    calls: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.calls / self.seconds

    @property
    def cpu_per_call(self) -> float:
        """Microseconds."""
        return self.cpu / self.calls * 1e6


class Peer(Protocol):
    """One way of calling, ready to be measured."""

    async def run(self, calls: int, in_flight: int) -> Round:
        """Make the calls, so many at a time."""
        ...


class PythonPeer:
    """A coroutine that makes one call."""

    def __init__(self, call: Callable[[], Awaitable[object]]) -> None:
        self.call = call

    async def run(self, calls: int, in_flight: int) -> Round:
        left = calls

        async def work() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await self.call()

        wall, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(in_flight):
                tasks.create_task(work())
        return Round(calls, time.perf_counter() - wall, time.process_time() - cpu)


@asynccontextmanager
async def ours(url: str, **settings: Any) -> AsyncGenerator[PythonPeer]:
    """This project's client."""
    async with Wechatpay(
        mchid=MCHID,
        serial=MERCHANT_SERIAL,
        private_key=MERCHANT_KEY,
        certs={PUBLIC_KEY_ID: PLATFORM_PUBLIC_PEM},
        apiv3_key=APIV3_KEY,
        base_url=url,
        **settings,
    ) as wxpay:

        async def call() -> None:
            response = await wxpay.v3.pay.transactions.native.post(ORDER)  # type: ignore[arg-type]  # a plain dict
            assert response.data["code_url"]

        yield PythonPeer(call)


@asynccontextmanager
async def hand_written(url: str, transport: httpx.AsyncBaseTransport | None = None) -> AsyncGenerator[PythonPeer]:
    """What one writes without a library: httpx, json, cryptography; sign, send, verify."""
    scheme, digest = padding.PKCS1v15(), hashes.SHA256()
    platform_key = PLATFORM_KEY.public_key()
    async with httpx.AsyncClient(base_url=url, transport=transport, limits=DEFAULT_LIMITS, timeout=DEFAULT_TIMEOUT) as http:

        async def call() -> None:
            body = json.dumps(ORDER, ensure_ascii=False, separators=(",", ":")).encode()
            timestamp, nonce = int(time.time()), secrets.token_hex(16)
            message = f"POST\n{PATH}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
            signature = base64.b64encode(MERCHANT_KEY.sign(message, scheme, digest)).decode()
            authorization = (
                f'WECHATPAY2-SHA256-RSA2048 mchid="{MCHID}",nonce_str="{nonce}",signature="{signature}",'
                f'timestamp="{timestamp}",serial_no="{MERCHANT_SERIAL}"'
            )
            headers = {
                "Accept": "application/json",
                "Content-Type": "application/json",
                "User-Agent": "hand-written",
                "Wechatpay-Serial": PUBLIC_KEY_ID,
                "Authorization": authorization,
            }
            response = await http.post(PATH, content=body, headers=headers)
            response.raise_for_status()
            answered = response.headers["Wechatpay-Timestamp"]
            assert abs(int(answered) - time.time()) < 300
            assert response.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
            reply = f"{answered}\n{response.headers['Wechatpay-Nonce']}\n".encode() + response.content + b"\n"
            platform_key.verify(base64.b64decode(response.headers["Wechatpay-Signature"]), reply, scheme, digest)
            assert response.json()["code_url"]

        yield PythonPeer(call)


@asynccontextmanager
async def wechatpayv3(url: str) -> AsyncGenerator[PythonPeer]:
    """The async client of the PyPI package `wechatpayv3`, as it comes."""
    library: Any = import_module("wechatpayv3.async_")  # it has no types, and is there for the benchmarks alone

    client = library.AsyncWeChatPay(
        wechatpay_type=library.WeChatPayType.NATIVE,
        mchid=MCHID,
        private_key=MERCHANT_KEY_PEM,
        cert_serial_no=MERCHANT_SERIAL,
        appid=ORDER["appid"],
        apiv3_key=APIV3_KEY,
        notify_url=ORDER["notify_url"],
        public_key=PLATFORM_PUBLIC_PEM,
        public_key_id=PUBLIC_KEY_ID,
        timeout=(5, 30),
    )
    client._core._gate_way = url
    async with client:

        async def call() -> None:
            status, message = await client.pay(description=ORDER["description"], out_trade_no=ORDER["out_trade_no"], amount=ORDER["amount"])
            assert status == 200
            assert json.loads(message)["code_url"]

        yield PythonPeer(call)


class NodePeer:
    """The npm package `wechatpay-axios-plugin`, in Node's own process."""

    def __init__(self, url: str, modules: Path) -> None:
        environment = {
            **os.environ,
            "NODE_PATH": str(modules),
            "BASE_URL": url,
            "MCHID": MCHID,
            "SERIAL": MERCHANT_SERIAL,
            "PRIVATE_KEY": MERCHANT_KEY_PEM,
            "PUBLIC_KEY_ID": PUBLIC_KEY_ID,
            "PUBLIC_KEY": PLATFORM_PUBLIC_PEM,
            "ORDER": json.dumps(ORDER),
        }
        script = Path(__file__).with_name("peer.cjs")
        self.process = subprocess.Popen(["node", str(script)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    async def run(self, calls: int, in_flight: int) -> Round:
        return await asyncio.to_thread(self._run, calls, in_flight)

    def _run(self, calls: int, in_flight: int) -> Round:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(calls, in_flight, file=self.process.stdin, flush=True)
        result = json.loads(self.process.stdout.readline())
        return Round(calls, result["seconds"], result["cpu"])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
