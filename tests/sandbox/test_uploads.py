"""Uploads: the meta as signed, the digest that fits, a well-formed form."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.support.handmade import Handmade
from wechatpay_async import catalog

pytestmark = pytest.mark.anyio

IMAGE = b"\x89PNG not really a picture"
META = json.dumps({"filename": "图.png", "sha256": hashlib.sha256(IMAGE).hexdigest()}, ensure_ascii=False).encode()
TARGET = "/v3/merchant/media/upload"


def form(*parts: tuple[str, str, bytes], boundary: str = "b0undary", end: str = "--\r\n") -> bytes:
    blocks = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + content for name, extra, content in parts
    ]
    return b"\r\n".join(blocks) + f"\r\n--{boundary}{end}".encode()


FILE = ("file", '; filename="x.png"\r\nContent-Type: image/png', IMAGE)
META_PART = ("meta", "\r\nContent-Type: application/json", META)
TYPE = "multipart/form-data; boundary=b0undary"


async def refused(client: Handmade, body: bytes, *, content_type: str = TYPE, meta: bytes = META) -> tuple[int, str]:
    return await client.refused("POST", TARGET, body=body, meta=meta, headers={"Content-Type": content_type})


async def test_a_picture_is_taken(client: Handmade) -> None:
    answer = await client.call("POST", TARGET, body=form(META_PART, FILE), meta=META, headers={"Content-Type": TYPE})
    assert set(answer) == {"media_id"}


async def test_the_meta_must_be_the_signed_one(client: Handmade) -> None:
    assert await refused(client, form(META_PART, FILE), meta=META + b" ") == (401, "SIGN_ERROR")
    assert await client.refused("POST", TARGET, body=form(META_PART, FILE), headers={"Content-Type": TYPE}) == (401, "SIGN_ERROR")


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", 'multipart/form-data; boundary="b0undary"', "multipart/form-data; boundary=other", "application/json"],
)
async def test_the_boundary_must_be_there_unquoted(client: Handmade, content_type: str) -> None:
    assert await refused(client, form(META_PART, FILE), content_type=content_type) == (400, "PARAM_ERROR")


@pytest.mark.parametrize(
    "body",
    [
        form(META_PART, FILE, end=""),
        form(META_PART, FILE, end="--\r\ntrailing"),
        form(META_PART),
        form(META_PART, META_PART, FILE),
        form(META_PART, FILE, ("more", "", b"x")),
        form(META_PART, ("file", '; filename="x.png"', IMAGE)),
        form(META_PART, ("file", "\r\nContent-Type: image/png", IMAGE)),
        form(META_PART, ("file", '; filename="图.png"\r\nContent-Type: image/png', IMAGE)),
        form(META_PART, ("file", '; filename="x.png"\r\nContent-Type: image/png', b"")),
        form(META_PART, ("file", '; filename="x.png"\r\nContent-Type: image/png', IMAGE + b"!")),
        form(("meta", '; filename="meta.json"\r\nContent-Type: application/json', META), FILE),
        form(("meta", "\r\nContent-Type: text/plain", META), FILE),
        b'--b0undary\r\nContent-Disposition: attachment; name="meta"\r\n\r\n' + META + b"\r\n--b0undary--",
        b"--b0undary\r\nno blank line\r\n--b0undary--",
    ],
)
async def test_a_form_that_is_not_right_is_refused(client: Handmade, body: bytes) -> None:
    assert await refused(client, body) == (400, "PARAM_ERROR")


@pytest.mark.parametrize("meta", [b"[]", b"{", b'{"filename": "x.png"}', b'{"filename": "x.png", "sha256": "00", "more": "1"}'])
async def test_a_meta_that_is_not_right_is_refused(client: Handmade, meta: bytes) -> None:
    assert await refused(client, form(("meta", "", meta), FILE), meta=meta) == (400, "PARAM_ERROR")


UPLOADS = [operation for operation in catalog.operations() if operation.api == "v3" and operation.is_upload]


@pytest.mark.parametrize("operation", UPLOADS, ids=[operation.path for operation in UPLOADS])
async def test_every_upload_answers(client: Handmade, operation: catalog.Operation) -> None:
    values: dict[str, Any] = {}
    parts: list[tuple[str, str, bytes]] = []
    for parameter in operation.form:
        if parameter.get("type") == "file":
            parts.append((parameter["name"], FILE[1], IMAGE))
        elif parameter.get("format") != "json":
            parts.append((parameter["name"], "", b"56"))
        else:
            for name, schema in parameter.get("contentSchema", {}).get("properties", {}).items():
                if not schema.get("properties"):
                    values[name] = schema.get("example", "x.png")
    for name in ("sha256", "file_digest", "digest"):
        if name in values:
            sm3 = "digest_alogrithm" in values or "digest_algorithm" in values
            values[name] = sm3_of(IMAGE) if sm3 else hashlib.sha256(IMAGE).hexdigest()
    meta = json.dumps(values).encode()
    target = operation.path.replace("{", "").replace("}", "")
    body = form(("meta", "", meta), *parts)
    answer = await client.call("POST", target, body=body, meta=meta, headers={"Content-Type": TYPE})
    assert answer is None or isinstance(answer, dict)


def sm3_of(content: bytes) -> str:
    from cryptography.hazmat.primitives import hashes

    digest = hashes.Hash(hashes.SM3())
    digest.update(content)
    return digest.finalize().hex()
