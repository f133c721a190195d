"""FastAPI: the client for the life of an app, notifications as a dependency, and a router that handles each of them once.

    app = FastAPI(lifespan=lifespan(lambda: Wechatpay(…)))
    router = WechatpayRouter("/wechatpay/notify", inbox=SQLiteInbox("inbox.sqlite"))

    @router.on("TRANSACTION.SUCCESS")
    async def paid(notification: Notification, orders: Annotated[Orders, Depends(orders)]) -> None: ...

    app.include_router(router)

Needs the extra `fastapi`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar, cast, get_type_hints
from weakref import WeakKeyDictionary, ref

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from wechatpay_async import catalog
from wechatpay_async.catalog import API, Event
from wechatpay_async.client import Wechatpay
from wechatpay_async.deliveries import DEFAULT_BUDGET, Handler, Handlers, Parser, check_receiving, current_claim, deliver, refusal
from wechatpay_async.errors import ConfigError, RequestError, WechatpayError
from wechatpay_async.inbox import Claim, Inbox
from wechatpay_async.notifications import Answer, Notification, Notifications, fail
from wechatpay_async.notifications.core import LARGEST_BODY
from wechatpay_async.notifications.v2 import EitherNotifications
from wechatpay_async.settings import check_function

if TYPE_CHECKING:
    from wechatpay_async.api.events import EventType

__all__ = ["VerifiedNotification", "WechatpayClient", "WechatpayRouter", "get_wechatpay", "lifespan", "verified_notification"]

_NOTIFICATION: Final = "wechatpay_async.notification"
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


def lifespan(
    client: Callable[[], Wechatpay], *resources: AbstractAsyncContextManager[Any]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """The lifespan of an app that calls WeChat Pay: `FastAPI(lifespan=lifespan(lambda: Wechatpay(…), inbox))`.

    `client` makes the client when the app starts; it is closed when the app ends, and so are the `resources`, an inbox for example.
    An app with a lifespan of its own enters this one in it: `async with lifespan(…)(app): yield`.
    """

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            for resource in resources:
                await stack.enter_async_context(resource)
            app.state.wechatpay = await stack.enter_async_context(client())
            try:
                yield
            finally:
                del app.state.wechatpay

    return run


def get_wechatpay(request: Request) -> Wechatpay:
    """The app's client. Raises `ConfigError` where no lifespan has put one there."""
    client: Wechatpay | None = getattr(request.app.state, "wechatpay", None)
    if client is None:
        raise ConfigError("lifespan", "the app has no client", hint="FastAPI(lifespan=lifespan(lambda: Wechatpay(…)))")
    return client


#: A parameter of an endpoint: `async def order(wxpay: WechatpayClient): …`
WechatpayClient: TypeAlias = Annotated[Wechatpay, Depends(get_wechatpay)]


async def verified_notification(request: Request) -> Notification:
    """A dependency that yields the notification of this request, verified with the app's client.

    Answers 413 for a body beyond 1 MB, 401 for a signature that is not WeChat Pay's, 400 for what cannot be read, 500 for what this
    app's settings cannot open. It neither remembers what was handled nor answers for you: `WechatpayRouter` does.
    """
    found: Notification | None = request.scope.get(_NOTIFICATION)
    if found is not None:
        return found
    try:
        return await _all_notifications(get_wechatpay(request)).parse(request.headers, await _bounded_body(request))
    except _TooLarge as error:
        raise HTTPException(413, str(error)) from None
    except WechatpayError as error:
        status, message = refusal(error)
        raise HTTPException(status, message) from error


#: A parameter of an endpoint: `async def notified(notification: VerifiedNotification): …`
VerifiedNotification: TypeAlias = Annotated[Notification, Depends(verified_notification)]


