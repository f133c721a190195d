"""Whatever merchants, users and time do, in any order: no illegal state, no fen lost, no notification without its cause.

`SANDBOX_RUNS=2000 pytest tests/sandbox/test_states.py` runs it longer.
"""

from __future__ import annotations

import base64
import json
import os
from contextlib import suppress
from itertools import cycle
from typing import Any

import hypothesis.strategies as st
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from starlette.datastructures import Headers

from tests.sandbox.conftest import NOON
from tests.sandbox.examples import APPID, MCHID, native_order, refund_of
from tests.sandbox.test_coupons import stock
from wechatpay_async.sandbox import Refusal, Sandbox
from wechatpay_async.sandbox.wire import Request

KEYS = cycle([rsa.generate_private_key(65537, 2048) for _ in range(2)])

#: What may follow upon each state of an order, a refund and a transfer.
ORDER = {"NOTPAY": {"SUCCESS", "CLOSED"}, "SUCCESS": {"REFUND"}, "REFUND": {"SUCCESS"}, "CLOSED": set[str]()}
REFUND = {"PROCESSING": {"SUCCESS", "ABNORMAL", "CLOSED"}, "ABNORMAL": {"PROCESSING"}, "SUCCESS": set[str](), "CLOSED": set[str]()}
TRANSFER = {
    "WAIT_USER_CONFIRM": {"SUCCESS", "FAIL", "CANCELING"},
    "CANCELING": {"CANCELLED"},
    "SUCCESS": set[str](),
    "FAIL": set[str](),
    "CANCELLED": set[str](),
}


COUPON = {"SENDED": {"USED", "EXPIRED"}, "USED": {"SENDED", "EXPIRED"}, "EXPIRED": set[str]()}


