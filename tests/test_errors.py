"""Errors outlive the process that raised them."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from wechatpay_async import errors
from wechatpay_async.errors import (
    APIError,
    BadSignature,
    BillMismatch,
    BillNotReady,
    ConfigError,
    DecryptionError,
    InvalidData,
    LeaseLost,
    OutcomeUnknown,
    RequestError,
    WechatpayError,
)
from wechatpay_async.protocol import v3

CLASSES = [getattr(errors, name) for name in errors.__all__ if issubclass(getattr(errors, name), WechatpayError)]
SPECIAL: list[WechatpayError] = [
    ConfigError("serial", "missing", hint="40 digits"),
    InvalidData("$.amount", "is None", hint="leave it out"),
    BadSignature("a probe", hint="again", request_id="1-0", serial="PUB_KEY_ID_1", probe=True),
    DecryptionError("does not open", hint="another key", field="$.data[0].payer_phone"),
    BillMismatch("总交易单数", stated="2", found="1"),
    BillNotReady("not yet", ready_at=datetime(2026, 11, 25, 2, 0, tzinfo=UTC)),
    LeaseLost("EV-2018022511223320873"),
    v3.api_error(
        401,
        httpx.Headers({"Request-ID": "1-2", "Retry-After": "3"}),
        b'{"code":"SIGN_ERROR","message":"\xe9\x94\x99\xe8\xaf\xaf","detail":{"truncated_sign_message":"GET\\n/v3/y"}}',
        signed_message=b"GET\n/v3/x\n1\nn\n\n",
    ),
    *(kind(500, "SYSTEM_ERROR", "x", {"field": "f"}, "1-2", hint="h") for kind in CLASSES if issubclass(kind, APIError)),
]


PLAIN = [kind("message", hint="hint") for kind in CLASSES if kind.__init__ in (WechatpayError.__init__, errors.SignatureError.__init__)]


def everything(error: WechatpayError) -> dict[str, Any]:
    """What an error says, and all that it carries."""
    return {"str": str(error), "args": error.args, "headers": None} | {
        name: dict(value) if name == "headers" else value for name, value in vars(error).items()
    }


@pytest.mark.parametrize("error", [*SPECIAL, *PLAIN], ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_to_another_process(error: WechatpayError) -> None:
    for restored in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 — it was made a line before
        assert type(restored) is type(error)
        assert everything(restored) == everything(error)


async def _ask() -> None:
    raise AssertionError("nobody is asked")


@pytest.mark.anyio
async def test_what_asks_wechat_pay_stays_with_its_client() -> None:
    error = OutcomeUnknown("no answer")
    error.settle_by("GET /v3/pay/transactions/out-trade-no/{out_trade_no}", _ask)
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301 — it was made a line before
    assert (restored.query, str(restored)) == (error.query, str(error))
    with pytest.raises(RequestError, match="no query operation is known for this write"):
        await restored.resolve()
