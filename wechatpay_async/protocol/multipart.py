"""Multipart bodies as WeChat Pay wants them: everything before the file, everything after it, and the names on the wire."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Part", "ascii_file_name", "closing", "content_type", "media_type", "opening"]


class Part(NamedTuple):
    """A part that is no file: it goes out without a `filename`, byte for byte as given."""

    name: str
    value: bytes
    media_type: str | None = None


#: The first bytes of the formats that WeChat Pay takes, their media type and their ending. The server looks at the content too.
_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    (0, b"\xff\xd8\xff", "image/jpeg", ".jpg"),
    (0, b"BM", "image/bmp", ".bmp"),
    (0, b"GIF8", "image/gif", ".gif"),
    (8, b"WEBP", "image/webp", ".webp"),
    (0, b"%PDF-", "application/pdf", ".pdf"),
    (4, b"ftypqt", "video/quicktime", ".mov"),
    (4, b"ftypM4V", "video/x-m4v", ".m4v"),
    (4, b"ftyp", "video/mp4", ".mp4"),
    (8, b"AVI ", "video/x-msvideo", ".avi"),
    (0, b"\x1aE\xdf\xa3", "video/x-matroska", ".mkv"),
    (0, b"\x30\x26\xb2\x75", "video/x-ms-wmv", ".wmv"),
    (0, b"FLV", "video/x-flv", ".flv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg", ".mpeg"),
    (0, b"PK\x03\x04", "application/zip", ".zip"),
)
_BY_ENDING = {".csv": "text/csv", ".txt": "text/plain", ".ofd": "application/ofd", ".xml": "application/xml"}
_NOT_ON_THE_WIRE = re.compile(r"[^A-Za-z0-9._-]+")


def media_type(head: bytes, file_name: str) -> tuple[str, str]:
    """The media type and the usual ending of a file, by its first bytes, else by its name: `("image/png", ".png")`."""
    for offset, signature, kind, ending in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return kind, ending
    dot = file_name.rfind(".")
    ending = file_name[dot:].lower() if dot >= 0 else ""
    return _BY_ENDING.get(ending, "application/octet-stream"), ending or ".bin"


def ascii_file_name(name: str, ending: str) -> str:
    """The file name on the wire: letters, digits, dot, dash and underscore alone, since the gateway misreads anything else.

    A name that has none of them becomes `file` with the ending that the content calls for.
    """
    stem, dot, given = name.rpartition(".")
    if not dot or not given.isascii():
        stem, given = name, ending.lstrip(".")
    stem = _NOT_ON_THE_WIRE.sub("_", stem).strip("._-")
    return f"{stem or 'file'}.{_NOT_ON_THE_WIRE.sub('_', given)}"


def content_type(boundary: str) -> str:
    """The header of the whole body. The boundary is not quoted: the gateway does not find a quoted one."""
    return f"multipart/form-data; boundary={boundary}"


def opening(boundary: str, parts: Sequence[Part], *, file_field: str, file_name: str, file_type: str) -> bytes:
    """All that goes before the bytes of the file."""
    pieces: list[bytes] = []
    for part in parts:
        kind = f"\r\nContent-Type: {part.media_type}" if part.media_type else ""
        pieces += [f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"{kind}\r\n\r\n'.encode(), part.value, b"\r\n"]
    disposition = f'form-data; name="{file_field}"; filename="{file_name}"'
    pieces.append(f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {file_type}\r\n\r\n".encode())
    return b"".join(pieces)


def closing(boundary: str) -> bytes:
    """All that goes after the bytes of the file."""
    return f"\r\n--{boundary}--\r\n".encode()
