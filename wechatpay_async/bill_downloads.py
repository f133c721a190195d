"""Bills from the day's name to checked rows: asked for, downloaded whole, proven, then read in pieces.

    async for row in wxpay.bills.trade("2026-11-24"):
        print(row.out_trade_no, row.total)

Nothing is given out before the hash of all of it was found right; the text waits in a temporary file that has no name.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Generic, Literal, Protocol, Self, TypeAlias, TypeVar, cast

import anyio
import httpx
from anyio import to_thread

from wechatpay_async.bills import CHINA, CHUNK, BillParser, FundFlowRow, ProfitSharingRow, Row, Summary, TradeRow
from wechatpay_async.downloads import MAX_BYTES, ExpectedHash, FileKey, Sink, receive, signed_sha1, whole_file
from wechatpay_async.errors import (
    APIError,
    BadHash,
    BillNotReady,
    DecryptionError,
    InvalidData,
    MalformedMessage,
    MissingSignature,
    TransportError,
    WechatpayError,
)
from wechatpay_async.protocol import xml

__all__ = ["Bill", "BillClient", "Bills"]

R = TypeVar("R", bound=Row)
Day: TypeAlias = "date | str"
AccountType: TypeAlias = Literal["BASIC", "OPERATION", "FEES"]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]

_ATTEMPTS: Final = 3
# Bills are ready from about ten in the morning of the next day (D/4013071227); later than that, a few minutes are enough.
_READY = clock_time(10, 0)
_POLL = timedelta(minutes=10)
# What a download_url that has expired answers with.
_EXPIRED = frozenset({400, 403, 404})
_V2_EMPTY = re.compile(r"no[ _]bill[ _]exist|账单不存在", re.IGNORECASE)
_V2_CREATING = re.compile(r"bill[ _]creating|账单生成中", re.IGNORECASE)
_V2_ERROR = 65_536
# Read in one thread call, parsed in eight steps: the call costs as much as the parsing of a quarter of a step.
_AHEAD = 8 * CHUNK


class BillClient(Protocol):
    """What bills need of the client that they are bound to."""

    async def bill_info(self, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        """The verified data of a GET of APIv3."""
        ...

    def open_download(self, url: str) -> AbstractAsyncContextManager[httpx.Response]:
        """A signed GET of a whole URL, after `check_download_url`; redirects off, the body unread, the reply unsigned."""
        ...

    def open_v2_bill(self, path: str, fields: Mapping[str, str]) -> AbstractAsyncContextManager[httpx.Response]:
        """A signed APIv2 POST; the body unread: a bill, or XML that says why not."""
        ...

    async def verify_signed(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check that the `Wechatpay-*` headers sign these bytes. Raises `SignatureError`."""
        ...

    def open_statement(self, path: str, params: Mapping[str, str]) -> AbstractAsyncContextManager[httpx.Response]:
        """A signed GET of `/v3/statements` or `/v3/global/statements`, the body unread."""
        ...

    def decrypt_key(self, ciphertext: str) -> bytes:
        """Open an `encrypt_key` with the merchant's private key. Raises `DecryptionError`."""
        ...


