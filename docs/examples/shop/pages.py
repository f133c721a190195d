"""What buyers and staff see: pages made on the server, and the few addresses behind them."""

from __future__ import annotations

import hmac
import json
import secrets
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import segno
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from fastapi.templating import Jinja2Templates

from wechatpay_async.errors import WechatpayError

from .callbacks import TheShop
from .database import Order, Refund
from .login import LoginFailed, login_address, openid_for
from .nightly import close_the_day, yesterday
from .service import ITEMS, Shop, Way
from .texts import choose

__all__ = ["make_pages"]


def yuan(fen: int) -> str:
    """4200 -> `¥42.00`."""
    return f"¥{fen // 100}.{fen % 100:02d}"


_HERE = Path(__file__).parent
_LOGIN_COOKIE = "login_state"
#: Who pays inside the sandbox's WeChat.
_SANDBOX_OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"

_templates = Jinja2Templates(_HERE / "templates")
_templates.env.filters["yuan"] = yuan
_credentials = HTTPBasic(realm="shop")


def from_the_shop(request: Request, shop: TheShop) -> None:
    """Refuse a form that another site has sent."""
    origin = request.headers.get("origin")
    if request.method == "POST" and origin is not None and origin != shop.settings.public_url:
        raise HTTPException(403)


def staff(shop: TheShop, given: Annotated[HTTPBasicCredentials, Depends(_credentials)]) -> None:
    """Let staff alone in."""
    if not hmac.compare_digest(given.password.encode(), shop.settings.staff_password.encode()):
        raise HTTPException(401, headers={"WWW-Authenticate": 'Basic realm="shop"'})


def page(request: Request, name: str, status: int = 200, **content: object) -> HTMLResponse:
    """A page in the reader's language."""
    language, texts = choose(request.headers.get("accept-language", ""))
    return _templates.TemplateResponse(request, name, {"language": language, "t": texts, **content}, status_code=status)


def to_order(number: str) -> RedirectResponse:
    """On to the page of an order."""
    return RedirectResponse(f"/orders/{number}", 303)


async def found(shop: Shop, number: str) -> tuple[Order, Refund | None]:
    """The order of an address, or 404."""
    both = await shop.find(number)
    if both is None:
        raise HTTPException(404)
    return both


def make_pages() -> APIRouter:
    """Everything but the callbacks."""
    router = APIRouter(default_response_class=HTMLResponse, dependencies=[Depends(from_the_shop)], include_in_schema=False)

    @router.get("/")
    async def shelf(request: Request, shop: TheShop) -> Response:
        in_wechat = "MicroMessenger" in request.headers.get("user-agent", "")
        ways = ["native", "jsapi"] if shop.settings.sandbox_url else ["jsapi" if in_wechat else "native"]
        return page(request, "shelf.html", items=ITEMS, ways=ways)

    @router.post("/buy/{item}/{way}")
    async def buy(item: str, way: Way, shop: TheShop) -> Response:
        if item not in ITEMS:
            raise HTTPException(404)
        order = await shop.place(item, way)
        return to_order(order.number)

    @router.get("/orders/{number}")
    async def order_page(request: Request, number: str, shop: TheShop) -> Response:
        order, refund = await found(shop, number)
        code_url = order.code_url
        if order.state == "NOTPAY" and order.way == "native" and not code_url:
            try:
                code_url = await shop.code_url(order)
            except WechatpayError:
                return page(request, "sorry.html", 502)
        sandbox = shop.settings.sandbox_url
        return page(
            request,
            "order.html",
            order=order,
            refund=refund,
            qr=segno.make(code_url, error="m").svg_data_uri(scale=5) if code_url and order.state == "NOTPAY" else "",
            cashier=f"{sandbox}/_sandbox/pages/cashier/scan?text={quote(code_url, safe='')}" if sandbox and code_url else "",
        )

    @router.get("/orders/{number}/state")
    async def state(number: str, shop: TheShop) -> Response:
        order, refund = await found(shop, number)
        return Response(f"{order.state} {refund.state if refund else ''}", media_type="text/plain")

    @router.post("/orders/{number}/ask")
    async def ask(request: Request, number: str, shop: TheShop) -> Response:
        await found(shop, number)
        try:
            await shop.ask(number)
        except WechatpayError:
            return page(request, "sorry.html", 502)
        return to_order(number)

    @router.get("/orders/{number}/wechat")
    async def in_wechat(request: Request, number: str, shop: TheShop, code: str = "", state: str = "") -> Response:
        order, _ = await found(shop, number)
        settings = shop.settings
        if order.state != "NOTPAY" or order.way != "jsapi":
            return to_order(number)
        if not settings.sandbox_url and not code:
            made = secrets.token_urlsafe(16)
            answer = RedirectResponse(login_address(settings.appid, f"{settings.public_url}/orders/{number}/wechat", made), 303)
            answer.set_cookie(_LOGIN_COOKIE, made, max_age=600, httponly=True, secure=True, samesite="lax")
            return answer
        try:
            if settings.sandbox_url:
                openid = _SANDBOX_OPENID
            elif hmac.compare_digest(state.encode(), request.cookies.get(_LOGIN_COOKIE, "").encode()) and state:
                openid = await openid_for(request.app.state.http, settings.appid, settings.app_secret, code)
            else:
                raise HTTPException(403)
            payload = await shop.jsapi(order, openid)
        except (WechatpayError, LoginFailed):
            return page(request, "sorry.html", 502)
        bridge = f"{settings.sandbox_url}/_sandbox/pages/static/bridge.js" if settings.sandbox_url else ""
        return page(request, "wechat.html", order=order, payload=json.dumps(payload), bridge=bridge)

    @router.get("/staff", dependencies=[Depends(staff)])
    async def desk(request: Request, shop: TheShop) -> Response:
        return page(request, "staff.html", orders=await shop.orders(), day=yesterday(shop.clock()))

    @router.post("/staff/orders/{number}/refund", dependencies=[Depends(staff)])
    async def refund(request: Request, number: str, shop: TheShop) -> Response:
        try:
            await shop.refund(number)
        except LookupError:
            raise HTTPException(409) from None
        except WechatpayError as error:
            return page(request, "sorry.html", 502, why=str(error))
        return RedirectResponse("/staff", 303)

    @router.post("/staff/days/{day}", dependencies=[Depends(staff)])
    async def books(request: Request, day: str, shop: TheShop) -> Response:
        try:
            report = await close_the_day(shop, day)
        except WechatpayError as error:
            return page(request, "sorry.html", 503, why=str(error))
        return page(request, "books.html", day=day, report=report)

    return router
