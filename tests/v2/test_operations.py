"""Every documented APIv2 operation, built from its documented examples and read back from a reply made of the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wechatpay_async import catalog
from wechatpay_async.catalog import Operation, Schema
from wechatpay_async.errors import BadSignature
from wechatpay_async.protocol import v2, xml
from wechatpay_async.protocol.v3 import encode_json

MCHID = "1900000109"
SECRET = b"192006250b4c09247ec02edce69f6a2d"
OPERATIONS = [operation for operation in catalog.operations() if operation.api == "v2"]
EACH = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)

# Counted by hand in the facts: how many operations have each mark.
CLIENT_CERT, WITHOUT_NONCE, UNSIGNED_REPLY = 57, 19, 25


def documented(operation: Operation) -> Mapping[str, Any]:
    if operation.method == "GET":
        return {parameter["name"]: parameter for parameter in operation.query_params}
    if operation.is_upload:
        return {parameter["name"]: parameter for parameter in operation.form if parameter.get("type") != "file"}
    return (operation.body or {}).get("properties", {})


def example_call(operation: Operation) -> dict[str, object]:
    """The documented examples, without what the client adds and what it must not send for another merchant."""
    added = {*v2.MERCHANT_NAMES, "sign", "sign_type", "nonce_str", "workwx_sign"}
    return {name: fact.get("example", "1") for name, fact in documented(operation).items() if name not in added}


def sent(operation: Operation, request: v2.V2Request) -> Mapping[str, str]:
    if operation.method == "GET":
        return request.query
    if operation.is_upload:
        return request.form
    root, values = xml.parse(request.body)
    assert root == "xml"
    assert isinstance(values, dict)
    return {name: value for name, value in values.items() if isinstance(value, str)}


def build(operation: Operation) -> v2.V2Request:
    return v2.build_request(operation, example_call(operation), mchid=MCHID, secret=SECRET, nonce="n" * 32, agent_secret="agent")


def test_there_are_136() -> None:
    assert len(OPERATIONS) == 136


@EACH
def test_a_call_has_the_right_fields(operation: Operation) -> None:
    fields = sent(operation, build(operation))
    names, call = documented(operation), example_call(operation)
    assert set(call) <= set(fields)
    assert [fields[name] for name in v2.MERCHANT_NAMES if name in names] == [MCHID] * any(name in names for name in v2.MERCHANT_NAMES)
    if names:
        assert ("nonce_str" in fields) == (operation.nonce and "nonce_str" in names)
        assert set(fields) <= set(names)


@EACH
def test_a_call_is_signed_as_the_facts_say(operation: Operation) -> None:
    fields, names = sent(operation, build(operation)), documented(operation)
    if names and "sign" not in names:
        assert "sign" not in fields
        return
    v2.check_sign(fields, SECRET)
    allowed = names.get("sign_type", {}).get("enum", ["MD5"])
    if allowed == ["HMAC-SHA256"]:
        assert fields["sign_type"] == "HMAC-SHA256"
        assert len(fields["sign"]) == 64
    if "sign_type" not in fields:
        assert "MD5" in allowed
        assert len(fields["sign"]) == 32


@EACH
def test_every_documented_digest_can_be_asked_for(operation: Operation) -> None:
    for sign_type in documented(operation).get("sign_type", {}).get("enum", []):
        call = {**example_call(operation), "sign_type": sign_type}
        request = v2.build_request(operation, call, mchid=MCHID, secret=SECRET, nonce="n" * 32)
        fields = sent(operation, request)
        assert fields["sign_type"] == sign_type
        assert len(fields["sign"]) == (64 if sign_type == "HMAC-SHA256" else 32)


def example_reply(schema: Schema) -> dict[str, Any]:
    reply: dict[str, Any] = {}
    for name, fact in schema.get("properties", {}).items():
        if name in ("sign", "err_code", "err_code_des", "error_code"):
            continue
        if fact.get("type") == "object":
            reply[name] = example_reply(fact)
        elif fact.get("type") == "array":
            reply[name] = [example_reply(fact.get("items", {}))]
        else:
            reply[name.replace("$n", "0").replace("$m", "0")] = str(fact.get("example", "1"))
    return reply


@EACH
def test_a_reply_made_of_the_examples_is_read(operation: Operation) -> None:
    schema = operation.responses.get("200")
    if schema is None:  # a page for the user's browser
        assert v2.read_reply(operation, {}, b"<html>", mchid=MCHID, secret=SECRET) == b"<html>"
        return
    reply = {"return_code": "SUCCESS", **example_reply(schema)}
    reply.update({name: "SUCCESS" for name in ("return_code", "result_code") if name in reply})
    reply.update({name: MCHID for name in v2.MERCHANT_NAMES if name in reply})
    is_json = "application/json" in operation.produces
    is_signed = operation.response_signed and ("sign" in schema.get("properties", {}) or "properties" not in schema)
    if is_json:
        del reply["return_code"]
        reply["retcode"] = 0
        body = encode_json(reply)
    else:
        if is_signed:
            reply["sign"] = v2.sign(reply, SECRET, "HMAC-SHA256")
        body = xml.build("xml", reply)
    assert v2.read_reply(operation, {}, body, mchid=MCHID, secret=SECRET) == reply
    if is_signed:
        changed = body.replace(b"<return_code>SUCCESS", b"<extra>1</extra><return_code>SUCCESS")
        with pytest.raises(BadSignature):
            v2.read_reply(operation, {}, changed, mchid=MCHID, secret=SECRET)


def test_the_marks_are_those_of_the_facts() -> None:
    assert sum(operation.client_cert for operation in OPERATIONS) == CLIENT_CERT
    assert sum(not operation.nonce for operation in OPERATIONS) == WITHOUT_NONCE
    assert sum(not operation.response_signed for operation in OPERATIONS) == UNSIGNED_REPLY
    assert {operation.path: operation.base_url for operation in OPERATIONS if operation.base_url} == {
        "/risk/getpublickey": "https://fraud.mch.weixin.qq.com",
        "/secsvc/getrealnameinfo": "https://fraud.mch.weixin.qq.com",
        "/secsvc/realnameauth": "https://fraud.mch.weixin.qq.com",
        "/appauth/authindex": "https://payapp.mch.weixin.qq.com",
        "/face/get_wxpayface_authinfo": "https://payapp.weixin.qq.com",
    }


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("/secapi/pay/refund", True), ("/secapi/pay/reverse", True), ("/mmpaymkttransfers/sendredpack", True), ("/pay/micropay", False)],
)
def test_money_that_goes_out_wants_the_client_certificate(path: str, wanted: bool) -> None:
    operation = catalog.operation("v2", "POST", path)
    assert operation is not None
    assert operation.client_cert is wanted
