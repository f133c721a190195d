"""Sensitive values on their way: sealed in what a call sends, opened in what its answer brings.

Source: https://pay.weixin.qq.com/doc/v3/merchant/4013053257.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from wechatpay_async.chain import Call
from wechatpay_async.platform_keys import KeySource
from wechatpay_async.protocol import sensitive
from wechatpay_async.protocol.v3 import SERIAL_HEADER

if TYPE_CHECKING:
    from wechatpay_async.catalog import Operation
    from wechatpay_async.protocol.sealed import Sealed

__all__ = ["Sealing"]


class Sealing:
    """Seals for WeChat Pay with its keys, and opens with the merchant's private key."""

    def __init__(self, private_key: RSAPrivateKey, keys: KeySource) -> None:
        self._private_key = private_key
        self._keys = keys

    async def seal_call(self, call: Call, operation: Operation, chosen: str | None) -> Call:
        """The same call with its sensitive values encrypted, and the header that names the key; as it is where it sends none.

        `chosen` is the serial of the platform key that the caller named; otherwise the one that is due seals.
        Raises `InvalidData`, `UnknownSerial`.
        """
        body = sensitive.form_plan(operation) if operation.is_upload else sensitive.body_plan(operation)
        query = sensitive.query_plan(operation)
        if not (sensitive.count(call.data, body) or sensitive.count(call.params, query)):
            return call
        key = await self._keys.find(chosen) if chosen else await self._keys.for_encryption()
        encryption = sensitive.oaep_encryption(key.public_key)
        return replace(
            call,
            data=sensitive.seal(call.data, body, encryption),
            params=sensitive.seal_query(call.params, query, encryption),
            headers={**call.headers, SERIAL_HEADER: key.serial},
        )

    async def seal_text(self, text: str) -> Sealed:
        """One text, encrypted with the key that is due. Raises `InvalidData` where it is too long for the key."""
        key = await self._keys.for_encryption()
        return sensitive.seal_text(text, sensitive.oaep_encryption(key.public_key))

    async def open_answer(self, data: Any, operation: Operation, status: int) -> Any:
        """An answer with its sensitive fields decrypted; many of them in a worker thread, since each takes 0.7 ms.

        Raises `DecryptionError` whose `field` is the path of the value that does not open.
        """
        plan = sensitive.answer_plan(operation, status)
        if plan is None:
            return data
        decrypt = sensitive.oaep_decryption(self._private_key)
        if sensitive.count(data, plan) > 1:
            return await anyio.to_thread.run_sync(sensitive.unseal, data, plan, decrypt)
        return sensitive.unseal(data, plan, decrypt)

    def open_text(self, ciphertext: str) -> str:
        """One text, decrypted. Raises `DecryptionError`."""
        return sensitive.unseal_text(ciphertext, sensitive.oaep_decryption(self._private_key))

    def open_key(self, ciphertext: str) -> bytes:
        """A key that is encrypted for this merchant (`encrypt_key` of a bill). Raises `DecryptionError`."""
        return sensitive.oaep_decryption(self._private_key)(ciphertext)
