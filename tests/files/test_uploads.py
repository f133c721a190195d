from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import anyio
import pytest

from wechatpay_async import catalog
from wechatpay_async.errors import InvalidData, RequestError, ValidationWarning
from wechatpay_async.uploads import FileSource, Upload, prepare_upload

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
PNG_SHA256 = hashlib.sha256(PNG).hexdigest()


@dataclass(frozen=True)
class Form:
    """An operation reduced to its form."""

    form: Sequence[Mapping[str, Any]]
    id: str = "POST /v3/merchant/media/upload"


def form(*others: dict[str, Any], required: Sequence[str] = (), **meta: dict[str, Any]) -> Form:
    schema = {"type": "object", "properties": meta, "required": list(required)}
    return Form(({"name": "file", "type": "file"}, {"name": "meta", "type": "string", "contentSchema": schema}, *others))


IMAGE = form(filename={}, sha256={})


async def body_of(upload: Upload) -> bytes:
    return b"".join([piece async for piece in upload.stream()])


def parts_of(upload: Upload, body: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Header and content of each part, by its name."""
    boundary = upload.content_type.removeprefix("multipart/form-data; boundary=").encode()
    pieces = (
        body.removeprefix(b"--" + boundary + b"\r\n").removesuffix(b"\r\n--" + boundary + b"--\r\n").split(b"\r\n--" + boundary + b"\r\n")
    )
    parts: dict[str, tuple[bytes, bytes]] = {}
    for piece in pieces:
        head, _, content = piece.partition(b"\r\n\r\n")
        parts[head.split(b'name="')[1].split(b'"')[0].decode()] = head, content
    return parts


@pytest.mark.anyio
async def test_an_operation_without_a_form_takes_no_file(anyio_backend: str) -> None:
    with pytest.raises(RequestError, match="^POST /v3/pay/transactions/native takes no file"):
        async with prepare_upload(Form((), "POST /v3/pay/transactions/native"), None, PNG, "a.png"):
            pytest.fail("a body was made")


@pytest.mark.anyio
async def test_the_meta_is_made_and_lies_in_the_body_byte_for_byte_as_signed(anyio_backend: str) -> None:
    async with prepare_upload(IMAGE, None, PNG, "营业执照.png") as upload:
        body = await body_of(upload)

    parts = parts_of(upload, body)
    assert upload.signed == f'{{"filename":"营业执照.png","sha256":"{PNG_SHA256}"}}'.encode()
    assert parts["meta"][1] == upload.signed
    assert b"filename" not in parts["meta"][0]
    assert parts["file"][1] == PNG
    assert parts["file"][0] == b'Content-Disposition: form-data; name="file"; filename="file.png"\r\nContent-Type: image/png'
    assert upload.content_length == len(body)
    assert (upload.file_name, upload.file_size) == ("营业执照.png", len(PNG))


class Readable:
    """A file whose `read` is awaited."""

    filename = "upload.png"

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    async def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


class Pipe(io.RawIOBase):
    """A file that can be read once only."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, 10_000))


class Chunks:
    """An async stream that is no generator."""

    def __init__(self, data: bytes) -> None:
        self._chunks = iter((data[:10], data[10:]))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


async def stream(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


SOURCES: dict[str, Callable[[Path], FileSource]] = {
    "path": lambda path: path,
    "text": str,
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "pipe": lambda path: cast("IO[bytes]", Pipe(path.read_bytes())),
    "awaited file": lambda path: Readable(path.read_bytes()),
    "async stream": lambda path: stream(path.read_bytes()),
    "async iterator": lambda path: Chunks(path.read_bytes()),
    "large async stream": lambda path: stream(path.read_bytes(), 1_000_000),
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", SOURCES)
async def test_every_source_gives_the_same_body_at_every_attempt(kind: str, tmp_path: Path, anyio_backend: str) -> None:
    data = PNG * 1000
    path = tmp_path / "photo.png"
    path.write_bytes(data)

    async with prepare_upload(IMAGE, None, SOURCES[kind](path)) as upload:
        first, second = await body_of(upload), await body_of(upload)

    assert first == second
    assert parts_of(upload, first)["file"][1] == data
    assert json.loads(upload.signed)["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "name"),
    [("path", "photo.png"), ("text", "photo.png"), ("bytes", "file.png"), ("awaited file", "upload.png"), ("async stream", "file.png")],
)
async def test_the_name_comes_from_the_file_where_none_is_given(kind: str, name: str, tmp_path: Path, anyio_backend: str) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)

    async with prepare_upload(IMAGE, None, SOURCES[kind](path)) as upload:
        assert json.loads(upload.signed)["filename"] == name


@pytest.mark.anyio
async def test_a_file_of_the_callers_is_sent_from_where_it_stands_and_stays_open(tmp_path: Path, anyio_backend: str) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"SKIPPED" + PNG)

    with path.open("rb") as file:
        file.seek(7)
        async with prepare_upload(IMAGE, None, file) as upload:
            body = await body_of(upload)
        assert not file.closed

    assert parts_of(upload, body)["file"][1] == PNG
    assert upload.file_name == "photo.png"


@pytest.mark.anyio
async def test_progress_counts_the_bytes_of_the_file(anyio_backend: str) -> None:
    seen: list[tuple[int, int]] = []

    async with prepare_upload(IMAGE, None, b"x" * 150_000, "a.txt", lambda sent, total: seen.append((sent, total))) as upload:
        await body_of(upload)

    assert seen == [(65_536, 150_000), (131_072, 150_000), (150_000, 150_000)]


@pytest.mark.anyio
async def test_without_an_operation_the_meta_is_the_usual_one(anyio_backend: str) -> None:
    async with prepare_upload(None, None, PNG, "a.png") as upload:
        assert json.loads(upload.signed) == {"filename": "a.png", "sha256": PNG_SHA256}


@pytest.mark.anyio
async def test_other_fields_go_into_the_meta_in_the_order_of_the_catalogue(anyio_backend: str) -> None:
    operation = form(bank_type={}, filename={}, sha256={}, required=["bank_type"])

    async with prepare_upload(operation, {"later": 1, "bank_type": "ICBC_DEBIT"}, b"1,2\n", "users.csv") as upload:
        assert upload.signed.startswith(b'{"bank_type":"ICBC_DEBIT","filename":"users.csv","sha256":"')
        assert upload.signed.endswith(b'"later":1}')


@pytest.mark.anyio
async def test_the_meta_may_be_given_as_a_whole(anyio_backend: str) -> None:
    async with prepare_upload(IMAGE, {"meta": {"filename": "b.png"}}, PNG) as upload:
        assert json.loads(upload.signed) == {"filename": "b.png", "sha256": PNG_SHA256}


@pytest.mark.anyio
async def test_the_name_may_stand_in_the_data(anyio_backend: str) -> None:
    async with prepare_upload(form(file_name={}, file_digest={}), {"file_name": "c.png"}, PNG) as upload:
        assert json.loads(upload.signed) == {"file_name": "c.png", "file_digest": PNG_SHA256}


@pytest.mark.anyio
async def test_the_digest_is_written_in_capitals_where_the_official_example_is(anyio_backend: str) -> None:
    async with prepare_upload(form(file_digest={"example": "B94D27"}), None, b"hello world") as upload:
        assert json.loads(upload.signed)["file_digest"] == "B94D27B9934D3E08A52E52D7DA7DABFAC484EFE37A5380EE9088F7ACE2EFCDE9"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("example", "data", "digest"),
    [
        ("SM3", {}, "44f0061e69fa6fdfc290c494654a05dc0c053da7e5c52b84ef93a9d67d3fff88"),
        ("DIGEST_ALGORITHM_SM3", {}, "44f0061e69fa6fdfc290c494654a05dc0c053da7e5c52b84ef93a9d67d3fff88"),
        ("SM3", {"digest_alogrithm": "SHA-256"}, "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"),
        ("", {}, "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"),
    ],
)
async def test_the_digest_is_of_the_kind_that_the_operation_names(
    example: str, data: dict[str, str], digest: str, anyio_backend: str
) -> None:
    operation = form(digest_alogrithm={"example": example}, digest={})

    async with prepare_upload(operation, data, b"hello world") as upload:
        meta = json.loads(upload.signed)

    assert meta == {"digest_alogrithm": data.get("digest_alogrithm") or example or "SHA256", "digest": digest}


