from __future__ import annotations

import json
import os
import random
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bills.samples import TRADE_BILL, TRADE_HEADER, bill
from wechatpay_async.bill_downloads import Bill
from wechatpay_async.bills import TradeRow, read_rows
from wechatpay_async.errors import InvalidData, RequestError
from wechatpay_async.reconcile import Difference, LedgerEntry, Report, Sums, entries, reconcile
from wechatpay_async.reconcile.engine import Matcher


def paid(number: str, yuan: str, state: str = "SUCCESS") -> str:
    values = {"交易状态": state, "商户订单号": number, "订单金额": yuan, "商户退款单号": "0", "申请退款金额": "0.00"}
    return ",".join("`" + values.get(name, "") for name in TRADE_HEADER.split(","))


def refunded(number: str, yuan: str, status: str = "SUCCESS", state: str = "REFUND", order: str = "ORDER") -> str:
    values = {"交易状态": state, "商户订单号": order, "订单金额": "0.00", "商户退款单号": number, "申请退款金额": yuan, "退款状态": status}
    return ",".join("`" + values.get(name, "") for name in TRADE_HEADER.split(","))


def rows(*lines: str) -> list[TradeRow]:
    return list(read_rows([bill(TRADE_HEADER, *lines)], TradeRow))


async def async_iterable(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


@pytest.mark.anyio
async def test_a_ledger_like_the_bill_agrees(anyio_backend: str) -> None:
    ledger = [LedgerEntry("A", 1234, status="SUCCESS"), LedgerEntry("R", 500, "refund", "SUCCESS")]

    report = await reconcile(ledger, rows(paid("A", "12.34"), refunded("R", "5.00")))

    assert report.agrees
    assert report.here == report.there == report.matched == Sums(1, 1234, 1, 500)
    assert report.differences == ()


@pytest.mark.anyio
async def test_nothing_agrees_with_nothing(anyio_backend: str) -> None:
    report = await reconcile(async_iterable([]), async_iterable([]))

    assert report.agrees
    assert report.there == Sums()


DIFFERENCES: dict[str, tuple[list[LedgerEntry], list[str], list[Difference]]] = {
    "missing here": ([], [paid("A", "1.00")], [Difference("payment", "A", "missing_here", None, 100, "", "SUCCESS")]),
    "missing there": (
        [LedgerEntry("A", 100, status="SUCCESS")],
        [],
        [Difference("payment", "A", "missing_there", 100, None, "SUCCESS", "")],
    ),
    "amount": (
        [LedgerEntry("A", 100, status="SUCCESS")],
        [paid("A", "1.01")],
        [Difference("payment", "A", "amount", 100, 101, "SUCCESS", "SUCCESS")],
    ),
    "status": (
        [LedgerEntry("A", 100, status="NOTPAY")],
        [paid("A", "1.00")],
        [Difference("payment", "A", "status", 100, 100, "NOTPAY", "SUCCESS")],
    ),
    "amount and status": (
        [LedgerEntry("A", 100, status="NOTPAY")],
        [paid("A", "2.00")],
        [Difference("payment", "A", "amount", 100, 200, "NOTPAY", "SUCCESS")],
    ),
    "twice in the ledger": (
        [LedgerEntry("A", 100), LedgerEntry("A", 100)],
        [paid("A", "1.00")],
        [Difference("payment", "A", "duplicate", 200, 100, "", "SUCCESS")],
    ),
    "twice in the ledger alone": (
        [LedgerEntry("A", 100), LedgerEntry("A", 100)],
        [],
        [Difference("payment", "A", "duplicate", 200, None, "", "")],
    ),
    "twice on the bill": (
        [LedgerEntry("A", 100, status="SUCCESS")],
        [paid("A", "1.00"), paid("A", "1.00")],
        [Difference("payment", "A", "duplicate", 100, 200, "SUCCESS", "")],
    ),
    "a refund of the number of a payment": (
        [LedgerEntry("A", 100, "refund")],
        [paid("A", "1.00")],
        [
            Difference("payment", "A", "missing_here", None, 100, "", "SUCCESS"),
            Difference("refund", "A", "missing_there", 100, None, "", ""),
        ],
    ),
    "a refund that failed": (
        [LedgerEntry("R", 100, "refund", "SUCCESS")],
        [refunded("R", "1.00", "FAIL")],
        [Difference("refund", "R", "status", 100, 100, "SUCCESS", "CLOSED")],
    ),
    "numbers of another case": (
        [LedgerEntry("a", 100)],
        [paid("A", "1.00")],
        [
            Difference("payment", "A", "missing_here", None, 100, "", "SUCCESS"),
            Difference("payment", "a", "missing_there", 100, None, "", ""),
        ],
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("case", DIFFERENCES)
async def test_every_difference_has_its_name(case: str, anyio_backend: str) -> None:
    ledger, lines, expected = DIFFERENCES[case]

    report = await reconcile(ledger, rows(*lines))

    assert list(report.differences) == expected
    assert report.total == len(expected)
    assert not report.agrees
    assert report.matched == Sums()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (LedgerEntry("A", 100), paid("A", "1.00")),
        (LedgerEntry("A", 100, status="REFUND"), paid("A", "1.00")),
        (LedgerEntry("R", 100, "refund"), refunded("R", "1.00", "FAIL")),
        (LedgerEntry("R", 100, "refund", "CLOSED"), refunded("R", "1.00", "FAIL")),
        (LedgerEntry("R", 100, "refund", "ABNORMAL"), refunded("R", "1.00", "CHANGE")),
        (LedgerEntry("R", 100, "refund", "SUCCESS"), refunded("R", "1.00", "PROCESSING")),
        (LedgerEntry("R", 100, "refund", "PROCESSING"), refunded("R", "1.00", "PROCESSING")),
        (LedgerEntry("A", 100, "refund"), refunded("0", "1.00", "", "REVOKED", order="A")),
        (("A", 100), paid("A", "1.00")),
        (("R", 100, "refund"), refunded("R", "1.00")),
    ],
)
async def test_words_that_mean_the_same_are_no_difference(entry: LedgerEntry, line: str, anyio_backend: str) -> None:
    report = await reconcile([entry], rows(line))

    assert report.agrees
    assert report.matched.payments + report.matched.refunds == 1


@pytest.mark.anyio
async def test_orders_that_were_never_paid_are_not_missed_on_the_bill(anyio_backend: str) -> None:
    ledger = [LedgerEntry("A", 100, status="NOTPAY"), LedgerEntry("B", 100, status="CLOSED"), LedgerEntry("C", 100, status="SUCCESS")]

    report = await reconcile(ledger, rows())

    assert report.unpaid == 2
    assert [difference.number for difference in report.differences] == ["C"]


@pytest.mark.anyio
async def test_streams_of_every_kind_are_read(anyio_backend: str) -> None:
    ledger = [LedgerEntry(f"N{number}", number) for number in range(4001)]
    lines = rows(*(paid(f"N{number}", f"{number // 100}.{number % 100:02d}") for number in range(4001)))

    def generator() -> Iterator[LedgerEntry]:
        yield from ledger

    for here, there in ((ledger, lines), (generator(), async_iterable(lines)), (async_iterable(ledger), iter(lines))):
        assert (await reconcile(here, there)).matched.payments == 4001


@pytest.mark.anyio
async def test_a_downloaded_bill_and_a_database_go_together(tmp_path: Path, anyio_backend: str) -> None:
    async def fetch(file: Any) -> bool:
        file.write(TRADE_BILL)
        return True

    database = sqlite3.connect(tmp_path / "shop.sqlite", check_same_thread=False)
    database.execute("CREATE TABLE ledger (number, fen, kind, status)")
    database.execute("INSERT INTO ledger VALUES ('ORDER-1', 1234, 'payment', 'SUCCESS'), ('REFUND-1', 514, 'refund', 'SUCCESS')")

    report = await reconcile(database.execute("SELECT number, fen, kind, status FROM ledger"), Bill(fetch, TradeRow))

    database.close()
    assert report.agrees
    assert report.matched == Sums(1, 1234, 1, 514)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("entry", "path"),
    [
        (LedgerEntry("", 100), "$.ledger[1].number"),
        ((17, 100), "$.ledger[1].number"),
        (("A", 1.5), "$.ledger[1].amount"),
        (("A", True), "$.ledger[1].amount"),
        (LedgerEntry("A", -1), "$.ledger[1].amount"),
        (("A", 100, "gift"), "$.ledger[1].kind"),
        ("A", "$.ledger[1]"),
        (("A",), "$.ledger[1]"),
    ],
)
async def test_a_line_of_the_ledger_that_cannot_be_right_is_named(entry: Any, path: str, tmp_path: Path, anyio_backend: str) -> None:
    with pytest.raises(InvalidData) as caught:
        await reconcile(async_iterable([LedgerEntry("A", 100), entry]), rows(), folder=tmp_path)

    assert caught.value.path == path
    assert os.listdir(tmp_path) == []


