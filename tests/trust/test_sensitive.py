"""Sensitive fields are sealed on the way out and unsealed on the way in, by the catalogue, at any depth."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import Vector, each_vector, vectors
from wechatpay_async import catalog
from wechatpay_async.catalog import Schema
from wechatpay_async.crypto.keys import load_private_key
from wechatpay_async.errors import DecryptionError, InvalidData
from wechatpay_async.protocol import sensitive
from wechatpay_async.protocol.sealed import Sealed
from wechatpay_async.protocol.sensitive import Encryption, Plan

KEY = load_private_key(vectors("rsa_oaep")[0].inputs["private_key_pem"])
OAEP = sensitive.oaep_encryption(KEY.public_key())
#: A cipher that the eye can check.
BRACKETS = Encryption(lambda plaintext: f"<{plaintext.decode()}>", 20)

TEXT: Schema = {"type": "string"}
SECRET: Schema = {"type": "string", "sensitive": True}
SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "name": SECRET,
        "remark": TEXT,
        "payer": {"type": "object", "properties": {"identity": {"type": "object", "properties": {"number": SECRET, "type": TEXT}}}},
        "receivers": {"type": "array", "items": {"type": "object", "properties": {"name": SECRET, "amount": {"type": "integer"}}}},
        "values": {"type": "array", "items": SECRET},
        "account": {
            "anyOf": [
                {"type": "object", "properties": {"card": SECRET, "kind": TEXT}},
                {"type": "object", "properties": {"phone": SECRET, "kind": TEXT}},
            ]
        },
    },
}


def plan() -> Plan:
    compiled = sensitive.compile_plan(SCHEMA)
    assert compiled is not None
    return compiled


def unwrap(ciphertext: str) -> bytes:
    if not (ciphertext.startswith("<") and ciphertext.endswith(">")):
        raise DecryptionError("no brackets", hint="a hint")
    return ciphertext[1:-1].encode()


def test_every_depth_is_sealed_and_the_callers_mapping_stays() -> None:
    body = {
        "name": "张三",
        "remark": "plain",
        "payer": {"identity": {"number": "1101", "type": "IDCARD"}},
        "receivers": [{"name": "a", "amount": 1}, {"amount": 2}],
        "values": ("x", "", "y"),
        "account": {"card": "6222", "phone": "138", "kind": "k"},
        "unknown": {"name": "untouched"},
    }
    before = copy.deepcopy(body)
    assert sensitive.seal(body, plan(), BRACKETS) == {
        "name": "<张三>",
        "remark": "plain",
        "payer": {"identity": {"number": "<1101>", "type": "IDCARD"}},
        "receivers": [{"name": "<a>", "amount": 1}, {"amount": 2}],
        "values": ["<x>", "", "<y>"],
        "account": {"card": "<6222>", "phone": "<138>", "kind": "k"},
        "unknown": {"name": "untouched"},
    }
    assert body == before


def test_what_is_sealed_already_empty_or_absent_stays() -> None:
    body = {"name": Sealed("c2VhbGVk"), "values": ["", None]}
    sealed = sensitive.seal(body, plan(), BRACKETS)
    assert sealed == {"name": "c2VhbGVk", "values": ["", None]}
    assert json.dumps(sealed) == '{"name": "c2VhbGVk", "values": ["", null]}'
    assert repr(sealed["name"]) == "Sealed('c2VhbGVk')"


def test_sealing_twice_changes_nothing_more() -> None:
    once = sensitive.seal_text("张三", OAEP)
    assert sensitive.seal_text(once, OAEP) == once
    assert isinstance(sensitive.seal_text(once, OAEP), Sealed)


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ({"name": 5}, "$.name", "a sensitive field is text, got int"),
        ({"name": ["a"]}, "$.name", "a sensitive field is text, got list"),
        ({"name": {"a": "b"}}, "$.name", "a sensitive field is text, got dict"),
        ({"receivers": [{"name": "ok"}, {"name": b"bytes"}]}, "$.receivers[1].name", "a sensitive field is text, got bytes"),
        ({"payer": {"identity": {"number": "1" * 21}}}, "$.payer.identity.number", "21 bytes are too long to encrypt, 20 are the most"),
        ({"values": ["a", "七个字有二十一字节"]}, "$.values[1]", "27 bytes are too long to encrypt, 20 are the most"),
        ({"account": {"phone": "\ud800"}}, "$.account.phone", "it is no valid Unicode text"),
    ],
)
def test_what_cannot_be_sealed_is_refused_by_its_path(body: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(InvalidData) as refusal:
        sensitive.seal(body, plan(), BRACKETS)
    assert refusal.value.path == path
    assert refusal.value.message == f"{path}: {message}"


@pytest.mark.parametrize(("bits", "limit"), [(2048, 214), (3072, 342)])
def test_the_limit_follows_the_key(bits: int, limit: int) -> None:
    key = generate_private_key(65537, bits)
    encryption = sensitive.oaep_encryption(key.public_key())
    assert sensitive.unseal_text(sensitive.seal_text("x" * limit, encryption), sensitive.oaep_decryption(key)) == "x" * limit
    with pytest.raises(InvalidData, match=rf"\$: {limit + 1} bytes are too long to encrypt, {limit} are the most"):
        sensitive.seal_text("x" * (limit + 1), encryption)


def test_a_field_of_another_shape_than_documented_is_left_to_the_validation() -> None:
    body: dict[str, Any] = {"payer": "text", "receivers": {"name": "x"}, "values": "text", "account": [{"card": "x"}]}
    assert sensitive.seal(body, plan(), BRACKETS) == body
    assert sensitive.seal(body, None, BRACKETS) is body


def test_unsealing_gives_the_plain_values_back() -> None:
    answer: dict[str, Any] = {
        "name": "<张三>",
        "remark": "<not sealed>",
        "receivers": [{"name": "<a>"}, {"name": ""}],
        "values": [None, "<y>"],
    }
    before = copy.deepcopy(answer)
    assert sensitive.unseal(answer, plan(), unwrap) == {
        "name": "张三",
        "remark": "<not sealed>",
        "receivers": [{"name": "a"}, {"name": ""}],
        "values": [None, "y"],
    }
    assert answer == before
    assert sensitive.unseal(answer, None, unwrap) is answer


@pytest.mark.parametrize(
    ("answer", "field", "text"),
    [
        ({"name": "broken"}, "$.name", "$.name: no brackets (a hint)"),
        ({"receivers": [{"name": "<a>"}, {"name": "b"}]}, "$.receivers[1].name", "$.receivers[1].name: no brackets (a hint)"),
        ({"values": [7]}, "$.values[0]", "$.values[0]: expected a ciphertext, got int"),
    ],
)
def test_what_does_not_open_names_its_field(answer: dict[str, Any], field: str, text: str) -> None:
    with pytest.raises(DecryptionError) as failure:
        sensitive.unseal(answer, plan(), unwrap)
    assert failure.value.field == field
    assert str(failure.value) == text


def test_what_opens_to_no_text_names_its_field() -> None:
    with pytest.raises(DecryptionError, match=r"\$\.name: it opens, but to no UTF-8 text"):
        sensitive.unseal({"name": "any"}, plan(), lambda _: b"\xff")
    with pytest.raises(DecryptionError, match=r"^it opens, but to no UTF-8 text"):
        sensitive.unseal_text("any", lambda _: b"\xff")


def test_the_cost_is_known_beforehand() -> None:
    assert sensitive.count({"name": "a", "receivers": [{"name": "b"}, {"name": ""}, {}], "values": ["c", None], "remark": "d"}, plan()) == 3
    assert sensitive.count({"name": "a", "values": "no list"}, plan()) == 1
    assert sensitive.count({"name": "a"}, None) == 0


def test_query_parameters_one_or_many() -> None:
    compiled = Plan(fields={"card_no": Plan(sensitive=True), "ids": Plan(items=Plan(sensitive=True))})
    params = {"card_no": "6222", "limit": 5, "ids": ["a", "b"]}
    assert sensitive.seal_query(params, compiled, BRACKETS) == {"card_no": "<6222>", "limit": 5, "ids": ["<a>", "<b>"]}
    assert sensitive.seal_query({"card_no": ["1", "2"]}, compiled, BRACKETS) == {"card_no": ["<1>", "<2>"]}
    assert params == {"card_no": "6222", "limit": 5, "ids": ["a", "b"]}
    assert sensitive.seal_query(params, None, BRACKETS) == params
    with pytest.raises(InvalidData) as refusal:
        sensitive.seal_query({"card_no": 6222}, compiled, BRACKETS)
    assert refusal.value.path == "$query.card_no"


def test_the_plans_of_documented_operations() -> None:
    transfer = catalog.operation("v3", "POST", "/v3/fund-app/mch-transfer/transfer-bills")
    assert transfer is not None
    assert sensitive.body_plan(transfer) == Plan(fields={"user_name": Plan(sensitive=True)})
    assert sensitive.body_plan(transfer) is sensitive.body_plan(transfer)
    assert sensitive.query_plan(transfer) is None
    assert sensitive.form_plan(transfer) is None

    balance = catalog.operation("v3", "GET", "/v3/aggracct-bc/wb-channel/account/balance")
    assert balance is not None
    assert sensitive.query_plan(balance) == Plan(fields={"bal_account_no": Plan(sensitive=True), "card_no": Plan(sensitive=True)})
    assert sensitive.body_plan(balance) is None

    receipt = catalog.operation("v3", "POST", "/v3/marketing/shopping-receipt/shoppingreceipts")
    assert receipt is not None
    assert sensitive.form_plan(receipt) == Plan(
        fields={"merchant_contact_information": Plan(fields={"consultation_phone_number": Plan(sensitive=True)})}
    )

    complaints = catalog.operation("v3", "GET", "/v3/merchant-service/complaints-v2")
    assert complaints is not None
    assert sensitive.answer_plan(complaints, 200) == Plan(fields={"data": Plan(items=Plan(fields={"payer_phone": Plan(sensitive=True)}))})
    assert sensitive.answer_plan(complaints, 204) is None

    detail = catalog.operation("v3", "GET", "/v3/transfer/batches/batch-id/{batch_id}/details/detail-id/{detail_id}")
    assert detail is not None
    assert sensitive.answer_plan(detail, 200) == Plan(fields={"user_name": Plan(sensitive=True)})

    card = catalog.event("BRAND_MEMBER_CARD_SP.USER_CARD.DELETE")
    assert card is not None
    found = sensitive.event_plan(card)
    assert found is not None
    assert found.fields["phone_number"] == Plan(sensitive=True)


def sensitive_leaves(schema: Any) -> Iterator[bool]:
    if isinstance(schema, dict):
        yield bool(schema.get("sensitive"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] — a schema is whatever JSON holds
        for part in schema.values():  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] — as above
            yield from sensitive_leaves(part)
    elif isinstance(schema, list):
        for part in schema:  # pyright: ignore[reportUnknownVariableType] — as above
            yield from sensitive_leaves(part)


def test_no_sensitive_field_of_the_catalogue_is_missed() -> None:
    checked = 0
    for operation in catalog.operations():
        for status, schema in operation.responses.items():
            checked += (expected := any(sensitive_leaves(schema)))
            assert (sensitive.answer_plan(operation, int(status)) is not None) == expected, operation.id
        checked += (expected := any(sensitive_leaves(operation.body)))
        assert (sensitive.body_plan(operation) is not None) == expected, operation.id
        checked += (expected := any(sensitive_leaves(list(operation.query_params))))
        assert (sensitive.query_plan(operation) is not None) == expected, operation.id
    assert checked > 150


@each_vector("rsa_oaep")
def test_the_published_ciphertexts_open(vector: Vector) -> None:
    decrypt = sensitive.oaep_decryption(load_private_key(vector.inputs["private_key_pem"]))
    assert sensitive.unseal_text(vector.inputs["ciphertext"], decrypt) == vector.expected["plaintext"]
    assert sensitive.unseal({"name": vector.inputs["ciphertext"]}, plan(), decrypt) == {"name": vector.expected["plaintext"]}


@each_vector("rsa_pkcs1v15")
def test_the_old_padding_fails_like_the_new_one(vector: Vector) -> None:
    key = load_private_key(vector.inputs["private_key_pem"])
    for decrypt in (sensitive.oaep_decryption(key), sensitive.pkcs1v15_decryption_by_explicit_choice(key)):
        with pytest.raises(DecryptionError, match=r"^payer_phone: "):
            sensitive.unseal_text(vector.inputs["ciphertext"], decrypt, path="payer_phone")


def test_the_old_padding_opens_only_by_explicit_choice() -> None:
    ciphertext = base64.b64encode(KEY.public_key().encrypt("张三".encode(), padding.PKCS1v15())).decode()
    with pytest.raises(DecryptionError):
        sensitive.unseal_text(ciphertext, sensitive.oaep_decryption(KEY))
    assert sensitive.unseal_text(ciphertext, sensitive.pkcs1v15_decryption_by_explicit_choice(KEY)) == "张三"


def test_what_is_sealed_is_oaep_with_sha1() -> None:
    sealed = sensitive.seal({"name": "张三"}, plan(), OAEP)
    scheme = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - the protocol's choice
    assert KEY.decrypt(base64.b64decode(sealed["name"]), scheme) == "张三".encode()


def test_no_plan_or_cipher_shows_a_key() -> None:
    assert repr(OAEP) == "Encryption(limit=214)"


leaf = st.none() | st.integers() | st.text(max_size=5)
anything = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(plan().fields)), inner))


@given(anything)
def test_sealing_any_data_gives_a_copy_or_our_error(data: Any) -> None:
    before = copy.deepcopy(data)
    try:
        sealed = sensitive.seal(data, plan(), BRACKETS)
    except InvalidData:
        sealed = None
    assert data == before
    if sealed is not None:
        assert sensitive.unseal(sealed, plan(), unwrap) == data


@given(anything)
def test_unsealing_any_answer_gives_a_copy_or_our_error(data: Any) -> None:
    before = copy.deepcopy(data)
    failed_at: str | None = ""
    try:
        sensitive.unseal(data, plan(), sensitive.oaep_decryption(KEY))
    except DecryptionError as failure:
        failed_at = failure.field
    assert failed_at is not None
    assert data == before


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=53))
def test_what_is_sealed_opens_to_the_same_text(text: str) -> None:
    decrypt = sensitive.oaep_decryption(KEY)
    assert sensitive.unseal_text(sensitive.seal_text(text, OAEP), decrypt) == text


@given(st.text())
def test_any_ciphertext_opens_or_raises_our_error(ciphertext: str) -> None:
    try:
        text = sensitive.unseal_text(ciphertext, sensitive.oaep_decryption(KEY))
    except DecryptionError:
        return
    assert text == ""
