"""What is wrong with a call, by the catalogue, before anything is sent; and what was probably meant after a 404."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from wechatpay_async import catalog
from wechatpay_async.chain import Call
from wechatpay_async.errors import RequestError
from wechatpay_async.spelling import nearest

# Imported at the first call: see wechatpay_async.catalog.
if TYPE_CHECKING:
    from wechatpay_async.catalog.validation import Problem

__all__ = ["check_header", "did_you_mean", "problems"]

# The caller's own number. `mchid` is that only where the catalogue titles it so: in other operations it can be another merchant's.
_OWN_NUMBERS = ("sp_mchid", "combine_mchid", "mchid")
_DIRECT_MERCHANT = "直连商户号"
# Headers that follow from the settings and the body.
_OWN_HEADERS = frozenset({"authorization", "host", "content-length", "content-encoding", "transfer-encoding", "accept-encoding"})
# RFC 9110, without the line ends that some readers of a header take for its end.
_HEADER_NAME = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


def problems(call: Call, mchid: str) -> Iterator[Problem]:
    """Everything that is wrong with a call, by the catalogue."""
    try:
        yield from _by_the_catalogue(call, mchid)
    except RecursionError:
        yield catalog.Problem("$", "is nested too deeply, or holds itself", always=True, page=None)


def _by_the_catalogue(call: Call, mchid: str) -> Iterator[Problem]:
    operation = call.operation
    if operation is None:
        return
    validator = catalog.compile_validator(operation)
    body = cast("object", {} if call.data is None and operation.body is not None else call.data)
    if isinstance(body, Mapping):
        yield from validator.check_body(_sent(operation, cast("Mapping[str, Any]", body)))
        yield from _foreign_numbers(operation, "$", cast("Mapping[str, Any]", body), mchid)
    yield from validator.check_query(_sent(operation, call.params))
    yield from _foreign_numbers(operation, "query", call.params, mchid)


def _sent(operation: catalog.Operation, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values that go on the wire: APIv2 leaves out what is None or empty, and signs without it."""
    if operation.api == "v3":
        return values
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _foreign_numbers(operation: catalog.Operation, root: str, values: Mapping[str, Any], mchid: str) -> Iterator[Problem]:
    """The caller's own number under its documented names must be the client's: a signature for another never fits."""
    if operation.api == "v2":
        return  # APIv2's number is filled in, and checked, where the fields are signed
    for name in _own_numbers(operation, root):
        given = values.get(name)
        if isinstance(given, (str, int)) and str(given) != mchid:
            yield catalog.Problem(
                f"{root}.{name}", f"expected this client's own number {mchid}, got another", always=True, page=operation.docs_url
            )


@cache
def _own_numbers(operation: catalog.Operation, root: str) -> tuple[str, ...]:
    """The fields of the body (`$`) or the query that hold the caller's own number."""
    schema = cast("Mapping[str, Any]", operation.body or {}) if root == "$" else operation.query_schema
    titles: Mapping[str, Any] = schema.get("properties", {})
    return tuple(name for name in _OWN_NUMBERS if name != "mchid" or titles.get(name, {}).get("title") == _DIRECT_MERCHANT)


def check_header(name: object, value: object) -> None:
    """Refuse a header that cannot be sent, or that is not the caller's to set. Raises `RequestError`, which does not show the value."""
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise RequestError(f"not a header's name: {name!r}", hint="ASCII letters, digits and hyphens")
    if name.lower() in _OWN_HEADERS:
        raise RequestError(f"the header {name} is this client's own", hint="it follows from the settings and the body")
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        raise RequestError(f"the header {name}: the value cannot be sent", hint="one line of ASCII text")


def did_you_mean(call: Call) -> str | None:
    """The documented paths that are nearest to one that WeChat Pay does not know."""
    paths = {operation.path for operation in catalog.operations() if operation.api == call.api and operation.method == call.method}
    near = nearest(call.template, paths, 3, likeness=0.75)
    return f"not in the catalogue; did you mean {' or '.join(near)}?" if near else None
