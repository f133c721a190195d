"""Tells merchants what happened: composes, signs and sends notifications, again and again until they are taken.

Schedule and answers: https://pay.weixin.qq.com/doc/v3/merchant/4012791861
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import httpx

from . import v2
from .clock import rfc3339
from .models import Notice
from .seal import as_json, encrypt_resource

if TYPE_CHECKING:
    import ssl

    from starlette.types import ASGIApp

    from .core import Sandbox

__all__ = ["Delivery", "Mischief", "Notifier"]

#: Seconds that the merchant's server has for its answer.
PATIENCE = 5.0

Kind = Literal["genuine", "duplicate", "probe", "forged", "lost"]


@dataclass
class Mischief:
    """What goes wrong with notifications, as shares of the attempts, and whether they change places."""

    duplicates: float = 0.0
    #: The attempt never arrives; it is made again by the schedule.
    lost: float = 0.0
    #: A signature that begins WECHATPAY/SIGNTEST/ comes first, and the genuine one after it.
    probes: float = 0.0
    #: Somebody else's message, which must not be believed, comes beside the genuine one.
    forged: float = 0.0
    out_of_order: bool = False


@dataclass(frozen=True)
class Delivery:
    """One attempt: what was sent, and what came back. `status` is None where no answer came."""

    notice: Notice
    kind: Kind
    attempt: int
    at: float
    headers: dict[str, str]
    body: bytes
    status: int | None = None
    answer: bytes = b""
    error: str = ""
    answer_headers: dict[str, str] | None = None

    @property
    def taken(self) -> bool:
        """Whether the merchant said that it has it."""
        if self.notice.v2:
            return self.status == 200 and v2.says_success(self.answer)
        return self.status in {200, 204}


class Notifier:
    """`sandbox.notifier`: the notifications, and what became of each attempt."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._chance = random.Random(sandbox.seed)  # noqa: S311 - repeatable mischief, no secrets
        self.mischief: Mischief = Mischief()
        self.deliveries: deque[Delivery] = deque(maxlen=1_000)
        #: Where notifications go instead of to their address: an ASGI application.
        self.receiver: ASGIApp | None = None

    def due(self) -> list[Notice]:
        """The notices whose next attempt is due by the clock."""
        now = self._sandbox.clock()
        return [notice for notice in self._sandbox.book.pending.values() if notice.due is not None and notice.due <= now]

    async def deliver(self, http: httpx.AsyncClient | None = None) -> list[Delivery]:
        """Make every attempt that is due, and give what came of them.

        They go over `http`, else into `receiver`, else to the addresses that the merchant gave.
        """
        with self._sandbox.lock:
            self._sandbox.tick()
            prepared = [delivery for notice in self._in_some_order(self.due()) for delivery in self._prepare(notice)]
        if not prepared:
            return []
        if http is not None:
            return [await self._attempt(http, delivery) for delivery in prepared]
        async with self._client() as own:
            return [await self._attempt(own, delivery) for delivery in prepared]

    def _client(self) -> httpx.AsyncClient:
        if self.receiver is not None:
            return httpx.AsyncClient(transport=httpx.ASGITransport(self.receiver, raise_app_exceptions=False), timeout=PATIENCE)
        return httpx.AsyncClient(verify=self._trust, timeout=PATIENCE, trust_env=False)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """What HTTPS addresses are checked against. Reading it takes longer than many attempts together, so it is read once."""
        return httpx.create_ssl_context(trust_env=False)

    def send_again(self, notice_id: str) -> Notice:
        """Make one more attempt due now, even of a notice that was taken. Raises `LookupError`."""
        notice: Notice = self._sandbox.act("send_again", notice_id=notice_id)
        return notice

    def _in_some_order(self, notices: list[Notice]) -> list[Notice]:
        if self.mischief.out_of_order:
            self._chance.shuffle(notices)
        return notices

    def _prepare(self, notice: Notice) -> list[Delivery]:
        """The messages of one attempt, the genuine one last."""
        self._sandbox.act("attempt", notice_id=notice.id)
        made: list[Delivery] = []
        chance, mischief = self._chance.random, self.mischief
        if not notice.v2 and chance() < mischief.probes:
            made.append(self.compose(notice, "probe"))
        if not notice.v2 and chance() < mischief.forged:
            made.append(self.compose(notice, "forged"))
        if chance() < mischief.lost:
            return [*made, self.compose(notice, "lost")]
        made.append(self.compose(notice, "genuine"))
        if chance() < mischief.duplicates:
            made.append(self.compose(notice, "duplicate"))
        return made

    def compose(self, notice: Notice, kind: Kind = "genuine") -> Delivery:
        """A notification as it goes over the wire, signed, or spoiled in the way of its kind."""
        sandbox = self._sandbox
        merchant = sandbox.merchants[notice.mchid]
        if notice.v2:
            body, headers = v2.notification(notice, merchant, sandbox.book.noise), {"Content-Type": "text/xml"}
        else:
            sealed = encrypt_resource(merchant.apiv3_key, sandbox.book.noise.letters(12), as_json(notice.resource), notice.original_type)
            body = as_json(
                {
                    "id": notice.id,
                    "create_time": rfc3339(notice.created),
                    "resource_type": "encrypt-resource",
                    "event_type": notice.event_type,
                    "summary": notice.summary,
                    "resource": {"original_type": notice.original_type} | sealed,
                }
            )
            fault = {"probe": "probe", "forged": self._chance.choice(["wrong_signature", "unknown_serial"])}.get(kind, "")
            headers = {"Content-Type": "application/json"}
            headers |= sandbox.signature_headers(sandbox.key_for(merchant), body, fault)
        headers |= {"User-Agent": "Mozilla/4.0", "Accept": "*/*"}
        return Delivery(notice, kind, notice.attempts, sandbox.clock(), headers, body)

    async def _attempt(self, http: httpx.AsyncClient, delivery: Delivery) -> Delivery:
        if delivery.kind == "lost":
            return self._record(delivery, error="lost on the way")
        try:
            response = await http.post(
                delivery.notice.url, content=delivery.body, headers=delivery.headers, timeout=PATIENCE, follow_redirects=False
            )
        except httpx.HTTPError as error:
            return self._record(delivery, error=f"{type(error).__name__}: {error}")
        return self._record(delivery, response)

    def _record(self, delivery: Delivery, response: httpx.Response | None = None, error: str = "") -> Delivery:
        seen = Delivery(
            delivery.notice,
            delivery.kind,
            delivery.attempt,
            delivery.at,
            delivery.headers,
            delivery.body,
            None if response is None else response.status_code,
            b"" if response is None else response.content,
            error,
            None if response is None else dict(response.headers),
        )
        with self._sandbox.lock:
            self.deliveries.append(seen)
            if seen.taken and seen.kind in {"genuine", "duplicate"}:
                self._sandbox.act("taken", notice_id=seen.notice.id)
        return seen
