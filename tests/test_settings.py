"""Settings of a wrong kind, each named with its cure; and secrets that no report of an error shows."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from tests.support.keys import APIV3_KEY, MERCHANT_KEY_PEM, MERCHANT_SERIAL, PLATFORM_PUBLIC_PEM, PUBLIC_KEY_ID, SECRET
from tests.support.platform import Platform, answer, client, settings
from wechatpay_async import ConfigError, Wechatpay, WechatpayError
from wechatpay_async.crypto.masking import MaskedBytes, masked
from wechatpay_async.key_stores import FileStore
from wechatpay_async.platform_keys import StaticKeys
from wechatpay_async.settings import checked_base_url, is_loopback

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"certs": "pub_key.pem"}, "certs: expected a mapping of serials to keys, got str"),
    ({"certs": [("a", "b")]}, "certs: expected a mapping of serials to keys, got list"),
    ({"certs": {5: PLATFORM_PUBLIC_PEM}}, "certs: expected serials as text, got int"),
    ({"certs": ""}, "certs: expected a mapping of serials to keys, got str"),
    ({"certs": []}, "certs: expected a mapping of serials to keys, got list"),
    ({"private_key_password": 5}, "private_key_password: expected text or bytes, got int"),
    ({"pkcs12_password": 1900000109}, "pkcs12_password: expected text or bytes, got int (the merchant number, unless it was changed)"),
    ({"pkcs12": {}}, "pkcs12: expected a path or bytes, got dict"),
    ({"pkcs12": b""}, "pkcs12: is empty"),
    ({"agent_secret": " "}, "agent_secret: is empty"),
    ({"platform_keys": {}}, "platform_keys: expected a source of keys, got dict (keys by their serials go into certs=)"),
    ({"platform_keys": StaticKeys}, "platform_keys: expected a source of keys, got type"),
    ({"platform_keys": False}, "platform_keys: expected a source of keys, got bool"),
    ({"platform_keys": "Auto"}, "platform_keys: unknown value 'Auto'"),
    (
        {"platform_keys": "auto", "key_store": "keys.json"},
        "key_store: expected a store with load and save, got str (FileStore('keys.json'))",
    ),
    ({"platform_keys": "auto", "key_store": FileStore}, "key_store: expected a store with load and save, got type"),
    ({"apiv3_key": 5}, "apiv3_key: expected text or bytes, got int"),
    ({"secret": 5}, "secret: expected text or bytes, got int"),
    ({"agent_secret": 5}, "agent_secret: expected text, got int"),
    ({"serial": 5}, "serial: expected text, got int"),
    ({"brand_id": 5}, "brand_id: expected text, got int"),
    ({"brand_id": '1"\r\nX: y'}, "brand_id: not a brand's id"),
    ({"base_url": 5}, "base_url: expected a URL as text, got int"),
    ({"base_url": "https://api.mch.weixin.qq.c\u043em"}, "base_url: the host has letters beyond ASCII"),
    ({"base_url": "https://xn--80ak6aa92e.example"}, "base_url: the host has letters beyond ASCII"),
    ({"base_url": "https://api.mch.weixin.qq.com:99999"}, "base_url: there is no port 99999"),
    ({"base_url": "http://127.0.0.1.evil.example"}, "base_url: plain http is for this machine alone"),
    ({"backup_urls": "https://api2.mch.weixin.qq.com"}, "backup_urls: expected a list of URLs, got one"),
    ({"backup_urls": 5}, "backup_urls: expected a list of URLs, got int"),
    ({"backup_urls": b"https://api2.mch.weixin.qq.com"}, "backup_urls: expected a list of URLs, got bytes"),
    ({"backup_urls": iter(["https://api2.mch.weixin.qq.com"])}, "backup_urls: expected a list of URLs, got list_iterator"),
    ({"backup_urls": [None]}, "backup_urls: expected a URL as text, got NoneType"),
    ({"rate_limits": 150}, "rate_limits: expected a mapping of families to calls a second, got int"),
    ({"rate_limits": [("POST /v3/refund", 1)]}, "rate_limits: expected a mapping of families to calls a second, got list"),
    ({"rate_limits": {5: 1}}, "rate_limits: expected families as text, got int"),
    ({"rate_limits": {"POST /v3/refund": "1"}}, "rate_limits: expected calls a second as a number, got str"),
    ({"watchers": print}, "watchers: expected a list of functions, got builtin_function_or_method"),
    ({"watchers": "print"}, "watchers: expected a list of functions, got one"),
    ({"watchers": ["print"]}, "watchers: expected functions, got str"),
    ({"dangerously_skip_verification": "false"}, "dangerously_skip_verification: expected True or False, got str"),
    ({"connections": {}}, "connections: expected the connections of another client, got dict"),
    ({"timeout": True}, "timeout: expected seconds, or None for no limit, got bool"),
    ({"timeout": float("inf")}, "timeout: inf seconds (more than zero, or None for no limit)"),
    ({"deadline": 10**400}, "deadline: 10000000000000000000 seconds"),
    ({"deadline": False}, "deadline: expected seconds, or None for no limit, got bool"),
    ({"timeout": "5"}, "timeout: expected seconds, or None for no limit, got str (timeout=30.0)"),
    ({"timeout": -1}, "timeout: -1 seconds (more than zero, or None for no limit)"),
    ({"deadline": float("nan")}, "deadline: nan seconds"),
    ({"deadline": 0}, "deadline: 0 seconds"),
    ({"retry": 3}, "retry: expected a Retry, got int (Retry(attempts=1) tries once)"),
    ({"clock": 5.0}, "clock: expected a function that gives seconds, got float"),
    ({"validate": False}, "validate: expected one of off, warn, strict, got bool"),
    ({"transport": httpx.MockTransport}, 'transport: expected an httpx.AsyncBaseTransport or "fast", got type'),
    ({"http_client": httpx.Client}, "http_client: expected an httpx.AsyncClient, got type"),
    (
        {"dangerously_skip_verification": True, "base_url": "http://127.0.0.1:1", "backup_urls": ["https://api.mch.weixin.qq.com"]},
        "dangerously_skip_verification: refused for a host other than this machine",
    ),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_a_setting_of_a_wrong_kind_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Wechatpay(**settings(**changes))
    assert str(caught.value).startswith(message)


def test_settings_of_a_sibling_are_checked_too() -> None:
    wxpay = Wechatpay(**settings())
    with pytest.raises(ConfigError, match="deadline: -1 seconds"):
        wxpay.with_options(deadline=-1)
    with pytest.raises(ConfigError, match="timeout: 0 seconds"):
        wxpay.with_options(timeout=0)
    with pytest.raises(ConfigError, match="validate: expected one of off, warn, strict, got bool"):
        wxpay.with_options(validate=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] — what is looked at


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transport": httpx.MockTransport(lambda _: answer())}, "transport: given beside connections that are shared"),
        ({"http_client": httpx.AsyncClient()}, "transport: given beside connections that are shared"),
        ({"connections": None}, "connections: given to share()"),
        ({"watchers": ["print"]}, "watchers: expected functions, got str"),
    ],
)
def test_what_a_sharing_client_cannot_have_of_its_own(changes: dict[str, Any], message: str) -> None:
    """Otherwise its calls would go another way than the one that was given."""
    with pytest.raises(ConfigError) as caught:
        Wechatpay(**settings()).share(**settings(transport=None) | changes)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ([("WECHATPAY_MCHID", "1")], "environ: expected a mapping of names to text, got list"),
        ({5: "x"}, "environ: expected names as text, got int"),
    ],
)
def test_an_environment_of_a_wrong_kind(environ: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Wechatpay.from_env(environ)
    assert str(caught.value).startswith(message)


def test_a_pem_text_in_one_line() -> None:
    """An environment file holds the line ends of a key as two characters each."""
    Wechatpay(**settings(private_key=MERCHANT_KEY_PEM.replace("\n", "\\n")))


def test_hosts_with_a_port() -> None:
    assert checked_base_url("https://gateway.example:8443").port == 8443
    assert [is_loopback(host) for host in ("localhost", "127.9.9.9", "::1", "192.0.2.1", "127.1", "localhost.example")] == [
        *(True, True, True),
        *(False, False, False),
    ]


# -- secrets

LINE_OF_THE_KEY = MERCHANT_KEY_PEM.split("\n")[3]
AGENT_SECRET = "0123456789abcdefghijABCDEFGHIJxy"
PASSWORD = "correct horse battery staple"
SECRETS = (LINE_OF_THE_KEY, APIV3_KEY, SECRET, AGENT_SECRET, PASSWORD)
FULL: dict[str, Any] = {"private_key": MERCHANT_KEY_PEM, "agent_secret": AGENT_SECRET}
ENVIRONMENT = {
    "WECHATPAY_MCHID": "1900007291",
    "WECHATPAY_SERIAL": MERCHANT_SERIAL,
    "WECHATPAY_PRIVATE_KEY": MERCHANT_KEY_PEM,
    "WECHATPAY_PRIVATE_KEY_PASSWORD": PASSWORD,
    "WECHATPAY_APIV3_KEY": APIV3_KEY,
    "WECHATPAY_SECRET": SECRET,
}


def report(error: BaseException) -> str:
    """What an error reporter sends: each frame of the package with its local variables. The test's own frames are left out."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    shown = [f"{frame.name} {frame.locals}" for frame in frames.stack if "wechatpay_async" in frame.filename]
    assert shown
    return "\n".join([*shown, str(error), repr(error)])


