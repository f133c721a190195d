"""`wechatpay call`: one call from the shell, or what it would send."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import anyio
import click
import httpx

from wechatpay_async.auth import SIGNED_MESSAGE
from wechatpay_async.catalog import Operation
from wechatpay_async.client import Wechatpay
from wechatpay_async.response import Response

from .forensics import LINES
from .names import Target, candidates, read_target
from .output import NO, UNKNOWN, WRONG, Output
from .settings import Settings, pass_settings, read_text

__all__ = ["call"]


class _NotSent(Exception):
    """Carries the finished request out of a dry run."""

    def __init__(self, request: httpx.Request, body: bytes) -> None:
        super().__init__()
        self.request = request
        self.body = body


class _Recorder(httpx.AsyncBaseTransport):
    """A transport that sends nothing."""

    async def handle_async_request(self, request: httpx.Request) -> NoReturn:
        raise _NotSent(request, await request.aread())


@click.command()
@click.argument("target", nargs=-1, required=True)
@click.option(
    "--method", "-X", type=click.Choice(["GET", "POST", "PUT", "PATCH", "DELETE"], case_sensitive=False), help="Where the path has several."
)
@click.option("--data", "-d", help="The body: JSON text, @file, or - for standard input.")
@click.option("--path", "-p", "values", multiple=True, metavar="NAME=VALUE", help="A value for a placeholder.")
@click.option("--query", "-q", multiple=True, metavar="NAME=VALUE", help="A query parameter.")
@click.option("--header", "-H", multiple=True, metavar="NAME=VALUE")
@click.option("--file", "-f", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The file of an upload.")
@click.option("--output", "-o", "save_to", type=click.Path(dir_okay=False, path_type=Path), help="Write the answer there, as it came.")
@click.option("--dry-run", is_flag=True, help="Send nothing; print the exact request and the five signed lines.")
@pass_settings
def call(
    settings: Settings,
    target: tuple[str, ...],
    method: str | None,
    data: str | None,
    values: tuple[str, ...],
    query: tuple[str, ...],
    header: tuple[str, ...],
    file: Path | None,
    save_to: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Make a call.

    TARGET is a path or a chain: `v3/pay/transactions/native`, `v3.pay.transactions.out_trade_no._out_trade_no_`, with or without the
    verb before or behind it. The body is validated by the catalogue as in Python.
    """
    output = settings.output
    written = " ".join(target)
    wanted = read_target(written)
    verb, path = _resolve(output, wanted, method, has_data=data is not None or file is not None)
    if verb == "GET" and not (data is None and file is None):
        raise click.UsageError("GET takes no body; a query goes into --query")
    if save_to is not None and not save_to.parent.is_dir():
        raise click.BadParameter(f"no folder {save_to.parent}", param_hint="--output")
    body = None if data is None else _json(output, read_text(data))
    options: dict[str, Any] = {"params": _query_of(written) | _pairs(query), "headers": _pairs(header), **_pairs(values)}
    if file is not None:
        options["file"] = file
    client = settings.client(transport=_Recorder()) if dry_run else settings.client()
    try:
        response = anyio.run(_call, client, verb, path, body, options)
    except _NotSent as stopped:
        _show_request(output, stopped.request, stopped.body)
    except KeyboardInterrupt:
        if verb == "GET":
            raise
        output.stop(UNKNOWN, output.choose("interrupted: the outcome is unknown, query it", "已中断：结果未知，请查询"))
    else:
        _show_response(output, response, save_to)


async def _call(client: Wechatpay, verb: str, path: str, body: Any, options: dict[str, Any]) -> Response[Any]:
    async with client:
        node = client.chain(path)
        if verb == "GET":
            return await node.get(**options)
        if verb == "DELETE":
            return await node.delete(body, **options)
        if verb == "PUT":
            return await node.put(body, **options)
        if verb == "PATCH":
            return await node.patch(body, **options)
        return await node.post(body, **options)


def _resolve(output: Output, wanted: Target, method: str | None, *, has_data: bool) -> tuple[str, str]:
    """The verb and the path to call: the catalogue's where it has one, otherwise as written."""
    if method is not None:
        wanted = Target(method.upper(), wanted.segments)
    if len(wanted.segments) < 2 or wanted.segments[0] not in ("v2", "v3"):
        output.stop(WRONG, output.choose("no path: expected v3/… or v3.…", "不是路径：应为 v3/… 或 v3.…"))
    found = candidates(wanted)
    if len({operation.method for operation in found}) > 1:
        chosen = [operation for operation in found if operation.method == ("POST" if has_data else "GET")]
        found = chosen or found
    if not found:
        return wanted.method or ("POST" if has_data else "GET"), wanted.path
    return found[0].method, _path_of(found[0], wanted)


def _path_of(operation: Operation, wanted: Target) -> str:
    """The documented path, with the values that were written in the place of its placeholders."""
    template = operation.path.split("/")[1:]
    written = wanted.segments if operation.api == "v3" else wanted.segments[1:]
    segments = [
        text if segment.startswith("{") and not text.startswith(("{", "_", "$", ":")) else segment
        for segment, text in zip(template, (*written, ""), strict=False)
    ]
    return "/".join(segments if operation.api == "v3" else ["v2", *segments])


def _query_of(written: str) -> dict[str, str]:
    """The query of a target that was written with one: `v3/bill/tradebill?bill_date=2026-01-01`."""
    return dict(parse_qsl(written.partition("?")[2], keep_blank_values=True))


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"expected NAME=VALUE, got {text!r}")
        pairs[name] = value
    return pairs


def _json(output: Output, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        output.stop(WRONG, output.choose(f"--data is no JSON: {error}", f"--data 不是 JSON：{error}"))


def _show_request(output: Output, request: httpx.Request, body: bytes) -> None:
    """The request byte by byte as it would leave, and the message that its signature covers."""
    message: bytes = request.extensions.get(SIGNED_MESSAGE, b"")
    headers = {name.decode(): value.decode() for name, value in request.headers.raw}
    if output.as_json:
        output.document(
            {
                "method": request.method,
                "url": str(request.url),
                "headers": headers,
                "body": body.decode("utf-8", "backslashreplace"),
                "signed_message": message.decode("utf-8", "backslashreplace"),
            }
        )
        return
    output.line(f"{request.method} {request.url}", style="bold")
    for name, value in headers.items():
        output.line(f"{name}: {value}")
    output.line()
    output.line(body.decode("utf-8", "backslashreplace"))
    if message:
        output.line()
        output.line(output.choose("signed, each line ended by \\n:", "签名串，每行以 \\n 结束："), style="bold")
        lines = message[:-1].split(b"\n", 4)
        for number, (name, line) in enumerate(zip(LINES, lines, strict=True), 1):
            output.line(f"{number} {name:<15} {line.decode('utf-8', 'backslashreplace')}")


def _show_response(output: Output, response: Response[Any], save_to: Path | None) -> None:
    if save_to is not None:
        save_to.write_bytes(response.http.content)
        output.line(f"{response.status_code}, {len(response.http.content)} bytes -> {save_to}")
        return
    data = response.data
    if isinstance(data, bytes):
        output.stop(NO, output.choose(f"a file of {len(data)} bytes: give --output", f"应答是 {len(data)} 字节的文件：请用 --output"))
    if output.as_json:
        output.document({"status": response.status_code, "request_id": response.request_id, "data": data})
        return
    output.line(f"{response.status_code}  Request-ID {response.request_id}", style="bold")
    if data is not None:
        output.document(data if isinstance(data, Mapping | list) else str(data))
