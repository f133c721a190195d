"""The Python examples of a documentation page, and how they are run: one after the other, as a reader would type them."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread

ROOT = Path(__file__).parent.parent.parent
LANGUAGES = ("en", "zh")
PAGES = [path for language in LANGUAGES for path in sorted((ROOT / "docs" / language).rglob("*.md"))]

#: A fence that says `python` and nothing else is executed; ``` { .python .other } is code of another library or of a file that is not here.
_FENCE = re.compile(r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_RUNS_ITSELF = re.compile(r"\b(anyio|asyncio|trio)\.run\(")


@dataclass(frozen=True)
class Example:
    """One block of a page, and the line that its code begins in."""

    page: Path
    line: int
    code: str

    def compiled(self) -> Any:
        """The block as a code object whose lines are the page's own; `await` may stand at its top."""
        shifted = "\n" * (self.line - 1) + self.code
        return compile(shifted, str(self.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)

    async def run(self, names: dict[str, Any]) -> None:
        """Execute the block. One that starts an event loop of its own does so in a thread of its own."""
        code = self.compiled()
        if _RUNS_ITSELF.search(self.code):
            await anyio.to_thread.run_sync(exec, code, {**names, "__name__": "__main__"})
            return
        result = eval(code, names)  # noqa: S307 — the examples of our own pages
        if inspect.isawaitable(result):
            await result


def examples(page: Path) -> list[Example]:
    """The blocks of one page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Example(page, text.count("\n", 0, found.start("code")) + 1, textwrap.dedent(found["code"])) for found in _FENCE.finditer(text)]
