"""WeChat Pay in a service that runs on trio: a server, and beside it a task that asks for orders which nobody told of."""

import logging
import os

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wechatpay_async import Wechatpay
from wechatpay_async.deliveries import Dispatcher
from wechatpay_async.errors import WechatpayError
from wechatpay_async.inbox import SQLiteInbox
from wechatpay_async.notifications import Notification

log = logging.getLogger("shop")


class Service:
    """Orders that wait for their payment, and how they hear of it."""

    def __init__(self, wxpay: Wechatpay, inbox: SQLiteInbox) -> None:
        self.wxpay = wxpay
        self.waiting: set[str] = set()
        self.dispatcher = Dispatcher(wxpay.notifications, inbox=inbox)
        self.dispatcher.on("TRANSACTION.SUCCESS")(self.paid)
        self.app = Starlette(
            routes=[
                Route("/wechatpay/notify", self.notified, methods=["POST"]),
                Route("/orders/{number}", self.order, methods=["POST"]),
            ]
        )

    async def paid(self, notification: Notification) -> None:
        self.settle(notification.resource["out_trade_no"])

    def settle(self, number: str) -> None:
        if number in self.waiting:
            self.waiting.remove(number)
            log.info("paid: %s", number)

    async def notified(self, request: Request) -> Response:
        answer = await self.dispatcher.handle(request.headers, await request.body())
        return Response(answer.body, answer.status, dict(answer.headers))

    async def order(self, request: Request) -> Response:
        number = request.path_params["number"]
        self.waiting.add(number)
        response = await self.wxpay.v3.pay.transactions.native.post(
            {
                "appid": os.environ["SHOP_APPID"],
                "mchid": os.environ["WECHATPAY_MCHID"],
                "description": "A book",
                "out_trade_no": number,
                "notify_url": os.environ["SHOP_NOTIFY_URL"],
                "amount": {"total": 4200},
            }
        )
        return JSONResponse({"code_url": response.data["code_url"]})

    async def ask(self) -> None:
        """Query everything that waits, since a notification can be lost."""
        query = self.wxpay.v3.pay.transactions.out_trade_no._out_trade_no_
        for number in sorted(self.waiting):
            try:
                response = await query.get(params={"mchid": os.environ["WECHATPAY_MCHID"]}, out_trade_no=number)
            except WechatpayError as error:
                log.warning("%s: %s", number, error)
                continue
            if response.data["trade_state"] == "SUCCESS":
                self.settle(number)


async def ask_now_and_then(service: Service, seconds: float) -> None:
    while True:
        await trio.sleep(seconds)
        await service.ask()


async def main() -> None:
    async with Wechatpay.from_env() as wxpay, SQLiteInbox("wechatpay-inbox.sqlite") as inbox, trio.open_nursery() as nursery:
        service = Service(wxpay, inbox)
        nursery.start_soon(ask_now_and_then, service, 60.0)
        await serve(service.app, Config())  # type: ignore[arg-type]  # hypercorn's type of an app is narrower than starlette's
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