class WechatpayRouter(APIRouter):
    """Receives notifications at `path` and gives each to its handler once.

    `inbox`: remembers what was handled; None if handlers may run again for a repeated delivery.
    `notifications`: what verifies. By default the client of the app's lifespan, which takes APIv2's XML too if it has the secret. Several
    merchants are `Notifications([…])`; then a path with `{mchid}` says whose notification it is. `EitherNotifications` adds APIv2.
    `budget`: seconds for one delivery. Everything else is as for `APIRouter`.
    """

    def __init__(
        self, path: str, *, inbox: Inbox | None, notifications: Parser | None = None, budget: float = DEFAULT_BUDGET, **options: Any
    ) -> None:
        check_receiving(notifications, inbox, budget)
        super().__init__(**options)
        self._path = self.prefix + path
        self._inbox = inbox
        self._notifications = notifications
        self._budget = budget
        self._handlers: Handlers[Callable[..., Any]] = Handlers()
        self._routes: WeakKeyDictionary[FastAPI, dict[Callable[..., Any], APIRoute]] = WeakKeyDictionary()
        self._json: list[dict[str, Any]] = []
        self._xml: list[dict[str, Any]] = []
        self.add_api_route(
            path,
            self._receive,
            methods=["POST"],
            status_code=204,
            response_class=Response,
            response_model=None,
            name="wechatpay_notification",
            summary="WeChat Pay notifications",
            responses=_RESPONSES,
            openapi_extra={"requestBody": {"required": True, "content": _content(self._json, self._xml)}},
        )

    def on(self, *event_types: EventType | str, api: API | None = None) -> Callable[[_Endpoint], _Endpoint]:
        """Register a path operation function for these events; without any, for all that nobody else handles.

        It may be `async def` or `def`, and takes what FastAPI gives: dependencies, `Request`, and by its annotation the `Notification`
        and the `Claim` on it. It returns None (acknowledged) or an `Answer`. If it raises, the notification comes again; so it does
        if it takes longer than the budget (a `def` cannot be stopped, so its answer is awaited).
        `api`: "v2" for APIv2's `TRANSACTION.SUCCESS` and `TRANSACTION.FAIL` (deposits), which share their names with APIv3's.
        """

        def register(handler: _Endpoint) -> _Endpoint:
            check_function("on", handler, "a path operation function", hint='@router.on("TRANSACTION.SUCCESS")')
            endpoint = _as_endpoint(handler)
            self._handlers.add(event_types, endpoint, api)
            self._route(endpoint, None)  # a signature that FastAPI cannot serve is told here, not at the first notification
            for event in (catalog.event(name, api=api) for name in event_types):
                if event is not None:
                    (self._xml if event.api == "v2" else self._json).append(_schema(event))
            return handler

        return register

    async def _receive(self, request: Request) -> Response:
        try:
            body = await _bounded_body(request)
        except _TooLarge as error:
            return _as_response(fail(str(error), status=413))
        notifications = self._notifications or _all_notifications(get_wechatpay(request))
        mchid = request.path_params.get("mchid")
        if mchid is not None and isinstance(notifications, Notifications):
            notifications = _Addressed(notifications, mchid)

        def handler_for(notification: Notification) -> Handler | None:
            endpoint = self._handlers(notification)
            return None if endpoint is None else partial(_call, self._route(endpoint, request.app), request, body)

        answer = await deliver(notifications, request.headers, body, handler_for, inbox=self._inbox, budget=self._budget)
        return _as_response(answer)

    def _route(self, endpoint: Callable[..., Any], app: FastAPI | None) -> APIRoute:
        """The endpoint with its dependencies, which an app can override."""
        known = {} if app is None else self._routes.setdefault(app, {})
        if endpoint not in known:
            known[endpoint] = APIRoute(
                self._path,
                endpoint,
                methods=["POST"],
                response_model=None,
                response_class=Response,
                dependency_overrides_provider=app and _Overrides(app),
            )
        return known[endpoint]


def _all_notifications(client: Wechatpay) -> Parser:
    """What the client's keys can verify: APIv3, and APIv2's XML where the client has the secret."""
    try:
        old = client.v2_notifications
    except ConfigError:
        return client.notifications
    try:
        return EitherNotifications(client.notifications, old)
    except ConfigError:
        return EitherNotifications(None, old)


class _Overrides:
    """An app's overridden dependencies, without holding on to the app."""

    def __init__(self, app: FastAPI) -> None:
        self._app = ref(app)

    @property
    def dependency_overrides(self) -> dict[Callable[..., Any], Callable[..., Any]]:
        app = self._app()
        return {} if app is None else app.dependency_overrides


class _Addressed:
    """`Notifications` for the one merchant that the path names."""

    def __init__(self, notifications: Notifications, mchid: str) -> None:
        self._notifications = notifications
        self._mchid = mchid

    async def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        return await self._notifications.parse(headers, body, mchid=self._mchid)


