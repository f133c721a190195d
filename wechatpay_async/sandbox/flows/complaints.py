"""Consumer complaints (消费者投诉2.0): a user complains about a payment, merchant and user talk, the merchant ends it or gives money back.

    PENDING -> PROCESSING, by the merchant's first reply or its consent to a refund
    PENDING, PROCESSING -> PROCESSED, by the merchant's word, its refusal of a refund, a refund that arrived, or the user's withdrawal
    PROCESSED -> PENDING, when the user complains again

https://pay.weixin.qq.com/doc/v3/merchant/4015821404, https://pay.weixin.qq.com/doc/v3/merchant/4012467256,
https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter10_2_16.shtml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from ..clock import BEIJING
from ..models import Book, Order
from ..wire import Answer, Refusal
from .context import Ask, Routes, check_notify_url, text_limit

__all__ = ["DEEDS", "PROBLEM_TYPES", "ROUTES", "Complaint", "Saying", "complain", "find_complaint", "follow", "refund_arrived"]

#: The kinds of problem, and what the user has chosen on the phone for each.
PROBLEM_TYPES: Mapping[str, str] = {"REFUND": "申请退款", "SERVICE_NOT_WORK": "服务权益未生效", "OTHERS": "其他问题"}
_MOST_DAYS = 30
_MOST_IMAGES = 4
_IMAGE_TYPES: Mapping[str, str] = {"jpg": "image/jpeg", "png": "image/png", "bmp": "image/bmp"}
_IMAGE_SIZE = 2 * 1024 * 1024


@dataclass
class Saying:
    """One entry of a complaint's history: who did what, and what was said."""

    log_id: str
    at: float
    operator: str
    kind: str
    text: str = ""
    images: list[str] = field(default_factory=list[str])
    message: dict[str, Any] | None = None


@dataclass
class Complaint:
    """A complaint about one payment."""

    complaint_id: str
    order: Order
    detail: str
    problem_type: str
    filed: float
    phone: str = ""
    refund_amount: int = 0
    state: str = "PENDING"
    times: int = 1
    #: The user has said something that the merchant has not answered.
    is_waiting: bool = False
    is_fully_refunded: bool = False
    is_revoked: bool = False
    #: WeChat Pay's people help; the user waits in the chat.
    has_platform: bool = False
    is_urgent: bool = False
    #: What the merchant decided about the refund: APPROVE or REJECT.
    decision: str = ""
    history: list[Saying] = field(default_factory=list[Saying])
    #: Answers in the chat by their `idempotent_id`.
    answers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def mchid(self) -> str:
        return self.order.mchid

    @property
    def is_open(self) -> bool:
        return self.state != "PROCESSED"


@dataclass(frozen=True)
class Deed:
    """What a user or WeChat Pay's people do about a complaint: whose name stands beside it, how it is logged, and how told."""

    operator: str
    kind: str
    action: str = ""
    #: Possible while the complaint is open, or only once it is over.
    while_open: bool = True


_USER, _PLATFORM, _MERCHANT, _SYSTEM = "投诉人", "微信支付客服", "商户", "系统"

DEEDS: Mapping[str, Deed] = {
    "message": Deed(_USER, "USER_RESPONSE", "USER_RESPONSE"),
    "complain_again": Deed(_USER, "USER_CONTINUE_COMPLAINT", "CONTINUE_COMPLAINT", while_open=False),
    "confirm": Deed(_USER, "USER_COMFIRM_COMPLAINT", while_open=False),
    "revoke": Deed(_USER, "USER_REVOKE_COMPLAINT"),
    "call_platform": Deed(_USER, "USER_APPLY_PLATFORM_SERVICE", "USER_APPLY_PLATFORM_SERVICE"),
    "dismiss_platform": Deed(_USER, "USER_CANCEL_PLATFORM_SERVICE", "USER_CANCEL_PLATFORM_SERVICE"),
    "platform_message": Deed(_PLATFORM, "PLATFORM_RESPONSE", "RESPONSE_BY_PLATFORM"),
    "platform_finish": Deed(_PLATFORM, "PLATFORM_SERVICE_FINISHED", "PLATFORM_SERVICE_FINISHED"),
}


# -- what happens without the merchant


