"""The group of all commands; a command's module is imported when that command runs, so that `--help` is quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import click

from wechatpay_async._version import __version__

from .output import Output
from .settings import Settings

__all__ = ["wechatpay"]


class _Place(NamedTuple):
    """Where a command is, and what `--help` says of it without importing it."""

    module: str
    summary: str


_COMMANDS = {
    "bill": _Place("bill", "Download a bill, check it, convert it; reconcile it with a ledger."),
    "call": _Place("call", "Make a call; --dry-run shows the exact request and the five signed lines."),
    "certificates": _Place("certificates", "Download, list and verify platform certificates."),
    "decrypt": _Place("secrets", "Open a notification's resource, or a sensitive field."),
    "demo": _Place("run", "An order created, paid, refunded, a forged answer refused: against the sandbox."),
    "describe": _Place("describe", "An operation or a notification: fields, answer, flags, official page."),
    "doctor": _Place("doctor", "Check the configuration, part by part; --online asks WeChat Pay too."),
    "explain": _Place("explain", "Why a signature failed: from a SIGN_ERROR answer, a request or a notification."),
    "migrate": _Place("migrate", "The call here for one of wechatpayv3, or for a JavaScript chain."),
    "sandbox": _Place("run", "A WeChat Pay on a loopback port, with keys and settings for any client."),
    "search": _Place("describe", "Find operations, notifications and error codes, in Chinese and English."),
    "sign": _Place("secrets", "Sign a message with the merchant's private key."),
    "verify": _Place("secrets", "Verify a signature with WeChat Pay's key."),
}


class _LazyGroup(click.Group):
    """A group that knows its commands' names and summaries, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 — click's signature
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        command: Any = getattr(import_module(f".{place.module}", __package__), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name].summary) for name in sorted(_COMMANDS)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="wechatpay")
@click.option("--env-file", type=click.Path(exists=True, dir_okay=False), help="Read WECHATPAY_* from this file, before the environment.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of explanations; by default that of the terminal.")
@click.pass_context
def wechatpay(ctx: click.Context, env_file: str | None, as_json: bool, lang: str | None) -> None:
    """WeChat Pay from the shell.

    Settings come from WECHATPAY_* in the environment or in --env-file: WECHATPAY_MCHID, _SERIAL, _PRIVATE_KEY, _PUBLIC_KEY_ID,
    _PUBLIC_KEY, _APIV3_KEY, _SECRET, _MERCHANT_CERT, _BASE_URL.

    Exit codes: 0 done, 1 the answer or the check is no, 2 the command or a setting is wrong, 3 outcome unknown or no network,
    130 interrupted.
    """
    ctx.obj = Settings(env_file, Output(as_json=as_json, language=lang))
