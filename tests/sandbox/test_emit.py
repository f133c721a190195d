"""Every documented event can be told, and the package's own client reads what it hears."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import MakeSandbox
from wechatpay_async import Wechatpay, catalog
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

URL = "https://merchant.example/notify"
EVENTS = list(catalog.events())


async def test_every_event_is_told_and_read(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    async with Wechatpay(**sandbox.settings()) as wxpay:
        for event in EVENTS:
            message = sandbox.notifier.compose(sandbox.emit(event.event, URL, api=event.api))
            if event.api == "v3":
                heard: Any = await wxpay.notifications.parse(message.headers, message.body)
            else:
                heard = wxpay.v2_notifications.parse(message.body)
            assert heard.event_type == event.event, event
            assert not event.resource.get("properties") or heard.resource
    assert len(EVENTS) == 112


async def test_fields_are_put_in_place(sandbox: Sandbox) -> None:
    notice = sandbox.emit("COUPON.USE", URL, fields={"coupon_id": "42"})
    assert notice.resource["coupon_id"] == "42"
    with pytest.raises(LookupError, match=r"no event 'COUPON\.EAT' in v3"):
        sandbox.emit("COUPON.EAT", URL)
    with pytest.raises(LookupError, match="no address"):
        sandbox.emit("COUPON.USE", "")