class Business(RuleBasedStateMachine):
    """A merchant with orders that are shared, refunded and closed, coupons to pay them with, and transfers to users."""

    orders = Bundle("orders")
    refunds = Bundle("refunds")
    splits = Bundle("splits")
    transfers = Bundle("transfers")
    coupons = Bundle("coupons")

    @initialize()
    def open(self) -> None:
        self.sandbox = Sandbox(clock=lambda: NOON, make_key=lambda: next(KEYS))
        self.count = 0
        self.seen: dict[tuple[str, Any], str] = {}
        for kind, account in (("MERCHANT_ID", "1900000120"), ("PERSONAL_OPENID", "oUser")):
            self.sandbox.book.shelf("receivers")[((MCHID, ""), (kind, account))] = {}
        told = {"mchid": MCHID, "notify_url": "https://merchant.example/coupons"}
        assert self.call("POST", "/v3/marketing/favor/callbacks", told)[0] == 200
        self.stocks = [self.stock(face=7, no_cash=True), self.stock(face=50, no_cash=False)]

    def stock(self, **terms: Any) -> str:
        """A running stock of fifty coupons, for eight days, of which a user has any number."""
        face = terms["face"]
        rule = {"max_coupons": 50, "max_amount": 50 * face, "max_coupons_per_user": 50}
        until = {"available_end_time": "2025-12-03T12:00:00+08:00"}
        made = self.call("POST", "/v3/marketing/favor/coupon-stocks", stock(f"s{face}", least=face + 1, send=rule, **terms, **until))[1]
        number = str(made["stock_id"])
        assert self.call("POST", f"/v3/marketing/favor/stocks/{number}/start", {"stock_creator_mchid": MCHID})[0] == 200
        return number

    def call(self, method: str, target: str, data: Any = None) -> tuple[int, Any]:
        self.count += 1
        body = b"" if data is None else json.dumps(data).encode()
        timestamp, nonce = str(int(self.sandbox.clock())), f"nonce{self.count}"
        message = f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
        merchant = self.sandbox.merchant
        signature = base64.b64encode(merchant.private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()
        parts = {"mchid": MCHID, "nonce_str": nonce, "signature": signature, "timestamp": timestamp, "serial_no": merchant.serial}
        headers = {
            "accept": "application/json",
            "user-agent": "states",
            "content-type": "application/json",
            "authorization": "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{name}="{value}"' for name, value in parts.items()),
        }
        reply = self.sandbox.handle(Request(method, target, Headers(headers=headers), body), "http://127.0.0.1")
        assert reply.status != 500
        return reply.status, json.loads(reply.body) if reply.body else None

    def number(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count:06}"

    @rule(target=orders, total=st.integers(1, 1000), shared=st.booleans())
    def place(self, total: int, shared: bool) -> str:
        number = self.number("order")
        order = native_order(number, amount={"total": total}, settle_info={"profit_sharing": shared})
        assert self.call("POST", "/v3/pay/transactions/native", order)[0] == 200
        return number

    @rule(number=orders)
    def pay(self, number: str) -> None:
        state = self.sandbox.book.orders[((MCHID, ""), number)].state
        try:
            self.sandbox.pay(number)
        except Refusal:
            assert state != "NOTPAY" or self.sandbox.clock() > NOON

    @rule(target=coupons, which=st.integers(0, 1))
    def send(self, which: int) -> str:
        body = {"stock_id": self.stocks[which], "out_request_no": self.number("send"), "appid": APPID, "stock_creator_mchid": MCHID}
        status, made = self.call("POST", "/v3/marketing/favor/users/oUser/coupons", body)
        return str(made["coupon_id"]) if status == 200 else "none"

    @rule(number=orders, coupon=coupons)
    def pay_with(self, number: str, coupon: str) -> None:
        with suppress(Refusal, LookupError):
            self.sandbox.pay(number, coupon_id=coupon)

    @rule(number=orders)
    def close(self, number: str) -> None:
        state = self.sandbox.book.orders[((MCHID, ""), number)].state
        status, _ = self.call("POST", f"/v3/pay/transactions/out-trade-no/{number}/close", {"mchid": MCHID})
        assert (status == 204) == (state == "NOTPAY")

    @rule(target=refunds, order=orders, amount=st.integers(0, 1000))
    def refund(self, order: str, amount: int) -> str:
        number, total = self.number("refund"), self.sandbox.book.orders[((MCHID, ""), order)].total
        self.call("POST", "/v3/refund/domestic/refunds", refund_of(order, number, amount, total))
        return number

    @rule(number=refunds, status=st.sampled_from(["SUCCESS", "ABNORMAL", "CLOSED"]))
    def finish(self, number: str, status: str) -> None:
        refund = self.sandbox.book.refunds.get(((MCHID, ""), number))
        if refund is None:
            return
        state = refund.status
        try:
            self.sandbox.finish_refund(number, status)
        except Refusal:
            assert state != "PROCESSING" or refund.status != "PROCESSING"

    @rule(number=refunds)
    def try_again(self, number: str) -> None:
        refund = self.sandbox.book.refunds.get(((MCHID, ""), number))
        if refund is not None:
            body = {"out_refund_no": number, "type": "MERCHANT_BANK_CARD"}
            self.call("POST", f"/v3/refund/domestic/refunds/{refund.refund_id}/apply-abnormal-refund", body)

    @rule(target=splits, order=orders, amounts=st.lists(st.integers(0, 300), min_size=1, max_size=3), last=st.booleans())
    def split(self, order: str, amounts: list[int], last: bool) -> str:
        number, transaction = self.number("split"), self.sandbox.book.orders[((MCHID, ""), order)].transaction_id
        who = (
            {"type": "MERCHANT_ID", "account": "1900000120"},
            {"type": "PERSONAL_OPENID", "account": "oUser"},
            {"type": "PERSONAL_OPENID", "account": "oStranger"},
        )
        receivers = [{**who[index], "amount": amount, "description": "x"} for index, amount in enumerate(amounts)]
        body = {"transaction_id": transaction or "none", "out_order_no": number, "receivers": receivers, "unfreeze_unsplit": last}
        self.call("POST", "/v3/profitsharing/orders", body)
        return number

    @rule(split=splits, amount=st.integers(0, 300))
    def give_back(self, split: str, amount: int) -> None:
        body = {
            "out_order_no": split,
            "out_return_no": self.number("back"),
            "return_mchid": "1900000120",
            "amount": amount,
            "description": "x",
        }
        self.call("POST", "/v3/profitsharing/return-orders", body)

    @rule(target=transfers, amount=st.integers(5, 1000))
    def transfer(self, amount: int) -> str:
        number = self.number("transfer")
        body: dict[str, Any] = {
            "appid": APPID,
            "out_bill_no": number,
            "openid": "oUser",
            "transfer_amount": amount,
            "transfer_remark": "x",
            "notify_url": "https://merchant.example/transfer",
            "transfer_scene_id": "1000",
            "transfer_scene_report_infos": [{"info_type": "x", "info_content": "x"}],
        }
        status, _ = self.call("POST", "/v3/fund-app/mch-transfer/transfer-bills", body)
        assert (status == 200) == (amount >= 10)
        return number

    @rule(number=transfers)
    def confirm(self, number: str) -> None:
        with suppress(Refusal, LookupError):
            self.sandbox.confirm_transfer(number)

    @rule(number=transfers)
    def cancel(self, number: str) -> None:
        self.call("POST", f"/v3/fund-app/mch-transfer/transfer-bills/out-bill-no/{number}/cancel")

    @rule(seconds=st.sampled_from([1, 5, 61, 3_600, 90_000, 8 * 86_400]))
    def wait(self, seconds: int) -> None:
        self.sandbox.clock.advance(seconds=seconds)

    @invariant()
    def states_are_legal(self) -> None:
        book = self.sandbox.book
        now: dict[tuple[str, Any], tuple[str, dict[str, set[str]]]] = {}
        now |= {("order", key): (order.state, ORDER) for key, order in book.orders.items()}
        now |= {("refund", key): (refund.status, REFUND) for key, refund in book.refunds.items()}
        now |= {("coupon", key): (item.status, COUPON) for key, item in book.shelf("coupons").items()}
        now |= {("transfer", key): (item.state, TRANSFER) for key, item in book.shelf("transfers").items()}
        for key, (state, after) in now.items():
            before = self.seen.get(key, state)
            assert state in after
            assert state == before or _reachable(after, before, state), (key, before, state)
            self.seen[key] = state

    @invariant()
    def money_is_conserved(self) -> None:
        book = self.sandbox.book
        paid = sum(order.settlement_total for order in book.orders.values() if order.is_paid)
        arrived = [item for item in book.refunds.values() if item.status == "SUCCESS"]
        refunded = sum(item.settlement_refund for item in arrived)
        spared = sum(order.promotion.amount for order in book.orders.values() if order.promotion.has_cash and order.is_paid)
        spared -= sum(item.discount for item in arrived if item.promotion.has_cash)
        sent = sum(item.amount for item in book.shelf("transfers").values() if item.state == "SUCCESS")
        shared = [item for split in book.shelf("splits").values() for item in split.receivers if item["result"] == "SUCCESS"]
        back = sum(item.terms["amount"] for item in book.shelf("returns").values() if item.result == "SUCCESS")
        persons = sum(item["amount"] for item in shared if item["type"] != "MERCHANT_ID")
        shops = sum(item["amount"] for item in shared if item["type"] == "MERCHANT_ID")
        assert book.moved.get(MCHID, 0) == paid - refunded - spared - sent - persons - shops + back
        assert book.moved.get("1900000120", 0) == shops - back >= 0
        assert book.moved == {mchid: sum(item.amount for item in book.postings if item.mchid == mchid) for mchid in book.moved}
        for order in book.orders.values():
            back_of = [item for item in book.refunds_of(order) if item.status != "CLOSED"]
            assert 0 <= sum(item.refund for item in back_of) <= order.total
            assert 0 <= sum(item.payer_refund for item in back_of) <= order.payer_total
            assert 0 <= sum(item.discount for item in back_of) <= order.promotion.amount
            assert all(item.payer_refund >= 0 <= item.discount for item in back_of)
            assert 0 <= order.shared * 10 <= order.settlement_total * 3
            settled = sum(item.settlement_refund for item in back_of)
            assert not order.profit_sharing or settled + order.shared <= order.settlement_total

    @invariant()
    def coupons_and_their_budget_agree(self) -> None:
        book = self.sandbox.book
        used = [order for order in book.orders.values() if order.is_paid and order.promotion.coupon_id]
        kept = [order for order in used if sum(item.refund for item in book.refunds_of(order) if item.status == "SUCCESS") < order.total]
        coupons = book.shelf("coupons").values()
        assert sorted(order.promotion.coupon_id for order in kept) == sorted(item.coupon_id for item in coupons if item.status == "USED")
        waiting = sum(item.amount for item in book.shelf("transfers").values() if item.state in {"WAIT_USER_CONFIRM", "CANCELING"})
        assert book.shelf("held").get(MCHID, 0) == waiting + sum(item.held for item in book.shelf("stocks").values())
        for item in book.shelf("stocks").values():
            spent = sum(coupon.face for coupon in coupons if coupon.stock is item and coupon.status == "USED")
            assert item.held == (50 * item.face - spent if item.has_cash and item.status == "running" else 0)
        told = [notice.resource["coupon_id"] for notice in book.notices if notice.event_type == "COUPON.USE"]
        assert sorted(told) == sorted(order.promotion.coupon_id for order in used)

    @invariant()
    def each_notification_has_its_cause(self) -> None:
        book = self.sandbox.book
        told = [(notice.event_type, notice.resource) for notice in book.notices]
        paid = [resource["out_trade_no"] for event, resource in told if event == "TRANSACTION.SUCCESS"]
        assert sorted(paid) == sorted(order.out_trade_no for order in book.orders.values() if order.is_paid)
        ended = [resource["out_bill_no"] for event, resource in told if event == "MCHTRANSFER.BILL.FINISHED"]
        final = {"SUCCESS", "FAIL", "CANCELLED"}
        assert sorted(ended) == sorted(item.number for item in book.shelf("transfers").values() if item.state in final)
        arrived = [resource["out_refund_no"] for event, resource in told if event == "REFUND.SUCCESS"]
        assert sorted(arrived) == sorted(item.out_refund_no for item in book.refunds.values() if item.status == "SUCCESS")


def _reachable(after: dict[str, set[str]], before: str, state: str) -> bool:
    """Whether steps lead there: between two looks several may have been taken."""
    known, reached = set[str](), {before}
    while reached - known:
        known |= reached
        reached = {following for each in reached for following in after[each]}
    return state in known


Business.TestCase.settings = settings(
    max_examples=int(os.environ.get("SANDBOX_RUNS", "25")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
TestBusiness = Business.TestCase
