"""What APIv2 costs of our own CPU: one code payment signed and its answer read, and every XML attack refused.

    python -m tests.benchmarks.v2

Times are CPU time of this thread, the best of `--rounds` rounds; memory is what Python allocates at the peak, without the document itself.
"""

from __future__ import annotations

import argparse
import hashlib
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree

from tests.benchmarks.pairing import Figure, paired
from tests.v2.test_xml import ATTACKS
from wechatpay_async import catalog
from wechatpay_async.errors import MalformedMessage
from wechatpay_async.protocol import v2, xml

MCHID = "1900000109"
SECRET = b"192006250b4c09247ec02edce69f6a2d"
#: The goals: microseconds for a payment, milliseconds and bytes for an attack.
PAYMENT_US, ATTACK_MS, ATTACK_BYTES = 150.0, 50.0, 20_000_000
CALL: dict[str, object] = {
    "appid": "wx8888888888888888",
    "body": "image形象店-深圳腾大- QQ公仔",
    "attach": "说明",
    "out_trade_no": "1217752501201407033233368018",
    "total_fee": 888,
    "spbill_create_ip": "8.8.8.8",
    "auth_code": "120061098828009406",
    "scene_info": {"store_info": {"id": "SZTX001", "name": "腾大餐厅", "area_code": "440305"}},
}
ANSWER = {
    "return_code": "SUCCESS",
    "return_msg": "OK",
    "appid": "wx8888888888888888",
    "mch_id": MCHID,
    "device_info": "013467007045764",
    "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    "result_code": "SUCCESS",
    "openid": "oUpF8uMEb4qRXf22hE3X68TekukE",
    "is_subscribe": "N",
    "trade_type": "MICROPAY",
    "bank_type": "CMC",
    "fee_type": "CNY",
    "total_fee": "888",
    "coupon_fee": "100",
    "cash_fee": "788",
    "transaction_id": "1217752501201407033233368018",
    "out_trade_no": "1217752501201407033233368018",
    "attach": "说明",
    "time_end": "20141030133525",
}


def best(work: Callable[[], object], rounds: int, times: int) -> float:
    """Seconds of CPU for one call, in the best round."""
    results: list[float] = []
    for _ in range(rounds):
        start = time.thread_time()
        for _ in range(times):
            work()
        results.append((time.thread_time() - start) / times)
    return min(results)


def micropay() -> Callable[[], object]:
    """One code payment: its request built and signed, its answer parsed and verified."""
    operation = catalog.operation("v2", "POST", "/pay/micropay")
    assert operation is not None
    fields = {**ANSWER, "sign": v2.sign(ANSWER, SECRET)}
    reply = "".join(["<xml>", *(f"<{name}><![CDATA[{value}]]></{name}>\n" for name, value in fields.items()), "</xml>"]).encode()

    def once() -> object:
        request = v2.build_request(operation, CALL, mchid=MCHID, secret=SECRET, nonce="5K8264ILTKCH16CQ2502SI8ZNMTM67VS")
        return v2.read_reply(operation, {}, reply, mchid=MCHID, secret=SECRET, appid=request.appid)

    once()
    return once


def micropay_cost() -> Figure:
    """Microseconds for one code payment, beside what nobody can do without: two MD5 digests, the XML formatted and parsed, unchecked."""
    payment = micropay()
    message = "&".join(f"{name}={value}" for name, value in sorted(ANSWER.items())).encode()

    def bare() -> object:
        hashlib.md5(message, usedforsecurity=False).hexdigest()
        body = "".join(f"<{name}>{value}</{name}>" for name, value in ANSWER.items())
        hashlib.md5(message, usedforsecurity=False).hexdigest()
        return {element.tag: element.text for element in ElementTree.fromstring(f"<xml>{body}</xml>")}  # noqa: S314 — our own text

    return paired(
        "APIv2: one code payment signed and read",
        lambda: best(payment, 1, 500) * 1e6,
        lambda: best(bare, 1, 500) * 1e6,
        unit="µs",
        goal=f"at most {PAYMENT_US:.0f} µs",
    )


def refuse(document: bytes) -> None:
    """Parse a document that must be refused."""
    try:
        xml.parse(document)
    except MalformedMessage:
        return
    raise AssertionError("the attack was taken for values")


def peak(work: Callable[[], object]) -> int:
    """Bytes allocated at the peak."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    rounds: int = arguments.parse_args().rounds
    payment = best(micropay(), rounds, 500) * 1e6
    print(f"one code payment, signed and read: {payment:.0f} µs (goal {PAYMENT_US:.0f})")
    slowest, largest = (0.0, ""), (0, "")
    for name, document in ATTACKS.items():
        slowest = max(slowest, (best(partial(refuse, document), rounds, 1) * 1e3, name))
        largest = max(largest, (peak(partial(refuse, document)), name))
    print(f"{len(ATTACKS)} XML attacks: slowest {slowest[0]:.1f} ms ({slowest[1]}; goal {ATTACK_MS:.0f}),", end=" ")
    print(f"largest {largest[0] / 1e6:.1f} MB ({largest[1]}; goal {ATTACK_BYTES / 1e6:.0f})")


if __name__ == "__main__":
    main()
