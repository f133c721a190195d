"""A WeChat Pay on your own machine: checks requests as the real one does, keeps real state, signs its answers.

    from wechatpay_async.sandbox import Sandbox

    sandbox = Sandbox()
    async with Wechatpay(**sandbox.settings()) as wxpay:      # in this process
        ...
    with sandbox.serve() as url:                              # or on a loopback port, for any client in any language
        ...

It shares no code with the client: it must not agree with it by accident.
"""

from __future__ import annotations

from .clock import Clock
from .core import Sandbox
from .faults import Fault, FaultKind, Faults
from .models import Book, Notice, Order, Refund, ScoreOrder
from .parties import Merchant, Mode
from .server import SandboxServer
from .wire import Call, Refusal

__all__ = [
    "Book",
    "Call",
    "Clock",
    "Fault",
    "FaultKind",
    "Faults",
    "Merchant",
    "Mode",
    "Notice",
    "Order",
    "Refund",
    "Refusal",
    "Sandbox",
    "SandboxServer",
    "ScoreOrder",
]
