"""A reconciliation as a page that can be mailed, opened and printed: one file, nothing fetched, every value escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from wechatpay_async.reconcile.report import MEANINGS, row_of, yuan

if TYPE_CHECKING:
    from wechatpay_async.reconcile.report import Report

__all__ = ["render"]

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --good: #0a7d3c; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --good: #5fd68b; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { border-left: .3rem solid; padding: .4rem .8rem; } .good { color: var(--good); } .bad { color: var(--bad); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .7rem; text-align: left; white-space: nowrap; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; } td.id { font-family: ui-monospace, monospace; }
"""


def render(report: Report, title: str) -> str:
    """The whole page."""
    verdict = "The ledger and the bill agree." if report.agrees else f"{report.total:,} differences."
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {"good" if report.agrees else "bad"}">{verdict}</p>',
        _summary(report),
    ]
    if report.unpaid:
        parts.append(f"<p>{report.unpaid:,} orders of the ledger were never paid; the bill does not have them, rightly.</p>")
    if not report.agrees:
        parts += ["<h2>Differences</h2>", _counts(report), _differences(report)]
    if report.truncated:
        parts.append(f"<p>… and {report.total - len(report.differences):,} more.</p>")
    return "\n".join([*parts, "</main></body></html>", ""])


def _summary(report: Report) -> str:
    sides = (report.here, report.there, report.matched)
    rows = [
        ("Payments", *(f"{side.payments:,}" for side in sides)),
        ("Paid, yuan", *(yuan(side.payments_amount) for side in sides)),
        ("Refunds", *(f"{side.refunds:,}" for side in sides)),
        ("Refunded, yuan", *(yuan(side.refunds_amount) for side in sides)),
    ]
    head = "".join(f'<th class="number" scope="col">{name}</th>' for name in ("Ledger", "Bill", "Matched"))
    body = "".join(
        f'<tr><th scope="row">{name}</th>' + "".join(f'<td class="number">{value}</td>' for value in values) + "</tr>"
        for name, *values in rows
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def _counts(report: Report) -> str:
    items = "".join(f"<li>{count:,} × {MEANINGS[problem]}</li>" for problem, count in report.counts.items() if count)
    return f"<ul>{items}</ul>"


def _differences(report: Report) -> str:
    names = ("Kind", "Number", "Problem", "Ledger, yuan", "Bill, yuan", "Ledger status", "Bill status")
    classes = ("", "id", "", "number", "number", "", "")
    head = "".join(f'<th class="{kind}" scope="col">{name}</th>' for name, kind in zip(names, classes, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{escape(cell)}</td>' for cell, kind in zip(row_of(difference), classes, strict=True))
        + "</tr>"
        for difference in report.differences
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
