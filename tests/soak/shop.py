"""The server of the soak: a FastAPI app in a process of its own, `python -m tests.soak.shop SETTINGS.json DATABASE PORT`.

Its handler writes each notification down and settles the claim in one transaction, and now and then fails before it commits.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from wechatpay_async import Wechatpay
from wechatpay_async.fastapi import WechatpayRouter, lifespan
from wechatpay_async.inbox import Claim, SQLiteInbox
from wechatpay_async.notifications import Notification

PATH = "/wechatpay/notify"
#: Seconds; a handler has 2. Short, so that what a killed server held is free again soon.
LEASE, BUDGET = 3.0, 2.0
FAILURES = 0.01


def shop(settings: dict[str, Any], database: str) -> FastAPI:
    """An app that handles payments."""
    inbox = SQLiteInbox(database, lease=LEASE)
    router = WechatpayRouter(PATH, inbox=inbox, budget=BUDGET)
    chance = random.Random()  # noqa: S311 — no secrets

    @router.on("TRANSACTION.SUCCESS")
    def paid(notification: Notification, claim: Claim) -> None:
        connection = sqlite3.connect(database, timeout=BUDGET)
        try:
            with connection:
                connection.execute("INSERT INTO handled VALUES (?, ?)", (notification.id, notification.resource["out_trade_no"]))
                inbox.settle_in(connection, claim)
                if chance.random() < FAILURES:
                    raise ConnectionError("the warehouse does not answer")
        finally:
            connection.close()

    app = FastAPI(lifespan=lifespan(lambda: Wechatpay(**settings), inbox))
    app.include_router(router)
    return app


if __name__ == "__main__":
    _, settings_file, database_file, port = sys.argv
    app_settings = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    uvicorn.run(shop(app_settings, database_file), host="127.0.0.1", port=int(port), log_level="critical", access_log=False)
