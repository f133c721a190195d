"""Transfers in batches, the older kind: to many users at once, none of whom confirms.

    batch:  ACCEPTED -> PROCESSING -> FINISHED
    detail: INIT -> PROCESSING -> SUCCESS;  -> FAIL where the user cannot receive

https://pay.weixin.qq.com/wiki/doc/apiv3/wxpay/pay/transfer/chapter3_1.shtml
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ..clock import rfc3339
from ..models import Book, Posting
from ..wire import Answer, Refusal
from .accounts import available, hold
from .context import Ask, Routes, check_notify_url, text_limit

__all__ = ["ROUTES", "Batch", "Detail", "advance"]

_ACCEPTED = 3
_PROCESSING = 3
_MOST_DETAILS = 1_000
_LEAST_PAGE, _MOST_PAGE = 20, 100


@dataclass
class Detail:
    """What one user gets."""

    detail_id: str
    terms: dict[str, Any]
    updated: float
    status: str = "INIT"
    fail_reason: str = ""

    @property
    def amount(self) -> int:
        return int(self.terms["transfer_amount"])


@dataclass
class Batch:
    """A batch of transfers. Its money is held back from the beginning; what could not be transferred is free again at the end."""

    mchid: str
    number: str
    batch_id: str
    terms: dict[str, Any]
    created: float
    updated: float
    status: str = "ACCEPTED"
    details: list[Detail] = field(default_factory=list[Detail])

    @property
    def total(self) -> int:
        return int(self.terms["total_amount"])


def create(ask: Ask) -> Answer:
    """发起批量转账."""
    body, book = ask.body, ask.book
    _check(body)
    shelf, key = book.shelf("batches"), (ask.mchid, body["out_batch_no"])
    known: Batch | None = shelf.get(key)
    if known is not None:
        if known.terms != body:
            raise Refusal(400, "ALREADY_EXISTS", "商家批次单号重复，且与原请求参数不一致")
        return Answer(data=_placed(known))
    if body["total_amount"] > available(book, ask.mchid):
        raise Refusal(403, "NOT_ENOUGH", "商户账户资金不足")
    made = Batch(
        mchid=ask.mchid,
        number=body["out_batch_no"],
        batch_id=book.numbers.dated("1030", book.now, 20),
        terms=body,
        created=book.now,
        updated=book.now,
    )
    made.details = [Detail(book.numbers.dated("1040", book.now, 20), item, book.now) for item in body["transfer_detail_list"]]
    shelf[key] = made
    book.shelf("batch_ids")[made.batch_id] = made
    hold(book, made.mchid, made.total)
    book.schedule(book.now + _ACCEPTED, "batch", made)
    return Answer(data=_placed(made))


def _check(body: dict[str, Any]) -> None:
    details: list[dict[str, Any]] = body["transfer_detail_list"]
    _check_number(body["out_batch_no"], "/body/out_batch_no")
    text_limit(body["batch_name"], 32, "/body/batch_name")
    text_limit(body["batch_remark"], 32, "/body/batch_remark")
    if "notify_url" in body:
        check_notify_url(body["notify_url"])
    if not 1 <= len(details) <= _MOST_DETAILS or body["total_num"] != len(details):
        raise _wrong("转账总笔数须与明细数一致，且为1至1000", "/body/total_num", body["total_num"])
    for place, item in enumerate(details):
        where = f"/body/transfer_detail_list/{place}"
        _check_number(item["out_detail_no"], f"{where}/out_detail_no")
        text_limit(item["transfer_remark"], 32, f"{where}/transfer_remark")
        if item["transfer_amount"] < 1:
            raise _wrong("转账金额须大于0", f"{where}/transfer_amount", item["transfer_amount"])
    if body["total_amount"] != sum(item["transfer_amount"] for item in details):
        raise _wrong("转账总金额须与明细金额之和一致", "/body/total_amount", body["total_amount"])
    if len({item["out_detail_no"] for item in details}) != len(details):
        raise _wrong("商家明细单号在批次内须唯一", "/body/transfer_detail_list", None)


def _check_number(number: str, where: str) -> None:
    if not re.fullmatch(r"[0-9A-Za-z]{5,32}", number, re.ASCII):
        raise _wrong("商家单号须为5至32个数字或大小写字母", where, number)


def _wrong(message: str, where: str, value: Any) -> Refusal:
    return Refusal(400, "PARAM_ERROR", message, {"location": "body", "field": where, "value": value})


def _placed(item: Batch) -> dict[str, Any]:
    return {
        "out_batch_no": item.number,
        "batch_id": item.batch_id,
        "create_time": rfc3339(item.created),
        "batch_status": item.status,
    }


def _find(ask: Ask) -> Batch:
    number, batch_id = ask.path.get("out_batch_no"), ask.path.get("batch_id")
    shelf, key = ("batches", (ask.mchid, number)) if number is not None else ("batch_ids", batch_id)
    found: Batch | None = ask.book.shelf(shelf).get(key)
    if found is None or found.mchid != ask.mchid:
        raise Refusal(404, "NOT_FOUND", "转账批次单不存在")
    return found


def query(ask: Ask) -> Answer:
    """查询批次单, by either number. Details are shown once the batch is finished."""
    item = _find(ask)
    data: dict[str, Any] = {"transfer_batch": _batch_view(item)}
    if not ask.query["need_query_detail"]:
        return Answer(data=data)
    wanted = ask.query.get("detail_status")
    if wanted not in {"ALL", "SUCCESS", "FAIL"}:
        raise Refusal(400, "PARAM_ERROR", "查询明细时须填写明细状态", {"location": "query", "field": "detail_status", "value": wanted})
    offset, limit = int(ask.query.get("offset", 0)), int(ask.query.get("limit", _LEAST_PAGE))
    if offset < 0 or not _LEAST_PAGE <= limit <= _MOST_PAGE:
        raise Refusal(400, "PARAM_ERROR", "最大资源条数须为20至100", {"location": "query", "field": "limit", "value": limit})
    chosen = [detail for detail in item.details if item.status == "FINISHED" and wanted in {"ALL", detail.status}]
    data["transfer_detail_list"] = [
        {"detail_id": detail.detail_id, "out_detail_no": detail.terms["out_detail_no"], "detail_status": detail.status}
        for detail in chosen[offset : offset + limit]
    ]
    if "out_batch_no" in ask.path:
        data |= {"offset": offset, "limit": limit}
    return Answer(data=data)


def _batch_view(item: Batch) -> dict[str, Any]:
    data: dict[str, Any] = {
        "mchid": item.mchid,
        "out_batch_no": item.number,
        "batch_id": item.batch_id,
        "appid": item.terms["appid"],
        "batch_status": item.status,
        "batch_type": "API",
        "batch_name": item.terms["batch_name"],
        "batch_remark": item.terms["batch_remark"],
        "total_amount": item.total,
        "total_num": len(item.details),
        "create_time": rfc3339(item.created),
        "update_time": rfc3339(item.updated),
        "transfer_scene_id": item.terms["transfer_scene_id"],
    }
    return data | _sums(item)


def _sums(item: Batch) -> dict[str, int]:
    went = [detail.amount for detail in item.details if detail.status == "SUCCESS"]
    failed = [detail.amount for detail in item.details if detail.status == "FAIL"]
    return {"success_amount": sum(went), "success_num": len(went), "fail_amount": sum(failed), "fail_num": len(failed)}


def query_detail(ask: Ask) -> Answer:
    """查询明细单, by either pair of numbers."""
    item, path = _find(ask), ask.path
    for detail in item.details:
        if path.get("detail_id") == detail.detail_id or path.get("out_detail_no") == detail.terms["out_detail_no"]:
            return Answer(data=_detail_view(item, detail))
    raise Refusal(404, "NOT_FOUND", "转账明细单不存在")


def _detail_view(item: Batch, detail: Detail) -> dict[str, Any]:
    data: dict[str, Any] = {
        "mchid": item.mchid,
        "out_batch_no": item.number,
        "batch_id": item.batch_id,
        "appid": item.terms["appid"],
        "out_detail_no": detail.terms["out_detail_no"],
        "detail_id": detail.detail_id,
        "detail_status": detail.status,
        "transfer_amount": detail.amount,
        "transfer_remark": detail.terms["transfer_remark"],
        "openid": detail.terms["openid"],
        "user_name": detail.terms["user_name"],
        "initiate_time": rfc3339(item.created),
        "update_time": rfc3339(detail.updated),
    }
    if detail.fail_reason:
        data["fail_reason"] = detail.fail_reason
    return data


def advance(book: Book, item: Batch) -> None:
    """By the clock: the batch begins, then each user has the money or the reason why not."""
    item.updated = book.now
    if item.status == "ACCEPTED":
        item.status = "PROCESSING"
        for detail in item.details:
            detail.status, detail.updated = "PROCESSING", book.now
        book.schedule(book.now + _PROCESSING, "batch", item)
        return
    item.status = "FINISHED"
    hold(book, item.mchid, -item.total)
    for detail in item.details:
        _end(book, item, detail)
    resource: dict[str, Any] = {
        "out_batch_no": item.number,
        "batch_id": item.batch_id,
        "batch_status": "FINISHED",
        "total_num": len(item.details),
        "total_amount": item.total,
        **_sums(item),
        "update_time": rfc3339(item.updated),
    }
    url = item.terms.get("notify_url", "")
    book.notify(item.mchid, url, "MCHTRANSFER.BATCH.FINISHED", "mch_payment", "商家转账批次完成通知", resource)


def _end(book: Book, item: Batch, detail: Detail) -> None:
    detail.updated = book.now
    detail.fail_reason = book.shelf("cannot_receive").get(detail.terms["openid"], "")
    detail.status = "FAIL" if detail.fail_reason else "SUCCESS"
    if not detail.fail_reason:
        book.post(Posting(book.now, item.mchid, "商家转账", -detail.amount, detail.detail_id))


_BASE = "/v3/transfer/batches"

ROUTES: Routes = {
    f"POST {_BASE}": create,
    f"GET {_BASE}/batch-id/{{batch_id}}": query,
    f"GET {_BASE}/out-batch-no/{{out_batch_no}}": query,
    f"GET {_BASE}/batch-id/{{batch_id}}/details/detail-id/{{detail_id}}": query_detail,
    f"GET {_BASE}/out-batch-no/{{out_batch_no}}/details/out-detail-no/{{out_detail_no}}": query_detail,
}
