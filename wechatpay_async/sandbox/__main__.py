"""The sandbox as a program: `python -m wechatpay_async.sandbox`. It prints how to connect, and serves until it is interrupted."""

from __future__ import annotations

import argparse
import ipaddress
import sys
import threading
from collections.abc import Sequence

from . import pages
from .control import PREFIX, environment
from .core import Sandbox

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, *, until: threading.Event | None = None) -> int:
    """Serve until interrupted, or until `until` is set; the exit status is 0, or 1 where the port cannot be had."""
    options = _parser().parse_args(arguments)
    sandbox = Sandbox(mchid=options.mchid, mode=options.mode, seed=options.seed, state=options.state)
    try:
        with sandbox.serve(options.port, host=options.host, mtls=options.mtls, deliver=True) as url:
            _say(_greeting(sandbox, url, options.host))
            (until or threading.Event()).wait()
    except OSError as error:
        sys.stderr.write(f"{error}: {error.__cause__ or 'another program listens there'}\n")
        return 1
    except KeyboardInterrupt:
        _say("stopped")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m wechatpay_async.sandbox", description="A WeChat Pay on your own machine.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (this machine alone by default)")
    parser.add_argument("--port", type=int, default=8900, help="the port, 0 for a free one (8900)")
    parser.add_argument("--mchid", default="1900000109", help="the merchant number (1900000109)")
    parser.add_argument("--mode", choices=["public_key", "certificate"], default="public_key", help="how the platform is verified")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers (0)")
    parser.add_argument("--state", metavar="FILE", help="an SQLite file that keeps the state over a restart")
    parser.add_argument("--mtls", action="store_true", help="serve HTTPS and ask for the client certificate")
    return parser


def _greeting(sandbox: Sandbox, url: str, host: str) -> str:
    lines = [f"WeChat Pay sandbox at {url}. No money moves here.", ""]
    if not _is_loopback(host):
        lines += [f"WARNING: it listens on {host}. Whoever reaches this port can read these keys and move its clock.", ""]
    lines += ["A client needs:", ""]
    lines += [f"export {name}='{value}'" for name, value in environment(sandbox, url).items()]
    if sandbox.merchant.mode == "certificate":
        lines += ["", 'The platform certificates are downloaded: Wechatpay.from_env(platform_keys="auto").']
    lines += [
        "",
        "The user pays with:",
        "",
        f"curl -X POST {url}{PREFIX}/pay -H 'Content-Type: application/json' -d '{{\"out_trade_no\": \"...\"}}'",
        "",
        f"or in the cashier: {url}{pages.PREFIX}/cashier",
        "",
        f"Notifications are delivered by the official schedule. Calls, and why a signature does not fit: {url}{pages.PREFIX}/calls",
    ]
    return "\n".join(lines)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
