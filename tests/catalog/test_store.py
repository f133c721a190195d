"""The catalogue's data: how much there is, how it is found, and that nothing is read before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from wechatpay_async import catalog
from wechatpay_async.catalog import Operation, TreeNode

ALL = list(catalog.operations())


def test_every_documented_operation_is_there() -> None:
    assert Counter(operation.api for operation in ALL) == {"v3": 1019, "v2": 136}
    assert sum(operation.base_url == "https://apihk.mch.weixin.qq.com" for operation in ALL) == 27


def test_every_documented_notification_is_there() -> None:
    assert Counter(event.api for event in catalog.events()) == {"v3": 102, "v2": 10}


def test_the_services_are_the_first_segments_in_snake_case() -> None:
    services = list(catalog.services())
    assert services == sorted(services)
    assert {"pay", "payscore", "fund_app", "global_", "v2_pay", "v2_mmpaymkttransfers"} <= set(services)
    assert [operation.path for operation in catalog.operations("realname")] == ["/v3/realname/verify"]


def test_an_unknown_service_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        list(catalog.operations("nothing"))


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: f"{operation.id} {operation.base_url or ''}")
def test_each_is_found_by_its_template(operation: Operation) -> None:
    host = (operation.base_url or "").removeprefix("https://") or None
    assert catalog.operation(operation.api, operation.method.lower(), operation.path, host=host) is operation


def test_what_one_operation_says() -> None:
    found = catalog.operation("v3", "POST", "/v3/pay/transactions/native")
    assert found is not None
    assert (found.id, found.title, found.service) == ("POST /v3/pay/transactions/native", "Native下单", "pay")
    assert found.docs_url is not None
    assert found.docs_url.startswith("https://pay.weixin.qq.com/")
    assert (found.nonce, found.response_signed, found.client_cert, found.download, found.is_upload) == (True, True, False, False, False)
    assert found.body is not None
    assert "amount" in found.body.get("required", [])
    answer = found.responses["200"]
    assert answer is not None
    assert list(answer.get("properties", {})) == ["code_url"]


def test_the_flags_are_data() -> None:
    refund = catalog.operation("v2", "POST", "/secapi/pay/refund")
    bill = catalog.operation("v3", "GET", "/v3/billdownload/file")
    upload = catalog.operation("v3", "POST", "/v3/merchant/media/upload")
    assert refund is not None
    assert bill is not None
    assert upload is not None
    assert refund.client_cert
    assert (bill.download, bill.response_signed) == (True, False)
    assert upload.is_upload
    assert [(part["name"], part.get("type"), part["required"]) for part in upload.form] == [
        ("file", "file", True),
        ("meta", "string", True),
    ]
    assert set(upload.form[1].get("contentSchema", {}).get("properties", {})) == {"filename", "sha256"}


def test_a_page_is_not_known_for_all() -> None:
    without = catalog.operation("v3", "GET", "/v3/pay/transactions/id/{transaction_id}")
    assert without is not None
    assert without.docs_url is None


def test_two_hosts_share_one_template() -> None:
    usual = catalog.operation("v3", "GET", "/v3/certificates")
    overseas = catalog.operation("v3", "GET", "/v3/certificates", host="apihk.mch.weixin.qq.com")
    assert usual is not None
    assert overseas is not None
    assert usual.base_url is None
    assert overseas.base_url == "https://apihk.mch.weixin.qq.com"
    assert catalog.operation("v3", "GET", "/v3/certificates", host="127.0.0.1") is usual


@pytest.mark.parametrize(
    ("method", "template"), [("PUT", "/v3/pay/transactions/native"), ("GET", "/v3/pay/nothing"), ("GET", "/v3/pay/transactions/id/42")]
)
def test_what_is_not_documented_is_none(method: str, template: str) -> None:
    assert catalog.operation("v3", method, template) is None


@pytest.mark.parametrize("event", list(catalog.events()), ids=lambda event: f"{event.api} {event.event}")
def test_each_notification_is_found_by_name(event: catalog.Event) -> None:
    assert catalog.event(event.event, api=event.api) is event


def test_a_name_that_both_apis_have_is_the_newer_ones() -> None:
    found = catalog.event("TRANSACTION.SUCCESS")
    assert found is not None
    assert found.api == "v3"
    assert found.original_types == ("transaction", "profitsharing")
    assert {"mchid", "transaction_id", "trade_type", "payer", "receiver"} <= set(found.resource.get("properties", {}))
    assert catalog.event("NOTHING.HAPPENED") is None


def test_the_query_as_one_object() -> None:
    found = catalog.operation("v3", "GET", "/v3/pay/transactions/id/{transaction_id}")
    assert found is not None
    assert found.query_schema == {
        "type": "object",
        "properties": {"mchid": {"type": "string", "title": "直连商户号", "example": "1230000109"}},
        "required": ["mchid"],
    }


def test_what_the_client_fills_in() -> None:
    old = catalog.operation("v2", "POST", "/pay/unifiedorder")
    new = catalog.operation("v3", "POST", "/v3/pay/transactions/native")
    assert old is not None
    assert new is not None
    assert {"sign", "nonce_str", "mch_id"} <= old.client_filled
    assert new.client_filled == frozenset()


def _nodes(node: TreeNode) -> list[TreeNode]:
    return [node, *(inner for child in node.children.values() for inner in _nodes(child))]


def test_the_tree_has_every_template() -> None:
    keys = [key for api in ("v3", "v2") for node in _nodes(catalog.tree(api)) for key in node.methods.values()]
    assert len(keys) == len(set(keys)) == len({(operation.api, operation.method, operation.path) for operation in ALL}) == 1154
    assert all(catalog.operation(*key) is not None for key in keys)


def test_a_branch_of_the_tree() -> None:
    transactions = catalog.tree("v3").children["pay"].children["transactions"]
    assert {"native", "jsapi", "id", "out-trade-no"} <= set(transactions.children)
    by_number = transactions.children["id"].children["{transaction_id}"]
    assert by_number.segment == "{transaction_id}"
    assert by_number.methods["GET"].path == "/v3/pay/transactions/id/{transaction_id}"
    assert not by_number.children


def test_names_that_differ_by_a_dash_are_siblings_and_a_slash_at_the_end_is_a_segment() -> None:
    sign = catalog.tree("v3").children["papay"].children["insurance-sign"]
    assert {"policy-periods", "policy_periods"} <= set(sign.children)
    applyments = catalog.tree("v3").children["ecommerce"].children["applyments"]
    assert applyments.children[""].methods["POST"].path == "/v3/ecommerce/applyments/"
    assert "POST" not in applyments.methods


def test_importing_reads_nothing() -> None:
    script = (
        "import sys\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append(str(args[0])) if name == 'open' else None)\n"
        "import wechatpay_async.catalog\n"
        "assert not [name for name in seen if '/catalog/data/' in name], seen\n"
        "wechatpay_async.catalog.operation('v3', 'POST', '/v3/pay/transactions/native')\n"
        "print(sorted(name.rsplit('/', 1)[1] for name in seen if '/catalog/data/' in name))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['index.json', 'pay.jsonl']"


def test_the_data_stays_small() -> None:
    data = Path(catalog.__file__).parent / "data"
    sizes = {path.name: path.stat().st_size for path in data.iterdir()}
    assert sum(sizes.values()) < 4_000_000
    assert max(sizes.values()) < 700_000
    assert sizes["index.json"] < 100_000
