from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.bills.samples import FLOW_BILL, FLOW_HEADER, FLOW_IN, FLOW_OUT, FLOW_SUMMARY, FLOW_SUMMARY_HEADER, PAYMENT, TRADE_BILL, bill
from wechatpay_async.bill_downloads import Bill, Bills
from wechatpay_async.bills import CHINA, FundFlowRow, ProfitSharingRow, Row, TradeRow
from wechatpay_async.errors import (
    APIError,
    AuthError,
    BadHash,
    BadSignature,
    BillMismatch,
    BillNotReady,
    DecryptionError,
    InvalidData,
    MalformedMessage,
    MissingSignature,
    ServerError,
    TransportError,
)
from wechatpay_async.protocol import v3

URL = "https://api.mch.weixin.qq.com/v3/billdownload/file?token="
#: 2026-11-25 09:30 in Shanghai.
MORNING = datetime(2026, 11, 25, 9, 30, tzinfo=CHINA).timestamp()


def sha1(text: bytes) -> str:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()


def announced(text: bytes, number: str = "1") -> dict[str, Any]:
    return {"download_url": URL + number, "hash_type": "SHA1", "hash_value": sha1(text)}


def refused(status: int, code: str) -> APIError:
    return v3.api_error(status, {}, f'{{"code":"{code}","message":"text"}}'.encode())


