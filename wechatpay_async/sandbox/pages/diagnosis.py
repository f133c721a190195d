"""Finds out what a client signed instead of what it should have: tries the usual mistakes until one has the digest of the signature.

An RSA signature gives its SHA-256 digest back to whoever has the public key, so a guess is either proven or dropped.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from ..parties import Merchant

__all__ = ["Diagnosis", "Line", "diagnose", "pay_sign_guesses", "request_guesses"]

REQUEST_LINES = ("method", "request target", "timestamp", "nonce", "body")


@dataclass(frozen=True)
class Guess:
    """A message that may have been signed, and what is wrong with it, in words of the pages."""

    lines: tuple[str, ...]
    end: str = "\n"
    joint: str = "\n"
    mistakes: tuple[str, ...] = ()

    @property
    def digest(self) -> bytes:
        return hashlib.sha256((self.joint.join(self.lines) + self.end).encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True)
class Line:
    """One line of the message: what the sandbox expected, and what was signed (None where that is not known)."""

    name: str
    expected: str
    signed: str | None

    @property
    def differs(self) -> bool:
        return self.signed is not None and self.signed != self.expected


@dataclass(frozen=True)
class Diagnosis:
    """Why a signature does not fit. `mistakes` are sentences that the pages translate; `whose` is the merchant whose key it was."""

    lines: tuple[Line, ...]
    mistakes: tuple[str, ...]
    whose: str = ""
    found: bool = False


def diagnose(
    names: tuple[str, ...],
    expected: tuple[str, ...],
    guesses: Iterable[Guess],
    signature: str,
    account: str,
    merchants: Mapping[str, Merchant],
) -> Diagnosis:
    """Compare what was expected with what was signed, where a guess proves to be it."""
    unknown = tuple(Line(name, line, None) for name, line in zip(names, expected, strict=True))
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return Diagnosis(unknown, ("The signature is not base64.",))
    opened = _digest(raw, account, merchants)
    if opened is None:
        return Diagnosis(unknown, ("Signed with a key that is not this merchant's, or not with RSA PKCS#1 v1.5 and SHA-256.",))
    whose, digest = opened
    foreign = () if whose == account else ("Signed with the key of another merchant.",)
    if not digest:
        return Diagnosis(unknown, (*foreign, "Signed with SHA-1; it must be SHA-256."), whose)
    for guess in guesses:
        if guess.digest == digest:
            lines = tuple(Line(name, *pair) for name, *pair in zip(names, expected, guess.lines, strict=True))
            return Diagnosis(lines, foreign + guess.mistakes, whose, found=True)
    return Diagnosis(unknown, (*foreign, "The key is right, the message is not: none of the usual mistakes gives this signature."), whose)


def _digest(raw: bytes, account: str, merchants: Mapping[str, Merchant]) -> tuple[str, bytes] | None:
    """Whose key made a signature, and the digest in it; an empty one for SHA-1."""
    own_first = sorted(merchants.values(), key=lambda merchant: merchant.mchid != account)
    for merchant in own_first:
        key = merchant.private_key.public_key()
        if (digest := _recovered(key, raw, SHA256())) is not None:
            return merchant.mchid, digest
        if _recovered(key, raw, SHA1()) is not None:  # noqa: S303 - recognising a mistake
            return merchant.mchid, b""
    return None


def _recovered(key: rsa.RSAPublicKey, raw: bytes, algorithm: HashAlgorithm) -> bytes | None:
    try:
        return key.recover_data_from_signature(raw, padding.PKCS1v15(), algorithm)
    except (InvalidSignature, ValueError):
        return None


def request_guesses(expected: tuple[str, ...], host: str) -> Iterator[Guess]:
    """What clients sign for a request when they get it wrong, fewest mistakes first."""
    method, target, timestamp, nonce, body = expected
    methods = [(method, ""), (method.lower(), "The method must be in capitals.")]
    targets = [(target, ""), *_other_targets(target, host)]
    bodies = [(body, ""), *_other_bodies(body)]
    middles = [((timestamp, nonce), ""), ((nonce, timestamp), "Timestamp and nonce have changed places.")]
    ends = [
        (("\n", "\n"), ""),
        (("\n", ""), "The last line must end with a newline too."),
        (("\r\n", "\r\n"), "Lines end with CR LF; it must be LF alone."),
    ]
    made = [
        Guess((a, b, *middle, c), end, joint, tuple(note for note in notes if note))
        for (a, n1), (b, n2), (middle, n3), (c, n4), ((joint, end), n5) in product(methods, targets, middles, bodies, ends)
        for notes in [(n1, n2, n3, n4, n5)]
    ]
    return iter(sorted(made, key=lambda guess: len(guess.mistakes)))


def _other_targets(target: str, host: str) -> Iterator[tuple[str, str]]:
    path, mark, _ = target.partition("?")
    if mark:
        yield path, "The query string is missing from the request target."
    if unquote(target) != target:
        yield unquote(target), "The request target must be signed as it is sent, percent-encoded."
    for scheme in ("http", "https"):
        yield f"{scheme}://{host}{target}", "The request target must not have scheme and host."
    yield f"https://api.mch.weixin.qq.com{target}", "The request target must not have scheme and host."


def _other_bodies(body: str) -> Iterator[tuple[str, str]]:
    if body:
        yield "", "The body is missing from the message."
        yield "{}", "Another body was signed than was sent."
    else:
        for empty in ("{}", "null", "None", "\n"):
            yield empty, "A request without a body must be signed with an empty line."
    try:
        data = json.loads(body)
    except ValueError:
        return
    seen = {body, ""}
    for ascii_only, separators, ordered in product((False, True), ((",", ":"), (", ", ": ")), (False, True)):
        again = json.dumps(data, ensure_ascii=ascii_only, separators=separators, sort_keys=ordered)
        if again not in seen:
            seen.add(again)
            yield again, "The body was serialised anew: other bytes were signed than were sent."


def pay_sign_guesses(expected: tuple[str, ...]) -> Iterator[Guess]:
    """What is signed for `WeixinJSBridge` when it goes wrong, fewest mistakes first."""
    app_id, timestamp, nonce, package = expected
    bare = package.removeprefix("prepay_id=")
    packages = [(package, ""), (bare, "The package must be signed with its prefix prepay_id=.")]
    orders = [((app_id, timestamp, nonce), ""), ((app_id, nonce, timestamp), "Timestamp and nonce have changed places.")]
    ends = [("\n", ""), ("", "The last line must end with a newline too.")]
    for (front, n1), (last, n2), (end, n3) in product(orders, packages, ends):
        yield Guess((*front, last), end, mistakes=tuple(note for note in (n1, n2, n3) if note))
