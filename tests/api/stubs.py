"""Reads the generated stubs as syntax trees, as somebody would who had nothing but the files."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from wechatpay_async.catalog import API

API_FOLDER = Path(__file__).parent.parent.parent / "wechatpay_async" / "api"


@dataclass(frozen=True)
class Method:
    """A verb: its parameters with their annotations, which of them must be given, and what it returns."""

    positional: Mapping[str, str]
    keywords: Mapping[str, str]
    required: frozenset[str]
    returns: str
    is_async: bool
    doc: str


@dataclass(frozen=True)
class Stub:
    """A class of the chain. `types` is the module that `_t` stands for."""

    name: str
    types: str | None
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    methods: dict[str, Method] = field(default_factory=dict[str, Method])
    aliases: dict[str, str] = field(default_factory=dict[str, str])


@cache
def stubs(api: API) -> Mapping[str, Stub]:
    """Every class of the chain of one API, by name."""
    found: dict[str, Stub] = {}
    for path in [API_FOLDER / api / "__init__.pyi", *sorted((API_FOLDER / "_chain").glob("*.pyi"))]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        types = next((module for module in map(_types_module, tree.body) if module), None)
        if path.stem.startswith("v2_") is (api == "v2") or path.stem == "__init__":
            found |= {node.name: _stub(node, types) for node in tree.body if isinstance(node, ast.ClassDef)}
    return found


def root(api: API) -> Stub:
    """`client.v3`, `client.v2`."""
    return stubs(api)[api.upper()]


def _types_module(node: ast.stmt) -> str | None:
    if isinstance(node, ast.ImportFrom) and node.names[0].asname == "_t":
        return f"{node.module}.{node.names[0].name}"
    return None


def _stub(node: ast.ClassDef, types: str | None) -> Stub:
    stub = Stub(node.name, types)
    for each in node.body:
        match each:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=leads_to)):
                stub.attributes[name] = leads_to
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=original)):
                stub.aliases[name] = original
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                stub.methods[each.name] = _method(each)
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case other:
                raise AssertionError(f"{node.name}: unexpected {ast.unparse(other)}")
    return stub


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Method:
    positional = [*node.args.posonlyargs, *node.args.args][1:]
    defaults = len(node.args.defaults)
    required = [each.arg for each in positional[: len(positional) - defaults]]
    required += [each.arg for each, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default is None]
    assert node.returns is not None
    return Method(
        positional={each.arg: _text(each.annotation) for each in positional},
        keywords={each.arg: _text(each.annotation) for each in node.args.kwonlyargs},
        required=frozenset(required),
        returns=_text(node.returns),
        is_async=isinstance(node, ast.AsyncFunctionDef),
        doc=ast.get_docstring(node) or "",
    )


def _text(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)