@pytest.mark.anyio
async def test_parts_beside_the_meta_are_sent_and_not_signed(anyio_backend: str) -> None:
    operation = form({"name": "item_id", "required": True, "type": "number"}, filename={}, sha256={})

    async with prepare_upload(operation, {"item_id": 56}, PNG, "a.png") as upload:
        parts = parts_of(upload, await body_of(upload))

    assert parts["item_id"] == (b'Content-Disposition: form-data; name="item_id"', b"56")
    assert b"item_id" not in upload.signed


@pytest.mark.anyio
async def test_an_apiv2_form_is_signed_as_a_whole(anyio_backend: str) -> None:
    operation = Form(({"name": "media", "type": "file"}, {"name": "media_hash", "type": "string"}))

    def sign(fields: dict[str, str]) -> dict[str, str]:
        return {**fields, "sign": "SIGNATURE"}

    async with prepare_upload(operation, {"mch_id": "1900000109"}, PNG, "a.png", sign_fields=sign) as upload:
        parts = parts_of(upload, await body_of(upload))

    assert upload.signed == b""
    assert parts["media_hash"][1].decode() == hashlib.md5(PNG, usedforsecurity=False).hexdigest()
    assert parts["mch_id"][1] == b"1900000109"
    assert parts["sign"][1] == b"SIGNATURE"
    assert parts["media"][1] == PNG


