"""Every documented operation called by the package's own client, and each answer of the type that the editor promises for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.api.test_examples import type_of
from tests.api.test_walk import node
from tests.sandbox import test_walk as walks
from tests.sandbox.conftest import MakeSandbox
from wechatpay_async import WechatpayError, catalog
from wechatpay_async.catalog import Operation
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.scope import has_state

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """One is enough: what is looked at are the answers."""
    return "asyncio"


@cache
def judge_of(operation: Operation) -> TypeAdapter[Any] | None:
    """The type of an operation's answer; None where it is a file or has no body."""
    returns = node(operation, -1).methods[operation.method.lower()].returns
    return type_of(operation, returns) if "_t." in returns else None


class TypedWalk(walks.Walk):
    """Calls operations, and notes each answer that is not of its type."""

    def __init__(self, wxpay: Any) -> None:
        super().__init__(wxpay)
        self.typed: set[str] = set()
        self.wrong: dict[str, set[str]] = {}

    async def do(self, operation: Operation, body: dict[str, Any] | None = None, values: dict[str, Any] | None = None) -> Any:
        data = await super().do(operation, body, values)
        judge = judge_of(operation)
        if judge is not None and data is not None:
            try:
                judge.validate_python(data, strict=operation.api == "v3")
            except ValidationError as error:
                self.note(operation, error)
            self.typed.add(operation.id)
        return data

    def note(self, operation: Operation, error: ValidationError) -> None:
        fields = {".".join(map(str, each["loc"])) for each in error.errors() if each["type"] == "missing"}
        others = {f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors() if each["type"] != "missing"}
        self.wrong[operation.id] = fields | others


async def test_answers_that_are_made_from_their_schema_have_its_type(make_sandbox: MakeSandbox) -> None:
    async with walks.client(make_sandbox()) as wxpay:
        walk = TypedWalk(wxpay)
        for operation in catalog.operations():
            if not has_state(operation):
                try:
                    await walk.do(operation)
                except WechatpayError as error:
                    walk.wrong[operation.id] = {str(error)}
    assert walk.wrong == {}
    assert len(walk.walked) > 900
    assert len(walk.typed) > 800


async def test_answers_with_state_have_their_type(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(mode="certificate")
    stories: list[Callable[[Sandbox, walks.Walk], Any]] = [
        walks.direct_orders,
        walks.partner_orders,
        walks.combined_orders,
        walks.shared_orders,
    ]
    async with walks.client(sandbox) as wxpay:
        walk = TypedWalk(wxpay)
        for story in stories:
            await story(sandbox, walk)
        for partner in (False, True):
            await walks.pay_score(sandbox, walk, partner=partner)
        await walks.transfers(walk)
        await walks.complaints(sandbox, walk)
        await walks.parking(sandbox, walk)
        await walks.parking_reminders(sandbox, walk)
        await walks.coupons(sandbox, walk)
        await walks.apiv2(sandbox, walk)
        sandbox.clock.advance(hours=22)
        await walks.bills(walk)
        await walks.coupon_flows(sandbox, walk)
    assert walk.wrong == {}
    assert len(walk.typed) > 60
