"""The generated pages: one for each service, operation and notification, written from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from wechatpay_async import catalog
from wechatpay_async.catalog import Event, Operation, Parameter
from wechatpay_async.cli.fields import Facts, fields_of, kind_of
from wechatpay_async.cli.names import chain_of
from wechatpay_async.cli.samples import call_source

from .words import WORDS, Language, Words

__all__ = ["event_file", "operation_file", "write_reference"]


def write_reference(pages: Path, language: Language) -> None:
    """Write `reference/` below the folder of pages."""
    words = WORDS[language]
    services = list(catalog.services())
    _write(pages / "reference" / "operations" / "index.md", _services_page(services, words))
    for service in services:
        folder = pages / "reference" / "operations" / service
        operations = list(catalog.operations(service))
        _write(folder / "index.md", _service_page(service, operations, words))
        for operation in operations:
            _write(folder / operation_file(operation), _operation_page(operation, words))
    _write(pages / "reference" / "events" / "index.md", _events_page(words))
    for event in catalog.events():
        _write(pages / "reference" / "events" / event_file(event), _event_page(event, words))


def operation_file(operation: Operation) -> str:
    """`POST /v3/pay/transactions/native` -> `post-pay-transactions-native.md`; the overseas twin of a path says so."""
    path = re.sub(r"[^0-9A-Za-z_]+", "-", operation.path.removeprefix("/v3"))
    where = "overseas" if operation.base_url and operation.path == "/v3/certificates" else ""
    tail = "slash" if operation.path.endswith("/") else ""
    return "-".join(filter(None, [operation.method.lower(), path.strip("-"), tail, where])) + ".md"


def event_file(event: Event) -> str:
    """`TRANSACTION.SUCCESS` of APIv3 -> `v3-transaction.success.md`."""
    return f"{event.api}-{re.sub(r'[^0-9a-z.]+', '-', event.event.lower())}.md"


def _services_page(services: Sequence[str], words: Words) -> str:
    rows = [
        f"| [{_cell(service)}]({service}/index.md) | {_cell(_areas(operations, words))} | {len(operations)} |"
        for service in services
        for operations in [list(catalog.operations(service))]
    ]
    head = f"| {words.service} | {words.area} | {words.operations} |\n|---|---|---:|"
    return "\n".join([f"# {words.operations}", "", words.operations_intro, "", head, *rows, ""])


def _areas(operations: Sequence[Operation], words: Words) -> str:
    return "、".join(dict.fromkeys(tag.split("∙")[0] for operation in operations for tag in operation.tags)) or words.unpublished


def _service_page(service: str, operations: Sequence[Operation], words: Words) -> str:
    rows = [f"| [{_cell(each.title)}]({operation_file(each)}) | `{each.id}` |" for each in operations]
    return "\n".join(
        [f"# {service}", "", f"[{words.operations}](../index.md)", "", f"| {words.name} | {words.operation} |\n|---|---|", *rows, ""]
    )


def _events_page(words: Words) -> str:
    rows = [f"| [`{each.event}`]({event_file(each)}) | {_cell(each.title)} | {each.api} |" for each in catalog.events()]
    return "\n".join([f"# {words.events}", "", words.events_intro, "", f"| {words.event} | {words.name} | API |\n|---|---|---|", *rows, ""])


def _operation_page(operation: Operation, words: Words) -> str:
    chain = chain_of(operation)
    parts = [
        f"# {operation.title}",
        f"`{operation.id}`",
        f"[{operation.service}](index.md)",
        *_facts(operation, words),
        f"## {words.call}",
        words.call_intro.replace("QUICKSTART", "../../../quickstart.md"),
        f"```python\n{call_source(chain, operation)}\n```",
        *_parameters(words.path_values, operation.path_params, words),
        *_parameters(words.query, operation.query_params, words),
        *_parameters(words.upload, operation.form, words),
        *(_schema(words.body, cast("Facts", operation.body), words) if operation.body is not None and not operation.is_upload else []),
        *_answers(operation, words),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(operation: Operation, words: Words) -> Iterator[str]:
    """The list above the call: area, callers, host, flags, official pages."""
    lines = [f"- {words.area}: {_inline('、'.join(operation.tags))}"] if operation.tags else []
    if operation.roles:
        lines.append(f"- {words.callers}: {', '.join(words.roles.get(role, role) for role in operation.roles)}")
    if operation.base_url:
        lines.append(f"- {words.host}: `{operation.base_url}`")
    lines += [f"- {words.flags[flag]}" for flag in _flags(operation)]
    lines += [f"- {words.official}: <{page}>" for page in operation.docs] or [f"- {words.no_official}"]
    yield "\n".join(lines)


def _flags(operation: Operation) -> list[str]:
    raised = {
        "deprecated": operation.deprecated,
        "client_cert": operation.client_cert,
        "download": operation.download,
        "unsigned": not operation.response_signed,
        "no_nonce": operation.api == "v2" and not operation.nonce,
    }
    return [flag for flag, is_raised in raised.items() if is_raised]


def _parameters(title: str, parameters: Sequence[Parameter], words: Words) -> list[str]:
    rows = [_row(each["name"], cast("Facts", each), words, required=each["required"]) for each in parameters]
    return [f"## {title}", _table(rows, words)] if rows else []


def _answers(operation: Operation, words: Words) -> Iterator[str]:
    for status, schema in operation.responses.items():
        title = f"{words.answer} {status}"
        if operation.download:
            yield from (f"## {title}", words.file_body)
        elif schema is None:
            yield from (f"## {title}", words.empty_body)
        else:
            yield from _schema(title, cast("Facts", schema), words)


def _schema(title: str, schema: Facts, words: Words) -> list[str]:
    rows = [_row(path, field, words, required=required) for path, field, required in fields_of(schema)]
    return [f"## {title}", _table(rows, words) if rows else words.unpublished]


def _table(rows: Sequence[str], words: Words) -> str:
    head = f"| {words.field} | {words.kind} | {words.required} | {words.meaning} |\n|---|---|:-:|---|"
    return "\n".join([head, *rows])


def _row(name: str, schema: Facts, words: Words, *, required: bool) -> str:
    return f"| `{name}` | {kind_of(schema)} | {'✓' if required else ''} | {_meaning(schema, words)} |"


def _meaning(schema: Facts, words: Words) -> str:
    values = schema.get("enum") or (schema["items"].get("enum") if "items" in schema else None)
    notes = [_cell(schema.get("title", ""))]
    if values:
        notes.append(f"{words.one_of} {', '.join(f'`{value}`' for value in values)}")
    if "maxLength" in schema:
        notes.append(words.at_most.format(schema["maxLength"]))
    if schema.get("sensitive"):
        notes.append(f"**{words.sensitive}**")
    return "; ".join(filter(None, notes))


_HANDLER = """@router.on("{0}")
async def handle(notification: Notification) -> None:
    print(notification.id, notification.resource)"""

_ANSWERING_HANDLER = """@router.on("{0}")
async def handle(notification: Notification) -> Answer:
    print(notification.id, notification.resource)
    return notification.answer({1})"""

# What the events that are questions can be answered with.
_ANSWERS = {
    "CROSS_BORDER_PAY.GET_MCH_INFO": '{"acq_tid": "1", "mch_id": "1900000109", "limit_bank_acc_type": "UNLIMIT", "client_ip": "192.0.2.1"}',
    "CROSS_BORDER_PAY.PUSH_ORDER_INFO": (
        '{"acq_tid": "1", "prepay_id": "wx2611", "expire_time": "2026-11-26T13:29:35+08:00", "client_ip": "192.0.2.1"}'
    ),
    "PARKING_FEE.QUERY_TRANS_INFO": '{"total_amount": 500, "payable_amount": 500, "paid_amount": 0}',
    "ENTRUST.TERMINATE_RETENTION": '{"retention_type": "COUPON", "coupon_info": {"state": "NOT_SEND_COUPON"}}',
}


def _event_page(event: Event, words: Words) -> str:
    answer = _ANSWERS.get(event.event)
    handler = _HANDLER.format(event.event) if answer is None else _ANSWERING_HANDLER.format(event.event, answer)
    facts = [f"- {event.api}", *(f"- {words.original_type}: `{name}`" for name in event.original_types)]
    facts += [f"- {words.official}: <{page}>" for page in event.docs]
    parts = [
        f"# {event.title}",
        f"`{event.event}`",
        f"[{words.events}](index.md)",
        "\n".join(facts),
        *([f"## {words.handler}", f"```python\n{handler}\n```"] if event.api == "v3" else []),
        *_schema(words.resource if event.api == "v3" else words.body, cast("Facts", event.resource), words),
    ]
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    """Text that cannot break a table row or be taken for markup."""
    return _inline(text).replace("|", "\\|").replace("\n", " ")


def _inline(text: str) -> str:
    return re.sub(r"([\\`*_{}<>\[\]#])", r"\\\1", text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
