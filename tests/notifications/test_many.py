"""Several merchants behind one address, and keys that are fetched when first needed."""

from __future__ import annotations

import logging

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.support.callbacks import NOW, TRANSACTION, Callback, callback, compact, message, probe, signed
from tests.support.keys import APIV3_KEY, MERCHANT_KEY, PLATFORM_KEY
from tests.support.platform import Platform, client
from tests.trust import platform as trust
from wechatpay_async.auto_keys import AutoKeys
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.errors import (
    BadSignature,
    ConfigError,
    DecryptionError,
    RequestError,
    StaleTimestamp,
    TransportError,
    UnknownSerial,
    WechatpayError,
)
from wechatpay_async.notifications import Notifications, Recipient
from wechatpay_async.platform_keys import StaticKeys

CERTIFICATE_SERIAL = "7132D72A03E93CDDF8C03BBD1F37EEDF00000001"
OTHER_KEY = "00000000000000000000000000000000"


class LearningKeys:
    """A key source that fetches what it does not hold, and counts."""

    def __init__(self, fetched: PlatformKey | WechatpayError) -> None:
        self.fetched = fetched
        self.memory: dict[str, PlatformKey] = {}
        self.looks = 0
        self.fetches = 0

    def held(self, serial: str) -> PlatformKey | None:
        self.looks += 1
        return self.memory.get(serial)

    async def find(self, serial: str) -> PlatformKey:
        self.fetches += 1
        if isinstance(self.fetched, WechatpayError):
            raise self.fetched
        if self.fetched.serial != serial:
            raise UnknownSerial(f"{serial} is unknown")
        self.memory[serial] = self.fetched
        return self.fetched


def key(serial: str, private: RSAPrivateKey = PLATFORM_KEY) -> PlatformKey:
    return PlatformKey(serial, private.public_key())


def recipient(mchid: str, *keys: PlatformKey, apiv3_key: str = APIV3_KEY) -> Recipient:
    return Recipient(mchid, StaticKeys(keys), (apiv3_key.encode(),))


def notifications(*recipients: Recipient | Notifications) -> Notifications:
    return Notifications(recipients, clock=lambda: float(NOW))


def test_the_serial_leads_to_the_merchant() -> None:
    both = notifications(recipient("1900000001", key("PUB_KEY_ID_1")), recipient("1900000002", key("PUB_KEY_ID_2")))
    for number in "12":
        request = signed(compact(message()), serial=f"PUB_KEY_ID_{number}")
        assert both.parse_blocking(request.headers, request.body).mchid == f"190000000{number}"


def test_the_merchants_of_several_clients_can_be_put_together() -> None:
    one, two = recipient("1900000001", key("PUB_KEY_ID_1")), recipient("1900000002", key("PUB_KEY_ID_2"))
    assert notifications(notifications(one), notifications(two)).recipients == (one, two)
    shop, branch = client(Platform()), client(Platform(), mchid="1900007777")
    assert Notifications([shop, branch.notifications, one]).recipients == (
        *shop.notifications.recipients,
        *branch.notifications.recipients,
        one,
    )


def test_under_a_shared_key_the_apiv3_key_that_fits_decides() -> None:
    shared = key(CERTIFICATE_SERIAL)
    both = notifications(recipient("1900000001", shared, apiv3_key=OTHER_KEY), recipient("1900000002", shared))
    request = signed(compact(message()), serial=CERTIFICATE_SERIAL)
    assert both.parse_blocking(request.headers, request.body).mchid == "1900000002"
    assert both.parse_blocking(request.headers, request.body, mchid="1900000002").resource == TRANSACTION
    with pytest.raises(DecryptionError):
        both.parse_blocking(request.headers, request.body, mchid="1900000001")


def test_different_keys_under_one_serial_are_told_apart_by_the_signature() -> None:
    both = notifications(recipient("1900000001", key("PUB_KEY_ID_1", MERCHANT_KEY)), recipient("1900000002", key("PUB_KEY_ID_1")))
    request = signed(compact(message()), serial="PUB_KEY_ID_1")
    assert both.parse_blocking(request.headers, request.body).mchid == "1900000002"
    other = signed(compact(message()), serial="PUB_KEY_ID_1", key=MERCHANT_KEY)
    assert both.parse_blocking(other.headers, other.body).mchid == "1900000001"
    with pytest.raises(BadSignature):
        both.parse_blocking(request.headers, request.body + b" ")


