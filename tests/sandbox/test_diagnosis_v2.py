"""A wrong signature of APIv2 is explained by the string that was hashed instead, and the key is never shown."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.conftest import MakeSandbox
from tests.sandbox.examples import MCHID
from wechatpay_async.sandbox import Sandbox
from wechatpay_async.sandbox.pages.diagnosis_v2 import diagnose_fields

FIELDS = {"mch_id": MCHID, "body": "a & b", "attach": "", "nonce_str": "n1", "total_fee": "1", "sign": "x"}
RIGHT = f"body=a & b&mch_id={MCHID}&nonce_str=n1&total_fee=1"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def hmac_sha256(text: str, secret: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()


@pytest.mark.parametrize(
    ("signed", "shown", "mistake"),
    [
        (
            f"mch_id={MCHID}&body=a & b&nonce_str=n1&total_fee=1&key=KEY",
            f"mch_id={MCHID}&body=a & b&nonce_str=n1&total_fee=1&key=***",
            "Fields must be sorted by their names.",
        ),
        (f"attach=&{RIGHT}&key=KEY", f"attach=&{RIGHT}&key=***", "Fields without a value must not be signed."),
        (
            f"body=a%20%26%20b&mch_id={MCHID}&nonce_str=n1&total_fee=1&key=KEY",
            f"body=a%20%26%20b&mch_id={MCHID}&nonce_str=n1&total_fee=1&key=***",
            "Values must be signed as they are, not percent-encoded.",
        ),
        (
            f"body=a &amp; b&mch_id={MCHID}&nonce_str=n1&total_fee=1&key=KEY",
            f"body=a &amp; b&mch_id={MCHID}&nonce_str=n1&total_fee=1&key=***",
            "Values must be signed as they are, not escaped for XML.",
        ),
        (
            f"body=a & b&mch_id={MCHID}&total_fee=1&key=KEY",
            f"body=a & b&mch_id={MCHID}&total_fee=1&key=***",
            "A field was sent that was not signed.",
        ),
        (f"{RIGHT}KEY", f"{RIGHT}***", "The key must follow as one more field, &key=."),
        (RIGHT, RIGHT, "The key is missing at the end, &key=."),
        (f"{RIGHT}&key=NEWER", f"{RIGHT}&key=***", "Signed with the APIv3 key; APIv2 has a key of its own."),
        (f"{RIGHT}&key=OTHER", f"{RIGHT}&key=***", "Signed with the key of another merchant."),
    ],
)
def test_a_mistake_is_found(sandbox: Sandbox, signed: str, shown: str, mistake: str) -> None:
    own, other = sandbox.merchant, sandbox.add_merchant("1900000110")
    text = signed.replace("KEY", own.secret).replace("NEWER", own.apiv3_key).replace("OTHER", other.secret)
    found = diagnose_fields(FIELDS, md5(text), MCHID, sandbox.merchants)
    (line,) = found.lines
    assert (found.mistakes, found.found) == ((mistake,), True)
    assert (line.expected, line.signed) == (f"{RIGHT}&key=***", shown)


def test_the_other_digest(sandbox: Sandbox) -> None:
    secret = sandbox.merchant.secret
    found = diagnose_fields(FIELDS, hmac_sha256(f"{RIGHT}&key={secret}", secret), MCHID, sandbox.merchants)
    assert found.mistakes == ("Signed with HMAC-SHA256; sign_type must say so.",)
    fields = FIELDS | {"sign_type": "HMAC-SHA256"}
    text = f"body=a & b&mch_id={MCHID}&nonce_str=n1&sign_type=HMAC-SHA256&total_fee=1&key={secret}"
    assert diagnose_fields(fields, md5(text), MCHID, sandbox.merchants).mistakes == ("Signed with MD5; sign_type says HMAC-SHA256.",)


def test_several_mistakes_at_once(sandbox: Sandbox) -> None:
    text = f"mch_id={MCHID}&body=a & b&nonce_str=n1&total_fee=1"
    found = diagnose_fields(FIELDS, md5(text).lower(), MCHID, sandbox.merchants)
    assert found.mistakes == (
        "Fields must be sorted by their names.",
        "The key is missing at the end, &key=.",
        "The signature must be in capitals.",
    )


def test_what_no_guess_explains(sandbox: Sandbox) -> None:
    found = diagnose_fields(FIELDS, "0" * 64, MCHID, sandbox.merchants)
    assert found.mistakes == ("None of the usual mistakes gives this signature: the key may be another one than the merchant's.",)
    assert (found.lines[0].expected, found.lines[0].signed, found.found) == (f"{RIGHT}&key=***", None, False)


def test_the_key_is_not_shown(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()

    @given(fields=st.dictionaries(st.text(min_size=1), st.text()), signature=st.text())
    def holds(fields: dict[str, str], signature: str) -> None:
        for given_signature in (signature, md5(f"{RIGHT}&key={sandbox.merchant.secret}")):
            found = diagnose_fields(fields, given_signature, MCHID, sandbox.merchants)
            assert sandbox.merchant.secret not in str(found)
            assert len(found.lines) == 1

    holds()
