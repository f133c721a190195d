"""The demo: a WeChat Pay on a loopback port, and the client that pays, refunds and refuses what was tampered with.

`python -m wechatpay_async.cli.demo`. It needs no account, no network and no file, and leaves nothing behind.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Awaitable
from textwrap import fill
from typing import Any, TextIO, cast

import anyio

from wechatpay_async import BadSignature, Response, Wechatpay
from wechatpay_async.sandbox import Call, Sandbox

__all__ = ["main"]

APPID = "wxd678efh567hg6787"
SUB_MCHID = "1900000110"
SERVICE_ID = "2002000000000558128851361561536"


def main() -> int:
    """Run the demo; the exit status is 0 when everything went as it must."""
    stdout: TextIO = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        cast("io.TextIOWrapper", stdout).reconfigure(errors="backslashreplace")  # a terminal that has no Chinese
    anyio.run(demo)
    return 0


async def demo() -> None:
    """Start the sandbox, make keys, and tell the story."""
    sandbox = Sandbox()
    async with sandbox.serve() as url, Wechatpay(**sandbox.settings(base_url=url)) as wxpay:
        show = Show(sandbox)
        show.opening(url)
        await pay_score(sandbox, wxpay, show)
        await native_order(sandbox, wxpay, show)
        await tampering(sandbox, wxpay, show)
        show.closing()


async def pay_score(sandbox: Sandbox, wxpay: Wechatpay, show: Show) -> None:
    """A partner's pay-score order: created, confirmed, completed, its amount modified, queried."""
    orders = wxpay.v3.payscore.partner.serviceorder
    show.chapter("A partner's pay-score order: the user rents now and pays afterwards")
    await show.call(
        "Create it.",
        "v3.payscore.partner.serviceorder.post({...})",
        orders.post(
            {
                "out_order_no": "DEMO-SCORE-1",
                "service_id": SERVICE_ID,
                "appid": APPID,
                "sub_mchid": SUB_MCHID,
                "service_introduction": "Power bank",
                "risk_fund": {"name": "DEPOSIT", "amount": 9900},
                "time_range": {"start_time": "OnAccept"},
                "notify_url": "https://merchant.example/payscore",
            }
        ),
        ("order_id", "state", "package"),
    )

    sandbox.payscore.confirm("DEMO-SCORE-1")
    show.aside("On the phone: the user confirms the order.")
    await show.call(
        "The power bank is back: complete the order, 5.00 yuan.",
        "v3.payscore.partner.serviceorder._out_order_no_.complete.post({...}, out_order_no=...)",
        orders._out_order_no_.complete.post(
            {
                "service_id": SERVICE_ID,
                "sub_mchid": SUB_MCHID,
                "post_payments": [{"name": "Rent", "amount": 500}],
                "total_amount": 500,
            },
            out_order_no="DEMO-SCORE-1",
        ),
    )
    await show.call(
        "The user complains: take 3.00 yuan instead.",
        "v3.payscore.partner.serviceorder._out_order_no_.modify.post({...}, out_order_no=...)",
        orders._out_order_no_.modify.post(
            {
                "service_id": SERVICE_ID,
                "sub_mchid": SUB_MCHID,
                "post_payments": [{"name": "Rent", "amount": 300}],
                "total_amount": 300,
                "reason": "The user complained",
            },
            out_order_no="DEMO-SCORE-1",
        ),
    )
    await show.call(
        "What does WeChat Pay think now?",
        "v3.payscore.partner.serviceorder.get(params={...})",
        orders.get(params={"service_id": SERVICE_ID, "sub_mchid": SUB_MCHID, "out_order_no": "DEMO-SCORE-1"}),
        ("state", "total_amount", "collection"),
    )


async def native_order(sandbox: Sandbox, wxpay: Wechatpay, show: Show) -> None:
    """A native order: placed, paid, refunded, queried."""
    show.chapter("A QR code: an order paid, refunded and queried")
    mchid = sandbox.merchant.mchid
    await show.call(
        "Place an order of 18.00 yuan.",
        "v3.pay.transactions.native.post({...})",
        wxpay.v3.pay.transactions.native.post(
            {
                "appid": APPID,
                "mchid": mchid,
                "description": "A cup of tea",
                "out_trade_no": "DEMO-NATIVE-1",
                "notify_url": "https://merchant.example/paid",
                "amount": {"total": 1800, "currency": "CNY"},
            }
        ),
        ("code_url",),
    )

    sandbox.pay("DEMO-NATIVE-1")
    show.aside("On the phone: the user scans the code and pays.")
    refunds = wxpay.v3.refund.domestic.refunds
    await show.call(
        "Give 6.00 yuan back.",
        "v3.refund.domestic.refunds.post({...})",
        refunds.post(
            {
                "out_trade_no": "DEMO-NATIVE-1",
                "out_refund_no": "DEMO-REFUND-1",
                "reason": "Too cold",
                "amount": {"refund": 600, "total": 1800, "currency": "CNY"},
            }
        ),
        ("refund_id", "status"),
    )

    sandbox.clock.advance(seconds=5)
    show.aside("Five seconds later: the sandbox's clock is moved ahead.")
    await show.call(
        "Has the refund arrived?",
        "v3.refund.domestic.refunds._out_refund_no_.get(out_refund_no=...)",
        refunds._out_refund_no_.get(out_refund_no="DEMO-REFUND-1"),
        ("status", "success_time", "amount"),
    )
    await show.call(
        "And the order?",
        "v3.pay.transactions.out_trade_no._out_trade_no_.get(out_trade_no=..., params={...})",
        wxpay.v3.pay.transactions.out_trade_no._out_trade_no_.get(out_trade_no="DEMO-NATIVE-1", params={"mchid": mchid}),
        ("transaction_id", "trade_state", "success_time"),
    )


