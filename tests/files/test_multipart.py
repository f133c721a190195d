from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechatpay_async.protocol.multipart import Part, ascii_file_name, closing, content_type, media_type, opening


def test_the_body_is_framed_as_the_gateway_reads_it() -> None:
    parts = [Part("meta", b'{"filename":"a.png"}', "application/json"), Part("item_id", b"56")]

    body = opening("BOUNDARY", parts, file_field="file", file_name="a.png", file_type="image/png") + b"PIXELS" + closing("BOUNDARY")

    assert body == (
        b'--BOUNDARY\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{"filename":"a.png"}\r\n'
        b'--BOUNDARY\r\nContent-Disposition: form-data; name="item_id"\r\n\r\n56\r\n'
        b'--BOUNDARY\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nPIXELS'
        b"\r\n--BOUNDARY--\r\n"
    )


def test_the_boundary_is_not_quoted() -> None:
    assert content_type("BOUNDARY") == "multipart/form-data; boundary=BOUNDARY"


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n....", "photo.jpg", ("image/png", ".png")),
        (b"\xff\xd8\xff\xe0....", "", ("image/jpeg", ".jpg")),
        (b"BM......", "", ("image/bmp", ".bmp")),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "", ("image/webp", ".webp")),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "", ("video/x-msvideo", ".avi")),
        (b"\x00\x00\x00\x18ftypmp42", "", ("video/mp4", ".mp4")),
        (b"\x00\x00\x00\x14ftypqt  ", "", ("video/quicktime", ".mov")),
        (b"%PDF-1.7", "", ("application/pdf", ".pdf")),
        (b"a,b\n1,2\n", "users.CSV", ("text/csv", ".csv")),
        (b"hello", "a.xyz", ("application/octet-stream", ".xyz")),
        (b"hello", "plain", ("application/octet-stream", ".bin")),
    ],
)
def test_the_media_type_follows_the_content_then_the_name(head: bytes, name: str, expected: tuple[str, str]) -> None:
    assert media_type(head, name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.png", "photo.png"),
        ("营业执照.jpg", "file.jpg"),
        ("营业执照", "file.png"),
        ("店铺 front door.png", "front_door.png"),
        ('a"b\r\nc.png', "a_b_c.png"),
        ("archive.tar.gz", "archive.tar.gz"),
        ("图.片", "file.png"),
        ("noending", "noending.png"),
        (".png", "file.png"),
    ],
)
def test_the_file_name_on_the_wire_is_ascii(name: str, expected: str) -> None:
    assert ascii_file_name(name, ".png") == expected


@given(st.text(max_size=40))
def test_no_file_name_breaks_out_of_its_header(name: str) -> None:
    wire = ascii_file_name(name, ".png")

    assert wire.isascii()
    assert wire
    assert not set(wire) & set('"\r\n\\;/ ')
