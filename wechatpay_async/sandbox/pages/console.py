"""The console: calls with the reason of each wrong signature, orders, and notifications with their deliveries."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..models import Notice
from ..notifier import Delivery
from ..wire import Call, as_object
from .diagnosis import REQUEST_LINES, Diagnosis, diagnose, request_guesses
from .diagnosis_v2 import diagnose_fields, fields_of
from .sheets import all_waiting
from .site import Site, link, read_form

__all__ = ["Console"]

_SHOWN = 200


class Console:
    """`/_sandbox/` and the pages for whoever writes the merchant's code."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sandbox = site.sandbox

    def routes(self) -> list[Route]:
        return [
            Route("/", self.start),
            Route("/clock", self.move_clock, methods=["POST"]),
            Route("/calls", self.calls),
            Route("/calls/{number:int}", self.call),
            Route("/orders", self.orders),
            Route("/notifications", self.notifications),
            Route("/notifications/{id}", self.notification),
            Route("/notifications/{id}/again", self.send_again, methods=["POST"]),
        ]

    async def start(self, request: Request) -> Response:
        sandbox = self._sandbox
        with sandbox.lock:
            sandbox.tick()
            merchants = [(merchant, sandbox.platform.key_for(merchant.mode).serial) for merchant in sandbox.merchants.values()]
            counts = {
                "waiting": len(all_waiting(sandbox.book)),
                "calls": len(sandbox.calls),
                "notices": len(sandbox.book.notices),
            }
            return self._site.page(request, "start.html", merchants=merchants, now=sandbox.clock(), counts=counts)

    async def move_clock(self, request: Request) -> Response:
        steps = {"minute": 60, "hour": 3_600, "day": 86_400}
        step = steps.get((await read_form(request)).get("step", ""))
        if step is None:
            raise HTTPException(400)
        self._sandbox.clock.advance(step)
        return RedirectResponse(link("/"), 303)

    async def calls(self, request: Request) -> Response:
        with self._sandbox.lock:
            shown = list(reversed(self._sandbox.calls))
            return self._site.page(request, "calls.html", calls=shown[:_SHOWN], total=len(shown))

    async def call(self, request: Request) -> Response:
        with self._sandbox.lock:
            wanted = request.path_params["number"]
            call = next((call for call in self._sandbox.calls if call.number == wanted), None)
            if call is None:
                raise HTTPException(404)
            return self._site.page(request, "call.html", call=call, diagnosis=self._diagnose(call), refusal=_refusal(call))

    def _diagnose(self, call: Call) -> Diagnosis | None:
        """The comparison of a signature that does not fit, with the five lines of APIv3 or the fields of APIv2."""
        if call.expected_message is None or call.signature_fits is not False:
            return None
        if not call.expected_message.endswith("\n"):
            return diagnose_fields(fields_of(call), call.signature or "", call.mchid or "", self._sandbox.merchants)
        expected = tuple(call.expected_message[:-1].split("\n", 4))
        host = call.request_headers.get("host", "")
        account = call.mchid or ""
        return diagnose(REQUEST_LINES, expected, request_guesses(expected, host), call.signature or "", account, self._sandbox.merchants)

    async def orders(self, request: Request) -> Response:
        sandbox, book = self._sandbox, self._sandbox.book
        with sandbox.lock:
            sandbox.tick()
            return self._site.page(
                request,
                "orders.html",
                orders=_newest(book.orders.values()),
                refunds=_newest(book.refunds.values()),
                scores=_newest(book.score_orders.values()),
                transfers=_newest(book.shelf("transfers").values()),
                complaints=_newest(book.shelf("complaints").values()),
                parkings=_newest(book.shelf("parkings").values()),
                splits=_newest(book.shelf("splits").values()),
            )

    async def notifications(self, request: Request) -> Response:
        with self._sandbox.lock:
            self._sandbox.tick()
            notices = _newest(self._sandbox.book.notices)
            return self._site.page(request, "notifications.html", notices=notices, total=len(self._sandbox.book.notices))

    async def notification(self, request: Request) -> Response:
        with self._sandbox.lock:
            notice = self._notice(request)
            return self._site.page(request, "notification.html", notice=notice, deliveries=self._deliveries(notice), content=_text(notice))

    async def send_again(self, request: Request) -> Response:
        """One more attempt, made at once."""
        await read_form(request)
        with self._sandbox.lock:
            notice = self._notice(request)
            self._sandbox.notifier.send_again(notice.id)
        await self._sandbox.deliver()
        return RedirectResponse(link(f"/notifications/{notice.id}"), 303)

    def _notice(self, request: Request) -> Notice:
        wanted = request.path_params["id"]
        found = next((notice for notice in self._sandbox.book.notices if notice.id == wanted), None)
        if found is None:
            raise HTTPException(404)
        return found

    def _deliveries(self, notice: Notice) -> list[Delivery]:
        return [delivery for delivery in reversed(self._sandbox.notifier.deliveries) if delivery.notice.id == notice.id]


def _newest(things: Any) -> list[Any]:
    return list(reversed(list(things)))[:_SHOWN]


def _text(notice: Notice) -> str:
    return json.dumps(notice.resource, ensure_ascii=False, indent=2, default=str)


def _refusal(call: Call) -> str:
    """What the answer says is wrong, where it says so."""
    try:
        answer = as_object(json.loads(call.answer_body)) or {}
    except ValueError:
        return ""
    return f"{answer['code']}: {answer.get('message', '')}" if "code" in answer else ""
