"""WeChat Pay in a Litestar application: `litestar --app recipes.on_litestar:app run`."""

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, post
from litestar.datastructures import State

from wechatpay_async import Wechatpay
from wechatpay_async.deliveries import Dispatcher
from wechatpay_async.inbox import SQLiteInbox
from wechatpay_async.notifications import Notification


async def paid(notification: Notification) -> None:
    logging.getLogger("shop").info("paid: %s", notification.resource["out_trade_no"])


@post("/wechatpay/notify", request_max_body_size=1 << 20)
async def notified(request: Request[Any, Any, Any], state: State) -> Response[bytes]:
    answer = await state.dispatcher.handle(request.headers, await request.body())
    return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))


@post("/orders/{number:str}")
async def order(request: Request[Any, Any, Any], state: State) -> dict[str, str]:
    wxpay: Wechatpay = state.wxpay
    response = await wxpay.v3.pay.transactions.native.post(
        {
            "appid": os.environ["SHOP_APPID"],
            "mchid": os.environ["WECHATPAY_MCHID"],
            "description": "A book",
            "out_trade_no": request.path_params["number"],
            "notify_url": os.environ["SHOP_NOTIFY_URL"],
            "amount": {"total": 4200},
        }
    )
    return {"code_url": response.data["code_url"]}


@asynccontextmanager
async def wechatpay(app: Litestar) -> AsyncGenerator[None]:
    """Open for as long as the application lives."""
    async with Wechatpay.from_env() as wxpay, SQLiteInbox("wechatpay-inbox.sqlite") as inbox:
        dispatcher = Dispatcher(wxpay.notifications, inbox=inbox)
        dispatcher.on("TRANSACTION.SUCCESS")(paid)
        app.state.wxpay, app.state.dispatcher = wxpay, dispatcher
        yield


app = Litestar([notified, order], lifespan=[wechatpay], logging_config=None)
