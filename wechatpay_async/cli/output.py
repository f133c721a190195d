"""What a command prints: lines for people, or one JSON document for machines."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["INTERRUPTED", "NO", "UNKNOWN", "WRONG", "Language", "Output", "is_utf8", "let_all_characters_pass"]

Language = Literal["en", "zh"]

#: The answer of WeChat Pay, or a check, is no.
NO = 1
#: The command line or a setting is wrong.
WRONG = 2
#: A write may have happened, or the network failed.
UNKNOWN = 3
#: Ctrl-C, as shells count it: 128 and the number of SIGINT.
INTERRUPTED = 130


class Output:
    """Prints in the way that the options of the command line ask for. `rich` is imported when something is to be drawn."""

    def __init__(self, *, as_json: bool = False, language: str | None = None) -> None:
        self.as_json = as_json
        self.language: Language = _language(language)
        let_all_characters_pass()

    @cached_property
    def console(self) -> Console:
        """The terminal; without colours where it is a pipe."""
        from rich.console import Console

        # A pipe has no width: lines are not broken, so that grep finds whole ones.
        return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=1000)

    def choose(self, english: str, chinese: str) -> str:
        """One of two texts, by language."""
        return chinese if self.language == "zh" else english

    def line(self, text: str = "", *, style: str | None = None) -> None:
        """One line for people; nothing for machines. `text` is printed as it is, markup included."""
        if not self.as_json:
            self.console.print(text, style=style, markup=False)

    def note(self, text: str) -> None:
        """A line beside the output, on standard error, for people and machines alike."""
        click.secho(text, err=True, fg="yellow" if sys.stderr.isatty() else None)

    def mark(self, *, good: bool, text: str) -> None:
        """A line that begins with a tick or a cross."""
        if not self.as_json:
            self.console.print("✓" if good else "✗", style="green" if good else "bold red", end=" ")
            self.console.print(text, markup=False)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table for people."""
        if self.as_json:
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for name in head:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table)

    def document(self, value: Any) -> None:
        """A JSON document: the whole output for machines; coloured for people on a terminal."""
        # Where the other end is no UTF-8, \u escapes are JSON still.
        text = json.dumps(value, ensure_ascii=not is_utf8(sys.stdout), indent=None if self.as_json else 2, default=str)
        if self.as_json or not sys.stdout.isatty():
            click.echo(text)
            return
        from rich.syntax import Syntax

        self.console.print(Syntax(text, "json", background_color="default", word_wrap=True))

    def stop(self, exit_code: int, message: str, /, **facts: Any) -> NoReturn:
        """Say what is wrong and end with an exit code."""
        if self.as_json:
            self.document({"error": message, **facts})
        else:
            click.secho(message, err=True, fg="red" if sys.stderr.isatty() else None)
        raise SystemExit(exit_code)


def let_all_characters_pass() -> None:
    """Where the terminal or the pipe has no tick or no Chinese (GBK, ASCII), show an escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def is_utf8(stream: TextIO) -> bool:
    """Whether what is written there may hold any character."""
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def _language(chosen: str | None, environ: Mapping[str, str] = os.environ) -> Language:
    found = chosen or environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "zh" if found.startswith("zh") else "en"
