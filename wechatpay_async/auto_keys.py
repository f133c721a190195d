"""Platform certificates that are downloaded when they are needed, and kept fresh: `platform_keys="auto"`."""

from __future__ import annotations

import base64
import json
import logging
import random
import re
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

import anyio
import httpx

from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.errors import BadSignature, ConfigError, TransportError, WechatpayError
from wechatpay_async.key_stores import KeyStore, check_store
from wechatpay_async.platform_keys import KeySource, by_serial, checked_source, is_valid, preferred_key, unknown_serial
from wechatpay_async.protocol import certificates
from wechatpay_async.settings import check_function, check_kind

__all__ = ["AutoKeys", "Fetch", "Refresher"]

#: Sends a signed `GET /v3/certificates` and gives (status, headers, raw body), nothing verified. Raises `TransportError`, or what httpx
#: raises. It must not ask the `AutoKeys` that it serves for a key, beyond `preferred_serial`.
Fetch: TypeAlias = Callable[[], Awaitable[tuple[int, Mapping[str, str], bytes]]]

#: Seconds within which WeChat Pay wants the certificates to be asked for again.
REFRESH_EVERY: Final = 12 * 3600.0
#: Seconds between two downloads whatever happens: a forged serial costs no more than one in this time.
RATE_LIMIT_WINDOW: Final = 60.0
#: The same while nothing is held yet, and every call waits for a first download that succeeds.
FIRST_LOAD_WINDOW: Final = 5.0
#: Seconds after which certificates are too old to judge a download by: a process that slept through a whole rotation begins anew.
TRUSTED_FOR: Final = 7 * 24 * 3600.0

# The part of the interval that chance may take off, so that a fleet started at one moment does not refresh at one moment.
_JITTER = 0.25
_NEVER = float("-inf")
_CERTIFICATE_SERIAL = re.compile(r"[0-9A-Fa-f]{1,64}")
_log = logging.getLogger("wechatpay_async.platform_keys")