@pytest.mark.anyio
async def test_amounts_of_any_number_are_converted(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_CACHED", 2)
    ledger = [LedgerEntry(str(number), number) for number in range(9)]

    assert (await reconcile(ledger, rows(*(paid(str(number), f"0.0{number}") for number in range(9))))).agrees


@pytest.mark.anyio
async def test_a_folder_that_is_not_there_is_said(tmp_path: Path, anyio_backend: str) -> None:
    with pytest.raises(RequestError, match="no temporary files can be made"):
        await reconcile([], [], folder=tmp_path / "none")


@pytest.mark.anyio
async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Matcher, "add", full)

    with pytest.raises(RequestError, match="database or disk is full"):
        await reconcile([LedgerEntry("A", 100)], [], folder=tmp_path)

    assert os.listdir(tmp_path) == []


@pytest.mark.anyio
async def test_a_bill_of_another_kind_is_refused(anyio_backend: str) -> None:
    flow: Any = list(read_rows([bill("记账时间,收支类型", "`2026-11-24 10:02:04,`收入")], TradeRow))

    with pytest.raises(RequestError, match="a trade bill is wanted"):
        await reconcile([], flow)


@pytest.mark.anyio
async def test_a_bill_of_payments_alone_and_an_old_one_are_read(anyio_backend: str) -> None:
    old = read_rows([bill("商户订单号,交易状态,总金额", "`A,`SUCCESS,`1.0", "`B,`SUCCESS,`2")], TradeRow)

    report = await reconcile([LedgerEntry("A", 100), LedgerEntry("B", 200)], old)

    assert report.agrees


