"""Names to paths: the documented shapes, all catalogued paths, and every way to write one wrongly."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import Vector, each_vector
from wechatpay_async import catalog, chain
from wechatpay_async.chain import Call, Node
from wechatpay_async.errors import RequestError
from wechatpay_async.response import Response


class Recorder:
    """Stands for the client: keeps what the verbs ask for."""

    def __init__(self) -> None:
        self.streamed: list[Call] = []

    def execute(self, call: Call) -> Awaitable[Response[Any]]:
        async def answer() -> Response[Any]:
            return Response(call, httpx.Response(200), 200, None)

        return answer()

    def open_stream(self, call: Call) -> AbstractAsyncContextManager[httpx.Response]:
        self.streamed.append(call)
        raise NotImplementedError


CALLER = Recorder()
V3 = chain.root(CALLER, "v3")
V2 = chain.root(CALLER, "v2")


def made(coroutine: Any) -> Call:
    """The call that a verb makes; no event loop is needed for it."""
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    call = stopped.value.value.data
    assert isinstance(call, Call)
    return call


@each_vector("normalise")
def test_the_js_rules(vector: Vector) -> None:
    assert chain.normalise(vector.inputs["name"]) == vector.expected["normalised"]


def test_the_documented_example() -> None:
    body: dict[str, Any] = {"post_payments": []}
    call = made(V3.payscore.partner.serviceorder._out_order_no_.modify.post(body, out_order_no="1234323JKHDFE1243252"))
    assert call.template == "/v3/payscore/partner/serviceorder/{out_order_no}/modify"
    assert call.path == "/v3/payscore/partner/serviceorder/1234323JKHDFE1243252/modify"
    assert (call.api, call.method, call.data) == ("v3", "POST", body)
    assert call.operation is not None
    assert call.operation.path == call.template
    assert call.name == "POST /v3/payscore/partner/serviceorder/{out_order_no}/modify"


ALL = [pytest.param(operation, id=f"{operation.api} {operation.id}") for operation in catalog.operations()]


def spelt(operation: catalog.Operation, which: int) -> Node:
    node = V3 if operation.api == "v3" else V2
    for segment in operation.path.strip("/").split("/")[1 if operation.api == "v3" else 0 :]:
        node = getattr(node, chain.attribute_names(segment)[which])
    return node


def call_of(node: Node, operation: catalog.Operation) -> Call:
    values: dict[str, Any] = {parameter["name"]: "42" for parameter in operation.path_params}
    return made(getattr(node, operation.method.lower())({}, **values) if operation.method != "GET" else node.get(**values))


def test_all_documented_operations_are_there() -> None:
    assert len(ALL) == 1155


@pytest.mark.parametrize("operation", ALL)
def test_every_documented_path(operation: catalog.Operation) -> None:
    whole = chain.whole(CALLER, ("v2" if operation.api == "v2" else "") + operation.path)
    for node in (spelt(operation, 0), spelt(operation, -1), whole):
        call = call_of(node, operation)
        assert call.template == operation.path
        assert call.api == operation.api
        assert call.operation is not None
        assert (call.operation.method, call.operation.path) == (operation.method, operation.path)


@pytest.mark.parametrize(
    ("node", "path"),
    [
        (V3.global_.papay, "/v3/global/papay"),
        (V3.ecommerce.subsidies.return_, "/v3/ecommerce/subsidies/return"),
        (V3.marketing.membercardOpen.phonenumber_member.import_, "/v3/marketing/membercard-open/phonenumber-member/import"),
        (V3.gov.subsidy.zhejiang.authcode.try_, "/v3/gov/subsidy/zhejiang/authcode/try"),
        (V3.profitsharing.receivers.delete, "/v3/profitsharing/receivers/delete"),
        (V3.applyment4sub.applyment, "/v3/applyment4sub/applyment/"),
        (V3.ecommerce.applyments, "/v3/ecommerce/applyments/"),
        (V2.secapi.mch.addInstitutionsub, "/secapi/mch/addInstitutionsub"),
        (V3.NewThing.fooBar.With_underline, "/v3/new-thing/foo-bar/with_underline"),
        (V3.new_thing, "/v3/new_thing"),
        (V3.new.class_, "/v3/new/class"),
        (V3.new.get_, "/v3/new/get"),
        (V3.new.thing_, "/v3/new/thing_"),
        (V3["new-Thing"]["a b/c"], "/v3/new-Thing/a%20b%2Fc"),
        (V3.pay["transactions"]["native"], "/v3/pay/transactions/native"),
        (chain.whole(CALLER, "/v3/New_Thing/%E4%B8%AD/中/a b/"), "/v3/New_Thing/%E4%B8%AD/%E4%B8%AD/a%20b/"),
        (chain.whole(CALLER, "brand/card-member/pre-auth-tokens"), "/brand/card-member/pre-auth-tokens"),
        (chain.whole(CALLER, "v2/pay/micropay"), "/pay/micropay"),
    ],
)
def test_spellings(node: Node, path: str) -> None:
    assert made(node.post({})).path == path


def test_the_two_policy_periods() -> None:
    plan = V3.papay.insurance_sign.policy_periods.plan_id._plan_id_
    kebab = made(plan.contract_id._contract_id_.modify.post({}, plan_id="1", contract_id="2"))
    snake = made(plan.out_contract_code._out_contract_code_.get(plan_id="1", out_contract_code="2"))
    assert kebab.path == "/v3/papay/insurance-sign/policy-periods/plan-id/1/contract-id/2/modify"
    assert snake.path == "/v3/papay/insurance-sign/policy_periods/plan-id/1/out-contract-code/2"
    assert kebab.operation is not None
    assert snake.operation is not None


def test_a_written_out_path_is_recognised() -> None:
    call = made(chain.whole(CALLER, "v3/pay/transactions/id/1217752501201407033233368018").get())
    assert call.operation is not None
    assert call.operation.path == "/v3/pay/transactions/id/{transaction_id}"
    own_name = made(V3.pay.transactions.id._number_.get(number="1217752501201407033233368018"))
    assert own_name.operation is call.operation
    assert made(V3.unknown.get()).operation is None


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("100%", "100%25"),
        ("%2F", "%252F"),
        ("..a", "..a"),
        ("a b", "a%20b"),
        ("订单", "%E8%AE%A2%E5%8D%95"),
        (r"a\b", "a%5Cb"),
        ("a;b=c&d+e|f", "a%3Bb%3Dc%26d%2Be%7Cf"),
        (42, "42"),
    ],
)
def test_a_value_stays_in_its_segment(value: str | int, segment: str) -> None:
    call = made(V3.pay.transactions.id._transaction_id_.get(transaction_id=value))
    assert call.path == f"/v3/pay/transactions/id/{segment}"
    assert httpx.URL(f"https://api.mch.weixin.qq.com{call.path}").raw_path == call.path.encode()


@given(st.text(min_size=1))
def test_no_value_makes_another_path(value: str) -> None:
    try:
        call = made(V3.pay.transactions.id._transaction_id_.get(transaction_id=value))
    except RequestError:
        assert value in (".", "..") or any("\ud800" <= char <= "\udfff" for char in value)
        return
    assert call.path.count("/") == 5
    assert not set(call.path) & set("?#\\ ")
    found = catalog.match("GET", call.path)
    assert found is not None
    assert found[1] == {"transaction_id": value}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "transaction_id: '' cannot be a path segment"),
        (".", "transaction_id: '.' cannot be a path segment"),
        ("..", "transaction_id: '..' cannot be a path segment"),
        (None, "transaction_id: expected text or an integer as path value, got NoneType"),
        (True, "transaction_id: expected text or an integer as path value, got bool"),
        (b"1", "transaction_id: expected text or an integer as path value, got bytes"),
        ("\ud800", "transaction_id: the text has half a surrogate pair"),
    ],
)
def test_a_value_that_cannot_be_a_segment(value: Any, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{message}"):
        V3.pay.transactions.id._transaction_id_.get(transaction_id=value).send(None)


TRANSACTION = V3.pay.transactions.id._transaction_id_


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TRANSACTION.get(), "the path value transaction_id is missing (pass transaction_id=…)"),
        (lambda: TRANSACTION.get(transactionid="1"), "is missing (pass transaction_id=…; did you mean it by 'transactionid'?)"),
        (lambda: TRANSACTION.get(transaction_id="1", param="x"), "unknown argument param (did you mean params?)"),
        (
            lambda: TRANSACTION.get(transaction_id="1", mchid="1"),
            "unknown argument mchid (mchid is a query parameter: params={'mchid': …})",
        ),
        (
            lambda: V3.pay.transactions.native.post({}, description="x"),
            "description is a field of the body: it goes into the first mapping",
        ),
        (lambda: TRANSACTION.get(transaction_id="1", zzz="1"), "path values here: transaction_id; a query goes into params="),
        (lambda: V3.new.post({}, zzz="1"), "path values here: none"),
        (lambda: TRANSACTION.get({"transaction_id": "1"}, transaction_id="2"), "transaction_id is given twice"),
        (lambda: TRANSACTION.get({"params": {}}, params={}, transaction_id="2"), "params is given twice"),
        (lambda: TRANSACTION.get({"headers": {}}, headers={}, transaction_id="2"), "headers is given twice"),
        (lambda: TRANSACTION.get({"timeout": 1}, transaction_id="2"), "timeout= is a keyword, in seconds"),
        (lambda: TRANSACTION.get(["x"], transaction_id="2"), "config: expected a mapping, got list"),  # type: ignore[arg-type]  # a list where a mapping is due
    ],
)
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        call().send(None)
    assert message in str(caught.value)


def test_the_config_of_the_js_shape() -> None:
    config = {"out_order_no": "1", "params": {"a": "b"}, "headers": {"Wechatpay-Serial": "PUB_KEY_ID_1"}}
    call = made(V3.payscore.serviceorder._out_order_no_.complete.post({"x": 1}, config))
    assert call.path == "/v3/payscore/serviceorder/1/complete"
    assert (call.data, call.params, call.headers) == ({"x": 1}, {"a": "b"}, {"Wechatpay-Serial": "PUB_KEY_ID_1"})
    by_keyword = made(V3.payscore.serviceorder._out_order_no_.complete.post({"x": 1}, config=config))
    assert by_keyword == call
    assert config["out_order_no"] == "1"


def test_a_placeholder_with_a_hyphen() -> None:
    node = V3["things"]["{out-no}"]
    assert made(node.get(out_no="1")).path == "/v3/things/1"
    assert made(node.get({"out-no": "1"})).path == "/v3/things/1"


def test_verbs() -> None:
    assert made(V2.pay.micropay({"a": 1})).method == "POST"
    assert made(V3.a.put({})).method == "PUT"
    assert made(V3.a.patch({})).method == "PATCH"
    call = made(V3.a.post({}, headers={"x": "y"}, params={"q": 1}, timeout=3, file=b"f", filename="n"))
    assert (call.headers, call.params, call.timeout, call.file, call.filename) == ({"x": "y"}, {"q": 1}, 3, b"f", "n")
    with pytest.raises(NotImplementedError):
        V3.billdownload.file.stream(params={"token": "t"})
    assert CALLER.streamed[-1].path == "/v3/billdownload/file"


def test_delete_with_a_body() -> None:
    node = V3.marketing.goodsSubsidyActivity.retailStoreAct._brand_id_.stores
    call = made(node.delete({"stores": []}, brand_id="1"))
    assert (call.method, call.data) == ("DELETE", {"stores": []})


def test_delete_without_a_body_takes_the_config_first() -> None:
    node = V3.merchantService.complaintNotifications
    call = made(node.delete({"headers": {"a": "b"}}))
    assert (call.method, call.data, call.headers) == ("DELETE", None, {"a": "b"})
    assert made(node.delete()).data is None
    unknown = made(V3.new.delete({"x": 1}, {"headers": {}}))
    assert (unknown.method, unknown.path, unknown.data) == ("DELETE", "/v3/new", {"x": 1})


def test_delete_as_a_segment_called() -> None:
    call = made(V3.profitsharing.receivers.delete({"account": "x"}))
    assert (call.method, call.path, call.data) == ("POST", "/v3/profitsharing/receivers/delete", {"account": "x"})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "not a path"),
        ("/", "not a path"),
        ("v3/a?b=c", "a query goes into params="),
        ("v3/a#b", "not a path"),
        (r"v3\a", "not a path"),
        ("https://api.mch.weixin.qq.com/v3/a", "not a path"),
        ("v3//a", "an empty segment"),
        ("v3/../a", "'..' would leave the path"),
        ("v3/%2e%2E/a", "would leave the path"),
        ("v3/./a", "'.' would leave the path"),
        ("v3/100%/a", "a stray % in the segment '100%'"),
    ],
)
def test_what_is_no_path(path: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        chain.whole(CALLER, path)
    assert message in str(caught.value)


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_what_is_no_segment(segment: str) -> None:
    with pytest.raises(RequestError, match="cannot be a path segment"):
        V3[segment]


PROBES = [
    "__wrapped__",
    "__len__",
    "_ipython_display_",
    "_ipython_canary_method_should_not_exist_",
    "_repr_html_",
    "_repr_mimebundle_",
    "_x",
    "__",
]


@pytest.mark.parametrize("name", PROBES)
def test_probes_find_nothing(name: str) -> None:
    assert not hasattr(V3.pay, name)


def test_copy_inspect_and_await_do_nothing() -> None:
    node = V3.pay.transactions
    assert copy.copy(node) is node
    assert copy.deepcopy(node) is node
    assert inspect.unwrap(node) is node
    assert not inspect.isawaitable(node)
    with pytest.raises(TypeError, match="keep str.node."):
        pickle.dumps(node)


def test_a_node_is_no_mapping_and_nothing_to_iterate_over() -> None:
    node = V3.pay.transactions
    probes: list[Callable[[Any], Any]] = [iter, list, dict, lambda node: {**node}, lambda node: [*node], lambda node: "x" in node]
    for probe in probes:
        with pytest.raises(TypeError, match="not iterable|must be a mapping|is not a mapping|not a container"):
            probe(node)
    for name in ("keys", "", ".", ".."):
        with pytest.raises(AttributeError, match="has no attribute"):
            getattr(node, name)


def test_fastapi_makes_json_of_a_node_and_asks_nobody() -> None:
    """A handler that returns a node by mistake: an encoder looks for a mapping, an iterable, and then at the attributes."""
    from fastapi.encoders import jsonable_encoder

    assert jsonable_encoder(V3["nothing"]["below"]) == {}


@pytest.mark.parametrize("name", [5, None, b"v3"])
def test_a_name_that_is_no_text(name: Any) -> None:
    readers: list[Callable[[Any], Any]] = [lambda path: chain.whole(CALLER, path), V3.__getitem__]
    for node in readers:
        with pytest.raises(RequestError, match=f"is text, got {type(name).__name__}"):
            node(name)


def test_an_integer_beyond_64_bits_as_a_path_value() -> None:
    with pytest.raises(RequestError, match="no: the integer is beyond 64 bits"):
        made(chain.whole(CALLER, "v3/x/{no}").get(no=1 << 63))


def test_nodes_are_immutable_hashable_and_kept() -> None:
    node = V3.pay.transactions
    assert V3.pay.transactions is node
    assert V3["pay"]["transactions"] == node
    assert {node: 1}[V3["pay"].transactions] == 1
    assert node != V3.pay
    assert node != chain.root(Recorder(), "v3").pay.transactions
    assert node != "v3/pay/transactions"
    with pytest.raises(AttributeError, match="immutable: cannot set 'x'"):
        node.x = 1
    with pytest.raises(AttributeError, match="immutable: cannot delete 'native'"):
        del node.native


def test_a_node_shows_its_path() -> None:
    node = V3.pay.transactions.id._transaction_id_
    assert repr(node) == "<Node v3/pay/transactions/id/{transaction_id}>"
    assert str(node) == "v3/pay/transactions/id/{transaction_id}"
    assert chain.whole(CALLER, str(node)) == node


def test_dir_lists_the_documented_children() -> None:
    verbs = {"get", "post", "put", "patch", "delete", "stream"}
    steps = {"modify", "cancel", "complete", "pay", "sync", "send_prepaidmessage", "sendPrepaidmessage"}
    steps |= {"send_pendingmessage", "sendPendingmessage"}
    assert set(dir(V3.payscore.partner.serviceorder._out_order_no_)) == steps | verbs
    assert {"outTradeNo", "out_trade_no", "native", "id"} <= set(dir(V3.pay.transactions))
    assert "global_" in dir(V3)
    assert set(dir(V3.unknown)) == verbs


def test_a_node_that_is_asked_for_values_forgets_them() -> None:
    node = V3.somewhere
    for number in range(600):
        getattr(node, f"value{number}")
    assert len(vars(node)) == 512


def test_values_stay_out_of_a_calls_repr() -> None:
    call = made(V3.payscore.serviceorder._out_order_no_.complete.post({"name": "张三"}, out_order_no="1"))
    assert "张三" not in repr(call)