@pytest.mark.anyio
async def test_an_apiv2_form_may_be_signed_by_the_caller(anyio_backend: str) -> None:
    operation = Form(({"name": "media", "type": "file"},))

    async with prepare_upload(operation, {"sign": "SIGNATURE"}, PNG, "a.png") as upload:
        assert parts_of(upload, await body_of(upload))["sign"][1] == b"SIGNATURE"


async def failing_stream() -> AsyncIterator[bytes]:
    yield b"x" * 1000
    raise ConnectionResetError("the phone hung up")


async def stream_of_text() -> AsyncIterator[Any]:
    yield "text"


async def no_stream() -> AsyncIterator[bytes]:
    for _ in range(0):
        yield b""


class Unreadable(io.RawIOBase):
    """A file on a disk that is failing."""

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return 0

    def read(self, _size: int = -1) -> bytes:
        raise OSError("input/output error")


class Unsure(Unreadable):
    """A file that cannot even say whether it can be read twice."""

    def seekable(self) -> bool:
        raise OSError("no")


def directory(folder: Path) -> Path:
    return folder


def closed_file(folder: Path) -> Any:
    file = io.BytesIO(PNG)
    file.close()
    return file


WRONG_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda folder: folder / "none.png", "there is no such file"),
    "directory": (directory, r"^\S+ is a directory, not a file to upload$"),
    "no path at all": (lambda _: "a\0b", "cannot be opened"),
    "empty": (lambda _: b"", "is empty"),
    "empty stream": (lambda _: no_stream(), "is empty"),
    "failing stream": (lambda _: failing_stream(), "failed after 1000 bytes: ConnectionResetError"),
    "stream of text": (lambda _: stream_of_text(), "gave a str where bytes are due"),
    "text file": (lambda _: io.StringIO("text"), "opened as text"),
    "failing disk": (lambda _: Unreadable(), "cannot be read: input/output error"),
    "failing pipe": (lambda _: Unsure(), "failed after 0 bytes"),
    "closed": (closed_file, "cannot be read|failed after 0 bytes"),
    "number": (lambda _: 42, "file is an int"),
    "nothing": (lambda _: None, "file is a NoneType"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", WRONG_FILES)
async def test_a_file_that_cannot_be_sent_is_refused_before_anything_is(kind: str, tmp_path: Path, anyio_backend: str) -> None:
    make, message = WRONG_FILES[kind]

    with pytest.raises(RequestError, match=message):
        async with prepare_upload(IMAGE, None, make(tmp_path), "a.png"):
            pytest.fail("nothing is to be sent")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filename": 5}, "^filename: expected text, got int$"),
        ({"filename": b"a.png"}, "^filename: expected text, got bytes$"),
        ({"progress": 5}, "^progress: expected a callable, got int"),
    ],
)
async def test_an_argument_of_another_kind_is_named(arguments: Any, message: str, anyio_backend: str) -> None:
    with pytest.raises(RequestError, match=message):
        async with prepare_upload(IMAGE, None, PNG, **arguments):
            pytest.fail("nothing is to be sent")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("operation", "data", "field_"),
    [
        (form(bank_type={}, sha256={}, required=["bank_type", "sha256"]), {}, "bank_type"),
        (form({"name": "item_id", "required": True, "type": "number"}, filename={}, sha256={}), {}, "item_id"),
        (form({"name": "item_id", "required": True, "type": "number"}, filename={}, sha256={}), {"item_id": 1.5}, "item_id"),
        (form({"name": "item_id", "required": True, "type": "number"}, filename={}, sha256={}), {"item_id": True}, "item_id"),
        (IMAGE, {"sha256": "0" * 64}, "sha256"),
        (IMAGE, {"meta": "{}"}, "meta"),
        (form(digest_algorithm={}, digest={}), {"digest_algorithm": "CRC32"}, "digest_algorithm"),
        (Form(({"name": "media", "type": "file"},)), {"media_hash": "0" * 32}, "media_hash"),
    ],
)
async def test_a_field_that_does_not_fit_is_named(operation: Form, data: dict[str, Any], field_: str, anyio_backend: str) -> None:
    with pytest.raises(InvalidData) as caught:
        async with prepare_upload(operation, data, PNG, "a.png"):
            pytest.fail("nothing is to be sent")

    assert caught.value.path == f"$.{field_}"