@pytest.mark.anyio
async def test_a_bill_of_refunds_alone_is_read(anyio_backend: str) -> None:
    lines = read_rows([bill("商户订单号,交易状态,商户退款单号,退款金额", "`A,`REFUND,`R,`1.00")], TradeRow)

    assert (await reconcile([LedgerEntry("R", 100, "refund")], lines)).agrees


@pytest.mark.anyio
async def test_all_differences_are_counted_and_the_first_are_listed(anyio_backend: str) -> None:
    report = await reconcile([], rows(*(paid(f"N{number}", "1.00") for number in range(9))), limit=3)

    assert report.counts == {"missing_here": 9, "missing_there": 0, "amount": 0, "status": 0, "duplicate": 0}
    assert [difference.number for difference in report.differences] == ["N0", "N1", "N2"]
    assert report.truncated


@pytest.mark.anyio
async def test_planted_differences_are_found_and_none_else(anyio_backend: str) -> None:
    chance = random.Random(8)  # noqa: S311 - repeatable rows, no secrets
    amounts = {f"N{number:06d}": chance.randrange(1, 10**6) for number in range(5_000)}
    planted = chance.sample(sorted(amounts), 100)
    ledger = [LedgerEntry(number, amount + (number in planted[:50])) for number, amount in amounts.items() if number not in planted[50:]]
    chance.shuffle(ledger)

    report = await reconcile(ledger, rows(*(paid(number, f"{amount // 100}.{amount % 100:02d}") for number, amount in amounts.items())))

    assert {difference.number for difference in report.differences} == set(planted)
    assert report.counts["amount"] == report.counts["missing_here"] == 50
    assert report.matched.payments == 4_900


ENTRY = st.tuples(st.sampled_from("ABC"), st.integers(0, 2), st.sampled_from(["payment", "refund"]))


