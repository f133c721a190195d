"""The types step: the catalogue becomes `api/`, the `TypedDict`s of each service and the stubs of the chain.

What is imported by name is one module a service (`api.types.pay`, `api.v3.pay`), and these only pass names on. The classes stand in a few
large modules, `api._types` and `api._chain`: for a type checker that has to read them all, a module costs as much as forty fields.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from wechatpay_async import catalog
from wechatpay_async.catalog import API, Operation

from .chain_stubs import StubClass, stub_classes
from .event_types import event_sources, events_stub
from .imports import imports_for
from .names import module_name
from .shapes import Shapes, Source, arranged, renamed
from .signatures import Method, TypedOperation, typed_operation
from .typed_dicts import Definition

__all__ = ["API_FOLDER", "generated_files", "refuse_doubles", "write_types"]

API_FOLDER = Path(__file__).parent.parent / "api"
#: Public modules one path level deeper. It is a list, not a measurement: a module's name is what people import, and must not change because
#: an operation was added elsewhere.
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
#: Bytes of a module that classes stand in: editors are slow in larger ones.
LARGEST = 90_000

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
    modules = [*_modules("v3"), *_modules("v2")]
    refuse_doubles(definition.name for module in modules for definition in module.definitions)
    refuse_doubles(unit.stub.name for module in modules for unit in module.units)
    return dict(sorted(_Writer(modules, templates).files()))


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
    """The units of a public module; `place` are the path segments that its name is made of. A package has modules below it."""

    api: API
    place: tuple[str, ...]
    units: tuple[_Unit, ...]
    is_package: bool

    @property
    def path(self) -> str:
        """The beginning of its operations' paths."""
        return "/" + "/".join((self.api, *self.place))

    @property
    def chain_name(self) -> str:
        """Its name below `api`."""
        return ".".join((self.api, *map(module_name, self.place)))

    @property
    def types_name(self) -> str:
        """The name below `api.types` of the module with its types."""
        name = ".".join(map(module_name, self.place))
        return f"v2_{name}" if self.api == "v2" else name

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """The `TypedDict`s of the module; an operation that two spellings lead to has them once."""
        operations = {id(each): each for unit in self.units for each in unit.operations}
        return tuple(definition for each in operations.values() for definition in each.definitions)


def _modules(api: API) -> Iterator[_Module]:
    yield from _divided(api, list(_units(api)), ())


def _divided(api: API, units: list[_Unit], place: tuple[str, ...]) -> Iterator[_Module]:
    """Divide units into modules: one a service, or one path level deeper."""
    if place and place not in DIVIDED:
        yield _Module(api, place, tuple(units), is_package=False)
        return
    yield _Module(api, place, tuple(unit for unit in units if unit.stub.place == place), is_package=True)
    deeper = [unit for unit in units if unit.stub.place != place]
    for segment in dict.fromkeys(unit.stub.place[len(place)] for unit in deeper):
        yield from _divided(api, [unit for unit in deeper if unit.stub.place[len(place)] == segment], (*place, segment))


def _units(api: API) -> Iterator[_Unit]:
    stubs = stub_classes(api, catalog.tree(api))
    keys = {key for stub in stubs for key in stub.keys}
    # Tree and operations have one index: none is absent.
    typed = {key: typed_operation(cast("Operation", catalog.operation(*key))) for key in keys}
    for stub in stubs:
        yield _Unit(stub, tuple(typed[key] for key in stub.keys))


@dataclass(frozen=True)
class _Part:
    """Modules whose classes stand together in one file; its name is that of the first."""

    name: str
    modules: tuple[_Module, ...]


