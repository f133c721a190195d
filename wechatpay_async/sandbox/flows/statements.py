"""Bills: asked for one day, downloaded from an address that soon expires, some of them encrypted in parts.

https://pay.weixin.qq.com/doc/v3/merchant/4013071227, https://pay.weixin.qq.com/doc/v3/partner/4014314390
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .. import bills
from ..clock import BEIJING
from ..seal import seal_bytes
from ..wire import Answer, Refusal
from .context import Ask, Routes

__all__ = ["ROUTES", "asked_day", "offer_file", "sha1"]

_DAY = 86_400
_READY = 10 * 3_600
_KEPT = 92 * _DAY
#: Seconds that a download address lives.
_LIFE = {"trade": 300, "fund": 30}
#: Bytes of text in one part of an encrypted bill.
PART = 1 << 20


@dataclass(frozen=True)
class File:
    """A file that can be downloaded until it expires."""

    mchid: str
    content: bytes
    expires: float


def tradebill(ask: Ask) -> Answer:
    """申请交易账单."""
    day = asked_day(ask)
    text = bills.trade_bill(ask.book, ask.mchid, day, ask.query.get("bill_type", "ALL"))
    return _offered(ask, _there(text), _LIFE["trade"])


def fundflowbill(ask: Ask) -> Answer:
    """申请资金账单: the basic account's; the other accounts have no movements here."""
    day = asked_day(ask)
    if ask.query.get("account_type", "BASIC") != "BASIC":
        raise _nothing()
    return _offered(ask, _there(bills.fund_flow_bill(ask.book, ask.mchid, day)), _LIFE["fund"])


def encrypted_fundflowbill(ask: Ask) -> Answer:
    """申请二级商户资金账单, 申请单个子商户资金账单: AES-256-GCM parts, each with a key sealed for the merchant."""
    day = asked_day(ask)
    if ask.query["algorithm"] != "AEAD_AES_256_GCM":
        raise Refusal(400, "PARAM_ERROR", "沙箱只支持AEAD_AES_256_GCM", {"location": "query", "field": "/query/algorithm"})
    merchants = [ask.query["sub_mchid"]] if "sub_mchid" in ask.query else _sub_merchants(ask)
    texts = [text for text in (bills.fund_flow_bill(ask.book, mchid, day) for mchid in merchants) if text is not None]
    whole = _there(b"".join(texts) or None)
    listed = [_part(ask, number, whole[start : start + PART]) for number, start in enumerate(range(0, len(whole), PART), start=1)]
    return Answer(data={"download_bill_count": len(listed), "download_bill_list": listed}, fields_sealed=True)


def _sub_merchants(ask: Ask) -> list[str]:
    return sorted({order.owner[1] for order in ask.book.orders.values() if order.owner[0] == ask.mchid and order.owner[1]})


def _part(ask: Ask, number: int, text: bytes) -> dict[str, Any]:
    key, nonce = os.urandom(32), ask.book.noise.letters(16)
    sealed = bills.gzipped(text) if ask.query.get("tar_type") == "GZIP" else text
    content = AESGCM(key).encrypt(nonce.encode(), sealed, None)
    return {
        "bill_sequence": number,
        "download_url": offer_file(ask, content, _LIFE["trade"]),
        "encrypt_key": base64.b64encode(seal_bytes(ask.merchant.private_key.public_key(), key)).decode(),
        "hash_type": "SHA1",
        "hash_value": sha1(text),
        "nonce": nonce,
    }


def asked_day(ask: Ask) -> datetime:
    """The day that is asked for, once its bill is ready."""
    text, now = ask.query["bill_date"], ask.book.now
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=BEIJING) if re.fullmatch(r"[0-9-]{10}", text) else None
    except ValueError:
        day = None
    if day is None:
        raise Refusal(400, "PARAM_ERROR", "账单日期须为yyyy-MM-dd", {"location": "query", "field": "/query/bill_date", "value": text})
    start = day.timestamp()
    if start + _DAY > now:
        raise Refusal(400, "INVALID_REQUEST", "账单日期须早于今天")
    if start + _KEPT < now:
        raise Refusal(400, "INVALID_REQUEST", "只能下载三个月以内的账单")
    if start + _DAY + _READY > now:
        raise Refusal(400, "STATEMENT_CREATING", "账单生成中，请在次日10点后下载")
    return day


def _there(text: bytes | None) -> bytes:
    if text is None:
        raise _nothing()
    return text


def _nothing() -> Refusal:
    return Refusal(400, "NO_STATEMENT_EXIST", "账单不存在")


def _offered(ask: Ask, text: bytes, life: int) -> Answer:
    packed = ask.query.get("tar_type") == "GZIP"
    url = offer_file(ask, bills.gzipped(text) if packed else text, life)
    return Answer(data={"hash_type": "SHA1", "hash_value": sha1(text), "download_url": url + ("&tartype=gzip" if packed else "")})


def offer_file(ask: Ask, content: bytes, life: int) -> str:
    """The address at which a file can be had for so many seconds; files whose time is over are forgotten."""
    files, token = ask.book.shelf("files"), ask.book.noise.letters(64)
    for known in [known for known, file in files.items() if ask.book.now >= file.expires]:
        del files[known]
    files[token] = File(ask.mchid, content, ask.book.now + life)
    return f"{ask.base_url}/v3/billdownload/file?token={token}"


def sha1(text: bytes) -> str:
    """The hash of a file, as its offer says it."""
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()


def download(ask: Ask) -> Answer:
    """下载账单: the file as it is, unsigned."""
    file = ask.book.shelf("files").get(ask.query["token"])
    if isinstance(file, File) and file.mchid == ask.mchid and ask.book.now < file.expires:
        return Answer(content=file.content, media_type="application/octet-stream", signed=False)
    if ask.query["token"].startswith(SYNTHETIC_TOKEN):
        return Answer(content=SYNTHETIC_FILE, media_type="application/octet-stream", signed=False)
    raise Refusal(400, "INVALID_REQUEST", "下载地址无效或已过期，请重新申请", signed=False)


#: What is signed of these is not the body but its hash, `{"sha1":"…"}`, which stands in this header.
SIGNED_BY_HASH = frozenset({"/v3/statements", "/v3/global/statements"})
STATEMENT_SHA1 = "Wechatpay-Statement-Sha1"
#: What the addresses of synthesised answers lead to.
SYNTHETIC_TOKEN = "sandbox"  # noqa: S105 - no secret, the start of an address
SYNTHETIC_FILE = b"sandbox file\n"

ROUTES: Routes = {
    "GET /v3/bill/tradebill": tradebill,
    "GET /v3/bill/fundflowbill": fundflowbill,
    "GET /v3/bill/sub-merchant-fundflowbill": encrypted_fundflowbill,
    "GET /v3/ecommerce/bill/fundflowbill": encrypted_fundflowbill,
    "GET /v3/billdownload/file": download,
}
