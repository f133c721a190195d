"""`python -m wechatpay_async._codegen`: regenerate; `… import <folder>`: take in a new catalogue first, and report what is new."""

from __future__ import annotations

import sys
from pathlib import Path

from .catalogue import write_catalogue
from .generated_types import write_types
from .intake import take_in


def main(arguments: list[str]) -> str:
    """Run one command; returns what is to be printed."""
    report = ""
    match arguments:
        case []:
            pass
        case ["import", folder]:
            report = take_in(Path(folder)).report() + "\n"
        case _:
            raise SystemExit("usage: python -m wechatpay_async._codegen [import <folder with operations.jsonl and events.jsonl>]")
    write_catalogue()
    write_types()
    return report


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