class AutoKeys:
    """Platform certificates that are downloaded with the APIv3 key, beside the keys that were given.

    Nothing runs in the background. The first call that needs a certificate downloads them; later, one call in twelve hours (less by chance)
    refreshes them while the others go on with those held. A serial that is not held causes one download, however many tasks wait for it,
    and no other before `RATE_LIMIT_WINDOW` has passed. A download replaces the whole map at once, and one that fails changes nothing.

    `given` are keys that need no download: a public key, while the merchant switches to it. `store` keeps downloads across processes.
    `clock` gives seconds since the epoch, `chance` a number from 0 to 1.

    Source: https://pay.weixin.qq.com/doc/v3/merchant/4013053249
    """

    def __init__(
        self,
        fetch: Fetch,
        apiv3_key: bytes,
        *,
        given: Iterable[PlatformKey] = (),
        store: KeyStore | None = None,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        check_function("fetch", fetch, "a coroutine function that downloads", hint="of a client: wxpay.platform_keys does it")
        check_function("clock", clock, "a function that gives seconds", hint="clock=time.time")
        check_kind("apiv3_key", apiv3_key, bytes, "bytes", hint="key.encode()")
        if store is not None:
            check_store(store)
        self._fetch = fetch
        self._apiv3_key = apiv3_key
        self._given: Mapping[str, PlatformKey] = by_serial("given", given)
        self._store = store
        self._clock = clock
        self._chance = chance
        self._downloaded = _Download()
        self._interval = REFRESH_EVERY
        self._attempts = 0
        self._attempted_at: float | None = None
        self._failure: WechatpayError | None = None
        self._flight: anyio.Event | None = None

    def __repr__(self) -> str:
        return f"AutoKeys(held={sorted([*self._given, *self._downloaded.keys])})"

    def held(self, serial: str) -> PlatformKey | None:
        """The key filed under `serial`, from memory alone."""
        return self._given.get(serial) or self._downloaded.keys.get(serial)

    async def find(self, serial: str) -> PlatformKey:
        """The key filed under `serial`, after a download where that can help. Raises `UnknownSerial`, its cause behind it."""
        if serial in self._given:
            return self._given[serial]
        if self._can_be_downloaded(serial):
            await self._refresh(wanted=serial)
        key = self._downloaded.keys.get(serial)
        if key is None:
            self._raise_unknown(serial)
        return key

    async def for_encryption(self) -> PlatformKey:
        """The public key, or else the newest certificate that is valid now, downloaded where none is held.

        Raises `ConfigError` for a merchant in public-key mode, `DecryptionError` for a wrong APIv3 key, `APIError`, `TransportError`.
        """
        key = self._newest(self._given.values())
        if key is None or key.is_certificate:
            await self._refresh()
            key = self._newest([*self._given.values(), *self._downloaded.keys.values()])
        if key is None:
            # Without its old traceback, or it would grow with every task that is told.
            raise (self._failure or certificates.public_key_mode()).with_traceback(None)
        return key

    def preferred_serial(self) -> str | None:
        """The serial of the key that encrypts; None before the first download."""
        key = self._newest([*self._given.values(), *self._downloaded.keys.values()])
        return key.serial if key else None

    async def refresh_if_due(self) -> bool:
        """Refresh where twelve hours have nearly passed; whether it was due. A failure is logged, and what is held stays."""
        due = self._due()
        if due:
            await self._refresh()
        return due

    def _newest(self, keys: Iterable[PlatformKey]) -> PlatformKey | None:
        return preferred_key(keys, now=datetime.fromtimestamp(self._clock(), UTC))

    def _can_be_downloaded(self, serial: str) -> bool:
        return _CERTIFICATE_SERIAL.fullmatch(serial) is not None

    def _due(self) -> bool:
        # A clock that was set back makes the age negative: then the age says nothing.
        return not 0 <= self._clock() - self._downloaded.time < self._interval

    def _attempted_lately(self) -> bool:
        if self._attempted_at is None:
            return False
        window = FIRST_LOAD_WINDOW if self._downloaded.time == _NEVER else RATE_LIMIT_WINDOW
        return 0 <= self._clock() - self._attempted_at < window

    async def _refresh(self, wanted: str | None = None) -> None:
        """Refresh where it is due or where `wanted` is not held: one task at a time, and the others only wait if they have nothing."""
        missing = not self._downloaded.keys if wanted is None else wanted not in self._downloaded.keys
        if not (missing or self._due()):
            return
        waited = False
        while self._flight is not None:
            if not missing:
                return
            attempts, waited = self._attempts, True
            await self._flight.wait()
            if self._attempts != attempts:
                return
            # The task that was at it has been cancelled, and so there is no outcome to share: the first that wakes up is the next.
        if self._attempted_lately() and not waited:
            return
        self._flight = flight = anyio.Event()
        try:
            await self._attempt(wanted)
        finally:
            self._flight = None
            flight.set()

    async def _attempt(self, wanted: str | None) -> None:
        failure: WechatpayError | None = None
        try:
            download = await self._stored(wanted) or await self._download()
        except WechatpayError as error:
            failure = error
            _log.warning("platform certificates: the refresh failed, %d stay held: %s", len(self._downloaded.keys), type(error).__name__)
        except BaseException:
            # Cancelled: nobody is to wait for a window that a dead attempt opened, unless the certificates held serve meanwhile.
            if self._downloaded.keys:
                self._attempted_at = self._clock()
            raise
        else:
            self._downloaded = download
            self._interval = REFRESH_EVERY * (1 - _JITTER * self._chance())
        self._failure = failure
        self._attempts += 1
        self._attempted_at = self._clock()

    async def _download(self) -> _Download:
        """One download, verified. A reply that WeChat Pay signed wrongly on purpose is asked for once more."""
        try:
            return await self._download_once()
        except BadSignature as error:
            if not error.probe:
                raise
            return await self._download_once()

    async def _download_once(self) -> _Download:
        try:
            status, headers, body = await self._fetch()
        except httpx.HTTPError as error:
            raise TransportError(f"platform certificates: {type(error).__name__}") from error
        now = self._clock()
        failure = certificates.download_error(status, headers, body)
        if isinstance(failure, ConfigError):
            return self._nothing_to_download(now)
        if failure is not None:
            raise failure
        keys = certificates.read_certificates(body, self._apiv3_key)
        if not keys:
            return self._nothing_to_download(now)
        certificates.check_reply(headers, body, now, self._judges(keys, now))
        download = _Download(MappingProxyType(keys), now)
        await self._save(body, now)
        return download

    def _judges(self, just_decrypted: Mapping[str, PlatformKey], now: float) -> Mapping[str, PlatformKey]:
        """The keys that a download's signature is checked with: those held, or for the first one those that it brings."""
        held = self._downloaded
        moment = datetime.fromtimestamp(now, UTC)
        current = now - held.time < TRUSTED_FOR and any(is_valid(key, moment) for key in held.keys.values())
        return {**(held.keys if current else just_decrypted), **self._given}

    def _nothing_to_download(self, now: float) -> _Download:
        """The merchant is in public-key mode: what is held stays until it expires, and a public key that was given serves alone."""
        if not (self._downloaded.keys or self._given):
            raise certificates.public_key_mode()
        _log.info("platform certificates: none to download, this merchant is in public-key mode")
        return _Download(self._downloaded.keys, now)

    async def _stored(self, wanted: str | None) -> _Download | None:
        """What another process has downloaded meanwhile, where it is newer than what is held, not due, and has what is wanted."""
        if self._store is None:
            return None
        try:
            stored = _unpack(await self._store.load(), self._apiv3_key)
        except Exception as error:  # noqa: BLE001 — a store only saves a download: whatever ails it, the download goes on
            _log.warning("platform certificates: the store cannot be read: %s", type(error).__name__)
            return None
        age = self._clock() - stored.time
        fresh = stored.time > self._downloaded.time and 0 <= age < self._interval
        return stored if fresh and (wanted is None or wanted in stored.keys) else None

    async def _save(self, body: bytes, now: float) -> None:
        if self._store is None:
            return
        try:
            await self._store.save(_pack(body, now))
        except Exception as error:  # noqa: BLE001 — as above
            _log.warning("platform certificates: the store cannot be written: %s", type(error).__name__)

    def _raise_unknown(self, serial: str) -> NoReturn:
        error = unknown_serial(serial, [*self._given, *self._downloaded.keys])
        if self._can_be_downloaded(serial):
            error.hint = (
                "no certificate of this merchant has that serial: the message is forged, or another merchant's"
                if self._failure is None
                else str(self._failure)
            )
        raise error from self._failure


@dataclass(frozen=True, slots=True)
class _Download:
    """The certificates of one download and when it was made, in seconds since the epoch."""

    keys: Mapping[str, PlatformKey] = field(default_factory=dict[str, PlatformKey])
    time: float = _NEVER


class Refresher:
    """Keeps the certificates of any number of merchants fresh with one task, for services that do not want a call to do it.

        refresher = Refresher()
        refresher.add(wxpay.platform_keys)      # once for each merchant; forgotten with the merchant's client
        task_group.start_soon(refresher.run)

    At most `at_once` downloads run at the same time.
    """

    def __init__(self, *, at_once: int = 4) -> None:
        check_kind("at_once", at_once, int, "a number")
        if at_once < 1:
            raise ConfigError("at_once", f"{at_once}", hint="1 or more downloads at the same time")
        self._keys: weakref.WeakSet[AutoKeys] = weakref.WeakSet()
        self._at_once = at_once

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: KeySource) -> None:
        """Take a merchant's keys into care. Keys that were given for good need none, and are left out. Raises `ConfigError`."""
        checked_source(keys)
        if isinstance(keys, AutoKeys):
            self._keys.add(keys)

    async def refresh_due(self) -> int:
        """Refresh every merchant that is due; how many were."""
        limiter = anyio.CapacityLimiter(self._at_once)
        due: list[AutoKeys] = []

        async def refresh(keys: AutoKeys) -> None:
            async with limiter:
                if await keys.refresh_if_due():
                    due.append(keys)

        async with anyio.create_task_group() as tasks:
            for keys in list(self._keys):
                tasks.start_soon(refresh, keys)
        return len(due)

    async def run(self, *, pause: float = RATE_LIMIT_WINDOW) -> NoReturn:
        """Refresh whatever is due, for ever, looking every `pause` seconds. Cancel it to end it."""
        while True:
            await self.refresh_due()
            await anyio.sleep(pause)


def _pack(body: bytes, now: float) -> bytes:
    """What a store keeps: the reply as it came, still encrypted with the APIv3 key, and when it came."""
    return json.dumps({"time": now, "body": base64.b64encode(body).decode("ascii")}).encode()


def _unpack(stored: bytes | None, apiv3_key: bytes) -> _Download:
    """Open what a store kept. The AEAD refuses certificates that somebody else put there. Raises `WechatpayError`, `ValueError`."""
    if stored is None:
        return _Download()
    fields: dict[str, Any] = json.loads(stored)
    body = base64.b64decode(fields["body"], validate=True)
    return _Download(MappingProxyType(certificates.read_certificates(body, apiv3_key)), float(fields["time"]))
