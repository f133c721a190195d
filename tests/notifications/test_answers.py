"""What is answered: exact statuses, headers and bodies."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.support.callbacks import NOW, callback
from tests.support.keys import APIV3_KEY, MCHID, MERCHANT_KEY, MERCHANT_SERIAL, PLATFORM_KEY, PUBLIC_KEY_ID
from wechatpay_async.crypto.keys import PlatformKey
from wechatpay_async.errors import InvalidData, RequestError
from wechatpay_async.notifications import (
    Answer,
    CollectionCode,
    Notification,
    Notifications,
    ParkingFee,
    PushedOrder,
    Recipient,
    Retention,
    Signer,
    ack,
    business_answer,
    fail,
)
from wechatpay_async.platform_keys import StaticKeys

SIGNER = Signer(MCHID, MERCHANT_SERIAL, MERCHANT_KEY)


def received(event_type: str, signer: Signer | None = SIGNER) -> Notification:
    keys = StaticKeys([PlatformKey(PUBLIC_KEY_ID, PLATFORM_KEY.public_key())])
    request = callback({"acq_tid": "202507150000000000011008013780"}, event_type=event_type)
    recipient = Recipient(MCHID, keys, (APIV3_KEY.encode(),), signer)
    return Notifications([recipient], clock=lambda: NOW + 0.9).parse_blocking(request.headers, request.body)


def test_an_acknowledgement_is_204_without_a_body() -> None:
    notification = received("TRANSACTION.SUCCESS")
    assert not notification.is_question
    assert notification.ack() == ack() == Answer(204, {}, b"")
    assert notification.ack().accepted


@pytest.mark.parametrize("status", [400, 401, 500, 503])
def test_a_failure_says_fail_in_json(status: int) -> None:
    answer = received("TRANSACTION.SUCCESS").fail("库存不足", status=status)
    assert answer == fail("库存不足", status=status)
    assert answer.status == status
    assert answer.headers == {"Content-Type": "application/json"}
    assert json.loads(answer.body) == {"code": "FAIL", "message": "库存不足"}
    assert not answer.accepted


def test_a_failure_s_message_is_cut() -> None:
    assert json.loads(fail("x" * 1_000).body)["message"] == "x" * 256


def test_collection_code_is_signed_over_timestamp_nonce_and_body() -> None:
    data: CollectionCode = {
        "acq_tid": "202507150000000000011008013780",
        "fix_recv_amount": 1,
        "mch_id": "9527",
        "limit_bank_acc_type": "UNLIMIT",
        "client_ip": "1.1.1.1",
    }
    answer = received("CROSS_BORDER_PAY.GET_MCH_INFO").answer(data)
    assert answer.status == 200
    assert answer.accepted
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == (
        b'{"code":"SUCCESS","message":"","acq_tid":"202507150000000000011008013780","fix_recv_amount":1,"mch_id":"9527",'
        b'"limit_bank_acc_type":"UNLIMIT","client_ip":"1.1.1.1"}'
    )
    scheme, _, parts = answer.headers["Authorization"].partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', parts))
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    assert fields["mchid"] == MCHID
    assert fields["serial_no"] == MERCHANT_SERIAL
    assert fields["timestamp"] == str(NOW)
    assert re.fullmatch("[0-9a-f]{32}", fields["nonce_str"])
    signed = f"{NOW}\n{fields['nonce_str']}\n".encode() + answer.body + b"\n"
    MERCHANT_KEY.public_key().verify(base64.b64decode(fields["signature"]), signed, padding.PKCS1v15(), hashes.SHA256())


def test_pushed_order_names_what_is_missing_and_where_it_is_explained() -> None:
    notification = received("CROSS_BORDER_PAY.PUSH_ORDER_INFO")
    data: Any = {"acq_tid": "1", "prepay_id": "548kjhgfdvut", "client_ip": "1.1.1.1"}
    with pytest.raises(InvalidData, match=r"\$\.expire_time: is missing \(https://pay\.weixin\.qq\.com/doc/v3/institution/4019762399\)"):
        notification.answer(data)
    complete: PushedOrder = {
        "acq_tid": "1",
        "prepay_id": "548kjhgfdvut",
        "client_ip": "1.1.1.1",
        "expire_time": "2015-05-20T13:29:35+08:00",
    }
    assert json.loads(notification.answer(complete).body)["expire_time"] == "2015-05-20T13:29:35+08:00"


def test_parking_fee_is_answered_without_a_signature() -> None:
    data: ParkingFee = {"total_amount": 1500, "pay_state": "PAY_STATUS_UNPAID"}
    answer = received("PARKING_FEE.QUERY_TRANS_INFO", signer=None).answer(data)
    assert answer == Answer(
        200,
        {"Content-Type": "application/json"},
        b'{"code":"SUCCESS","message":"","total_amount":1500,"pay_state":"PAY_STATUS_UNPAID"}',
    )


def test_retention_is_answered_without_a_signature() -> None:
    data: Retention = {"retention_type": "COUPON", "coupon_info": {"state": "SEND_COUPON", "coupon_id": "9867041"}}
    assert json.loads(received("ENTRUST.TERMINATE_RETENTION").answer(data).body) == {
        "code": "SUCCESS",
        "message": "",
        "retention_type": "COUPON",
        "coupon_info": {"state": "SEND_COUPON", "coupon_id": "9867041"},
    }


def test_a_question_cannot_be_acknowledged_without_an_answer() -> None:
    notification = received("PARKING_FEE.QUERY_TRANS_INFO")
    assert notification.is_question
    with pytest.raises(RequestError, match=r"PARKING_FEE\.QUERY_TRANS_INFO is a question .*partner/4024070065"):
        notification.ack()


def test_an_event_that_asks_nothing_gets_no_business_answer() -> None:
    with pytest.raises(InvalidData, match="TRANSACTION.SUCCESS is no question"):
        received("TRANSACTION.SUCCESS").answer({})


def test_a_signed_answer_needs_somebody_who_signs() -> None:
    data: CollectionCode = {"acq_tid": "1", "mch_id": "9527", "limit_bank_acc_type": "NO_CREDIT", "client_ip": "1.1.1.1"}
    with pytest.raises(InvalidData, match=r"the answer to CROSS_BORDER_PAY\.GET_MCH_INFO is signed"):
        received("CROSS_BORDER_PAY.GET_MCH_INFO", signer=None).answer(data)


def test_with_nonce_and_time_given_the_answer_is_the_same_again() -> None:
    data = {"acq_tid": "1", "mch_id": "9527", "limit_bank_acc_type": "NO_CREDIT", "client_ip": "1.1.1.1"}
    one, two = (business_answer("CROSS_BORDER_PAY.GET_MCH_INFO", data, SIGNER, timestamp=NOW, nonce="n" * 32) for _ in range(2))
    assert one == two
    assert 'nonce_str="nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"' in one.headers["Authorization"]


def test_a_signer_s_repr_has_no_key() -> None:
    assert repr(SIGNER) == f"Signer(mchid='{MCHID}', serial='{MERCHANT_SERIAL}')"
