"""The types step: the catalogue becomes `api/`, the `TypedDict`s of each service and the stubs of the chain."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from wechatpay_async import catalog
from wechatpay_async.catalog import API, Operation

from .chain_stubs import StubClass, stub_classes
from .event_types import event_files
from .imports import imports_for
from .names import module_name
from .signatures import Method, TypedOperation, typed_operation
from .typed_dicts import Definition, shared

__all__ = ["API_FOLDER", "generated_files", "refuse_doubles", "write_types"]

API_FOLDER = Path(__file__).parent.parent / "api"
#: What is divided one path level deeper, since its file would pass 100 KB and editors would get slow. It is a list, not a measurement:
#: a module's name is what people import, and must not change because an operation was added elsewhere.
DIVIDED = frozenset(
    {
        ("brand",),
        ("ecommerce",),
        ("global",),
        ("marketing",),
        ("marketing", "partner"),
        ("marketing", "partner", "product-coupon"),
        ("payscore",),
        ("platsolution",),
    }
)
PACKAGE = "wechatpay_async.api"

#: What is written by hand in `api/`.
BY_HAND = frozenset({"__init__.py", "_base.pyi", "types/__init__.py"})


def write_types(folder: Path = API_FOLDER) -> None:
    """Write `api/` anew; generated files that are gone are removed."""
    files = generated_files()
    _remove_others(folder, files.keys() | BY_HAND)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _remove_others(folder: Path, names: AbstractSet[str]) -> None:
    for path in sorted(folder.rglob("*.py*"), reverse=True):
        if path.suffix in {".py", ".pyi"} and path.relative_to(folder).as_posix() not in names:
            path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and all(each.name == "__pycache__" for each in path.iterdir()):
            shutil.rmtree(path)


def generated_files() -> dict[str, str]:
    """The generated files by their name below `api/`."""
    templates = Environment(
        loader=PackageLoader("wechatpay_async._codegen"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 — Python is written here, not HTML
    )
    templates.filters["imports"] = imports_for
    return dict(sorted([*_api_files("v3", templates), *_api_files("v2", templates), *event_files(templates)]))


@dataclass(frozen=True)
class _Unit:
    """A class of the chain with the operations on it: what is never torn apart."""

    stub: StubClass
    operations: tuple[TypedOperation, ...]

    @property
    def methods(self) -> list[Method]:
        return [method for each in self.operations for method in each.methods]


@dataclass(frozen=True)
class _Module:
    """The units that share a file; `place` are the path segments that its name is made of. A package has modules below it."""

    place: tuple[str, ...]
    units: tuple[_Unit, ...]
    is_package: bool

    @property
    def definitions(self) -> list[Definition]:
        """The `TypedDict`s of the module; an operation that two spellings lead to has them once."""
        operations = {id(each): each for unit in self.units for each in unit.operations}
        return list(shared(definition for each in operations.values() for definition in each.definitions))


class _Writer:
    """Renders the modules of one API."""

    def __init__(self, api: API, templates: Environment) -> None:
        self.api = api
        self.stub = templates.get_template("stub.pyi.jinja")
        self.types = templates.get_template("types.py.jinja")
        self.module_of: dict[str, str] = {}

    def modules(self, units: list[_Unit], place: tuple[str, ...] = ()) -> Iterator[_Module]:
        """Divide units into modules: one a service, or one path level deeper."""
        if place and place not in DIVIDED:
            yield _Module(place, tuple(units), is_package=False)
            return
        yield _Module(place, tuple(unit for unit in units if unit.stub.place == place), is_package=True)
        deeper = [unit for unit in units if unit.stub.place != place]
        for segment in dict.fromkeys(unit.stub.place[len(place)] for unit in deeper):
            yield from self.modules([unit for unit in deeper if unit.stub.place[len(place)] == segment], (*place, segment))

    def stub_text(self, module: _Module) -> str:
        """The `.pyi` of a module."""
        return self.stub.render(
            title=f"The chain below `/{'/'.join((self.api, *module.place))}`.",
            api=self.api,
            units=module.units,
            imports=self._imports(module),
            types=self.types_module(module) if module.definitions else None,
        )

    def types_text(self, module: _Module) -> str:
        """The `.py` of a module's `TypedDict`s."""
        return self.types.render(
            title=f"Bodies, queries and answers of `/{'/'.join((self.api, *module.place))}`.",
            definitions=module.definitions,
        )

    def types_module(self, module: _Module) -> tuple[str, str]:
        """The package and the name of a module's types."""
        *above, last = self.types_names(module.place)
        return ".".join((PACKAGE, "types", *above)), last

    def types_names(self, place: tuple[str, ...]) -> list[str]:
        first, *rest = map(module_name, place)
        return [f"v2_{first}" if self.api == "v2" else first, *rest]

    def _imports(self, module: _Module) -> list[tuple[str, list[str]]]:
        here = {unit.stub.name for unit in module.units}
        elsewhere = {attribute.class_name for unit in module.units for attribute in unit.stub.attributes} - here
        by_module: dict[str, list[str]] = {}
        for name in sorted(elsewhere & self.module_of.keys()):
            by_module.setdefault(self.module_of[name], []).append(name)
        return sorted(by_module.items())


def _api_files(api: API, templates: Environment) -> Iterator[tuple[str, str]]:
    writer = _Writer(api, templates)
    modules = list(writer.modules(list(_units(api))))
    for module in modules:
        writer.module_of |= {unit.stub.name: ".".join((PACKAGE, api, *map(module_name, module.place))) for unit in module.units}
    refuse_doubles(definition.name for module in modules for definition in module.definitions)
    refuse_doubles(unit.stub.name for module in modules for unit in module.units)
    for module in modules:
        ending = ["__init__"] if module.is_package else []
        yield "/".join((api, *map(module_name, module.place), *ending)) + ".pyi", writer.stub_text(module)
        if module.place:
            yield "/".join(("types", *writer.types_names(module.place), *ending)) + ".py", writer.types_text(module)


def _units(api: API) -> Iterator[_Unit]:
    stubs = stub_classes(api, catalog.tree(api))
    keys = {key for stub in stubs for key in stub.keys}
    # Tree and operations have one index: none is absent.
    typed = {key: typed_operation(cast("Operation", catalog.operation(*key))) for key in keys}
    for stub in stubs:
        yield _Unit(stub, tuple(typed[key] for key in stub.keys))


def refuse_doubles(names: Iterable[str]) -> None:
    """Raise `ValueError` for a name that comes twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two generated classes are called {name}")
        seen.add(name)