def complain(
    book: Book, order: Order, detail: str, *, problem_type: str, phone: str = "", refund_amount: int = 0, urgent: bool = False
) -> Complaint:
    """The payer complains about a payment; whoever it concerns is told. Raises `Refusal` where the phone would show an error."""
    if not order.is_paid:
        raise Refusal(400, "INVALID_REQUEST", "订单未支付，不能投诉")
    if problem_type not in PROBLEM_TYPES:
        raise Refusal(400, "PARAM_ERROR", f"问题类型须为 {'、'.join(PROBLEM_TYPES)} 之一")
    text_limit(detail, 300, "/body/complaint_detail")
    if refund_amount > order.total:
        raise Refusal(400, "PARAM_ERROR", "申请退款金额不能大于订单金额")
    shelf: dict[str, Complaint] = book.shelf("complaints")
    if any(item.order is order for item in shelf.values()):
        raise Refusal(400, "INVALID_REQUEST", "该订单已有投诉单，请继续投诉")
    made = Complaint(
        complaint_id=book.numbers.dated("2000", book.now, 15),
        order=order,
        detail=detail,
        problem_type=problem_type,
        filed=book.now,
        phone=phone,
        refund_amount=(refund_amount or order.total) if problem_type == "REFUND" else 0,
        is_urgent=urgent,
    )
    shelf[made.complaint_id] = made
    _log(book, made, _USER, "USER_CREATE_COMPLAINT", detail)
    _tell(book, made, "CREATE_COMPLAINT")
    return made


def follow(book: Book, item: Complaint, what: str, text: str = "") -> None:
    """The user or WeChat Pay's people do one of the `DEEDS` about a complaint. Raises `Refusal` when it is not the time for it."""
    deed = DEEDS.get(what)
    if deed is None:
        raise Refusal(400, "PARAM_ERROR", f"操作须为 {'、'.join(DEEDS)} 之一")
    if deed.while_open != item.is_open or (what in {"dismiss_platform", "platform_finish"} and not item.has_platform):
        raise Refusal(400, "INVALID_REQUEST", f"投诉单状态为 {item.state}，不能进行该操作")
    if what in {"message", "complain_again", "platform_message"}:
        text_limit(text, 300, "/body/text")
    if what == "message":
        item.is_waiting = True
    elif what == "complain_again":
        item.state, item.times, item.is_waiting, item.decision = "PENDING", item.times + 1, True, ""
    elif what == "revoke":
        item.state, item.is_revoked = "PROCESSED", True
    elif what == "call_platform":
        item.has_platform = True
    elif what in {"dismiss_platform", "platform_finish"}:
        item.has_platform = False
    _log(book, item, deed.operator, deed.kind, text)
    if deed.action:
        _tell(book, item, deed.action)


def refund_arrived(book: Book, order: Order) -> None:
    """Money of an order came back to the payer: its complaint is over, where the merchant had agreed to a refund."""
    found = [each for each in book.shelf("complaints").values() if each.order is order]
    if not found:
        return
    item: Complaint = found[0]
    back = sum(refund.refund for refund in book.refunds_of(order) if refund.status == "SUCCESS")
    if back >= order.total:
        item.is_fully_refunded = True
        _log(book, item, _SYSTEM, "COMPLAINT_FULL_REFUNDED_SYSTEM_MESSAGE", "商户已全额退款")
        _tell(book, item, "SELLER_REFUND")
    else:
        _log(book, item, _SYSTEM, "COMPLAINT_PARTIAL_REFUNDED_SYSTEM_MESSAGE", "商户已部分退款")
    if item.decision == "APPROVE" and item.is_open and back >= item.refund_amount:
        item.state = "PROCESSED"
        _log(book, item, _SYSTEM, "COMPLAINT_REFUND_RECEIVED_SYSTEM_MESSAGE", "退款已到账")
        _tell(book, item, "REFUND_SUCCESS")


def find_complaint(book: Book, number: str) -> Complaint:
    """A complaint by its own number, or the newest about the payment of that number. Raises `LookupError`."""
    found: list[Complaint] = [
        item
        for item in book.shelf("complaints").values()
        if number in (item.complaint_id, item.order.out_trade_no, item.order.transaction_id)
    ]
    if not found:
        raise LookupError(f"no complaint {number!r}")
    return found[-1]


def _log(
    book: Book,
    item: Complaint,
    operator: str,
    kind: str,
    text: str = "",
    *,
    images: list[str] | None = None,
    message: dict[str, Any] | None = None,
) -> Saying:
    made = Saying(book.numbers.dated("3002", book.now, 15), book.now, operator, kind, text, images or [], message)
    item.history.append(made)
    return made


def _tell(book: Book, item: Complaint, action: str) -> None:
    """A partner hears of the complaints about all its sub-merchants, each of these of its own."""
    event, summary = ("COMPLAINT.CREATE", "产生新投诉") if action == "CREATE_COMPLAINT" else ("COMPLAINT.STATE_CHANGE", "投诉单状态变化")
    for mchid in filter(None, item.order.owner):
        url = book.shelf("complaint_urls").get(mchid, "")
        book.notify(mchid, url, event, "complaint", summary, {"complaint_id": item.complaint_id, "action_type": action})


# -- where the merchant is told


