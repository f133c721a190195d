"""`python -m wechatpay_async._codegen` regenerates; `… diff <folder>` says what a new catalogue changes, `… import <folder>` takes it."""

from __future__ import annotations

import sys
from pathlib import Path

from .catalogue import write_catalogue
from .generated_types import write_types
from .intake import compare, take_in

USAGE = "usage: python -m wechatpay_async._codegen [diff <folder> | import <folder>], a folder with operations.jsonl and events.jsonl"


def main(arguments: list[str]) -> str:
    """Run one command; returns what is to be printed."""
    match arguments:
        case []:
            report = ""
        case ["diff", folder]:
            return compare(Path(folder)).report() + "\n"
        case ["import", folder]:
            report = take_in(Path(folder)).report() + "\n"
        case _:
            raise SystemExit(USAGE)
    write_catalogue()
    write_types()
    return report


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