@pytest.mark.anyio
async def test_a_file_that_shrinks_meanwhile_ends_the_body_with_an_error(tmp_path: Path, anyio_backend: str) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"x" * 100_000)

    async with prepare_upload(IMAGE, None, path) as upload:
        os.truncate(path, 10)
        with pytest.raises(RequestError, match="became shorter"):
            await body_of(upload)


@pytest.mark.anyio
async def test_a_stream_that_is_cancelled_leaves_nothing_open(anyio_backend: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        async with prepare_upload(IMAGE, None, endless()):
            pytest.fail("nothing is to be sent")

    assert scope.cancelled_caught


@pytest.mark.anyio
async def test_a_call_that_is_cancelled_closes_its_file(tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    opened: list[io.BufferedReader] = []

    def open_watched(self: Path, mode: str) -> io.BufferedReader:
        opened.append(io.BufferedReader(io.FileIO(str(self), mode)))
        return opened[-1]

    monkeypatch.setattr(Path, "open", open_watched)

    with anyio.CancelScope() as scope:
        async with prepare_upload(IMAGE, None, path):
            scope.cancel()
            await anyio.sleep_forever()

    assert [file.closed for file in opened] == [True]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("head", "limit"), [(PNG, 5_242_880), (b"\x00\x00\x00\x18ftypmp42", 5_242_880), (b"%PDF-1.7", 7_864_320), (b"a,b\n", None)]
)
async def test_a_file_that_is_too_large_is_warned_of_and_sent(head: bytes, limit: int | None, anyio_backend: str) -> None:
    data = head.ljust((limit or 10_000_000), b"x")

    async with prepare_upload(IMAGE, None, data, "a"):
        pass  # no warning for a file of just this size
    if limit is not None:
        with pytest.warns(ValidationWarning, match=f"has {limit + 1:,} bytes"):
            async with prepare_upload(IMAGE, None, data + b"x", "a") as upload:
                assert upload.file_size == limit + 1


@pytest.mark.anyio
async def test_twenty_megabytes_cost_less_than_eight(tmp_path: Path, anyio_backend: str) -> None:
    path = tmp_path / "video.mp4"
    with path.open("wb") as file:
        for _ in range(20):
            file.write(b"x" * 1_000_000)
    sent = 0

    tracemalloc.start()
    try:
        async with prepare_upload(IMAGE, None, path) as upload:
            async for piece in upload.stream():
                sent += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert sent == upload.content_length
    assert peak < 8_000_000


@pytest.mark.anyio
async def test_files_are_read_and_digested_beside_the_event_loop(
    tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    loop_thread = threading.get_ident()
    readers: set[int] = set()

    class Watched(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            readers.add(threading.get_ident())
            return super().read(size)

    with Watched(io.FileIO(path)) as file:
        async with prepare_upload(IMAGE, None, file) as upload:
            await body_of(upload)

    assert readers
    assert loop_thread not in readers


FIELDS: dict[str, Any] = {
    "bank_type": "ICBC_DEBIT",
    "transaction_id": "4200002200202611240000000001",
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "manage_record_id": "56",
    "file_type": "PDF",
    "company_mchid": "1900000109",
    "region_id": 310100,
}
UPLOADS = [operation for operation in catalog.operations() if operation.is_upload]


def test_the_catalogue_has_fifteen_uploads() -> None:
    assert len(UPLOADS) == 15


@pytest.mark.anyio
@pytest.mark.parametrize("operation", UPLOADS, ids=lambda operation: operation.id)
async def test_every_upload_of_the_catalogue_can_be_made(operation: catalog.Operation, anyio_backend: str) -> None:
    names = {parameter["name"] for parameter in operation.form}
    for parameter in operation.form:
        names |= set((parameter.get("contentSchema") or parameter).get("properties", {}))
    data = {name: value for name, value in {**FIELDS, "item_id": 56}.items() if name in names}

    async with prepare_upload(operation, data, PNG, "a.png") as upload:
        parts = parts_of(upload, await body_of(upload))

    wanted = {parameter["name"] for parameter in operation.form if parameter.get("required") and operation.api == "v3"}
    assert wanted <= parts.keys()
    if operation.api == "v3":
        assert parts["meta"][1] == upload.signed
        assert PNG_SHA256 in upload.signed.decode().lower() or b"SM3" in upload.signed
