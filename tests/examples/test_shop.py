"""The shop of the documentation, in the process, against the sandbox: bought, paid once, refunded, reconciled."""

from __future__ import annotations

import json
import logging
import re

import anyio
import httpx
import pytest
from shop import __main__ as shop_main
from shop.database import Order, Shipment, open_inbox
from shop.login import LoginFailed, openid_for
from shop.nightly import close_the_day, yesterday
from sqlalchemy import func, select, update

from tests.examples.conftest import STAFF, Street
from wechatpay_async.inbox import SQLiteInbox

pytestmark = pytest.mark.anyio

on_both_databases = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)

#: The day of the tests' clock, in China.
TODAY = "2025-11-25"


async def shipments(street: Street) -> int:
    async with street.shop.sessions() as session:
        return int(await session.scalar(select(func.count()).select_from(Shipment)) or 0)


async def test_an_order_is_shown_as_a_code_that_wechat_pay_has_made(street: Street) -> None:
    number = await street.order()

    found = await street.shop.find(number)
    assert found
    assert found[0].code_url.startswith("weixin://wxpay/bizpayurl")
    assert await street.said(number) == "Waiting for the payment"


@on_both_databases
async def test_a_payment_is_told_many_times_and_sends_one_parcel(street: Street) -> None:
    number = await street.order()

    street.sandbox.notifier.mischief.duplicates = 1.0
    street.sandbox.notifier.mischief.forged = 1.0
    street.sandbox.pay(number)
    deliveries = await street.sandbox.deliver()
    await street.shop.ask(number)

    assert [(delivery.kind, delivery.status) for delivery in deliveries] == [("forged", 401), ("genuine", 204), ("duplicate", 204)]
    assert await street.said(number) == "Paid, thank you. The parcel is on its way."
    assert await shipments(street) == 1


@on_both_databases
async def test_a_payment_that_four_workers_book_at_the_same_moment_sends_one_parcel(street: Street) -> None:
    number = await street.order()
    booked: list[bool] = []

    async def book() -> None:
        booked.append(
            await street.shop.book_payment(
                {"out_trade_no": number, "amount": {"total": 4200}, "success_time": f"{TODAY}T12:00:00+08:00", "transaction_id": "1"}
            )
        )

    async with anyio.create_task_group() as workers:
        for _ in range(4):
            workers.start_soon(book)

    assert sorted(booked) == [False, False, False, True]
    assert await shipments(street) == 1


async def test_a_payment_of_another_amount_is_not_booked_and_is_told_again(street: Street) -> None:
    number = await street.order()
    async with street.shop.sessions.begin() as session:
        await session.execute(update(Order).where(Order.number == number).values(total=1))

    street.sandbox.pay(number)
    (delivery,) = await street.sandbox.deliver()

    assert delivery.status == 500
    assert await street.state(number) == "NOTPAY"


async def test_a_payment_that_is_not_this_shops_is_taken_and_left_alone(street: Street) -> None:
    number = await street.order()
    async with street.shop.sessions.begin() as session:
        await session.execute(update(Order).values(number="another"))

    street.sandbox.pay(number)
    (delivery,) = await street.sandbox.deliver()

    assert delivery.status == 204
    assert await shipments(street) == 0


async def test_a_buyer_whose_notification_is_lost_can_ask(street: Street) -> None:
    number = await street.order()
    street.sandbox.pay(number)

    answer = await street.buyer.post(f"/orders/{number}/ask")

    assert answer.status_code == 303
    assert await street.state(number) == "SUCCESS"


async def test_when_wechat_pay_is_away_the_same_order_is_paid_later(street: Street) -> None:
    location = (await street.buyer.post("/buy/tea/native")).headers["location"]

    street.sandbox.faults.add("rate_limited")
    away = await street.buyer.get(location)
    asked = await street.buyer.post(f"{location}/ask")
    street.sandbox.faults.clear()
    back = await street.buyer.get(location)

    assert (away.status_code, asked.status_code, back.status_code) == (502, 502, 200)
    assert "Nothing was charged" in away.text


