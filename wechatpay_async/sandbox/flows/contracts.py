"""Contracts of automatic payment (委托代扣): prepared by the merchant, signed by the user, charged without asking again, terminated.

    (prepared) -> SIGNED -> TERMINATED

https://pay.weixin.qq.com/doc/v3/merchant/4012978414,
https://pay.weixin.qq.com/docs/merchant/apis/entrusted-payment/normal/normal-create-transaction.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..clock import rfc3339
from ..models import Book, Order, Owner
from ..wire import Answer, Refusal
from .context import Ask, Routes, check_notify_url, text_limit
from .orders import check_out_trade_no, keep, payer_pays, tell_paid

__all__ = ["ROUTES", "Contract", "Deduction", "deduct", "find_contract", "sign", "terminate"]

_DAY = 86_400
_YEAR = 365 * _DAY
_WEEK = 7 * _DAY
_ACCEPTED = 3


@dataclass
class Contract:
    """A contract; its state is empty until the user signs."""

    owner: Owner
    plan_id: int
    code: str
    terms: dict[str, Any]
    contract_id: str = ""
    state: str = ""
    openid: str = ""
    signed: float = 0
    terminated: float = 0
    mode: str = ""
    remark: str = ""


@dataclass
class Deduction:
    """A payment that was accepted, and the contract by which it is collected."""

    contract: Contract
    order: Order


def prepare(ask: Ask) -> Answer:
    """预签约, for each of the places in which the user may sign."""
    body, book = ask.body, ask.book
    text_limit(body["out_contract_code"], 32, "/body/out_contract_code")
    check_notify_url(body["contract_notify_url"])
    owner = (ask.mchid, body.get("sub_mchid", ""))
    shelf, key = book.shelf("contracts_v3"), (owner, body["plan_id"], body["out_contract_code"])
    known: Contract | None = shelf.get(key)
    if known is not None and known.state:
        raise Refusal(400, "INVALID_REQUEST", f"商户协议号已使用，协议状态为 {known.state}")
    shelf[key] = Contract(owner, body["plan_id"], body["out_contract_code"], body)
    return Answer(data=_where_to_sign(ask, book.numbers.dated("5778", book.now, 18)))


def _where_to_sign(ask: Ask, session: str) -> dict[str, Any]:
    place = ask.operation.path.rpartition("/")[2]
    path, url = f"pages/sign/index?session={session}", f"{ask.base_url}/_sandbox/pages/cashier?pre_entrustweb_id={session}"
    if place in {"h5", "jsapi"}:
        return {"redirect_url": url}
    data = {"pre_entrustweb_id": session}
    if place == "mini-program":
        return data | {"redirect_appid": "wxbd687630cd02ce1d", "redirect_path": path}
    if place == "app":
        return data | {"miniprogram_username": "gh_f7c2a3b1d0e9", "miniprogram_path": path}
    if ask.body["sign_scene"] == "SIGN_SCENE_QRCODE":
        return data | {"redirect_url": url}
    return data | {"mini_program_username": "gh_f7c2a3b1d0e9", "mini_program_path": path}


def query(ask: Ask) -> Answer:
    """通过商户协议号查询协议."""
    return Answer(data=_view(_find(ask, ask.query)))


def end(ask: Ask) -> Answer:
    """通过商户协议号解约协议."""
    text_limit(ask.body["contract_termination_remark"], 256, "/body/contract_termination_remark")
    item = _find(ask, ask.body)
    terminate(ask.book, item, "MCH_API_TERMINATE", ask.body["contract_termination_remark"])
    return Answer(data=_view(item))


def _find(ask: Ask, source: Any) -> Contract:
    owner = (ask.mchid, source.get("sub_mchid", "") if "/partner/" in ask.operation.path else "")
    plan = ask.path["plan_id"]
    key = (owner, int(plan) if plan.isdecimal() else 0, ask.path["out_contract_code"])
    found: Contract | None = ask.book.shelf("contracts_v3").get(key)
    if found is None or not found.state:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "签约协议不存在")
    return found


def _view(item: Contract) -> dict[str, Any]:
    mchid, sub_mchid = item.owner
    if sub_mchid:
        data: dict[str, Any] = {"sp_mchid": mchid, "sp_openid": item.openid}
        data |= {name: item.terms[name] for name in ("sp_appid", "sub_mchid", "sub_appid") if name in item.terms}
    else:
        data = {"mchid": mchid, "appid": item.terms["appid"], "openid": item.openid}
    data |= {
        "contract_id": item.contract_id,
        "plan_id": item.plan_id,
        "out_contract_code": item.code,
        "contract_display_account": item.terms["contract_display_account"],
        "contract_state": item.state,
        "contract_signed_time": rfc3339(item.signed),
        "contract_expired_time": rfc3339(item.signed + _YEAR),
    }
    if "out_user_code" in item.terms:
        data["out_user_code"] = item.terms["out_user_code"]
    if item.state == "TERMINATED":
        data["contract_terminate_info"] = {
            "contract_termination_mode": item.mode,
            "contract_terminated_time": rfc3339(item.terminated),
            "contract_termination_remark": item.remark,
        }
    return data


def find_contract(book: Book, code: str) -> Contract | None:
    """The newest contract of that number."""
    found: list[Contract] = [item for (_, _, known), item in book.shelf("contracts_v3").items() if known == code]
    return found[-1] if found else None


def sign(book: Book, item: Contract, openid: str = "") -> None:
    """The user signs; the merchant is told."""
    if item.state:
        raise Refusal(400, "INVALID_REQUEST", f"协议状态为 {item.state}，不能签约")
    item.state, item.signed = "SIGNED", book.now
    item.contract_id = book.numbers.dated("Wx", book.now, 18)
    item.openid = openid or item.terms.get("openid") or item.terms.get("sp_openid") or "o" + book.numbers.letters(27)
    book.shelf("contract_ids_v3")[item.contract_id] = item
    _tell(book, item, "ENTRUST.SIGN", "委托代扣签约成功")


def terminate(book: Book, item: Contract, mode: str, remark: str) -> None:
    """One side ends the contract; the merchant is told."""
    if item.state != "SIGNED":
        raise Refusal(400, "INVALID_REQUEST", "签约协议未生效或已解约")
    item.state, item.terminated, item.mode, item.remark = "TERMINATED", book.now, mode, remark
    _tell(book, item, "ENTRUST.TERMINATE", "委托代扣解约成功")


def _tell(book: Book, item: Contract, event: str, summary: str) -> None:
    book.notify(item.owner[0], item.terms["contract_notify_url"], event, "entrust", summary, _view(item))


def accept(ask: Ask) -> Answer:
    """受理扣款: the result is told later."""
    body, book = ask.body, ask.book
    check_out_trade_no(body["out_trade_no"])
    check_notify_url(body["transaction_notify_url"])
    owner = (ask.mchid, body.get("sub_mchid", ""))
    terms = body | ({"sp_mchid": ask.mchid} if owner[1] else {"mchid": ask.mchid})
    answer = Answer(data={"out_trade_no": body["out_trade_no"], "amount": body["amount"]})
    known = book.orders.get((owner, body["out_trade_no"]))
    if known is not None:
        if known.terms != terms:
            raise Refusal(400, "INVALID_REQUEST", "商户订单号重复，且与原请求参数不一致")
        return answer
    contract = _in_force(book, owner, body["contract_id"])
    if body["amount"]["total"] < 1:
        detail = {"location": "body", "field": "/body/amount/total", "value": body["amount"]["total"]}
        raise Refusal(400, "PARAM_ERROR", "扣款金额须大于0", detail)
    order = Order(
        owner=owner,
        out_trade_no=body["out_trade_no"],
        trade_type="PAP",
        terms=terms,
        total=body["amount"]["total"],
        created=book.now,
        expires=book.now + _WEEK,
        notify_url=body["transaction_notify_url"],
        openid=contract.openid,
    )
    keep(book, order)
    book.schedule(book.now + _ACCEPTED, "deduction", Deduction(contract, order))
    return answer


def _in_force(book: Book, owner: Owner, contract_id: str) -> Contract:
    found: Contract | None = book.shelf("contract_ids_v3").get(contract_id)
    if found is None or found.owner != owner:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "签约协议不存在")
    if found.state != "SIGNED" or book.now >= found.signed + _YEAR:
        raise Refusal(400, "INVALID_REQUEST", "用户签约关系已解约或到期")
    return found


def deduct(book: Book, item: Deduction) -> None:
    """Collect what was accepted, unless the user has left the contract, or the merchant has closed the order, in between."""
    if item.order.state != "NOTPAY":
        return
    if item.contract.state != "SIGNED":
        item.order.state = "PAYERROR"
        return
    payer_pays(book, item.order)
    tell_paid(book, item.order)


_SIGN, _SCHEDULED, _PAY = "/v3/papay/sign", "/v3/papay/scheduled-deduct-sign", "/v3/papay/pay"
_CODE = "out-contract-code/{out_contract_code}"

ROUTES: Routes = {
    f"POST {_SIGN}/contracts/pre-entrust-sign": prepare,
    f"GET {_SIGN}/contracts/harmony-plan-id/{{plan_id}}/{_CODE}": query,
    f"POST {_PAY}/harmony/transactions/apply": accept,
} | {
    f"{method} {path}": handler
    for who in ("", "/partner")
    for method, path, handler in (
        *(("POST", f"{_SCHEDULED}{who}/contracts/pre-entrust-sign/{place}", prepare) for place in ("app", "h5", "jsapi", "mini-program")),
        ("GET", f"{_SIGN}{who}/contracts/plan-id/{{plan_id}}/{_CODE}", query),
        ("POST", f"{_SIGN}{who}/contracts/plan-id/{{plan_id}}/{_CODE}/terminate", end),
        ("POST", f"{_PAY}{who}/transactions/apply", accept),
    )
}
