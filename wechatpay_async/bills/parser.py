"""Bytes of a bill in, checked rows out: incremental, in memory of the size of a chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar, cast

from wechatpay_async.bills.rows import Columns, Row, row_type_of, split_line, without_ticks
from wechatpay_async.bills.totals import Summary, Tally, is_summary_header, read_summary, totals_for
from wechatpay_async.errors import MalformedMessage

__all__ = ["CHUNK", "BillParser", "read_rows"]

R = TypeVar("R", bound=Row)

#: What to feed at a time, in bytes: small enough for the processor's cache (four times as much takes a third longer) and the event loop.
CHUNK = 65_536

_LONGEST_LINE = 1_000_000
_BOM = b"\xef\xbb\xbf"


class BillParser(Generic[R]):
    """One bill, fed in pieces of any size; every call gives the rows that are complete by then.

    `row_type` is the class of the rows; `Row` itself stands for the class that fits the header.
    `check=False` leaves the summary unchecked, for a bill that is known to be wrong.
    `summary` is the summary row, once it was read; a bill may have none. `count` is the number of rows so far.
    Raises `BillMismatch` from `finish` when the rows do not add up, `MalformedMessage` for what is no bill at all.
    """

    def __init__(self, row_type: type[R], *, check: bool = True) -> None:
        self.header: tuple[str, ...] = ()
        self.count: int = 0
        self.summary: Summary | None = None
        self._row_type = row_type
        self._check = check
        self._pending = b""
        self._first = True
        self._line_end = "\n"
        self._header_line = ""
        self._columns = Columns(())
        self._tally = Tally({})
        self._summary_header: str | None = None

    def feed(self, data: bytes) -> list[R]:
        """Take the next piece of the file; returns the rows that it completed."""
        data = self._pending + data
        end = data.rfind(b"\n") + 1
        self._pending = data[end:]
        if len(self._pending) > _LONGEST_LINE:
            raise MalformedMessage(f"line {self.count + 2} of the bill is longer than {_LONGEST_LINE:,} bytes: this is no bill")
        return self._lines(data[:end]) if end else []

    def finish(self) -> list[R]:
        """The file has ended; returns the last row where the file had no final newline, and checks the summary."""
        rest, self._pending = self._pending, b""
        rows = self._lines(rest + b"\n") if rest else []
        if self._summary_header is not None and self.summary is None:
            raise MalformedMessage("the bill ends after the header of its summary", hint="it was cut: download it again")
        return rows

    def _lines(self, data: bytes) -> list[R]:
        """Rows of whole lines."""
        if self._first:
            data = data.removeprefix(_BOM)
            self._first = False
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise MalformedMessage(f"the bill is not UTF-8 after row {self.count}", hint="was it downloaded with tar_type=GZIP?") from error
        if not self.header:
            head, _, text = text.partition("\n")
            self._read_header(head)
        if not text:
            return []
        return self._rows_alike(text) or self._rows_one_by_one(text.split("\n"))

    def _read_header(self, line: str) -> None:
        if line.startswith(("<", "{")):
            raise MalformedMessage("this is no bill but an answer of another kind", hint="look for an error in it")
        self._line_end = "\r\n" if line.endswith("\r") else "\n"
        self._header_line = line.rstrip("\r")
        self.header = tuple(without_ticks(self._header_line.split(",")))
        if len(set(self.header)) < len(self.header) or len(self.header) < 2:
            raise MalformedMessage(f"the first line is not the header of a bill: {line[:60]!r}")
        self._columns = Columns(self.header)
        self._tally = Tally(totals_for(self._columns) if self._check else {})
        if self._row_type is Row:
            self._row_type = cast("type[R]", row_type_of(self.header))

    def _rows_alike(self, text: str) -> list[R] | None:
        """The way of nearly every piece: all its lines are rows, each value behind its back-tick. None for a piece that is not so."""
        end = self._line_end
        if self._summary_header is not None or not text.startswith("`"):
            return None
        lines = text[1 : -len(end)].split(end + "`")
        if not text.count("\n") == text.count(end) == len(lines):
            return None
        values = [line.split(",`") for line in lines]
        if set(map(len, values)) != {len(self.header)} or any(is_summary_header("`" + line) for line in lines[-2:]):
            return None
        self._add(values)
        columns, row_type = self._columns, self._row_type
        return [row_type(columns, row) for row in values]

    def _rows_one_by_one(self, lines: list[str]) -> list[R]:
        """The way of the piece that holds the summary, and of files written untidily."""
        out: list[R] = []
        for line in (line.rstrip("\r").removeprefix("\ufeff") for line in lines):
            if not line or line == self._header_line:
                # The parts of a bill may each bring the header, and a BOM before it.
                continue
            if self.summary is not None:
                raise MalformedMessage(f"the bill goes on after its summary: {line[:60]!r}")
            if self._summary_header is not None:
                self.summary = read_summary(self._summary_header, line, self._tally)
            elif is_summary_header(line):
                self._summary_header = line
            else:
                row = self._split(line)
                self._add([row])
                out.append(self._row_type(self._columns, row, line))
        return out

    def _split(self, line: str) -> list[str]:
        row = line[1:].split(",`")
        if not line.startswith("`") or len(row) != len(self.header):
            # Not behind a back-tick each: or else a comma that was left in a value would make two of it.
            row = split_line(line)
        if len(row) != len(self.header):
            raise MalformedMessage(f"row {self.count + 1} of the bill has {len(row)} values for {len(self.header)} columns")
        return row

    def _add(self, values: list[list[str]]) -> None:
        self.count += len(values)
        self._tally.add(values)


def read_rows(chunks: Iterable[bytes], row_type: type[R], *, check: bool = True) -> Iterator[R]:
    """The rows of a bill that lies in a file or in memory: `read_rows(open(path, "rb"), TradeRow)` or `read_rows([data], TradeRow)`.

    The summary is checked when the last row has been given out: what is done with the rows should be undone on an error.
    Raises `BillMismatch` and `MalformedMessage` as `BillParser` does.
    """
    parser = BillParser(row_type, check=check)
    for chunk in chunks:
        yield from parser.feed(chunk)
    yield from parser.finish()