def create_address(ask: Ask) -> Answer:
    """创建投诉通知回调地址."""
    if ask.mchid in _addresses(ask):
        raise Refusal(400, "ALREADY_EXISTS", "投诉通知回调地址已创建，请使用更新接口")
    return _keep_address(ask)


def update_address(ask: Ask) -> Answer:
    """更新投诉通知回调地址."""
    _address(ask)
    return _keep_address(ask)


def query_address(ask: Ask) -> Answer:
    """查询投诉通知回调地址."""
    return Answer(data={"mchid": ask.mchid, "url": _address(ask)})


def delete_address(ask: Ask) -> Answer:
    """删除投诉通知回调地址."""
    _address(ask)
    del _addresses(ask)[ask.mchid]
    return Answer(status=204)


def _keep_address(ask: Ask) -> Answer:
    check_notify_url(ask.body["url"])
    _addresses(ask)[ask.mchid] = ask.body["url"]
    return query_address(ask)


def _addresses(ask: Ask) -> dict[str, str]:
    return ask.book.shelf("complaint_urls")


def _address(ask: Ask) -> str:
    url = _addresses(ask).get(ask.mchid)
    if url is None:
        # 400, not 404: https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter10_2_3.shtml
        raise Refusal(400, "RESOURCE_NOT_EXISTS", "投诉通知回调地址不存在，请检查是否已创建")
    return url


# -- what the merchant sees


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
    item = _find(ask, "您暂无权限查询该投诉单的信息")
    return Answer(data=_view(item) | {"payer_openid": item.order.openid})


def query_old(ask: Ask) -> Answer:
    """查询投诉详情, by the payment's number."""
    item = _find_old(ask, ask.path["transaction_id"])
    progress = "WAIT_MERCHANT_RESPONSE" if item.state == "PENDING" else item.state
    return Answer(data=_old_view(item) | {"complaint_handle_state": progress})


def query_history(ask: Ask) -> Answer:
    """查询投诉单协商历史, newest first."""
    item = _find(ask, "您暂无权限查询该投诉单的信息")
    offset, limit = _page(ask, usual=100, most=300)
    shown = [_saying_view(ask, each) for each in reversed(item.history)]
    page = {"offset": offset, "limit": limit} | ({"total_count": len(shown)} if offset == 0 else {})
    return Answer(data={"data": shown[offset : offset + limit]} | page)


def query_old_history(ask: Ask) -> Answer:
    """查询投诉协商历史, by the payment's number."""
    item = _find_old(ask, ask.path["transaction_id"])
    return Answer(data={"complaint_negotiation_history": [_old_saying(ask, each) for each in reversed(item.history)]})


def _find(ask: Ask, message: str) -> Complaint:
    found: Complaint | None = ask.book.shelf("complaints").get(ask.path["complaint_id"])
    if found is None or ask.mchid not in found.order.owner:
        # The answer of the real one for another merchant's: https://pay.weixin.qq.com/doc/v3/partner/4016111688
        raise Refusal(403, "NO_AUTH", message)
    return found


def _find_old(ask: Ask, transaction_id: str) -> Complaint:
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
        "payer_phone": item.phone,
        "complaint_order_info": [{"transaction_id": order.transaction_id, "out_trade_no": order.out_trade_no, "amount": order.total}],
        "service_order_info": [],
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
    return data


def _old_view(item: Complaint) -> dict[str, Any]:
    state = "PAYER_CANCELED" if item.is_revoked else "MERCHANT_REFUNDED" if item.is_fully_refunded else "PAYER_COMPLAINTED"
    return {
        "out_trade_no": item.order.out_trade_no,
        "transaction_id": item.order.transaction_id,
        "complaint_time": _moment(item.filed),
        "amount": item.order.total,
        "payer_phone": item.phone,
        "complaint_detail": item.detail,
        "complaint_state": state,
    } | ({"sub_mchid": item.mchid} if item.order.owner[1] else {})


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
    return [f"{ask.base_url}{_BASE}/images/{media_id}" for media_id in each.images]


# -- what the merchant does


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
    _respond(ask, item, body["response_content"], images=_images(ask, "response_images"))
    return Answer(status=204)


def reply_old(ask: Ask) -> Answer:
    """商户反馈: a reply, by the payment's number, that may end the complaint as well."""
    body, item = ask.body, _find_old(ask, ask.body["transaction_id"])
    _check_accused(ask, item)
    text_limit(body["feedback_content"], 200, "/body/feedback_content")
    _respond(ask, item, body["feedback_content"], images=_images(ask, "feedback_images"))
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
    made = _log(ask.book, item, _MERCHANT, "MERCHANT_RESPONSE", text, images=images, message=message)
    _tell(ask.book, item, "MERCHANT_RESPONSE")
    return made


def complete(ask: Ask) -> Answer:
    """反馈处理完成."""
    _complete(ask, _accused(ask))
    return Answer(status=204)


