"""Several merchants in one sandbox: whose order is paid is clear, or asked for."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.examples import MCHID, native_order
from tests.support.handmade import Handmade
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

OTHER = "1900000120"
NATIVE = "/v3/pay/transactions/native"


async def placed(sandbox: Sandbox) -> None:
    """The same number at two merchants."""
    sandbox.add_merchant(OTHER)
    for mchid in (MCHID, OTHER):
        async with Handmade(sandbox.settings(mchid=mchid)) as client:
            await client.call("POST", NATIVE, native_order(mchid=mchid))


def state(sandbox: Sandbox, mchid: str) -> str:
    return sandbox.book.orders[((mchid, ""), "native-0001")].state


async def test_a_number_of_two_merchants_needs_the_merchants(sandbox: Sandbox) -> None:
    await placed(sandbox)
    with pytest.raises(LookupError, match=f"several merchants have an order 'native-0001': say whose with mchid=, one of {MCHID}, {OTHER}"):
        sandbox.pay("native-0001")
    assert sandbox.pay("native-0001", mchid=OTHER).mchid == OTHER
    assert (state(sandbox, MCHID), state(sandbox, OTHER)) == ("NOTPAY", "SUCCESS")
    assert sandbox.pay("native-0001").mchid == MCHID  # the only one that waits


async def test_the_cashier_pays_the_order_that_it_shows(sandbox: Sandbox) -> None:
    await placed(sandbox)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app), base_url="http://127.0.0.1") as people:
        form = {"kind": "order", "mchid": OTHER, "sub_mchid": "", "no": "native-0001", "action": "pay"}
        assert (await people.post("/_sandbox/pages/cashier/sheet", data=form)).status_code == 200
        assert (state(sandbox, MCHID), state(sandbox, OTHER)) == ("NOTPAY", "SUCCESS")
        paid = await people.post("/_sandbox/pay", json={"out_trade_no": "native-0001", "mchid": MCHID})
    assert (paid.status_code, state(sandbox, MCHID)) == (200, "SUCCESS")


async def test_the_password_of_one_merchants_order_is_not_typed(sandbox: Sandbox) -> None:
    await placed(sandbox)
    for mchid in (MCHID, OTHER):
        sandbox.book.orders[((mchid, ""), "native-0001")].state = "USERPAYING"
    assert sandbox.decline("native-0001", mchid=MCHID).mchid == MCHID
    assert (state(sandbox, MCHID), state(sandbox, OTHER)) == ("PAYERROR", "USERPAYING")
