"""Where a merchant is told of complaints: one address, created, changed and deleted.

https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter10_2_3.shtml
"""

from __future__ import annotations

from ...wire import Answer, Refusal
from ..context import Ask, Routes, check_notify_url

__all__ = ["ROUTES"]


def create_address(ask: Ask) -> Answer:
    """创建投诉通知回调地址."""
    if ask.mchid in _addresses(ask):
        raise Refusal(400, "RESOURCE_ALREADY_EXISTS", "投诉通知回调地址已创建，请使用更新接口")
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
        # 400, not 404, on the official page.
        raise Refusal(400, "RESOURCE_NOT_EXISTS", "投诉通知回调地址不存在，请检查是否已创建")
    return url


_ADDRESS = "/v3/merchant-service/complaint-notifications"

ROUTES: Routes = {
    f"POST {_ADDRESS}": create_address,
    f"GET {_ADDRESS}": query_address,
    f"PUT {_ADDRESS}": update_address,
    f"DELETE {_ADDRESS}": delete_address,
}