def test_a_thousand_merchants_cost_no_look_at_a_thousand_key_sources() -> None:
    many = [recipient(f"19{number:08d}", key(f"PUB_KEY_ID_{number}")) for number in range(1_000)]
    learning = [LearningKeys(UnknownSerial("none")) for _ in range(3)]
    all_of_them = notifications(*many, *(Recipient(f"18{n:08d}", keys, (APIV3_KEY.encode(),)) for n, keys in enumerate(learning)))
    request = signed(compact(message()), serial="PUB_KEY_ID_999")
    assert all_of_them.parse_blocking(request.headers, request.body).mchid == "1900000999"
    assert [source.looks for source in learning] == [0, 0, 0]


def test_an_mchid_that_nobody_has_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(RequestError, match="no recipient has the mchid '1900000009'"):
        notifications(recipient("1900000001", key("PUB_KEY_ID_1"))).parse_blocking(callback().headers, b"{}", mchid="1900000009")


@pytest.mark.parametrize(
    ("recipients", "text"),
    [
        ([], "recipients: at least one is needed"),
        ([recipient("1900000001"), recipient("1900000001")], "recipients: two of them have the same mchid"),
    ],
)
def test_recipients_that_cannot_be_right_are_refused(recipients: list[Recipient], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Notifications(recipients)


@pytest.mark.anyio
async def test_a_key_is_fetched_once_and_then_known() -> None:
    source = LearningKeys(key(CERTIFICATE_SERIAL))
    other = LearningKeys(UnknownSerial("none"))
    receiver = notifications(Recipient("1900000001", other, (APIV3_KEY.encode(),)), Recipient("1900000002", source, (APIV3_KEY.encode(),)))
    request = signed(compact(message()), serial=CERTIFICATE_SERIAL)
    for _ in range(3):
        assert (await receiver.parse(request.headers, request.body)).mchid == "1900000002"
    assert (other.fetches, source.fetches) == (1, 1)


@pytest.mark.anyio
async def test_with_an_mchid_only_that_merchant_s_source_is_asked() -> None:
    source, other = LearningKeys(key(CERTIFICATE_SERIAL)), LearningKeys(UnknownSerial("none"))
    receiver = notifications(Recipient("1900000001", other, (APIV3_KEY.encode(),)), Recipient("1900000002", source, (APIV3_KEY.encode(),)))
    request = signed(compact(message()), serial=CERTIFICATE_SERIAL)
    assert (await receiver.parse(request.headers, request.body, mchid="1900000002")).mchid == "1900000002"
    assert other.fetches == 0


@pytest.mark.anyio
async def test_a_shared_certificate_is_fetched_by_each_merchant_whose_message_needs_it() -> None:
    fixed = recipient("1900000001", key(CERTIFICATE_SERIAL), apiv3_key=OTHER_KEY)
    sources = [LearningKeys(TransportError("no route")), LearningKeys(key(CERTIFICATE_SERIAL)), LearningKeys(key(CERTIFICATE_SERIAL))]
    keys = [APIV3_KEY, "1" * 32, APIV3_KEY]
    learning = [
        Recipient(f"180000000{number}", source, (apiv3_key.encode(),))
        for number, (source, apiv3_key) in enumerate(zip(sources, keys, strict=True))
    ]
    receiver = notifications(fixed, *learning)
    request = signed(compact(message()), serial=CERTIFICATE_SERIAL)
    for _ in range(3):
        assert (await receiver.parse(request.headers, request.body)).mchid == "1800000002"
    assert [source.fetches for source in sources] == [1, 1, 1]
    with pytest.raises(DecryptionError):
        await receiver.parse(request.headers, request.body, mchid="1900000001")
    nobody = signed(compact(message(apiv3_key="2" * 32)), serial=CERTIFICATE_SERIAL)
    with pytest.raises(DecryptionError, match="the signature is right"):
        await receiver.parse(nobody.headers, nobody.body)
    assert receiver.parse_blocking(request.headers, request.body).mchid == "1800000002"


@pytest.mark.anyio
async def test_a_key_that_a_source_gave_up_is_asked_for_again() -> None:
    source = LearningKeys(key(CERTIFICATE_SERIAL))
    receiver = notifications(Recipient("1900000001", source, (APIV3_KEY.encode(),)))
    request = signed(compact(message()), serial=CERTIFICATE_SERIAL)
    await receiver.parse(request.headers, request.body)
    await receiver.parse(request.headers, request.body)
    source.memory.clear()
    assert (await receiver.parse(request.headers, request.body)).mchid == "1900000001"
    assert source.fetches == 2


@pytest.mark.anyio
async def test_a_source_that_cannot_look_says_why() -> None:
    receiver = notifications(Recipient("1900000001", LearningKeys(TransportError("no route")), (APIV3_KEY.encode(),)))
    request = signed(compact(message()), serial=CERTIFICATE_SERIAL)
    with pytest.raises(TransportError, match="no route"):
        await receiver.parse(request.headers, request.body)


@pytest.mark.anyio
async def test_ten_thousand_forged_callbacks_ask_a_source_only_where_a_serial_looks_like_one() -> None:
    source = LearningKeys(UnknownSerial("none"))
    receiver = notifications(Recipient("1900000001", source, (APIV3_KEY.encode(),)))
    forged = callback()
    for number in range(10_000):
        with pytest.raises(UnknownSerial):
            await receiver.parse(forged.headers | {"wechatpay-serial": f"forged-{number}"}, forged.body)
    assert source.fetches == 0
    with pytest.raises(StaleTimestamp):
        await receiver.parse(forged.headers | {"wechatpay-timestamp": "1", "wechatpay-serial": CERTIFICATE_SERIAL}, forged.body)
    assert source.fetches == 0
    with pytest.raises(UnknownSerial):
        await receiver.parse(forged.headers | {"wechatpay-serial": CERTIFICATE_SERIAL}, forged.body)
    assert source.fetches == 1


def test_a_probe_is_logged_once_however_many_keys_are_tried(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wechatpay_async")
    both = notifications(recipient("1900000001", key("PUB_KEY_ID_1", MERCHANT_KEY)), recipient("1900000002", key("PUB_KEY_ID_1")))
    request: Callback = probe(signed(compact(message()), serial="PUB_KEY_ID_1"))
    with pytest.raises(BadSignature):
        both.parse_blocking(request.headers, request.body)
    assert len(caplog.records) == 1


A = trust.issue("a", 1)
NEW = trust.issue("b", 2, start=trust.NOW - 3600)


def by(issued: trust.Issued, now: float) -> Callback:
    """A genuine message, signed by this certificate."""
    return signed(compact(message(apiv3_key=trust.APIV3_KEY.decode())), key=issued.private_key, serial=issued.serial, timestamp=int(now))


def parts(issued: trust.Issued, now: float) -> tuple[dict[str, str], bytes]:
    request = by(issued, now)
    return request.headers, request.body


def merchants(count: int) -> tuple[list[trust.Server], Notifications]:
    """Several merchants behind one address, each with certificates that it downloads from a server of its own."""
    servers = [trust.Server([A]) for _ in range(count)]
    found = [AutoKeys(server.fetch, trust.APIV3_KEY, clock=server.clock, chance=lambda: 0.0) for server in servers]
    recipients = [Recipient(f"19{number:08d}", keys, (trust.APIV3_KEY,)) for number, keys in enumerate(found)]
    return servers, Notifications(recipients, clock=servers[0].clock)


def later(servers: list[trust.Server], seconds: float) -> float:
    for server in servers:
        server.now += seconds
    return servers[0].now


@pytest.mark.anyio
async def test_forged_serials_cost_one_download_a_minute_however_many_merchants_there_are() -> None:
    servers, receiver = merchants(20)
    first = by(A, servers[0].now)
    for number in range(500):
        with pytest.raises(UnknownSerial):
            await receiver.parse(first.headers | {"wechatpay-serial": f"{number:040X}"}, first.body)
    assert [server.downloads for server in servers] == [1] * 20  # each once, since it had nothing before
    for _ in range(3):
        forged = by(A, later(servers, 61))
        for number in range(500):
            with pytest.raises(UnknownSerial):
                await receiver.parse(forged.headers | {"wechatpay-serial": f"{number:040X}"}, forged.body)
    assert sum(server.downloads for server in servers) == 20 + 3
    assert max(server.downloads for server in servers) == 2


@pytest.mark.anyio
async def test_a_new_certificate_is_found_when_its_merchant_s_turn_has_come() -> None:
    servers, receiver = merchants(3)
    assert (await receiver.parse(*parts(A, servers[0].now))).mchid == "1900000000"
    with pytest.raises(UnknownSerial):  # now each has been asked once
        await receiver.parse(by(A, servers[0].now).headers | {"wechatpay-serial": "0" * 40}, b"{}")
    servers[2].certificates = [A, NEW]
    minutes = 0
    while True:
        genuine = by(NEW, later(servers, 61))
        minutes += 1
        try:
            assert (await receiver.parse(genuine.headers, genuine.body)).mchid == "1900000002"
        except UnknownSerial:
            continue
        break
    assert minutes <= 3
    addressed = by(NEW, servers[0].now)
    servers[1].certificates = [A, NEW]
    later(servers, 61)
    assert (
        await receiver.parse(addressed.headers, addressed.body, mchid="1900000001")
    ).mchid == "1900000001"  # the address says whose it is: no turn is needed


@pytest.mark.anyio
async def test_genuine_messages_alone_keep_certificates_fresh() -> None:
    """A service that only receives would otherwise hold yesterday's certificates when the new ones begin to sign."""
    (server,), receiver = merchants(1)
    await receiver.parse(*parts(A, server.now))
    server.certificates = [A, NEW]
    await receiver.parse(*parts(A, later([server], 11 * 3600)))
    assert server.downloads == 1
    await receiver.parse(*parts(A, later([server], 3600)))
    assert server.downloads == 2
    assert receiver.parse_blocking(*parts(NEW, server.now)).mchid == "1900000000"
    server.replies = [TransportError("no route")]
    genuine = by(A, later([server], 12 * 3600))
    assert (await receiver.parse(genuine.headers, genuine.body)).mchid == "1900000000"  # a refresh that fails is no failure of the message
    assert server.downloads == 3


@pytest.mark.anyio
async def test_a_source_that_could_not_look_is_named_before_those_that_looked_in_vain() -> None:
    sources = [LearningKeys(UnknownSerial("none")), LearningKeys(TransportError("no route")), LearningKeys(UnknownSerial("none"))]
    receiver = notifications(*(Recipient(f"190000000{n}", source, (APIV3_KEY.encode(),)) for n, source in enumerate(sources)))
    request = signed(compact(message()), serial=CERTIFICATE_SERIAL)
    with pytest.raises(TransportError, match="no route"):
        await receiver.parse(request.headers, request.body)


@pytest.mark.anyio
async def test_a_genuine_message_that_is_nobody_s_here_asks_each_source_once() -> None:
    """WeChat Pay signs other merchants' messages with the same certificate: one of them, sent on, must not cost a download each time."""
    sources = [LearningKeys(TransportError("no route")) for _ in range(5)]
    learning = [Recipient(f"180000000{number}", source, (APIV3_KEY.encode(),)) for number, source in enumerate(sources)]
    receiver = notifications(recipient("1900000001", key(CERTIFICATE_SERIAL)), *learning)
    foreign = signed(compact(message(apiv3_key=OTHER_KEY)), serial=CERTIFICATE_SERIAL)
    for _ in range(100):
        with pytest.raises(DecryptionError, match="the signature is right"):
            await receiver.parse(foreign.headers, foreign.body)
    asked = sorted(source.fetches for source in sources)
    assert asked == [1, 1, 1, 1, 100]  # whose turn it is limits itself
