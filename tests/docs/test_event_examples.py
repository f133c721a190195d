"""The handler on every notification's page handles what the sandbox sends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from wechatpay_async import Wechatpay, catalog
from wechatpay_async._codegen.docs.reference import event_file, write_reference
from wechatpay_async.deliveries import Dispatcher
from wechatpay_async.notifications import Answer, Notification
from wechatpay_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

URL = "https://merchant.example/notify"
EVENTS = [event for event in catalog.events() if event.api == "v3"]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    write_reference(folder, "en")
    return folder / "reference" / "events"


async def test_every_handler_is_called(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox = Sandbox()
    refused: dict[str, int] = {}
    async with Wechatpay(**sandbox.settings()) as wxpay:
        for event in EVENTS:
            (example,) = BLOCK.findall((pages / event_file(event)).read_text(encoding="utf-8"))
            router = Dispatcher(wxpay.notifications, inbox=None)
            names: dict[str, Any] = {"router": router, "Notification": Notification, "Answer": Answer}
            exec(compile(example, event.event, "exec", dont_inherit=True), names)  # noqa: S102 — the page's own example
            message = sandbox.notifier.compose(sandbox.emit(event.event, URL))
            answer = await router.handle(message.headers, message.body)
            if not answer.accepted:
                refused[event.event] = answer.status
            assert capsys.readouterr().out.strip(), event.event
    assert refused == {}
    assert len(EVENTS) == 102