class _Writer:
    """Renders everything below `api/`."""

    def __init__(self, modules: list[_Module], templates: Environment) -> None:
        self.templates = templates
        self.modules = modules
        self.events = event_sources()
        self.shapes: Shapes = arranged([*(Source(module.types_name, module.definitions) for module in modules), *self.events])
        self.shared = {each.name for each in self.shapes.common}
        self.common_names = {name: f"_c.{name}" for name in self.shared}
        self.parts = list(self._parts())
        #: Where the class of a node, and of a written `TypedDict`, stands.
        self.chain_home = {unit.stub.name: part.name for part in self.parts for module in part.modules for unit in module.units}
        self.types_home = dict.fromkeys(self.shared, "common")
        self.types_home |= {each.name: part.name for part in self.parts for each in self._own(part)}
        self.types_home |= {each.name: source.module for source in self.events for each in self.shapes.own[source.module]}

    def files(self) -> Iterator[tuple[str, str]]:
        """Every generated file."""
        yield "_types/common.py", self._types("Objects that messages of several services have inside.", self.shapes.common)
        for source in self.events:
            title = f"What the notifications of {'APIv2' if source.module == 'v2_events' else 'APIv3'} say, decrypted."
            yield f"_types/{source.module}.py", self._types(title, self.shapes.own[source.module])
            yield f"types/{source.module}.py", self._names(title, source)
        yield "events/__init__.pyi", events_stub(self.templates)
        for part in self.parts:
            paths = ", ".join(f"`{module.path}`" for module in part.modules)
            yield f"_types/{part.name}.py", self._types(f"Bodies, queries and answers of {paths}.", self._own(part))
            yield f"_chain/{part.name}.pyi", self._chain(f"The chain below {paths}.", part.modules, part)
        for module in self.modules:
            yield from self._public(module)

    def _public(self, module: _Module) -> Iterator[tuple[str, str]]:
        ending = "/__init__" if module.is_package else ""
        if not module.place:
            yield f"{module.api}/__init__.pyi", self._chain(f"The chain below `{module.path}`.", (module,), None)
            return
        source = Source(module.types_name, module.definitions)
        yield (
            f"types/{module.types_name.replace('.', '/')}{ending}.py",
            self._names(f"Bodies, queries and answers of `{module.path}`.", source),
        )
        names = [(unit.stub.name, unit.stub.name) for unit in module.units]
        yield (
            f"{module.chain_name.replace('.', '/')}{ending}.pyi",
            self.templates.get_template("names.py.jinja").render(
                title=f"The chain below `{module.path}`.",
                imports=[(f"{PACKAGE}._chain.{self.chain_home[names[0][0]]}", sorted(names))] if names else [],
                names=names,
                stub=True,
            ),
        )

    def _parts(self) -> Iterator[_Part]:
        """The modules of one API in their order, as many in a part as its two files can hold."""
        modules: list[_Module] = []
        types = chain = 0
        for module in (each for each in self.modules if each.place):
            more_types = len(self._types("", self.shapes.own.get(module.types_name, ())).encode())
            more_chain = len(self._chain("", (module,), None).encode())
            if modules and (max(types + more_types, chain + more_chain) > LARGEST or modules[0].api != module.api):
                yield _Part(modules[0].types_name.replace(".", "_"), tuple(modules))
                modules, types, chain = [], 0, 0
            modules.append(module)
            types, chain = types + more_types, chain + more_chain
        yield _Part(modules[0].types_name.replace(".", "_"), tuple(modules))

    def _own(self, part: _Part) -> list[Definition]:
        return [each for module in part.modules for each in self.shapes.own.get(module.types_name, ())]

    def _types(self, title: str, definitions: Iterable[Definition]) -> str:
        """A module of classes; those of `common` are `_c.Name` in it."""
        return self.templates.get_template("types.py.jinja").render(
            title=title,
            definitions=[each if each.name in self.shared else self._with_common(each) for each in definitions],
            modules={"_c": (f"{PACKAGE}._types", "common")},
        )

    def _with_common(self, definition: Definition) -> Definition:
        fields = (replace(each, annotation=renamed(each.annotation, self.common_names)) for each in definition.fields)
        return replace(definition, fields=tuple(fields))

    def _chain(self, title: str, modules: tuple[_Module, ...], part: _Part | None) -> str:
        """A stub of chain classes; those of `part`, a file of its own, have their types in the file of the same name."""
        units = [unit for module in modules for unit in module.units]
        return self.templates.get_template("stub.pyi.jinja").render(
            title=title,
            api=modules[0].api,
            units=units,
            imports=self._imports(units) if title else [],
            modules={"_t": (f"{PACKAGE}._types", part.name)} if part else {},
        )

    def _imports(self, units: list[_Unit]) -> list[tuple[str, list[str]]]:
        """The classes of other parts that attributes lead to."""
        here = {unit.stub.name for unit in units}
        elsewhere = {attribute.class_name for unit in units for attribute in unit.stub.attributes} - here
        by_home: dict[str, list[str]] = {}
        for name in sorted(elsewhere):
            by_home.setdefault(f"{PACKAGE}._chain.{self.chain_home[name]}", []).append(name)
        return sorted(by_home.items())

    def _names(self, title: str, source: Source) -> str:
        """A public module, which passes on names under which classes stand elsewhere."""
        by_home: dict[str, list[tuple[str, str]]] = {}
        for each in source.definitions:
            written = self.shapes.written[each.name]
            by_home.setdefault(self.types_home[written], []).append((each.name, written))
        return self.templates.get_template("names.py.jinja").render(
            title=title,
            imports=[(f"{PACKAGE}._types.{home}", sorted(names)) for home, names in sorted(by_home.items())],
            names=sorted(each.name for each in source.definitions),
            stub=False,
        )


def refuse_doubles(names: Iterable[str]) -> None:
    """Raise `ValueError` for a name that comes twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two generated classes are called {name}")
        seen.add(name)
