"""A worker process of its own: `python -m tests.inbox.worker hold|race KIND ADDRESS ID…`.

`hold` claims the ids, says so, and waits until it is killed. `race` waits for a line, claims what it can get, marks it done and lists it.
"""

from __future__ import annotations

import sys

from tests.inbox.places import Place
from wechatpay_async.inbox import Claim

#: Seconds; longer than a busy machine may take to look whether it holds.
LEASE = 1_000


def main(task: str, kind: str, address: str, *ids: str) -> None:
    inbox = Place(kind, address).open(lease=LEASE)
    if task == "race":
        print("ready", flush=True)
        sys.stdin.readline()
    taken: list[str] = []
    for name in ids:
        claim = inbox.claim_blocking(name)
        if isinstance(claim, Claim):
            taken.append(name)
            if task == "race":
                assert inbox.done_blocking(claim)
    print(*taken, flush=True)
    if task == "hold":
        sys.stdin.readline()
    inbox.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