@dataclass
class Client:
    """Answers from lists, one after the other; the last one stays. Errors among the answers are raised."""

    infos: Sequence[dict[str, Any] | APIError] = ()
    files: Sequence[bytes | APIError | TransportError] = ()
    headers: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[Any] = field(default_factory=list[Any])
    signature_error: BadSignature | None = None

    def __post_init__(self) -> None:
        self._infos, self._files = list(self.infos), list(self.files)

    async def bill_info(self, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        self.asked.append((path, dict(params)))
        info = self._next(self._infos)
        if isinstance(info, APIError):
            raise info
        return cast("dict[str, Any]", info)

    @asynccontextmanager
    async def open_download(self, url: str) -> AsyncGenerator[httpx.Response, None]:
        self.asked.append(url)
        yield self._answer()

    @asynccontextmanager
    async def open_v2_bill(self, path: str, fields: Mapping[str, str]) -> AsyncGenerator[httpx.Response, None]:
        self.asked.append((path, dict(fields)))
        yield self._answer()

    @asynccontextmanager
    async def open_statement(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[httpx.Response, None]:
        self.asked.append((path, dict(params)))
        yield self._answer()

    async def verify_signed(self, headers: Mapping[str, str], body: bytes) -> None:
        self.asked.append(body)
        if self.signature_error is not None:
            raise self.signature_error

    def decrypt_key(self, ciphertext: str) -> bytes:
        return ciphertext.encode() * 4

    def _answer(self) -> httpx.Response:
        file = self._next(self._files)
        if isinstance(file, TransportError):
            raise file
        if isinstance(file, APIError):
            return httpx.Response(file.status, json={"code": file.code, "message": file.message})
        return httpx.Response(200, content=file, headers=self.headers)

    @staticmethod
    def _next(answers: list[Any]) -> Any:
        return answers.pop(0) if len(answers) > 1 else answers[0]


def bills_of(client: Client, *, now: float = MORNING, slept: list[float] | None = None, **options: Any) -> Bills:
    async def sleep(seconds: float) -> None:
        assert slept is not None
        slept.append(seconds)

    return Bills(client, clock=lambda: now, sleep=sleep, **options)


async def rows_of(read: Bill[Any]) -> list[Any]:
    return [row async for row in read]


@pytest.mark.anyio
async def test_the_rows_of_a_day_are_read_typed_and_checked(anyio_backend: str) -> None:
    client = Client([announced(TRADE_BILL)], [gzip.compress(TRADE_BILL)])
    read = bills_of(client).trade("2026-11-24")

    payment, refund = await rows_of(read)

    assert (payment.out_trade_no, payment.total, refund.out_refund_no, refund.refund_total) == ("ORDER-1", 1234, "REFUND-1", 514)
    assert read.exists
    assert read.summary is not None
    assert read.summary["订单总金额"] == "12.34"
    assert read.count == 2
    assert read.header[0] == "交易时间"
    assert client.asked == [("/v3/bill/tradebill", {"bill_date": "2026-11-24", "bill_type": "ALL", "tar_type": "GZIP"}), URL + "1"]


@pytest.mark.anyio
async def test_a_bill_can_be_left_in_the_middle_and_read_again(anyio_backend: str) -> None:
    client = Client([announced(TRADE_BILL)], [TRADE_BILL])

    async with bills_of(client).trade("2026-11-24") as read:
        async for row in read:
            assert row.out_trade_no == "ORDER-1"
            break
        assert len(await rows_of(read)) == 2
        assert len(await rows_of(read)) == 2

    assert client.asked.count(URL + "1") == 1


@pytest.mark.anyio
async def test_a_bill_left_open_needs_no_reading(anyio_backend: str) -> None:
    async with bills_of(Client([announced(TRADE_BILL)], [TRADE_BILL])).trade("2026-11-24") as read:
        assert read.exists
        assert read.summary is None


@pytest.mark.anyio
async def test_rows_come_in_batches_too(anyio_backend: str) -> None:
    big = bill(*TRADE_BILL.decode().splitlines()[:1], *[PAYMENT] * 1000)

    batches = [batch async for batch in bills_of(Client([announced(big)], [big])).trade("2026-11-24").batches()]

    assert len(batches) > 3
    assert sum(len(batch) for batch in batches) == 1000


@pytest.mark.anyio
@pytest.mark.parametrize("kept_open", [True, False])
async def test_a_bill_can_be_saved_as_it_was_written(kept_open: bool, tmp_path: Path, anyio_backend: str) -> None:
    target = tmp_path / "bill.csv"
    read = bills_of(Client([announced(TRADE_BILL)], [gzip.compress(TRADE_BILL)])).trade("2026-11-24")

    if kept_open:
        async with read:
            written = await read.save(target)
            assert len(await rows_of(read)) == 2
    else:
        written = await read.save(target)

    assert written == target
    assert target.read_bytes() == TRADE_BILL
    assert os.listdir(tmp_path) == ["bill.csv"]


ASKED: dict[str, tuple[Callable[[Bills], Bill[Any]], str, dict[str, str]]] = {
    "fund flow": (
        lambda bills: bills.fund_flow("2026-11-24", account_type="FEES"),
        "/v3/bill/fundflowbill",
        {"bill_date": "2026-11-24", "account_type": "FEES", "tar_type": "GZIP"},
    ),
    "sub-merchant": (
        lambda bills: bills.sub_merchant_fund_flow("2026-11-24", sub_mchid="1900000110", account_type="DEPOSIT"),
        "/v3/bill/sub-merchant-fundflowbill",
        {
            "bill_date": "2026-11-24",
            "sub_mchid": "1900000110",
            "account_type": "DEPOSIT",
            "tar_type": "GZIP",
            "algorithm": "AEAD_AES_256_GCM",
        },
    ),
    "ecommerce": (
        lambda bills: bills.ecommerce_fund_flow("2026-11-24"),
        "/v3/ecommerce/bill/fundflowbill",
        {"bill_date": "2026-11-24", "account_type": "ALL", "tar_type": "GZIP", "algorithm": "AEAD_AES_256_GCM"},
    ),
    "profit sharing": (
        lambda bills: bills.profit_sharing("2026-11-24", sub_mchid="1900000110"),
        "/v3/profitsharing/bills",
        {"bill_date": "2026-11-24", "sub_mchid": "1900000110", "tar_type": "GZIP"},
    ),
    "pay score": (
        lambda bills: bills.payscore("2026-11-24", service_id="500001"),
        "/v3/payscore/merchant-bill",
        {"bill_date": "2026-11-24", "service_id": "500001", "tar_type": "GZIP", "encryption_algorithm": "AEAD_AES_256_GCM"},
    ),
    "withdrawals": (
        lambda bills: bills.withdraw_exceptions("2026-11-24"),
        "/v3/merchant/fund/withdraw/bill-type/NO_SUCC",
        {"bill_date": "2026-11-24", "tar_type": "GZIP"},
    ),
    "abroad": (
        lambda bills: bills.funds_to_oversea("2026-11-24"),
        "/v3/funds-to-oversea/bill-download-url",
        {"bill_date": "2026-11-24"},
    ),
    "any other": (lambda bills: bills.of("/v3/some/bill", {"day": "1"}, Row), "/v3/some/bill", {"day": "1"}),
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ASKED)
async def test_every_bill_is_asked_for_as_documented(kind: str, anyio_backend: str) -> None:
    make, path, params = ASKED[kind]
    client = Client([announced(FLOW_BILL)], [FLOW_BILL])

    rows = await rows_of(make(bills_of(client)))

    assert client.asked[0] == (path, params)
    assert len(rows) == 2
    assert type(rows[0]) is (ProfitSharingRow if kind == "profit sharing" else FundFlowRow)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "day",
    [date(2026, 11, 24), "20261124", datetime(2026, 11, 24, 1, 0), datetime(2026, 11, 23, 17, 0, tzinfo=UTC)],
)
async def test_a_day_is_taken_in_the_time_of_shanghai(day: date | str, anyio_backend: str) -> None:
    client = Client([announced(TRADE_BILL)], [TRADE_BILL])

    await rows_of(bills_of(client).trade(day))

    assert client.asked[0][1]["bill_date"] == "2026-11-24"


def test_what_is_no_day_is_refused_at_once() -> None:
    with pytest.raises(InvalidData, match="yesterday"):
        bills_of(Client()).trade("yesterday")


@pytest.mark.anyio
async def test_a_day_without_movements_is_an_empty_bill(anyio_backend: str) -> None:
    read = bills_of(Client([refused(400, "NO_STATEMENT_EXIST")])).trade("2026-11-24")

    assert await rows_of(read) == []
    assert not read.exists
    assert read.summary is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("now", "ready"),
    [(MORNING, datetime(2026, 11, 25, 10, 0, tzinfo=CHINA)), (MORNING + 3600, datetime(2026, 11, 25, 10, 40, tzinfo=CHINA))],
    ids=["before ten", "after ten"],
)
async def test_a_bill_being_made_says_when_to_come_back(now: float, ready: datetime, anyio_backend: str) -> None:
    with pytest.raises(BillNotReady, match="2026-11-24") as caught:
        await rows_of(bills_of(Client([refused(400, "STATEMENT_CREATING")]), now=now).trade("2026-11-24"))

    assert caught.value.ready_at == ready
    assert isinstance(caught.value.__cause__, APIError)


