"""APIv2's XML, both ways, as pure functions on bytes: nothing is fetched, nothing is expanded, and every size has a bound.

The standard library's expat does the reading. A document type declaration is refused when it begins, so that no entity can ever be
declared; the official notice of 2018 on XXE asks for that.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast
from xml.parsers import expat

from wechatpay_async.errors import InvalidData, MalformedMessage

#: Text, nested elements by name, or the values of an element that is repeated.
Value: TypeAlias = "str | dict[str, Value] | list[Value]"

#: Bytes of a document. The longest real ones (a refund query with 50 refunds) have some tens of kilobytes.
MAX_BYTES: Final = 1 << 19
#: Elements inside one another, the root counted. Real messages have up to four.
MAX_DEPTH: Final = 16
#: Elements in a document. A refund query with 50 refunds and their coupons has some 2,000.
MAX_ELEMENTS: Final = 10_000

# Declared name -> codec, for the encodings that systems of the region really declare. Each has ASCII as its lower half and keeps no state;
# UTF-7 and the ISO-2022 family do not, and can hide markup from a reader that decodes differently. GB 18030 contains the two older ones.
_CODECS: Final[Mapping[str, str]] = {
    "ascii": "ascii",
    "big5": "big5",
    "gb18030": "gb18030",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-1": "latin-1",
    "us-ascii": "ascii",
    "utf-8": "utf-8",
    "utf8": "utf-8",
}
_DECLARATION_START: Final = b"<?xml"
_DECLARATION_END: Final = b"?>"
_DECLARATION_BYTES: Final = 128


def parse(document: bytes) -> tuple[str, Value]:
    """The root's name and value of a document in any of the declared encodings above (UTF-8 without a declaration).

    An element with elements inside becomes a dict, one that is repeated a list, any other its text; an empty root is `{}`.
    Attributes are ignored: APIv2 has none. Raises `MalformedMessage`.
    """
    if len(document) > MAX_BYTES:
        raise MalformedMessage(f"the XML has {len(document)} bytes; {MAX_BYTES} are the limit")
    utf8 = _to_utf8(document)
    if b"\0" in utf8:
        # expat takes UTF-16 without a byte order mark for UTF-16, whatever encoding it is given.
        raise MalformedMessage("the XML has a null character")
    return _Reader(utf8).read()


def build(root: str, value: object) -> bytes:
    """A document in UTF-8 without a declaration. Markup characters make a value a CDATA section; `None` is left out.

    `value` is text or an integer, a mapping of them (nested where wanted; a list repeats its element). Raises `InvalidData`
    for what XML cannot carry, with the path of the field.
    """
    parts: list[str] = []
    _write(parts, check_name(root, "$"), value, "$")
    return "".join(parts).encode("utf-8")


def check_text(text: str, path: str) -> None:
    """Raise `InvalidData` for the first character that XML 1.0 excludes. Source: https://www.w3.org/TR/xml/#charsets"""
    if text.isprintable():
        return
    for char in text:
        if (char < " " and char not in "\t\n\r") or "\ud800" <= char <= "\udfff" or char in "\ufffe\uffff":
            raise InvalidData(path, f"has the character U+{ord(char):04X}, which XML cannot carry")


def check_name(name: object, path: str) -> str:
    """The name, if an element may have it. Raises `InvalidData`."""
    if isinstance(name, str) and name.isascii() and name.replace("-", "_").replace(".", "_").isidentifier():
        return name
    raise InvalidData(path, f"{ascii(name)[:64]} cannot be the name of an XML element")


class _Element:
    """An element whose end has not come yet."""

    __slots__ = ("children", "is_cdata", "pieces")

    def __init__(self) -> None:
        self.children: dict[str, Value] = {}
        self.pieces: list[str] = []
        self.is_cdata = False


class _Reader:
    """One reading of one document; expat calls the methods as it meets things."""

    def __init__(self, document: bytes) -> None:
        self._document = document
        self._open: list[_Element] = []
        self._elements = 0
        self._in_cdata = False
        self._result: tuple[str, Value] | None = None

    def read(self) -> tuple[str, Value]:
        # The encoding given here outweighs the declared one, which was obeyed already.
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        # A value then arrives whole, so that a second piece means that something stood in between.
        parser.buffer_size = max(len(self._document), 1)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartCdataSectionHandler = self._start_cdata
        parser.EndCdataSectionHandler = self._end_cdata
        parser.CommentHandler = _ignore
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.ProcessingInstructionHandler = _refuse_instruction
        _feed(parser, self._document)
        assert self._result is not None  # noqa: S101 — expat accepts no document without a root
        return self._result

    def _start(self, _name: str, _attributes: object) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise MalformedMessage(f"the XML has more than {MAX_ELEMENTS} elements")
        if len(self._open) >= MAX_DEPTH:
            raise MalformedMessage(f"the XML is nested more than {MAX_DEPTH} deep")
        self._open.append(_Element())

    def _end(self, name: str) -> None:
        value = _value(name, self._open.pop())
        if not self._open:
            self._result = (name, value or {})
            return
        siblings = self._open[-1].children
        if name not in siblings:
            siblings[name] = value
            return
        present = siblings[name]
        if isinstance(present, list):  # no element's own value is a list, so this is the repetition
            present.append(value)
        else:
            siblings[name] = [present, value]

    def _text(self, text: str) -> None:
        """Take one piece of a value. What comes apart could be read as its first piece by another reader, and is refused.

        Two things may come apart: blank around a CDATA section, and `]]>`, which no CDATA section can hold whole.
        """
        element = self._open[-1]
        pieces = element.pieces
        if not pieces or element.children:
            pieces.append(text)
        elif self._in_cdata and pieces[-1].isspace() and not element.is_cdata:
            pieces[-1] = text
        elif self._in_cdata and pieces[-1].endswith("]]") and text.startswith(">"):
            pieces.append(text)
        elif self._in_cdata or not text.isspace():
            raise MalformedMessage("a value of the XML is split into several pieces", hint="by a comment or by CDATA sections")
        element.is_cdata = element.is_cdata or self._in_cdata

    def _start_cdata(self) -> None:
        self._in_cdata = True

    def _end_cdata(self) -> None:
        self._in_cdata = False


