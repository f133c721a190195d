"""What is wrong with a call, by the catalogue, before anything is sent; and what was probably meant after a 404."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from wechatpay_async import catalog
from wechatpay_async.catalog.validation import Problem, compile_validator
from wechatpay_async.chain import Call
from wechatpay_async.spelling import nearest

__all__ = ["did_you_mean", "problems"]

# The caller's own number. `mchid` is that only where the catalogue titles it so: in other operations it can be another merchant's.
_OWN_NUMBERS = ("sp_mchid", "combine_mchid", "mchid")
_DIRECT_MERCHANT = "直连商户号"


def problems(call: Call, mchid: str) -> Iterator[Problem]:
    """Everything that is wrong with a call, by the catalogue."""
    operation = call.operation
    if operation is None:
        return
    validator = compile_validator(operation)
    body = cast("object", {} if call.data is None and operation.body is not None else call.data)
    if isinstance(body, Mapping):
        yield from validator.check_body(body)
        yield from _foreign_numbers(operation, "$", cast("Mapping[str, Any]", body), mchid)
    yield from validator.check_query(call.params)
    yield from _foreign_numbers(operation, "query", call.params, mchid)


def _foreign_numbers(operation: catalog.Operation, root: str, values: Mapping[str, Any], mchid: str) -> Iterator[Problem]:
    """The caller's own number under its documented names must be the client's: a signature for another never fits."""
    if operation.api == "v2":
        return  # APIv2's number is filled in, and checked, where the fields are signed
    schema = cast("Mapping[str, Any]", operation.body or {}) if root == "$" else operation.query_schema
    titles: Mapping[str, Any] = schema.get("properties", {})
    for name in _OWN_NUMBERS:
        own = name != "mchid" or titles.get(name, {}).get("title") == _DIRECT_MERCHANT
        given = values.get(name)
        if own and isinstance(given, str) and given != mchid:
            yield Problem(f"{root}.{name}", f"expected this client's own number {mchid}, got another", always=True, page=operation.docs_url)


def did_you_mean(call: Call) -> str | None:
    """The documented paths that are nearest to one that WeChat Pay does not know."""
    paths = {operation.path for operation in catalog.operations() if operation.api == call.api and operation.method == call.method}
    near = nearest(call.template, paths, 3, likeness=0.75)
    return f"not in the catalogue; did you mean {' or '.join(near)}?" if near else None