def _complete(ask: Ask, item: Complaint) -> None:
    _must_be_open(item)
    item.state, item.is_waiting = "PROCESSED", False
    _log(ask.book, item, _MERCHANT, "MERCHANT_CONFIRM_COMPLETE")
    _tell(ask.book, item, "MERCHANT_CONFIRM_COMPLETE")


def decide_refund(ask: Ask) -> Answer:
    """更新退款审批结果: the money itself is given back by a refund of the order."""
    body, item = ask.body, _find(ask, "您暂无权限操作该投诉单")
    if item.problem_type != "REFUND":
        raise Refusal(400, "PARAM_ERROR", "非申请退款的投诉单，不能更新退款审批结果")
    if item.decision or not item.is_open:
        raise Refusal(400, "INVALID_REQUEST", "当前单据状态不支持操作，请检查是否重复调用")
    for name in ("reject_reason", "remark"):
        if name in body:
            text_limit(body[name], 200, f"/body/{name}")
    if body.get("launch_refund_day", 0) < 0:
        raise _wrong("预计发起退款时间须不小于0", "/body/launch_refund_day")
    images = _images(ask, "reject_media_list")
    item.decision = body["action"]
    if item.decision == "APPROVE":
        item.state = "PROCESSING"
        _log(ask.book, item, _MERCHANT, "MERCHANT_APPROVE_REFUND", body.get("remark", ""))
        _tell(ask.book, item, "MERCHANT_APPROVE_REFUND")
    else:
        item.state, item.is_waiting = "PROCESSED", False
        # RERUND is how the catalogue of entries spells it.
        _log(ask.book, item, _MERCHANT, "MERCHANT_REFUSE_RERUND", body.get("reject_reason", ""), images=images)
        _tell(ask.book, item, "MERCHANT_REJECT_REFUND")
    return Answer(status=204)


def _accused(ask: Ask) -> Complaint:
    item = _find(ask, "您暂无权限为该投诉单提交商户回复")
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


# -- images


def upload_image(ask: Ask) -> Answer:
    """商户上传反馈图片."""
    name, content = ask.body["filename"], ask.parts["file"].content
    kind = name.rpartition(".")[2].lower()
    if kind not in _IMAGE_TYPES or len(content) > _IMAGE_SIZE:
        raise _wrong("图片只支持jpg、png、bmp格式，大小不能超过2M", "/body/meta/filename")
    media_id = f"{ask.book.numbers.hexadecimal(32).upper()}.{kind}"
    ask.book.shelf("complaint_images")[media_id] = (ask.mchid, content)
    return Answer(data={"media_id": media_id})


def download_image(ask: Ask) -> Answer:
    """图片请求接口."""
    media_id = ask.path["media_id"]
    return Answer(content=_image(ask, media_id), media_type=_IMAGE_TYPES[media_id.rpartition(".")[2]])


def _image(ask: Ask, media_id: str) -> bytes:
    owner, content = ask.book.shelf("complaint_images").get(media_id, ("", b""))
    if owner != ask.mchid:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "图片不存在")
    found: bytes = content
    return found


def _images(ask: Ask, name: str) -> list[str]:
    named: list[str] = ask.body.get(name, [])
    if len(named) > _MOST_IMAGES:
        raise _wrong(f"最多上传{_MOST_IMAGES}张图片", f"/body/{name}")
    for media_id in named:
        try:
            _image(ask, media_id)
        except Refusal:
            raise _wrong("图片ID无效，请先调用商户上传反馈图片接口", f"/body/{name}") from None
    return named


_BASE = "/v3/merchant-service"
_ONE = f"{_BASE}/complaints-v2/{{complaint_id}}"

ROUTES: Routes = {
    f"POST {_BASE}/complaint-notifications": create_address,
    f"GET {_BASE}/complaint-notifications": query_address,
    f"PUT {_BASE}/complaint-notifications": update_address,
    f"DELETE {_BASE}/complaint-notifications": delete_address,
    f"GET {_BASE}/complaints-v2": list_complaints,
    f"GET {_ONE}": query,
    f"GET {_ONE}/negotiation-historys": query_history,
    f"POST {_ONE}/response": reply,
    f"POST {_ONE}/response-immediate-service": reply_at_once,
    f"POST {_ONE}/complete": complete,
    f"POST {_ONE}/update-refund-progress": decide_refund,
    f"POST {_BASE}/images/upload": upload_image,
    f"GET {_BASE}/images/{{media_id}}": download_image,
    f"GET {_BASE}/complaints": list_old,
    f"GET {_BASE}/complaints/{{transaction_id}}": query_old,
    f"GET {_BASE}/complaints/{{transaction_id}}/negotiation-historys": query_old_history,
    f"POST {_BASE}/feedbacks": reply_old,
}
