"""Downloaded platform certificates: when they are downloaded, by whom, and what is done when they are not."""

from __future__ import annotations

import gc
import logging
import re
from functools import partial

import anyio
import httpx
import pytest

from tests.trust.platform import (
    APIV3_KEY,
    NOW,
    PUBLIC_KEY_ID,
    Issued,
    Reply,
    Server,
    error,
    issue,
    listing,
    private_key,
    public_key,
    signed,
)
from wechatpay_async.auto_keys import AutoKeys, Refresher
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.errors import (
    APIError,
    BadSignature,
    ConfigError,
    DecryptionError,
    MalformedMessage,
    ServerError,
    TransportError,
    UnknownSerial,
    WechatpayError,
)
from wechatpay_async.key_stores import KeyStore, MemoryStore
from wechatpay_async.platform_keys import StaticKeys, preferred_key

pytestmark = pytest.mark.anyio

A = issue("a", 1)
B = issue("b", 2, start=NOW - 3600)
HOUR = 3600.0


def keys_of(server: Server, *, given: tuple[PlatformKey, ...] = (), store: KeyStore | None = None, chance: float = 0.0) -> AutoKeys:
    return AutoKeys(server.fetch, APIV3_KEY, given=given, store=store, clock=server.clock, chance=lambda: chance)


def certificate_key(issued: Issued) -> PlatformKey:
    return PlatformKey(
        issued.serial, issued.private_key.public_key(), issued.certificate.not_valid_before_utc, issued.certificate.not_valid_after_utc
    )


async def test_the_first_need_downloads_and_the_next_ones_do_not() -> None:
    server = Server([A])
    keys = keys_of(server)
    assert keys.held(A.serial) is None
    assert keys.preferred_serial() is None
    found = await keys.find(A.serial)
    assert found.public_key.public_numbers() == A.private_key.public_key().public_numbers()
    assert keys.held(A.serial) is found
    assert keys.preferred_serial() == A.serial
    assert await keys.for_encryption() is found
    assert await keys.find(A.serial) is found
    assert server.downloads == 1
    assert repr(keys) == f"AutoKeys(held=['{A.serial}'])"


async def test_the_newest_that_is_valid_now_encrypts() -> None:
    tomorrow = issue("c", 3, start=NOW + 86400)
    expired = issue("d", 4, start=NOW - 2 * 365 * 86400, days=365)
    server = Server([expired, A, B, tomorrow], signer=A)
    keys = keys_of(server)
    assert (await keys.for_encryption()).serial == B.serial
    server.now += 86401
    assert (await keys.for_encryption()).serial == tomorrow.serial


async def test_where_every_certificate_has_expired_the_newest_still_serves() -> None:
    old = issue("a", 5, start=NOW - 4 * 365 * 86400, days=365)
    older = issue("b", 6, start=NOW - 5 * 365 * 86400, days=365)
    assert (await keys_of(Server([older, old])).for_encryption()).serial == old.serial


@pytest.mark.parametrize(("chance", "hours"), [(0.0, 12.0), (1.0, 9.0)])
async def test_it_is_refreshed_before_twelve_hours_have_passed(chance: float, hours: float) -> None:
    server = Server([A])
    keys = keys_of(server, chance=chance)
    await keys.find(A.serial)
    server.now += hours * HOUR - 1
    assert not await keys.refresh_if_due()
    await keys.find(A.serial)
    await keys.for_encryption()
    assert server.downloads == 1
    server.now += 1
    server.certificates = [A, B]
    await keys.find(A.serial)
    assert server.downloads == 2
    assert keys.held(B.serial) is not None


async def test_a_clock_that_was_set_back_refreshes_too() -> None:
    server = Server([A])
    keys = keys_of(server)
    await keys.find(A.serial)
    server.now -= HOUR
    assert await keys.refresh_if_due()
    assert server.downloads == 2


async def test_a_refresh_replaces_the_whole_map() -> None:
    server = Server([A, B])
    keys = keys_of(server)
    await keys.find(A.serial)
    server.now += 12 * HOUR
    server.certificates, server.signer = [B], A
    with pytest.raises(UnknownSerial):
        await keys.find(A.serial)
    assert keys.held(A.serial) is None
    assert keys.held(B.serial) is not None