class Bill(Generic[R]):
    """The bill of a day: an async iterator over its rows, which are typed and known to be WeChat Pay's.

        async with wxpay.bills.trade("2026-11-24") as bill:
            async for row in bill:
                ...
        bill.summary["订单总金额"]

    `async for row in wxpay.bills.trade(…)` does the same where all rows are read. `exists` is False for a day without movements, whose
    bill is empty.
    The summary is checked when the last row was given out: `BillMismatch` names the total that differs.
    """

    def __init__(self, fetch: Callable[[IO[bytes]], Awaitable[bool]], row_type: type[R], *, check: bool = True) -> None:
        self.exists: bool = True
        self._fetch = fetch
        self._row_type = row_type
        self._check = check
        self._file: IO[bytes] | None = None
        self._kept_open = False
        self._parser = BillParser(row_type, check=check)

    @property
    def summary(self) -> Summary | None:
        """The summary row, when all rows were read; None where the bill has none."""
        return self._parser.summary

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns, from the first row on."""
        return self._parser.header

    @property
    def count(self) -> int:
        """How many rows were read so far."""
        return self._parser.count

    async def __aenter__(self) -> Self:
        self._kept_open = True
        await self._open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def __aiter__(self) -> AsyncIterator[R]:
        return _Rows(self)

    def batches(self) -> AsyncIterator[list[R]]:
        """The rows in lists of a few hundred: for a database's `executemany`."""
        return _Batches(self)

    async def save(self, to: str | os.PathLike[str]) -> Path:
        """Write the bill as WeChat Pay wrote it (unzipped and opened) to a file, which appears whole or not at all."""
        source = await self._open()
        async with whole_file(to) as file:
            while piece := await to_thread.run_sync(source.read, CHUNK):
                await to_thread.run_sync(file.write, piece)
        if not self._kept_open:
            self._close()
        return Path(to)

    async def _open(self) -> IO[bytes]:
        """The text of the bill, proven, from its start."""
        if self._file is None:
            file = await to_thread.run_sync(tempfile.TemporaryFile)
            try:
                self.exists = await self._fetch(file)
            except BaseException:
                file.close()
                raise
            self._file = file
        await to_thread.run_sync(self._file.seek, 0)
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _begin(self) -> BillParser[R]:
        await self._open()
        self._parser = BillParser(self._row_type, check=self._check)
        return self._parser

    async def _read(self) -> bytes:
        assert self._file is not None  # noqa: S101 - reading begins with `_begin`
        return await to_thread.run_sync(self._file.read, _AHEAD)

    def _ended(self) -> None:
        if not self._kept_open:
            self._close()


class _Batches(AsyncIterator[list[R]]):
    """One pass over a bill. A class and not a generator, so that stopping in the middle leaves nothing for the event loop to finish."""

    def __init__(self, bill: Bill[R]) -> None:
        self._bill = bill
        self._parser: BillParser[R] | None = None
        self._ahead = b""
        self._over = False

    async def __anext__(self) -> list[R]:
        if self._over:
            raise StopAsyncIteration
        bill = self._bill
        try:
            if self._parser is None:
                self._parser = await bill._begin()  # pyright: ignore[reportPrivateUsage] — a bill and its iterator are one thing in two classes
            if not self._ahead:
                self._ahead = await bill._read()  # pyright: ignore[reportPrivateUsage] — as above
            piece, self._ahead = self._ahead[:CHUNK], self._ahead[CHUNK:]
            if piece:
                return self._parser.feed(piece)
            rows = self._parser.finish()
        except BaseException:
            self._end()
            raise
        self._end()
        return rows

    def _end(self) -> None:
        self._over = True
        self._bill._ended()  # pyright: ignore[reportPrivateUsage] — as above


class _Rows(AsyncIterator[R]):
    """The rows of the batches, one by one."""

    def __init__(self, bill: Bill[R]) -> None:
        self._batches = _Batches(bill)
        self._rows: Iterator[R] = iter(())

    async def __anext__(self) -> R:
        while True:
            for row in self._rows:
                return row
            self._rows = iter(await anext(self._batches))