@on_both_databases
async def test_staff_refund_an_order_once(street: Street) -> None:
    number = await street.order()
    street.sandbox.pay(number)
    await street.sandbox.deliver()

    first = await street.buyer.post(f"/staff/orders/{number}/refund", auth=STAFF)
    second = await street.buyer.post(f"/staff/orders/{number}/refund", auth=STAFF)
    assert (first.status_code, second.status_code) == (303, 303)
    assert await street.said(number) == "The refund is on its way."

    street.sandbox.finish_refund(f"{number}-1")
    await street.sandbox.deliver()
    assert await street.said(number) == "Refunded."
    assert len(street.sandbox.book.refunds) == 1


async def test_an_order_that_is_not_paid_is_not_refunded(street: Street) -> None:
    number = await street.order()

    assert (await street.buyer.post(f"/staff/orders/{number}/refund", auth=STAFF)).status_code == 409


async def test_a_refund_whose_request_was_lost_is_sent_again_at_night_under_the_same_number(street: Street) -> None:
    number = await street.order()
    street.sandbox.pay(number)
    await street.sandbox.deliver()

    street.sandbox.faults.add("refused", "refunds")
    answer = await street.buyer.post(f"/staff/orders/{number}/refund", auth=STAFF)
    assert (answer.status_code, await street.state(number), len(street.sandbox.book.refunds)) == (502, "SUCCESS PROCESSING", 0)

    street.sandbox.faults.clear()
    await street.shop.settle()
    street.sandbox.finish_refund(f"{number}-1")
    await street.shop.settle()
    assert await street.state(number) == "SUCCESS SUCCESS"


async def test_a_refund_that_is_refused_can_be_tried_again(street: Street) -> None:
    number = await street.order()
    street.sandbox.pay(number)
    await street.sandbox.deliver()
    async with street.shop.sessions.begin() as session:
        await session.execute(update(Order).where(Order.number == number).values(total=99_999))

    assert (await street.buyer.post(f"/staff/orders/{number}/refund", auth=STAFF)).status_code == 502
    assert await street.state(number) == "SUCCESS"


@on_both_databases
async def test_the_night_finds_a_forgotten_payment_and_closes_what_nobody_paid(street: Street) -> None:
    paid, unpaid = await street.order(), await street.order("cup")
    unheard = await street.shop.place("pot", "native")
    street.sandbox.pay(paid)

    street.sandbox.clock.advance(hours=3)
    await street.shop.settle()

    assert [await street.state(number) for number in (paid, unpaid, unheard.number)] == ["SUCCESS", "CLOSED", "CLOSED"]
    assert await street.said(unpaid) == "Closed, nothing was taken."


@on_both_databases
async def test_the_books_of_a_day_agree_until_somebody_meddles_with_them(street: Street) -> None:
    kept, returned = await street.order(), await street.order("cup")
    await street.order("pot")  # never paid: in no bill
    for number in (kept, returned):
        street.sandbox.pay(number)
    await street.sandbox.deliver()
    await street.shop.refund(returned)
    street.sandbox.finish_refund(f"{returned}-1")
    await street.sandbox.deliver()
    street.sandbox.clock.advance(days=1)

    assert yesterday(street.shop.clock()) == TODAY
    report = await close_the_day(street.shop, TODAY)
    assert report.agrees
    assert (report.matched.payments, report.matched.payments_amount) == (2, 4200 + 6800)
    assert (report.matched.refunds, report.matched.refunds_amount) == (1, 6800)

    async with street.shop.sessions.begin() as session:
        await session.execute(update(Order).where(Order.number == kept).values(total=4300))
    report = await close_the_day(street.shop, TODAY)
    (difference,) = report.differences
    assert (difference.number, difference.problem, difference.here_amount, difference.there_amount) == (kept, "amount", 4300, 4200)

    shown = await street.buyer.post(f"/staff/days/{TODAY}", auth=STAFF)
    assert "The books and the bill differ." in shown.text
    assert kept in shown.text


async def test_the_bill_of_today_is_not_there_yet(street: Street) -> None:
    shown = await street.buyer.post(f"/staff/days/{TODAY}", auth=STAFF)

    assert shown.status_code == 503
    assert "账单日期须早于今天" in shown.text


async def test_staff_pages_want_the_password_and_forms_of_other_sites_are_refused(street: Street) -> None:
    assert (await street.buyer.get("/staff")).status_code == 401
    assert (await street.buyer.get("/staff", auth=("anyone", "wrong"))).status_code == 401
    assert (await street.buyer.get("/staff", auth=STAFF)).status_code == 200
    assert (await street.buyer.post("/buy/tea/native", headers={"Origin": "https://elsewhere.example"})).status_code == 403


