"""What a merchant sees of the complaints about it: lists, one complaint, what was said; in the newer and in the older form.

https://pay.weixin.qq.com/doc/v3/merchant/4012533436, https://pay.weixin.qq.com/doc/v3/merchant/4012533439
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ...clock import BEIJING
from ...wire import Answer, Refusal
from ..context import Ask, Routes
from .images import image_url
from .model import PROBLEM_TYPES, Complaint, Saying

__all__ = ["ROUTES", "find_own", "find_own_by_payment"]

_MOST_DAYS = 30


def list_complaints(ask: Ask) -> Answer:
    """查询投诉单列表, newest first."""
    chosen, page = _listed(ask, ask.query.get("complainted_mchid"))
    return Answer(data={"data": [_view(item) for item in chosen]} | page)


def list_old(ask: Ask) -> Answer:
    """查询投诉信息, the older list."""
    chosen, page = _listed(ask, ask.query.get("sub_mchid"))
    return Answer(data={"data": [_old_view(item) for item in chosen]} | page)


def _listed(ask: Ask, mchid: str | None) -> tuple[list[Complaint], dict[str, int]]:
    first, last = _day(ask, "begin_date"), _day(ask, "end_date")
    if not 0 <= (last - first).days <= _MOST_DAYS:
        raise _wrong_query("end_date", ask.query["end_date"], f"查询日期跨度须为0至{_MOST_DAYS}天")
    offset, limit = _page(ask, usual=10, most=50)
    found = [
        item
        for item in reversed(ask.book.shelf("complaints").values())
        if ask.mchid in item.order.owner
        and mchid in (None, item.mchid)
        and first <= datetime.fromtimestamp(item.filed, BEIJING).date() <= last
    ]
    page = {"offset": offset, "limit": limit} | ({"total_count": len(found)} if offset == 0 else {})
    return found[offset : offset + limit], page


def _day(ask: Ask, name: str) -> date:
    text = ask.query[name]
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise _wrong_query(name, text, "日期格式须为yyyy-MM-DD")
    return day


def _page(ask: Ask, *, usual: int, most: int) -> tuple[int, int]:
    offset, limit = ask.query.get("offset", 0), ask.query.get("limit", usual)
    if not 1 <= limit <= most:
        raise _wrong_query("limit", limit, f"分页大小须为1至{most}")
    if offset < 0:
        raise _wrong_query("offset", offset, "分页开始位置须不小于0")
    return offset, limit


def _wrong_query(name: str, value: Any, message: str) -> Refusal:
    return Refusal(400, "PARAM_ERROR", message, {"location": "query", "field": name, "value": value})


def query(ask: Ask) -> Answer:
    """查询投诉单详情."""
    item = find_own(ask, "您暂无权限查询该投诉单的信息")
    return Answer(data=_view(item) | {"payer_openid": item.order.openid})


def query_old(ask: Ask) -> Answer:
    """查询投诉详情, by the payment's number."""
    item = find_own_by_payment(ask, ask.path["transaction_id"])
    progress = "WAIT_MERCHANT_RESPONSE" if item.state == "PENDING" else item.state
    return Answer(data=_old_view(item) | {"complaint_handle_state": progress})


def query_history(ask: Ask) -> Answer:
    """查询投诉单协商历史, newest first."""
    item = find_own(ask, "您暂无权限查询该投诉单的信息")
    offset, limit = _page(ask, usual=100, most=300)
    shown = [_saying_view(ask, each) for each in reversed(item.history)]
    page = {"offset": offset, "limit": limit} | ({"total_count": len(shown)} if offset == 0 else {})
    return Answer(data={"data": shown[offset : offset + limit]} | page)


def query_old_history(ask: Ask) -> Answer:
    """查询投诉协商历史, by the payment's number."""
    item = find_own_by_payment(ask, ask.path["transaction_id"])
    return Answer(data={"complaint_negotiation_history": [_old_saying(ask, each) for each in reversed(item.history)]})


def find_own(ask: Ask, message: str) -> Complaint:
    """The complaint that the path names; a merchant that it does not concern is refused with this message."""
    found: Complaint | None = ask.book.shelf("complaints").get(ask.path["complaint_id"])
    if found is None or ask.mchid not in found.order.owner:
        # The answer of the real one for another merchant's: https://pay.weixin.qq.com/doc/v3/partner/4016111688
        raise Refusal(403, "NO_AUTH", message)
    return found


def find_own_by_payment(ask: Ask, transaction_id: str) -> Complaint:
    """The complaint about a payment, as the older operations name it."""
    for item in ask.book.shelf("complaints").values():
        if item.order.transaction_id == transaction_id and ask.mchid in item.order.owner:
            found: Complaint = item
            return found
    raise Refusal(403, "NO_AUTH", "您暂无权限查询该投诉单的信息")


def _moment(at: float) -> str:
    """A time with milliseconds, as complaints have it: `2015-05-20T13:29:35.120+08:00`."""
    return datetime.fromtimestamp(at, BEIJING).isoformat(timespec="milliseconds")


