"""Makes the callbacks of WeChat Pay by hand, with `cryptography` alone: it knows nothing of the package that it tests."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.keys import APIV3_KEY, PLATFORM_KEY, PUBLIC_KEY_ID

#: The decrypted resource of the official example, https://pay.weixin.qq.com/doc/v3/merchant/4012791861.
TRANSACTION: dict[str, Any] = {
    "transaction_id": "1217752501201407033233368018",
    "amount": {"payer_total": 100, "total": 100, "currency": "CNY", "payer_currency": "CNY"},
    "mchid": "1230000109",
    "trade_state": "SUCCESS",
    "bank_type": "CMC",
    "success_time": "2018-06-08T10:34:56+08:00",
    "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    "out_trade_no": "1217752501201407033233368018",
    "appid": "wxd678efh567hg6787",
    "trade_state_desc": "支付成功",
    "trade_type": "JSAPI",
    "attach": "自定义数据",
    "promotion_detail": [
        {
            "amount": 100,
            "wechatpay_contribute": 0,
            "coupon_id": "109519",
            "scope": "GLOBAL",
            "merchant_contribute": 0,
            "name": "单品惠-6",
            "other_contribute": 0,
            "currency": "CNY",
            "stock_id": "931386",
            "goods_detail": [{"goods_remark": "商品备注信息", "quantity": 1, "discount_amount": 1, "goods_id": "M1006", "unit_price": 100}],
        }
    ],
}
NOW = 1_750_000_000


def compact(value: Any) -> bytes:
    """JSON as WeChat Pay writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Callback:
    """One HTTP request of WeChat Pay's."""

    headers: dict[str, str]
    body: bytes


def seal(plaintext: bytes, *, apiv3_key: str = APIV3_KEY, nonce: str = "fdasfjihihih", associated_data: str = "transaction") -> str:
    """AEAD_AES_256_GCM, base64, the tag at the end."""
    return base64.b64encode(AESGCM(apiv3_key.encode()).encrypt(nonce.encode(), plaintext, associated_data.encode())).decode()


def message(
    resource: Any = None,
    *,
    event_type: str = "TRANSACTION.SUCCESS",
    number: str = "EV-2018022511223320873",
    original_type: str = "transaction",
    apiv3_key: str = APIV3_KEY,
    **changes: Any,
) -> dict[str, Any]:
    """The JSON of a notification; `changes` replace fields (None drops one)."""
    fields: dict[str, Any] = {
        "id": number,
        "create_time": "2015-05-20T13:29:35+08:00",
        "resource_type": "encrypt-resource",
        "event_type": event_type,
        "summary": "支付成功",
        "resource": {
            "original_type": original_type,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": seal(compact(TRANSACTION if resource is None else resource), apiv3_key=apiv3_key),
            "associated_data": "transaction",
            "nonce": "fdasfjihihih",
        },
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def signed(
    body: bytes, *, key: RSAPrivateKey = PLATFORM_KEY, serial: str = PUBLIC_KEY_ID, timestamp: int | str = NOW, nonce: str | None = None
) -> Callback:
    """The request that carries `body`, with lower-case header names as an ASGI server hands them over."""
    word = nonce or secrets.token_hex(16)
    signature = key.sign(f"{timestamp}\n{word}\n".encode() + body + b"\n", padding.PKCS1v15(), hashes.SHA256())
    return Callback(
        {
            "host": "pay.example.com",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "accept": "*/*",
            "user-agent": "Mozilla/4.0",
            "connection": "close",
            "pragma": "no-cache",
            "request-id": "08F78BB5AF0610D302189F99DD5C20BA56F89845-0",
            "wechatpay-timestamp": str(timestamp),
            "wechatpay-nonce": word,
            "wechatpay-signature": base64.b64encode(signature).decode(),
            "wechatpay-serial": serial,
            "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
        },
        body,
    )


def callback(resource: Any = None, **options: Any) -> Callback:
    """A genuine notification, signed; `options` as for `message`."""
    return signed(compact(message(resource, **options)))


def probe(original: Callback) -> Callback:
    """The same request with the signature that WeChat Pay makes wrong on purpose: 355 characters, no base64."""
    return Callback(original.headers | {"wechatpay-signature": "WECHATPAY/SIGNTEST/" + "A!" * 168}, original.body)
