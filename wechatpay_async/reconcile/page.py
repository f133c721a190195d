"""A reconciliation as a page that can be mailed, opened and printed: one file, nothing fetched, every value escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from wechatpay_async.reconcile.report import SUMS, row_of

if TYPE_CHECKING:
    from wechatpay_async.reconcile.report import Report
    from wechatpay_async.reconcile.words import Words

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


def render(report: Report, title: str, words: Words) -> str:
    """The whole page."""
    verdict = words.agrees if report.agrees else words.disagrees.format(count=report.total)
    parts = [
        "<!doctype html>",
        f'<html lang="{words.code}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {"good" if report.agrees else "bad"}">{verdict}</p>',
        _summary(report, words),
    ]
    if report.unpaid:
        parts.append(f"<p>{words.unpaid.format(count=report.unpaid)}</p>")
    if not report.agrees:
        parts += [f"<h2>{words.differences}</h2>", _counts(report, words), _differences(report, words)]
    if report.truncated:
        parts.append(f"<p>{words.more.format(count=report.total - len(report.differences))}</p>")
    return "\n".join([*parts, "</main></body></html>", ""])


def _summary(report: Report, words: Words) -> str:
    sides = (report.here, report.there, report.matched)
    head = "".join(f'<th class="number" scope="col">{name}</th>' for name in words.sides)
    body = "".join(
        f'<tr><th scope="row">{name}</th>' + "".join(f'<td class="number">{cell(side)}</td>' for side in sides) + "</tr>"
        for name, cell in zip(words.sums, SUMS, strict=True)
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def _counts(report: Report, words: Words) -> str:
    items = "".join(f"<li>{count:,} × {words.problems[problem]}</li>" for problem, count in report.counts.items() if count)
    return f"<ul>{items}</ul>"


def _differences(report: Report, words: Words) -> str:
    classes = ("", "id", "", "number", "number", "", "")
    head = "".join(f'<th class="{kind}" scope="col">{name}</th>' for name, kind in zip(words.columns, classes, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{escape(cell)}</td>' for cell, kind in zip(row_of(difference, words), classes, strict=True))
        + "</tr>"
        for difference in report.differences
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{words.differences}">{table}</div>'