async def test_a_refresh_that_fails_keeps_what_is_held(caplog: pytest.LogCaptureFixture) -> None:
    server = Server([A], replies=[listing(A), httpx.ConnectError("no route"), error(500, "SYSTEM_ERROR")])
    keys = keys_of(server)
    held = await keys.find(A.serial)
    server.now += 12 * HOUR
    with caplog.at_level(logging.WARNING):
        assert await keys.find(A.serial) is held
    assert "the refresh failed, 1 stay held: TransportError" in caplog.text
    assert await keys.find(A.serial) is held, "within the window nobody tries again"
    assert server.downloads == 2
    server.now += 60
    assert await keys.find(A.serial) is held
    assert server.downloads == 3
    server.now += 60
    assert (await keys.find(A.serial)).serial == A.serial
    assert server.downloads == 4


async def test_an_unknown_serial_costs_one_download_in_a_window() -> None:
    server = Server([A])
    keys = keys_of(server)
    await keys.find(A.serial)
    server.now += 61
    for number in range(10_000):
        with pytest.raises(UnknownSerial):
            await keys.find(f"{number:040X}")
    assert server.downloads == 2
    server.now += 60
    server.certificates = [A, B]
    assert (await keys.find(B.serial)).serial == B.serial
    assert server.downloads == 3


@pytest.mark.parametrize("forged", [PUBLIC_KEY_ID, "", "not a serial", "A" * 65])
async def test_what_no_download_can_bring_makes_no_request(forged: str) -> None:
    server = Server([A])
    with pytest.raises(UnknownSerial) as failure:
        await keys_of(server).find(forged)
    assert server.downloads == 0
    assert failure.value.serial == forged


async def test_the_error_says_why() -> None:
    server = Server([A])
    keys = keys_of(server)
    with pytest.raises(UnknownSerial, match="no certificate of this merchant has that serial") as failure:
        await keys.find(B.serial)
    assert f"held: {A.serial}" in str(failure.value)
    assert failure.value.__cause__ is None
    with pytest.raises(UnknownSerial, match="add this public key to certs="):
        await keys.find(PUBLIC_KEY_ID)


@pytest.mark.parametrize(
    ("reply", "cause", "text"),
    [
        (error(404, "RESOURCE_NOT_EXISTS"), ConfigError, "public-key mode"),
        (error(404, "NOT_FOUND"), ConfigError, "public-key mode"),
        (error(500, "SYSTEM_ERROR"), ServerError, "perhaps this merchant uses the public-key mode"),
        (error(200, body=b'{"data":[]}'), ConfigError, "public-key mode"),
        (error(401, "SIGN_ERROR"), APIError, "SIGN_ERROR"),
        (listing(A, apiv3_key=b"another key of exactly 32 bytes!"), DecryptionError, "APIv3 key"),
        (error(200, body=b"<html>"), MalformedMessage, "no JSON"),
        (httpx.ReadTimeout("slow"), TransportError, "ReadTimeout"),
    ],
)
async def test_a_first_download_that_fails_says_why_everywhere(
    reply: Reply | BaseException, cause: type[WechatpayError], text: str
) -> None:
    server = Server([A], replies=[reply])
    keys = keys_of(server)
    with pytest.raises(cause, match=text):
        await keys.for_encryption()
    with pytest.raises(UnknownSerial, match=text) as failure:
        await keys.find(A.serial)
    assert isinstance(failure.value.__cause__, cause)
    assert server.downloads == 1, "the second one asked within the window"
    server.now += 5
    assert (await keys.find(A.serial)).serial == A.serial


async def test_being_told_the_failure_again_and_again_does_not_grow_it() -> None:
    keys = keys_of(Server([], replies=[error(404)]))
    depths: list[int] = []
    for _ in range(3):
        with pytest.raises(ConfigError) as failure:
            await keys.for_encryption()
        depths.append(len(failure.traceback))
    assert depths[1] == depths[2]


async def test_the_first_download_is_judged_by_the_certificates_it_brings() -> None:
    forged = Server([A], signer=B)
    with pytest.raises(UnknownSerial, match="they are not taken over"):
        await keys_of(forged).for_encryption()


async def test_a_later_download_is_judged_by_the_certificates_held(caplog: pytest.LogCaptureFixture) -> None:
    server = Server([A])
    keys = keys_of(server)
    held = await keys.find(A.serial)
    server.now += 12 * HOUR
    server.certificates = [B]
    assert await keys.find(A.serial) is held
    assert keys.held(B.serial) is None
    assert "UnknownSerial" in caplog.text


