"""WeChat Pay in Django, a project in one file: `uvicorn recipes.on_django:app`. In a project of yours the views are what you need."""

import logging
import os
from functools import cache

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from wechatpay_async import Wechatpay
from wechatpay_async.deliveries import Dispatcher
from wechatpay_async.inbox import SQLiteInbox
from wechatpay_async.notifications import Notification


@cache
def wxpay() -> Wechatpay:
    """The client of this process. Under ASGI a process has one event loop, to which its connections belong."""
    return Wechatpay.from_env()


@cache
def dispatcher() -> Dispatcher:
    made = Dispatcher(wxpay().notifications, inbox=SQLiteInbox("wechatpay-inbox.sqlite"))
    made.on("TRANSACTION.SUCCESS")(paid)
    return made


async def paid(notification: Notification) -> None:
    logging.getLogger("shop").info("paid: %s", notification.resource["out_trade_no"])


@csrf_exempt
@require_POST
async def notified(request: HttpRequest) -> HttpResponse:
    answer = await dispatcher().handle(request.headers, request.body)
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


@csrf_exempt  # a view of yours that buyers call keeps Django's protection
@require_POST
async def order(_: HttpRequest, number: str) -> HttpResponse:
    response = await wxpay().v3.pay.transactions.native.post(
        {
            "appid": os.environ["SHOP_APPID"],
            "mchid": os.environ["WECHATPAY_MCHID"],
            "description": "A book",
            "out_trade_no": number,
            "notify_url": os.environ["SHOP_NOTIFY_URL"],
            "amount": {"total": 4200},
        }
    )
    return JsonResponse({"code_url": response.data["code_url"]})


urlpatterns = [path("wechatpay/notify", notified), path("orders/<str:number>", order)]

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["shop.example.com"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=1 << 20,
)
app = get_asgi_application()
