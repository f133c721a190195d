"""WeChat Pay's side of the certificate download, written from the protocol alone: it issues certificates and signs replies."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import anyio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from wechatpay_async.crypto.keys import PlatformKey

APIV3_KEY = b"0123456789abcdef0123456789abcdef"
#: 2026-11-25 12:00:00 UTC
NOW = 1795608000.0
PUBLIC_KEY_ID = "PUB_KEY_ID_0114232134912410000000000000"

Reply = tuple[int, Mapping[str, str], bytes]


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """One key for each name, made once."""
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Issued:
    """A platform certificate with its private key."""

    name: str
    serial: str
    certificate: x509.Certificate

    @property
    def private_key(self) -> rsa.RSAPrivateKey:
        return private_key(self.name)


@cache
def issue(name: str, serial: int, *, start: float = NOW - 86400, days: int = 5 * 365) -> Issued:
    """A certificate valid from `start` (seconds) for so many days. Its serial is 40 digits."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    number = (0x51 << 152) + serial
    begin = datetime.fromtimestamp(start, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private_key(name).public_key())
        .serial_number(number)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
    )
    return Issued(name, f"{number:040X}", builder.sign(private_key(name), hashes.SHA256()))


def entry(issued: Issued, *, apiv3_key: bytes = APIV3_KEY, **changed: Any) -> dict[str, Any]:
    """One certificate as the download lists it."""
    pem = issued.certificate.public_bytes(serialization.Encoding.PEM)
    sealed = AESGCM(apiv3_key).encrypt(b"61f9c719728a", pem, b"certificate")
    return {
        "serial_no": issued.serial,
        "effective_time": "2026-11-24T20:00:00+08:00",
        "expire_time": "2031-11-23T20:00:00+08:00",
        "encrypt_certificate": {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": "61f9c719728a",
            "associated_data": "certificate",
            "ciphertext": base64.b64encode(sealed).decode(),
        },
        **changed,
    }


def signed(body: bytes, signer: rsa.RSAPrivateKey, serial: str, *, now: float = NOW) -> dict[str, str]:
    """The headers of a reply with this body."""
    message = f"{int(now)}\nnonce\n".encode() + body + b"\n"
    signature = signer.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return {
        "Wechatpay-Timestamp": str(int(now)),
        "Wechatpay-Nonce": "nonce",
        "Wechatpay-Signature": base64.b64encode(signature).decode(),
        "Wechatpay-Serial": serial,
    }


def listing(*certificates: Issued, by: Issued | None = None, now: float = NOW, apiv3_key: bytes = APIV3_KEY) -> Reply:
    """The reply that lists these certificates, signed by the first one unless another is named."""
    signer = by or certificates[0]
    body = json.dumps({"data": [entry(issued, apiv3_key=apiv3_key) for issued in certificates]}).encode()
    return 200, signed(body, signer.private_key, signer.serial, now=now), body


def error(status: int, code: str = "", body: bytes | None = None) -> Reply:
    """An unsigned error reply."""
    return status, {}, json.dumps({"code": code, "message": "…"}).encode() if body is None else body


def public_key() -> PlatformKey:
    """A merchant's WeChat Pay public key."""
    return PlatformKey(PUBLIC_KEY_ID, private_key("public").public_key())


@dataclass
class Server:
    """Answers downloads with `certificates`, all the time counting them; `replies` come first, one each."""

    certificates: list[Issued]
    signer: Issued | None = None
    replies: list[Reply | BaseException] = field(default_factory=list[Reply | BaseException])
    downloads: int = 0
    now: float = NOW
    #: A download waits for this, where it is set.
    gate: anyio.Event | None = None
    #: Set as soon as a download has begun.
    begun: anyio.Event | None = None

    def clock(self) -> float:
        return self.now

    async def fetch(self) -> Reply:
        self.downloads += 1
        if self.begun is not None:
            self.begun.set()
        await anyio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()
        if self.replies:
            reply = self.replies.pop(0)
            if isinstance(reply, BaseException):
                raise reply
            return reply
        return listing(*self.certificates, by=self.signer, now=self.now)
