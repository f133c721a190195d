"""The router in a FastAPI app: verified, once each, with dependencies, within bounds."""

from __future__ import annotations

import gc
import sqlite3
import weakref
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import anyio
import fastapi
import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request

from tests.support.callbacks import NOW, Callback, callback, probe, signed
from tests.support.keys import APIV3_KEY, MCHID, MERCHANT_KEY_PEM, MERCHANT_SERIAL, PLATFORM_KEY, PLATFORM_PUBLIC_PEM, PUBLIC_KEY_ID, SECRET
from wechatpay_async import Wechatpay
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.errors import ConfigError, ValidationWarning
from wechatpay_async.fastapi import VerifiedNotification, WechatpayClient, WechatpayRouter, lifespan
from wechatpay_async.inbox import Claim, SQLiteInbox
from wechatpay_async.notifications import Answer, Notification, Notifications, ParkingFee, Recipient
from wechatpay_async.notifications.v2 import V2Notification
from wechatpay_async.platform_keys import StaticKeys
from wechatpay_async.protocol import v2 as protocol_v2
from wechatpay_async.protocol import xml

PATH = "/wechatpay/notify"


def client(*, apiv3_key: str | None = APIV3_KEY, secret: str | None = None) -> Wechatpay:
    return Wechatpay(
        mchid=MCHID,
        serial=MERCHANT_SERIAL,
        private_key=MERCHANT_KEY_PEM,
        certs={PUBLIC_KEY_ID: PLATFORM_PUBLIC_PEM},
        apiv3_key=apiv3_key,
        secret=secret,
        clock=lambda: float(NOW),
    )


def shop(request: Request) -> Generator[list[str], None, None]:
    """A dependency with something to close."""
    states = [f"open at {request.headers['host']}"]
    yield states
    states.append("closed")


class Transactions:
    """A dependency that commits at its end, and fails to the first time."""

    def __init__(self) -> None:
        self.commits = 0

    def __call__(self) -> Generator[None, None, None]:
        yield
        self.commits += 1
        if self.commits == 1:
            raise ConnectionError("the commit failed")


transaction = Transactions()


def shop_name() -> str:
    return "real"


