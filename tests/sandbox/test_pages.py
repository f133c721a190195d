"""The pages without a browser: what a client signed is found out, sentences are translated, other sites are kept out."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.conftest import NOON
from tests.sandbox.examples import MCHID, native_order
from tests.support.handmade import Handmade
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox import pages as package
from wechatpay_async.sandbox.pages.diagnosis import REQUEST_LINES, Diagnosis, diagnose, request_guesses
from wechatpay_async.sandbox.pages.language import CHINESE, choose

LINES: tuple[str, ...] = ("POST", "/v3/refund?x=%2B", "1764043200", "0123456789abcdef", '{"a":1,"b":"哦"}')


def found(sandbox: Sandbox, signed: str, *, lines: tuple[str, ...] = LINES, signer: Sandbox | None = None) -> Diagnosis:
    signature = Handmade((signer or sandbox).settings()).sign(signed.encode())
    return diagnose(REQUEST_LINES, lines, request_guesses(lines, "127.0.0.1:8900"), signature, MCHID, sandbox.merchants)


def message(*changes: tuple[int, str]) -> str:
    lines = list(LINES)
    for index, value in changes:
        lines[index] = value
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    ("signed", "mistakes"),
    [
        (message((0, "post")), ["The method must be in capitals."]),
        (message((1, "/v3/refund")), ["The query string is missing from the request target."]),
        (message((1, "/v3/refund?x=+")), ["The request target must be signed as it is sent, percent-encoded."]),
        (message((1, "http://127.0.0.1:8900/v3/refund?x=%2B")), ["The request target must not have scheme and host."]),
        (message((1, "https://api.mch.weixin.qq.com/v3/refund?x=%2B")), ["The request target must not have scheme and host."]),
        (message((2, LINES[3]), (3, LINES[2])), ["Timestamp and nonce have changed places."]),
        (message((4, '{"a": 1, "b": "哦"}')), ["The body was serialised anew: other bytes were signed than were sent."]),
        (message((4, '{"a":1,"b":"\\u54e6"}')), ["The body was serialised anew: other bytes were signed than were sent."]),
        (message((4, "")), ["The body is missing from the message."]),
        (message()[:-1], ["The last line must end with a newline too."]),
        (message().replace("\n", "\r\n"), ["Lines end with CR LF; it must be LF alone."]),
        (
            message((1, "/v3/refund"), (4, ""))[:-1],
            [
                "The query string is missing from the request target.",
                "The body is missing from the message.",
                "The last line must end with a newline too.",
            ],
        ),
    ],
)
def test_a_mistake_is_found(sandbox: Sandbox, signed: str, mistakes: list[str]) -> None:
    diagnosis = found(sandbox, signed)
    assert (list(diagnosis.mistakes), diagnosis.found) == (mistakes, True)


def test_the_line_that_differs_is_shown(sandbox: Sandbox) -> None:
    diagnosis = found(sandbox, message((1, "/v3/refund")))
    assert [(line.name, line.expected, line.signed) for line in diagnosis.lines if line.differs] == [
        ("request target", "/v3/refund?x=%2B", "/v3/refund")
    ]


def test_a_body_where_there_is_none(sandbox: Sandbox) -> None:
    lines = ("GET", "/v3/certificates", *LINES[2:4], "")
    diagnosis = found(sandbox, "".join(f"{line}\n" for line in (*lines[:4], "{}")), lines=lines)
    assert diagnosis.mistakes == ("A request without a body must be signed with an empty line.",)


def test_what_no_guess_explains(sandbox: Sandbox) -> None:
    diagnosis = found(sandbox, "something else")
    assert diagnosis.mistakes == ("The key is right, the message is not: none of the usual mistakes gives this signature.",)
    assert [line.signed for line in diagnosis.lines] == [None] * 5


def test_another_merchants_key(sandbox: Sandbox) -> None:
    other = Sandbox(mchid="1900000999", clock=lambda: NOON)
    sandbox.merchants["1900000999"] = other.merchant
    diagnosis = found(sandbox, message(), signer=other)
    assert (diagnosis.mistakes, diagnosis.whose) == (("Signed with the key of another merchant.",), "1900000999")


def test_a_key_that_nobody_has(sandbox: Sandbox) -> None:
    diagnosis = found(sandbox, message(), signer=Sandbox(clock=lambda: NOON))
    assert diagnosis.mistakes == ("Signed with a key that is not this merchant's, or not with RSA PKCS#1 v1.5 and SHA-256.",)


def test_sha_1(sandbox: Sandbox) -> None:
    import base64

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    raw = sandbox.merchant.private_key.sign(message().encode(), padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - the mistake
    diagnosis = diagnose(REQUEST_LINES, LINES, (), base64.b64encode(raw).decode(), MCHID, sandbox.merchants)
    assert diagnosis.mistakes == ("Signed with SHA-1; it must be SHA-256.",)


@given(signature=st.text(), body=st.text())
def test_anything_may_come(signature: str, body: str) -> None:
    lines = ("POST", "/v3", "1", "n", body)
    made = diagnose(REQUEST_LINES, lines, request_guesses(lines, ""), signature, "1", {})
    assert [line.expected for line in made.lines] == list(lines)
    assert len(made.mistakes) == 1


def test_every_sentence_is_translated() -> None:
    root = Path(package.__file__).parent
    shown = {text for file in root.glob("templates/*.html") for text in re.findall(r'_\(["\'](.+?)["\']\)', file.read_text("utf-8"))}
    for name in ("bridge", "cashier", "diagnosis", "diagnosis_v2", "sheets"):
        code = re.sub(r'""".*?"""', "", (root / f"{name}.py").read_text("utf-8"), flags=re.DOTALL)
        shown |= set(re.findall(r'"([A-Z][^"\n]* [^"\n]*)"', code))
    assert len(shown) > 100
    assert shown - CHINESE.keys() == set()


@pytest.mark.parametrize(
    ("wanted", "kept", "accepted", "language"),
    [
        ("zh", "en", "en", "zh"),
        (None, "zh", "en", "zh"),
        ("xx", None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "en-GB,zh;q=0.9", "en"),
        (None, None, "fr;q=1,zh;q=0.2,en;q=x", "zh"),
        (None, None, "", "en"),
    ],
)
def test_the_language_is_chosen(wanted: str | None, kept: str | None, accepted: str, language: str) -> None:
    assert choose(wanted, kept, accepted) == language


@pytest.mark.anyio
async def test_other_sites_do_not_get_in(sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app), base_url="http://127.0.0.1") as people:
        address = "/_sandbox/pages/clock"
        assert (await people.get("/_sandbox/pages/", headers={"Host": "evil.example"})).status_code == 403
        assert (await people.post(address, data={"step": "day"}, headers={"Origin": "https://evil.example"})).status_code == 403
        assert sandbox.clock() == NOON
        assert (await people.post(address, data={"step": "year"})).status_code == 400
        answer = await people.get("/_sandbox/pages/cashier")
        assert answer.headers["x-wechat-pay"] == "sandbox"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert (await people.get("/_sandbox/pages/cashier", headers={"If-None-Match": answer.headers["etag"]})).status_code == 304


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"appId": "wx-other"}, "appId is not the one that the order was placed with."),
        ({"package": "prepay_id=none"}, "No order has this prepay_id."),
        ({"signType": "MD5"}, "An APIv3 order must be signed with RSA."),
        ({"nonceStr": ""}, "These parameters are missing: "),
    ],
)
async def test_parameters_that_are_not_taken(sandbox: Sandbox, changes: dict[str, str], reason: str) -> None:
    import json

    async with Handmade(sandbox.settings()) as client:
        order = native_order("jsapi-0001", payer={"openid": "o1"})
        prepay_id = (await client.call("POST", "/v3/pay/transactions/jsapi", order))["prepay_id"]
    right = {"appId": order["appid"], "timeStamp": "1", "nonceStr": "n", "package": f"prepay_id={prepay_id}", "signType": "RSA"}
    right["paySign"] = client.sign("".join(f"{right[name]}\n" for name in ("appId", "timeStamp", "nonceStr", "package")).encode())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app), base_url="http://127.0.0.1") as people:
        address = "/_sandbox/pages/jsapi"
        good = await people.get(address, params={"params": json.dumps(right)})
        assert "Let it expire" in good.text
        assert reason.strip() in (await people.get(address, params={"params": json.dumps(right | changes)})).text
        assert "JSON object" in (await people.get(address, params={"params": "[1]"})).text
        assert "not known" in (await people.get(address, params={"params": '{"a": "b"}', "name": "scanQRCode"})).text