class Bills:
    """The bills of a merchant: `wxpay.bills`. A day is a `date` or `"2026-11-24"`, three months back at most.

    Every method gives a `Bill`, which asks for it when it is first read. With `wait=True` it waits for one that is still being made, else
    it raises `BillNotReady`, whose `ready_at` says when to come back. A download that breaks off or expires begins anew with a new address,
    three times.
    """

    def __init__(
        self,
        client: BillClient,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = anyio.sleep,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._max_bytes = max_bytes

    def trade(
        self,
        day: Day,
        *,
        bill_type: Literal["ALL", "SUCCESS", "REFUND", "RECHARGE_REFUND", "ALL_SPECIAL", "SUC_SPECIAL", "REF_SPECIAL"] = "ALL",
        sub_mchid: str | None = None,
        wait: bool = False,
        check: bool = True,
    ) -> Bill[TradeRow]:
        """Payments and refunds: https://pay.weixin.qq.com/doc/v3/merchant/4013071227."""
        params = _params(bill_date=_day(day), bill_type=bill_type, sub_mchid=sub_mchid, tar_type="GZIP")
        return self.of("/v3/bill/tradebill", params, TradeRow, wait=wait, check=check)

    def fund_flow(
        self, day: Day, *, account_type: AccountType = "BASIC", sub_mchid: str | None = None, wait: bool = False, check: bool = True
    ) -> Bill[FundFlowRow]:
        """Movements of the merchant's own account: https://pay.weixin.qq.com/doc/v3/merchant/4013071228."""
        params = _params(bill_date=_day(day), account_type=account_type, sub_mchid=sub_mchid, tar_type="GZIP")
        return self.of("/v3/bill/fundflowbill", params, FundFlowRow, wait=wait, check=check)

    def sub_merchant_fund_flow(
        self,
        day: Day,
        *,
        sub_mchid: str,
        account_type: Literal["BASIC", "OPERATION", "FEES", "DEPOSIT"] = "BASIC",
        wait: bool = False,
        check: bool = True,
    ) -> Bill[FundFlowRow]:
        """Movements of one sub-merchant's account; comes encrypted: https://pay.weixin.qq.com/doc/v3/partner/4012760258."""
        params = _params(bill_date=_day(day), sub_mchid=sub_mchid, account_type=account_type, tar_type="GZIP", algorithm="AEAD_AES_256_GCM")
        return self.of("/v3/bill/sub-merchant-fundflowbill", params, FundFlowRow, wait=wait, check=check)

    def ecommerce_fund_flow(
        self, day: Day, *, account_type: Literal["ALL"] = "ALL", wait: bool = False, check: bool = True
    ) -> Bill[FundFlowRow]:
        """Movements of all sub-merchants of a platform; comes encrypted, in parts: https://pay.weixin.qq.com/doc/v3/partner/4014314390."""
        params = _params(bill_date=_day(day), account_type=account_type, tar_type="GZIP", algorithm="AEAD_AES_256_GCM")
        return self.of("/v3/ecommerce/bill/fundflowbill", params, FundFlowRow, wait=wait, check=check)

    def profit_sharing(self, day: Day, *, sub_mchid: str | None = None, wait: bool = False, check: bool = True) -> Bill[ProfitSharingRow]:
        """Shared money and returns of it: https://pay.weixin.qq.com/doc/v3/merchant/4012529628."""
        params = _params(bill_date=_day(day), sub_mchid=sub_mchid, tar_type="GZIP")
        return self.of("/v3/profitsharing/bills", params, ProfitSharingRow, wait=wait, check=check)

    def payscore(self, day: Day, *, service_id: str, wait: bool = False, check: bool = True) -> Bill[Row]:
        """Orders of the pay score; comes encrypted: https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter6_1_29.shtml."""
        params = _params(bill_date=_day(day), service_id=service_id, tar_type="GZIP", encryption_algorithm="AEAD_AES_256_GCM")
        return self.of("/v3/payscore/merchant-bill", params, Row, wait=wait, check=check)

    def withdraw_exceptions(self, day: Day, *, wait: bool = False, check: bool = True) -> Bill[Row]:
        """Withdrawals that did not succeed: https://pay.weixin.qq.com/wiki/doc/apiv3_partner/Offline/apis/chapter4_1_24.shtml."""
        params = _params(bill_date=_day(day), tar_type="GZIP")
        return self.of("/v3/merchant/fund/withdraw/bill-type/NO_SUCC", params, Row, wait=wait, check=check)

    def funds_to_oversea(self, day: Day, *, sub_mchid: str | None = None, wait: bool = False, check: bool = True) -> Bill[Row]:
        """Payments abroad: https://pay.weixin.qq.com/wiki/doc/apiv3_partner/apis/chapter7_10_4.shtml."""
        params = _params(bill_date=_day(day), sub_mchid=sub_mchid)
        return self.of("/v3/funds-to-oversea/bill-download-url", params, Row, wait=wait, check=check)

    def of(
        self,
        path: str,
        params: Mapping[str, str],
        row_type: type[R],
        *,
        wait: bool = False,
        check: bool = True,
        without_hash: Literal["refuse", "trust TLS"] = "refuse",
    ) -> Bill[R]:
        """Any operation that answers with a `download_url` or a `download_bill_list`: path and query as documented.

        `row_type=Row` takes the class that fits the header. A few overseas bills are announced without a hash: those are refused unless
        `without_hash="trust TLS"`.
        """

        async def fetch(file: IO[bytes]) -> bool:
            async def once() -> None:
                info = await self._client.bill_info(path, params)
                for part in _parts(info):
                    await self._download(part, file, trust=without_hash == "trust TLS")

            return await self._with_patience(once, file, params.get("bill_date") or self._today(), wait=wait)

        return Bill(fetch, row_type, check=check)

    def statement(
        self,
        day: Day,
        *,
        path: Literal["/v3/statements", "/v3/global/statements"] = "/v3/global/statements",
        mchid: str | None = None,
        sub_mchid: str | None = None,
        wait: bool = False,
        check: bool = True,
    ) -> Bill[Row]:
        """The overseas statement, whose signature covers its hash.

        https://pay.weixin.qq.com/wiki/doc/api_external/ch/apis/chapter3_1_7.shtml
        """
        params = _params(date=_day(day).replace("-", ""), mchid=mchid, sub_mchid=sub_mchid)

        async def fetch(file: IO[bytes]) -> bool:
            async def once() -> None:
                async with self._client.open_statement(path, params) as response:
                    if response.is_success:
                        expected, signed = signed_sha1(response.headers)
                        await self._client.verify_signed(response.headers, signed)
                        await receive(response, Sink(file, expected, max_bytes=self._max_bytes))
                    else:
                        await receive(response, Sink(file))

            return await self._with_patience(once, file, _day(day), wait=wait)

        return Bill(fetch, Row, check=check)

    def v2_trade(
        self,
        day: Day,
        *,
        appid: str,
        bill_type: Literal["ALL", "SUCCESS", "REFUND", "RECHARGE_REFUND"] = "ALL",
        wait: bool = False,
        check: bool = True,
    ) -> Bill[TradeRow]:
        """The trade bill of APIv2, which is neither signed nor hashed: https://pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_6."""
        fields = {"appid": appid, "bill_date": _day(day).replace("-", ""), "bill_type": bill_type, "tar_type": "GZIP"}
        return self._v2("/pay/downloadbill", fields, TradeRow, _day(day), wait=wait, check=check)

    def v2_fund_flow(
        self,
        day: Day,
        *,
        appid: str,
        account_type: Literal["Basic", "Operation", "Fees"] = "Basic",
        wait: bool = False,
        check: bool = True,
    ) -> Bill[FundFlowRow]:
        """The fund flow bill of APIv2: https://pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_18&index=7."""
        fields = {"appid": appid, "bill_date": _day(day).replace("-", ""), "account_type": account_type, "tar_type": "GZIP"}
        return self._v2("/pay/downloadfundflow", fields | {"sign_type": "HMAC-SHA256"}, FundFlowRow, _day(day), wait=wait, check=check)

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), CHINA).date().isoformat()

    def _v2(self, path: str, fields: Mapping[str, str], row_type: type[R], day: str, *, wait: bool, check: bool) -> Bill[R]:
        async def fetch(file: IO[bytes]) -> bool:
            async def once() -> None:
                async with self._client.open_v2_bill(path, fields) as response:
                    await receive(response, Sink(file, max_bytes=self._max_bytes))
                await to_thread.run_sync(_refuse_xml, file)

            return await self._with_patience(once, file, day, wait=wait)

        return Bill(fetch, row_type, check=check)

    async def _download(self, part: Mapping[str, Any], file: IO[bytes], *, trust: bool) -> None:
        url, expected = part.get("download_url"), ExpectedHash.of(part)
        if not isinstance(url, str):
            raise MalformedMessage("the reply names no download_url")
        if expected is None and not trust:
            raise MissingSignature(
                "this bill is announced without a hash, and its text is unsigned", hint='without_hash="trust TLS" takes it'
            )
        key = None
        if part.get("encrypt_key"):
            key = FileKey(self._client.decrypt_key(str(part["encrypt_key"])), str(part.get("nonce", "")).encode())
        try:
            async with self._client.open_download(url) as response:
                await receive(response, Sink(file, expected, key=key, max_bytes=self._max_bytes))
        except APIError as error:
            if error.status in _EXPIRED or error.retryable:
                raise _BrokenError(error) from error
            raise
        except DecryptionError as error:
            raise _BrokenError(error) from error
        await to_thread.run_sync(_end_line, file)

    async def _with_patience(self, once: Callable[[], Awaitable[None]], file: IO[bytes], day: str, *, wait: bool) -> bool:
        """Do it again with a new address where the old one broke; wait for a bill that is being made. False for one that does not exist."""
        left = _ATTEMPTS
        while True:
            try:
                await once()
            except APIError as error:
                if error.code == "NO_STATEMENT_EXIST":
                    await to_thread.run_sync(_empty, file)
                    return False
                if error.code != "STATEMENT_CREATING":
                    raise
                await self._until_ready(day, error, wait=wait)
            except _BrokenError as broken:
                left -= 1
                if not left:
                    raise broken.error from None
            except (TransportError, BadHash):
                left -= 1
                if not left:
                    raise
            else:
                return True
            await to_thread.run_sync(_empty, file)

    async def _until_ready(self, day: str, error: APIError, *, wait: bool) -> None:
        now = datetime.fromtimestamp(self._clock(), CHINA)
        morning = datetime.combine(date.fromisoformat(day) + timedelta(days=1), _READY, CHINA)
        ready_at = max(morning, now + _POLL)
        if not wait:
            raise BillNotReady(f"the bill of {day} is still being made", ready_at=ready_at) from error
        await self._sleep((ready_at - now).total_seconds())


