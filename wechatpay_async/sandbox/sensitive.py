"""Opens and seals the fields that the catalogue marks sensitive, at any depth.

https://pay.weixin.qq.com/doc/v3/merchant/4013053257
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from wechatpay_async.catalog import Operation, Parameter, Schema

from .seal import open_field, seal_field
from .wire import Refusal, as_array, as_object

__all__ = ["answers_with_sensitive", "form_schema", "has_sensitive", "open_fields", "seal_fields", "takes_sensitive"]

Change = Callable[[str, str, "Schema | Parameter"], str]


@cache
def takes_sensitive(operation: Operation) -> bool:
    """Whether any field that an operation takes is sensitive."""
    return _has_mark(operation.body or form_schema(operation)) or _has_mark(operation.query_schema)


@cache
def answers_with_sensitive(operation: Operation) -> bool:
    """Whether any field of an operation's answers is sensitive."""
    return any(schema is not None and _has_mark(schema) for schema in operation.responses.values())


def form_schema(operation: Operation) -> Schema:
    """The meta of an upload as a schema."""
    meta = next((item for item in operation.form if item.get("format") == "json"), None)
    return meta.get("contentSchema", {}) if meta else {}


def _has_mark(schema: Schema | Parameter) -> bool:
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", []), schema.get("items", {})]
    return bool(schema.get("sensitive")) or any(_has_mark(each) for each in inner if each)


def has_sensitive(schema: Schema | Parameter | None, value: Any) -> bool:
    """Whether a value carries a sensitive field that is not empty."""
    found: list[str] = []

    def note(text: str, where: str, _: Schema | Parameter) -> str:
        found.append(where)
        return text

    if schema is not None:
        _walk(schema, value, "", note)
    return bool(found)


def open_fields(schema: Schema | Parameter, value: Any, key: rsa.RSAPrivateKey, location: str = "body") -> Any:
    """The value in the clear. Raises `Refusal` where a field was not sealed for this key."""

    def opened(text: str, where: str, field: Schema | Parameter) -> str:
        plaintext = open_field(key, text)
        if plaintext is None:
            detail = {"location": location, "field": where, "issue": "cannot be decrypted with the key named in Wechatpay-Serial"}
            raise Refusal(400, "PARAM_ERROR", f"敏感字段“{where}”解密失败，请确认使用Wechatpay-Serial指定的密钥加密", detail)
        if len(plaintext) > field.get("maxLength", len(plaintext)):
            detail = {"location": location, "field": where, "issue": f"plaintext longer than {field.get('maxLength')}"}
            raise Refusal(400, "PARAM_ERROR", f"敏感字段“{where}”的明文超过{field.get('maxLength')}个字符", detail)
        return plaintext

    return _walk(schema, value, f"/{location}", opened)


def seal_fields(schema: Schema | Parameter, value: Any, key: rsa.RSAPublicKey) -> Any:
    """The value with its sensitive fields encrypted for the merchant."""
    return _walk(schema, value, "", lambda text, _where, _field: seal_field(key, text))


def _walk(schema: Schema | Parameter, value: Any, where: str, change: Change) -> Any:
    for choice in schema.get("anyOf", []):
        value = _walk(choice, value, where, change)
    if schema.get("sensitive") and isinstance(value, str):
        return change(value, where, schema) if value else value
    if (members := as_object(value)) is not None:
        properties = schema.get("properties", {})
        return {
            name: _walk(properties[name], member, f"{where}/{name}", change) if name in properties else member
            for name, member in members.items()
        }
    if (items := as_array(value)) is not None:
        inner: Schema = {**schema.get("items", {})}
        if schema.get("sensitive"):
            inner["sensitive"] = True
        return [_walk(inner, item, f"{where}/{index}", change) for index, item in enumerate(items)]
    return value
