"""Every exception that the package raises, so that a caller can tell what happened to the money.

    WechatpayError
    ├── ConfigError                 a setting is wrong; raised when the client is made
    ├── RequestError                the call is wrong; nothing was sent
    │   └── InvalidData             a field of the body, the query or the path is wrong
    ├── TransportError              the network failed before an answer came; nothing was executed, or it was a read
    │   └── OutcomeUnknown          a write was sent and no trustworthy answer came: query before doing it again
    ├── MalformedMessage            a reply, a notification or a file is not what the protocol says
    │   └── BillMismatch            the rows of a bill do not add up to its summary
    ├── BillNotReady                the bill of that day is still being made: it says when to come back
    ├── SignatureError              a reply or a notification cannot be trusted; its data is never given out
    │   ├── MissingSignature        a `Wechatpay-*` header is absent
    │   ├── StaleTimestamp          300 s or more away from this machine's clock
    │   ├── UnknownSerial           signed with a key that this client does not hold
    │   ├── BadSignature            the key is known and the signature is wrong
    │   └── BadHash                 a downloaded file is not the one that was announced
    ├── DecryptionError             a ciphertext does not open: wrong key, or changed on the way
    ├── LeaseLost                   a notification was worked on for longer than its lease, and another worker took it
    └── APIError                    WeChat Pay answered, and the answer is an error
        ├── InvalidRequest          400
        ├── AuthError               401, SIGN_ERROR
        ├── PermissionDenied        403, NO_AUTH
        ├── NotFound                404
        ├── Conflict                409
        ├── RateLimited             429, FREQUENCY_LIMITED: not accepted, slow down and repeat
        └── ServerError             5xx, SYSTEM_ERROR: the outcome is unknown, repeat with the same parameters

Source of the codes: https://pay.weixin.qq.com/doc/v3/merchant/4012081709 and .../4012081717.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

__all__ = [
    "APIError",
    "AuthError",
    "BadHash",
    "BadSignature",
    "BillMismatch",
    "BillNotReady",
    "ConfigError",
    "Conflict",
    "DecryptionError",
    "InvalidData",
    "InvalidRequest",
    "LeaseLost",
    "MalformedMessage",
    "MissingSignature",
    "NotFound",
    "OutcomeUnknown",
    "PermissionDenied",
    "RateLimited",
    "RequestError",
    "ServerError",
    "SignatureError",
    "StaleTimestamp",
    "TransportError",
    "UnknownSerial",
    "ValidationWarning",
    "WechatpayError",
]


class WechatpayError(Exception):
    """The root: catch it to catch everything that this package raises.

    `hint` says what to do next, where that is known; it is part of `str(error)`.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint: str | None = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Task queues and process pools send errors as pickles. The constructors take other arguments than `Exception` keeps, and a way to
        # ask WeChat Pay is bound to its client.
        state = {name: value for name, value in self.__dict__.items() if name != "_resolver"}
        return _restored, (type(self), self.args), state


def _restored(kind: type[WechatpayError], arguments: tuple[Any, ...]) -> WechatpayError:
    return kind.__new__(kind, *arguments)


