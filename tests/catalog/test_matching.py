"""A concrete path finds its operation and gives its values."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wechatpay_async import catalog
from wechatpay_async.catalog import API, Operation

ALL = list(catalog.operations())


def fill(template: str, values: dict[str, str]) -> str:
    """The template with its placeholders filled, each value percent-encoded once."""
    return re.sub(r"\{(\w+)\}", lambda found: quote(values[found[1]], safe=""), template)


def host_of(operation: Operation) -> str | None:
    return (operation.base_url or "").removeprefix("https://") or None


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: f"{operation.id} {operation.base_url or ''}")
def test_each_is_found_by_a_concrete_path(operation: Operation) -> None:
    values = {
        parameter["name"]: "1900013511" if parameter.get("format") == "numeric" else f"x {parameter['name']}/ü"
        for parameter in operation.path_params
    }
    path = fill(operation.path, values)
    assert catalog.match(operation.method, path, host=host_of(operation)) == (operation, values)


@settings(deadline=None)  # the first example reads the data
@given(st.sampled_from(ALL), st.data())
def test_any_value_comes_back_as_it_went_in(operation: Operation, data: st.DataObject) -> None:
    text = st.text(st.characters(codec="utf-8"), min_size=1)
    values = {parameter["name"]: data.draw(text) for parameter in operation.path_params}
    found = catalog.match(operation.method, fill(operation.path, values) + "?a=1", api=operation.api, host=host_of(operation))
    assert found is not None
    matched, got = found
    shape = re.sub(r"\{\w+\}", "{}", operation.path)
    if re.sub(r"\{\w+\}", "{}", matched.path) == shape:
        assert list(got.values()) == list(values.values())
    else:  # the value happens to be a literal segment of a sibling
        assert set(values.values()) & set(matched.path.split("/"))


@settings(deadline=None)  # the first example reads the data
@given(st.text(), st.text())
def test_anything_may_be_asked(method: str, path: str) -> None:
    found = catalog.match(method, path)
    assert found is None or found[0].method == method.upper()


def test_the_query_is_left_aside_and_values_are_decoded() -> None:
    found = catalog.match("get", "/v3/pay/transactions/id/4%2F2?mchid=1900000109")
    assert found is not None
    operation, values = found
    assert operation.path == "/v3/pay/transactions/id/{transaction_id}"
    assert values == {"transaction_id": "4/2"}


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("POST", "/v3/profitsharing/receivers/delete", "/v3/profitsharing/receivers/delete"),
        ("POST", "/v3/apply4subject/applyment/20000011111/cancel", "/v3/apply4subject/applyment/{applyment_id}/cancel"),
        ("POST", "/v3/apply4subject/applyment/1900013511_10000/cancel", "/v3/apply4subject/applyment/{business_code}/cancel"),
        ("POST", "/v3/ecommerce/applyments/", "/v3/ecommerce/applyments/"),
        ("POST", "/pay/unifiedorder", "/pay/unifiedorder"),
    ],
)
def test_where_two_could_fit(method: str, path: str, template: str) -> None:
    found = catalog.match(method, path)
    assert found is not None
    assert found[0].path == template


@pytest.mark.parametrize(
    ("method", "path", "api"),
    [
        ("GET", "/v3/pay/transactions/id/", None),
        ("PUT", "/v3/pay/transactions/native", None),
        ("GET", "/v3/pay/transactions/id/{transaction_id}/more", None),
        ("POST", "v3/pay/transactions/native", None),
        ("POST", "/v3/pay/transactions/native", "v2"),
        ("POST", "/pay/unifiedorder", "v3"),
        ("POST", "/v3/ecommerce/applyments", None),
    ],
)
def test_what_fits_none(method: str, path: str, api: API | None) -> None:
    assert catalog.match(method, path, api=api) is None


def test_a_placeholder_as_text_is_a_value_like_another() -> None:
    found = catalog.match("GET", "/v3/pay/transactions/id/%7Btransaction_id%7D")
    assert found is not None
    assert found[1] == {"transaction_id": "{transaction_id}"}


def test_the_host_decides_between_twins() -> None:
    overseas = catalog.match("GET", "/v3/certificates", host="apihk.mch.weixin.qq.com")
    usual = catalog.match("GET", "/v3/certificates")
    assert overseas is not None
    assert usual is not None
    assert overseas[0].base_url == "https://apihk.mch.weixin.qq.com"
    assert usual[0].base_url is None
