"""Where a command's settings come from: `--env-file` first, then the environment."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wechatpay_async.errors import (
    APIError,
    ConfigError,
    OutcomeUnknown,
    RequestError,
    SignatureError,
    TransportError,
    ValidationWarning,
    WechatpayError,
)

from .output import INTERRUPTED, NO, UNKNOWN, WRONG, Output

if TYPE_CHECKING:
    from wechatpay_async.client import Wechatpay

__all__ = ["Settings", "pass_settings", "read_argument", "read_text"]


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
    """Give a command the settings as its first argument, and turn this package's errors and warnings into exit codes and lines."""

    @click.pass_obj
    @wraps(command)
    def with_settings(settings: Settings, /, *arguments: Any, **options: Any) -> Any:
        output = settings.output
        with warnings.catch_warnings():
            warnings.simplefilter("always", ValidationWarning)
            warnings.showwarning = partial(_show_warning, output)
            try:
                return command(settings, *arguments, **options)
            except WechatpayError as error:
                output.stop(_exit_code(error), str(error), **_facts(error))
            except OSError as error:
                if error.errno == errno.EPIPE:
                    raise  # `| head -1`: click ends quietly
                output.stop(WRONG, str(error))
            except KeyboardInterrupt:
                output.stop(INTERRUPTED, output.choose("interrupted", "已中断"))

    return with_settings


def read_argument(text: str) -> bytes:
    """A value of the command line, byte for byte: itself, `@file`, or `-` for standard input."""
    if text == "-":
        return sys.stdin.buffer.read()
    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise click.BadParameter(f"no file {path}")
        return path.read_bytes()
    return text.encode("utf-8", "surrogateescape")


def read_text(text: str) -> str:
    """The same where text is wanted. Editors on Windows begin a file with a BOM, which is none of it."""
    try:
        return read_argument(text).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{text if text[:1] in '@-' else 'the argument'} is not UTF-8: {error}") from error


def _show_warning(output: Output, message: Warning | str, *_where: object, **_more: object) -> None:
    """A warning in one line, without the place in this package that gave it."""
    output.note(f"{output.choose('warning', '注意')}: {message}")


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
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError("--env-file", f"is not UTF-8: {error}", hint="save it as UTF-8") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
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