class ConfigError(WechatpayError, ValueError):
    """A setting cannot be right. `parameter` is the name of the argument; the text never shows its value."""

    def __init__(self, parameter: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{parameter}: {message}", hint=hint)
        self.parameter = parameter


class RequestError(WechatpayError, ValueError):
    """The call cannot be right. Nothing was sent."""


class InvalidData(RequestError):
    """A field is wrong. `path` is its JSON path, as in `$.amount.total`."""

    def __init__(self, path: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{path}: {message}", hint=hint)
        self.path = path


class ValidationWarning(UserWarning):
    """The catalogue says that a field is wrong, and the server may have been loosened since (`validate="warn"`)."""


class TransportError(WechatpayError):
    """No answer came. A request that is not a write can simply be repeated."""


class OutcomeUnknown(TransportError):
    """A write was sent and no trustworthy answer came: it may have been executed.

    Query with the same business number before anything else, or repeat with the same number and the same body.
    `query` names the operation that settles it where the catalogue knows one, and then `await error.resolve()` calls it.
    """

    query: str | None = None
    _resolver: Callable[[], Awaitable[Any]] | None = None

    def settle_by(self, query: str, resolver: Callable[[], Awaitable[Any]]) -> None:
        """Say which query settles the outcome (`GET /v3/…`), and how it is made."""
        self.query = query
        self._resolver = resolver
        self.hint: str | None = f"await error.resolve() asks {query}"

    async def resolve(self) -> Any:
        """Ask WeChat Pay what became of the write, by the query operation named in `query`.

        Returns the `Response` of that query. Raises `RequestError` where no query is known, and what the query raises.
        """
        if self._resolver is None:
            raise RequestError("no query operation is known for this write", hint="query it by its business number") from self
        return await self._resolver()


class MalformedMessage(WechatpayError):
    """A reply or a notification cannot be read: not JSON, not XML, a field absent or of another type, too large."""


class BillMismatch(MalformedMessage):
    """The summary row of a bill says something else than its rows add up to. `total` is the official name of what differs."""

    def __init__(self, total: str, *, stated: str, found: str) -> None:
        super().__init__(
            f"{total}: the summary says {stated[:40]}, the rows add up to {found}", hint="download the bill again; do not book it"
        )
        self.total = total
        self.stated = stated
        self.found = found


class BillNotReady(WechatpayError):
    """The bill of that day is still being made. `ready_at` is when to come back."""

    def __init__(self, message: str, *, ready_at: datetime) -> None:
        super().__init__(message, hint=f"come back at {ready_at.isoformat()}, or pass wait=True")
        self.ready_at = ready_at


class SignatureError(WechatpayError):
    """A reply or a notification is not proven to come from WeChat Pay. It carries no data.

    `request_id` is the reply's `Request-ID`, where it had one. `probe` is true for a signature that WeChat Pay made wrong on purpose
    (`WECHATPAY/SIGNTEST/`) to see that it is refused.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, request_id: str | None = None, serial: str | None = None, probe: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.request_id = request_id
        self.serial = serial
        self.probe = probe


class MissingSignature(SignatureError):
    """A `Wechatpay-*` header is absent."""


class StaleTimestamp(SignatureError):
    """`Wechatpay-Timestamp` is 300 s or more away from the clock, before or after, or is no number."""


class UnknownSerial(SignatureError):
    """`Wechatpay-Serial` names a key that this client does not hold."""


class BadSignature(SignatureError):
    """The key is known and the signature does not fit: the body was changed, re-serialised, or the key is another's."""


class BadHash(SignatureError):
    """A downloaded file is not the one that was announced: cut, changed on the way, or another's. Nothing of it is kept."""


class DecryptionError(WechatpayError):
    """A ciphertext does not open. `field` names it where it is a field of a reply."""

    def __init__(self, message: str, *, hint: str | None = None, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}", hint=hint)
        self.field = field


class LeaseLost(WechatpayError):
    """The inbox gave the notification to another worker, because this one's lease had ended. Roll back; the other one acts."""

    def __init__(self, id: str) -> None:  # noqa: A002 — the notification's own field name
        super().__init__(f"notification {id}: the lease has ended and another worker took it", hint="roll back, or use a longer lease")
        self.id = id


class APIError(WechatpayError):
    """WeChat Pay answered with an error. Branch on `status` and `code`, never on the message.

    `status` is the HTTP status, `code` the official error code ("" where the body had none), `detail` whatever the body carried beside,
    `request_id` the id to give to WeChat Pay's support. `body` is the raw body (at most 4,096 bytes of it).
    For `SIGN_ERROR`, `signed_message` is the message that this client signed, and `server_message` the one that the server says it saw.
    """

    #: The same request may be sent again as it is.
    retryable = False
    #: The operation may have been executed all the same: query first.
    outcome_unknown = False

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        detail: Any = None,
        request_id: str | None = None,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        signed_message: str | None = None,
        server_message: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.headers: Mapping[str, str] = headers or {}
        self.body = body
        self.signed_message = signed_message
        self.server_message = server_message
        #: Seconds to wait, from the `Retry-After` header.
        self.retry_after = retry_after

    def __str__(self) -> str:
        parts = [f"{self.status} {self.code}".rstrip(), self.message]
        text = ": ".join(part for part in parts if part)
        if self.request_id:
            text += f" [Request-ID {self.request_id}]"
        if self.signed_message is not None:
            text += f"\n  signed here:   {self.signed_message!r}\n  seen by server: {self.server_message!r}"
        return f"{text} ({self.hint})" if self.hint else text


class InvalidRequest(APIError):
    """400: the request is wrong, or the order is not in a state that allows it. Not retryable."""


class AuthError(APIError):
    """401: the signature, the merchant number or the serial is wrong. Not retryable."""


class PermissionDenied(APIError):
    """403: no permission for this operation, a rule forbids it, or the account cannot. Not retryable."""


class NotFound(APIError):
    """404: no such order, resource or path."""


class Conflict(APIError):
    """409: the resource is being changed, or the same number was used with other parameters."""


class RateLimited(APIError):
    """429: not accepted. Slow down, then repeat."""

    retryable = True


class ServerError(APIError):
    """5xx: the outcome is unknown. Repeat with the same parameters, or query."""

    retryable = True
    outcome_unknown = True
