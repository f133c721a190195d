"""`wechatpay bill`: downloads a bill, checks it, converts it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import anyio
import click

from wechatpay_async.bill_downloads import Bill, Bills

from .settings import Settings, pass_settings

__all__ = ["bill"]

_KINDS = ("trade", "fund-flow", "profit-sharing")


@click.command()
@click.argument("day", metavar="DAY")
@click.option("--kind", type=click.Choice(_KINDS), default="trade", show_default=True)
@click.option("--sub-mchid", help="A partner's sub-merchant.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "raw"]), default="csv", show_default=True)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of standard output; needed for raw.")
@click.option("--wait", is_flag=True, help="Wait for a bill that is still being made.")
@pass_settings
def bill(settings: Settings, day: str, kind: str, sub_mchid: str | None, form: str, to: Path | None, *, wait: bool) -> None:
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
