"""APIv2's XML, read strictly and written as the platform writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]  # it ships no types
from defusedxml.ElementTree import ParseError, fromstring  # type: ignore[import-untyped]  # as above

from ..wire import as_array, as_object

__all__ = ["Unreadable", "read", "write"]

#: Bytes; the longest documented request is far below.
_LARGEST = 64 * 1024


class Unreadable(Exception):
    """Not XML as APIv2 wants it."""


def read(body: bytes) -> dict[str, str]:
    """The fields of a request: one `<xml>` with text inside each element, no name twice. Raises `Unreadable`."""
    if len(body) > _LARGEST:
        raise Unreadable("too long")
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Unreadable(type(error).__name__) from None
    if root.tag != "xml" or root.attrib:
        raise Unreadable("the root is not <xml>")
    fields: dict[str, str] = {}
    for element in root:
        if element.tag in fields or len(element) or element.attrib:
            raise Unreadable(f"<{element.tag}> twice, nested or with attributes")
        fields[element.tag] = element.text or ""
    return fields


def write(fields: Mapping[str, Any], root: str = "xml") -> bytes:
    """Fields as XML, texts in CDATA, numbers bare, mappings and lists nested."""
    return f"<{root}>{''.join(_element(name, value) for name, value in fields.items())}</{root}>".encode()


def _element(name: str, value: Any) -> str:
    if (items := as_array(value)) is not None:
        return "".join(_element(name, item) for item in items)
    if (members := as_object(value)) is not None:
        return f"<{name}>{''.join(_element(inner, member) for inner, member in members.items())}</{name}>"
    if isinstance(value, (int, float)):
        return f"<{name}>{value}</{name}>"
    text = str(value)
    return f"<{name}>{escape(text)}</{name}>" if "]]>" in text else f"<{name}><![CDATA[{text}]]></{name}>"