def _value(name: str, element: _Element) -> Value:
    if not element.children:
        return "".join(element.pieces)
    if any(not piece.isspace() for piece in element.pieces):
        raise MalformedMessage(f"{name[:32]}: text and elements are mixed")
    return element.children


def _feed(parser: expat.XMLParserType, document: bytes) -> None:
    is_final = True
    try:
        parser.Parse(document, is_final)
    except expat.ExpatError as error:
        raise MalformedMessage(f"this is no XML: {expat.ErrorString(error.code)}, line {error.lineno}") from None


def _ignore(_text: str) -> None:
    """Let a comment pass. That a handler is there makes expat hand over the text before and after it apart."""


def _refuse_doctype(*_declaration: object) -> None:
    raise MalformedMessage("the XML has a document type declaration", hint="WeChat Pay sends none: this is an attack or another system's")


def _refuse_instruction(target: str, _data: str) -> None:
    raise MalformedMessage(f"the XML has a processing instruction ({target[:32]!r})")


def _to_utf8(document: bytes) -> bytes:
    """The same document in UTF-8, by its byte order mark and its declaration, which must agree."""
    if document.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        document = _recode(document, "utf-16")
        agreed: tuple[str | None, ...] = (None, "utf-16")
    elif document.startswith(codecs.BOM_UTF8):
        document = document[len(codecs.BOM_UTF8) :]
        agreed = (None, "utf-8", "utf8")
    else:
        agreed = ()
    declared = _declared_encoding(document)
    if agreed:
        if declared not in agreed:
            raise MalformedMessage("the XML's byte order mark and its declared encoding disagree")
        return document
    if declared is None:
        return document
    codec = _CODECS.get(declared)
    if codec is None:
        raise MalformedMessage(f"the XML declares an encoding that is not accepted ({declared[:32]!r})")
    return document if codec == "utf-8" else _recode(document, codec)


def _recode(document: bytes, codec: str) -> bytes:
    try:
        return document.decode(codec).encode("utf-8")
    except ValueError:
        raise MalformedMessage(f"the XML is not in its encoding, {codec}") from None


def _declared_encoding(document: bytes) -> str | None:
    """The encoding that the XML declaration names, in lower case; it is ASCII in every encoding accepted."""
    if not document.startswith(_DECLARATION_START):
        return None
    end = document.find(_DECLARATION_END, 0, _DECLARATION_BYTES)
    if end < 0:
        raise MalformedMessage("the XML declaration does not end")
    found: list[str | None] = []
    parser = expat.ParserCreate("utf-8")
    parser.XmlDeclHandler = lambda _version, encoding, _standalone: found.append(encoding)
    _feed(parser, document[: end + len(_DECLARATION_END)] + b"<_/>")
    return found[0].lower() if found and found[0] else None


def _write(parts: list[str], name: str, value: object, path: str) -> None:
    if isinstance(value, Mapping):
        content = _children(cast("Mapping[object, object]", value), path)
    else:
        content = _character_data(_text(value, path), path)
    parts.append(f"<{name}>{content}</{name}>" if content else f"<{name}/>")


def _children(value: Mapping[object, object], path: str) -> str:
    parts: list[str] = []
    for key, item in value.items():
        name = check_name(key, path)
        inner = f"{path}.{name}"
        if isinstance(item, (list, tuple)):
            for index, repeated in enumerate(cast("Sequence[object]", item)):
                _write(parts, name, repeated, f"{inner}[{index}]")
        elif item is not None:
            _write(parts, name, item, inner)
    return "".join(parts)


def _text(value: object, path: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InvalidData(path, f"is a {type(value).__name__}, which has no one form in XML", hint="give text")


def _character_data(text: str, path: str) -> str:
    check_text(text, path)
    if "\r" in text or "]]>" in text:
        # A reader turns a bare carriage return into a line feed, in a CDATA section too, and the signature would no longer fit.
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return f"<![CDATA[{text}]]>" if "<" in text or "&" in text else text
