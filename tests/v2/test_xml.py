"""XML both ways, and every way in which a document may try to be more than values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import Vector, each_vector
from wechatpay_async.errors import InvalidData, MalformedMessage
from wechatpay_async.protocol.xml import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, build, parse


@each_vector("v2_xml")
def test_published_documents(vector: Vector) -> None:
    document = vector.inputs["xml"].encode()
    if vector.name in ("php_xxe", "php_bad_entity"):
        with pytest.raises(MalformedMessage):
            parse(document)
        return
    root, values = parse(document)
    assert root == vector.expected["root"]
    if "values" in vector.expected:
        assert values == vector.expected["values"]


@each_vector("v2_xml_build")
def test_published_values(vector: Vector) -> None:
    assert build(vector.inputs["root"], vector.inputs["value"]) == vector.expected["xml"].encode()


def test_repeated_and_nested_elements() -> None:
    document = b"<xml><list><item><a>1</a></item><item><a>2</a></item><item><a>3</a></item></list><one/></xml>"
    assert parse(document) == ("xml", {"list": {"item": [{"a": "1"}, {"a": "2"}, {"a": "3"}]}, "one": ""})


def test_building_repeats_the_elements_of_a_list() -> None:
    assert build("xml", {"a": ["1", 2], "b": {"c": "3", "d": None}, "e": {}}) == b"<xml><a>1</a><a>2</a><b><c>3</c></b><e/></xml>"


def test_a_root_without_elements() -> None:
    assert parse(b"<xml/>") == ("xml", {})
    assert parse(b"<xml>text</xml>") == ("xml", "text")


def test_blank_is_kept_inside_a_value_and_dropped_between_elements() -> None:
    assert parse(b"<xml>\n <a> 1 </a>\n <b>  </b>\n</xml>\n") == ("xml", {"a": " 1 ", "b": "  "})


def test_blank_around_a_cdata_section_is_layout() -> None:
    assert parse(b"<xml><a>\n  <![CDATA[ 1 ]]>\n</a></xml>") == ("xml", {"a": " 1 "})


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("plain", b"<xml><a>plain</a></xml>"),
        ("a < b & c", b"<xml><a><![CDATA[a < b & c]]></a></xml>"),
        ("a > b", b"<xml><a>a > b</a></xml>"),
        ("]]>", b"<xml><a>]]&gt;</a></xml>"),
        ("<]]>&", b"<xml><a>&lt;]]&gt;&amp;</a></xml>"),
        ("line\r\nbreak", b"<xml><a>line&#13;\nbreak</a></xml>"),
    ],
)
def test_markup_goes_into_cdata_and_what_cdata_cannot_hold_is_escaped(text: str, built: bytes) -> None:
    assert build("xml", {"a": text}) == built
    assert parse(built) == ("xml", {"a": text})


@pytest.mark.parametrize(
    ("declared", "codec"),
    [("GBK", "gbk"), ("gb2312", "gb2312"), ("GB18030", "gb18030"), ("Big5", "big5"), ("UTF-8", "utf-8"), ("utf8", "utf-8")],
)
def test_declared_encodings_are_obeyed(declared: str, codec: str) -> None:
    document = f'<?xml version="1.0" encoding="{declared}"?><xml><a>支付</a></xml>'.replace("支付", "支付" if codec != "big5" else "人民")
    assert parse(document.encode(codec)) == ("xml", {"a": "人民" if codec == "big5" else "支付"})


def test_latin_1_and_ascii() -> None:
    assert parse('<?xml version="1.0" encoding="ISO-8859-1"?><xml>é</xml>'.encode("latin-1")) == ("xml", "é")
    assert parse(b'<?xml version="1.0" encoding="us-ascii"?><xml>e</xml>') == ("xml", "e")


def test_a_declaration_may_name_no_encoding() -> None:
    assert parse('<?xml version="1.0"?><xml>é</xml>'.encode()) == ("xml", "é")


def test_byte_order_marks() -> None:
    assert parse("<xml>支付</xml>".encode("utf-8-sig")) == ("xml", "支付")
    assert parse("<xml>支付</xml>".encode("utf-16")) == ("xml", "支付")
    assert parse('<?xml version="1.0" encoding="UTF-16"?><xml>支付</xml>'.encode("utf-16")) == ("xml", "支付")


BILLION_LAUGHS = (
    b'<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + b"".join(b'<!ENTITY lol%d "%b">' % (n, b"&lol%b;" % (b"" if n == 1 else b"%d" % (n - 1)) * 10) for n in range(1, 10))
    + b"]><xml><a>&lol9;</a></xml>"
)
ATTACKS: dict[str, bytes] = {
    "billion laughs": BILLION_LAUGHS,
    "external entity": b'<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><a>&a;</a></xml>',
    "external parameter entity": b'<!DOCTYPE xml [<!ENTITY % a SYSTEM "http://127.0.0.1/a.dtd">%a;]><xml/>',
    "external subset": b'<!DOCTYPE xml SYSTEM "http://127.0.0.1/a.dtd"><xml/>',
    "an empty document type": b"<!DOCTYPE xml><xml/>",
    "quadratic blow-up": b'<!DOCTYPE xml [<!ENTITY a "' + b"a" * 50_000 + b'">]><xml>' + b"&a;" * 50_000 + b"</xml>",
    "an undeclared entity": b"<xml><a>&a;</a></xml>",
    "100 MB": b"<xml><a>" + b" " * 100_000_000 + b"</a></xml>",
    "depth 100,000": b"<xml>" + b"<a>" * 100_000,
    "too many elements": b"<xml>" + b"<a/>" * 100_000 + b"</xml>",
    "bad UTF-8": b"<xml><a>\xff\xfe</a></xml>",
    "overlong UTF-8": b"<xml><a>\xc0\xbc</a></xml>",
    "a surrogate in UTF-8": b"<xml><a>\xed\xa0\x80</a></xml>",
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADw-xml/+AD4-',
    "UTF-7 in a UTF-8 file": b"+ADw-xml/+AD4-",
    "UTF-16 with a document type": '<!DOCTYPE xml [<!ENTITY a "b">]><xml>&a;</xml>'.encode("utf-16"),
    "UTF-16 without a mark": "<xml/>".encode("utf-16-le"),
    "declared UTF-16, sent as UTF-8": b'<?xml version="1.0" encoding="UTF-16"?><xml/>',
    "marked UTF-16, declared UTF-8": '<?xml version="1.0" encoding="UTF-8"?><xml/>'.encode("utf-16"),
    "marked UTF-8, declared GBK": b'\xef\xbb\xbf<?xml version="1.0" encoding="GBK"?><xml/>',
    "half a UTF-16 character": b"\xff\xfe<\x00x",
    "declared GBK, sent as UTF-8": '<?xml version="1.0" encoding="GBK"?><xml>支付\xff</xml>'.encode() + b"\xff",
    "ISO-2022-JP": b'<?xml version="1.0" encoding="ISO-2022-JP"?><xml/>',
    "EBCDIC": b'<?xml version="1.0" encoding="cp037"?><xml/>',
    "a codec that is no charset": b'<?xml version="1.0" encoding="zlib"?><xml/>',
    "a declaration without an end": b'<?xml version="1.0"' + b" " * 500 + b"?><xml/>",
    "a wrong declaration": b'<?xml version="1.0" encoding="1"?><xml/>',
    "a value in two CDATA sections": b"<xml><a><![CDATA[1]]><![CDATA[00]]></a></xml>",
    "text before CDATA": b"<xml><a>1<![CDATA[00]]></a></xml>",
    "text after CDATA": b"<xml><a><![CDATA[1]]>00</a></xml>",
    "a blank CDATA section before another": b"<xml><a><![CDATA[ ]]><![CDATA[00]]></a></xml>",
    "a comment inside a value": b"<xml><a>1<!-- -->00</a></xml>",
    "a processing instruction": b"<xml><?php 1 ?></xml>",
    "text beside elements": b"<xml><a>1<b>2</b></a></xml>",
    "text after elements": b"<xml><a><b>2</b>1</a></xml>",
    "a second root": b"<xml/><xml/>",
    "text after the root": b"<xml/>text",
    "no root": b"",
    "an end too few": b"<xml><a>",
    "an end too many": b"<xml></a></xml>",
    "a null character": b"<xml>\x00</xml>",
    "a reference to a null character": b"<xml>&#0;</xml>",
    "an attribute twice": b'<xml a="1" a="2"/>',
}


@pytest.mark.parametrize("document", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_are_refused(document: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(document)


def test_the_one_split_that_cdata_forces_is_read() -> None:
    assert parse(b"<xml><a><![CDATA[x]]]]><![CDATA[>y]]></a></xml>") == ("xml", {"a": "x]]>y"})


def test_a_comment_between_elements_is_harmless() -> None:
    assert parse(b"<xml><!-- 1 --><a>1</a></xml>") == ("xml", {"a": "1"})


def test_the_bounds_are_where_they_are_said_to_be() -> None:
    deep = b"<a>" * MAX_DEPTH + b"1" + b"</a>" * MAX_DEPTH
    assert parse(deep)[0] == "a"
    wide = b"<xml>" + b"<a/>" * (MAX_ELEMENTS - 1) + b"</xml>"
    assert parse(wide) == ("xml", {"a": [""] * (MAX_ELEMENTS - 1)})
    long = b"<xml>" + b"1" * (MAX_BYTES - 11) + b"</xml>"
    assert parse(long) == ("xml", "1" * (MAX_BYTES - 11))


def test_a_refusal_says_nothing_of_the_content() -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(b"<xml><secret>openid-of-somebody<b/></secret></xml>")
    assert "openid" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": 1.5}, "$.a"),
        ({"a": True}, "$.a"),
        ({"a": [b"x"]}, "$.a[0]"),
        ({"a": {"b": object()}}, "$.a.b"),
        ({"a": "\x00"}, "$.a"),
        ({"a": "\ud800"}, "$.a"),
        ({"a": "\uffff"}, "$.a"),
        ({"": "1"}, "$"),
        ({"a b": "1"}, "$"),
        ({"1a": "1"}, "$"),
        ({"a>": "1"}, "$"),
        ({"支": "1"}, "$"),
        ({1: "1"}, "$"),
    ],
)
def test_what_xml_cannot_carry_is_refused_with_its_path(value: Any, path: str) -> None:
    with pytest.raises(InvalidData) as caught:
        build("xml", value)
    assert caught.value.path == path


names = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.\-]{0,8}\Z").filter(lambda name: not name.lower().startswith("xml"))
# A character that XML excludes never gets out; a lone surrogate cannot be encoded.
texts = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30) | st.sampled_from(
    ["]]>", "]]", ">", "\r", "\n", "\t", "<![CDATA[", "&#13;", "]]]]><![CDATA[>", " "]
)
values = st.recursive(texts, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=4), max_leaves=12)


@given(st.dictionaries(names, values | st.lists(texts, min_size=2, max_size=3), max_size=6))
def test_what_is_built_is_read_back(value: dict[str, Any]) -> None:
    assert parse(build("xml", value)) == ("xml", value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    try:
        root, _ = parse(document)
    except MalformedMessage:
        return
    assert root


@given(st.text("<>/ax![]CDATA-?&;# '\"=\n", max_size=60))
def test_anything_like_xml_is_read_or_refused(text: str) -> None:
    try:
        parse(f"<x>{text}</x>".encode())
    except MalformedMessage:
        return
