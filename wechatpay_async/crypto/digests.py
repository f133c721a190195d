"""Digests, in lower-case hexadecimal, as files and APIv2 signatures want them."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes

from wechatpay_async.errors import ConfigError


def md5_hex(data: bytes) -> str:
    """MD5, which APIv2 signs with. Raises `ConfigError` on a machine whose policy has no MD5 at all."""
    try:
        # In FIPS mode OpenSSL refuses MD5 unless it is declared not to be for security; the protocol leaves no choice.
        return hashlib.md5(data, usedforsecurity=False).hexdigest()
    except ValueError as error:
        raise ConfigError("sign_type", "this machine's cryptographic policy forbids MD5", hint='use sign_type="HMAC-SHA256"') from error


def sha1_hex(data: bytes) -> str:
    """SHA-1, which bills are checked by."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def sha256_hex(data: bytes) -> str:
    """SHA-256, which uploads are checked by."""
    return hashlib.sha256(data).hexdigest()


def hmac_sha256_hex(key: bytes, data: bytes) -> str:
    """HMAC-SHA256, which APIv2 and client-side payloads sign with."""
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def sm3_hex(data: bytes) -> str:
    """SM3, which some bank uploads are checked by."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize().hex()