async def tampering(sandbox: Sandbox, wxpay: Wechatpay, show: Show) -> None:
    """One bit of an answer is changed on its way: the client must not give it out."""
    show.chapter("Somebody changes one bit of an answer on its way")
    orders = wxpay.v3.pay.transactions.out_trade_no._out_trade_no_
    with sandbox.faults.on("tampered"):
        await show.refusal(
            "The same query again.",
            "v3.pay.transactions.out_trade_no._out_trade_no_.get(out_trade_no=..., params={...})",
            orders.get(out_trade_no="DEMO-NATIVE-1", params={"mchid": sandbox.merchant.mchid}),
        )


class Show:
    """Prints the story, in a terminal of 80 columns or more."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._width = min(max(shutil.get_terminal_size((80, 24)).columns, 80), 100)
        self._calls = 0

    def opening(self, url: str) -> None:
        """Where we are and with which keys."""
        merchant = self._sandbox.merchant
        self._line(f"wechatpay-async demo: a WeChat Pay of your own at {url}")
        self._line()
        self._line(f"  merchant      {merchant.mchid}, keys made a moment ago")
        self._line(f"  its serial    {merchant.serial}")
        self._line(f"  platform key  {self._sandbox.platform.public_key.serial}")

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        self._line()
        self._line(f"== {title}")

    def aside(self, text: str) -> None:
        """What happens outside the client."""
        self._line()
        self._line(f"   ({text})")

    async def call(self, purpose: str, written: str, doing: Awaitable[Response[Any]], fields: tuple[str, ...] = ()) -> None:
        """One call that succeeds: what was signed, what came back (the named fields of it), how it was checked."""
        self._before(purpose, written)
        response = await doing
        self._message(self._sandbox.calls[-1])
        told = f" {json.dumps({name: response.data[name] for name in fields}, ensure_ascii=False)}" if fields else ", no body"
        self._item("answer", f"{response.status_code}{told}")
        self._item("check", f"signature verified with {response.headers['Wechatpay-Serial']}")

    async def refusal(self, purpose: str, written: str, doing: Awaitable[Response[Any]]) -> None:
        """One call whose answer must not be believed."""
        self._before(purpose, written)
        try:
            response = await doing
        except BadSignature as error:
            call = self._sandbox.calls[-1]
            self._message(call)
            middle = len(call.answer_body) // 2
            around = call.answer_body[middle - 20 : middle + 20].decode("utf-8", "replace")
            self._item("answer", f"{call.status}, with one bit changed in the middle: ...{around}...")
            self._item("check", f"REFUSED, and no data is given out: BadSignature: {error}")
        else:
            raise SystemExit(f"a tampered answer was believed: {response.data!r}")

    def closing(self) -> None:
        """The last words."""
        self._line()
        self._line(f"{self._calls} calls over a real socket, all signed: {self._calls - 1} answers verified, one refused")

    def _before(self, purpose: str, written: str) -> None:
        self._calls += 1
        self._line()
        self._line(f"{self._calls:>2} {purpose}")
        whole = f"   await wxpay.{written}"
        name, _, arguments = whole.partition("(")
        self._line(whole if len(whole) <= self._width else f"{name}(\n       {arguments}")

    def _message(self, call: Call) -> None:
        *lines, _ = (call.expected_message or "").split("\n")
        for name, line in zip(("signed", "", "", "", ""), lines, strict=False):
            self._item(name, _cut(line or "(no body)", self._width - 12))
        self._item("server", "the signature fits" if call.signature_fits else "the signature does NOT fit")

    def _item(self, name: str, text: str) -> None:
        self._line(fill(text, self._width, initial_indent=f"   {name:<8} ", subsequent_indent=" " * 12, break_on_hyphens=False))

    def _line(self, text: str = "") -> None:
        sys.stdout.write(f"{text}\n")


def _cut(text: str, length: int) -> str:
    """The text, or as much of it as fits."""
    return text if len(text) <= length else f"{text[: length - 4]} ..."


if __name__ == "__main__":
    sys.exit(main())
