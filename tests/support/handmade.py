"""A WeChat Pay client written by hand with httpx and cryptography alone: it knows nothing of the package that it tests."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from tests.support.patience import PATIENCE

OAEP = padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - what WeChat Pay uses


def load_public(pem: str) -> rsa.RSAPublicKey:
    """The RSA key of a PEM public key or certificate."""
    key = x509.load_pem_x509_certificate(pem.encode()).public_key() if "CERTIFICATE" in pem else load_pem_public_key(pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def verifies(key: rsa.RSAPublicKey, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the `Wechatpay-*` headers are this key's signature over the body."""
    message = f"{headers['wechatpay-timestamp']}\n{headers['wechatpay-nonce']}\n".encode() + body + b"\n"
    try:
        key.verify(base64.b64decode(headers["wechatpay-signature"]), message, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def open_resource(resource: Mapping[str, str], apiv3_key: str) -> Any:
    """A notification's resource, or a certificate, in the clear."""
    sealed = base64.b64decode(resource["ciphertext"])
    plain = AESGCM(apiv3_key.encode()).decrypt(resource["nonce"].encode(), sealed, resource.get("associated_data", "").encode())
    return plain.decode() if plain.startswith(b"-----") else json.loads(plain)


@dataclass
class Handmade:
    """Signs, sends and verifies, one line a step. `settings` is what `Sandbox.settings()` gives."""

    settings: dict[str, Any]
    #: What is put in place of the right values, for tests of what the sandbox refuses.
    spoil: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        key = load_pem_private_key(self.settings["private_key"].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self.key = key
        self.platform = {serial: load_public(pem) for serial, pem in self.settings["certs"].items()}
        self.http = httpx.AsyncClient(base_url=self.settings["base_url"], transport=self.settings.get("transport"), timeout=PATIENCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    def sign(self, message: bytes) -> str:
        return base64.b64encode(self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()

    def authorization(self, method: str, target: str, body: bytes) -> str:
        timestamp = str(int(self.spoil.get("timestamp", self.settings["clock"]())))
        nonce = self.spoil.get("nonce", secrets.token_hex(16))
        signature = self.sign(f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n")
        parts = {
            "mchid": self.settings["mchid"],
            "nonce_str": nonce,
            "signature": signature,
            "timestamp": timestamp,
            "serial_no": self.settings["serial"],
        } | self.spoil.get("parts", {})
        scheme = self.spoil.get("scheme", "WECHATPAY2-SHA256-RSA2048")
        return f"{scheme} " + ",".join(f'{name}="{value}"' for name, value in parts.items())

    async def send(
        self,
        method: str,
        target: str,
        data: Any = None,
        *,
        body: bytes | None = None,
        headers: dict[str, str | None] | None = None,
        meta: bytes | None = None,
    ) -> httpx.Response:
        """Send and give back the answer as it is."""
        content = body if body is not None else b"" if data is None else json.dumps(data, ensure_ascii=False).encode()
        serial = next(iter(self.platform))
        wanted: dict[str, Any] = {
            "Accept": "application/json",
            "User-Agent": "handmade",
            "Wechatpay-Serial": serial,
            "Authorization": self.authorization(method, target, content if meta is None else meta),
        }
        if content:
            wanted["Content-Type"] = "application/json"
        wanted |= headers or {}
        request = self.http.build_request(method, target, content=content or None)
        for name in ("accept", "user-agent"):
            del request.headers[name]
        request.headers.update({name: value for name, value in wanted.items() if value is not None})
        return await self.http.send(request)

    async def call(self, method: str, target: str, data: Any = None, **options: Any) -> Any:
        """Send, see that the answer is a 2xx that verifies, and give its JSON (None when it is empty)."""
        response = await self.send(method, target, data, **options)
        assert response.is_success, response.text
        assert verifies(self.platform[response.headers["wechatpay-serial"]], response.headers, response.content)
        return response.json() if response.content else None

    async def refused(self, method: str, target: str, data: Any = None, **options: Any) -> tuple[int, str]:
        """Send, and give the status and code of the error."""
        response = await self.send(method, target, data, **options)
        assert not response.is_success or response.status_code == 202, response.text
        return response.status_code, response.json()["code"]
