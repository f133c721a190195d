"""WeChat Pay's own keys: which one verifies a reply, which one encrypts a field."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from wechatpay_async.errors import ConfigError, UnknownSerial
from wechatpay_async.settings import check_kind

if TYPE_CHECKING:
    from wechatpay_async.crypto.keys import PlatformKey

__all__ = ["KeySource", "StaticKeys", "by_serial", "checked_source", "is_valid", "preferred_key", "unknown_serial"]


@runtime_checkable
class KeySource(Protocol):
    """Where the client and the notifications look for a platform key."""

    def held(self, serial: str) -> PlatformKey | None:
        """The key filed under `serial`, from memory alone."""
        ...

    async def find(self, serial: str) -> PlatformKey:
        """The key filed under `serial`; may ask WeChat Pay once. Raises `UnknownSerial`."""
        ...

    async def for_encryption(self) -> PlatformKey:
        """The key that sensitive fields are encrypted with. Raises `ConfigError` where there is none."""
        ...

    def preferred_serial(self) -> str | None:
        """What to send as `Wechatpay-Serial`, so that the reply is signed with a key that is held; None while none is."""
        ...


class StaticKeys:
    """The keys given when the client was made: a public key, certificates, or both while a merchant switches."""

    def __init__(self, keys: Iterable[PlatformKey] = ()) -> None:
        self._keys: Mapping[str, PlatformKey] = by_serial("keys", keys)
        self._preferred = preferred_key(self._keys.values())

    @property
    def fixed_serials(self) -> Collection[str]:
        """Every serial that is held: this source never learns another."""
        return self._keys.keys()

    def held(self, serial: str) -> PlatformKey | None:
        """The key filed under `serial`, or None."""
        return self._keys.get(serial)

    async def find(self, serial: str) -> PlatformKey:
        """The key filed under `serial`. Raises `UnknownSerial`."""
        key = self._keys.get(serial)
        if key is None:
            raise unknown_serial(serial, self._keys)
        return key

    async def for_encryption(self) -> PlatformKey:
        """The public key, or else the newest certificate. Raises `ConfigError` where none was given."""
        if self._preferred is None:
            raise ConfigError(
                "certs", "sensitive fields need a platform key", hint='give certs={"PUB_KEY_ID_…": …} or platform_keys="auto"'
            )
        return self._preferred

    def preferred_serial(self) -> str | None:
        """The serial of the key that encrypts."""
        return self._preferred.serial if self._preferred else None


def by_serial(parameter: str, keys: Iterable[PlatformKey]) -> Mapping[str, PlatformKey]:
    """The keys by their serials. Raises `ConfigError` for what is no platform key."""
    from wechatpay_async.crypto.keys import PlatformKey

    check_kind(parameter, keys, Iterable, "a list of platform keys")
    found: dict[str, PlatformKey] = {}
    for key in keys:
        check_kind(
            parameter, key, PlatformKey, "platform keys", hint="load_platform_key(serial, source), or Wechatpay(certs={serial: source})"
        )
        found[key.serial] = key
    return MappingProxyType(found)


def checked_source(source: KeySource | str) -> KeySource:
    """`source`, if it can find keys. Raises `ConfigError` for anything else that may have been meant as one."""
    if isinstance(source, str):
        raise ConfigError("platform_keys", f"unknown value {source[:32]!r}", hint='"auto", a KeySource, or nothing')
    if isinstance(source, type) or not isinstance(source, KeySource):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        cure = "keys by their serials go into certs=" if isinstance(source, Mapping) else '"auto", a KeySource, or nothing'
        raise ConfigError("platform_keys", f"expected a source of keys, got {type(source).__name__}", hint=cure)
    return source


def preferred_key(keys: Iterable[PlatformKey], *, now: datetime | None = None) -> PlatformKey | None:
    """The public key where there is one (it replaces the certificates), or else the certificate that is valid from the latest time.

    With `now`, a certificate that is valid then goes before one that is not.
    """

    def rank(key: PlatformKey) -> tuple[bool, bool, datetime]:
        return not key.is_certificate, now is None or is_valid(key, now), key.not_before or datetime.min.replace(tzinfo=UTC)

    return max(keys, key=rank, default=None)


def is_valid(key: PlatformKey, now: datetime) -> bool:
    """Whether the key can be used at `now` (with a time zone); a public key always."""
    return key.not_before is None or key.not_after is None or key.not_before <= now <= key.not_after


def unknown_serial(serial: str, held: Iterable[str]) -> UnknownSerial:
    """The error for a serial that is not held, with the cure for its kind."""
    from wechatpay_async.crypto.keys import PUBLIC_KEY_ID_PREFIX

    if serial.startswith(PUBLIC_KEY_ID_PREFIX):
        cure = "add this public key to certs=: merchant platform, API security, WeChat Pay public key"
    else:
        cure = 'a platform certificate: set platform_keys="auto", or add it to certs='
    return UnknownSerial(f"signed with the key {serial[:64]!r}; held: {', '.join(held) or 'none'}", hint=cure, serial=serial)
