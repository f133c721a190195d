"""Uploads: the file is read once for its digest and once for the body, the meta is made as the operation wants it and signed alone.

    async with prepare_upload(operation, data, file=path, filename=None, progress=None) as upload:
        ...sign upload.signed; send upload.stream() with upload.content_type and upload.content_length...

Every attempt takes a fresh `upload.stream()`, which reads the file again from its start.
Official pages: https://pay.weixin.qq.com/doc/v3/merchant/4012760432 (images), .../4012760433 (videos).
"""

from __future__ import annotations

import inspect
import io
import os
import secrets
import tempfile
import warnings
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, cast, runtime_checkable

import httpx
from anyio import CancelScope, to_thread

from wechatpay_async.crypto.hashers import Hasher, hasher
from wechatpay_async.errors import InvalidData, RequestError, ValidationWarning
from wechatpay_async.protocol import multipart
from wechatpay_async.protocol.v3 import encode_json

__all__ = ["FileSource", "FormOperation", "Progress", "Upload", "prepare_upload"]


@runtime_checkable
class AsyncReadable(Protocol):
    """A file whose `read` is awaited: anyio's and aiofiles' files, Starlette's `UploadFile`."""

    async def read(self, size: int = -1, /) -> bytes:
        """The next bytes, `b""` at the end."""
        ...


FileSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | AsyncReadable | AsyncIterable[bytes]"
#: Called with the bytes of the file sent so far and its size, after each piece; a retry begins again at nought.
Progress: TypeAlias = Callable[[int, int], None]

