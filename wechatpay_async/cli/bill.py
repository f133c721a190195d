"""`wechatpay bill`: downloads a bill, checks it, converts it, and reconciles it with a ledger."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, TextIO

import anyio
import click

from wechatpay_async.bill_downloads import Bill
from wechatpay_async.bills import CHUNK, TradeRow, read_rows
from wechatpay_async.downloads import whole_file
from wechatpay_async.errors import InvalidData

from .output import NO, is_utf8
from .settings import Settings, pass_settings

if TYPE_CHECKING:
    from wechatpay_async.reconcile import LedgerEntry, Report

__all__ = ["bill"]


class _Kind(NamedTuple):
    """A kind of bill: the method of `client.bills`, the options that it must have, and those that it may have."""

    method: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


_KINDS: Final = {
    "trade": _Kind("trade", takes=("sub_mchid",)),
    "fund-flow": _Kind("fund_flow", takes=("account_type", "sub_mchid")),
    "sub-merchant-fund-flow": _Kind("sub_merchant_fund_flow", needs=("sub_mchid",), takes=("account_type",)),
    "ecommerce-fund-flow": _Kind("ecommerce_fund_flow", takes=("account_type",)),
    "profit-sharing": _Kind("profit_sharing", takes=("sub_mchid",)),
    "payscore": _Kind("payscore", needs=("service_id",)),
    "withdraw-exceptions": _Kind("withdraw_exceptions"),
    "funds-to-oversea": _Kind("funds_to_oversea", takes=("sub_mchid",)),
    "statement": _Kind("statement", takes=("sub_mchid",)),
    "v2-trade": _Kind("v2_trade", needs=("appid",)),
    "v2-fund-flow": _Kind("v2_fund_flow", needs=("appid",), takes=("account_type",)),
}


class _DayOrCommand(click.Group):
    """`bill 2026-01-01` is short for `bill download 2026-01-01`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `download` before what begins with no command."""
        known = not args or args[0] in self.commands or args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if known else ["download", *args])


@click.group(cls=_DayOrCommand)
def bill() -> None:
    """Download a bill, check and convert it; or reconcile it with a ledger.

    `wechatpay bill DAY` is short for `wechatpay bill download DAY`, whose options `wechatpay bill download --help` lists.
    """


@bill.command()
@click.argument("day", metavar="DAY")
@click.option("--kind", type=click.Choice(tuple(_KINDS)), default="trade", show_default=True)
@click.option("--account-type", help="Whose movements: BASIC, OPERATION, FEES, … as the page of that bill has them.")
@click.option("--sub-mchid", help="A partner's sub-merchant.")
@click.option("--service-id", help="The service of a payscore bill.")
@click.option("--appid", help="The appid that the bills of APIv2 are asked for with.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "raw"]), help="By default csv, with --json jsonl.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="A file, which appears whole; needed for raw.")
@click.option("--wait", is_flag=True, help="Wait for a bill that is still being made.")
@pass_settings
def download(settings: Settings, day: str, kind: str, form: str | None, to: Path | None, *, wait: bool, **given: str | None) -> None:
    """Download the bill of DAY (2026-01-01), check its hash and its sums, and convert it.

    Amounts are in yuan, as WeChat Pay writes them. Rows that go to standard output come before the last check: mind the exit code.
    """
    output = settings.output
    form = form or ("jsonl" if output.as_json else "csv")
    if form == "raw" and to is None:
        raise click.UsageError("--format raw needs --to")
    options = _options_of(kind, given)
    rows = anyio.run(partial(_download, settings, day, _KINDS[kind].method, options | {"wait": wait}, form, to))
    if output.as_json and to is not None:
        output.document({"day": day, "kind": kind, "rows": rows, "file": str(to)})
    elif to is not None:
        output.line(output.choose(f"{rows} rows, checked -> {to}", f"{rows} 行，已核对 -> {to}"))


def _options_of(kind: str, given: Mapping[str, str | None]) -> dict[str, Any]:
    """The options that were given, if this kind of bill knows them all and lacks none."""
    chosen = {name: value for name, value in given.items() if value is not None}
    wanted = _KINDS[kind]
    for name in (*wanted.needs, *chosen):
        if name not in chosen:
            raise click.UsageError(f"--kind {kind} needs --{name.replace('_', '-')}")
        if name not in (*wanted.needs, *wanted.takes):
            raise click.UsageError(f"--kind {kind} has no --{name.replace('_', '-')}")
    return chosen


async def _download(settings: Settings, day: str, method: str, options: dict[str, Any], form: str, to: Path | None) -> int:
    """Read the bill to its end, which checks it, on its way into its form; a file takes its name after that."""
    async with settings.client() as client:
        rows: Bill[Any] = getattr(client.bills, method)(day, **options)
        async with rows:
            if not rows.exists:
                settings.output.note(settings.output.choose("no movements on that day: the bill is empty", "当天没有交易：账单为空"))
            if to is None:
                return await _convert(settings, rows, _Writer(form, sys.stdout), show=False)
            if form == "raw":
                count = await _convert(settings, rows, None, show=True)
                await rows.save(to)
                return count
            async with whole_file(to) as file:
                text = io.TextIOWrapper(file, encoding="utf-8", newline="")
                count = await _convert(settings, rows, _Writer(form, text), show=True)
                text.detach()
                return count


async def _convert(settings: Settings, rows: Bill[Any], writer: _Writer | None, *, show: bool) -> int:
    """Write the rows, with a progress bar on a terminal; the sums are checked when the last was read."""
    from rich.progress import Progress

    console = settings.output.console
    with Progress(console=console, disable=not show or settings.output.as_json or not console.is_terminal, transient=True) as progress:
        task = progress.add_task("rows", total=None)
        async for batch in rows.batches():
            if writer is not None:
                writer.write(rows.header, batch)
            progress.update(task, completed=rows.count, description=f"{rows.count:,}")
    if writer is not None:
        writer.write(rows.header, [])
    return rows.count


class _Writer:
    """Writes rows in one of the forms; for CSV the names of the columns once, before the first row or where there is none."""

    def __init__(self, form: str, file: TextIO) -> None:
        self._form = form
        self._file = file
        self._csv = csv.writer(file, lineterminator="\n")
        self._headed = False

    def write(self, header: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
        """Write some rows."""
        if self._form == "jsonl":
            escaped = not is_utf8(self._file)
            self._file.writelines(f"{json.dumps(dict(row), ensure_ascii=escaped)}\n" for row in rows)
            return
        if header and not self._headed:
            self._csv.writerow(header)
            self._headed = True
        self._csv.writerows(row.values() for row in rows)


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
    if html is not None and not html.parent.is_dir():
        raise click.BadParameter(f"no folder {html.parent}", param_hint="--html")
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
