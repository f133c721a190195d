"""How fast `notifications.parse` is beside the bare calls that it cannot do without: verify, AES-GCM, json.

    python -m tests.benchmarks.notifications

Both take the same request, in alternating turns of a hundred; the ratio is that of the rates (1.0: the checks and the object cost nothing).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Coroutine
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.benchmarks.pairing import Figure, paired
from tests.support.callbacks import NOW, callback
from tests.support.keys import APIV3_KEY, MERCHANT_KEY, MERCHANT_SERIAL, PLATFORM_KEY, PUBLIC_KEY_ID
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.notifications import Notifications, Recipient, Signer
from wechatpay_async.platform_keys import StaticKeys

TURN = 100
ROUNDS = 200


def parse_rate() -> Figure:
    """Notifications a second of one core, `parse` beside bare `cryptography` and `json`."""
    request = callback()
    headers, body = request.headers, request.body
    public_key = PLATFORM_KEY.public_key()
    apiv3_key = APIV3_KEY.encode()
    keys = StaticKeys([PlatformKey(PUBLIC_KEY_ID, public_key)])
    signer = Signer("1900007291", MERCHANT_SERIAL, MERCHANT_KEY)
    notifications = Notifications([Recipient("1900007291", keys, (apiv3_key,), signer)], clock=lambda: float(NOW))
    scheme, digest = padding.PKCS1v15(), hashes.SHA256()

    def bare() -> dict[str, Any]:
        message = f"{headers['wechatpay-timestamp']}\n{headers['wechatpay-nonce']}\n".encode() + body + b"\n"
        public_key.verify(base64.b64decode(headers["wechatpay-signature"]), message, scheme, digest)
        outside: dict[str, Any] = json.loads(body)
        resource = outside["resource"]
        sealed = base64.b64decode(resource["ciphertext"])
        outside["resource"] = json.loads(
            AESGCM(apiv3_key).decrypt(resource["nonce"].encode(), sealed, resource["associated_data"].encode())
        )
        return outside

    def ours() -> float:
        start = time.thread_time()
        for _ in range(TURN):
            _run(notifications.parse(headers, body))
        return TURN / (time.thread_time() - start)

    def theirs() -> float:
        start = time.thread_time()
        for _ in range(TURN):
            bare()
        return TURN / (time.thread_time() - start)

    return paired("notifications.parse beside bare cryptography", ours, theirs, unit="/s", goal=">= 0.90", rounds=ROUNDS)


def crowd_rate() -> Figure:
    """Notifications a second of one core for one merchant among 1,000, beside one alone."""
    request = callback()
    key, apiv3_key = PLATFORM_KEY.public_key(), (APIV3_KEY.encode(),)
    many = [Recipient(f"19{number:08d}", StaticKeys([PlatformKey(f"PUB_KEY_ID_{number}", key)]), apiv3_key) for number in range(999)]
    last = Recipient("1900007291", StaticKeys([PlatformKey(PUBLIC_KEY_ID, key)]), apiv3_key)

    def rate(notifications: Notifications) -> float:
        start = time.thread_time()
        for _ in range(TURN):
            _run(notifications.parse(request.headers, request.body))
        return TURN / (time.thread_time() - start)

    among, alone = (Notifications(recipients, clock=lambda: float(NOW)) for recipients in ([*many, last], [last]))
    return paired(
        "parse among 1,000 merchants beside one", lambda: rate(among), lambda: rate(alone), unit="/s", goal=">= 0.95", rounds=ROUNDS
    )


def _run(coroutine: Coroutine[Any, Any, object]) -> object:
    """Run a coroutine that waits for nothing, without the cost of an event loop on either side."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    raise AssertionError("parse waited for something")


if __name__ == "__main__":
    for figure in (parse_rate, crowd_rate):
        print(figure().line())
