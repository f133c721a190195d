"""What holds for the repository as a whole."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tokenize
import tomllib

import pytest

from tests.support.source import ROOT, imports, modules
from wechatpay_async._version import __version__

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
READMES = ["README.md", "README.zh-CN.md"]


def tracked() -> list[str]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name]


def commands(readme: str) -> list[str]:
    """The one-line commands at the top of a README, before its first heading."""
    top = (ROOT / readme).read_text(encoding="utf-8").split("\n## ")[0]
    return re.findall(r"```console\n(.*)\n```", top)


def test_the_top_level_has_the_folders_that_a_stranger_expects() -> None:
    folders = {name.split("/")[0] for name in tracked() if "/" in name}

    assert folders == {".ci", "docs", "tests", "wechatpay_async"}


def test_no_generated_or_private_file_is_tracked() -> None:
    unwanted = re.compile(r"(\.pyc|\.sqlite\w*|\.egg-info/.*|/?\.nox/.*|/?\.venv/.*|^dist/.*|^site/.*)$")

    assert [name for name in tracked() if unwanted.search(name)] == []


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_opens_with_the_demo_and_the_tests(readme: str) -> None:
    demo, tests = commands(readme)

    assert demo.endswith(".venv/bin/nox -s demo")
    assert tests.endswith(".venv/bin/nox -s tests")


def test_ci_runs_the_command_of_the_readme() -> None:
    demo, tests = commands("README.md")

    assert tests in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert commands("README.zh-CN.md") == [demo, tests]


def test_the_version_comes_from_one_place() -> None:
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "wechatpay_async/_version.py"
    assert f"\n## {__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [
        name for name, (path, _) in modules().items() if re.search(r"^__version__\s*=", path.read_text(encoding="utf-8"), re.MULTILINE)
    ] == ["wechatpay_async._version"]


@pytest.mark.parametrize("module", list(modules()))
def test_a_module_opens_with_what_it_is_for(module: str) -> None:
    docstring = ast.get_docstring(modules()[module][1])

    assert docstring
    assert docstring.split("\n\n")[0].rstrip().endswith((".", ":", "。"))


@pytest.mark.parametrize("module", list(modules()))
def test_nothing_is_bound_to_asyncio(module: str) -> None:
    """anyio alone, so that trio works; a thread that runs uvicorn has its own loop, which uvicorn makes."""
    assert [found.line for found in imports(module) if found.name.split(".")[0] == "asyncio"] == []


@pytest.mark.parametrize("module", [name for name in modules() if "._codegen" not in name])
def test_importing_reads_no_environment_and_functions_change_no_module(module: str) -> None:
    tree = modules()[module][1]
    at_import = [
        node
        for statement in tree.body
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.If)
        for node in ast.walk(statement)
    ]

    assert not any(isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} for node in at_import)
    assert not any(isinstance(node, ast.Global) for node in ast.walk(tree))


VECTORS = sorted((ROOT / "tests" / "vectors").glob("*.json"))


@pytest.mark.parametrize("path", VECTORS, ids=[path.stem for path in VECTORS])
def test_every_vector_has_a_name_of_its_own_and_a_source(path: object) -> None:
    cases = json.loads((ROOT / "tests" / "vectors" / str(path)).read_text(encoding="utf-8"))

    assert len({case["name"] for case in cases}) == len(cases)
    assert all(case["source"].strip() and case["kind"] == str(path).rpartition("/")[2].removesuffix(".json") for case in cases)


#: What switches a check off for a line.
EXCEPTION = re.compile(r"noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|(?:type|pyright):\s*ignore(?:\[[^\]]*\])?|pragma:\s*no (?:cover|branch)")


def exceptions_without_a_reason(name: str) -> list[str]:
    with tokenize.open(ROOT / name) as file:
        comments = [token for token in tokenize.generate_tokens(file.readline) if token.type == tokenize.COMMENT]
    found = [comment for comment in comments if EXCEPTION.search(comment.string)]
    return [f"{name}:{each.start[0]}: {each.string}" for each in found if not re.search(r"\w", EXCEPTION.sub("", each.string))]


def test_an_exception_from_a_check_says_why() -> None:
    written = [name for name in tracked() if name.endswith(".py") and "wechatpay_async/api/" not in name]

    assert [line for name in written for line in exceptions_without_a_reason(name)] == []
