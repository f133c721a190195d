"""From an answer to the data that it carries, or to the error that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, cast

import httpx

from wechatpay_async.auth import SIGNED_MESSAGE, read_bounded
from wechatpay_async.chain import READS, Call
from wechatpay_async.checks import did_you_mean
from wechatpay_async.errors import MalformedMessage, NotFound, OutcomeUnknown, TransportError
from wechatpay_async.protocol import v3
from wechatpay_async.response import Response
from wechatpay_async.sealing import Sealing

if TYPE_CHECKING:
    from wechatpay_async.catalog import Operation

__all__ = ["NO_CONNECTION", "UNKNOWN", "decode", "decode_v2", "raise_error", "raise_transport_error", "read"]

#: These fail before the request has left, so nothing was executed, whatever the method.
NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_NOT_SENT = (*NO_CONNECTION, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_SUCCESS_CODES = frozenset({"SUCCESS", "OK", ""})
#: What to do about a write whose answer is lost.
UNKNOWN = "it may have been executed: query by its business number, or repeat with the same number and the same body"


async def read(call: Call, response: httpx.Response) -> None:
    """The whole body, within bounds. A body that cannot be read does not hide that the answer is an error."""
    try:
        await read_bounded(response)
    except httpx.TransportError as error:
        raise_transport_error(call, error)
    except MalformedMessage as error:
        if response.is_success:
            raise
        raise v3.api_error(response.status_code, response.headers, b"") from error


async def decode(call: Call, response: httpx.Response, sealing: Sealing) -> Response[Any]:
    """The verified data of an APIv3 answer, its sensitive fields opened. Raises the error that it stands for."""
    if not response.is_success:
        raise_error(call, response)
    body, operation = response.content, call.operation
    if not body:
        data: Any = None
    elif (operation is not None and operation.download) or not _is_json(response):
        data = body
    else:
        data = v3.decode_json(body)
        if _is_error_envelope(data, operation):
            raise_error(call, response)
        if operation is not None:
            data = await sealing.open_answer(data, operation, response.status_code)
    return Response(data, response, response.status_code, response.headers.get(v3.REQUEST_ID_HEADER))


def decode_v2(call: Call, response: httpx.Response, *, mchid: str, secret: bytes, appid: str | None) -> Response[Any]:
    """The checked values of an APIv2 answer. Raises the error that it stands for."""
    from wechatpay_async.protocol.v2 import read_reply

    status, headers = response.status_code, response.headers
    data = read_reply(call.operation, headers, response.content, mchid=mchid, secret=secret, appid=appid, status=status)
    return Response(data, response, status, headers.get(v3.REQUEST_ID_HEADER))


def raise_error(call: Call, response: httpx.Response) -> NoReturn:
    """The `APIError` of an answer that was read."""
    signed = response.request.extensions.get(SIGNED_MESSAGE)
    error = v3.api_error(response.status_code, response.headers, response.content, signed_message=signed)
    if response.has_redirect_location:
        error.hint = "redirects are not followed: a signature must not travel to another address"
    elif isinstance(error, NotFound) and call.operation is None:
        error.hint = did_you_mean(call) or error.hint
    raise error


def raise_transport_error(call: Call, error: httpx.TransportError) -> NoReturn:
    """Tell a call that was surely not executed from one whose outcome nobody knows."""
    cause = f"{call.name}: {type(error).__name__}{f': {error}' if str(error) else ''}"
    if call.method in READS or isinstance(error, _NOT_SENT):
        raise TransportError(cause, hint="nothing was executed: the call can be repeated") from error
    raise OutcomeUnknown(cause, hint=UNKNOWN) from error


def _is_json(response: httpx.Response) -> bool:
    if response.content[:1] in (b"{", b"["):
        return True
    content_type: str = response.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    return content_type == "application/json" or content_type.endswith("+json")


def _is_error_envelope(data: Any, operation: Operation | None) -> bool:
    """Whether a 2xx carries an error all the same. An operation whose answer has a `code` of its own is left alone."""
    if not isinstance(data, dict):
        return False
    envelope = cast("dict[str, Any]", data)
    if not isinstance(envelope.get("code"), str) or "message" not in envelope or envelope["code"].upper() in _SUCCESS_CODES:
        return False
    documented = cast("Mapping[str, Any]", (operation.responses.get("200") if operation is not None else None) or {})
    return "code" not in documented.get("properties", {})
