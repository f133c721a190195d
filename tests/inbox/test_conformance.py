"""What every inbox promises, on each of the places it can live in."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.inbox.places import Clock, Place
from tests.inbox.worker import LEASE
from wechatpay_async.errors import RequestError
from wechatpay_async.inbox import Claim, Held, Inbox

ROOT = Path(__file__).parent.parent.parent
NOON = 1_750_000_000.0


def taken(outcome: Claim | Held) -> Claim:
    assert isinstance(outcome, Claim)
    return outcome


def worker(task: str, place: Place, *ids: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.inbox.worker", task, place.kind, place.address, *ids]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.anyio
async def test_an_id_is_given_once_and_stays_done(place: Place) -> None:
    async with place.open() as inbox:
        claim = taken(await inbox.claim("EV-1"))
        assert claim.id == "EV-1"
        assert await inbox.claim("EV-1") is Held.BUSY
        assert await inbox.done(claim) is True
        assert await inbox.claim("EV-1") is Held.DONE
        assert isinstance(await inbox.claim("EV-2"), Claim)


@pytest.mark.anyio
async def test_what_was_done_is_seen_by_another_inbox_on_the_same_place(place: Place) -> None:
    async with place.open() as one, place.open() as other:
        claim = taken(await one.claim("EV-1"))
        assert await other.claim("EV-1") is Held.BUSY
        await one.done(claim)
        assert await other.claim("EV-1") is Held.DONE


@pytest.mark.anyio
async def test_a_released_id_can_be_taken_at_once(place: Place) -> None:
    async with place.open() as inbox:
        claim = taken(await inbox.claim("EV-1"))
        assert await inbox.release(claim) is True
        assert await inbox.release(claim) is False
        assert isinstance(await inbox.claim("EV-1"), Claim)


@pytest.mark.anyio
async def test_a_lease_that_ends_frees_the_id_and_the_late_worker_can_no_longer_settle_it(place: Place) -> None:
    clock = Clock(NOON)
    async with place.open(lease=20, clock=clock) as inbox:
        late = taken(await inbox.claim("EV-1"))
        clock.now += 19.9
        assert await inbox.claim("EV-1") is Held.BUSY
        clock.now += 0.1
        second = taken(await inbox.claim("EV-1"))
        assert await inbox.done(late) is False
        assert await inbox.release(late) is False
        assert await inbox.done(second) is True
        assert await inbox.claim("EV-1") is Held.DONE


@pytest.mark.anyio
async def test_a_late_worker_may_still_settle_what_nobody_took(place: Place) -> None:
    clock = Clock(NOON)
    async with place.open(lease=20, clock=clock) as inbox:
        claim = taken(await inbox.claim("EV-1"))
        clock.now += 60
        assert await inbox.done(claim) is True
        assert await inbox.claim("EV-1") is Held.DONE


@pytest.mark.anyio
async def test_done_twice_is_done_and_release_does_not_undo_it(place: Place) -> None:
    async with place.open() as inbox:
        claim = taken(await inbox.claim("EV-1"))
        assert await inbox.done(claim) is True
        assert await inbox.done(claim) is True
        assert await inbox.release(claim) is False
        assert await inbox.claim("EV-1") is Held.DONE


@pytest.mark.anyio
async def test_a_done_id_is_forgotten_after_keep(place: Place) -> None:
    clock = Clock(NOON)
    async with place.open(keep=3_600, clock=clock) as inbox:
        await inbox.done(taken(await inbox.claim("EV-1")))
        clock.now += 3_599
        assert await inbox.claim("EV-1") is Held.DONE
        clock.now += 1
        assert isinstance(await inbox.claim("EV-1"), Claim)


@pytest.mark.anyio
async def test_purging_spares_what_is_still_remembered(place: Place) -> None:
    clock = Clock(NOON)
    async with place.open(keep=3_600, clock=clock) as inbox:
        await inbox.done(taken(await inbox.claim("EV-old")))
        clock.now += 1_800
        await inbox.done(taken(await inbox.claim("EV-young")))
        running = taken(await inbox.claim("EV-running"))
        clock.now += 1_800
        inbox.purge()
        assert await inbox.claim("EV-young") is Held.DONE
        assert await inbox.done(running) is True
        assert isinstance(await inbox.claim("EV-old"), Claim)


@pytest.mark.anyio
async def test_claims_purge_now_and_then(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wechatpay_async.inbox.model._PURGE_EVERY", 2)
    async with place.open() as inbox:
        assert isinstance(await inbox.claim("EV-1"), Claim)
        assert isinstance(await inbox.claim("EV-2"), Claim)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["", "x" * 257])
async def test_an_id_that_no_notification_has_is_refused(place: Place, name: str) -> None:
    async with place.open() as inbox:
        with pytest.raises(RequestError, match="1 to 256 characters"):
            await inbox.claim(name)


def test_the_place_s_own_clock_counts_when_none_is_given(place: Place) -> None:
    inbox: Inbox = place.open(lease=1_000)
    claim = taken(inbox.claim_blocking("EV-1"))
    assert inbox.claim_blocking("EV-1") is Held.BUSY
    assert inbox.done_blocking(claim)
    inbox.close()


def test_a_killed_worker_loses_nothing_and_blocks_until_its_lease_ends(place: Place) -> None:
    clock = Clock(0.0)
    with worker("hold", place, "EV-1") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "EV-1\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    inbox = place.open()
    assert inbox.claim_blocking("EV-1") is Held.BUSY
    inbox.close()
    # The same place, later by the clock that is given: the lease is over.
    clock.now = time.time() + LEASE + 1
    later = place.open(clock=clock)
    claim = taken(later.claim_blocking("EV-1"))
    assert later.done_blocking(claim)
    assert later.claim_blocking("EV-1") is Held.DONE
    later.close()


def test_racing_processes_never_share_an_id_and_leave_none(place: Place) -> None:
    ids = [f"EV-{number}" for number in range(60)]
    racers = [worker("race", place, *ids) for _ in range(3)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    shares = [racer.communicate()[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert sorted(name for share in shares for name in share) == sorted(ids)
