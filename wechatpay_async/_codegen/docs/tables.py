"""The tables that stand inside written pages, each in the place of a comment: error codes, benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wechatpay_async.cli.error_codes import ERROR_CODES, ErrorCode

from .words import Language

__all__ = ["fill_tables"]

_HEADS = {
    "en": ("| code | HTTP | meaning | cure |", "again?", {"no": "no", "same": "the same again", "later": "later", "query": "query first"}),
    "zh": ("| 错误码 | HTTP | 含义 | 解决 |", "能否重试", {"no": "不能", "same": "原样重试", "later": "稍后", "query": "先查询"}),
}


def fill_tables(pages: Path, language: Language, benchmarks: Path) -> None:
    """Put each table where a page asks for it."""
    tables = {"<!-- error codes -->": _error_codes(language), "<!-- benchmarks -->": _benchmarks(language, benchmarks)}
    for page in pages.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        filled = text
        for comment, table in tables.items():
            filled = filled.replace(comment, table)
        if filled != text:
            page.write_text(filled, encoding="utf-8")


def _error_codes(language: Language) -> str:
    head, repeat, answers = _HEADS[language]
    rows = [f"{head} {repeat} |", "|---|---|---|---|---|"]
    rows += [_error_row(code, language, answers[code.repeat]) for code in ERROR_CODES.values()]
    return "\n".join(rows)


def _error_row(code: ErrorCode, language: Language, repeat: str) -> str:
    meaning, cure = (code.meaning, code.cure) if language == "en" else (code.meaning_zh, code.cure_zh)
    return f"| `{code.code}` | {code.status} | {meaning} | {cure} | {repeat} |"


def _benchmarks(language: Language, path: Path) -> str:
    if not path.is_file():
        return "`nox -s bench`"
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    head = "| figure | ours | beside | ratio | spread | goal |" if language == "en" else "| 项目 | 本库 | 对照 | 比值 | 范围 | 目标 |"
    rows = [
        f"| {each['name']} | {_number(each['ours'])} {each['unit']} | {_number(each['theirs'])} {each['unit']} | {each['ratio']:.3f} "
        f"| {each['spread'][0]:.3f} … {each['spread'][1]:.3f} | {each['goal']} |"
        for each in result["figures"]
    ]
    machine = result["machine"]
    return "\n".join([f"Python {machine['python']}, {machine['cores']} cores.", "", head, "|---|---:|---:|---:|---|---|", *rows])


def _number(value: float) -> str:
    """`190647.6` -> `190,648`; `0.03451058` -> `0.03451`."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
