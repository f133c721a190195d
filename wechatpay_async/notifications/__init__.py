"""Notifications: what WeChat Pay tells a merchant's server, verified and opened, and what the server answers.

`Notifications.parse(headers, body)` gives a `Notification`; its `ack()`, `fail(message)` and `answer(data)` give the `Answer` to send.
Everything here is about bytes: no server, no framework.
"""

from wechatpay_async.notifications.answers import (
    QUESTIONS,
    Answer,
    BusinessAnswer,
    CollectionCode,
    ParkingFee,
    PushedOrder,
    Question,
    Retention,
    RetentionCoupon,
    Signer,
    ack,
    business_answer,
    fail,
)
from wechatpay_async.notifications.model import Notification
from wechatpay_async.notifications.receiver import FixedKeys, KeyFinder, Notifications, Recipient

__all__ = [
    "QUESTIONS",
    "Answer",
    "BusinessAnswer",
    "CollectionCode",
    "FixedKeys",
    "KeyFinder",
    "Notification",
    "Notifications",
    "ParkingFee",
    "PushedOrder",
    "Question",
    "Recipient",
    "Retention",
    "RetentionCoupon",
    "Signer",
    "ack",
    "business_answer",
    "fail",
]
