"""The checks of an APIv2 request: XML, merchant, certificate, signature, fields."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.serialization import Encoding

from wechatpay_async.catalog import Operation, Schema

from ..parties import Merchant
from ..uploads import read_parts
from ..wire import Call, Refusal, Request
from .document import Unreadable, read
from .signing import sign, string_to_sign

__all__ = ["Failure", "NoCertificate", "admit", "check_fields", "merchant_number", "read_fields"]

_ACCOUNTS = ("mch_id", "mchid", "combine_mch_id")
#: Fields that the facts call required although one of several is enough.
_ALTERNATIVES = re.compile(r"(transaction_id|.*_no|.*_id|.*openid)")


class Failure(Exception):
    """The platform cannot take the request: `return_code` FAIL, unsigned."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NoCertificate(Exception):
    """The operation wants a client certificate and saw none, or another merchant's: the gateway's HTML page."""


def read_fields(operation: Operation, request: Request) -> dict[str, str]:
    """The fields of the body, of the form of an upload, or of the query for a GET. Raises `Failure`."""
    if operation.method == "GET":
        pairs = parse_qsl(request.query, keep_blank_values=True)
        if len(dict(pairs)) != len(pairs):
            raise Failure("参数重复")
        return dict(pairs)
    if operation.is_upload:
        return _read_form(operation, request)
    try:
        return read(request.body)
    except Unreadable:
        raise Failure("XML格式错误") from None


def _read_form(operation: Operation, request: Request) -> dict[str, str]:
    """The text fields of an upload, once the file fits its MD5."""
    try:
        parts = read_parts(request)
    except Refusal as refusal:
        raise Failure(refusal.message) from None
    files = [item["name"] for item in operation.form if item.get("type") == "file"]
    fields = {name: part.content.decode("utf-8", "replace") for name, part in parts.items() if name not in files}
    file = next((parts[name] for name in files if name in parts), None)
    if file is None or not file.filename or not file.content:
        raise Failure("缺少媒体文件")
    if hashlib.md5(file.content, usedforsecurity=False).hexdigest() != fields.get("media_hash", "").lower():
        raise Failure("media_hash与文件内容不一致")
    return fields


def merchant_number(fields: Mapping[str, str]) -> str:
    """The merchant number, under whichever name."""
    return next((fields[name] for name in _ACCOUNTS if fields.get(name)), "")


def admit(operation: Operation, request: Request, fields: Mapping[str, str], merchants: Mapping[str, Merchant], call: Call) -> Merchant:
    """The merchant that signed. Raises `Failure` or `NoCertificate`."""
    number = merchant_number(fields)
    call.mchid = number
    merchant = merchants.get(number)
    if merchant is None:
        raise Failure("mch_id参数格式错误" if not number else f"商户号 {number} 不存在")
    if operation.client_cert and request.is_secure:
        shown = request.client_certificate
        if shown is None or not hmac.compare_digest(shown, merchant.certificate.public_bytes(Encoding.DER)):
            raise NoCertificate
    if operation.method != "GET" or _wants(operation, "sign"):
        _check_signature(operation, fields, merchant, call)
    return merchant


def _check_signature(operation: Operation, fields: Mapping[str, str], merchant: Merchant, call: Call) -> None:
    sign_type = fields.get("sign_type") or "MD5"
    if sign_type not in {"MD5", "HMAC-SHA256"}:
        raise Failure("sign_type参数格式错误")
    if operation.nonce and _wants(operation, "nonce_str") and not 1 <= len(fields.get("nonce_str", "")) <= 32:
        raise Failure("nonce_str参数长度有误")
    call.expected_message = string_to_sign(fields, "***")
    call.signature = fields.get("sign", "")
    call.signature_fits = hmac.compare_digest(call.signature.encode(), sign(fields, merchant.secret, sign_type).encode())
    if not call.signature_fits:
        raise Failure("签名错误，请检查后再试")


def _wants(operation: Operation, name: str) -> bool:
    return name in (operation.body or {}).get("properties", {}) or any(item["name"] == name for item in operation.query_params)


def check_fields(operation: Operation, fields: Mapping[str, str]) -> dict[str, Any]:
    """The fields with numbers as numbers. Raises `Failure` for what the catalogue does not have, or has differently."""
    if operation.method == "GET":
        schema: Schema = {
            "properties": {item["name"]: cast("Schema", item) for item in operation.query_params},
            "required": [item["name"] for item in operation.query_params if item["required"]],
        }
    elif operation.is_upload:
        schema = {"properties": {item["name"]: cast("Schema", item) for item in operation.form}}
    else:
        schema = operation.body or {}
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if not fields.get(name) and name not in {"sign", "sign_type", "nonce_str"} and not _ALTERNATIVES.fullmatch(name):
            raise Failure(f"缺少参数 {name}")
    return {name: _value(known, name, text) for name, text in fields.items()}


def _value(known: Mapping[str, Schema], name: str, text: str) -> Any:
    if name in {"sign", "sign_type", "nonce_str", *_ACCOUNTS}:
        return text
    schema = known.get(name) or known.get(re.sub(r"_[0-9]+", "_$n", name, count=1))
    if schema is None:
        raise Failure(f"参数 {name} 不存在")
    if not text:
        return text
    if text != str(schema.get("example")):
        if len(text) > schema.get("maxLength", len(text)) or (schema.get("enum") and text not in map(str, schema.get("enum", []))):
            raise Failure(f"{name}参数格式错误")
        if schema.get("type") in {"integer", "number"} and not re.fullmatch(r"-?[0-9]+", text, re.ASCII):
            raise Failure(f"{name}参数格式错误")
    return int(text) if schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]+", text, re.ASCII) else text
