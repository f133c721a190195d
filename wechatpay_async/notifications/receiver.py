"""`Notifications`: verifies and opens what WeChat Pay sends, for one merchant or for many behind one address."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.errors import BadSignature, ConfigError, DecryptionError, RequestError, UnknownSerial, WechatpayError
from wechatpay_async.notifications.answers import Signer
from wechatpay_async.notifications.core import check_shape, open_fields, open_resource, raw_body, read_envelope, read_signature, verify
from wechatpay_async.notifications.model import Notification
from wechatpay_async.protocol.v3 import SignatureHeaders, check_timestamp
from wechatpay_async.settings import check_function, check_kind

_log = logging.getLogger("wechatpay_async.notifications")

_APIV3_KEY_BYTES = 32
#: Seconds for which one source alone is asked about serials that nobody holds: forgers make as many of them as they like.
TURN: Final = 60.0
# A platform certificate's serial or a public-key id. Whatever else a forger writes there is not worth a look into a key source.
_SERIAL = re.compile(r"(?:[0-9A-F]{1,40}|PUB_KEY_ID_[0-9A-Z]{1,64})", re.ASCII)


@runtime_checkable
class KeyFinder(Protocol):
    """Where a merchant's platform keys come from."""

    def held(self, serial: str) -> PlatformKey | None:
        """The key that is in memory under `serial`."""
        ...

    async def find(self, serial: str) -> PlatformKey:
        """The key under `serial`, fetched within the source's own rate limit. Raises `UnknownSerial`."""
        ...


@runtime_checkable
class FixedKeys(Protocol):
    """A key source that never learns another key, so that its serials can be looked up beforehand."""

    @property
    def fixed_serials(self) -> Collection[str]:
        """Every serial that it will ever hold."""
        ...


@runtime_checkable
class RefreshedKeys(Protocol):
    """A key source that keeps itself fresh when it is told that it was needed."""

    async def refresh_if_due(self) -> bool:
        """Refresh where that is due; a failure is the source's own affair."""
        ...


class Receiving(Protocol):
    """A client."""

    @property
    def notifications(self) -> Any:  # checkers take no cached property for one of its type
        """The `Notifications` that verify and open its notifications."""
        ...


