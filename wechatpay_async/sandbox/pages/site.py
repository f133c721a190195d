"""The pages as one ASGI application: languages, headers, errors; what a page says is up to the cashier and the console."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jinja2
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..clock import BEIJING
from .language import Language, choose, translator

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..core import Sandbox

__all__ = ["PREFIX", "Site", "as_text", "has", "link", "make_pages", "read_form", "web_address"]

#: Where the pages live. No operation of WeChat Pay begins with an underscore.
PREFIX = "/_sandbox/pages"
#: Addresses that answers of the API give out, and the bare one that people type.
_SHORT = {"/_sandbox": "/", "/_sandbox/": "/", PREFIX: "/", "/_sandbox/h5": "/h5", "/_sandbox/contract": "/cashier"}

_COOKIE = "sandbox_language"


def has(path: str) -> bool:
    """Whether a path is one of the pages'."""
    return path.startswith(f"{PREFIX}/") or path in _SHORT


def make_pages(sandbox: Sandbox) -> ASGIApp:
    """The pages of a sandbox, for the paths that `has` knows."""
    from .bridge import Bridge
    from .cashier import Cashier
    from .console import Console

    site = Site(sandbox)
    routes = [
        *Console(site).routes(),
        *Cashier(site).routes(),
        *Bridge(site).routes(),
        Mount("/static", StaticFiles(packages=[("wechatpay_async.sandbox.pages", "static")])),
    ]
    shorter = [Route(path, _to(PREFIX + target)) for path, target in _SHORT.items()]
    return _guarded(Starlette(routes=[*shorter, Mount(PREFIX, routes=routes)], exception_handlers={HTTPException: site.refuse}))


def _to(target: str) -> Callable[[Request], Awaitable[Response]]:
    async def redirect(request: Request) -> Response:
        return RedirectResponse(target + (f"?{request.url.query}" if request.url.query else ""), 303)

    return redirect


def _guarded(app: ASGIApp) -> ASGIApp:
    """Only under an address of this machine: a name that another web page made up must not lead here."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        host = urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname
        if host in {"127.0.0.1", "localhost", "::1", (scope.get("server") or ("",))[0]}:
            await app(scope, receive, send)
        else:
            await PlainTextResponse("The pages are not reached by this name.", 403)(scope, receive, send)

    return guarded


class Site:
    """What all pages share: the sandbox, the templates, and how a page becomes a response."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("wechatpay_async.sandbox.pages"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"yuan": yuan, "moment": moment, "pretty": pretty, "query": urlencode}

    def page(self, request: Request, template: str, status: int = 200, **content: Any) -> Response:
        """A page in the reader's language. One that has not changed since the reader got it is answered with 304."""
        wanted = request.query_params.get("lang")
        if wanted in {"en", "zh"} and request.method == "GET":
            return _switch(request, wanted)
        language = self.language(request)
        html = self._templates.get_template(template).render(
            content
            | {
                "_": translator(language),
                "language": language,
                "prefix": PREFIX,
                "path": request.url.path,
                "here": {name: value for name, value in request.query_params.items() if name != "lang"},
                "switchable": request.method == "GET",
            }
        )
        body = html.encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        framed = bool(content.get("framed"))
        headers = _headers(framed=framed) | {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}
        if status == 200 and request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, status, headers, "text/html; charset=utf-8")

    def language(self, request: Request) -> Language:
        """The reader's language."""
        query, cookie = request.query_params.get("lang"), request.cookies.get(_COOKIE)
        return choose(query, cookie, request.headers.get("accept-language", ""))

    async def refuse(self, request: Request, error: Exception) -> Response:
        """A page for what cannot be shown."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        title = "Page not found" if status == 404 else "The page cannot be shown"
        return self.page(request, "error.html", status, title=title, code=status)


def _switch(request: Request, wanted: str) -> Response:
    """The same page without the switch in its address, and the choice in a cookie."""
    rest = urlencode([(name, value) for name, value in request.query_params.multi_items() if name != "lang"])
    response = RedirectResponse(request.url.path + (f"?{rest}" if rest else ""), 303)
    response.set_cookie(_COOKIE, wanted, max_age=31_536_000, path=PREFIX, httponly=True, samesite="lax")
    return response


def _headers(*, framed: bool) -> dict[str, str]:
    """No script but the pages' own, no other page around them: only the bridge's may stand in a merchant's page."""
    ancestors = "*" if framed else "'none'"
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        f"base-uri 'none'; frame-ancestors {ancestors}"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-WeChat-Pay": "sandbox",
    }


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent from one of these pages. Raises `HTTPException` for another site's."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403)
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def yuan(fen: int) -> str:
    """Fen as yuan: `¥1,234.50`."""
    return f"¥{fen // 100:,}.{fen % 100:02d}"


def moment(seconds: float) -> str:
    """A time as people read it, in China's zone."""
    return datetime.fromtimestamp(int(seconds), BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def pretty(raw: bytes) -> str:
    """A body to be read: JSON indented, other text as it is, the rest as its size."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return f"<{len(raw)} bytes>"
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text


def link(path: str, **query: str) -> str:
    """The address of a page."""
    return f"{PREFIX}{path}?{urlencode(query)}" if query else f"{PREFIX}{path}"


def web_address(text: str) -> str:
    """An http or https address as it is, and nothing for any other: `javascript:` must not become a link."""
    return text if urlsplit(text).scheme in {"http", "https"} else ""


def as_text(values: Mapping[str, Any]) -> dict[str, str] | None:
    """The values where all of them are text, else None."""
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    return texts if len(texts) == len(values) else None