@given(st.lists(ENTRY, max_size=6), st.lists(ENTRY, max_size=6))
def test_it_finds_what_a_plain_comparison_finds(here: list[Any], there: list[Any]) -> None:
    import anyio

    lines = rows(*((paid if kind == "payment" else refunded)(number, f"0.0{amount}") for number, amount, kind in there))

    report = anyio.run(reconcile, [LedgerEntry(*entry) for entry in here], lines)

    keys = {(kind, number) for number, _, kind in here + there}
    wrong = {
        key
        for key in keys
        if (mine := [entry for entry in here if (entry[2], entry[0]) == key]) != (theirs := [e for e in there if (e[2], e[0]) == key])
        or len(mine) > 1
        or len(theirs) > 1
    }
    assert {(difference.kind, difference.number) for difference in report.differences} == wrong


def report_of(*differences: Difference, unpaid: int = 0, more: int = 0) -> Report:
    counts: Any = {"missing_here": 0, "missing_there": 0, "amount": more, "status": 0, "duplicate": 0}
    for difference in differences:
        counts[difference.problem] += 1
    return Report(Sums(3, 1_234_567, 1, 100), Sums(2, 1_234_467, 1, 100), Sums(2, 1_234_467, 1, 100), unpaid, counts, differences)


WRONG = Difference("payment", "订单<script>1", "amount", 1234, None, "SUCCESS\x1b[2J", "")


def test_a_report_goes_into_a_terminal() -> None:
    assert report_of(WRONG, unpaid=2, more=1).as_text().splitlines() == [
        "                   Ledger       Bill    Matched",
        "──────────────  ─────────  ─────────  ─────────",
        "Payments                3          2          2",
        "Paid, yuan      12,345.67  12,344.67  12,344.67",
        "Refunds                 1          1          1",
        "Refunded, yuan       1.00       1.00       1.00",
        "",
        "2 orders of the ledger were never paid; the bill does not have them, rightly.",
        "2 × the amounts differ",
        "",
        "Kind     Number         Problem             Ledger, yuan  Bill, yuan  Ledger status  Bill status",
        "───────  ─────────────  ──────────────────  ────────────  ──────────  ─────────────  ───────────",
        "payment  订单<script>1  the amounts differ  12.34         –           SUCCESS�[2J    –",
        "… and 1 more",
    ]


def test_a_report_is_written_in_chinese_too() -> None:
    report = report_of(WRONG, unpaid=2, more=1)

    assert "2 × 金额不一致" in report.as_text("zh")
    page = report.as_html(language="zh")
    assert '<html lang="zh-CN">' in page
    assert "<h1>对账结果</h1>" in page
    assert "共 2 处差异。" in page


def test_an_agreement_is_short() -> None:
    assert report_of().as_text().splitlines()[-1] == "The ledger and the bill agree."


def test_a_report_goes_into_json() -> None:
    data = json.loads(json.dumps(report_of(WRONG).as_dict()))

    assert data["agrees"] is False
    assert data["total"] == 1
    assert data["differences"][0]["number"] == "订单<script>1"
    assert data["here"] == {"payments": 3, "payments_amount": 1_234_567, "refunds": 1, "refunds_amount": 100}


def test_a_report_is_a_page_of_its_own_with_every_value_escaped() -> None:
    page = report_of(WRONG, unpaid=2, more=1).as_html("Day & night <2026-11-24>")

    assert "<script>" not in page
    assert "订单&lt;script&gt;1" in page
    assert "<h1>Day &amp; night &lt;2026-11-24&gt;</h1>" in page
    assert "2 differences." in page
    assert "2 orders of the ledger were never paid" in page
    assert "… and 1 more" in page
    assert "http" not in page
    assert "src=" not in page


def test_a_page_of_an_agreement_has_no_differences() -> None:
    page = report_of().as_html()

    assert "The ledger and the bill agree." in page
    assert "Differences" not in page
    body = page.split("<body>")[1].removesuffix("</html>\n").removesuffix("</body>")
    assert ElementTree.fromstring(body).tag == "main"  # noqa: S314 - our own page


def test_amounts_below_a_yuan_keep_their_sign() -> None:
    difference = Difference("payment", "A", "amount", -7, 7, "", "")

    assert "-0.07" in report_of(difference).as_text()