@dataclass(frozen=True, slots=True)
class Recipient:
    """A merchant, as far as receiving goes.

    `keys`: its platform keys. `apiv3_keys`: 32 bytes each; two of them while the key is being changed in the merchant platform.
    `signer`: signs the answers to `CROSS_BORDER_PAY.*`, and its private key opens the fields that a few events (of member cards, of
    transfers to QQ wallets) encrypt once more; without one they stay encrypted.
    """

    mchid: str
    keys: KeyFinder = field(repr=False)
    apiv3_keys: tuple[bytes, ...] = field(repr=False)
    signer: Signer | None = field(default=None, repr=False)
    #: One for each APIv3 key: setting a key up takes longer than opening a resource with it.
    ciphers: tuple[AESGCM, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_kind("mchid", self.mchid, str, "text", hint="the number in quotes")
        if isinstance(self.keys, type) or not isinstance(self.keys, KeyFinder):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise ConfigError(
                "keys", f"expected a source of keys, got {type(self.keys).__name__}", hint="wxpay.platform_keys, or StaticKeys"
            )
        check_kind("apiv3_keys", self.apiv3_keys, (tuple, list), "a tuple of keys", hint="one key: (key,)")
        if self.signer is not None:
            check_kind("signer", self.signer, Signer, "a Signer")
        if not self.apiv3_keys:
            raise ConfigError("apiv3_key", "is needed to open notifications", hint="set it in the merchant platform: account, API security")
        for key in self.apiv3_keys:
            check_kind("apiv3_keys", key, bytes, "keys as bytes", hint="key.encode()")
            if len(key) != _APIV3_KEY_BYTES:
                raise ConfigError("apiv3_key", f"expected {_APIV3_KEY_BYTES} bytes, got {len(key)}")
        object.__setattr__(self, "ciphers", tuple(AESGCM(key) for key in self.apiv3_keys))


_Holders: TypeAlias = "list[tuple[Recipient, PlatformKey]]"


class Notifications:
    """Verifies and opens notifications.

    `recipients`: one or more `Recipient`, or other `Notifications` and clients whose recipients are taken over: `Notifications([shop,
    branch])` serves several clients behind one address. `clock`: seconds as float, for tests.

    A merchant's own public-key id leads straight to it, however many merchants there are. Where several hold the same key (platform
    certificates can be shared), the message does not say in the open whose it is: after one check of the signature, their APIv3 keys
    are tried in turn, some microseconds each. Give each merchant its own path in `notify_url` and pass `mchid=` to avoid that.

    A serial that nobody holds may be a new certificate of any of them: each source is asked once when it is first needed, and after that
    one source in a minute, in turn, so that forged serials cost one download a minute however many merchants there are. A source is
    refreshed before need by the genuine messages that it serves, a merchant without any by a `Refresher`.
    """

    def __init__(self, recipients: Iterable[Recipient | Notifications | Receiving], *, clock: Callable[[], float] = time.time) -> None:
        flat: list[Recipient] = []
        for entry in _listed(recipients):
            flat.extend(entry.recipients if isinstance(entry, Notifications) else [entry])
        if not flat:
            raise ConfigError("recipients", "at least one is needed")
        check_function("clock", clock, "a function that gives seconds", hint="clock=time.time")
        self._recipients = tuple(flat)
        self._by_mchid = {recipient.mchid: recipient for recipient in flat}
        if len(self._by_mchid) != len(flat):
            raise ConfigError("recipients", "two of them have the same mchid", hint="give one of them several APIv3 keys")
        self._clock = clock
        # Who holds a serial: known beforehand for fixed keys, learnt at first sight for the others. No forged serial gets in.
        self._by_serial: dict[str, tuple[Recipient, ...]] = {}
        self._learning = tuple(recipient for recipient in flat if not isinstance(recipient.keys, FixedKeys))
        self._refreshed = {recipient.mchid: recipient.keys for recipient in flat if isinstance(recipient.keys, RefreshedKeys)}
        self._met: set[str] = set()
        self._turn = 0
        self._turn_began = float("-inf")
        for recipient in flat:
            if isinstance(recipient.keys, FixedKeys):
                for serial in recipient.keys.fixed_serials:
                    self._by_serial[serial] = (*self._by_serial.get(serial, ()), recipient)

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """The merchants that are received for."""
        return self._recipients

    async def parse(self, headers: Mapping[str, str], body: bytes, *, mchid: str | None = None) -> Notification:
        """Verify a notification and open it. There is no way around the verification.

        `headers`: any mapping, names in any case. `body`: the raw bytes of the request. `mchid`: whose it is, where the address says so.

        Raises `RequestError` (a body that is not raw bytes), `MissingSignature`, `StaleTimestamp`, `UnknownSerial`, `BadSignature`
        (`probe` is true for WeChat Pay's own tests), `DecryptionError` (the APIv3 key is not the merchant's), `MalformedMessage`
        (no JSON, APIv2 XML, a field absent), and what the key source raises when it cannot reach WeChat Pay. Answer each with `fail`.
        https://pay.weixin.qq.com/doc/v3/merchant/4012791861
        """
        raw, signature = self._check(headers, body)
        holders = self._holders(signature.serial, mchid) or await self._find(signature.serial, mchid)
        try:
            notification = self._open(holders, signature, raw)
        except DecryptionError:
            found = None if mchid is not None else await self._open_elsewhere(holders, signature, raw)
            if found is None:
                raise
            return found
        if (keys := self._refreshed.get(notification.mchid)) is not None:
            await keys.refresh_if_due()
        return notification

    def parse_blocking(self, headers: Mapping[str, str], body: bytes, *, mchid: str | None = None) -> Notification:
        """`parse` for code without an event loop. It knows the keys in memory alone, which is all there is in public-key mode."""
        raw, signature = self._check(headers, body)
        holders = self._holders(signature.serial, mchid)
        if not holders:
            raise _unknown(signature.serial)
        return self._open(holders, signature, raw)

    def _check(self, headers: Mapping[str, str], body: bytes) -> tuple[bytes, SignatureHeaders]:
        """Everything that costs next to nothing and touches no key."""
        raw = raw_body(body)
        check_shape(raw)
        signature = read_signature(headers)
        check_timestamp(signature, self._clock())
        return raw, signature

    def _holders(self, serial: str, mchid: str | None) -> _Holders:
        """Whose notification it can be, by the keys in memory, each with the key that it holds under the serial."""
        if mchid is not None:
            known: tuple[Recipient, ...] = (self._recipient(mchid),)
        else:
            known = self._by_serial.get(serial) or self._learn(serial)
        holders: _Holders = []
        for recipient in known:
            key = recipient.keys.held(serial)
            if key is not None:
                holders.append((recipient, key))
        return holders

    def _learn(self, serial: str) -> tuple[Recipient, ...]:
        found = tuple(recipient for recipient in self._learning if recipient.keys.held(serial) is not None)
        if found:
            self._by_serial[serial] = found
        return found

    async def _find(self, serial: str, mchid: str | None) -> _Holders:
        """Ask the sources that can learn. Raises `UnknownSerial`, or the failure of a source that could not look."""
        failure: WechatpayError = _unknown(serial)
        if _SERIAL.fullmatch(serial):
            for recipient in self._askable() if mchid is None else [self._recipient(mchid)]:
                try:
                    key = await recipient.keys.find(serial)
                except WechatpayError as error:
                    failure = error if isinstance(failure, UnknownSerial) else failure
                else:
                    return [(recipient, key)]
                finally:
                    self._met.add(recipient.mchid)
        raise failure

    def _askable(self) -> list[Recipient]:
        """The sources that may be asked now: those that never were, and the one whose turn it is, as often as there is a reason to."""
        if not self._learning:
            return []
        now = self._clock()
        if not 0 <= now - self._turn_began < TURN:
            self._turn, self._turn_began = (self._turn + 1) % len(self._learning), now
        current = self._learning[self._turn]
        return [recipient for recipient in self._learning if recipient is current or recipient.mchid not in self._met]

    async def _open_elsewhere(self, holders: _Holders, signature: SignatureHeaders, raw: bytes) -> Notification | None:
        """A genuine message that no holder can open may be for a merchant whose source has not fetched this key yet."""
        for recipient in self._askable():
            if all(recipient is not holder for holder, _ in holders):
                try:
                    key = await recipient.keys.find(signature.serial)
                    notification = self._open([(recipient, key)], signature, raw)
                except WechatpayError:
                    continue  # the error of the first attempt says more
                finally:
                    self._met.add(recipient.mchid)
                self._by_serial[signature.serial] = (*self._by_serial.get(signature.serial, ()), recipient)
                return notification
        return None

    def _recipient(self, mchid: str) -> Recipient:
        recipient = self._by_mchid.get(mchid)
        if recipient is None:
            raise RequestError(f"no recipient has the mchid {mchid[:32]!r}")
        return recipient

    def _open(self, holders: _Holders, signature: SignatureHeaders, raw: bytes) -> Notification:
        key = _verify(holders, signature, raw)
        envelope = read_envelope(raw, int(signature.timestamp))
        for recipient, held in holders:
            if held is key or held == key:
                resource = open_resource(envelope.resource, recipient.ciphers)
                if resource is not None:
                    if recipient.signer is not None:
                        resource = open_fields(resource, envelope.event_type, recipient.signer.private_key)
                    return Notification(envelope, resource, raw, recipient.mchid, recipient.signer, self._clock)
        raise DecryptionError(
            "the signature is right, but the resource does not open",
            hint="the APIv3 key given here is not the one that is set in the merchant platform (account, API security, APIv3 key); "
            "it has 32 bytes, and may have been changed since",
        )


def _listed(recipients: Iterable[Recipient | Notifications | Receiving]) -> list[Recipient | Notifications]:
    """The recipients, one by one. Raises `ConfigError` for what cannot receive anything."""
    if isinstance(recipients, (Recipient, Notifications)) or not isinstance(recipients, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise ConfigError("recipients", f"expected a list, got {type(recipients).__name__}", hint="Notifications([…])")
    listed: list[Recipient | Notifications] = []
    for entry in recipients:
        found: Any = entry if isinstance(entry, (Recipient, Notifications)) else getattr(entry, "notifications", entry)
        check_kind("recipients", found, (Recipient, Notifications), "a client, a Recipient or Notifications")
        listed.append(found)
    return listed


def _verify(holders: _Holders, signature: SignatureHeaders, raw: bytes) -> PlatformKey:
    """The key that made the signature: one check, unless merchants hold different keys under one serial."""
    key = holders[0][1]
    try:
        verify(key, signature, raw)
    except BadSignature as error:
        other = [(recipient, held) for recipient, held in holders if held != key]
        if other:
            return _verify(other, signature, raw)
        if error.probe:
            _log.info("a WeChat Pay signature probe was refused, as it should be (serial %s)", signature.serial)
        raise
    return key


def _unknown(serial: str) -> UnknownSerial:
    return UnknownSerial(
        f"signed with the key {serial[:64]!r}, which no recipient holds",
        hint="WeChat Pay's public key (certs={'PUB_KEY_ID_…': …}) or a platform certificate (platform_keys=\"auto\") is missing here; "
        "while a merchant switches from one to the other, both are needed",
        serial=serial,
    )