_PIECE = 65_536
# A thread call costs as much as reading this many pieces does.
_PIECES_PER_CALL = 16
# The largest files that the official pages speak of, in bytes; older pages say 2 MB for pictures. The server decides.
_LIMITS = {"image": 5 * 1024**2, "video": 5 * 1024**2, "application/pdf": 15 * 1024**2 // 2}
# Streams up to this size are held in memory instead of a temporary file.
_IN_MEMORY = 1_048_576


class FormOperation(Protocol):
    """What is needed of an operation of the catalogue."""

    @property
    def id(self) -> str:
        """Its verb and path: `POST /v3/merchant/media/upload`."""
        ...

    @property
    def form(self) -> Sequence[Mapping[str, Any]]:
        """The parts of the form, as the catalogue has them."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is ready to be sent. `signed` is the meta as it lies in the body: the only bytes that are signed."""

    signed: bytes
    content_type: str
    content_length: int
    file_name: str
    file_size: int
    _content: _Content
    _opening: bytes
    _closing: bytes
    _progress: Progress | None

    def stream(self) -> httpx.AsyncByteStream:
        """The body from its first byte; take a new one for each attempt."""
        return _Body(self._opening, self._content, self._closing, self._progress)


@asynccontextmanager
async def prepare_upload(
    operation: FormOperation | None,
    data: Mapping[str, Any] | None,
    file: FileSource,
    filename: str | None = None,
    progress: Progress | None = None,
    *,
    sign_fields: Callable[[dict[str, str]], Mapping[str, str]] | None = None,
) -> AsyncGenerator[Upload, None]:
    """Read the file for its digest and make the body of an upload.

    `operation` is None for one outside the catalogue: then the meta is `filename` and `sha256`, the most common one.
    `data` holds the other fields of the meta, and the other parts of the form. `filename` comes from the path or the file otherwise.
    `sign_fields` is for APIv2, whose form is signed as a whole: it gets the fields and returns them with `sign`.

    Raises `RequestError` for a file that is missing, empty, a directory, not binary, or fails while it is read, `InvalidData` for a field
    missing or not fitting the file. Nothing was sent then. Warns (`ValidationWarning`) of a file larger than the official pages allow.
    """
    form = _Form.of(operation)
    if filename is not None and not isinstance(filename, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a type checker
        raise RequestError(f"filename: expected text, got {type(filename).__name__}")
    if progress is not None and not callable(progress):
        raise RequestError(
            f"progress: expected a callable, got {type(progress).__name__}", hint="it is called with the bytes sent and the size"
        )
    content = await _open(file)
    try:
        name = filename or form.name_in(data or {}) or content.name
        await content.measure(form.algorithm(data or {}))
        kind, ending = multipart.media_type(content.head, name)
        name = name or f"file{ending}"
        _warn_of_size(kind, content.size)
        parts, signed = form.parts(dict(data or {}), name, content.digest, sign_fields)
        boundary = secrets.token_hex(16)
        wire_name = multipart.ascii_file_name(name, ending)
        opening = multipart.opening(boundary, parts, file_field=form.file_field, file_name=wire_name, file_type=kind)
        closing = multipart.closing(boundary)
        length = len(opening) + content.size + len(closing)
        yield Upload(signed, multipart.content_type(boundary), length, name, content.size, content, opening, closing, progress)
    finally:
        await content.close()


@dataclass(frozen=True, slots=True)
class _Form:
    """The parts that an operation wants, told from the catalogue's `form`."""

    file_field: str
    meta: Mapping[str, Mapping[str, Any]] | None
    required: tuple[str, ...]
    fields: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, operation: FormOperation | None) -> _Form:
        if operation is None:
            return cls("file", {"filename": {}, "sha256": {}}, (), {})
        if not operation.form:
            raise RequestError(f"{operation.id} takes no file", hint="leave file= out; the uploads have a path of their own")
        file_field, meta = "file", None
        required: tuple[str, ...] = ()
        fields: dict[str, Mapping[str, Any]] = {}
        for parameter in operation.form:
            if parameter.get("type") == "file":
                file_field = parameter["name"]
            elif parameter["name"] == "meta":
                schema: Mapping[str, Any] = parameter.get("contentSchema") or parameter
                meta, wanted = schema.get("properties", {}), schema.get("required")
                required = tuple(cast("Sequence[str]", wanted)) if isinstance(wanted, list | tuple) else ()
            else:
                fields[parameter["name"]] = parameter
        return cls(file_field, meta, required, fields)

    def name_in(self, data: Mapping[str, Any]) -> str:
        """The file's name where the caller put it into the meta."""
        return str(data.get("filename") or data.get("file_name") or "")

    def algorithm(self, data: Mapping[str, Any]) -> str:
        """Which digest the operation wants."""
        if self.meta is None:
            return "md5"
        for name, schema in self.meta.items():
            # fapiao spells it digest_alogrithm
            if name.startswith("digest_al"):
                wanted = str(data.get(name) or schema.get("example") or "SHA256")
                known = next(
                    (algorithm for algorithm in ("sm3", "sha256") if wanted.upper().replace("-", "").endswith(algorithm.upper())), None
                )
                if known is None:
                    raise InvalidData(f"$.{name}", f"{wanted[:40]} is no digest that this package knows", hint="use SM3 or SHA256")
                return known
        return "sha256"

    def parts(
        self, data: dict[str, Any], name: str, digest: str, sign_fields: Callable[[dict[str, str]], Mapping[str, str]] | None
    ) -> tuple[list[multipart.Part], bytes]:
        """The parts before the file, and what of them is signed."""
        if self.meta is None:
            return self._signed_fields(data, digest, sign_fields), b""
        given: object = data.pop("meta", None)
        own = {field: data.pop(field) for field in self.fields if field in data}
        for field, schema in self.fields.items():
            if schema.get("required") is True and field not in own:
                raise InvalidData(f"$.{field}", "this upload wants it as a part of the form")
        if given is not None and not isinstance(given, Mapping):
            raise InvalidData("$.meta", f"a mapping of its fields is wanted, not {type(given).__name__}")
        meta = self._complete(self.meta, {**cast("Mapping[str, Any]", given or {}), **data}, name, digest)
        signed = encode_json(meta)
        others = [multipart.Part(field, _as_text(field, value).encode()) for field, value in own.items()]
        return [multipart.Part("meta", signed, "application/json"), *others], signed

    def _complete(self, schemas: Mapping[str, Mapping[str, Any]], meta: dict[str, Any], name: str, digest: str) -> dict[str, Any]:
        """The meta with all that the file itself tells, in the order of the catalogue."""
        for field, schema in schemas.items():
            example = str(schema.get("example", ""))
            if field in ("filename", "file_name"):
                meta.setdefault(field, name)
            elif field.startswith("digest_al"):
                meta.setdefault(field, example or "SHA256")
            elif field in ("sha256", "file_digest", "digest"):
                # Where the official example is in capitals, so is ours.
                made = digest.upper() if example.isupper() else digest
                if str(meta.setdefault(field, made)).lower() != digest:
                    raise InvalidData(f"$.{field}", "this is not the digest of the file", hint="leave it out: it is made from the file")
        for field in self.required:
            if field not in meta:
                raise InvalidData(f"$.{field}", "this upload wants it in its meta")
        known = {field: meta[field] for field in schemas if field in meta}
        return known | meta

    def _signed_fields(
        self, data: dict[str, Any], digest: str, sign_fields: Callable[[dict[str, str]], Mapping[str, str]] | None
    ) -> list[multipart.Part]:
        """The parts of an APIv2 upload: all fields are signed together, by APIv2's rules."""
        fields = {name: _as_text(name, value) for name, value in data.items()}
        if str(fields.setdefault("media_hash", digest)).lower() != digest:
            raise InvalidData("$.media_hash", "this is not the digest of the file", hint="leave it out: it is made from the file")
        signed = sign_fields(fields) if sign_fields else fields
        return [multipart.Part(name, value.encode()) for name, value in signed.items()]


def _as_text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidData(f"$.{name}", f"a part of a form is text or a whole number, not {type(value).__name__}")
    return str(value)


class _Content:
    """The bytes of the file as something that can be read twice. Reading happens in worker threads, unless they are in memory already."""

    def __init__(self, file: IO[bytes], *, name: str, owned: bool, in_memory: bool = False) -> None:
        self.name = name
        self.size = 0
        self.digest = ""
        self.head = b""
        self._file = file
        self._owned = owned
        self._in_memory = in_memory
        self._start = 0

    async def measure(self, algorithm: str) -> None:
        """Read all of it for its size and its digest."""
        self._start = await self._in_thread(self._file.tell)
        self.head = await self._in_thread(self._read_head)
        digest = hasher(algorithm)
        while read := await to_thread.run_sync(self._digest_some, digest):
            self.size += read
        if not self.size:
            raise RequestError("the file to upload is empty", hint="was it read to its end before? a file is sent from where it stands")
        self.digest = digest.hexdigest()

    async def rewind(self) -> None:
        """Back to the start, for the next attempt."""
        await self._in_thread(self._file.seek, self._start)

    async def read(self, size: int) -> bytes:
        """The next bytes of the body. Raises `RequestError` when there are fewer than at the first reading."""
        size = min(size, _PIECE)
        piece: bytes = self._in_errors(self._file.read, size) if self._in_memory else await self._in_thread(self._file.read, size)
        if not piece:
            raise RequestError("the file to upload became shorter while it was being sent", hint="send a copy that nobody writes to")
        return piece

    async def close(self) -> None:
        """Close what was opened here; a file of the caller's stays open."""
        if self._owned:
            with CancelScope(shield=True):
                await to_thread.run_sync(self._file.close)

    def _read_head(self) -> bytes:
        head = self._file.read(16)
        self._file.seek(self._start)
        return head

    def _digest_some(self, digest: Hasher) -> int:
        read = 0
        for _ in range(_PIECES_PER_CALL):
            piece = self._in_errors(self._file.read, _PIECE)
            if not piece:
                break
            digest.update(piece)
            read += len(piece)
        return read

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await to_thread.run_sync(self._in_errors, call, *arguments)

    @staticmethod
    def _in_errors(call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            result = call(*arguments)
        except (OSError, ValueError) as error:
            raise RequestError(f"the file to upload cannot be read: {error}") from error
        if isinstance(result, str):
            raise RequestError("the file to upload was opened as text", hint='open it with "rb"')
        return result


class _Body(httpx.AsyncByteStream):
    """The body of one attempt. Not a generator: one that is given up in the middle would be left for the event loop to finish."""

    def __init__(self, opening: bytes, content: _Content, closing: bytes, progress: Progress | None) -> None:
        self._edges = iter((opening, closing))
        self._content = content
        self._progress = progress
        self._sent = -1

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._sent < 0:
            await self._content.rewind()
            self._sent = 0
        elif self._sent < self._content.size:
            piece = await self._content.read(self._content.size - self._sent)
            self._sent += len(piece)
            if self._progress is not None:
                self._progress(self._sent, self._content.size)
            return piece
        for edge in self._edges:
            return edge
        raise StopAsyncIteration


async def _open(file: FileSource) -> _Content:
    """Whatever was given, as something that can be read twice."""
    if isinstance(file, str | os.PathLike):
        return await to_thread.run_sync(_open_path, Path(file))
    if isinstance(file, bytes | bytearray | memoryview):
        return _Content(io.BytesIO(file), name="", owned=True, in_memory=True)
    name = _name_of(file)
    if _is_async(file):
        return await _spool(_async_pieces(cast("AsyncReadable | AsyncIterable[bytes]", file)), name)
    if not hasattr(file, "read"):
        raise RequestError(f"file is {_article(type(file).__name__)}", hint="give a path, bytes, a binary file or an async stream of bytes")
    reader = cast("IO[bytes]", file)
    if await to_thread.run_sync(_is_seekable, reader):
        return _Content(reader, name=name, owned=False)
    return await _spool(_thread_pieces(reader), name)


def _open_path(path: Path) -> _Content:
    try:
        return _Content(path.open("rb"), name=path.name, owned=True)
    except FileNotFoundError as error:
        raise RequestError(f"{path}: there is no such file to upload") from error
    except IsADirectoryError as error:
        raise RequestError(f"{path} is a directory, not a file to upload") from error
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} cannot be opened: {error}") from error


async def _spool(pieces: AsyncGenerator[bytes, None], name: str) -> _Content:
    """Keep a stream that can be read only once: the digest goes out before the first byte of the file does."""
    spooled = cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 - closed by _Content
    read = 0
    waiting = bytearray()
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if not isinstance(piece, bytes | bytearray | memoryview):  # pyright: ignore[reportUnnecessaryIsInstance] - the caller's own
                    raise RequestError(f"the stream to upload gave {_article(type(piece).__name__)} where bytes are due")
                waiting += piece
                read += len(piece)
                if len(waiting) >= _PIECE:
                    await to_thread.run_sync(spooled.write, bytes(waiting))
                    waiting.clear()
        await to_thread.run_sync(spooled.write, bytes(waiting))
        await to_thread.run_sync(spooled.seek, 0)
    except RequestError:
        spooled.close()
        raise
    except Exception as error:
        spooled.close()
        raise RequestError(f"the stream to upload failed after {read} bytes: {error!r}", hint="nothing was sent") from error
    except BaseException:
        spooled.close()
        raise
    return _Content(spooled, name=name, owned=True)


async def _async_pieces(file: AsyncReadable | AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    if isinstance(file, AsyncReadable):
        while piece := await file.read(_PIECE):
            yield piece
        return
    async with AsyncExitStack() as stack:
        if isinstance(file, AsyncGenerator):
            await stack.enter_async_context(aclosing(cast("AsyncGenerator[bytes, None]", file)))
        async for piece in file:
            yield piece


async def _thread_pieces(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    while piece := await to_thread.run_sync(file.read, _PIECE):
        yield piece


def _warn_of_size(kind: str, size: int) -> None:
    limit = _LIMITS.get(kind) or _LIMITS.get(kind.partition("/")[0])
    if limit is not None and size > limit:
        message = f"the file ({kind}) has {size:,} bytes; WeChat Pay takes {limit:,} at most, as far as is known. It is sent all the same"
        warnings.warn(message, ValidationWarning, stacklevel=2)


def _is_async(file: object) -> bool:
    return hasattr(file, "__aiter__") or inspect.iscoroutinefunction(getattr(file, "read", None))


def _is_seekable(file: IO[bytes]) -> bool:
    try:
        return file.seekable()
    except (AttributeError, OSError, ValueError):
        return False


def _name_of(file: object) -> str:
    """A file's own name: of an open file its path's last part, of Starlette's `UploadFile` its `filename`."""
    name = getattr(file, "filename", None) or getattr(file, "name", None)
    return os.path.basename(name) if isinstance(name, str) else ""


def _article(kind: str) -> str:
    return f"an {kind}" if kind[:1].lower() in "aeiou" else f"a {kind}"