@pytest.mark.parametrize("days", [7, 366])
async def test_after_a_long_sleep_it_begins_anew(days: int) -> None:
    server = Server([issue("a", 7, days=366)])
    keys = keys_of(server)
    await keys.for_encryption()
    server.now += days * 86400
    server.certificates = [B]
    assert (await keys.find(B.serial)).serial == B.serial


async def test_a_reply_signed_wrongly_on_purpose_is_asked_for_again() -> None:
    status, headers, body = listing(A)
    probe = status, {**headers, "Wechatpay-Signature": "WECHATPAY/SIGNTEST/abc"}, body
    server = Server([A], replies=[probe])
    assert (await keys_of(server).find(A.serial)).serial == A.serial
    assert server.downloads == 2


async def test_a_reply_signed_wrongly_is_not() -> None:
    status, headers, body = listing(A)
    server = Server([A], replies=[(status, {**headers, "Wechatpay-Nonce": "another"}, body)])
    with pytest.raises(BadSignature):
        await keys_of(server).for_encryption()
    assert server.downloads == 1


async def test_all_waiting_tasks_share_one_download() -> None:
    server = Server([A], gate=anyio.Event())
    keys = keys_of(server)
    found: list[PlatformKey] = []

    async def ask(serial: str) -> None:
        found.append(await keys.find(serial))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask, A.serial)
        await anyio.wait_all_tasks_blocked()
        assert server.downloads == 1
        assert server.gate is not None
        server.gate.set()
    assert len(found) == 50
    assert server.downloads == 1


async def test_all_waiting_tasks_share_one_failure() -> None:
    server = Server([A], gate=anyio.Event(), replies=[error(404)])
    keys = keys_of(server)
    failures: list[ConfigError] = []

    async def ask() -> None:
        with pytest.raises(ConfigError) as failure:
            await keys.for_encryption()
        failures.append(failure.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert server.gate is not None
        server.gate.set()
    assert len(failures) == 20
    assert server.downloads == 1


async def test_while_one_task_refreshes_the_others_go_on() -> None:
    server = Server([A])
    keys = keys_of(server)
    await keys.find(A.serial)
    server.now += 12 * HOUR
    server.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keys.find, A.serial)
        await anyio.wait_all_tasks_blocked()
        assert server.downloads == 2
        for _ in range(50):
            assert (await keys.find(A.serial)).serial == A.serial
            assert (await keys.for_encryption()).serial == A.serial
        server.gate.set()
    assert server.downloads == 2


async def test_a_cancelled_leader_strands_nobody() -> None:
    server = Server([A], gate=anyio.Event(), begun=anyio.Event())
    keys = keys_of(server)
    found: list[PlatformKey] = []
    leader = anyio.CancelScope()

    async def lead() -> None:
        with leader:
            await keys.find(A.serial)

    async def follow() -> None:
        found.append(await keys.find(A.serial))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        assert server.begun is not None
        await server.begun.wait()
        for _ in range(10):
            tasks.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        assert server.downloads == 1
        leader.cancel()
        await anyio.wait_all_tasks_blocked()
        assert server.downloads == 2, "the next in line leads"
        assert server.gate is not None
        server.gate.set()
    assert len(found) == 10
    assert server.downloads == 2


async def test_a_cancelled_first_download_does_not_hold_up_the_next_call() -> None:
    server = Server([A], gate=anyio.Event())
    keys = keys_of(server)
    with anyio.move_on_after(0):
        await keys.find(A.serial)
    server.gate = None
    assert (await keys.find(A.serial)).serial == A.serial


async def test_a_cancelled_later_download_counts_as_one() -> None:
    server = Server([A], begun=anyio.Event())
    keys = keys_of(server)
    await keys.find(A.serial)
    server.now += 61
    server.gate, server.begun = anyio.Event(), anyio.Event()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keys.find, B.serial)
        await server.begun.wait()
        tasks.cancel_scope.cancel()
    assert server.downloads == 2
    with pytest.raises(UnknownSerial):
        await keys.find(B.serial)
    assert server.downloads == 2