def assert_no_secret(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"mchid": "x"},
        {"serial": "x"},
        {"transport": "x"},
        {"apiv3_key": APIV3_KEY + " "},
        {"apiv3_key": APIV3_KEY.encode() + b" "},
        {"secret": SECRET + " "},
        {"private_key": LINE_OF_THE_KEY},
        {"private_key": APIV3_KEY},
        {"private_key": MERCHANT_KEY_PEM[:400] + "!" + MERCHANT_KEY_PEM[400:]},
        {"private_key": "".join(MERCHANT_KEY_PEM.split("\n")[1:-2])},
        {"private_key": "private.pkcs8://" + LINE_OF_THE_KEY},
        {"private_key_password": PASSWORD},
        {"certs": {PUBLIC_KEY_ID: MERCHANT_KEY_PEM}},
        {"certs": {PUBLIC_KEY_ID: PLATFORM_PUBLIC_PEM, "zz": MERCHANT_KEY_PEM}},
    ],
)
def test_a_report_of_a_wrong_setting_shows_no_secret(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        Wechatpay(**settings(**{**FULL, **changes}))
    assert_no_secret(report(caught.value))


@pytest.mark.parametrize("changes", [{}, {"WECHATPAY_MCHID": ""}, {"WECHATPAY_APIV3KEY": "x"}])
def test_a_report_of_a_wrong_environment_shows_no_secret(changes: dict[str, str]) -> None:
    environ: Mapping[str, str] = {**ENVIRONMENT, **changes}
    with pytest.raises(ConfigError) as caught:
        Wechatpay.from_env(environ)
    assert_no_secret(report(caught.value))


REFUND_NOTIFICATION = b"<xml><return_code>SUCCESS</return_code><mch_id>1900007291</mch_id><req_info>AAAA</req_info></xml>"
CALLS: list[Callable[[Wechatpay], Any]] = [
    lambda wxpay: wxpay.chain("v3/new").post({}),
    lambda wxpay: wxpay.chain("v2/pay/micropay").post({"appid": None}),
    lambda wxpay: wxpay.chain("v2/pay/micropay").post({"appid": "wx"}),
    lambda wxpay: wxpay.chain("v2/mmpaymkttransfers/sendworkwxredpack").post({"wxappid": "wx"}),
    lambda wxpay: wxpay.notifications.parse({}, b"{}"),
    lambda wxpay: wxpay.v2_notifications.parse(REFUND_NOTIFICATION),
]


@pytest.mark.anyio
@pytest.mark.parametrize("call", CALLS)
async def test_a_report_of_a_failed_call_shows_no_secret(call: Callable[[Wechatpay], Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with client(Platform(lambda request: answer(body=b"{")), **FULL, validate="off") as wxpay:
        with pytest.raises(WechatpayError) as caught:
            await call(wxpay)
        everything = [wxpay, wxpay.v3, wxpay.v2, wxpay.notifications, wxpay.v2_notifications, wxpay.payloads, wxpay.bills, wxpay.flows]
        assert_no_secret("\n".join([report(caught.value), caplog.text, *map(repr, everything), *map(str, everything)]))


def test_masked_keys_work_like_others() -> None:
    text = masked("key")
    assert (repr(text), text, f"{text}", text.encode()) == ("<masked>", "key", "key", b"key")
    assert isinstance(text.encode(), MaskedBytes)
    assert (repr(masked(b"key")), str(masked(b"key")), masked(b"key") + b"s", masked(None)) == ("<masked>", "<masked>", b"keys", None)
