"""What a merchant does about a complaint: it replies, calls it done, agrees to a refund or refuses one.

https://pay.weixin.qq.com/docs/partner/apis/consumer-complaint/complaints/response-complaint-v2.html,
https://pay.weixin.qq.com/doc/v3/merchant/4012467256, https://pay.weixin.qq.com/doc/v3/partner/4016111688
"""

from __future__ import annotations

from typing import Any

from ...wire import Answer, Refusal
from ..context import Ask, Routes, text_limit
from .images import named_images
from .model import MERCHANT, Complaint, Saying, given_back, note, tell
from .queries import find_own, find_own_by_payment

__all__ = ["ROUTES"]


def reply(ask: Ask) -> Answer:
    """回复用户: the first reply takes the complaint in hand."""
    body, item = ask.body, _accused(ask)
    text_limit(body["response_content"], 500, "/body/response_content")
    if ("jump_url" in body) != ("jump_url_text" in body):
        raise _wrong("跳转链接与跳转链接文案须同时填写", "/body/jump_url")
    if "jump_url" in body:
        text_limit(body["jump_url_text"], 10, "/body/jump_url_text")
        if not body["jump_url"].startswith("https://") or len(body["jump_url"]) > 512:
            raise _wrong("跳转链接须为不超过512个字符的https地址", "/body/jump_url")
    _respond(ask, item, body["response_content"], images=named_images(ask, "response_images"))
    return Answer(status=204)


def reply_old(ask: Ask) -> Answer:
    """商户反馈: a reply, by the payment's number, that may end the complaint as well."""
    body, item = ask.body, find_own_by_payment(ask, ask.body["transaction_id"])
    _check_accused(ask, item)
    text_limit(body["feedback_content"], 200, "/body/feedback_content")
    _respond(ask, item, body["feedback_content"], images=named_images(ask, "feedback_images"))
    if body.get("launch_confirm_process"):
        _complete(ask, item)
    return Answer(status=204)


def reply_at_once(ask: Ask) -> Answer:
    """回复需要即时服务的投诉单: an answer in the chat; the same `idempotent_id` again changes nothing."""
    body, item = ask.body, _accused(ask)
    known = item.answers.get(body["idempotent_id"])
    if known is None:
        if not item.is_urgent:
            raise Refusal(400, "INVALID_REQUEST", "该投诉单不需要即时服务")
        if not body["message"].get("blocks"):
            raise _wrong("消息内容不能为空", "/body/message/blocks")
        known = item.answers[body["idempotent_id"]] = _respond(ask, item, message=body["message"]).log_id
    return Answer(data={"log_id": known})


def _respond(ask: Ask, item: Complaint, text: str = "", *, images: list[str] | None = None, message: Any = None) -> Saying:
    _must_be_open(item)
    item.state, item.is_waiting = "PROCESSING", False
    made = note(ask.book, item, MERCHANT, "MERCHANT_RESPONSE", text, images=images, message=message)
    tell(ask.book, item, "MERCHANT_RESPONSE")
    return made


def complete(ask: Ask) -> Answer:
    """反馈处理完成."""
    _complete(ask, _accused(ask))
    return Answer(status=204)


def _complete(ask: Ask, item: Complaint) -> None:
    _must_be_open(item)
    item.state, item.is_waiting = "PROCESSED", False
    note(ask.book, item, MERCHANT, "MERCHANT_CONFIRM_COMPLETE")
    tell(ask.book, item, "MERCHANT_CONFIRM_COMPLETE")


def decide_refund(ask: Ask) -> Answer:
    """更新退款审批结果: the money itself is given back by a refund of the order."""
    body, item = ask.body, find_own(ask, "您暂无权限操作该投诉单")
    if item.problem_type != "REFUND":
        raise Refusal(400, "PARAM_ERROR", "非申请退款的投诉单，不能更新退款审批结果")
    if item.decision or not item.is_open or given_back(ask.book, item.order) >= item.refund_amount:
        raise Refusal(400, "INVALID_REQUEST", "当前单据状态不支持操作，请检查是否重复调用")
    for name in ("reject_reason", "remark"):
        if name in body:
            text_limit(body[name], 200, f"/body/{name}")
    if body.get("launch_refund_day", 0) < 0:
        raise _wrong("预计发起退款时间须不小于0", "/body/launch_refund_day")
    images = named_images(ask, "reject_media_list")
    item.decision = body["action"]
    if item.decision == "APPROVE":
        item.state = "PROCESSING"
        note(ask.book, item, MERCHANT, "MERCHANT_APPROVE_REFUND", body.get("remark", ""))
        tell(ask.book, item, "MERCHANT_APPROVE_REFUND")
    else:
        item.state, item.is_waiting = "PROCESSED", False
        # RERUND is how the catalogue of entries spells it.
        note(ask.book, item, MERCHANT, "MERCHANT_REFUSE_RERUND", body.get("reject_reason", ""), images=images)
        tell(ask.book, item, "MERCHANT_REJECT_REFUND")
    return Answer(status=204)


def _accused(ask: Ask) -> Complaint:
    item = find_own(ask, "您暂无权限为该投诉单提交商户回复")
    _check_accused(ask, item)
    return item


def _check_accused(ask: Ask, item: Complaint) -> None:
    if ask.body["complainted_mchid"] != item.mchid:
        raise Refusal(403, "NO_AUTH", "您暂无权限为该投诉单提交商户回复")


def _must_be_open(item: Complaint) -> None:
    if not item.is_open:
        raise Refusal(400, "INVALID_REQUEST", "投诉单已处理完成，不能进行该操作")


def _wrong(message: str, where: str) -> Refusal:
    return Refusal(400, "PARAM_ERROR", message, {"location": "body", "field": where})


_BASE = "/v3/merchant-service"
_ONE = f"{_BASE}/complaints-v2/{{complaint_id}}"

ROUTES: Routes = {
    f"POST {_ONE}/response": reply,
    f"POST {_ONE}/response-immediate-service": reply_at_once,
    f"POST {_ONE}/complete": complete,
    f"POST {_ONE}/update-refund-progress": decide_refund,
    f"POST {_BASE}/feedbacks": reply_old,
}
