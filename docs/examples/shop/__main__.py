"""Start the shop, or its night: `python -m shop`, `python -m shop nightly`.

Without `WECHATPAY_MCHID` in the environment the shop brings a sandbox of its own; with it, it is the real thing.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack

import anyio
import uvicorn

from wechatpay_async import Wechatpay
from wechatpay_async.sandbox import Sandbox

from .app import make_app, open_shop
from .nightly import close_the_day, yesterday
from .settings import Settings


def main() -> int:
    """Run what the command line says; the exit status of the night is 1 where the books and the bill differ."""
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["serve", "nightly"], default="serve")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--day", help="the day of the books, as 2026-11-24; yesterday by default")
    options = parser.parse_args()
    if not 0 < options.port < 65536:
        parser.error("--port: a fixed one, since it stands in the address that WeChat Pay calls")
    if options.what == "nightly":
        return anyio.run(_night, options.day)
    _serve(options.host, options.port)
    return 0


def _serve(host: str, port: int) -> None:
    with ExitStack() as stack:
        if "WECHATPAY_MCHID" in os.environ:
            app = make_app(Settings.from_env(os.environ))
        else:
            # Beside the shop's own database: what the one knows after a restart, the other knows too.
            sandbox = Sandbox(state="shop-sandbox-wechatpay.sqlite")
            url = stack.enter_context(sandbox.serve(deliver=True))
            settings = Settings(
                mchid=sandbox.merchant.mchid,
                public_url=f"http://{host}:{port}",
                staff_password="staff",  # noqa: S106 - no money moves in the sandbox
                appid="wxd678efh567hg6787",
                sandbox_url=url,
                database=os.environ.get("SHOP_DATABASE", "sqlite:///shop-sandbox.sqlite"),
            )
            app = make_app(settings, lambda: Wechatpay(**sandbox.settings(base_url=url)), sandbox.clock)
            sys.stdout.write(
                f"the shop: {settings.public_url}\nits staff: {settings.public_url}/staff (password: staff)\n"
                f"WeChat Pay's sandbox, its cashier and its clock: {url}/_sandbox\n"
            )
            sys.stdout.flush()
        uvicorn.run(app, host=host, port=port, access_log=False)


async def _night(day: str | None) -> int:
    settings = Settings.from_env(os.environ)
    async with Wechatpay.from_env() as wxpay, open_shop(wxpay, settings) as shop:
        report = await close_the_day(shop, day or yesterday(shop.clock()))
    sys.stdout.write(f"{report.as_text()}\n")
    return 0 if report.agrees else 1


if __name__ == "__main__":
    sys.exit(main())