class _BrokenError(Exception):
    """A download failed in a way that a new address may cure: the old one had expired, or what came was damaged."""

    def __init__(self, error: WechatpayError) -> None:
        super().__init__(str(error))
        self.error = error


def _day(day: Day) -> str:
    """`2026-11-24`, as most operations want it. Raises `InvalidData`."""
    if isinstance(day, datetime):
        day = (day.astimezone(CHINA) if day.tzinfo is not None else day).date()
    if isinstance(day, date):
        return day.isoformat()
    if not isinstance(day, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise InvalidData("$.bill_date", f"expected a day, got {type(day).__name__}", hint='a date, or text like "2026-11-24"')
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        raise InvalidData("$.bill_date", f"{day[:20]!r} is no day", hint='a date, or text like "2026-11-24"') from None


def _params(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _parts(info: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The files of a bill in their order. Raises `MalformedMessage` when one of several is missing."""
    if "download_bill_count" not in info:
        return [info]
    listed: object = info.get("download_bill_list", [])
    parts = cast("list[Mapping[str, Any]]", listed) if isinstance(listed, list) else []
    numbers = {part.get("bill_sequence") for part in parts}
    if not len(parts) == len(numbers) == info["download_bill_count"] or not all(isinstance(number, int) for number in numbers):
        raise MalformedMessage(f"the bill has {info['download_bill_count']} parts, and {len(numbers)} of them are listed")
    return sorted(parts, key=lambda part: int(part["bill_sequence"]))


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _end_line(file: IO[bytes]) -> None:
    """A part that has no final newline gets one, so that the next begins a line of its own."""
    if file.tell():
        file.seek(-1, os.SEEK_CUR)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _refuse_xml(file: IO[bytes]) -> None:
    """APIv2 answers 200 with XML where there is no bill. Raises the `APIError` that it stands for."""
    file.seek(0)
    head = file.read(_V2_ERROR)
    if not head.lstrip().startswith(b"<"):
        file.seek(0, os.SEEK_END)
        return
    _, content = xml.parse(head)
    fields = content if isinstance(content, dict) else {}
    message = str(fields.get("err_code_des") or fields.get("return_msg") or "")
    code = str(fields.get("err_code") or fields.get("error_code") or fields.get("return_code") or "")
    if _V2_EMPTY.search(message) or _V2_EMPTY.search(code):
        code = "NO_STATEMENT_EXIST"
    elif _V2_CREATING.search(message) or _V2_CREATING.search(code):
        code = "STATEMENT_CREATING"
    raise APIError(200, code, message, body=head[:4096])
