"""The query, as it is signed and sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechatpay_async.errors import InvalidData
from wechatpay_async.protocol.target import encode_query


def test_everything_but_the_unreserved_is_encoded() -> None:
    params = {"名": "图 书", "a": "1|2+3&4=5#6?/", "list": ["x", 2], "yes": True, "no": False, "rate": 0.5, "empty": ""}
    assert encode_query(params) == (
        "%E5%90%8D=%E5%9B%BE%20%E4%B9%A6&a=1%7C2%2B3%264%3D5%236%3F%2F&list=x&list=2&yes=true&no=false&rate=0.5&empty="
    )


def test_the_documented_example() -> None:
    # https://pay.weixin.qq.com/doc/v3/merchant/4012365334: the query as the official page signs it.
    params = {"limit": 5, "offset": 10, "authorized_data": '{"business_type":"FAVOR_STOCK","stock_id":"2433405"}'}
    assert (
        encode_query(params)
        == "limit=5&offset=10&authorized_data=%7B%22business_type%22%3A%22FAVOR_STOCK%22%2C%22stock_id%22%3A%222433405%22%7D"
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"a": None}, r"params\.a: is None .*leave the parameter out"),
        ({"a": {"b": 1}}, r"params\.a: is a dict .*json\.dumps"),
        ({"a": [["b"]]}, r"params\.a: is a list .*json\.dumps"),
        ({"a": float("nan")}, r"params\.a: is a float without a form"),
        ({"a": b"b"}, r"params\.a: is a bytes without a form"),
        ({"a": "\ud800"}, r"params\.a: has half a surrogate"),
        ({1: "b"}, "params: has a name of type int"),
    ],
)
def test_what_has_no_form_in_a_query(params: dict[Any, Any], message: str) -> None:
    with pytest.raises(InvalidData, match=f"^{message}"):
        encode_query(params)


@given(st.dictionaries(st.text(min_size=1).filter(lambda text: text.isprintable()), st.text(), min_size=1, max_size=4))
def test_httpx_sends_exactly_what_was_encoded(params: dict[str, str]) -> None:
    query = encode_query(params)
    url = httpx.URL("https://api.mch.weixin.qq.com").copy_with(raw_path=f"/v3/x?{query}".encode())
    assert url.raw_path == f"/v3/x?{query}".encode()
    assert dict(parse_qsl(query, keep_blank_values=True)) == params
