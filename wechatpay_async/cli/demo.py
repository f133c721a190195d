"""The demo: a WeChat Pay on a loopback port, and the client that pays, refunds and refuses what was tampered with.

`python -m wechatpay_async.cli.demo`. It needs no account, no network and no file, and leaves nothing behind.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Coroutine
from contextlib import closing
from textwrap import fill
from typing import Any

import anyio
from rich.cells import cell_len

from wechatpay_async import BadSignature, Response, Wechatpay
from wechatpay_async.cli.output import Language, Output
from wechatpay_async.sandbox import Call, Sandbox

__all__ = ["main"]

APPID = "wxd678efh567hg6787"
SUB_MCHID = "1900000110"
SERVICE_ID = "2002000000000558128851361561536"


def main(language: Language | None = None) -> int:
    """Run the demo, in the terminal's language unless told otherwise; the exit status is 0 when everything went as it must."""
    anyio.run(demo, Output(language=language))
    return 0


async def demo(output: Output) -> None:
    """Start the sandbox, make keys, and tell the story."""
    sandbox = Sandbox()
    async with sandbox.serve() as url, Wechatpay(**sandbox.settings(base_url=url)) as wxpay:
        show = Show(sandbox, output)
        show.opening(url)
        await pay_score(sandbox, wxpay, show)
        await native_order(sandbox, wxpay, show)
        await tampering(sandbox, wxpay, show)
        show.closing()