def _view(item: Complaint) -> dict[str, Any]:
    order = item.order
    data: dict[str, Any] = {
        "complaint_id": item.complaint_id,
        "complaint_time": _moment(item.filed),
        "complaint_detail": item.detail,
        "complaint_state": item.state,
        "complainted_mchid": item.mchid,
        "complaint_order_info": [{"transaction_id": order.transaction_id, "out_trade_no": order.out_trade_no, "amount": order.total}],
        "service_order_info": [{"out_order_no": order.score_order_no, "state": "DONE"}] if order.score_order_no else [],
        "complaint_media_list": [],
        "complaint_full_refunded": item.is_fully_refunded,
        "incoming_user_response": item.is_waiting,
        "problem_description": PROBLEM_TYPES[item.problem_type],
        "problem_type": item.problem_type,
        "user_complaint_times": item.times,
        "user_tag_list": ["TRUSTED"] if item.problem_type == "REFUND" else [],
        "in_platform_service": item.has_platform,
        "need_immediate_service": item.is_urgent,
    }
    if item.problem_type == "REFUND":
        data["apply_refund_amount"] = item.refund_amount
    return data | _phone(item)


def _phone(item: Complaint) -> dict[str, str]:
    """Only where the user has given one: https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter10_2_8.shtml"""
    return {"payer_phone": item.phone} if item.phone else {}


def _old_view(item: Complaint) -> dict[str, Any]:
    state = "PAYER_CANCELED" if item.is_revoked else "MERCHANT_REFUNDED" if item.is_fully_refunded else "PAYER_COMPLAINTED"
    data: dict[str, Any] = {
        "out_trade_no": item.order.out_trade_no,
        "transaction_id": item.order.transaction_id,
        "complaint_time": _moment(item.filed),
        "amount": item.order.total,
        "complaint_detail": item.detail,
        "complaint_state": state,
    }
    return data | _phone(item) | ({"sub_mchid": item.mchid} if item.order.owner[1] else {})


def _saying_view(ask: Ask, each: Saying) -> dict[str, Any]:
    urls = _image_urls(ask, each)
    data: dict[str, Any] = {
        "log_id": each.log_id,
        "operator": each.operator,
        "operate_time": _moment(each.at),
        "operate_type": each.kind,
        "operate_details": each.text,
        "image_list": urls,
    }
    if urls:
        data["complaint_media_list"] = {"media_type": "OPERATION_IMAGE", "media_url": urls}
    if each.message is not None:
        data["normal_message"] = each.message
    if each.kind == "USER_APPLY_PLATFORM_SERVICE":
        data["user_appy_platform_service_reason"] = each.text
    return data


#: Entries that the older history calls by another name, or does not have.
_OLD_KINDS: Mapping[str, str] = {
    "PLATFORM_RESPONSE": "RESPONSE_BY_PLATFORM",
    "MERCHANT_CONFIRM_COMPLETE": "MERCHANT_LAUNCH_CONFIRM_PROCESS",
    "USER_COMFIRM_COMPLAINT": "USER_CONFIRM_COMPLAINT",
    "COMPLAINT_FULL_REFUNDED_SYSTEM_MESSAGE": "SELLER_REFUND_SYSTEM_MESSAGE",
    "COMPLAINT_PARTIAL_REFUNDED_SYSTEM_MESSAGE": "SELLER_REFUND_SYSTEM_MESSAGE",
    "COMPLAINT_REFUND_RECEIVED_SYSTEM_MESSAGE": "SELLER_REFUND_SYSTEM_MESSAGE",
    "MERCHANT_APPROVE_REFUND": "MERCHANT_RESPONSE",
    "MERCHANT_REFUSE_RERUND": "MERCHANT_RESPONSE",
    "USER_APPLY_PLATFORM_SERVICE": "CONTINUE_COMPLAINT_BY_PLATFORM",
    "USER_CANCEL_PLATFORM_SERVICE": "USER_RESPONSE",
    "PLATFORM_SERVICE_FINISHED": "RESPONSE_BY_PLATFORM",
}


def _old_saying(ask: Ask, each: Saying) -> dict[str, Any]:
    return {
        "operate_user": each.operator,
        "operate_time": _moment(each.at),
        "operate_type": _OLD_KINDS.get(each.kind, each.kind),
        "operate_details": each.text,
        "image_list": _image_urls(ask, each),
    }


def _image_urls(ask: Ask, each: Saying) -> list[str]:
    return [image_url(ask.base_url, media_id) for media_id in each.images]


_BASE = "/v3/merchant-service"

ROUTES: Routes = {
    f"GET {_BASE}/complaints-v2": list_complaints,
    f"GET {_BASE}/complaints-v2/{{complaint_id}}": query,
    f"GET {_BASE}/complaints-v2/{{complaint_id}}/negotiation-historys": query_history,
    f"GET {_BASE}/complaints": list_old,
    f"GET {_BASE}/complaints/{{transaction_id}}": query_old,
    f"GET {_BASE}/complaints/{{transaction_id}}/negotiation-historys": query_old_history,
}
