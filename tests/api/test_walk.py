"""All documented operations, each found in the stubs in both spellings, with the parameters that the facts want."""

from __future__ import annotations

import re

import pytest

from tests.api.stubs import Method, Stub, root, stubs
from wechatpay_async import catalog
from wechatpay_async.catalog import Operation
from wechatpay_async.chain import attribute_names

ALWAYS = {"params", "headers", "timeout"}
each_service = pytest.mark.parametrize("service", list(catalog.services()))


def node(operation: Operation, spelling: int) -> Stub:
    """The class that the names of a path lead to; 0 is the JS spelling, -1 snake case."""
    segments = operation.path.strip("/").split("/")
    found = root(operation.api)
    for segment in segments[1:] if operation.api == "v3" else segments:
        found = stubs(operation.api)[found.attributes[attribute_names(segment)[spelling]]]
    return found


def method(operation: Operation, spelling: int = -1) -> Method:
    return node(operation, spelling).methods[operation.method.lower()]


def placeholders(operation: Operation) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", operation.path))


def usual(operation: Operation) -> Operation:
    """The operation that stands for its template: one is documented for two hosts."""
    found = catalog.operation(operation.api, operation.method, operation.path)
    assert found is not None
    return found


def is_answer(returns: str, of: str) -> bool:
    return returns == f"Response[{of}]"


def test_there_are_1155() -> None:
    assert len(list(catalog.operations())) == 1155


@each_service
def test_both_spellings_lead_to_the_verb(service: str) -> None:
    for operation in catalog.operations(service):
        assert method(operation, 0) == method(operation, -1), operation


@each_service
def test_the_verb_has_the_parameters_of_the_facts(service: str) -> None:
    for operation in catalog.operations(service):
        verb = method(operation)
        upload = {"file", "filename", "progress"} if operation.is_upload else set[str]()
        takes_data = operation.is_upload or operation.body is not None or operation.method in {"POST", "PUT", "PATCH"}

        assert set(verb.keywords) == ALWAYS | placeholders(operation) | upload
        assert set(verb.positional) == ({"data", "config"} if takes_data else {"config"})
        assert verb.required >= placeholders(operation)


@each_service
def test_what_the_facts_require_cannot_be_left_out(service: str) -> None:
    for operation in catalog.operations(service):
        verb = method(operation)
        filled = operation.client_filled
        body = set((operation.body or {}).get("required", ())) - filled
        query = {each["name"] for each in operation.query_params if each["required"]} - filled
        headers = {each["name"] for each in operation.headers if each["required"]} - {"Wechatpay-Serial"}

        if not operation.is_upload:
            assert ("data" in verb.required) == bool(body)
        assert ("params" in verb.required) == bool(query)
        assert ("headers" in verb.required) == bool(headers)
        assert ("file" in verb.required) == operation.is_upload


@each_service
def test_the_answer_is_what_the_facts_say(service: str) -> None:
    for operation in catalog.operations(service):
        verb = method(operation)
        (schema,) = operation.responses.values()

        assert verb.is_async
        if operation.download:
            assert is_answer(verb.returns, "bytes")
        elif schema is None:
            assert is_answer(verb.returns, "None")
        elif schema.get("properties"):
            assert re.fullmatch(r"Response\[_t\.\w+Response\]", verb.returns)
        else:
            assert is_answer(verb.returns, "dict[str, Any]")


@each_service
def test_the_docstring_says_what_it_is(service: str) -> None:
    for operation in catalog.operations(service):
        title, _, called, *_ = method(operation).doc.splitlines()
        told = usual(operation)

        assert title == told.title + ("（已废弃）" if told.deprecated else "")
        assert called.startswith(f"{told.method} {told.path}")
        assert all(role in called for role in told.roles)
        assert bool(told.docs) == ("https://pay.weixin.qq.com/" in method(operation).doc)


def test_downloads_can_be_streamed() -> None:
    downloads = [operation for operation in catalog.operations() if operation.download]

    assert downloads
    for operation in downloads:
        stream = node(operation, -1).methods["stream"]
        assert not stream.is_async
        assert stream.returns == "AbstractAsyncContextManager[httpx.Response]"


def test_calling_a_node_is_post() -> None:
    for api in ("v3", "v2"):
        for stub in stubs(api).values():
            assert stub.aliases == ({"__call__": "post"} if "post" in stub.methods else {})


def test_no_class_answers_to_every_name() -> None:
    for api in ("v3", "v2"):
        assert not any("__getattr__" in stub.methods for stub in stubs(api).values())


def test_a_spelling_that_means_two_segments_leads_to_both() -> None:
    sign = stubs("v3")["PapayInsuranceSign"]
    both, kebab = stubs("v3")[sign.attributes["policy_periods"]], stubs("v3")[sign.attributes["policyPeriods"]]
    by_plan = stubs("v3")[stubs("v3")[both.attributes["plan_id"]].attributes["_plan_id_"]]

    assert both.name != kebab.name
    assert {"contract_id", "out_contract_code"} <= set(by_plan.attributes)
    assert "out_contract_code" not in stubs("v3")[stubs("v3")[kebab.attributes["plan_id"]].attributes["_plan_id_"]].attributes


def test_a_path_that_ends_in_a_slash_has_its_verb_on_the_last_name() -> None:
    applyment = stubs("v3")["Applyment4subApplyment"]

    assert "/v3/applyment4sub/applyment/" in applyment.methods["post"].doc


def test_a_segment_called_delete_is_an_attribute() -> None:
    receivers = stubs("v3")["ProfitsharingReceivers"]

    assert "post" in stubs("v3")[receivers.attributes["delete"]].methods


def test_keywords_have_a_trailing_underscore() -> None:
    assert "global_" in root("v3").attributes
    assert "return_" in stubs("v3")["MarketingBusifavorCoupons"].attributes