async def test_a_merchant_that_switches_has_both_kinds() -> None:
    server = Server([A])
    keys = keys_of(server, given=(public_key(),))
    assert keys.preferred_serial() == PUBLIC_KEY_ID
    assert (await keys.for_encryption()).serial == PUBLIC_KEY_ID
    assert (await keys.find(PUBLIC_KEY_ID)).serial == PUBLIC_KEY_ID
    assert server.downloads == 0
    assert (await keys.find(A.serial)).serial == A.serial
    assert server.downloads == 1
    assert keys.preferred_serial() == PUBLIC_KEY_ID


async def test_the_public_key_may_sign_the_download() -> None:
    _, _, body = listing(A)
    reply = 200, signed(body, private_key("public"), PUBLIC_KEY_ID), body
    keys = keys_of(Server([A], replies=[reply]), given=(public_key(),))
    assert (await keys.find(A.serial)).serial == A.serial


async def test_a_merchant_that_has_switched_keeps_the_certificates_and_asks_no_more() -> None:
    server = Server([A], replies=[listing(A)])
    keys = keys_of(server, given=(public_key(),))
    await keys.find(A.serial)
    server.replies = [error(404, "RESOURCE_NOT_EXISTS")]
    server.now += 12 * HOUR
    assert (await keys.find(A.serial)).serial == A.serial
    assert server.downloads == 2
    server.now += HOUR
    assert (await keys.find(A.serial)).serial == A.serial
    assert server.downloads == 2


async def test_a_public_key_alone_beside_auto_survives_the_404() -> None:
    server = Server([], replies=[error(404, "NOT_FOUND")])
    keys = keys_of(server, given=(public_key(),))
    for _ in range(100):
        with pytest.raises(UnknownSerial, match=f"held: {PUBLIC_KEY_ID}"):
            await keys.find(A.serial)
    assert server.downloads == 1
    assert (await keys.for_encryption()).serial == PUBLIC_KEY_ID


async def test_a_given_certificate_serves_while_the_download_fails() -> None:
    keys = keys_of(Server([], replies=[error(500)]), given=(certificate_key(A),))
    assert (await keys.for_encryption()).serial == A.serial
    assert (await keys.find(A.serial)).serial == A.serial


async def test_fifty_tasks_while_certificates_rotate_and_the_merchant_switches() -> None:
    server = Server([A])
    keys = keys_of(server, given=(public_key(),))
    signers = [A.serial]
    calls = 0
    over = False

    async def call() -> None:
        nonlocal calls
        while not over:
            for serial in signers:
                assert (await keys.find(serial)).serial == serial
            assert (await keys.for_encryption()).serial == PUBLIC_KEY_ID
            calls += 1
            await anyio.lowlevel.checkpoint()

    async def until(downloads: int) -> None:
        target = calls + 500
        while server.downloads < downloads or calls < target:
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(call)
        await until(1)
        server.certificates, server.signer = [A, B], A
        server.now += 12 * HOUR
        await until(2)
        assert keys.held(B.serial) is not None
        signers.append(B.serial)
        server.signer = B
        server.now += 12 * HOUR
        await until(3)
        signers.append(PUBLIC_KEY_ID)
        server.replies = [error(404, "RESOURCE_NOT_EXISTS")]
        server.now += 12 * HOUR
        await until(4)
        over = True
    assert calls > 2000
    assert server.downloads == 4


class BrokenStore:
    """A store whose server is away."""

    async def load(self) -> bytes | None:
        raise RuntimeError("load")

    async def save(self, data: bytes) -> None:
        raise RuntimeError(f"save {len(data)}")


async def test_a_store_saves_the_next_process_its_download() -> None:
    store, server = MemoryStore(), Server([A])
    await keys_of(server, store=store).find(A.serial)
    server.now += HOUR
    other = keys_of(server, store=store)
    assert (await other.find(A.serial)).serial == A.serial
    assert server.downloads == 1
    stored = await store.load()
    assert stored is not None
    assert b"BEGIN CERTIFICATE" not in stored


async def test_a_refresh_by_another_process_is_taken_over() -> None:
    store, server = MemoryStore(), Server([A])
    first, second = keys_of(server, store=store), keys_of(server, store=store)
    await first.find(A.serial)
    await second.find(A.serial)
    server.now += 12 * HOUR
    server.certificates, server.signer = [A, B], A
    await first.find(A.serial)
    assert server.downloads == 2
    assert (await second.find(B.serial)).serial == B.serial
    assert server.downloads == 2


