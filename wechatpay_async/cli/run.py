"""`wechatpay demo` and `wechatpay sandbox`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .output import WRONG
from .settings import Settings, pass_settings

__all__ = ["demo", "sandbox"]

_NEEDED = "the sandbox is not installed; try: pip install 'wechatpay-async[sandbox]'"


@click.command()
@pass_settings
def demo(settings: Settings) -> None:
    """Run the demo on a loopback port.

    A partner's pay-score order is created, completed, its amount modified and queried; a native order is paid, refunded and queried; a
    tampered answer is refused.
    """
    try:
        from .demo import main
    except ModuleNotFoundError:
        settings.output.stop(WRONG, _NEEDED)
    main()


@click.command()
@click.option("--port", default=0, show_default="a free one", help="The loopback port.")
@click.option("--mchid", default="1900000109", show_default=True, help="The number of its merchant.")
@click.option("--mode", type=click.Choice(["public_key", "certificate"]), default="public_key", show_default=True)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("wechatpay-sandbox"), show_default=True)
@pass_settings
def sandbox(settings: Settings, port: int, mchid: str, mode: str, folder: Path) -> None:
    """Run a WeChat Pay on this machine until Ctrl-C.

    Keys and settings for its merchant are written to --folder: use them with `wechatpay --env-file FOLDER/env …`, or from any language.
    """
    try:
        from wechatpay_async.sandbox import Sandbox
    except ModuleNotFoundError:
        settings.output.stop(WRONG, _NEEDED)
    made = Sandbox(mchid=mchid, mode="certificate" if mode == "certificate" else "public_key")
    with made.serve(port) as url:
        written = write_settings(made.settings(base_url=url), folder)
        settings.output.line(f"sandbox on {url}", style="bold")
        settings.output.line(f"settings in {written}; stop with Ctrl-C")
        if settings.output.as_json:
            click.echo(json.dumps({"url": url, "env_file": str(written)}))
        wait_for_interrupt()


def write_settings(settings: dict[str, Any], folder: Path) -> Path:
    """Write a merchant's keys as PEM files, readable by their owner alone, and an env file that names them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ((key_id, key),) = settings["certs"].items()
    private = _secret_file(folder / "apiclient_key.pem", settings["private_key"])
    public = _secret_file(folder / "platform.pem", key)
    lines: dict[str, Any] = {
        "WECHATPAY_MCHID": settings["mchid"],
        "WECHATPAY_SERIAL": settings["serial"],
        "WECHATPAY_PRIVATE_KEY": private.resolve(),
        "WECHATPAY_PUBLIC_KEY_ID": key_id,
        "WECHATPAY_PUBLIC_KEY": public.resolve(),
        "WECHATPAY_APIV3_KEY": _text(settings["apiv3_key"]),
        "WECHATPAY_SECRET": _text(settings["secret"]),
        "WECHATPAY_BASE_URL": settings["base_url"],
    }
    return _secret_file(folder / "env", "".join(f"{name}={value}\n" for name, value in lines.items()))


def wait_for_interrupt() -> None:
    """Sleep until Ctrl-C."""
    import threading

    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return


def _secret_file(path: Path, content: object) -> Path:
    path.touch(mode=0o600)
    path.write_text(_text(content), encoding="utf-8")
    return path


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
