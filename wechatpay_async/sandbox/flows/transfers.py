"""Transfers to a user, who confirms them within a day.

    WAIT_USER_CONFIRM -> SUCCESS;  -> FAIL after 24 hours;  -> CANCELING -> CANCELLED

https://pay.weixin.qq.com/doc/v3/merchant/4015273741, https://pay.weixin.qq.com/doc/v3/merchant/4012716434
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..clock import rfc3339
from ..models import Book, Posting
from ..wire import Answer, Refusal
from .accounts import available, hold
from .context import Ask, Routes, check_notify_url, text_limit

__all__ = ["ROUTES", "Transfer", "confirm", "find_transfer", "lapse"]

_DAY = 86_400
_CANCELING = 3
#: Fen. Below the first no name may be given, from the second on it must be: it is checked against the receiver's.
_NAME_FROM, _NAME_MUST = 30, 200_000
_LEAST = 10


@dataclass
class Transfer:
    """A transfer. The money leaves the account when it succeeds, and is held back until then."""

    mchid: str
    number: str
    bill_no: str
    terms: dict[str, Any]
    amount: int
    created: float
    updated: float
    state: str = "WAIT_USER_CONFIRM"
    package: str = ""
    fail_reason: str = ""
    cancel_due: float = 0


def create(ask: Ask) -> Answer:
    """发起转账."""
    body, book = ask.body, ask.book
    _check(body)
    shelf, key = book.shelf("transfers"), (ask.mchid, body["out_bill_no"])
    known: Transfer | None = shelf.get(key)
    if known is not None:
        if known.terms != body:
            raise Refusal(400, "ALREADY_EXISTS", "商户单号重复，且与原请求参数不一致")
        return Answer(data=_placed(known))
    if body["transfer_amount"] > available(book, ask.mchid):
        raise Refusal(403, "NOT_ENOUGH", "商户运营账户资金不足")
    made = Transfer(
        mchid=ask.mchid,
        number=body["out_bill_no"],
        bill_no=book.numbers.dated("1330", book.now, 20),
        terms=body,
        amount=body["transfer_amount"],
        created=book.now,
        updated=book.now,
        package=book.numbers.letters(64),
    )
    shelf[key] = made
    book.shelf("transfer_bills")[made.bill_no] = made
    hold(book, made.mchid, made.amount)
    book.schedule(made.created + _DAY, "transfer", made)
    return Answer(data=_placed(made))


def _check(body: dict[str, Any]) -> None:
    amount = body["transfer_amount"]
    if not re.fullmatch(r"[0-9A-Za-z]{1,32}", body["out_bill_no"], re.ASCII):
        detail = {"location": "body", "field": "/body/out_bill_no", "value": body["out_bill_no"]}
        raise Refusal(400, "PARAM_ERROR", "商户单号须为1至32个数字或大小写字母", detail)
    text_limit(body["transfer_remark"], 32, "/body/transfer_remark")
    if "notify_url" in body:
        check_notify_url(body["notify_url"])
    if amount != int(amount) or amount < _LEAST:
        raise Refusal(
            400, "PARAM_ERROR", "转账金额须为整数且不少于10分", {"location": "body", "field": "/body/transfer_amount", "value": amount}
        )
    name = body.get("user_name", "")
    if bool(name) and amount < _NAME_FROM:
        raise Refusal(400, "PARAM_ERROR", "转账金额小于0.3元时不能填写收款用户姓名", {"location": "body", "field": "/body/user_name"})
    if not name and amount >= _NAME_MUST:
        raise Refusal(400, "PARAM_ERROR", "转账金额达到2000元时须填写收款用户姓名", {"location": "body", "field": "/body/user_name"})


def _placed(item: Transfer) -> dict[str, Any]:
    data: dict[str, Any] = {
        "out_bill_no": item.number,
        "transfer_bill_no": item.bill_no,
        "create_time": rfc3339(item.created),
        "state": item.state,
    }
    if item.state == "WAIT_USER_CONFIRM":
        data["package_info"] = item.package
    if item.fail_reason:
        data["fail_reason"] = item.fail_reason
    return data


def _find(ask: Ask) -> Transfer:
    number, bill_no = ask.path.get("out_bill_no"), ask.path.get("transfer_bill_no")
    shelf, key = ("transfers", (ask.mchid, number)) if number is not None else ("transfer_bills", bill_no)
    found: Transfer | None = ask.book.shelf(shelf).get(key)
    if found is None or found.mchid != ask.mchid:
        raise Refusal(404, "NOT_FOUND", "转账单不存在")
    return found


def query(ask: Ask) -> Answer:
    """查询转账单, by either number."""
    item = _find(ask)
    data: dict[str, Any] = {
        "mch_id": item.mchid,
        "out_bill_no": item.number,
        "transfer_bill_no": item.bill_no,
        "appid": item.terms["appid"],
        "state": item.state,
        "transfer_amount": item.amount,
        "transfer_remark": item.terms["transfer_remark"],
        "openid": item.terms["openid"],
        "create_time": rfc3339(item.created),
        "update_time": rfc3339(item.updated),
    }
    if item.terms.get("user_name"):
        data["user_name"] = item.terms["user_name"]
    if item.fail_reason:
        data["fail_reason"] = item.fail_reason
    return Answer(data=data)


def cancel(ask: Ask) -> Answer:
    """撤销转账: before the user confirms."""
    item, book = _find(ask), ask.book
    if item.state == "WAIT_USER_CONFIRM":
        item.state, item.updated, item.cancel_due = "CANCELING", book.now, book.now + _CANCELING
        book.schedule(item.cancel_due, "transfer", item)
    elif item.state not in {"CANCELING", "CANCELLED"}:
        raise Refusal(400, "INVALID_REQUEST", f"转账单状态为 {item.state}，不能撤销")
    data = {"out_bill_no": item.number, "transfer_bill_no": item.bill_no, "state": item.state, "update_time": rfc3339(item.updated)}
    return Answer(data=data)


def find_transfer(book: Book, out_bill_no: str) -> Transfer:
    """The newest transfer of that number. Raises `LookupError`."""
    found: list[Transfer] = [item for (_, number), item in book.shelf("transfers").items() if number == out_bill_no]
    if not found:
        raise LookupError(f"no transfer {out_bill_no!r}")
    return found[-1]


def confirm(book: Book, item: Transfer) -> None:
    """The user's part: takes the money."""
    if item.state != "WAIT_USER_CONFIRM":
        raise Refusal(400, "INVALID_REQUEST", f"转账单状态为 {item.state}，不能确认")
    book.post(Posting(book.now, item.mchid, "商家转账", -item.amount, item.bill_no))
    _end(book, item, "SUCCESS")


