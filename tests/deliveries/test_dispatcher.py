"""A delivery ends in one answer, and a handler acts once, whatever happens on the way."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.callbacks import NOW, Callback, callback, probe
from tests.support.keys import APIV3_KEY, MCHID, PLATFORM_KEY, PUBLIC_KEY_ID, SECRET
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.deliveries import Dispatcher, current_claim
from wechatpay_async.errors import ConfigError, RequestError, TransportError, ValidationWarning
from wechatpay_async.inbox import Claim, Held, Inbox, SQLiteInbox
from wechatpay_async.notifications import Answer, Notification, Notifications, ParkingFee, Recipient
from wechatpay_async.notifications.v2 import EitherNotifications, V2Notifications
from wechatpay_async.platform_keys import StaticKeys
from wechatpay_async.protocol import v2 as protocol_v2
from wechatpay_async.protocol import xml

ACK = Answer(204)


def notifications(apiv3_key: str = APIV3_KEY) -> Notifications:
    keys = StaticKeys([PlatformKey(PUBLIC_KEY_ID, PLATFORM_KEY.public_key())])
    return Notifications([Recipient(MCHID, keys, (apiv3_key.encode(),))], clock=lambda: float(NOW))


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[Inbox]:
    async with SQLiteInbox(tmp_path / "inbox.sqlite") as opened:
        yield opened


def failure(answer: Answer) -> tuple[int, str]:
    said = json.loads(answer.body)
    assert said["code"] == "FAIL"
    return answer.status, said["message"]


async def handle(dispatcher: Dispatcher, request: Callback) -> Answer:
    return await dispatcher.handle(request.headers, request.body)


@pytest.mark.anyio
async def test_a_handler_acts_once_for_all_deliveries(inbox: Inbox) -> None:
    dispatcher, seen = Dispatcher(notifications(), inbox=inbox), list[str]()

    @dispatcher.on("TRANSACTION.SUCCESS", "REFUND.SUCCESS")
    async def acted(notification: Notification) -> None:
        seen.append(notification.id)

    for _ in range(3):
        assert await handle(dispatcher, callback(number="EV-1")) == ACK
    assert await handle(dispatcher, callback(number="EV-2", event_type="REFUND.SUCCESS")) == ACK
    assert seen == ["EV-1", "EV-2"]


@pytest.mark.anyio
async def test_without_an_inbox_a_handler_acts_each_time() -> None:
    dispatcher, seen = Dispatcher(notifications(), inbox=None), list[str]()

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> None:
        seen.append(notification.id)

    for _ in range(2):
        assert await handle(dispatcher, callback(number="EV-1")) == ACK
    assert seen == ["EV-1", "EV-1"]


@pytest.mark.anyio
async def test_a_handler_that_raises_gets_the_next_delivery(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    dispatcher, attempts = Dispatcher(notifications(), inbox=inbox), list[int]()

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise LookupError("no such order")

    assert failure(await handle(dispatcher, callback())) == (500, "the handler failed")
    assert "no such order" in caplog.text
    assert "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" not in caplog.text
    assert await handle(dispatcher, callback()) == ACK
    assert await handle(dispatcher, callback()) == ACK
    assert len(attempts) == 2


@pytest.mark.anyio
async def test_a_handler_that_takes_too_long_is_stopped_and_gets_the_next_delivery(inbox: Inbox) -> None:
    dispatcher, attempts = Dispatcher(notifications(), inbox=inbox, budget=0.0), list[int]()

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            await anyio.sleep_forever()

    assert failure(await handle(dispatcher, callback())) == (503, "timed out")
    assert await handle(dispatcher, callback()) == ACK
    assert len(attempts) == 2


@pytest.mark.anyio
async def test_a_time_out_of_the_handler_s_own_is_its_failure(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(notifications(), inbox=inbox)

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> None:
        raise TimeoutError("the warehouse does not answer")

    assert failure(await handle(dispatcher, callback())) == (500, "the handler failed")
    assert "the warehouse does not answer" in caplog.text


@pytest.mark.anyio
async def test_a_body_that_is_not_raw_is_answered_and_logged_with_the_cure(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    body: Any = json.loads(callback().body)
    assert failure(await Dispatcher(notifications(), inbox=inbox).handle(callback().headers, body)) == (400, "RequestError")
    assert "await request.body()" in caplog.text


@pytest.mark.anyio
async def test_a_handler_s_own_answer_is_given_and_a_failure_among_them_is_no_end(inbox: Inbox) -> None:
    dispatcher, attempts = Dispatcher(notifications(), inbox=inbox), list[int]()

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> Answer:
        attempts.append(1)
        return notification.fail("come back later", status=503) if len(attempts) == 1 else Answer(200)

    assert failure(await handle(dispatcher, callback())) == (503, "come back later")
    assert await handle(dispatcher, callback()) == Answer(200)
    assert await handle(dispatcher, callback()) == ACK
    assert len(attempts) == 2


@pytest.mark.anyio
async def test_while_one_worker_acts_another_delivery_is_turned_away(inbox: Inbox) -> None:
    dispatcher, started, finish, answers = Dispatcher(notifications(), inbox=inbox), anyio.Event(), anyio.Event(), list[Answer]()

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> None:
        started.set()
        await finish.wait()

    async def first() -> None:
        answers.append(await handle(dispatcher, callback()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await started.wait()
        assert failure(await handle(dispatcher, callback())) == (503, "being handled by another worker")
        finish.set()
    assert answers == [ACK]
    assert await handle(dispatcher, callback()) == ACK


@pytest.mark.anyio
async def test_a_cancelled_delivery_gives_its_claim_back(inbox: Inbox) -> None:
    dispatcher, started = Dispatcher(notifications(), inbox=inbox), anyio.Event()

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> None:
        started.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(handle, dispatcher, callback(number="EV-1"))
        await started.wait()
        tasks.cancel_scope.cancel()
    assert isinstance(await inbox.claim("EV-1"), Claim)


@pytest.mark.anyio
async def test_a_handler_can_settle_its_claim_in_its_own_transaction(tmp_path: Path) -> None:
    file = tmp_path / "shop.sqlite"
    async with SQLiteInbox(file) as inbox:
        dispatcher = Dispatcher(notifications(), inbox=inbox)

        @dispatcher.on("TRANSACTION.SUCCESS")
        async def acted(notification: Notification) -> None:
            connection = sqlite3.connect(file)
            with connection:
                connection.execute("CREATE TABLE paid (number TEXT)")
                connection.execute("INSERT INTO paid VALUES (?)", (notification.resource["out_trade_no"],))
                inbox.settle_in(connection, current_claim())
            connection.close()
            raise ConnectionError("the process was on its way down")

        assert failure(await handle(dispatcher, callback())) == (500, "the handler failed")
        assert await handle(dispatcher, callback()) == ACK


def test_outside_a_handler_there_is_no_claim() -> None:
    with pytest.raises(RequestError, match="there is no claim here"):
        current_claim()


@pytest.mark.anyio
async def test_an_event_that_nobody_handles_stays_with_wechat_pay(inbox: Inbox) -> None:
    dispatcher = Dispatcher(notifications(), inbox=inbox)
    assert failure(await handle(dispatcher, callback(number="EV-1"))) == (501, "no handler for TRANSACTION.SUCCESS")
    assert isinstance(await inbox.claim("EV-1"), Claim)


@pytest.mark.anyio
async def test_one_handler_can_take_all_the_rest(inbox: Inbox) -> None:
    dispatcher, seen = Dispatcher(notifications(), inbox=inbox), list[str]()

    @dispatcher.on()
    async def rest(notification: Notification) -> None:
        seen.append(notification.event_type)

    assert await handle(dispatcher, callback(event_type="MOON_LANDING.SUCCESS")) == ACK
    assert seen == ["MOON_LANDING.SUCCESS"]


@pytest.mark.anyio
async def test_a_question_is_answered_afresh_each_time(inbox: Inbox) -> None:
    dispatcher, amounts = Dispatcher(notifications(), inbox=inbox), iter([1_500, 2_000])

    @dispatcher.on("PARKING_FEE.QUERY_TRANS_INFO")
    async def fee(notification: Notification) -> Answer:
        data: ParkingFee = {"total_amount": next(amounts)}
        return notification.answer(data)

    request = callback({"out_serial_number": "1"}, event_type="PARKING_FEE.QUERY_TRANS_INFO")
    assert json.loads((await handle(dispatcher, request)).body)["total_amount"] == 1_500
    assert json.loads((await handle(dispatcher, request)).body)["total_amount"] == 2_000


@pytest.mark.anyio
async def test_a_question_that_its_handler_leaves_open_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(notifications(), inbox=None)

    @dispatcher.on("PARKING_FEE.QUERY_TRANS_INFO")
    async def fee(notification: Notification) -> None: ...

    request = callback({"out_serial_number": "1"}, event_type="PARKING_FEE.QUERY_TRANS_INFO")
    assert failure(await handle(dispatcher, request)) == (500, "the handler failed")
    assert "is a question" in caplog.text


def spoilt(**headers: str) -> Callable[[Callback], Callback]:
    def spoil(request: Callback) -> Callback:
        return Callback(request.headers | {name.replace("_", "-"): value for name, value in headers.items()}, request.body)

    return spoil


def repeated(times: int) -> Callable[[Callback], Callback]:
    return lambda request: Callback(request.headers, request.body * times)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("spoil", "status", "message"),
    [
        (spoilt(wechatpay_signature=""), 401, "MissingSignature"),
        (spoilt(wechatpay_timestamp="1"), 401, "StaleTimestamp"),
        (spoilt(wechatpay_serial="PUB_KEY_ID_0"), 401, "UnknownSerial"),
        (spoilt(wechatpay_nonce="another"), 401, "BadSignature"),
        (probe, 401, "BadSignature"),
        (repeated(200), 401, "BadSignature"),
        (repeated(2_000), 400, "MalformedMessage"),
    ],
    ids=["no signature", "stale", "unknown serial", "bad signature", "probe", "other body", "large body"],
)
async def test_what_is_not_genuine_is_refused_before_any_claim(
    inbox: Inbox, spoil: Callable[[Callback], Callback], status: int, message: str
) -> None:
    dispatcher = Dispatcher(notifications(), inbox=inbox)

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> None:
        raise AssertionError("a forged notification was handled")

    assert failure(await handle(dispatcher, spoil(callback(number="EV-1")))) == (status, message)
    assert isinstance(await inbox.claim("EV-1"), Claim)


@pytest.mark.anyio
async def test_a_wrong_apiv3_key_keeps_the_event_coming(inbox: Inbox) -> None:
    dispatcher = Dispatcher(notifications("0" * 32), inbox=inbox)
    assert failure(await handle(dispatcher, callback())) == (500, "DecryptionError")


@pytest.mark.anyio
async def test_a_probe_makes_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wechatpay_async")
    await handle(Dispatcher(notifications(), inbox=None), probe(callback()))
    assert [record.levelname for record in caplog.records] == ["INFO"]


@pytest.mark.anyio
async def test_a_key_that_cannot_be_fetched_keeps_the_event_coming() -> None:
    class Unreachable:
        async def parse(self, headers: Any, body: bytes) -> Notification:
            raise TransportError("no route")

    assert failure(await handle(Dispatcher(Unreachable(), inbox=None), callback())) == (503, "TransportError")


@pytest.mark.anyio
async def test_a_key_that_does_not_come_in_time_keeps_the_event_coming(caplog: pytest.LogCaptureFixture) -> None:
    class Hanging:
        async def parse(self, headers: Any, body: bytes) -> Notification:
            await anyio.sleep_forever()
            raise AssertionError

    assert failure(await handle(Dispatcher(Hanging(), inbox=None, budget=0.01), callback())) == (503, "timed out")
    assert caplog.messages == ["the platform key did not come in time"]


class Broken(Inbox):
    """An inbox whose database is away: at the claim, or only afterwards."""

    def __init__(self, *, claims: bool, done: bool | None) -> None:
        super().__init__()
        self.claims = claims
        self.outcome = done

    def purge(self) -> None: ...

    def close(self) -> None: ...

    def _take(self, claim: Claim, now: float | None) -> Held | None:
        if not self.claims:
            raise sqlite3.OperationalError("database is locked")
        return None

    def _settle(self, claim: Claim, now: float | None) -> bool:
        if self.outcome is None:
            raise sqlite3.OperationalError("disk I/O error")
        return self.outcome

    def _give_back(self, claim: Claim) -> bool:
        return True


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("broken", "expected", "acts"),
    [
        (Broken(claims=False, done=True), (503, "the inbox cannot be reached"), 0),
        (Broken(claims=True, done=None), (503, "the outcome could not be written down"), 1),
    ],
    ids=["at the claim", "at the end"],
)
async def test_an_inbox_that_fails_makes_the_event_come_again(broken: Inbox, expected: tuple[int, str], acts: int) -> None:
    dispatcher, seen = Dispatcher(notifications(), inbox=broken), list[str]()

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> None:
        seen.append(notification.id)

    assert failure(await handle(dispatcher, callback())) == expected
    assert len(seen) == acts


@pytest.mark.anyio
async def test_a_lease_that_was_lost_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(notifications(), inbox=Broken(claims=True, done=False))

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def acted(notification: Notification) -> None: ...

    assert await handle(dispatcher, callback()) == ACK
    assert "took longer than its lease" in caplog.text


def payment_v2(**changes: str) -> Callback:
    """An APIv2 payment notification, signed with the secret."""
    fields = {
        "mch_id": MCHID,
        "appid": "wx1",
        "result_code": "SUCCESS",
        "return_code": "SUCCESS",
        "transaction_id": "42",
        "out_trade_no": "7",
    }
    fields |= changes
    fields["sign"] = protocol_v2.sign(fields, SECRET.encode())
    return Callback({"content-type": "text/xml"}, xml.build("xml", fields))


@pytest.mark.anyio
async def test_apiv2_notifications_are_events_like_the_others(inbox: Inbox) -> None:
    either = EitherNotifications(notifications(), V2Notifications(mchid=MCHID, secret=SECRET.encode()))
    dispatcher, seen = Dispatcher(either, inbox=inbox), list[str]()

    @dispatcher.on("transaction-success")
    async def old(notification: Notification) -> None:
        seen.append(notification.resource["out_trade_no"])

    @dispatcher.on("TRANSACTION.SUCCESS")
    async def new(notification: Notification) -> None:
        seen.append(notification.id)

    @dispatcher.on("transaction-failed")
    async def not_paid(notification: Notification) -> None:
        seen.append(notification.event_type)

    for _ in range(2):
        answer = await handle(dispatcher, payment_v2())
        assert (answer.status, b"SUCCESS" in answer.body) == (200, True)
    assert await handle(dispatcher, callback(number="EV-1")) == ACK
    assert (await handle(dispatcher, payment_v2(result_code="FAIL", transaction_id="43"))).accepted
    assert seen == ["7", "EV-1", "transaction-failed"]


@pytest.mark.anyio
async def test_forged_xml_is_refused_in_xml() -> None:
    either = EitherNotifications(notifications(), V2Notifications(mchid=MCHID, secret=SECRET.encode()))
    request = payment_v2()
    answer = await handle(Dispatcher(either, inbox=None), Callback(request.headers, request.body.replace(b"42", b"43")))
    assert answer.status == 401
    assert answer.headers["Content-Type"].startswith(("text/xml", "application/xml"))
    assert b"FAIL" in answer.body


def test_names_that_both_apis_have_are_kept_apart() -> None:
    dispatcher = Dispatcher(notifications(), inbox=None)

    async def act(notification: Notification) -> None: ...

    dispatcher.on("TRANSACTION.SUCCESS")(act)
    dispatcher.on("TRANSACTION.SUCCESS", api="v2")(act)
    with pytest.raises(ConfigError, match=r"on: two handlers for TRANSACTION\.SUCCESS"):
        dispatcher.on("TRANSACTION.SUCCESS", api="v3")(act)
    dispatcher.on()(act)
    with pytest.raises(ConfigError, match="on: two handlers for all other events"):
        dispatcher.on()(act)


@pytest.mark.parametrize(
    ("name", "hint"), [("TRANSACTION.SUCESS", r"did you mean TRANSACTION\.SUCCESS\?"), ("zzz", "zzz is in no catalogue of this release$")]
)
def test_a_name_that_no_catalogue_has_is_pointed_out(name: str, hint: str) -> None:
    async def act(notification: Notification) -> None: ...

    with pytest.warns(ValidationWarning, match=hint):
        Dispatcher(notifications(), inbox=None).on(name)(act)