@asynccontextmanager
async def running(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient, None]:
    """The app between its start and its end, and somebody who calls it."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app, raise_app_exceptions=True), base_url="http://shop") as caller,
    ):
        yield caller


async def post(caller: httpx.AsyncClient, request: Callback, path: str = PATH) -> httpx.Response:
    return await caller.post(path, content=request.body, headers=request.headers)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[SQLiteInbox]:
    opened = SQLiteInbox(tmp_path / "inbox.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def router(inbox: SQLiteInbox) -> WechatpayRouter:
    return WechatpayRouter(PATH, inbox=inbox)


def app_with(router: WechatpayRouter) -> FastAPI:
    app = FastAPI(lifespan=lifespan(client))
    app.include_router(router)
    return app


@pytest.mark.anyio
async def test_a_handler_acts_once_for_all_deliveries(router: WechatpayRouter) -> None:
    seen: list[str] = []

    @router.on("TRANSACTION.SUCCESS")
    async def paid(notification: Notification) -> None:
        seen.append(notification.resource["out_trade_no"])

    async with running(app_with(router)) as caller:
        for _ in range(3):
            answer = await post(caller, callback())
            assert (answer.status_code, answer.content) == (204, b"")
    assert seen == ["1217752501201407033233368018"]


@pytest.mark.anyio
async def test_a_handler_takes_what_every_path_operation_takes(router: WechatpayRouter) -> None:
    seen: list[Any] = []
    opened: list[list[str]] = []

    @router.on("TRANSACTION.SUCCESS")
    async def paid(
        name: Annotated[list[str], Depends(shop)],
        wxpay: WechatpayClient,
        notification: VerifiedNotification,
        claim: Claim,
        request: Request,
    ) -> None:
        opened.append(name)
        seen.extend([name[0], type(wxpay), notification.id, claim.id, await request.body() == notification.raw])

    async with running(app_with(router)) as caller:
        request = callback(number="EV-1")
        request.headers["host"] = "shop"
        assert (await post(caller, request)).status_code == 204
    assert seen == ["open at shop", Wechatpay, "EV-1", "EV-1", True]
    assert opened == [["open at shop", "closed"]]


@pytest.mark.anyio
async def test_a_handler_may_block_a_thread(router: WechatpayRouter) -> None:
    seen: list[str] = []

    @router.on("TRANSACTION.SUCCESS")
    def paid(notification: Notification, claim: Claim) -> None:
        seen.append(claim.id)

    async with running(app_with(router)) as caller:
        assert (await post(caller, callback(number="EV-1"))).status_code == 204
    assert seen == ["EV-1"]


@pytest.mark.anyio
async def test_dependencies_are_over_before_the_notification_counts_as_done(router: WechatpayRouter) -> None:
    transaction.commits = 0

    @router.on("TRANSACTION.SUCCESS")
    async def paid(notification: Notification, _: Annotated[None, Depends(transaction)]) -> None: ...

    async with running(app_with(router)) as caller:
        answer = await post(caller, callback())
        assert (answer.status_code, answer.json()) == (500, {"code": "FAIL", "message": "the handler failed"})
        assert (await post(caller, callback())).status_code == 204
    assert transaction.commits == 2


@pytest.mark.anyio
async def test_dependencies_can_be_overridden(router: WechatpayRouter) -> None:
    seen: list[str] = []

    @router.on("TRANSACTION.SUCCESS")
    async def paid(name: Annotated[str, Depends(shop_name)]) -> None:
        seen.append(name)

    app, other = app_with(router), app_with(router)
    app.dependency_overrides[shop_name] = lambda: "fake"
    async with running(app) as caller:
        await post(caller, callback(number="EV-1"))
        await post(caller, callback(number="EV-2"))
    async with running(other) as caller:
        await post(caller, callback(number="EV-3"))
    assert seen == ["fake", "fake", "real"]


@pytest.mark.anyio
async def test_a_router_does_not_hold_on_to_an_app(router: WechatpayRouter) -> None:
    @router.on("TRANSACTION.SUCCESS")
    async def paid(name: Annotated[str, Depends(shop_name)]) -> None: ...

    async def serve_one() -> weakref.ref[FastAPI]:
        app = app_with(router)
        async with running(app) as caller:
            assert (await post(caller, callback())).status_code == 204
        return weakref.ref(app)

    gone = await serve_one()
    gc.collect()
    assert gone() is None


@pytest.mark.anyio
async def test_a_handler_that_raises_gets_the_next_delivery(router: WechatpayRouter) -> None:
    errors: Iterator[Exception | None] = iter([LookupError("no such order"), HTTPException(503, "database away"), None])

    @router.on("TRANSACTION.SUCCESS")
    async def paid(notification: Notification) -> None:
        error = next(errors)
        if error is not None:
            raise error

    async with running(app_with(router)) as caller:
        assert [(await post(caller, callback())).status_code for _ in range(4)] == [500, 503, 204, 204]


@pytest.mark.anyio
async def test_a_handler_that_answers_neither_none_nor_an_answer_is_wrong(
    router: WechatpayRouter, caplog: pytest.LogCaptureFixture
) -> None:
    @router.on("TRANSACTION.SUCCESS")
    async def paid(notification: Notification) -> dict[str, str]:
        return {"code": "SUCCESS"}

    async with running(app_with(router)) as caller:
        assert (await post(caller, callback())).status_code == 500
    assert "a handler returns None or an Answer, got dict" in caplog.text


@pytest.mark.anyio
async def test_a_question_is_answered(router: WechatpayRouter) -> None:
    @router.on("PARKING_FEE.QUERY_TRANS_INFO")
    async def fee(notification: Notification) -> Answer:
        data: ParkingFee = {"total_amount": 1500}
        return notification.answer(data)

    async with running(app_with(router)) as caller:
        answer = await post(caller, callback({"out_serial_number": "1"}, event_type="PARKING_FEE.QUERY_TRANS_INFO"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"code": "SUCCESS", "message": "", "total_amount": 1500}


@pytest.mark.anyio
async def test_a_slow_handler_is_out_of_time(inbox: SQLiteInbox) -> None:
    router = WechatpayRouter(PATH, inbox=inbox, budget=0.0)

    @router.on("TRANSACTION.SUCCESS")
    async def paid(notification: Notification) -> None:
        await anyio.sleep_forever()

    async with running(app_with(router)) as caller:
        answer = await post(caller, callback())
    assert (answer.status_code, answer.json()["message"]) == (503, "timed out")


@pytest.mark.anyio
async def test_what_is_not_genuine_is_refused(router: WechatpayRouter) -> None:
    request = callback()
    async with running(app_with(router)) as caller:
        for spoilt, status, message in [
            (probe(request), 401, "BadSignature"),
            (Callback({}, request.body), 401, "MissingSignature"),
            (signed(b"[]"), 400, "MalformedMessage"),
            (request, 501, "no handler for TRANSACTION.SUCCESS"),
        ]:
            answer = await post(caller, spoilt)
            assert (answer.status_code, answer.json()) == (status, {"code": "FAIL", "message": message})
        assert (await caller.get(PATH)).status_code == 405


@pytest.mark.anyio
async def test_a_body_beyond_a_megabyte_is_given_up_before_it_is_read_whole(router: WechatpayRouter) -> None:
    app = app_with(router)

    @app.post("/plain")
    async def plain(notification: VerifiedNotification) -> None: ...

    async with running(app) as caller:
        for path in (PATH, "/plain"):
            assert (await caller.post(path, content=b"{" * 1_048_577)).status_code == 413
            assert await streamed(app, path) == (413, 11)


async def streamed(app: FastAPI, path: str) -> tuple[int, int]:
    """Send a body without a length and without an end. Gives the status, and how many pieces of 100,000 bytes were taken."""
    taken, statuses = list[int](), list[int]()

    async def receive() -> dict[str, Any]:
        taken.append(100_000)
        return {"type": "http.request", "body": b"{" * 100_000, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
    await app(scope, receive, send)
    return statuses[0], len(taken)


@pytest.mark.anyio
async def test_the_path_can_say_whose_it_is(inbox: SQLiteInbox) -> None:
    keys = StaticKeys([PlatformKey(PUBLIC_KEY_ID, PLATFORM_KEY.public_key())])
    receivers = Notifications(
        [Recipient(number, keys, (APIV3_KEY.encode(),)) for number in ("1900000001", "1900000002")], clock=lambda: NOW
    )
    router = WechatpayRouter("/notify/{mchid}", inbox=inbox, notifications=receivers)
    seen: list[str] = []

    @router.on()
    async def rest(notification: Notification, mchid: str) -> None:
        seen.append(f"{mchid} {notification.mchid}")

    app = FastAPI()
    app.include_router(router)
    async with running(app) as caller:
        assert (await post(caller, callback(), "/notify/1900000002")).status_code == 204
        assert (await post(caller, callback(), "/notify/1900000003")).status_code == 400
    assert seen == ["1900000002 1900000002"]


def payment_v2() -> Callback:
    fields = {"mch_id": MCHID, "result_code": "SUCCESS", "return_code": "SUCCESS", "transaction_id": "42", "out_trade_no": "7"}
    fields["sign"] = protocol_v2.sign(fields, SECRET.encode())
    return Callback({"content-type": "text/xml"}, xml.build("xml", fields))


@pytest.mark.anyio
@pytest.mark.parametrize("apiv3_key", [APIV3_KEY, None])
async def test_a_client_with_the_secret_takes_apiv2_and_answers_in_xml(router: WechatpayRouter, apiv3_key: str | None) -> None:
    seen: list[str] = []

    @router.on("transaction-success")
    async def paid(notification: V2Notification) -> None:
        seen.append(notification.typed("transaction-success").get("out_trade_no", ""))

    app = FastAPI(lifespan=lifespan(lambda: client(apiv3_key=apiv3_key, secret=SECRET)))
    app.include_router(router)
    async with running(app) as caller:
        for _ in range(2):
            answer = await post(caller, payment_v2())
            assert answer.status_code == 200
            assert b"SUCCESS" in answer.content
        assert (await post(caller, callback())).status_code == (501 if apiv3_key else 400)
    assert seen == ["7"]
    assert "transaction-success" in str(app.openapi()["paths"][PATH]["post"]["requestBody"]["content"]["text/xml"])


@pytest.mark.anyio
async def test_a_client_without_the_secret_says_what_xml_is(router: WechatpayRouter, caplog: pytest.LogCaptureFixture) -> None:
    async with running(app_with(router)) as caller:
        assert (await post(caller, payment_v2())).status_code == 400
    assert "a refund made without notify_url" in caplog.text


def test_openapi_shows_what_is_inside(router: WechatpayRouter) -> None:
    app = app_with(router)

    @router.on("TRANSACTION.SUCCESS", "REFUND.SUCCESS")
    async def act(notification: Notification) -> None: ...

    with pytest.warns(ValidationWarning):
        router.on("MOON_LANDING.SUCCESS")(act)
    operation = app.openapi()["paths"][PATH]["post"]
    events = operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert [event["title"] for event in events] == ["TRANSACTION.SUCCESS", "REFUND.SUCCESS"]
    inside = events[1]["properties"]["resource"]["properties"]["ciphertext"]["contentSchema"]
    assert inside["properties"]["refund_status"]["type"] == "string"
    assert set(operation["responses"]) == {"204", "400", "401", "413", "500", "501", "503"}


def test_an_annotation_that_does_not_exist_at_run_time_is_told_at_once(router: WechatpayRouter) -> None:
    class Local: ...

    with pytest.raises(ConfigError, match="on: an annotation of .* cannot be evaluated: name 'Local' is not defined"):

        @router.on("TRANSACTION.SUCCESS")
        async def paid(local: Local) -> None: ...


def test_a_signature_that_cannot_be_served_is_told_at_once(router: WechatpayRouter) -> None:
    with pytest.raises(fastapi.exceptions.FastAPIError):

        @router.on("TRANSACTION.SUCCESS")
        async def paid(connection: sqlite3.Connection) -> None: ...


@pytest.mark.anyio
async def test_a_plain_endpoint_gets_a_verified_notification() -> None:
    app = FastAPI(lifespan=lifespan(client))

    @app.post("/plain")
    async def plain(notification: VerifiedNotification, wxpay: WechatpayClient) -> str:
        return notification.id

    async with running(app) as caller:
        assert (await post(caller, callback(), "/plain")).json() == "EV-2018022511223320873"
        refused = await post(caller, probe(callback()), "/plain")
        assert (refused.status_code, refused.json()) == (401, {"detail": "BadSignature"})
        assert (await post(caller, callback(apiv3_key="0" * 32), "/plain")).status_code == 500


@pytest.mark.anyio
async def test_the_lifespan_closes_what_it_opened(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    app = FastAPI(lifespan=lifespan(client, inbox))
    async with running(app):
        wxpay: Wechatpay = app.state.wechatpay
        assert isinstance(wxpay, Wechatpay)
        await inbox.claim("EV-1")
    assert not hasattr(app.state, "wechatpay")


@pytest.mark.anyio
async def test_without_a_lifespan_the_cure_is_named(router: WechatpayRouter) -> None:
    app = FastAPI()
    app.include_router(router)
    async with running(app) as caller:
        with pytest.raises(ConfigError, match="the app has no client .*lifespan"):
            await post(caller, callback())
