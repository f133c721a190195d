"""`wechatpay migrate`: the call here for one of another library."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import click

from wechatpay_async import catalog
from wechatpay_async.catalog import Operation

from .names import candidates, chain_of, read_target
from .output import NO
from .samples import call_source
from .settings import Settings, pass_settings

__all__ = ["migrate"]


@click.command()
@click.argument("text", nargs=-1, required=True)
@pass_settings
def migrate(settings: Settings, text: tuple[str, ...]) -> None:
    """The call here for a method of wechatpayv3 (`wxpay.refund`) or a JavaScript chain (`wxpay.v3.pay.transactions.native.post`)."""
    written, output = " ".join(text), settings.output
    found = _of_wechatpayv3(written) or candidates(read_target(written))
    if not found:
        output.stop(
            NO,
            output.choose(
                f"neither a method of wechatpayv3 nor a documented chain: {written}",
                f"不是 wechatpayv3 的方法，也不是公开的调用链：{written}",
            ),
        )
    if output.as_json:
        output.document([{"operation": each.id, "title": each.title, "python": call_source(chain_of(each), each)} for each in found])
        return
    for operation in found:
        output.line(f"# {operation.title}  {operation.id}", style="dim")
        output.line(call_source(chain_of(operation), operation), style="cyan")
        output.line()


def _of_wechatpayv3(text: str) -> list[Operation]:
    """The operations behind a method of wechatpayv3, the direct merchant's first."""
    name = re.match(r"^(?:await\s+)?(?:\w+\.)?(\w+)\s*(?:\(.*)?$", text.strip(), re.DOTALL)
    table: dict[str, list[str]] = json.loads((files(__package__ or "") / "wechatpayv3.json").read_text(encoding="utf-8"))
    ids: list[Any] = table.get(name[1], []) if name else []
    operations = [catalog.operation("v3", *each.split(" ", 1)) for each in ids]
    return [operation for operation in operations if operation is not None]
