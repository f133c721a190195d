"""Writes the import lines that a generated file needs, and no others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["imports_for"]

#: Where the names of generated files come from, in the order of the lines; a module alone is imported as it is.
SOURCES: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = (
    (
        ("collections.abc", ("Mapping",)),
        ("contextlib", ("AbstractAsyncContextManager",)),
        ("typing", ("Any", "Literal", "NotRequired", "Required")),
    ),
    (("httpx", ()),),
    (
        ("wechatpay_async.api._base", ("Config", "Headers", "NoBody", "Query", "Timeout", "TypedNode")),
        ("wechatpay_async.response", ("Response",)),
        ("wechatpay_async.uploads", ("FileSource", "Progress")),
    ),
)


def imports_for(body: str, modules: Mapping[str, tuple[str, str]] = MappingProxyType({})) -> str:
    """The import lines for a file with this body, an empty line between groups; `modules` are package and module of names such as `_t`."""
    code = re.sub(r'""".*?"""|#[^\n]*', "", body, flags=re.DOTALL)
    groups = [[line for module, names in group if (line := _line(module, names, code))] for group in SOURCES]
    groups[-1] += [f"from {package} import {module} as {name}" for name, (package, module) in modules.items() if f"{name}." in code]
    groups[-1].sort()
    return "\n\n".join("\n".join(group) for group in groups if group)


def _line(module: str, names: tuple[str, ...], code: str) -> str:
    if not names:
        return f"import {module}" if re.search(rf"\b{module}\.", code) else ""
    used = [name for name in names if re.search(rf"(?<![.\w]){name}\b", code)]
    return f"from {module} import {', '.join(used)}" if used else ""
