"""Operations without rules of their own: checked, answered from the catalogue, remembered."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.conftest import MakeSandbox
from tests.support.handmade import OAEP, Handmade, verifies
from wechatpay_async import catalog
from wechatpay_async.catalog import Operation, Parameter, Schema
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.flows import ROUTES
from wechatpay_async.sandbox.wire import as_array, as_object

pytestmark = pytest.mark.anyio


#: Values for patterns that the catalogue gives without an example.
PATTERNS = {
    "^(?:[0-9]{6})$": "080000",
    r"^(?:\d{8}|\d{14}|OnAccept)$": "20251125",
    r"^(?:\d{8}|\d{14})$": "20251125",
    r"^(?:[a-zA-Z0-9\|\*_-]{1,128})$": "x",
}


def example(schema: Schema | Parameter, name: str = "") -> Any:
    """A value that the catalogue's own examples make up."""
    if schema.get("sensitive"):
        return "sealed by the test"
    if "example" in schema:
        return schema["example"]
    if schema.get("enum"):
        return schema.get("enum", [None])[0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], name)
    kind = schema.get("type")
    if kind == "object":
        return {key: example(member, key) for key, member in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema.get("items", {}), name)] * max(1, schema.get("minItems", 1))
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    if kind == "boolean":
        return True
    if "pattern" in schema:
        return PATTERNS[schema["pattern"]]
    return {
        "date-time": "2025-11-25T12:00:00+08:00",
        "date": "2025-11-25",
        "numeric": "1",
        "json": "{}",
        "yyyyMMddHHmmss": "20251125120000",
    }.get(schema.get("format", ""), "x" * max(1, schema.get("minLength", 1)))


def sealed(client: Handmade, schema: Schema | Parameter, value: Any) -> Any:
    """The value with its sensitive fields encrypted for the platform."""
    import base64

    if "anyOf" in schema:
        return sealed(client, schema["anyOf"][0], value)
    if schema.get("sensitive") and isinstance(value, str):
        key = next(iter(client.platform.values()))
        return base64.b64encode(key.encrypt(value.encode(), OAEP)).decode()
    if (members := as_object(value)) is not None:
        return {name: sealed(client, schema.get("properties", {})[name], item) for name, item in members.items()}
    if (items := as_array(value)) is not None:
        inner: Schema = {**schema.get("items", {})}
        if schema.get("sensitive"):
            inner["sensitive"] = True
        return [sealed(client, inner, item) for item in items]
    return value


def target_of(client: Handmade, operation: Operation) -> str:
    path = operation.path
    for parameter in operation.path_params:
        path = path.replace(f"{{{parameter['name']}}}", quote(str(example(parameter) or "1"), safe=""))
    pairs: list[str] = []
    for parameter in operation.query_params:
        value = sealed(client, parameter, example(parameter))
        text = (
            ",".join(map(str, as_array(value) or []))
            if isinstance(value, list)
            else str(value).lower()
            if isinstance(value, bool)
            else str(value)
        )
        pairs.append(f"{parameter['name']}={quote(text, safe='')}")
    return path + ("?" + "&".join(pairs) if pairs else "")


GENERIC = [
    operation for operation in catalog.operations() if operation.api == "v3" and operation.id not in ROUTES and not operation.is_upload
]


async def test_every_other_operation_answers(make_sandbox: MakeSandbox) -> None:
    """All of them in one test: the catalogue's examples in, a signed 2xx out."""
    sandbox = make_sandbox()
    failures: dict[str, str] = {}
    async with Handmade(sandbox.settings()) as client:
        for operation in GENERIC:
            body = sealed(client, operation.body, example(operation.body)) if operation.body else None
            response = await client.send(operation.method, target_of(client, operation), body)
            if str(response.status_code) not in operation.responses:
                failures[operation.id] = response.text
            elif operation.response_signed and not operation.download:
                assert verifies(client.platform[response.headers["wechatpay-serial"]], response.headers, response.content)
    assert failures == {}, "\n".join(failures.values())
    assert len(GENERIC) > 800


async def test_a_query_shows_what_was_created(client: Handmade) -> None:
    base = "/v3/marketing/busifavor/stocks"
    operation = catalog.operation("v3", "POST", base)
    assert operation is not None
    assert operation.body is not None
    body = example(operation.body) | {"stock_name": "8月1日活动券", "out_request_no": "100002322019090134234sfdf"}
    created = await client.call("POST", base, body)
    seen = await client.call("GET", f"{base}/{created['stock_id']}")
    assert (seen["stock_id"], seen["stock_name"]) == (created["stock_id"], "8月1日活动券")
    other = await client.call("POST", base, body | {"out_request_no": "another"})
    assert other["stock_id"] != created["stock_id"]
    assert await client.call("POST", base, body) == created


async def test_the_same_seed_gives_the_same_answers(make_sandbox: MakeSandbox) -> None:
    answers: list[Any] = []
    for seed in (1, 1, 2):
        async with Handmade(make_sandbox(seed=seed).settings()) as client:
            answers.append(await client.call("POST", "/v3/merchant/fund/withdraw", WITHDRAWAL))
    assert answers[0] == answers[1] != answers[2]


WITHDRAWAL = {"out_request_no": "20190611222222222200000000012122", "amount": 100, "account_type": "BASIC"}


async def test_sensitive_fields_must_be_sealed_for_the_platform(client: Handmade, sandbox: Sandbox) -> None:
    target = "/v3/profitsharing/receivers/add"
    receiver = {"appid": "wx8888888888888888", "type": "PERSONAL_OPENID", "account": "o1", "relation_type": "USER", "name": "张三"}
    response = await client.send("POST", target, receiver)
    assert (response.status_code, response.json()["detail"]["field"]) == (400, "/body/name")
    operation = catalog.operation("v3", "POST", target)
    assert operation is not None
    assert operation.body is not None
    right = sealed(client, operation.body, receiver)
    assert await client.refused("POST", target, right, headers={"Wechatpay-Serial": None}) == (400, "PARAM_ERROR")
    answer = await client.call("POST", target, right)
    import base64

    assert client.key.decrypt(base64.b64decode(answer["name"]), OAEP).decode() == "张三"
    assert json.loads(sandbox.calls[-1].request_body)["name"] == right["name"]
