"""An APIv2 client written by hand: sorts, hashes, posts XML, and checks the answer's signature."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Self
from xml.etree import ElementTree

import httpx

from tests.support.patience import PATIENCE


def signature(fields: dict[str, Any], secret: str, sign_type: str = "MD5") -> str:
    """The signature of flat fields."""
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name] != "") + f"&key={secret}"
    if sign_type == "HMAC-SHA256":
        return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def as_xml(fields: dict[str, Any]) -> bytes:
    """Flat fields as XML."""
    return ("<xml>" + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items()) + "</xml>").encode()


def from_xml(body: bytes) -> dict[str, str]:
    """The flat fields of an answer."""
    return {element.tag: element.text or "" for element in ElementTree.fromstring(body)}  # noqa: S314 - the sandbox's own


@dataclass
class HandmadeV2:
    """`settings` is what `Sandbox.settings()` gives; `verify` an SSL context for mTLS."""

    settings: dict[str, Any]
    verify: Any = True

    def __post_init__(self) -> None:
        self.http = httpx.AsyncClient(
            base_url=self.settings["base_url"], transport=self.settings.get("transport"), verify=self.verify, timeout=PATIENCE
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    def signed(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields with merchant, nonce and signature, where they are not there yet."""
        whole = {"mch_id": self.settings["mchid"], "nonce_str": secrets.token_hex(16)} | fields
        return {"sign": signature(whole, self.settings["secret"], whole.get("sign_type", "MD5"))} | whole

    async def send(self, path: str, fields: dict[str, Any]) -> httpx.Response:
        return await self.http.post(path, content=as_xml(self.signed(fields)), headers={"Content-Type": "text/xml"})

    async def call(self, path: str, fields: dict[str, Any]) -> dict[str, str]:
        """Send, see that all went well and that the answer is signed."""
        answer = await self.outcome(path, fields)
        assert answer["result_code"] == "SUCCESS", answer
        return answer

    async def outcome(self, path: str, fields: dict[str, Any]) -> dict[str, str]:
        """Send, see that the platform took it and signed its answer, whatever the business says."""
        answer = from_xml((await self.send(path, fields)).content)
        assert answer["return_code"] == "SUCCESS", answer
        if "sign" in answer:
            assert answer["sign"] == signature(answer, self.settings["secret"], fields.get("sign_type", "MD5"))
        return answer

    async def declined(self, path: str, fields: dict[str, Any]) -> str:
        """Send, and give the `err_code`."""
        answer = await self.outcome(path, fields)
        assert answer["result_code"] == "FAIL", answer
        return answer["err_code"]
