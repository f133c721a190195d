"""An operation of every service, drawn by a fixed seed: the types accept the facts' examples, and refuse them with one fault."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.api.examples import example, example_of_parameters, with_a_wrong_type, without
from tests.api.test_walk import node
from wechatpay_async import catalog
from wechatpay_async.catalog import Operation

SEED = 20261125


def sample() -> Iterator[Operation]:
    """One operation of each service, if it has one that takes a body or a query."""
    chance = random.Random(SEED)  # noqa: S311 — a sample, not a secret
    for service in catalog.services():
        candidates = [each for each in catalog.operations(service) if each.query_params or each.body]
        if candidates:
            yield chance.choice(candidates)


SAMPLE = list(sample())
each_of_the_sample = pytest.mark.parametrize("operation", [pytest.param(each, id=f"{each.api} {each.id}") for each in SAMPLE])


def type_of(operation: Operation, annotation: str) -> TypeAdapter[Any]:
    """The run-time type that an annotation of the stub names."""
    name = re.search(r"_t\.(\w+)", annotation)
    module = node(operation, -1).types
    assert name is not None
    assert module is not None
    return TypeAdapter(getattr(import_module(module), name[1]))


def inputs(operation: Operation) -> Iterator[tuple[TypeAdapter[Any], dict[str, Any], set[str]]]:
    """The typed inputs of an operation: the type, the example, and what must be there."""
    verb = node(operation, -1).methods[operation.method.lower()]
    if operation.body is not None:
        required = set(operation.body.get("required", ())) - operation.client_filled
        yield type_of(operation, verb.positional["data"]), example(operation.body), required
    if operation.query_params:
        required = {each["name"] for each in operation.query_params if each["required"]} - operation.client_filled
        yield type_of(operation, verb.keywords["params"]), example_of_parameters(operation.query_params), required


def accepts(judge: TypeAdapter[Any], value: Any) -> bool:
    try:
        judge.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def test_the_sample_is_large() -> None:
    assert len(SAMPLE) >= 60


@each_of_the_sample
def test_the_official_example_is_accepted(operation: Operation) -> None:
    for judge, value, _ in inputs(operation):
        judge.validate_python(value, strict=True)


@each_of_the_sample
def test_a_required_field_that_is_left_out_is_refused(operation: Operation) -> None:
    for judge, value, required in inputs(operation):
        assert [name for name in sorted(required) if accepts(judge, without(value, name))] == []


@each_of_the_sample
def test_an_optional_field_may_be_left_out(operation: Operation) -> None:
    for judge, value, required in inputs(operation):
        judge.validate_python({name: value[name] for name in sorted(required)}, strict=True)


@each_of_the_sample
def test_a_value_of_the_wrong_type_is_refused(operation: Operation) -> None:
    for judge, value, _ in inputs(operation):
        assert [name for name, wrong in with_a_wrong_type(value) if accepts(judge, wrong)] == []


@each_of_the_sample
def test_the_example_of_the_answer_is_accepted(operation: Operation) -> None:
    returns = node(operation, -1).methods[operation.method.lower()].returns
    (schema,) = operation.responses.values()
    if operation.api == "v3" and schema is not None and "_t." in returns:
        type_of(operation, returns).validate_python(example(schema), strict=True)
