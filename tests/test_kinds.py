"""Parts that are put together by hand: each argument of a wrong kind is named when it is given, not when the first message comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.keys import APIV3_KEY, MERCHANT_KEY, MERCHANT_SERIAL, PLATFORM_KEY, PUBLIC_KEY_ID, SECRET
from tests.support.platform import settings
from wechatpay_async import ConfigError, DecryptionError, InvalidData, RequestError, Wechatpay, WechatpayError
from wechatpay_async.auto_keys import AutoKeys, Refresher
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.deliveries import Dispatcher
from wechatpay_async.fastapi import WechatpayRouter
from wechatpay_async.inbox.postgres import PostgresInbox
from wechatpay_async.inbox.redis import RedisInbox
from wechatpay_async.inbox.sqlite import SQLiteInbox
from wechatpay_async.key_stores import FileStore
from wechatpay_async.notifications import Notifications, Recipient, Signer, fail
from wechatpay_async.notifications import v2 as v2_notifications
from wechatpay_async.notifications.v2 import EitherNotifications, V2Notifications
from wechatpay_async.payloads import Subsidy
from wechatpay_async.platform_keys import StaticKeys

KEYS = StaticKeys([PlatformKey(PUBLIC_KEY_ID, PLATFORM_KEY.public_key())])
KEY = APIV3_KEY.encode()
MCHID = "1900000109"
WXPAY = Wechatpay(**settings())
OPEN = WXPAY.notifications
OLD = WXPAY.v2_notifications


def anything(value: object) -> Any:
    """What a caller without a type checker may pass."""
    return value


def told(error: type[WechatpayError], make: Callable[[], object]) -> str:
    with pytest.raises(error) as caught:
        make()
    return str(caught.value)


async def _fetch() -> Any:
    raise AssertionError("nothing is fetched here")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recipient(anything(1900000109), KEYS, (KEY,)), "mchid: expected text, got int (the number in quotes)"),
        (
            lambda: Recipient(MCHID, anything({PUBLIC_KEY_ID: 1}), (KEY,)),
            "keys: expected a source of keys, got dict (wxpay.platform_keys, or StaticKeys)",
        ),
        (
            lambda: Recipient(MCHID, anything(StaticKeys), (KEY,)),
            "keys: expected a source of keys, got type (wxpay.platform_keys, or StaticKeys)",
        ),
        (lambda: Recipient(MCHID, KEYS, anything(KEY)), "apiv3_keys: expected a tuple of keys, got bytes (one key: (key,))"),
        (lambda: Recipient(MCHID, KEYS, anything((APIV3_KEY,))), "apiv3_keys: expected keys as bytes, got str (key.encode())"),
        (lambda: Recipient(MCHID, KEYS, (b"short",)), "apiv3_key: expected 32 bytes, got 5"),
        (lambda: Recipient(MCHID, KEYS, (KEY,), anything(MERCHANT_KEY)), "signer: expected a Signer, got RSAPrivateKey"),
        (lambda: Signer(anything(5), MERCHANT_SERIAL, MERCHANT_KEY), "mchid: expected text, got int (the number in quotes)"),
        (lambda: Signer(MCHID, anything(5), MERCHANT_KEY), "serial: expected text, got int (40 hexadecimal digits in quotes)"),
        (
            lambda: Signer(MCHID, MERCHANT_SERIAL, anything("key.pem")),
            "private_key: expected a key object, got str (load_private_key(path))",
        ),
        (lambda: Notifications(anything(OPEN)), "recipients: expected a list, got Notifications (Notifications([…]))"),
        (lambda: Notifications(anything(None)), "recipients: expected a list, got NoneType (Notifications([…]))"),
        (
            lambda: Notifications(anything(["1900000109"])),
            "recipients: expected a client, a Recipient or Notifications, got str",
        ),
        (lambda: Notifications([OPEN], clock=anything(0)), "clock: expected a function that gives seconds, got int (clock=time.time)"),
        (lambda: V2Notifications(mchid=anything(5), secret=SECRET.encode()), "mchid: expected text, got int (the number in quotes)"),
        (lambda: V2Notifications(mchid=MCHID, secret=anything(5)), "secret: expected text or bytes, got int"),
        (
            lambda: V2Notifications(mchid=MCHID, secret=b"short"),
            "secret: expected 32 characters, got 5 (the APIv2 key is set in the merchant platform, under account settings, API security)",
        ),
        (
            lambda: V2Notifications(mchid=MCHID, secret=SECRET.encode(), apiv3_key=anything(APIV3_KEY)),
            "apiv3_key: expected bytes, got str (key.encode())",
        ),
        (lambda: V2Notifications(mchid=MCHID, secret=SECRET.encode(), apiv3_key=b"short"), "apiv3_key: expected 32 bytes, got 5"),
        (
            lambda: V2Notifications(mchid=MCHID, secret=SECRET.encode(), clock=anything(0)),
            "clock: expected a function that gives seconds, got int (clock=time.time)",
        ),
        (
            lambda: EitherNotifications(OPEN, anything(OPEN)),
            "v2: expected V2Notifications, got Notifications (of a client: wxpay.v2_notifications)",
        ),
        (lambda: EitherNotifications(anything("v3"), OLD), "v3: expected Notifications, got str (of a client: wxpay.notifications)"),
        (
            lambda: Dispatcher(anything(None), inbox=anything("inbox.sqlite")),
            'inbox: expected an Inbox, or None, got str (SQLiteInbox("inbox.sqlite"))',
        ),
        (
            lambda: Dispatcher(anything(5), inbox=None),
            "notifications: expected something that parses, got int (of a client: wxpay.notifications)",
        ),
        (lambda: Dispatcher(OPEN, inbox=None, budget=anything("4")), "budget: expected seconds, got str"),
        (lambda: Dispatcher(OPEN, inbox=None, budget=-1), "budget: expected seconds from 0, got -1"),
        (lambda: Dispatcher(OPEN, inbox=None, budget=float("nan")), "budget: expected seconds from 0, got nan"),
        (
            lambda: Dispatcher(OPEN, inbox=None).on(anything(["TRANSACTION.SUCCESS"]))(anything(print)),
            'on: expected events as text, got list (on("TRANSACTION.SUCCESS", "REFUND.SUCCESS"))',
        ),
        (
            lambda: Dispatcher(OPEN, inbox=None).on("TRANSACTION.SUCCESS")(anything(None)),
            'on: expected a function that takes the notification, got NoneType (@….on("TRANSACTION.SUCCESS"))',
        ),
        (
            lambda: WechatpayRouter("/notify", inbox=anything("a")),
            'inbox: expected an Inbox, or None, got str (SQLiteInbox("inbox.sqlite"))',
        ),
        (lambda: WechatpayRouter("/notify", inbox=None, budget=anything(None)), "budget: expected seconds, got NoneType"),
        (
            lambda: WechatpayRouter("/notify", inbox=None).on("TRANSACTION.SUCCESS")(anything("paid")),
            'on: expected a path operation function, got str (@router.on("TRANSACTION.SUCCESS"))',
        ),
        (lambda: SQLiteInbox(anything(None)), 'path: expected a path, got NoneType (SQLiteInbox("inbox.sqlite"))'),
        (lambda: SQLiteInbox("a", lease=anything("20")), "lease: expected seconds, got str"),
        (lambda: SQLiteInbox("a", keep=float("inf")), "keep: expected seconds above 0, got inf"),
        (lambda: SQLiteInbox("a", clock=anything(0)), "clock: expected a function that gives seconds, got int (clock=time.time)"),
        (lambda: PostgresInbox(anything(None)), "server: expected a connection string or a ConnectionPool, got NoneType"),
        (
            lambda: RedisInbox(anything(b"redis://")),
            "server: expected a URL or a redis.Redis, got bytes (the blocking client: it runs in worker threads)",
        ),
        (lambda: StaticKeys(anything(None)), "keys: expected a list of platform keys, got NoneType"),
        (
            lambda: StaticKeys(anything({PUBLIC_KEY_ID: "pub_key.pem"})),
            "keys: expected platform keys, got str (load_platform_key(serial, source), or Wechatpay(certs={serial: source}))",
        ),
        (lambda: FileStore(anything(None)), "path: expected a path, got NoneType (the file itself)"),
        (
            lambda: AutoKeys(anything(None), KEY),
            "fetch: expected a coroutine function that downloads, got NoneType (of a client: wxpay.platform_keys does it)",
        ),
        (lambda: AutoKeys(_fetch, anything(APIV3_KEY)), "apiv3_key: expected bytes, got str (key.encode())"),
        (lambda: AutoKeys(_fetch, KEY, clock=anything(0)), "clock: expected a function that gives seconds, got int (clock=time.time)"),
        (
            lambda: AutoKeys(_fetch, KEY, given=anything([PLATFORM_KEY])),
            "given: expected platform keys, got RSAPrivateKey (load_platform_key(serial, source), or Wechatpay(certs={serial: source}))",
        ),
        (lambda: Refresher(at_once=0), "at_once: 0 (1 or more downloads at the same time)"),
        (lambda: Refresher(at_once=anything("4")), "at_once: expected a number, got str"),
        (
            lambda: Refresher().add(anything(WXPAY)),
            'platform_keys: expected a source of keys, got Wechatpay ("auto", a KeySource, or nothing)',
        ),
    ],
)
def test_a_part_of_a_wrong_kind_is_named(make: Callable[[], object], message: str) -> None:
    assert told(ConfigError, make) == message


@pytest.mark.parametrize("make", [fail, v2_notifications.fail])
@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        ("no", 200, "the status of a failure: 200 (4xx or 5xx; anything else ends the deliveries)"),
        ("no", 204, "the status of a failure: 204 (4xx or 5xx; anything else ends the deliveries)"),
        ("no", 600, "the status of a failure: 600 (4xx or 5xx; anything else ends the deliveries)"),
        ("no", "500", "the status of a failure: '500' (4xx or 5xx; anything else ends the deliveries)"),
        (ValueError("no"), 500, "the message of a failure: expected text, got ValueError"),
    ],
)
def test_a_failure_cannot_end_the_deliveries(make: Callable[..., object], message: Any, status: Any, text: str) -> None:
    assert told(RequestError, lambda: make(message, status=status)) == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: WXPAY.payloads.jsapi(appid="wx1", prepay_id="p", subsidy=anything(3)),
            "subsidy: expected a Subsidy, got int (Subsidy(installments=3))",
        ),
        (
            lambda: WXPAY.payloads.jsapi(appid="wx1", prepay_id="p", subsidy=Subsidy(0)),
            "subsidy.installments: expected a number above 0, got 0",
        ),
        (
            lambda: WXPAY.payloads.jsapi(appid="wx1", prepay_id="p", subsidy=Subsidy(anything("3"))),
            "subsidy.installments: expected a number above 0, got '3'",
        ),
        (
            lambda: WXPAY.payloads.jsapi(appid="wx1", prepay_id="p", subsidy=Subsidy(installments=True)),
            "subsidy.installments: expected a number above 0, got True",
        ),
        (lambda: WXPAY.payloads.coupon_plugin(anything("coupons")), "coupons: expected a list, got str"),
        (lambda: WXPAY.payloads.coupon_plugin(anything(["coupon"])), "coupons[0]: expected a mapping, got str"),
        (
            lambda: WXPAY.payloads.coupon_plugin(anything([{"stock_id": 1, "out_request_no": "2"}])),
            "coupons[0].stock_id: expected text, got int",
        ),
        (
            lambda: WXPAY.payloads.coupon_h5_url(stock_id="1", out_request_no="2", open_id="o", coupon_code=anything(3)),
            "coupon_code: expected text, got int",
        ),
    ],
)
def test_what_a_page_is_given_must_be_of_its_kind(make: Callable[[], object], message: str) -> None:
    assert told(InvalidData, make) == message


def test_what_is_no_text_is_neither_sealed_nor_unsealed() -> None:
    """`None` would be sent as the text "None"."""
    assert told(InvalidData, lambda: anyio.run(WXPAY.seal, anything(None))) == "$: a sensitive value is text, got NoneType"
    assert told(DecryptionError, lambda: WXPAY.unseal(anything(None))).startswith("expected a ciphertext, got NoneType")


def test_an_id_is_text(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox")
    assert told(RequestError, lambda: inbox.claim_blocking(anything(5))) == "an id is text, got int"


ADDRESS = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=x"


@pytest.mark.parametrize(
    ("arguments", "hashes", "message"),
    [
        ((None, "bill.csv"), {}, "the download_url: expected text, got NoneType"),
        ((ADDRESS, None), {}, "to: expected a path, got NoneType"),
        ((ADDRESS, b"bill.csv"), {}, "to: expected a path, got bytes"),
        ((ADDRESS, "bill.csv"), {"sha1": b"00"}, "sha1: expected hexadecimal digits, got bytes (the hash_value of the reply)"),
        ((ADDRESS, "bill.csv"), {"sm3": "no hash"}, "sm3: expected hexadecimal digits, got str (the hash_value of the reply)"),
        (
            (ADDRESS, "bill.csv"),
            {"sha1": "00", "sha256": "00"},
            "one hash of the file is enough (the hash_value of the reply, under the name of its hash_type)",
        ),
    ],
)
def test_a_download_of_a_wrong_kind_is_refused(arguments: Any, hashes: dict[str, Any], message: str) -> None:
    assert told(RequestError, lambda: anyio.run(partial(WXPAY.download, *arguments, **hashes))) == message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WXPAY.chain("v3/new").get(anything({5: "x"})), "config: expected names as text, got int"),
        (lambda: WXPAY.flows.micropay(anything(None)), "the order: expected a mapping, got NoneType"),
    ],
)
def test_a_call_of_a_wrong_kind_is_refused(call: Callable[[], Awaitable[object]], message: str) -> None:
    async def make() -> None:
        await call()

    assert told(RequestError, lambda: anyio.run(make)) == message


def test_what_is_no_day_and_what_are_no_words() -> None:
    assert told(InvalidData, lambda: WXPAY.bills.trade(anything(None))) == (
        '$.bill_date: expected a day, got NoneType (a date, or text like "2026-11-24")'
    )
    assert told(RequestError, lambda: WXPAY.catalog.search(anything(5))) == "search: expected words, got int"
