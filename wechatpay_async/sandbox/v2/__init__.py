"""APIv2: XML, MD5 and HMAC signatures, client certificates. One function from a request to its answer."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from wechatpay_async.catalog import Operation

from ..models import Book, Notice, Numbers
from ..parties import Merchant
from ..seal import as_json, encrypt_resource
from ..wire import Answer, Call, Refusal, Request, as_object
from . import document, flows
from .gate import Failure, NoCertificate, admit, check_fields, read_fields
from .signing import sign

__all__ = ["answer", "notification", "says_success"]

Synthesise = Callable[[Operation, str, Mapping[str, Any]], tuple[int, Any]]

_NO_CERTIFICATE = b"<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n</html>\r\n"
#: What an answer repeats of its request.
_ECHOED = ("appid", "mch_appid", "mch_id", "mchid", "sub_appid", "sub_mch_id", "device_info")


def answer(
    operation: Operation, request: Request, call: Call, merchants: Mapping[str, Merchant], book: Book, base_url: str, synthesise: Synthesise
) -> Answer:
    """The answer to an APIv2 request, signed where the catalogue says so; never an APIv3 signature."""
    try:
        fields = read_fields(operation, request)
        merchant = admit(operation, request, fields, merchants, call)
        values = check_fields(operation, fields)
    except NoCertificate:
        return Answer(400, content=_NO_CERTIFICATE, media_type="text/html", signed=False)
    except Failure as failure:
        return _xml({"return_code": "FAIL", "return_msg": failure.message})
    sign_type = fields.get("sign_type") or "MD5"
    try:
        made = _result(operation, merchant, book, values, base_url, synthesise)
    except flows.Declined as declined:
        made = {"result_code": "FAIL", "err_code": declined.code, "err_code_des": declined.description}
    except Refusal as refusal:
        made = {"result_code": "FAIL", "err_code": refusal.code, "err_code_des": refusal.message}
    if isinstance(made, Answer):
        return made
    echoed = {name: fields[name] for name in _ECHOED if fields.get(name)}
    whole = {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        **echoed,
        "nonce_str": book.noise.letters(32),
        "result_code": "SUCCESS",
        **made,
    }
    if operation.response_signed:
        whole["sign"] = sign(whole, merchant.secret, sign_type)
    return _xml(whole)


def _result(
    operation: Operation, merchant: Merchant, book: Book, values: Mapping[str, Any], base_url: str, synthesise: Synthesise
) -> dict[str, Any] | Answer:
    handler = flows.ROUTES.get(operation.id)
    if handler is not None:
        return handler(flows.AskV2(merchant, book, values, base_url))
    status, data = synthesise(operation, merchant.mchid, values)
    if status == 302:
        return Answer(302, headers={"Location": f"{base_url}/_sandbox/contract"}, signed=False)
    made = as_object(data) or {}
    made = {name.replace("_$n", "_0").replace("_$m", "_0"): value for name, value in made.items()}
    if "retcode" in made:
        return Answer(data=made | {"retcode": 0}, signed=False)
    if operation.download:
        return Answer(content=b"sandbox file\n", media_type="text/plain", signed=False)
    left_out = {"sign", "nonce_str", "return_code", "return_msg", "err_code", "err_code_des", "error_code"}
    own = {name: merchant.mchid for name in ("mch_id", "mchid", "combine_mch_id") if name in made}
    return {name: value for name, value in made.items() if name not in left_out} | own | {"result_code": "SUCCESS"}


def _xml(fields: Mapping[str, Any]) -> Answer:
    return Answer(content=document.write(fields), media_type="text/xml; charset=utf-8", signed=False)


def notification(notice: Notice, merchant: Merchant, numbers: Numbers) -> bytes:
    """A notification as XML: signed, with the documents inside its fields sealed or written as text; a refund's is sealed and unsigned."""
    fields: dict[str, Any] = notice.resource | {"nonce_str": numbers.letters(32)}
    if "event_ciphertext" not in fields:
        fields = {"return_code": "SUCCESS"} | fields
    refund = as_object(fields.get("req_info"))
    if refund is not None:
        return document.write(fields | {"req_info": _req_info(document.write(refund, "root"), merchant.secret)})
    deposit = as_object(fields.get("event_ciphertext"))
    if deposit is not None:
        sealed = encrypt_resource(merchant.apiv3_key, numbers.letters(12), as_json(deposit), fields.get("event_associated_data", ""))
        fields |= {"event_ciphertext": sealed["ciphertext"], "event_nonce": sealed["nonce"]}
    flat = {name: as_json(value).decode() if isinstance(value, (dict, list)) else value for name, value in fields.items()}
    return document.write(flat | {"sign": sign(flat, merchant.secret, flat.get("sign_type") or flat.get("algorithm") or "MD5")})


def _req_info(plaintext: bytes, secret: str) -> str:
    # AES-256-ECB under the lower-case hex MD5 of the secret: https://pay.weixin.qq.com/doc/v2/merchant/4011985433
    key = hashlib.md5(secret.encode(), usedforsecurity=False).hexdigest().encode()
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the protocol's choice
    return base64.b64encode(cipher.update(padder.update(plaintext) + padder.finalize()) + cipher.finalize()).decode()


def says_success(body: bytes) -> bool:
    """Whether a merchant's answer to an APIv2 notification takes it."""
    try:
        return document.read(body).get("return_code") == "SUCCESS"
    except document.Unreadable:
        return False
