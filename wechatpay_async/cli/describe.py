"""`wechatpay describe` and `wechatpay search`: the catalogue in the terminal."""

from __future__ import annotations

from typing import Any, Final, NoReturn, cast

import click

from wechatpay_async import catalog
from wechatpay_async.catalog import Event, Operation

from .fields import Facts, fields_of, kind_of
from .names import candidates, chain_of, read_target
from .output import NO, Output
from .samples import call_source
from .search import search_all
from .settings import Settings, pass_settings

__all__ = ["describe", "search"]

_KINDS_ZH: Final = {"operation": "接口", "notification": "通知", "error code": "错误码"}


@click.command()
@click.argument("name", nargs=-1, required=True)
@pass_settings
def describe(settings: Settings, name: tuple[str, ...]) -> None:
    """An operation or a notification.

    NAME is a path, a chain in Python or JavaScript, or an event type:
    `v3/pay/transactions/native`, `wxpay.v3.pay.transactions.native`, `TRANSACTION.SUCCESS`.
    """
    text, output = " ".join(name), settings.output
    event = catalog.event(text)
    if event is not None:
        _describe_event(output, event)
        return
    found = candidates(read_target(text))
    if not found:
        near = [hit.name for hit in search_all(text.replace(".", " ").replace("/", " "), 3)]
        _stop_with_suggestions(output, text, near)
    if output.as_json:
        output.document([_operation_facts(operation) for operation in found])
        return
    for operation in found:
        _describe_operation(output, operation)


def _stop_with_suggestions(output: Output, text: str, near: list[str]) -> NoReturn:
    message = output.choose(f"not in the catalogue: {text}", f"目录中没有：{text}")
    if near and not output.as_json:
        message += output.choose("\nperhaps: ", "\n是不是：") + ", ".join(near)
    output.stop(NO, message, near=near)


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=15, show_default=True)
@pass_settings
def search(settings: Settings, words: tuple[str, ...], limit: int) -> None:
    """Find operations, notifications and error codes: `wechatpay search 退款`, `wechatpay search partner refund`."""
    hits = search_all(" ".join(words), limit)
    output = settings.output
    if output.as_json:
        output.document([{"kind": hit.kind, "name": hit.name, "title": hit.title} for hit in hits])
    elif hits:
        output.table(
            [output.choose("kind", "种类"), output.choose("name", "名称"), output.choose("title", "标题")],
            [(output.choose(hit.kind, _KINDS_ZH[hit.kind]), hit.name, hit.title) for hit in hits],
        )
    if not hits:
        output.stop(NO, output.choose("nothing found", "没有找到"))


def _describe_operation(output: Output, operation: Operation) -> None:
    output.line(operation.title, style="bold")
    output.line(operation.id)
    output.line()
    output.line(call_source(chain_of(operation), operation), style="cyan")
    output.line()
    for flag, chinese in _flags(operation).items():
        output.line(f"• {output.choose(flag, chinese)}")
    for page in operation.docs:
        output.line(f"• {page}")
    output.line()
    parameters = [*operation.path_params, *operation.query_params, *operation.form]
    if parameters:
        output.table(
            _head(output, output.choose("parameter", "参数")),
            [_row(output, each["name"], cast("Facts", each), required=each["required"]) for each in parameters],
        )
    if operation.body is not None and not operation.is_upload:
        _schema_table(output, output.choose("body", "请求体"), cast("Facts", operation.body))
    for status, schema in operation.responses.items():
        if schema is not None and not operation.download:
            _schema_table(output, output.choose(f"answer {status}", f"应答 {status}"), cast("Facts", schema))


def _describe_event(output: Output, event: Event) -> None:
    if output.as_json:
        output.document(
            {"event": event.event, "api": event.api, "title": event.title, "resource": event.resource, "docs": list(event.docs)}
        )
        return
    output.line(event.title, style="bold")
    output.line(f"{event.event} ({event.api})")
    output.line()
    _schema_table(output, "resource", cast("Facts", event.resource))


def _schema_table(output: Output, name: str, schema: Facts) -> None:
    output.table(_head(output, name), [_row(output, path, field, required=required) for path, field, required in fields_of(schema)])


def _head(output: Output, name: str) -> list[str]:
    return [name, output.choose("type", "类型"), output.choose("required", "必填"), output.choose("meaning", "含义")]


def _row(output: Output, name: str, schema: Facts, *, required: bool) -> tuple[str, str, str, str]:
    notes = [str(schema.get("title", ""))]
    if schema.get("enum"):
        notes.append(" | ".join(str(value) for value in schema["enum"]))
    if schema.get("sensitive"):
        notes.append(output.choose("encrypted on the way", "加密传输"))
    return name, kind_of(schema), "✓" if required else "", "; ".join(filter(None, notes))


def _flags(operation: Operation) -> dict[str, str]:
    """What is special about an operation, in English and in Chinese."""
    flags = [
        (operation.deprecated, "deprecated by WeChat Pay", "微信支付已废弃"),
        (operation.client_cert, "needs the merchant's client certificate", "需要商户 API 证书（双向 TLS）"),
        (operation.download, "answers with a file", "应答是文件"),
        (not operation.response_signed, "the answer is not signed", "应答没有签名"),
        (bool(operation.base_url), f"host: {operation.base_url}", f"域名：{operation.base_url}"),
    ]
    return {english: chinese for is_raised, english, chinese in flags if is_raised}


def _operation_facts(operation: Operation) -> dict[str, Any]:
    """The whole fact, for machines."""
    return {
        "api": operation.api,
        "method": operation.method,
        "path": operation.path,
        "title": operation.title,
        "chain": chain_of(operation),
        "docs": list(operation.docs),
        "flags": list(_flags(operation)),
        "path_params": operation.path_params,
        "query_params": operation.query_params,
        "form": operation.form,
        "body": operation.body,
        "responses": dict(operation.responses),
    }
