"""`wechatpay bill`: downloads a bill, checks it, converts it, and reconciles it with a ledger."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import anyio
import click

from wechatpay_async.bill_downloads import Bill, Bills
from wechatpay_async.bills import CHUNK, TradeRow, read_rows
from wechatpay_async.errors import InvalidData

from .output import NO
from .settings import Settings, pass_settings

if TYPE_CHECKING:
    from wechatpay_async.reconcile import LedgerEntry, Report

__all__ = ["bill"]

_KINDS = ("trade", "fund-flow", "profit-sharing")


class _DayOrCommand(click.Group):
    """`bill 2026-01-01` is short for `bill download 2026-01-01`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `download` before what begins with no command."""
        known = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if known else ["download", *args])


@click.group(cls=_DayOrCommand)
def bill() -> None:
    """Download a bill, check and convert it; or reconcile it with a ledger.

    `wechatpay bill DAY` is short for `wechatpay bill download DAY`.
    """


@bill.command()
@click.argument("day", metavar="DAY")
@click.option("--kind", type=click.Choice(_KINDS), default="trade", show_default=True)
@click.option("--sub-mchid", help="A partner's sub-merchant.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "raw"]), default="csv", show_default=True)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of standard output; needed for raw.")
@click.option("--wait", is_flag=True, help="Wait for a bill that is still being made.")
@pass_settings
def download(settings: Settings, day: str, kind: str, sub_mchid: str | None, form: str, to: Path | None, *, wait: bool) -> None:
    """Download the bill of DAY (2026-01-01), check its hash and its sums, and convert it.

    Amounts are in yuan, as WeChat Pay writes them.
    """
    if form == "raw" and to is None:
        raise click.UsageError("--format raw needs --to")
    rows = anyio.run(_run, settings, day, kind, sub_mchid, form, to, wait)
    if settings.output.as_json and to is not None:
        settings.output.document({"day": day, "kind": kind, "rows": rows, "file": str(to)})
    elif to is not None:
        settings.output.line(settings.output.choose(f"{rows} rows, checked -> {to}", f"{rows} 行，已核对 -> {to}"))


async def _run(settings: Settings, day: str, kind: str, sub_mchid: str | None, form: str, to: Path | None, wait: bool) -> int:
    async with settings.client() as client:
        options: dict[str, Any] = {"wait": wait} if sub_mchid is None else {"wait": wait, "sub_mchid": sub_mchid}
        chosen = _chosen(client.bills, day, kind, options)
        async with chosen:
            if form == "raw" and to is not None:
                await chosen.save(to)
            return await _convert(settings, chosen, form, None if form == "raw" else to)


def _chosen(bills: Bills, day: str, kind: str, options: dict[str, Any]) -> Bill[Any]:
    if kind == "trade":
        return bills.trade(day, **options)
    if kind == "fund-flow":
        return bills.fund_flow(day, **options)
    return bills.profit_sharing(day, **options)


async def _convert(settings: Settings, rows: Bill[Any], form: str, to: Path | None) -> int:
    """Write the rows, with a progress bar on a terminal; the sums are checked when the last was read."""
    from rich.progress import Progress

    count = 0
    with ExitStack() as stack:
        file: IO[str] = sys.stdout if to is None else stack.enter_context(to.open("w", encoding="utf-8", newline=""))
        progress = stack.enter_context(
            Progress(console=settings.output.console, disable=to is None or settings.output.as_json, transient=True)
        )
        task = progress.add_task("rows", total=None)
        writer = _Writer(form, file)
        async for batch in _batches(rows):
            for row in batch:
                writer.write(row)
            count += len(batch)
            progress.update(task, completed=count, description=f"{count} rows")
    return count


async def _batches(rows: Bill[Any]) -> AsyncIterator[list[Mapping[str, str]]]:
    async for batch in rows.batches():
        yield batch


class _Writer:
    """Writes rows in one of the forms; `raw` writes none, since the rows are read for their check alone."""

    def __init__(self, form: str, file: IO[str]) -> None:
        self._form = form
        self._file = file
        self._csv: csv.DictWriter[str] | None = None

    def write(self, row: Mapping[str, str]) -> None:
        """Write one row; the first brings the header."""
        if self._form == "jsonl":
            self._file.write(json.dumps(dict(row), ensure_ascii=False) + "\n")
        elif self._form == "csv":
            if self._csv is None:
                self._csv = csv.DictWriter(self._file, fieldnames=list(row), lineterminator="\n")
                self._csv.writeheader()
            self._csv.writerow(dict(row))


@bill.command()
@click.argument("ledger", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--day", help="The day whose trade bill is downloaded: 2026-01-01.")
@click.option("--bill", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A trade bill saved with --format raw.")
@click.option("--sub-mchid", help="A partner's sub-merchant.")
@click.option("--wait", is_flag=True, help="Wait for a bill that is still being made.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as a page, too.")
@pass_settings
def reconcile(
    settings: Settings, ledger: Path, day: str | None, file: Path | None, sub_mchid: str | None, html: Path | None, *, wait: bool
) -> None:
    """Reconcile the CSV file LEDGER with a trade bill; exit code 0 when all agree, 1 when not.

    The first line of LEDGER names its columns: out_trade_no and amount (whole fen) are needed; status (in the words of the API; empty is
    not compared) and out_refund_no (fills a refund's line, whose amount is then the refund's) may be left out. Others are ignored.
    """
    if (day is None) == (file is None):
        raise click.UsageError("give one of --day and --bill")
    report = anyio.run(_reconcile, settings, ledger, day, file, sub_mchid, wait)
    language = settings.output.language
    if html is not None:
        html.write_text(report.as_html(language=language), encoding="utf-8")
    if settings.output.as_json:
        settings.output.document(report.as_dict())
    else:
        click.echo(report.as_text(language))
    if not report.agrees:
        raise SystemExit(NO)


async def _reconcile(settings: Settings, ledger: Path, day: str | None, file: Path | None, sub_mchid: str | None, wait: bool) -> Report:
    """Compare the two sides, with a progress bar on a terminal alone."""
    from rich.console import Console
    from rich.progress import Progress

    from wechatpay_async.reconcile import reconcile as compare

    console = Console(stderr=True)
    with Progress(console=console, disable=settings.output.as_json or not console.is_terminal, transient=True) as progress:
        task = progress.add_task(settings.output.choose("ledger", "账本"), total=(await anyio.Path(ledger).stat()).st_size)
        lines = _ledger(ledger, lambda done: progress.update(task, completed=done))
        if file is not None:
            with file.open("rb") as opened:
                return await compare(lines, read_rows(iter(partial(opened.read, CHUNK), b""), TradeRow))
        async with settings.client() as client:
            options: dict[str, Any] = {"wait": wait} if sub_mchid is None else {"wait": wait, "sub_mchid": sub_mchid}
            async with client.bills.trade(day or "", **options) as rows:
                return await compare(lines, rows)


def _ledger(path: Path, read: Callable[[int], None]) -> Iterator[LedgerEntry]:
    """The lines of a ledger; `read` hears how many bytes are behind."""
    from wechatpay_async.reconcile import LedgerEntry

    with path.open("rb") as file:
        try:
            table = csv.DictReader(_text(file, read))
            missing = {"out_trade_no", "amount"} - set(table.fieldnames or ())
            if missing:
                raise InvalidData("$.ledger", f"the first line names no column {' and no '.join(sorted(missing))}")
            for row in table:
                refund = (row.get("out_refund_no") or "").strip()
                yield LedgerEntry(
                    refund or (row["out_trade_no"] or "").strip(),
                    _fen(row["amount"], table.line_num),
                    "refund" if refund else "payment",
                    (row.get("status") or "").strip() or None,
                )
        except (UnicodeDecodeError, csv.Error) as error:
            raise InvalidData("$.ledger", f"no CSV in UTF-8: {error}", hint="save it as CSV UTF-8") from error


def _text(file: IO[bytes], read: Callable[[int], None]) -> Iterator[str]:
    done = 0
    for number, line in enumerate(file):
        done += len(line)
        if number % 1_000 == 0:
            read(done)
        yield line.decode("utf-8-sig" if number == 0 else "utf-8")


def _fen(text: str | None, line: int) -> int:
    amount = (text or "").strip()
    if not (amount.isascii() and amount.isdigit()):
        raise InvalidData(f"$.ledger[line {line}].amount", f"whole fen are wanted, not {amount!r}", hint="12.34 yuan are 1234")
    return int(amount)
