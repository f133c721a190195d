"""The package's own source as syntax trees, for the tests that guard its structure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "wechatpay_async"


@dataclass(frozen=True)
class Import:
    """One import: the module that has it, the dotted name it asks for, and where it stands."""

    importer: str
    name: str
    line: int
    type_only: bool
    top_level: bool


def module_name(path: Path) -> str:
    """`wechatpay_async/crypto/rsa.py` -> `wechatpay_async.crypto.rsa`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, tuple[Path, ast.Module]]:
    """Every hand-written module of the package, by dotted name."""
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if "api" not in path.relative_to(PACKAGE).parts[:1]]
    return {module_name(path): (path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths}


def imports(name: str) -> Iterator[Import]:
    """Each import of a module, wherever it stands; relative ones are made absolute, `from a import b` is `a.b`."""
    path, tree = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    yield from _walk(tree, name, package, type_only=False, top_level=True)


def _walk(node: ast.AST, importer: str, package: str, *, type_only: bool, top_level: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(importer, alias.name, child.lineno, type_only, top_level)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(child, package)
            for alias in child.names:
                yield Import(importer, f"{base}.{alias.name}", child.lineno, type_only, top_level)
        elif isinstance(child, ast.If) and ast.unparse(child.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            yield from _walk(ast.Module(child.body, []), importer, package, type_only=True, top_level=top_level)
            yield from _walk(ast.Module(child.orelse, []), importer, package, type_only=type_only, top_level=top_level)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, importer, package, type_only=type_only, top_level=top_level and not inside)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base
