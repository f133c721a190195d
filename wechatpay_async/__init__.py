"""The async Python SDK for the WeChat Pay OpenAPI, APIv3 and APIv2."""

from __future__ import annotations

from wechatpay_async._version import __version__
from wechatpay_async.client import Wechatpay
from wechatpay_async.errors import (
    APIError,
    AuthError,
    BadHash,
    BadSignature,
    BillMismatch,
    BillNotReady,
    ConfigError,
    Conflict,
    DecryptionError,
    InvalidData,
    InvalidRequest,
    LeaseLost,
    MalformedMessage,
    MissingSignature,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RequestError,
    ServerError,
    SignatureError,
    StaleTimestamp,
    TransportError,
    UnknownSerial,
    ValidationWarning,
    WechatpayError,
)
from wechatpay_async.protocol.sealed import Sealed
from wechatpay_async.response import Response
from wechatpay_async.retry import Retry

__all__ = [
    "APIError",
    "AuthError",
    "BadHash",
    "BadSignature",
    "BillMismatch",
    "BillNotReady",
    "ConfigError",
    "Conflict",
    "DecryptionError",
    "InvalidData",
    "InvalidRequest",
    "LeaseLost",
    "MalformedMessage",
    "MissingSignature",
    "NotFound",
    "OutcomeUnknown",
    "PermissionDenied",
    "RateLimited",
    "RequestError",
    "Response",
    "Retry",
    "Sealed",
    "ServerError",
    "SignatureError",
    "StaleTimestamp",
    "TransportError",
    "UnknownSerial",
    "ValidationWarning",
    "Wechatpay",
    "WechatpayError",
    "__version__",
]