async def test_what_is_not_there_is_not_found(street: Street) -> None:
    assert (await street.buyer.get("/orders/1234567890")).status_code == 404
    assert (await street.buyer.post("/buy/coffee/native")).status_code == 404


async def test_the_page_speaks_chinese_to_who_asks_for_it(street: Street) -> None:
    shelf = await street.buyer.get("/", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})

    assert '<html lang="zh-CN">' in shelf.text
    assert "龙井 50 克" in shelf.text


async def test_inside_wechat_the_buyer_is_asked_for_and_then_gets_a_signed_payload(street: Street) -> None:
    shelf = await street.buyer.get("/", headers={"User-Agent": "Mozilla/5.0 MicroMessenger/8.0.50"})
    assert "/buy/tea/jsapi" in shelf.text
    number = await street.order(way="jsapi")

    sent_away = await street.buyer.get(f"/orders/{number}/wechat")
    assert sent_away.headers["location"].startswith("https://open.weixin.qq.com/connect/oauth2/authorize?appid=wxd678efh567hg6787&")
    state = httpx.URL(sent_away.headers["location"]).params["state"]

    def wechat(request: httpx.Request) -> httpx.Response:
        assert dict(request.url.params)["code"] == "a code"
        return httpx.Response(200, json={"access_token": "t", "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"})

    street.app.state.http = httpx.AsyncClient(transport=httpx.MockTransport(wechat))
    stolen = await street.buyer.get(f"/orders/{number}/wechat", params={"code": "a code", "state": "another browser's"})
    assert stolen.status_code == 403

    shown = await street.buyer.get(f"/orders/{number}/wechat", params={"code": "a code", "state": state})
    payload = json.loads(re.findall(r'data-payload="([^"]*)"', shown.text)[0].replace("&#34;", '"'))
    assert payload["appId"] == "wxd678efh567hg6787"
    assert payload["signType"] == "RSA"
    street.sandbox.pay(number)
    await street.sandbox.deliver()
    assert await street.state(number) == "SUCCESS"
    assert (await street.buyer.get(f"/orders/{number}/wechat")).status_code == 303  # it is paid


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, json={"errcode": 40029, "errmsg": "invalid code"}), httpx.Response(502, text="<html>")]
)
async def test_a_login_that_fails_says_so_without_the_secret(answer: httpx.Response) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda request: answer)) as http:
        with pytest.raises(LoginFailed) as caught:
            await openid_for(http, "wxd678efh567hg6787", "the secret", "a code")

    assert "the secret" not in str(caught.value)


async def test_a_page_says_sorry_when_the_login_fails(street: Street) -> None:
    number = await street.order(way="jsapi")
    sent_away = await street.buyer.get(f"/orders/{number}/wechat")
    state = httpx.URL(sent_away.headers["location"]).params["state"]
    street.app.state.http = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(200, json={"errcode": 40029})))

    shown = await street.buyer.get(f"/orders/{number}/wechat", params={"code": "a code", "state": state})

    assert shown.status_code == 502


async def test_no_secret_reaches_the_log(street: Street, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "shop")
    number = await street.order()
    street.sandbox.pay(number)
    await street.sandbox.deliver()
    await street.shop.refund(number)

    settings = street.sandbox.settings()
    assert f"order {number} is paid" in caplog.text
    for secret in (settings["apiv3_key"], settings["secret"], STAFF[1], "the secret of the official account", "PRIVATE KEY"):
        assert secret not in caplog.text
        assert secret not in repr(street.shop.settings)


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_a_port_that_no_address_can_name_is_refused(port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["shop", f"--port={port}"])

    with pytest.raises(SystemExit, match="^2$"):
        shop_main.main()

    assert "--port: a fixed one" in capsys.readouterr().err


def test_postgresql_is_one_setting() -> None:
    from shop.database import open_database

    from wechatpay_async.inbox.postgres import PostgresInbox

    engine = open_database("postgresql://shop@localhost/shop")

    assert (engine.dialect.name, engine.dialect.driver, engine.dialect.is_async) == ("postgresql", "psycopg", True)
    assert isinstance(open_inbox("postgresql://shop@localhost/shop"), PostgresInbox)
    assert isinstance(open_inbox("sqlite:///shop.sqlite"), SQLiteInbox)
