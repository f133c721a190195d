"""Profit sharing: receivers, split, unfreeze, give back. Money that is shared cannot be refunded before it comes back.

https://pay.weixin.qq.com/doc/v3/merchant/4012524936
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..clock import rfc3339
from ..models import Book, Order, Owner, Posting
from ..wire import Answer, Refusal
from .context import Ask, Routes

__all__ = ["ROUTES", "Return", "Split", "finish_return", "finish_split"]

#: Of 10,000: the share of an order that may go to receivers, unless the contract says more.
MAX_RATIO = 3_000
_MOST_RECEIVERS = 50
_MOST_SPLITS = 50
_PROCESSING = 3
_HALF_A_YEAR = 180 * 86_400


@dataclass
class Split:
    """A request to share: each receiver PENDING, then SUCCESS or CLOSED."""

    owner: Owner
    out_order_no: str
    order_id: str
    transaction_id: str
    terms: dict[str, Any]
    receivers: list[dict[str, Any]]
    created: float
    due: float
    unfreezes: bool
    state: str = "PROCESSING"
    returns: list[Return] = field(default_factory=list["Return"])


@dataclass
class Return:
    """Money that a receiver gives back."""

    owner: Owner
    out_return_no: str
    return_id: str
    split: Split
    terms: dict[str, Any]
    created: float
    due: float
    result: str = "PROCESSING"
    finished: float = 0


def _owner(ask: Ask, source: Any) -> Owner:
    return ask.mchid, str(source.get("sub_mchid", ""))


def _key(receiver: dict[str, Any]) -> tuple[str, str]:
    return receiver["type"], receiver["account"]


def add_receiver(ask: Ask) -> Answer:
    """添加分账接收方."""
    body = ask.body
    if body["relation_type"] == "CUSTOM" and not body.get("custom_relation"):
        raise Refusal(400, "PARAM_ERROR", "自定义关系须填写custom_relation", {"location": "body", "field": "/body/custom_relation"})
    if body["type"] == "MERCHANT_ID" and not body.get("name"):
        raise Refusal(400, "PARAM_ERROR", "接收方为商户时须填写商户全称", {"location": "body", "field": "/body/name"})
    ask.book.shelf("receivers")[(_owner(ask, body), _key(body))] = dict(body)
    shown = ("sub_mchid", "type", "account", "name", "relation_type", "custom_relation")
    return Answer(data={name: body[name] for name in shown if name in body})


def delete_receiver(ask: Ask) -> Answer:
    """删除分账接收方."""
    ask.book.shelf("receivers").pop((_owner(ask, ask.body), _key(ask.body)), None)
    return Answer(data={name: ask.body[name] for name in ("sub_mchid", "type", "account") if name in ask.body})


def split(ask: Ask) -> Answer:
    """请求分账."""
    body = ask.body
    receivers = body.get("receivers", [])
    if not 1 <= len(receivers) <= _MOST_RECEIVERS or any(item["amount"] < 1 for item in receivers):
        raise Refusal(400, "PARAM_ERROR", "须有1至50个接收方，金额均大于0", {"location": "body", "field": "/body/receivers"})
    known = _known_split(ask, body)
    if known is not None:
        return Answer(data=_view(known))
    order = _order(ask, body)
    wanted = sum(item["amount"] for item in receivers)
    if wanted > unsplit(ask.book, order):
        raise Refusal(403, "NOT_ENOUGH", f"分账金额超过剩余待分金额 {unsplit(ask.book, order)} 分")
    if (order.shared + wanted) * 10_000 > order.settlement_total * MAX_RATIO:
        raise Refusal(403, "RULE_LIMIT", f"分账金额超过最大分账比例 {MAX_RATIO / 100:g}%")
    order.shared += wanted
    return Answer(data=_view(_new_split(ask, order, receivers, unfreezes=body["unfreeze_unsplit"])))


def unfreeze(ask: Ask) -> Answer:
    """解冻剩余资金."""
    known = _known_split(ask, ask.body)
    if known is not None:
        return Answer(data=_view(known))
    return Answer(data=_view(_new_split(ask, _order(ask, ask.body), [], unfreezes=True)))


def _known_split(ask: Ask, body: dict[str, Any]) -> Split | None:
    known: Split | None = ask.book.shelf("splits").get((_owner(ask, body), body["out_order_no"]))
    if known is not None and known.terms != body:
        raise Refusal(400, "INVALID_REQUEST", "商户分账单号重复，且与原请求参数不一致")
    return known


def _order(ask: Ask, body: dict[str, Any]) -> Order:
    order = ask.book.transactions.get(body["transaction_id"])
    if order is None or order.owner != _owner(ask, body):
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在")
    if not order.profit_sharing:
        raise Refusal(400, "INVALID_REQUEST", "非分账订单，下单时须指定profit_sharing为true")
    earlier = _splits_of(ask.book, order)
    if order.unfrozen or any(item.unfreezes for item in earlier):
        raise Refusal(400, "INVALID_REQUEST", "订单的分账已完结")
    if len(earlier) >= _MOST_SPLITS:
        raise Refusal(403, "RULE_LIMIT", "一笔订单最多分账50次")
    return order


def _splits_of(book: Book, order: Order) -> list[Split]:
    found: list[Split] = book.shelf("splits_of_transactions").setdefault(order.transaction_id, [])
    return found


def unsplit(book: Book, order: Order) -> int:
    """Fen of an order that are still frozen for sharing."""
    if order.unfrozen or not order.profit_sharing:
        return 0
    back = sum(item.settlement_refund for item in book.refunds_of(order) if item.status != "CLOSED")
    return order.settlement_total - order.shared - back


def _new_split(ask: Ask, order: Order, receivers: list[dict[str, Any]], *, unfreezes: bool) -> Split:
    book = ask.book
    made = Split(
        owner=order.owner,
        out_order_no=ask.body["out_order_no"],
        order_id=book.numbers.dated("3008", book.now, 18),
        transaction_id=order.transaction_id,
        terms=ask.body,
        receivers=[_pending(book, item) for item in receivers],
        created=book.now,
        due=book.now + _PROCESSING,
        unfreezes=unfreezes,
    )
    book.shelf("splits")[(order.owner, made.out_order_no)] = made
    book.shelf("split_ids")[made.order_id] = made
    _splits_of(book, order).append(made)
    book.schedule(made.due, "split", made)
    return made


def _pending(book: Book, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": item["type"],
        "account": item["account"],
        "amount": item["amount"],
        "description": item["description"],
        "result": "PENDING",
        "detail_id": book.numbers.dated("3601", book.now, 18),
        "create_time": rfc3339(book.now),
        "finish_time": rfc3339(book.now),
    }


def query_split(ask: Ask) -> Answer:
    """查询分账结果."""
    found: Split | None = ask.book.shelf("splits").get((_owner(ask, ask.query), ask.path["out_order_no"]))
    if found is None or found.transaction_id != ask.query["transaction_id"]:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "分账单不存在")
    return Answer(data=_view(found))


def _view(item: Split) -> dict[str, Any]:
    data: dict[str, Any] = {"sub_mchid": item.owner[1]} if item.owner[1] else {}
    return data | {
        "transaction_id": item.transaction_id,
        "out_order_no": item.out_order_no,
        "order_id": item.order_id,
        "state": item.state,
        "receivers": item.receivers,
    }


def amounts(ask: Ask) -> Answer:
    """查询剩余待分金额."""
    order = ask.book.transactions.get(ask.path["transaction_id"])
    if order is None or order.owner[0] != ask.mchid:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在")
    return Answer(data={"transaction_id": order.transaction_id, "unsplit_amount": unsplit(ask.book, order)})


def max_ratio(ask: Ask) -> Answer:
    """查询最大分账比例."""
    return Answer(data={"sub_mchid": ask.path["sub_mchid"], "max_ratio": MAX_RATIO})


def give_back(ask: Ask) -> Answer:
    """请求分账回退: a merchant that received gives back."""
    body, owner = ask.body, _owner(ask, ask.body)
    known: Return | None = ask.book.shelf("returns").get((owner, body["out_return_no"]))
    if known is not None:
        if known.terms != body:
            raise Refusal(400, "INVALID_REQUEST", "商户回退单号重复，且与原请求参数不一致")
        return Answer(data=_return_view(known))
    found = _split_of(ask, body)
    received = sum(
        item["amount"]
        for item in found.receivers
        if item["type"] == "MERCHANT_ID" and item["account"] == body["return_mchid"] and item["result"] == "SUCCESS"
    )
    earlier = [item for item in found.returns if item.terms["return_mchid"] == body["return_mchid"]]
    left = received - sum(item.terms["amount"] for item in earlier)
    if body["amount"] < 1 or body["amount"] > left:
        raise Refusal(403, "NOT_ENOUGH", f"回退金额须大于0，且不超过可回退金额 {left} 分")
    if ask.book.now - found.created > _HALF_A_YEAR:
        raise Refusal(400, "INVALID_REQUEST", "分账超过180天，不能回退")
    made = Return(
        owner,
        body["out_return_no"],
        ask.book.numbers.dated("3602", ask.book.now, 18),
        found,
        body,
        ask.book.now,
        ask.book.now + _PROCESSING,
    )
    ask.book.shelf("returns")[(owner, made.out_return_no)] = made
    found.returns.append(made)
    ask.book.schedule(made.due, "return", made)
    return Answer(data=_return_view(made))


def _split_of(ask: Ask, body: dict[str, Any]) -> Split:
    if not body.get("order_id") and not body.get("out_order_no"):
        raise Refusal(400, "PARAM_ERROR", "order_id和out_order_no须填写一个", {"location": "body", "field": "/body/order_id"})
    owner, order_id = _owner(ask, body), body.get("order_id")
    shelf, key = ("split_ids", order_id) if order_id else ("splits", (owner, body.get("out_order_no")))
    found: Split | None = ask.book.shelf(shelf).get(key)
    if found is not None and found.owner == owner:
        return found
    raise Refusal(404, "RESOURCE_NOT_EXISTS", "分账单不存在")


def query_return(ask: Ask) -> Answer:
    """查询分账回退结果."""
    found: Return | None = ask.book.shelf("returns").get((_owner(ask, ask.query), ask.path["out_return_no"]))
    if found is None or found.split.out_order_no != ask.query["out_order_no"]:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "回退单不存在")
    return Answer(data=_return_view(found))


def _return_view(item: Return) -> dict[str, Any]:
    data: dict[str, Any] = {"sub_mchid": item.owner[1]} if item.owner[1] else {}
    return data | {
        "order_id": item.split.order_id,
        "out_order_no": item.split.out_order_no,
        "out_return_no": item.out_return_no,
        "return_id": item.return_id,
        "return_mchid": item.terms["return_mchid"],
        "amount": item.terms["amount"],
        "description": item.terms["description"],
        "result": item.result,
        "create_time": rfc3339(item.created),
        "finish_time": rfc3339(item.finished or item.created),
    }


def finish_return(book: Book, back: Return) -> None:
    """Money comes back from a receiver."""
    order = book.transactions[back.split.transaction_id]
    back.result, back.finished = "SUCCESS", book.now
    order.shared -= back.terms["amount"]
    _move(book, order, back.terms["return_mchid"], -back.terms["amount"], "分账回退")


def finish_split(book: Book, item: Split) -> None:
    """Money goes to the receivers, or stays where one is not related."""
    order = book.transactions[item.transaction_id]
    known = book.shelf("receivers")
    item.state = "FINISHED"
    for receiver in item.receivers:
        receiver["finish_time"] = rfc3339(book.now)
        if (item.owner, _key(receiver)) in known:
            receiver["result"] = "SUCCESS"
            _move(book, order, receiver["account"] if receiver["type"] == "MERCHANT_ID" else "", receiver["amount"], "分账")
        else:
            receiver |= {"result": "CLOSED", "fail_reason": "NO_RELATION"}
            order.shared -= receiver["amount"]
    order.unfrozen = order.unfrozen or item.unfreezes


def _move(book: Book, order: Order, receiver: str, amount: int, kind: str) -> None:
    book.post(Posting(book.now, order.mchid, kind, -amount, order.transaction_id, note=receiver))
    if receiver:
        book.post(Posting(book.now, receiver, kind, amount, order.transaction_id, note=order.mchid))


_BASE = "/v3/profitsharing"

ROUTES: Routes = {
    f"POST {_BASE}/receivers/add": add_receiver,
    f"POST {_BASE}/receivers/delete": delete_receiver,
    f"POST {_BASE}/orders": split,
    f"POST {_BASE}/orders/unfreeze": unfreeze,
    f"GET {_BASE}/orders/{{out_order_no}}": query_split,
    f"GET {_BASE}/transactions/{{transaction_id}}/amounts": amounts,
    f"GET {_BASE}/merchant-configs/{{sub_mchid}}": max_ratio,
    f"POST {_BASE}/return-orders": give_back,
    f"GET {_BASE}/return-orders/{{out_return_no}}": query_return,
}
