"""Starts the command, or says which extra it needs."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """The entry point of `wechatpay` and of `python -m wechatpay_async.cli`."""
    try:
        from .app import wechatpay
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.exit(f"wechatpay: {error.name} is not installed; try: pip install 'wechatpay-async[cli]'")
    wechatpay()


if __name__ == "__main__":  # pragma: no cover - the tests run it in a process of its own
    main()