async def pay_score(sandbox: Sandbox, wxpay: Wechatpay, show: Show) -> None:
    """A partner's pay-score order: created, confirmed, completed, its amount modified, queried."""
    orders = wxpay.v3.payscore.partner.serviceorder
    show.chapter(show.text("A partner's pay-score order: the user rents now and pays afterwards", "服务商的支付分订单：用户先使用，后付款"))
    await show.call(
        show.text("Create it.", "创建订单。"),
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
    show.aside(show.text("On the phone: the user confirms the order.", "手机上：用户确认订单。"))
    await show.call(
        show.text("The power bank is back: complete the order, 5.00 yuan.", "充电宝已归还：完结订单，5.00 元。"),
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
        show.text("The user complains: take 3.00 yuan instead.", "用户投诉：改收 3.00 元。"),
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
        show.text("What does WeChat Pay think now?", "微信支付那边现在怎么样？"),
        "v3.payscore.partner.serviceorder.get(params={...})",
        orders.get(params={"service_id": SERVICE_ID, "sub_mchid": SUB_MCHID, "out_order_no": "DEMO-SCORE-1"}),
        ("state", "total_amount", "collection"),
    )


async def native_order(sandbox: Sandbox, wxpay: Wechatpay, show: Show) -> None:
    """A native order: placed, paid, refunded, queried."""
    show.chapter(show.text("A QR code: an order paid, refunded and queried", "二维码支付：下单、付款、退款、查询"))
    mchid = sandbox.merchant.mchid
    await show.call(
        show.text("Place an order of 18.00 yuan.", "下一笔 18.00 元的订单。"),
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
    show.aside(show.text("On the phone: the user scans the code and pays.", "手机上：用户扫码并付款。"))
    refunds = wxpay.v3.refund.domestic.refunds
    await show.call(
        show.text("Give 6.00 yuan back.", "退款 6.00 元。"),
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
    show.aside(show.text("Five seconds later: the sandbox's clock is moved ahead.", "五秒之后：把沙箱的时钟拨快。"))
    await show.call(
        show.text("Has the refund arrived?", "退款到账了吗？"),
        "v3.refund.domestic.refunds._out_refund_no_.get(out_refund_no=...)",
        refunds._out_refund_no_.get(out_refund_no="DEMO-REFUND-1"),
        ("status", "success_time", "amount"),
    )
    await show.call(
        show.text("And the order?", "订单呢？"),
        "v3.pay.transactions.out_trade_no._out_trade_no_.get(out_trade_no=..., params={...})",
        wxpay.v3.pay.transactions.out_trade_no._out_trade_no_.get(out_trade_no="DEMO-NATIVE-1", params={"mchid": mchid}),
        ("transaction_id", "trade_state", "success_time"),
    )


async def tampering(sandbox: Sandbox, wxpay: Wechatpay, show: Show) -> None:
    """One bit of an answer is changed on its way: the client must not give it out."""
    show.chapter(show.text("Somebody changes one bit of an answer on its way", "有人在途中改动了应答的一个比特"))
    orders = wxpay.v3.pay.transactions.out_trade_no._out_trade_no_
    with sandbox.faults.on("tampered"):
        await show.refusal(
            show.text("The same query again.", "再查询一次同一笔订单。"),
            "v3.pay.transactions.out_trade_no._out_trade_no_.get(out_trade_no=..., params={...})",
            orders.get(out_trade_no="DEMO-NATIVE-1", params={"mchid": sandbox.merchant.mchid}),
        )


class Show:
    """Prints the story, in a terminal of 80 columns or more."""

    def __init__(self, sandbox: Sandbox, output: Output) -> None:
        self._sandbox = sandbox
        self.text: Callable[[str, str], str] = output.choose
        self._width = min(max(shutil.get_terminal_size((80, 24)).columns, 80), 100)
        self._calls = 0

    def opening(self, url: str) -> None:
        """Where we are and with which keys."""
        merchant = self._sandbox.merchant
        key = self._sandbox.platform.public_key.serial
        self._line(self.text(f"wechatpay-async demo: a WeChat Pay of your own at {url}", f"wechatpay-async 演示：你自己的微信支付 {url}"))
        self._line()
        self._line(
            self.text(f"  merchant      {merchant.mchid}, keys made a moment ago", f"  商户          {merchant.mchid}，密钥刚刚生成")
        )
        self._line(self.text(f"  its serial    {merchant.serial}", f"  证书序列号    {merchant.serial}"))
        self._line(self.text(f"  platform key  {key}", f"  微信支付公钥  {key}"))

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        self._line()
        self._line(f"== {title}")

    def aside(self, text: str) -> None:
        """What happens outside the client."""
        self._line()
        self._line(f"   ({text})")

    async def call(self, purpose: str, written: str, doing: Coroutine[Any, Any, Response[Any]], fields: tuple[str, ...] = ()) -> None:
        """One call that succeeds: what was signed, what came back (the named fields of it), how it was checked."""
        with closing(doing):  # a pipe that is closed ends the story before it is awaited
            self._before(purpose, written)
            response = await doing
        self._message(self._sandbox.calls[-1])
        told = f" {json.dumps({name: response.data[name] for name in fields}, ensure_ascii=False)}" if fields else ""
        serial = response.headers["Wechatpay-Serial"]
        self._item(self.text("answer", "应答"), f"{response.status_code}{told or self.text(', no body', '，没有正文')}")
        self._item(self.text("check", "验签"), self.text(f"signature verified with {serial}", f"签名正确，公钥 {serial}"))

    async def refusal(self, purpose: str, written: str, doing: Coroutine[Any, Any, Response[Any]]) -> None:
        """One call whose answer must not be believed."""
        try:
            with closing(doing):
                self._before(purpose, written)
                response = await doing
        except BadSignature as error:
            call = self._sandbox.calls[-1]
            self._message(call)
            middle = len(call.answer_body) // 2
            around = call.answer_body[middle - 20 : middle + 20].decode("utf-8", "replace")
            changed = self.text("with one bit changed in the middle:", "中间有一个比特被改动：")
            self._item(self.text("answer", "应答"), f"{call.status}{self.text(', ', '，')}{changed} ...{around}...")
            refused = self.text("REFUSED, and no data is given out:", "拒绝（REFUSED），不给出任何数据：")
            self._item(self.text("check", "验签"), f"{refused} BadSignature: {error}")
        else:
            raise SystemExit(f"a tampered answer was believed: {response.data!r}")

    def closing(self) -> None:
        """The last words."""
        self._line()
        self._line(
            self.text(
                f"{self._calls} calls over a real socket, all signed: {self._calls - 1} answers verified, one refused",
                f"经真实端口发出 {self._calls} 次调用，全部签名：{self._calls - 1} 个应答验签通过，1 个被拒绝",
            )
        )

    def _before(self, purpose: str, written: str) -> None:
        self._calls += 1
        self._line()
        self._line(f"{self._calls:>2} {purpose}")
        whole = f"   await wxpay.{written}"
        name, _, arguments = whole.partition("(")
        self._line(whole if len(whole) <= self._width else f"{name}(\n       {arguments}")

    def _message(self, call: Call) -> None:
        *lines, _ = (call.expected_message or "").split("\n")
        for name, line in zip((self.text("signed", "签名串"), "", "", "", ""), lines, strict=False):
            self._item(name, _cut(line or self.text("(no body)", "（没有请求体）"), self._width - 12))
        fits = self.text("the signature fits", "签名正确") if call.signature_fits else self.text("the signature does NOT fit", "签名不符")
        self._item(self.text("server", "服务器"), fits)

    def _item(self, name: str, text: str) -> None:
        # A Chinese character is two columns wide.
        label = f"   {name}" + " " * (9 - cell_len(name))
        self._line(fill(text, self._width, initial_indent=label, subsequent_indent=" " * 12, break_on_hyphens=False))

    def _line(self, text: str = "") -> None:
        sys.stdout.write(f"{text}\n")


def _cut(text: str, length: int) -> str:
    """The text, or as much of it as fits."""
    return text if len(text) <= length else f"{text[: length - 4]} ..."


if __name__ == "__main__":  # pragma: no cover - `nox -s demo` runs it in a process of its own
    sys.exit(main())
