"""Where the people of a sandbox are reached over HTTP, by clients in any language: `/_sandbox/…`, JSON in and out, unsigned.

GET  settings                                  what a client needs: keys, secrets, addresses
POST pay  decline  {"out_trade_no": …, "mchid": …}   the payer of an order; "coupon_id" to pay with a coupon
POST password      {"auth_code": …}            the payer of a payment code must type the password
POST payscore/confirm  payscore/pay  {"out_order_no": …}
POST transfers/confirm  {"out_bill_no": …}     the receiver of a transfer
POST applyments/approve  applyments/sign  {"number": …};  applyments/reject  {"number": …, "field": …, "reason": …}
POST contracts/sign  contracts/terminate  {"contract_code": …}   the user of a contract
POST complaints         {"out_trade_no": …, "detail": …, "problem_type": …, "phone": …, "refund_amount": …, "chat": "yes"}
POST complaints/follow  {"number": …, "what": "message", "text": …}   or complain_again, confirm, revoke, call_platform …
POST parking/plate      {"plate_number": …, "plate_color": …, "state": "NORMAL" | "PAUSE" | "OUT_SERVICE" | "EVALUATION_FAILED"}
POST parking/car-parks/approve  {"number": …};  parking/car-parks/reject  {"number": …, "field": …, "reason": …}
POST parking/short      {"plate_number": …, "advanced": "yes" | "no"};  parking/repay  {"out_trade_no": …}
POST refunds/finish     {"out_refund_no": …, "status": "SUCCESS" | "ABNORMAL" | "CLOSED"}
POST clock/advance      {"seconds": …, "minutes": …, "hours": …, "days": …}
POST faults  {"kind": …, "operation": …, "rate": …, "times": …, "seconds": …};  DELETE faults
POST emit    {"event_type": …, "url": …, "api": "v3" | "v2", "fields": {…}}   any documented event
GET  calls  GET notifications  POST notifications/{id}/send  POST deliver
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .clock import rfc3339
from .models import Notice
from .parties import Merchant
from .wire import Call, Refusal, as_object

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .core import Sandbox

__all__ = ["PREFIX", "environment", "make_control"]

PREFIX = "/_sandbox"
Endpoint = Callable[[Request], Awaitable[Response]]


def environment(sandbox: Sandbox, base_url: str, merchant: Merchant | None = None) -> dict[str, str]:
    """What a client of this sandbox needs, as environment variables; keys in one line each."""
    merchant = merchant or sandbox.merchant
    key = sandbox.platform.key_for(merchant.mode)
    found = {
        "WECHATPAY_BASE_URL": base_url,
        "WECHATPAY_MCHID": merchant.mchid,
        "WECHATPAY_SERIAL": merchant.serial,
        "WECHATPAY_PRIVATE_KEY": f"private.pkcs8://{_one_line(merchant.private_key_pem)}",
        "WECHATPAY_APIV3_KEY": merchant.apiv3_key,
        "WECHATPAY_SECRET": merchant.secret,
    }
    if key.certificate is None:
        found |= {"WECHATPAY_PUBLIC_KEY_ID": key.serial, "WECHATPAY_PUBLIC_KEY": f"public.spki://{_one_line(key.pem)}"}
    return found


def _one_line(pem: str) -> str:
    return "".join(line for line in pem.splitlines() if not line.startswith("-----"))


def make_control(sandbox: Sandbox) -> ASGIApp:
    """The control interface of a sandbox."""

    def acting(name: str, *wanted: str) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            values = await _values(request)
            missing = [field for field in wanted if not values.get(field)]
            if missing:
                raise Refusal(400, "PARAM_ERROR", f"missing: {', '.join(missing)}")
            try:
                sandbox.act(name, **{field: str(value) for field, value in values.items()})
            except LookupError as error:
                raise Refusal(404, "NOT_FOUND", str(error)) from None
            except TypeError:
                raise Refusal(400, "PARAM_ERROR", f"{name} does not take {', '.join(sorted(values))}") from None
            return JSONResponse({"done": name, "at": rfc3339(sandbox.clock())})

        return endpoint

    async def settings(request: Request) -> Response:
        base_url = f"{request.url.scheme}://{request.headers['host']}"
        return JSONResponse({name: environment(sandbox, base_url, merchant) for name, merchant in sandbox.merchants.items()})

    async def advance(request: Request) -> Response:
        values = await _values(request)
        try:
            sandbox.clock.advance(**{str(unit): float(value) for unit, value in values.items()})
        except (TypeError, ValueError) as error:
            raise Refusal(400, "PARAM_ERROR", str(error)) from None
        return JSONResponse({"now": rfc3339(sandbox.clock())})

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            sandbox.faults.clear()
        else:
            try:
                sandbox.faults.add(**await _values(request))
            except (TypeError, ValueError) as error:
                raise Refusal(400, "PARAM_ERROR", str(error)) from None
        return JSONResponse({"faults": [vars(fault) for fault in sandbox.faults.active]})

    async def emit(request: Request) -> Response:
        values = await _values(request)
        try:
            notice = sandbox.emit(**values)
        except LookupError as error:
            raise Refusal(404, "NOT_FOUND", str(error)) from None
        except TypeError as error:
            raise Refusal(400, "PARAM_ERROR", str(error)) from None
        return JSONResponse(_notice(notice))

    async def calls(request: Request) -> Response:
        limit = request.query_params.get("limit", "50")
        newest = list(sandbox.calls)[-int(limit) if limit.isdecimal() and int(limit) else -50 :]
        return JSONResponse({"calls": [_call(call) for call in reversed(newest)]})

    async def notifications(_: Request) -> Response:
        return JSONResponse({"notifications": [_notice(notice) for notice in reversed(sandbox.book.notices[-200:])]})

    async def send_again(request: Request) -> Response:
        try:
            sandbox.notifier.send_again(request.path_params["id"])
        except LookupError as error:
            raise Refusal(404, "NOT_FOUND", str(error)) from None
        return await deliver(request)

    async def deliver(_: Request) -> Response:
        made = await sandbox.deliver()
        return JSONResponse(
            {"deliveries": [{"id": item.notice.id, "kind": item.kind, "taken": item.taken, "error": item.error} for item in made]}
        )

    routes = [
        Route("/settings", settings, methods=["GET"]),
        Route("/pay", acting("pay", "out_trade_no"), methods=["POST"]),
        Route("/decline", acting("decline", "out_trade_no"), methods=["POST"]),
        Route("/password", acting("ask_password", "auth_code"), methods=["POST"]),
        Route("/payscore/confirm", acting("confirm_score", "out_order_no"), methods=["POST"]),
        Route("/payscore/pay", acting("pay_score", "out_order_no"), methods=["POST"]),
        Route("/transfers/confirm", acting("confirm_transfer", "out_bill_no"), methods=["POST"]),
        Route("/applyments/approve", acting("approve_applyment", "number"), methods=["POST"]),
        Route("/applyments/reject", acting("reject_applyment", "number", "field", "reason"), methods=["POST"]),
        Route("/applyments/sign", acting("sign_applyment", "number"), methods=["POST"]),
        Route("/contracts/sign", acting("sign_contract", "contract_code"), methods=["POST"]),
        Route("/contracts/terminate", acting("terminate_contract", "contract_code"), methods=["POST"]),
        Route("/complaints", acting("complain", "out_trade_no", "detail"), methods=["POST"]),
        Route("/complaints/follow", acting("follow_complaint", "number", "what"), methods=["POST"]),
        Route("/parking/plate", acting("set_plate", "plate_number", "state"), methods=["POST"]),
        Route("/parking/short", acting("run_short", "plate_number"), methods=["POST"]),
        Route("/parking/car-parks/approve", acting("approve_car_park", "number"), methods=["POST"]),
        Route("/parking/car-parks/reject", acting("reject_car_park", "number", "field", "reason"), methods=["POST"]),
        Route("/parking/repay", acting("repay_parking", "out_trade_no"), methods=["POST"]),
        Route("/refunds/finish", acting("finish_refund", "out_refund_no"), methods=["POST"]),
        Route("/clock/advance", advance, methods=["POST"]),
        Route("/faults", faults, methods=["POST", "DELETE"]),
        Route("/emit", emit, methods=["POST"]),
        Route("/calls", calls, methods=["GET"]),
        Route("/notifications", notifications, methods=["GET"]),
        Route("/notifications/{id}/send", send_again, methods=["POST"]),
        Route("/deliver", deliver, methods=["POST"]),
    ]
    return Starlette(routes=[Route(f"{PREFIX}{route.path}", _guarded(route.endpoint), methods=route.methods) for route in routes])


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Only for this machine's own programs: no other web page may reach it through a browser, nor by a name that it made up."""

    async def guarded(request: Request) -> Response:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        allowed = {"127.0.0.1", "localhost", "::1", (request.scope.get("server") or ("",))[0]}
        if host not in allowed or "origin" in request.headers:
            return JSONResponse({"code": "NO_AUTH", "message": f"not for {host}"}, 403)
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return JSONResponse({"code": refusal.code, "message": refusal.message}, refusal.status)

    return guarded


async def _values(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refusal(400, "PARAM_ERROR", "Content-Type must be application/json")
    try:
        values = as_object(json.loads(await request.body() or b"{}"))
    except ValueError:
        values = None
    if values is None:
        raise Refusal(400, "PARAM_ERROR", "the body must be a JSON object")
    return values


def _call(call: Call) -> dict[str, Any]:
    return {
        "at": rfc3339(call.at),
        "method": call.method,
        "target": call.target,
        "operation": call.operation,
        "mchid": call.mchid,
        "request_body": _text(call.request_body),
        "expected_message": call.expected_message,
        "signature": call.signature,
        "signature_fits": call.signature_fits,
        "fault": call.fault,
        "status": call.status,
        "answer_headers": call.answer_headers,
        "answer_body": _text(call.answer_body),
    }


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()


def _notice(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "mchid": notice.mchid,
        "url": notice.url,
        "event_type": notice.event_type,
        "resource": notice.resource,
        "attempts": notice.attempts,
        "due": None if notice.due is None else rfc3339(notice.due),
        "acknowledged": notice.acknowledged,
    }
