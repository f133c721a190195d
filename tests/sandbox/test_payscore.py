"""Pay score: each state, who may leave it, and the sums that must be right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.examples import APPID, MCHID, refund_of, score_order
from tests.support.handmade import Handmade
from wechatpay_async.sandbox import Refusal, Sandbox

pytestmark = pytest.mark.anyio

SERVICE = "2002000000000558128851361561536"
SUB = "1900000110"


class Side:
    """The same story told by a merchant and by a partner."""

    def __init__(self, client: Handmade, *, partner: bool) -> None:
        self.client = client
        self.partner = partner
        self.base = f"/v3/payscore{'/partner' if partner else ''}/serviceorder"
        self.who = {"service_id": SERVICE, **({"sub_mchid": SUB} if partner else {"appid": APPID})}

    async def create(self, number: str = "score-0001", **changes: Any) -> Any:
        return await self.client.call("POST", self.base, score_order(number, partner=self.partner, **changes))

    async def post(self, verb: str, body: dict[str, Any], number: str = "score-0001") -> Any:
        return await self.client.call("POST", f"{self.base}/{number}/{verb}", self.who | body)

    async def refused(self, verb: str, body: dict[str, Any], number: str = "score-0001") -> tuple[int, str]:
        return await self.client.refused("POST", f"{self.base}/{number}/{verb}", self.who | body)

    async def query(self, number: str = "score-0001") -> Any:
        return await self.client.call("GET", f"{self.base}?{'&'.join(f'{k}={v}' for k, v in self.who.items())}&out_order_no={number}")


@pytest.fixture(params=["merchant", "partner"])
def side(request: pytest.FixtureRequest, client: Handmade) -> Side:
    return Side(client, partner=request.param == "partner")


BILL: dict[str, Any] = {"post_payments": [{"name": "就餐费用", "amount": 5000}, {"name": "服务费", "amount": 100}], "total_amount": 5100}
LESS: dict[str, Any] = {
    "post_payments": [{"name": "就餐费用", "amount": 5000}],
    "post_discounts": [{"name": "满20减1元", "description": "不叠加", "amount": 1000}],
    "total_amount": 4000,
    "reason": "用户投诉",
}


async def test_the_documented_life_of_an_order(side: Side, sandbox: Sandbox) -> None:
    created = await side.create()
    assert (created["state"], created["mchid"], len(created["package"])) == ("CREATED", MCHID, 40)
    assert await side.refused("complete", BILL) == (400, "INVALID_ORDER_STATE")
    sandbox.payscore.confirm("score-0001", openid="oUser")
    assert {name: (await side.query())[name] for name in ("state", "state_description", "openid")} == {
        "state": "DOING",
        "state_description": "USER_CONFIRM",
        "openid": "oUser",
    }
    assert await side.refused("modify", LESS) == (400, "INVALID_ORDER_STATE")
    completed = await side.post("complete", BILL)
    assert completed is None if side.partner else completed["state_description"] == "MCH_COMPLETE"
    seen = await side.query()
    assert seen["collection"] == {"state": "USER_PAYING", "total_amount": 5100, "paying_amount": 5100, "paid_amount": 0}
    await side.post("modify", LESS)
    seen = await side.query()
    assert (seen["total_amount"], seen["state"], seen["post_discounts"]) == (4000, "DOING", LESS["post_discounts"])
    payment = sandbox.payscore.pay("score-0001")
    seen = await side.query()
    assert seen["state"] == "DONE"
    assert "state_description" not in seen
    assert seen["collection"]["details"] == [
        {
            "seq": 1,
            "amount": 4000,
            "paid_type": "NEWTON",
            "paid_time": "20251125120000",
            "transaction_id": payment.transaction_id,
        }
    ]
    for verb, body in (("modify", LESS), ("cancel", {"reason": "x"}), ("pay", {}), ("sync", PAID)):
        assert await side.refused(verb, body) == (400, "ORDER_DONE"), verb
    refund = refund_of("", transaction_id=payment.transaction_id, refund=4000, total=4000) | ({"sub_mchid": SUB} if side.partner else {})
    del refund["out_trade_no"]
    assert (await side.client.call("POST", "/v3/refund/domestic/refunds", refund))["status"] == "PROCESSING"


PAID = {"type": "Order_Paid", "detail": {"paid_time": "20251125110000"}}


@pytest.mark.parametrize(
    "bill",
    [
        {**BILL, "total_amount": 5099},
        {**BILL, "total_amount": -1},
        {"post_payments": [{"name": "a", "amount": -1}], "total_amount": -1},
        {"post_payments": [{"name": "a", "amount": 10001}], "total_amount": 10001},
    ],
)
async def test_a_total_that_is_not_the_sum_is_refused(side: Side, sandbox: Sandbox, bill: dict[str, Any]) -> None:
    await side.create()
    sandbox.payscore.confirm("score-0001")
    assert await side.refused("complete", bill) == (400, "PARAM_ERROR")


async def test_an_amount_only_goes_down(side: Side, sandbox: Sandbox) -> None:
    await side.create(need_user_confirm=False)
    await side.post("complete", BILL)
    more = {"post_payments": [{"name": "a", "amount": 5101}], "total_amount": 5101, "reason": "x"}
    assert await side.refused("modify", more) == (400, "PARAM_ERROR")
    assert await side.refused("modify", {**LESS, "reason": "长" * 51}) == (400, "PARAM_ERROR")
    assert await side.refused("modify", {**LESS, "service_id": "1"}) == (400, "PARAM_ERROR")
    assert await side.refused("modify", LESS, "score-9999") == (404, "ORDER_NOT_EXIST")


async def test_completing_again_must_be_the_same(side: Side, sandbox: Sandbox) -> None:
    await side.create(need_user_confirm=False)
    first = await side.post("complete", BILL)
    assert await side.post("complete", BILL) == first
    other = {"post_payments": [{"name": "a", "amount": 1}], "total_amount": 1}
    assert await side.refused("complete", other) == (400, "ORDER_DONE")


async def test_nothing_to_pay_is_done_at_once(side: Side, sandbox: Sandbox) -> None:
    await side.create(need_user_confirm=False)
    await side.post("complete", {"post_payments": [{"name": "免费", "amount": 0}], "total_amount": 0})
    seen = await side.query()
    assert (seen["state"], seen["need_collection"]) == ("DONE", False)
    with pytest.raises(Refusal, match="ORDER_DONE"):
        sandbox.payscore.pay("score-0001")


async def test_cancelling(side: Side, sandbox: Sandbox) -> None:
    created = await side.create()
    answer = await side.post("cancel", {"reason": "用户投诉"})
    assert answer is None if side.partner else answer["order_id"] == created["order_id"]
    assert (await side.query())["state"] == "REVOKED"
    await side.post("cancel", {"reason": "用户投诉"})
    with pytest.raises(Refusal, match="ORDER_CANCELED"):
        sandbox.payscore.confirm("score-0001")
    assert await side.refused("complete", BILL) == (400, "ORDER_CANCELED")
    await side.create("score-0002", need_user_confirm=False)
    await side.post("complete", BILL, "score-0002")
    assert await side.refused("cancel", {"reason": "x"}, "score-0002") == (400, "INVALID_ORDER_STATE")


async def test_the_user_paid_the_merchant_directly(side: Side, sandbox: Sandbox) -> None:
    await side.create(need_user_confirm=False)
    assert await side.refused("sync", PAID) == (400, "INVALID_ORDER_STATE")
    assert await side.refused("pay", {}) == (400, "INVALID_ORDER_STATE")
    await side.post("complete", BILL)
    await side.post("pay", {})
    assert await side.refused("sync", {**PAID, "type": "Paid"}) == (400, "PARAM_ERROR")
    assert await side.refused("sync", {**PAID, "detail": {"paid_time": "20251199110000"}}) == (400, "PARAM_ERROR")
    await side.post("sync", PAID)
    seen = await side.query()
    assert seen["state"] == "DONE"
    assert seen["collection"]["details"] == [{"seq": 1, "amount": 5100, "paid_type": "MCH", "paid_time": "20251125110000"}]


async def test_what_is_not_confirmed_in_time_expires(side: Side, sandbox: Sandbox) -> None:
    await side.create()
    await side.create("score-0002", need_user_confirm=False)
    sandbox.clock.advance(hours=1)
    assert ((await side.query())["state"], (await side.query("score-0002"))["state"]) == ("EXPIRED", "DOING")
    sandbox.clock.advance(days=30)
    assert (await side.query("score-0002"))["state"] == "EXPIRED"
    assert await side.refused("complete", BILL) == (400, "ORDER_EXPIRED")


async def test_the_same_number_must_be_the_same_order(side: Side) -> None:
    first = await side.create()
    assert await side.create() == first
    other = score_order(partner=side.partner, service_introduction="另一个")
    assert await side.client.refused("POST", side.base, other) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "changes",
    [
        {"out_order_no": "有中文"},
        {"service_introduction": "长" * 21},
        {"notify_url": "ftp://x"},
        {"time_range": {"start_time": "2025"}},
        {"time_range": {"start_time": "20251325"}},
        {"time_range": {"start_time": "OnAccept", "end_time": "OnAccept"}},
        {"risk_fund": {"name": "DEPOSIT", "amount": 0}},
    ],
)
async def test_creating_with_wrong_values(side: Side, changes: dict[str, Any]) -> None:
    assert await side.client.refused("POST", side.base, score_order(partner=side.partner, **changes)) == (400, "PARAM_ERROR")


async def test_a_query_names_one_number(side: Side, sandbox: Sandbox) -> None:
    created = await side.create()
    who = "&".join(f"{name}={value}" for name, value in side.who.items())
    query_id = sandbox.payscore.find("score-0001").query_id
    assert (await side.client.call("GET", f"{side.base}?{who}&query_id={query_id}"))["order_id"] == created["order_id"]
    assert await side.client.refused("GET", f"{side.base}?{who}") == (400, "PARAM_ERROR")
    assert await side.client.refused("GET", f"{side.base}?{who}&query_id=1&out_order_no=1") == (400, "PARAM_ERROR")
    assert await side.client.refused("GET", f"{side.base}?{who}&query_id=1") == (404, "ORDER_NOT_EXIST")
    with pytest.raises(LookupError, match="nothing"):
        sandbox.payscore.confirm("nothing")


async def test_created_and_completed_in_one(side: Side, sandbox: Sandbox) -> None:
    body = score_order(partner=side.partner, **BILL)
    del body["risk_fund"]
    body["time_range"] = {"start_time": "20251125100000", "end_time": "20251125110000"}
    if side.partner:
        body["sub_appid"] = "wxd678efh567hg6999"
    await side.client.call("POST", f"{side.base}/direct-complete", body)
    assert (await side.query())["collection"]["state"] == "USER_PAYING"
    with pytest.raises(Refusal, match="订单已确认"):
        sandbox.payscore.confirm("score-0001")
    sandbox.payscore.pay("score-0001")
    with pytest.raises(Refusal, match="ORDER_DONE"):
        sandbox.payscore.pay("score-0001")
