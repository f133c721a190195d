"""Applications: a platform's shops and a service provider's merchants are examined, sign, and have a number of their own.

    ecommerce:     CHECKING -> AUDITING -> NEED_SIGN -> FINISH;  -> REJECTED
    sub-merchants: APPLYMENT_STATE_AUDITING -> …TO_BE_SIGNED -> …FINISHED;  -> …REJECTED

https://pay.weixin.qq.com/wiki/doc/apiv3_partner/apis/chapter7_1_1.shtml,
https://pay.weixin.qq.com/wiki/doc/apiv3_partner/apis/chapter11_1_1.shtml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..models import Book
from ..wire import Answer, Refusal
from .context import Ask, Routes, text_limit

__all__ = ["ROUTES", "Applyment", "advance", "approve", "find_applyment", "finish_change", "reject", "sign"]

_CHECKING = 60
_AUDITING = 86_400
_CHANGING = 3

#: The steps of both kinds, under the names of the one for shops.
_OF_SUB_MERCHANTS: Mapping[str, str] = {
    "AUDITING": "APPLYMENT_STATE_AUDITING",
    "REJECTED": "APPLYMENT_STATE_REJECTED",
    "NEED_SIGN": "APPLYMENT_STATE_TO_BE_SIGNED",
    "FINISH": "APPLYMENT_STATE_FINISHED",
}
_SAID: Mapping[str, str] = {
    "CHECKING": "资料校验中",
    "AUDITING": "审核中",
    "REJECTED": "已驳回",
    "NEED_SIGN": "待签约",
    "FINISH": "完成",
}


@dataclass
class Applyment:
    """An application; `is_shop` when it came from an ecommerce platform."""

    mchid: str
    number: str
    applyment_id: int
    terms: dict[str, Any]
    is_shop: bool
    state: str
    #: When the clock may take it a step further.
    due: float = 0
    sub_mchid: str = ""
    findings: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    @property
    def account(self) -> dict[str, Any]:
        """The bank account that was given, under the names of the settlement operations."""
        given: dict[str, Any] = self.terms["account_info" if self.is_shop else "bank_account_info"]
        business = given.get("bank_account_type") in {"74", "BANK_ACCOUNT_TYPE_CORPORATE"}
        return given | {"account_type": "ACCOUNT_TYPE_BUSINESS" if business else "ACCOUNT_TYPE_PRIVATE"}

    @property
    def sign_url(self) -> str:
        return f"https://pay.weixin.qq.com/public/apply4ec_sign/s?applymentId={self.applyment_id}&sign={self.number}"


@dataclass
class AccountChange:
    """A wish for another bank account."""

    sub_mchid: str
    number: str
    account: dict[str, Any]
    is_done: bool = False


def apply_for_shop(ask: Ask) -> Answer:
    """二级商户进件."""
    made = _apply(ask, "out_request_no", is_shop=True)
    return Answer(data={"applyment_id": made.applyment_id, "out_request_no": made.number})


def apply_for_sub_merchant(ask: Ask) -> Answer:
    """提交申请单."""
    return Answer(data={"applyment_id": _apply(ask, "business_code", is_shop=False).applyment_id})


def _apply(ask: Ask, name: str, *, is_shop: bool) -> Applyment:
    body, book = ask.body, ask.book
    text_limit(body[name], 124, f"/body/{name}")
    shelf, key = book.shelf("applyments"), (ask.mchid, is_shop, body[name])
    known: Applyment | None = shelf.get(key)
    if known is not None and known.state != "REJECTED":
        if known.terms != body:
            raise Refusal(400, "INVALID_REQUEST", f"申请单状态为 {known.state}，不能修改资料")
        return known
    state = "CHECKING" if is_shop else "AUDITING"
    if known is not None:
        known.terms, known.state, known.findings = body, state, []
        made = known
    else:
        applyment_id = 2_000_000_000_000_001 + len(book.shelf("applyment_ids"))
        made = Applyment(ask.mchid, body[name], applyment_id, body, is_shop, state)
        shelf[key] = book.shelf("applyment_ids")[applyment_id] = made
    _examine(book, made, _CHECKING if is_shop else _AUDITING)
    return made


def _examine(book: Book, item: Applyment, seconds: float) -> None:
    item.due = book.now + seconds
    book.schedule(item.due, "applyment", item)


def query_shop(ask: Ask) -> Answer:
    """查询申请状态 of a shop, by either number."""
    item = _find(ask, is_shop=True)
    data: dict[str, Any] = {
        "applyment_state": item.state,
        "applyment_state_desc": _SAID[item.state],
        "out_request_no": item.number,
        "applyment_id": item.applyment_id,
        "sign_state": {"NEED_SIGN": "UNSIGNED", "FINISH": "SIGNED"}.get(item.state, "NOT_SIGNABLE"),
    }
    if item.findings:
        data["audit_detail"] = [{"param_name": each["field"], "reject_reason": each["reject_reason"]} for each in item.findings]
    return Answer(data=data | _signing(item))


def query_sub_merchant(ask: Ask) -> Answer:
    """查询申请状态 of a sub-merchant, by either number."""
    item = _find(ask, is_shop=False)
    data: dict[str, Any] = {
        "business_code": item.number,
        "applyment_id": item.applyment_id,
        "applyment_state": _OF_SUB_MERCHANTS[item.state],
        "applyment_state_msg": _SAID[item.state],
    }
    if item.findings:
        data["audit_detail"] = [each | {"field_name": each["field"]} for each in item.findings]
    return Answer(data=data | _signing(item))


def _signing(item: Applyment) -> dict[str, str]:
    if item.state == "NEED_SIGN":
        return {"sign_url": item.sign_url, "sub_mchid": item.sub_mchid}
    return {"sub_mchid": item.sub_mchid} if item.sub_mchid else {}


def _find(ask: Ask, *, is_shop: bool) -> Applyment:
    number = ask.path.get("out_request_no", ask.path.get("business_code"))
    if number is not None:
        found: Applyment | None = ask.book.shelf("applyments").get((ask.mchid, is_shop, number))
    else:
        given = ask.path["applyment_id"]
        found = ask.book.shelf("applyment_ids").get(int(given) if given.isdecimal() else 0)
    if found is None or (found.mchid, found.is_shop) != (ask.mchid, is_shop):
        raise Refusal(404, "NOT_FOUND", "申请单不存在")
    return found


def advance(book: Book, item: Applyment) -> None:
    """By the clock: checked, then examined, and approved where nobody has rejected it before. Signing waits for the merchant."""
    if book.now < item.due:
        return
    if item.state == "CHECKING":
        item.state = "AUDITING"
        _examine(book, item, _AUDITING)
    elif item.state == "AUDITING":
        approve(book, item)


def find_applyment(book: Book, number: str) -> Applyment:
    """The newest application of that `out_request_no` or `business_code`. Raises `LookupError`."""
    found: list[Applyment] = [item for (_, _, known), item in book.shelf("applyments").items() if known == number]
    if not found:
        raise LookupError(f"no application {number!r}")
    return found[-1]


def approve(book: Book, item: Applyment) -> None:
    """WeChat Pay has nothing against it: the merchant has a number, and must sign."""
    _must_be(item, {"CHECKING", "AUDITING"}, "审核")
    shops: dict[str, Applyment] = book.shelf("sub_merchants")
    item.state, item.findings = "NEED_SIGN", []
    item.sub_mchid = item.sub_mchid or str(1_900_100_001 + len(shops))
    shops[item.sub_mchid] = item


def reject(item: Applyment, name: str, reason: str) -> None:
    """WeChat Pay wants something put right; the application is sent again under its number."""
    _must_be(item, {"CHECKING", "AUDITING"}, "审核")
    item.state, item.findings = "REJECTED", [{"field": name, "reject_reason": reason}]


def sign(item: Applyment) -> None:
    """The merchant signs, and may be paid."""
    _must_be(item, {"NEED_SIGN"}, "签约")
    item.state = "FINISH"


def _must_be(item: Applyment, states: set[str], what: str) -> None:
    if item.state not in states:
        raise Refusal(400, "INVALID_REQUEST", f"申请单状态为 {item.state}，不能{what}")


def change_account(ask: Ask) -> Answer:
    """修改结算帐号: the new account is checked for a moment before it is the one."""
    item, book = _sub_merchant(ask), ask.book
    number = book.numbers.dated("1023", book.now, 10)
    made = AccountChange(
        item.sub_mchid, number, ask.body | {"account_name": ask.body.get("account_name") or item.account.get("account_name", "")}
    )
    book.shelf("account_changes")[number] = made
    book.schedule(book.now + _CHANGING, "account", made)
    return Answer(data={"application_no": number})


def finish_change(book: Book, change: AccountChange) -> None:
    """The new account is the one to which money is settled."""
    change.is_done = True
    book.shelf("settlement_accounts")[change.sub_mchid] = change.account


def query_account(ask: Ask) -> Answer:
    """查询结算账户."""
    item = _sub_merchant(ask)
    account = ask.book.shelf("settlement_accounts").get(item.sub_mchid, item.account)
    return Answer(data=_account_view(account) | {"verify_result": "VERIFY_SUCCESS"})


def query_change(ask: Ask) -> Answer:
    """查询结算账户修改申请状态."""
    item = _sub_merchant(ask)
    change: AccountChange | None = ask.book.shelf("account_changes").get(ask.path["application_no"])
    if change is None or change.sub_mchid != item.sub_mchid:
        raise Refusal(404, "NOT_FOUND", "修改申请单不存在")
    name = change.account["account_name"]
    data = _account_view(change.account) | {"account_name": name[:1] + "*" * (len(name) - 1)}
    return Answer(data=data | {"verify_result": "AUDIT_SUCCESS" if change.is_done else "AUDITING"})


def _account_view(account: dict[str, Any]) -> dict[str, Any]:
    number = account.get("account_number", "")
    shown = {name: account[name] for name in ("account_type", "bank_name", "bank_branch_id") if name in account}
    return shown | {
        "account_bank": account.get("account_bank", ""),
        "account_number": number[:2] + "*" * max(len(number) - 4, 0) + number[-2:],
    }


def _sub_merchant(ask: Ask) -> Applyment:
    found: Applyment | None = ask.book.shelf("sub_merchants").get(ask.path["sub_mchid"])
    if found is None or found.mchid != ask.mchid:
        raise Refusal(403, "NO_AUTH", "该特约商户或二级商户不是由本商户进件")
    return found


_SHOPS, _SUBS = "/v3/ecommerce/applyments", "/v3/applyment4sub/applyment"
_MERCHANT = "/v3/apply4sub/sub_merchants/{sub_mchid}"

ROUTES: Routes = {
    f"POST {_SHOPS}/": apply_for_shop,
    f"GET {_SHOPS}/{{applyment_id}}": query_shop,
    f"GET {_SHOPS}/out-request-no/{{out_request_no}}": query_shop,
    f"POST {_SUBS}/": apply_for_sub_merchant,
    f"GET {_SUBS}/applyment_id/{{applyment_id}}": query_sub_merchant,
    f"GET {_SUBS}/business_code/{{business_code}}": query_sub_merchant,
    f"POST {_MERCHANT}/modify-settlement": change_account,
    f"GET {_MERCHANT}/settlement": query_account,
    f"GET {_MERCHANT}/application/{{application_no}}": query_change,
}
