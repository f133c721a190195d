"""WeChat Pay in an aiohttp application."""

import logging
import os
from collections.abc import AsyncGenerator

from aiohttp import web

from wechatpay_async import Wechatpay
from wechatpay_async.deliveries import Dispatcher
from wechatpay_async.inbox import SQLiteInbox
from wechatpay_async.notifications import Notification

WXPAY = web.AppKey("wxpay", Wechatpay)
DISPATCHER = web.AppKey("dispatcher", Dispatcher)
routes = web.RouteTableDef()


async def paid(notification: Notification) -> None:
    logging.getLogger("shop").info("paid: %s", notification.resource["out_trade_no"])


@routes.post("/wechatpay/notify")
async def notified(request: web.Request) -> web.Response:
    answer = await request.app[DISPATCHER].handle(request.headers, await request.read())
    return web.Response(body=answer.body, status=answer.status, headers=answer.headers)


@routes.post("/orders/{number}")
async def order(request: web.Request) -> web.Response:
    response = await request.app[WXPAY].v3.pay.transactions.native.post(
        {
            "appid": os.environ["SHOP_APPID"],
            "mchid": os.environ["WECHATPAY_MCHID"],
            "description": "A book",
            "out_trade_no": request.match_info["number"],
            "notify_url": os.environ["SHOP_NOTIFY_URL"],
            "amount": {"total": 4200},
        }
    )
    return web.json_response({"code_url": response.data["code_url"]})


async def wechatpay(app: web.Application) -> AsyncGenerator[None]:
    """Open for as long as the application lives."""
    async with Wechatpay.from_env() as wxpay, SQLiteInbox("wechatpay-inbox.sqlite") as inbox:
        app[WXPAY] = wxpay
        app[DISPATCHER] = Dispatcher(wxpay.notifications, inbox=inbox)
        app[DISPATCHER].on("TRANSACTION.SUCCESS")(paid)
        yield


def make_app() -> web.Application:
    app = web.Application(client_max_size=1 << 20)
    app.add_routes(routes)
    app.cleanup_ctx.append(wechatpay)
    return app


if __name__ == "__main__":
    web.run_app(make_app())
