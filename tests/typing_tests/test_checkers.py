"""Both type checkers accept the right calls and refuse each of the wrong ones, for the right reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RIGHT, WRONG = HERE / "right_calls.py", HERE / "wrong_calls.py"
FILES = [str(RIGHT), str(WRONG)]
MARK = re.compile(r"# E: (?P<mypy>[\w-]+) / (?P<pyright>\w+)$")


class Refusal(NamedTuple):
    """An error of a checker: the file, the line and the code or rule."""

    file: str
    line: int
    code: str


def expected(checker: str) -> set[Refusal]:
    lines = enumerate(WRONG.read_text(encoding="utf-8").splitlines(), 1)
    return {Refusal(WRONG.name, number, mark[checker]) for number, line in lines if (mark := MARK.search(line))}


@pytest.fixture(scope="module")
def mypy(pytestconfig: pytest.Config) -> set[Refusal]:
    """What mypy finds in both files; its cache stays with pytest's, so that only the first run is slow."""
    assert pytestconfig.cache is not None
    command = [sys.executable, "-m", "mypy", "--strict", "--output=json", f"--cache-dir={pytestconfig.cache.mkdir('mypy')}", *FILES]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = [json.loads(line) for line in output.stdout.splitlines() if line.startswith("{")]
    assert found, output.stderr
    return {Refusal(Path(each["file"]).name, each["line"], each["code"]) for each in found if each["severity"] == "error"}


@pytest.fixture(scope="module")
def pyright() -> set[Refusal]:
    """What pyright finds in both files: pyrightconfig.json beside them names them, since the project leaves the wrong ones out."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(HERE)]
    output = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(output.stdout)["generalDiagnostics"]
    return {Refusal(Path(each["file"]).name, each["range"]["start"]["line"] + 1, each.get("rule", "")) for each in found}


def test_there_are_wrong_calls_of_every_kind() -> None:
    assert len(expected("mypy")) == len(expected("pyright")) >= 30


def test_mypy_accepts_the_right_calls(mypy: set[Refusal]) -> None:
    assert {refusal for refusal in mypy if refusal.file == RIGHT.name} == set()


def test_pyright_accepts_the_right_calls(pyright: set[Refusal]) -> None:
    assert {refusal for refusal in pyright if refusal.file == RIGHT.name} == set()


def test_mypy_refuses_the_wrong_calls_and_nothing_else(mypy: set[Refusal]) -> None:
    assert {refusal for refusal in mypy if refusal.file == WRONG.name} == expected("mypy")


def test_pyright_refuses_the_wrong_calls_and_nothing_else(pyright: set[Refusal]) -> None:
    wrong = expected("pyright")

    assert wrong - pyright == set()
    # One mistake can break several of pyright's rules, but no line without a mark may break one.
    assert {refusal.line for refusal in pyright if refusal.file == WRONG.name} == {refusal.line for refusal in wrong}