async def test_a_store_without_the_wanted_certificate_does_not_stop_the_download() -> None:
    store, server = MemoryStore(), Server([A])
    await keys_of(server, store=store).find(A.serial)
    server.certificates, server.signer = [A, B], A
    assert (await keys_of(server, store=store).find(B.serial)).serial == B.serial
    assert server.downloads == 2


@pytest.mark.parametrize(
    "pattern", [b".*", b'"time"', b'"body": "[^"]*"', b"[A-Z]", b"}$"], ids=["all", "no time", "no body", "no base64", "no end"]
)
async def test_a_store_that_holds_rubbish_is_as_good_as_none(pattern: bytes) -> None:
    store, server = MemoryStore(), Server([A])
    await keys_of(server, store=store).find(A.serial)
    await store.save(re.sub(pattern, b"", await store.load() or b""))
    assert (await keys_of(server, store=store).find(A.serial)).serial == A.serial
    assert server.downloads == 2


async def test_certificates_that_somebody_else_put_into_the_store_are_refused() -> None:
    store, forger = MemoryStore(), Server([B])
    forged = AutoKeys(partial(forge, forger), b"not the merchant's APIv3 key 123", store=store, clock=forger.clock)
    await forged.find(B.serial)
    server = Server([A])
    keys = keys_of(server, store=store)
    assert (await keys.find(A.serial)).serial == A.serial
    assert keys.held(B.serial) is None


async def forge(server: Server) -> Reply:
    return listing(*server.certificates, apiv3_key=b"not the merchant's APIv3 key 123")


async def test_an_old_store_is_not_taken_over() -> None:
    store, server = MemoryStore(), Server([A])
    await keys_of(server, store=store).find(A.serial)
    server.now += 12 * HOUR
    await keys_of(server, store=store).find(A.serial)
    assert server.downloads == 2


async def test_a_store_that_is_away_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    keys = keys_of(Server([A]), store=BrokenStore())
    assert (await keys.find(A.serial)).serial == A.serial
    assert "the store cannot be read: RuntimeError" in caplog.text
    assert "the store cannot be written: RuntimeError" in caplog.text


async def test_one_refresher_serves_any_number_of_merchants() -> None:
    servers = [Server([A]) for _ in range(200)]
    merchants = [keys_of(server) for server in servers]
    refresher = Refresher(at_once=8)
    for place in range(200):
        refresher.add(merchants[place])
    assert await refresher.refresh_due() == 200
    assert await refresher.refresh_due() == 0
    assert {server.downloads for server in servers} == {1}
    servers[0].now += 12 * HOUR
    assert await refresher.refresh_due() == 1
    assert servers[0].downloads == 2
    refresher.add(StaticKeys([public_key()]))
    assert len(refresher) == 200
    merchants.clear()
    gc.collect()
    assert len(refresher) == 0


async def test_the_refresher_goes_on_until_it_is_cancelled() -> None:
    server = Server([A])
    keys = keys_of(server)
    refresher = Refresher()
    refresher.add(keys)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(refresher.run, pause=0))
        while keys.held(A.serial) is None:
            await anyio.lowlevel.checkpoint()
        server.begun = anyio.Event()
        server.now += 12 * HOUR
        await server.begun.wait()
        tasks.cancel_scope.cancel()
    assert server.downloads == 2


async def test_static_keys_prefer_the_public_key_over_the_newest_certificate() -> None:
    both = StaticKeys([certificate_key(B), certificate_key(A), public_key()])
    assert (await both.for_encryption()).serial == PUBLIC_KEY_ID
    assert both.preferred_serial() == PUBLIC_KEY_ID
    certificates = StaticKeys([certificate_key(B), certificate_key(A)])
    assert (await certificates.for_encryption()).serial == B.serial
    assert preferred_key([]) is None


async def test_static_keys_learn_nothing() -> None:
    keys = StaticKeys([public_key()])
    assert list(keys.fixed_serials) == [PUBLIC_KEY_ID]
    assert keys.held(PUBLIC_KEY_ID) is await keys.find(PUBLIC_KEY_ID)
    with pytest.raises(UnknownSerial, match='set platform_keys="auto"'):
        await keys.find(A.serial)
    with pytest.raises(UnknownSerial, match="add this public key to certs="):
        await keys.find("PUB_KEY_ID_2")
    with pytest.raises(ConfigError, match="sensitive fields need a platform key"):
        await StaticKeys().for_encryption()
    assert StaticKeys().preferred_serial() is None
