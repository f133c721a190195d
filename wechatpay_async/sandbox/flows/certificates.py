"""The platform certificates, for merchants that have not moved to the public key.

https://pay.weixin.qq.com/doc/v3/merchant/4012551764
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from ..clock import rfc3339
from ..seal import encrypt_resource
from ..wire import Answer, Refusal
from .context import Ask, Routes

__all__ = ["ROUTES"]


def certificates(ask: Ask) -> Answer:
    """下载平台证书: every certificate that is valid now, encrypted with the APIv3 key."""
    if ask.query.get("algorithm_type", "RSA") not in {"RSA", "ALL"}:
        raise Refusal(400, "PARAM_ERROR", "沙箱只有RSA平台证书", {"location": "query", "field": "/query/algorithm_type"})
    if ask.merchant.mode == "public_key":
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥")
    entries: list[dict[str, Any]] = []
    for key in ask.platform.certificates:
        certificate = key.certificate
        if (
            certificate is None
            or not certificate.not_valid_before_utc.timestamp() <= ask.book.now < certificate.not_valid_after_utc.timestamp()
        ):
            continue
        sealed = encrypt_resource(ask.merchant.apiv3_key, ask.book.noise.letters(12), certificate.public_bytes(Encoding.PEM), "certificate")
        entries.append(
            {
                "serial_no": key.serial,
                "effective_time": rfc3339(certificate.not_valid_before_utc.timestamp()),
                "expire_time": rfc3339(certificate.not_valid_after_utc.timestamp()),
                "encrypt_certificate": sealed,
            }
        )
    return Answer(data={"data": entries}, fields_sealed=True)


ROUTES: Routes = {"GET /v3/certificates": certificates, "GET /v3/global/certificates": certificates}
