"""`wechatpay demo` and `wechatpay sandbox`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import click

from .output import WRONG, Output
from .settings import Settings, pass_settings

__all__ = ["demo", "sandbox"]


def _merchant_number(ctx: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 — click's signature
    if not (value.isascii() and value.isdigit()):
        raise click.BadParameter("a merchant number is digits alone")
    return value


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
        _stop_without_sandbox(settings.output)
    main(settings.output.language)


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="The loopback port.")
@click.option("--mchid", default="1900000109", show_default=True, callback=_merchant_number, help="The number of its merchant.")
@click.option("--mode", type=click.Choice(["public_key", "certificate"]), default="public_key", show_default=True)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("wechatpay-sandbox"), show_default=True)
@click.option("--state", type=click.Path(dir_okay=False), help="An SQLite file that keeps orders and keys over a restart.")
@pass_settings
def sandbox(settings: Settings, port: int, mchid: str, mode: str, folder: Path, state: str | None) -> None:
    """Run a WeChat Pay on this machine until Ctrl-C; it sends notifications as they fall due.

    Keys and settings for its merchant are written to --folder: use them with `wechatpay --env-file FOLDER/env …`, or from any language.
    """
    output = settings.output
    try:
        from wechatpay_async.sandbox import Sandbox, pages
    except ModuleNotFoundError:
        _stop_without_sandbox(output)
    made = Sandbox(mchid=mchid, mode="certificate" if mode == "certificate" else "public_key", state=state)
    server = made.serve(port, deliver=True)
    try:
        url = server.start()
    except OSError as error:
        output.stop(WRONG, output.choose(f"the port {port} cannot be had: {error}", f"端口 {port} 无法使用：{error}"))
    try:
        written = write_settings(made.settings(base_url=url), folder)
        if output.as_json:
            output.document({"url": url, "env_file": str(written)})
        output.line(output.choose(f"sandbox on {url}", f"沙箱：{url}"), style="bold")
        output.line(output.choose(f"pay in the cashier: {url}{pages.PREFIX}/cashier", f"在收银台付款：{url}{pages.PREFIX}/cashier"))
        output.line(output.choose(f"settings in {written}; stop with Ctrl-C", f"设置写在 {written}；按 Ctrl-C 停止"))
        wait_for_interrupt()
    except KeyboardInterrupt:
        return
    finally:
        server.stop()


def _stop_without_sandbox(output: Output) -> NoReturn:
    output.stop(
        WRONG,
        output.choose(
            "the sandbox is not installed; try: pip install 'wechatpay-async[sandbox]'",
            "没有安装沙箱，请运行：pip install 'wechatpay-async[sandbox]'",
        ),
    )


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
    """Sleep until Ctrl-C, which is a `KeyboardInterrupt`."""
    import threading

    threading.Event().wait()


def _secret_file(path: Path, content: object) -> Path:
    path.touch(mode=0o600)
    path.write_text(_text(content), encoding="utf-8")
    return path


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
