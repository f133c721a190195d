"""APIv2's signatures: sorted fields and the secret, MD5 or HMAC-SHA256, upper-case hex.

https://pay.weixin.qq.com/doc/v2/merchant/4011985891
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

__all__ = ["digest", "sign", "string_to_sign"]


def string_to_sign(fields: Mapping[str, Any], secret: str) -> str:
    """`a=1&b=2&key=…`: sorted bytewise, without `sign`, empty values and nested ones."""
    flat = {name: str(value) for name, value in fields.items() if not isinstance(value, (dict, list)) and value is not None}
    pairs = sorted((name.encode(), value) for name, value in flat.items() if name != "sign" and value)
    return "&".join([f"{name.decode()}={value}" for name, value in pairs] + [f"key={secret}"])


def sign(fields: Mapping[str, Any], secret: str, sign_type: str = "MD5") -> str:
    """The signature of fields, by their sign type."""
    return digest(string_to_sign(fields, secret), secret, sign_type)


def digest(text: str, secret: str, sign_type: str) -> str:
    """The MD5 of a text, or its HMAC-SHA256."""
    if sign_type == "HMAC-SHA256":
        return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()
