"""One piece of work in each turn of the loop."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from wechatpay_async.turns import Turns

pytestmark = pytest.mark.anyio


async def test_whoever_comes_together_is_let_go_one_in_a_turn_in_order() -> None:
    turns, order, when = Turns(), list[int](), list[int]()
    now = 0

    async def work(number: int) -> None:
        await turns.take()
        order.append(number)
        when.append(now)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(work, number)
        while len(order) < 10:
            now += 1
            await anyio.lowlevel.checkpoint()
    assert sorted(order) == list(range(10))
    assert max(Counter(when).values()) <= 2  # trio lets this task and a worker go in either order


async def test_a_turn_is_free_again_afterwards() -> None:
    turns = Turns()
    for _ in range(3):
        await turns.take()
    assert not vars(turns)["_taken"]


async def test_work_that_follows_at_once_belongs_to_the_turn_that_was_given() -> None:
    turns = Turns()
    await turns.take()
    with pytest.raises(StopIteration):  # it did not wait
        turns.take(join=True).send(None)
    another = turns.take(join=True)
    another.send(None)  # it waits: one piece of work was let in already
    another.close()
    assert not vars(turns)["_taken"]


@pytest.mark.parametrize("given_up", [0, 1, 2])
async def test_whoever_gives_up_does_not_keep_the_others(given_up: int) -> None:
    turns: Any = Turns()
    turns._taken = True  # by somebody who is at work
    order: list[int] = []
    scopes = [anyio.CancelScope() for _ in range(4)]

    async def work(number: int) -> None:
        with scopes[number]:
            await turns.take()
            order.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(work, number)
            await anyio.wait_all_tasks_blocked()
        scopes[given_up].cancel()
        await anyio.wait_all_tasks_blocked()
        turns._pass_on()
    assert order == [number for number in range(4) if number != given_up]
    assert not turns._taken


async def test_a_turn_that_was_given_to_somebody_who_has_gone_goes_on() -> None:
    turns: Any = Turns()
    turns._taken = True
    done: list[str] = []
    scope = anyio.CancelScope()

    async def gone() -> None:
        with scope:
            await turns.take()

    async def next_one() -> None:
        await turns.take()
        done.append("next")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gone)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(next_one)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        turns._pass_on()  # to the one that is cancelled and has not run since
    assert done == ["next"]
    assert not turns._taken


async def test_the_first_of_all_can_be_cancelled_too() -> None:
    turns = Turns()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await turns.take()
    assert scope.cancelled_caught
    assert not vars(turns)["_taken"]