@pytest.mark.anyio
async def test_it_can_wait_for_a_bill_being_made(anyio_backend: str) -> None:
    slept: list[float] = []
    client = Client([refused(400, "STATEMENT_CREATING"), announced(TRADE_BILL)], [TRADE_BILL])

    rows = await rows_of(bills_of(client, slept=slept).trade("2026-11-24", wait=True))

    assert len(rows) == 2
    assert slept == [1800.0]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "broken",
    [
        TransportError("broke off"),
        gzip.compress(TRADE_BILL)[:100] + b"",
        b"another text",
        refused(404, "RESOURCE_NOT_EXISTS"),
        refused(403, "NO_AUTH"),
        refused(502, ""),
    ],
    ids=["broken line", "half of it", "another", "expired", "forbidden", "busy"],
)
async def test_a_broken_download_begins_anew_with_a_new_address(broken: Any, anyio_backend: str) -> None:
    client = Client([announced(TRADE_BILL, "1"), announced(TRADE_BILL, "2")], [broken, TRADE_BILL])

    rows = await rows_of(bills_of(client).trade("2026-11-24"))

    assert len(rows) == 2
    assert [asked for asked in client.asked if isinstance(asked, str)] == [URL + "1", URL + "2"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (TransportError("broke off"), TransportError),
        (b"another text", BadHash),
        (refused(404, "RESOURCE_NOT_EXISTS"), APIError),
    ],
)
async def test_it_gives_up_after_three_addresses(broken: Any, kind: type[Exception], anyio_backend: str) -> None:
    client = Client([announced(TRADE_BILL)], [broken])

    with pytest.raises(kind):
        await rows_of(bills_of(client).trade("2026-11-24"))

    assert client.asked.count(URL + "1") == 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("infos", "files", "kind"),
    [
        ([refused(500, "SYSTEM_ERROR")], [], ServerError),
        ([announced(TRADE_BILL)], [refused(401, "SIGN_ERROR")], AuthError),
        ([{"hash_value": "00"}], [], MalformedMessage),
        ([{"download_url": URL}], [], MissingSignature),
        ([{"download_bill_count": 2, "download_bill_list": [announced(FLOW_BILL)]}], [], MalformedMessage),
        ([{"download_bill_count": 1, "download_bill_list": "x"}], [], MalformedMessage),
        ([{"download_bill_count": 1, "download_bill_list": [announced(FLOW_BILL)]}], [], MalformedMessage),
    ],
)
async def test_what_no_new_address_cures_is_raised_at_once(infos: Any, files: Any, kind: type[Exception], anyio_backend: str) -> None:
    client = Client(infos, files)

    with pytest.raises(kind):
        await rows_of(bills_of(client).trade("2026-11-24"))

    assert sum(not isinstance(asked, str) for asked in client.asked) == 1


