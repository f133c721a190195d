"""Where a command's settings come from: `--env-file` first, then the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wechatpay_async.errors import APIError, ConfigError, OutcomeUnknown, RequestError, SignatureError, TransportError, WechatpayError

from .output import NO, UNKNOWN, WRONG, Output

if TYPE_CHECKING:
    from wechatpay_async.client import Wechatpay

__all__ = ["Settings", "pass_settings", "read_argument"]


class Settings:
    """The settings of one run, and its output."""

    def __init__(self, env_file: str | None, output: Output) -> None:
        self.output = output
        self._env_file = env_file

    def environ(self) -> Mapping[str, str]:
        """`WECHATPAY_*`: from the file where one is given, over what the environment has."""
        return {**os.environ, **(_read_env_file(Path(self._env_file)) if self._env_file else {})}

    def client(self, **changes: Any) -> Wechatpay:
        """A client with these settings. Raises `ConfigError`."""
        from wechatpay_async.client import Wechatpay

        return Wechatpay.from_env(self.environ(), **changes)


def pass_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the settings as its first argument, and turn this package's errors into exit codes."""

    @click.pass_obj
    @wraps(command)
    def with_settings(settings: Settings, /, *arguments: Any, **options: Any) -> Any:
        try:
            return command(settings, *arguments, **options)
        except WechatpayError as error:
            settings.output.stop(_exit_code(error), str(error), **_facts(error))

    return with_settings


def read_argument(text: str) -> str:
    """A value of the command line: itself, `@file`, or `-` for standard input."""
    if text == "-":
        return sys.stdin.read()
    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise click.BadParameter(f"no file {path}")
        return path.read_text(encoding="utf-8")
    return text


def _exit_code(error: WechatpayError) -> int:
    if isinstance(error, ConfigError | RequestError):
        return WRONG
    if isinstance(error, TransportError) or (isinstance(error, APIError) and error.outcome_unknown):
        return UNKNOWN
    return NO


def _facts(error: WechatpayError) -> dict[str, Any]:
    """What a machine wants to know of an error beside its text."""
    facts: dict[str, Any] = {"class": type(error).__name__}
    if isinstance(error, APIError):
        facts |= {"status": error.status, "code": error.code, "detail": error.detail, "request_id": error.request_id}
    if isinstance(error, SignatureError):
        facts |= {"request_id": error.request_id, "serial": error.serial}
    if isinstance(error, OutcomeUnknown):
        facts |= {"query": error.query}
    return facts


def _read_env_file(path: Path) -> dict[str, str]:
    """Lines of `NAME=value`, with or without `export` and quotes; `#` begins a comment line."""
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError("--env-file", f"line {number} is no NAME=value")
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1].replace("\\n", "\n")
        found[name.strip()] = value
    return found
