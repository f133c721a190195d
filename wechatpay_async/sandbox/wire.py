"""What crosses the wire, before and after the sandbox thinks about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from starlette.datastructures import Headers

__all__ = ["Answer", "Call", "Refusal", "Request", "as_array", "as_object"]


def as_object(value: Any) -> dict[str, Any] | None:
    """A JSON object, or None for any other value."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_array(value: Any) -> list[Any] | None:
    """A JSON array, or None for any other value."""
    return cast("list[Any]", value) if isinstance(value, list) else None  # type: ignore[redundant-cast]  # pyright needs it


@dataclass(frozen=True)
class Request:
    """A request as it arrived. `target` is the request target, path and query, exactly as sent."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    #: The certificate that the client showed in the TLS handshake, as DER; None without one.
    client_certificate: bytes | None = None
    #: It came over TLS, where an operation that wants a client certificate can see one.
    is_secure: bool = False

    @property
    def named_headers(self) -> dict[str, str]:
        """The headers by name; of a name that came twice, the first."""
        named: dict[str, str] = {}
        for name, value in self.headers.items():
            named.setdefault(name, value)
        return named

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass
class Answer:
    """An answer before it is signed: `data` becomes JSON; `content` goes out as it is; neither means an empty body."""

    status: int = 200
    data: Any = None
    content: bytes | None = None
    media_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    signed: bool = True
    #: The sensitive fields are encrypted already.
    fields_sealed: bool = False


class Refusal(Exception):
    """The sandbox says no, with an official status and code.

    `signed` is false where the gateway answers before it knows who asks: those answers carry no `Wechatpay-*` header.
    """

    def __init__(self, status: int, code: str, message: str, detail: dict[str, Any] | None = None, *, signed: bool = True) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.signed = signed

    def answer(self) -> Answer:
        """The error as it goes over the wire."""
        data: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            data["detail"] = self.detail
        return Answer(self.status, data, signed=self.signed)


@dataclass
class Call:
    """One call, kept for whoever wants to see what happened: `sandbox.calls`."""

    at: float
    method: str
    target: str
    request_headers: dict[str, str]
    request_body: bytes
    #: The catalogue's operation, `POST /v3/pay/transactions/native`; None for a path that it does not have.
    operation: str | None = None
    mchid: str | None = None
    #: The message that the sandbox expected to be signed (five lines for APIv3), and the signature that came.
    expected_message: str | None = None
    signature: str | None = None
    #: True or false once the signature was checked.
    signature_fits: bool | None = None
    fault: str | None = None
    status: int | None = None
    answer_headers: dict[str, str] = field(default_factory=dict[str, str])
    answer_body: bytes = b""
    #: Counts the calls of a sandbox, from 1.
    number: int = 0
