"""Writes the import lines that a generated file needs, and no others."""

from __future__ import annotations

import re

__all__ = ["imports_for"]

#: Where the names of generated files come from, in the order of the lines; a module alone is imported as it is.
SOURCES: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = (
    (
        ("collections.abc", ("Mapping",)),
        ("contextlib", ("AbstractAsyncContextManager",)),
        ("typing", ("Any", "Literal", "NotRequired")),
    ),
    (("httpx", ()),),
    (
        ("wechatpay_async.api._base", ("Config", "Headers", "NoBody", "Query", "Timeout", "TypedNode")),
        ("wechatpay_async.response", ("Response",)),
        ("wechatpay_async.uploads", ("FileSource", "Progress")),
    ),
)


def imports_for(body: str, types: tuple[str, str] | None = None) -> str:
    """The import lines for a file with this body, an empty line between groups; `types` are package and module of the name `_t`."""
    code = re.sub(r'""".*?"""|#[^\n]*', "", body, flags=re.DOTALL)
    groups = [[line for module, names in group if (line := _line(module, names, code))] for group in SOURCES]
    if types is not None:
        groups[-1].append(f"from {types[0]} import {types[1]} as _t")
        groups[-1].sort()
    return "\n\n".join("\n".join(group) for group in groups if group)


def _line(module: str, names: tuple[str, ...], code: str) -> str:
    if not names:
        return f"import {module}" if re.search(rf"\b{module}\.", code) else ""
    used = [name for name in names if re.search(rf"(?<![.\w]){name}\b", code)]
    return f"from {module} import {', '.join(used)}" if used else ""
