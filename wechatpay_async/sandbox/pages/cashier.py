"""The cashier: one acts as the payer, with everything that waits for one."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..wire import Refusal
from . import sheets
from .site import Site, link, read_form, web_address

__all__ = ["Cashier"]


class Cashier:
    """`/_sandbox/cashier` and what hangs on it; `/_sandbox/h5` is where an `h5_url` leads."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sandbox = site.sandbox

    def routes(self) -> list[Route]:
        return [
            Route("/cashier", self.waiting),
            Route("/cashier/scan", self.scan),
            Route("/cashier/sheet", self.sheet, methods=["GET"]),
            Route("/cashier/sheet", self.act, methods=["POST"]),
            Route("/h5", self.h5),
        ]

    async def waiting(self, request: Request) -> Response:
        with self._sandbox.lock:
            self._sandbox.tick()
            return self._site.page(request, "cashier.html", sheets=sheets.all_waiting(self._sandbox.book), missed="")

    async def scan(self, request: Request) -> Response:
        """What the phone's scanner does with a code."""
        text = request.query_params.get("text", "").strip()
        with self._sandbox.lock:
            self._sandbox.tick()
            found = sheets.find_by_scan(self._sandbox.book, text)
            if found is None:
                return self._site.page(request, "cashier.html", 404, sheets=sheets.all_waiting(self._sandbox.book), missed=text)
            return RedirectResponse(link("/cashier/sheet", **found.key), 303)

    async def sheet(self, request: Request) -> Response:
        with self._sandbox.lock:
            self._sandbox.tick()
            return self._show(request, self._find(dict(request.query_params)))

    async def h5(self, request: Request) -> Response:
        """Where an `h5_url` leads; `redirect_url` is where the payer goes afterwards."""
        with self._sandbox.lock:
            self._sandbox.tick()
            order = sheets.order_by_prepay_id(self._sandbox.book, request.query_params.get("prepay_id", ""))
            if order is None:
                raise HTTPException(404)
            back = web_address(request.query_params.get("redirect_url", ""))
            return self._show(request, sheets.sheet_of_order(self._sandbox.book, order), back=back)

    async def act(self, request: Request) -> Response:
        form = await read_form(request)
        action, back = form.get("action", ""), web_address(form.get("back", ""))
        with self._sandbox.lock:
            self._sandbox.tick()
            sheet = self._find(form)
            try:
                sheets.act(self._sandbox, sheet, action, form.get("text", ""))
            except Refusal as refusal:
                return self._show(request, self._find(form), status=409, back=back, refusal=refusal)
            except LookupError:
                raise HTTPException(409) from None
            done = "Cancelled by the payer. The order can still be paid." if action == "cancel" else "Done."
            return self._show(request, self._find(form), back=back, done=done)

    def _find(self, values: dict[str, str]) -> sheets.Sheet:
        names = ("kind", "mchid", "sub_mchid", "no")
        found = sheets.find_sheet(self._sandbox.book, *(values.get(name, "") for name in names))
        if found is None:
            raise HTTPException(404)
        return found

    def _show(
        self, request: Request, sheet: sheets.Sheet, *, status: int = 200, back: str = "", done: str = "", refusal: Refusal | None = None
    ) -> Response:
        # With a redirect_url the payer leaves at once when it is over, as the real page does.
        return self._site.page(
            request, "sheet.html", status, sheet=sheet, back=back, done=done, refusal=refusal, onward=bool(back and done)
        )