class _TooLarge(Exception):
    """The body is longer than any notification."""

    def __str__(self) -> str:
        return f"the body is larger than {LARGEST_BODY} bytes"


async def _bounded_body(request: Request) -> bytes:
    """The raw body, given up as soon as it is known to be too long."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:12]) > LARGEST_BODY:
        raise _TooLarge
    body = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > LARGEST_BODY:
                raise _TooLarge
    return bytes(body)


async def _call(route: APIRoute, request: Request, body: bytes, notification: Notification) -> Answer | None:
    """Run a handler as the path operation that it is, dependencies and their clean-up included, and catch what it answers."""
    started: Message = {}
    content = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            content.extend(message.get("body", b""))

    await route.app({**request.scope, _NOTIFICATION: notification}, receive, send)
    if started["status"] == 204:
        return None
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in started["headers"] if name != b"content-length"}
    return Answer(started["status"], headers, bytes(content))


def _as_endpoint(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler with a signature in which FastAPI finds the notification and the claim, and a result that it can send."""

    async def awaited(**values: Any) -> Response:
        return _as_response(await handler(**values))

    def called(**values: Any) -> Response:
        return _as_response(handler(**values))

    endpoint: Any = awaited if inspect.iscoroutinefunction(handler) else called
    endpoint.__signature__ = inspect.Signature(_parameters(handler))
    endpoint.__name__ = getattr(handler, "__name__", "handler")
    return cast("Callable[..., Any]", endpoint)


def _parameters(handler: Callable[..., Any]) -> list[inspect.Parameter]:
    """The handler's parameters, their annotations evaluated where the handler was written."""
    try:
        hints = get_type_hints(handler, include_extras=True)
    except NameError as error:
        raise ConfigError(
            "on", f"an annotation of {handler!r} cannot be evaluated: {error}", hint="import it at run time, at the top of the module"
        ) from None
    return [
        parameter.replace(annotation=_injected(hints.get(name, parameter.annotation)), kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(handler).parameters.items()
    ]


def _injected(hint: Any) -> Any:
    if inspect.isclass(hint) and issubclass(hint, Notification):
        return Annotated[hint, Depends(verified_notification)]
    return Annotated[Claim, Depends(current_claim)] if hint is Claim else hint


def _as_response(answer: object) -> Response:
    if answer is None:
        return Response(status_code=204)
    if not isinstance(answer, Answer):
        raise RequestError(f"a handler returns None or an Answer, got {type(answer).__name__}", hint="notification.answer({…})")
    return Response(answer.body, answer.status, dict(answer.headers))


_FAILURE: Final = {
    "type": "object",
    "properties": {"code": {"const": "FAIL"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    204: {"description": "Dealt with; it is not sent again"},
    **{
        status: {"description": description, "content": {"application/json": {"schema": _FAILURE}}}
        for status, description in {
            400: "Not a notification",
            401: "Not signed by WeChat Pay",
            413: "Larger than any notification",
            500: "The handler failed; it is sent again",
            501: "Nobody handles this event; it is sent again",
            503: "Being handled, or out of time; it is sent again",
        }.items()
    },
}


def _content(json_schemas: list[dict[str, Any]], xml_schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """What a request can hold. The lists are filled as handlers are registered."""
    return {"application/json": {"schema": {"anyOf": json_schemas}}, "text/xml": {"schema": {"anyOf": xml_schemas}}}


def _schema(event: Event) -> dict[str, Any]:
    """What one event looks like on the wire, with what its ciphertext holds."""
    if event.api == "v2":
        return {**event.resource, "title": event.event, "description": event.title}
    ciphertext = {
        "type": "string",
        "description": "AEAD_AES_256_GCM with the APIv3 key; its content is given by contentSchema",
        "contentEncoding": "base64",
        "contentMediaType": "application/json",
        "contentSchema": event.resource,
    }
    text = {"type": "string"}
    resource = {"algorithm": text, "nonce": text, "associated_data": text, "original_type": text, "ciphertext": ciphertext}
    return {
        "title": event.event,
        "description": event.title,
        "type": "object",
        "properties": {
            "id": text,
            "create_time": {"type": "string", "format": "date-time"},
            "event_type": {"const": event.event},
            "resource_type": text,
            "summary": text,
            "resource": {"type": "object", "properties": resource, "required": ["algorithm", "nonce", "ciphertext"]},
        },
        "required": ["id", "create_time", "event_type", "resource"],
    }