def lapse(book: Book, item: Transfer) -> None:
    """Fail what nobody confirmed within a day, and finish what is being cancelled."""
    if item.state == "WAIT_USER_CONFIRM" and book.now >= item.created + _DAY:
        _end(book, item, "FAIL", "OVERDUE_CLOSE")
    elif item.state == "CANCELING" and book.now >= item.cancel_due:
        _end(book, item, "CANCELLED", "MCH_CANCEL")


def _end(book: Book, item: Transfer, state: str, reason: str = "") -> None:
    item.state, item.updated, item.fail_reason = state, book.now, reason
    hold(book, item.mchid, -item.amount)
    resource: dict[str, Any] = {
        "mch_id": item.mchid,
        "out_bill_no": item.number,
        "transfer_bill_no": item.bill_no,
        "state": state,
        "transfer_amount": item.amount,
        "openid": item.terms["openid"],
        "create_time": rfc3339(item.created),
        "update_time": rfc3339(item.updated),
    }
    if reason:
        resource["fail_reason"] = reason
    url = item.terms.get("notify_url", "")
    book.notify(item.mchid, url, "MCHTRANSFER.BILL.FINISHED", "mch_payment", "商家转账单据终态通知", resource)


_BASE = "/v3/fund-app/mch-transfer/transfer-bills"

ROUTES: Routes = {
    f"POST {_BASE}": create,
    f"GET {_BASE}/out-bill-no/{{out_bill_no}}": query,
    f"GET {_BASE}/transfer-bill-no/{{transfer_bill_no}}": query,
    f"POST {_BASE}/out-bill-no/{{out_bill_no}}/cancel": cancel,
}
