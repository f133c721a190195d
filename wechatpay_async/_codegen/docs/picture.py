"""Draws the floors of the package, from the list that the test of the imports enforces."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from .words import Language

__all__ = ["draw", "read_floors"]

_WIDTH, _LEFT, _LINE, _PAD = 780, 56, 30, 30
#: What a floor is, by its lowest module of note.
_MEANING = {
    "errors": ("every exception", "全部异常"),
    "crypto": ("pure functions on bytes; the answer", "字节上的纯函数；应答"),
    "catalog": ("what the documentation says", "官方文档说了什么"),
    "protocol": ("what the protocol says", "协议说了什么"),
    "chain": ("names to operations, bytes to events and rows, settings to a merchant", "名称到接口，字节到事件与账单行，设置到商户"),
    "retry": ("decisions and stores, each by itself", "决定与存储，各自独立"),
    "auth": ("the edge to httpx: signing, keys, files", "通向 httpx 的边缘：签名、公钥、文件"),
    "transport": ("what these make together", "由它们组成的"),
    "connections": ("one pool or two", "一个或两个连接池"),
    "client": ("Wechatpay: settings, lifetime, the pipeline", "Wechatpay：设置、生命周期、流水线"),
    "sandbox": ("thin edges; sandbox reads the facts of the catalogue and nothing else", "薄薄的边缘；sandbox 只读目录里的事实"),
    "cli": ("the command", "命令行"),
}


def read_floors(test: Path) -> list[set[str]]:
    """The floors from the ground up, as `tests/test_floors.py` has them."""
    for statement in ast.parse(test.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "FLOORS":
            return cast("list[set[str]]", ast.literal_eval(statement.value))
    raise LookupError("FLOORS")


def draw(floors: Sequence[set[str]], language: Language) -> str:
    """An SVG with the highest floor at the top."""
    boxes: list[str] = []
    top = 12
    for number, modules in reversed(list(enumerate(floors))):
        height, floor = _floor(number, sorted(name for name in modules if not name.startswith("_")), language, top)
        boxes.append(floor)
        top += height + 6
    size = f'viewBox="0 0 {_WIDTH} {top + 6}" font-family="system-ui, sans-serif" font-size="13"'
    ground = '<rect width="100%" height="100%" rx="10" fill="#f6f8f7"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{ground}\n{"".join(boxes)}</svg>\n'


def _floor(number: int, modules: Sequence[str], language: Language, top: int) -> tuple[int, str]:
    """One floor: its height and its drawing."""
    x, y, drawn = _LEFT, top + _PAD, ""
    for name in modules:
        width = round(len(name) * 7.4) + 16
        if x + width > _WIDTH - 24:
            x, y = _LEFT, y + _LINE
        drawn += (
            f'<rect x="{x}" y="{y}" width="{width}" height="22" rx="4" fill="#fff" stroke="#6f9a84"/>'
            f'<text x="{x + width / 2:g}" y="{y + 15}" text-anchor="middle" fill="#14251c" font-family="ui-monospace, monospace" '
            f'font-size="12">{name}</text>\n'
        )
        x += width + 8
    height = y + _LINE - top
    meaning = next((text[language == "zh"] for name, text in _MEANING.items() if name in modules), "")
    shade = "#e3efe8" if number % 2 else "#eef5f1"
    frame = (
        f'<rect x="12" y="{top}" width="{_WIDTH - 24}" height="{height}" rx="6" fill="{shade}" stroke="#b9d3c5"/>'
        f'<text x="26" y="{top + 34}" font-size="17" font-weight="700" fill="#07693a">{number}</text>'
        f'<text x="{_LEFT}" y="{top + 20}" fill="#33453b">{meaning}</text>\n'
    )
    return height, frame + drawn
