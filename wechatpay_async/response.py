"""What a call gives back: the verified, decoded data and the HTTP facts beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import httpx

__all__ = ["Response", "WholeStream"]

T_co = TypeVar("T_co", covariant=True)


class WholeStream(httpx.AsyncByteStream):
    """A body that can also be had in one piece, which is quicker for whoever wants all of it."""

    async def read_whole(self) -> bytes:
        """Every byte; the stream is closed then. Raises httpx's transport errors."""
        raise NotImplementedError  # pragma: no cover — abstract


@dataclass(frozen=True, slots=True)
class Response(Generic[T_co]):
    """A verified answer of WeChat Pay.

    `data` is the decoded body: parsed JSON or XML, `None` when the body is empty, bytes for a file. Its values stay out of `repr`,
    since they may be personal.
    """

    data: T_co = field(repr=False)
    http: httpx.Response = field(repr=False)
    status_code: int
    request_id: str | None

    @property
    def headers(self) -> httpx.Headers:
        """The headers of the HTTP response, names compared without case."""
        return self.http.headers

    @property
    def accepted(self) -> bool:
        """Whether WeChat Pay only accepted the request (202): repeat it with the same parameters to learn the outcome."""
        return self.status_code == 202