@pytest.mark.anyio
async def test_rows_that_do_not_add_up_are_an_error_at_the_end(anyio_backend: str) -> None:
    wrong = TRADE_BILL.replace(b"`12.34,`5.14\n", b"`12.35,`5.14\n")
    read = bills_of(Client([announced(wrong)], [wrong])).trade("2026-11-24")

    with pytest.raises(BillMismatch, match="订单总金额"):
        await rows_of(read)


@pytest.mark.anyio
async def test_a_bill_without_a_hash_is_taken_only_when_asked_to(anyio_backend: str) -> None:
    client = Client([{"download_url": URL}], [FLOW_BILL])

    rows = await rows_of(bills_of(client).of("/v3/global/profit-sharing/bill-download-url", {}, Row, without_hash="trust TLS"))

    assert len(rows) == 2


def encrypted(text: bytes, sequence: int) -> tuple[dict[str, Any], bytes]:
    key, nonce = b"00000000" * 4, b"a8607ef79034c49c"
    info = {"bill_sequence": sequence, "encrypt_key": "00000000", "nonce": nonce.decode(), **announced(text, str(sequence))}
    return info, AESGCM(key).encrypt(nonce, gzip.compress(text), None)


@pytest.mark.anyio
async def test_the_parts_of_an_encrypted_bill_are_opened_and_joined_by_their_numbers(anyio_backend: str) -> None:
    first, first_file = encrypted(b"", 1)
    second, second_file = encrypted(bill(FLOW_HEADER, FLOW_IN).removesuffix(b"\n"), 2)
    third, third_file = encrypted(bill(FLOW_OUT, FLOW_SUMMARY_HEADER, FLOW_SUMMARY), 3)
    client = Client([{"download_bill_count": 3, "download_bill_list": [third, first, second]}], [first_file, second_file, third_file])
    read = bills_of(client).ecommerce_fund_flow("2026-11-24")

    rows = await rows_of(read)

    assert [row.direction for row in rows] == ["in", "out"]
    assert read.summary is not None
    assert client.asked[1:] == [URL + "1", URL + "2", URL + "3"]


@pytest.mark.anyio
async def test_a_damaged_part_is_downloaded_again(anyio_backend: str) -> None:
    info, file = encrypted(FLOW_BILL, 1)
    client = Client([{"download_bill_count": 1, "download_bill_list": [info]}], [file[:-1] + b"\0", file])

    rows = await rows_of(bills_of(client).ecommerce_fund_flow("2026-11-24"))

    assert len(rows) == 2


@pytest.mark.anyio
async def test_a_part_that_never_opens_says_so(anyio_backend: str) -> None:
    info, file = encrypted(FLOW_BILL, 1)
    client = Client([{"download_bill_count": 1, "download_bill_list": [info | {"encrypt_key": "11111111"}]}], [file])

    with pytest.raises(DecryptionError):
        await rows_of(bills_of(client).ecommerce_fund_flow("2026-11-24"))


@pytest.mark.anyio
async def test_a_statement_is_trusted_through_its_signed_hash(anyio_backend: str) -> None:
    client = Client([], [TRADE_BILL], {"Wechatpay-Statement-Sha1": sha1(TRADE_BILL)})

    rows = await rows_of(bills_of(client).statement("2026-11-24", path="/v3/statements", mchid="1900000109"))

    assert len(rows) == 2
    assert client.asked == [
        ("/v3/statements", {"date": "20261124", "mchid": "1900000109"}),
        f'{{"sha1":"{sha1(TRADE_BILL)}"}}'.encode(),
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("client", "kind"),
    [
        (Client([], [TRADE_BILL]), MissingSignature),
        (Client([], [TRADE_BILL], {"Wechatpay-Statement-Sha1": "0" * 40}), BadHash),
        (Client([], [TRADE_BILL], {"Wechatpay-Statement-Sha1": sha1(TRADE_BILL)}, signature_error=BadSignature("wrong")), BadSignature),
        (Client([], [refused(400, "PARAM_ERROR")]), APIError),
    ],
)
async def test_a_statement_that_is_not_proven_is_refused(client: Client, kind: type[Exception], anyio_backend: str) -> None:
    with pytest.raises(kind):
        await rows_of(bills_of(client).statement("2026-11-24"))


@pytest.mark.anyio
@pytest.mark.parametrize("text", [TRADE_BILL, gzip.compress(TRADE_BILL)], ids=["plain", "gzip"])
async def test_a_bill_of_apiv2_is_read(text: bytes, anyio_backend: str) -> None:
    client = Client([], [text])
    read = bills_of(client).v2_trade("2026-11-24", appid="wx8888888888888888")

    rows: list[TradeRow] = await rows_of(read)

    assert len(rows) == 2
    assert client.asked == [
        ("/pay/downloadbill", {"appid": "wx8888888888888888", "bill_date": "20261124", "bill_type": "ALL", "tar_type": "GZIP"})
    ]


@pytest.mark.anyio
async def test_a_fund_flow_of_apiv2_is_read(anyio_backend: str) -> None:
    client = Client([], [FLOW_BILL])

    rows = await rows_of(bills_of(client).v2_fund_flow("2026-11-24", appid="wx8888888888888888", account_type="Fees"))

    assert [row.amount for row in rows] == [1234, 514]
    assert client.asked[0][1]["sign_type"] == "HMAC-SHA256"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        "<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[No Bill Exist]]></return_msg></xml>",
        "<xml><return_code>SUCCESS</return_code><result_code>FAIL</result_code><err_code>NO_BILL_EXIST</err_code></xml>",
        "<xml><return_code>SUCCESS</return_code><result_code>FAIL</result_code><err_code_des>账单不存在</err_code_des></xml>",
    ],
)
async def test_no_bill_of_apiv2_is_an_empty_one(answer: str, anyio_backend: str) -> None:
    read = bills_of(Client([], [answer.encode()])).v2_trade("2026-11-24", appid="wx8888888888888888")

    assert await rows_of(read) == []
    assert not read.exists


@pytest.mark.anyio
async def test_a_bill_of_apiv2_being_made_says_when_to_come_back(anyio_backend: str) -> None:
    answer = b"<xml><return_code>FAIL</return_code><return_msg>Bill Creating</return_msg></xml>"

    with pytest.raises(BillNotReady):
        await rows_of(bills_of(Client([], [answer])).v2_trade("2026-11-24", appid="wx8888888888888888"))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"<xml><return_code>FAIL</return_code><return_msg>sign error</return_msg><error_code>20001</error_code></xml>", "20001"),
        (b"<xml>busy</xml>", ""),
    ],
)
async def test_another_error_of_apiv2_is_raised(answer: bytes, code: str, anyio_backend: str) -> None:
    with pytest.raises(APIError) as caught:
        await rows_of(bills_of(Client([], [answer])).v2_trade("2026-11-24", appid="wx8888888888888888"))

    assert caught.value.code == code
