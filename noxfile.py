"""The project's chores, each in an environment of its own that nox makes: `nox --list` shows them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.16"  # knows `requires`
nox.options.default_venv_backend = "virtualenv"  # brings its own pip: Debian's python3 comes without ensurepip
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests"]
nox.options.error_on_missing_interpreters = False

PROJECT = nox.project.load_toml("pyproject.toml")
HERE = Path(__file__).parent
PYTHONS = nox.project.python_versions(PROJECT)
#: The programs of the environment that the suite and the type checkers share: making one takes as long as some of them run.
SHARED = HERE / ".nox" / "environment" / ("Scripts" if os.name == "nt" else "bin")
#: One process of pytest for each processor; a file's tests stay together, as do the servers and browsers that they share. The plugin of
#: the package stays away, lest it be loaded before coverage looks: those processes read this line and not pyproject.toml.
SIDE_BY_SIDE = ("-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile", "-p", "no:wechatpay")


def install(session: nox.Session, *groups: str) -> None:
    """Install the checkout with every extra and these dependency groups of pyproject.toml."""
    session.install("-e", ".[all]", *nox.project.dependency_groups(PROJECT, *groups))


def run_in_shared(session: nox.Session, module: str, *arguments: str) -> None:
    """`python -m module …` in the environment that the session `environment` has made."""
    path = os.pathsep.join([str(SHARED), os.environ.get("PATH", os.defpath)])  # where pyright looks for the Python whose packages it reads
    session.run(str(SHARED / "python"), "-m", module, *arguments, external=True, env={"PATH": path})


@nox.session
def environment(session: nox.Session) -> None:
    """The environment of `tests`, `httpx2`, `pages`, `foreign` and `types`, which make it themselves."""
    install(session, "test", "types")


@nox.session(requires=["environment"], venv_backend="none")
def tests(session: nox.Session) -> None:
    """The suite on asyncio and trio, with branch coverage."""
    run_in_shared(session, "pytest", *SIDE_BY_SIDE, "--cov", "--cov-report=term", *session.posargs)


@nox.session(python=PYTHONS, tags=["every-python"])
def compat(session: nox.Session) -> None:
    """The suite on each Python that this machine has."""
    install(session, "test")
    session.run("pytest", "-q", *session.posargs)


@nox.session(requires=["environment"], venv_backend="none")
def httpx2(session: nox.Session) -> None:
    """The suite with httpx2, the maintained continuation of httpx, in the place of httpx."""
    run_in_shared(session, "pytest", *SIDE_BY_SIDE, "-p", "tests.support.use_httpx2", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and layout. `nox -s lint -- --fix` repairs what it can."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run("ruff", "format", *([] if fix else ["--check"]))


@nox.session(requires=["environment"], venv_backend="none")
def types(session: nox.Session) -> None:
    """Mypy strict, pyright strict, and the completeness of the published types."""
    run_in_shared(session, "mypy")
    run_in_shared(session, "pyright", "--warnings")
    run_in_shared(session, "pyright", "--verifytypes", "wechatpay_async", "--ignoreexternal")


@nox.session
def demo(session: nox.Session) -> None:
    """A pay-score order, a payment, a refund and a forged reply, against the sandbox on a loopback port."""
    session.install("-e", ".[cli,sandbox]")
    session.run("python", "-m", "wechatpay_async.cli.demo", *session.posargs)


@nox.session
def shop(session: nox.Session) -> None:
    """The example shop and a sandbox for it, until interrupted; `nox -s shop -- --port 8080`."""
    install(session, "shop")
    session.chdir("docs/examples")
    session.run("python", "-m", "shop", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, strict, into site/. `nox -s docs -- --serve` serves it."""
    install(session, "docs")
    session.run("python", "-m", "wechatpay_async._codegen.docs", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Every speed figure of the project, paired in one run on loopback; the result goes to docs/benchmarks.json."""
    install(session, "bench")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """The long tests that `tests` leaves out: thousands of calls against a server that misbehaves."""
    install(session, "test")
    session.run("pytest", "-m", "soak", *session.posargs)
    session.run("pytest", "tests/sandbox/test_states.py", env={"SANDBOX_RUNS": "2000"})


@nox.session(requires=["environment"], venv_backend="none")
def pages(session: nox.Session) -> None:
    """The pages of the sandbox and of the example shop in a real Chromium, which must be installed."""
    run_in_shared(session, "pytest", *SIDE_BY_SIDE, "-m", "browser", *session.posargs)


@nox.session(requires=["environment"], venv_backend="none")
def foreign(session: nox.Session) -> None:
    """Clients by others against the sandbox: `wechatpayv3` of PyPI, and on Node.js `wechatpay-axios-plugin` of npm."""
    run_in_shared(session, "pytest", "-m", "foreign or not foreign", "tests/foreign", *session.posargs)


@nox.session
def generate(session: nox.Session) -> None:
    """Write wechatpay_async/catalog/data/ and wechatpay_async/api/ anew from the facts."""
    install(session, "generate")
    session.run("python", "-m", "wechatpay_async._codegen", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Sdist and wheel into dist/, twice and byte for byte the same, checked, with an SBOM; then the demo from the wheel alone."""
    session.install(*nox.project.dependency_groups(PROJECT, "build"))
    dist = HERE / "dist"
    again = (Path(session.create_tmp()) / "again").resolve()
    environment = {"SOURCE_DATE_EPOCH": _last_commit_time(session)}
    for folder in (dist, again):
        shutil.rmtree(folder, ignore_errors=True)
        session.run("python", "-m", "build", "--outdir", str(folder), env=environment)
    wheel, sdist = next(dist.glob("*.whl")), next(dist.glob("*.tar.gz"))
    for artefact in (wheel, sdist):
        if artefact.read_bytes() != (again / artefact.name).read_bytes():
            session.error(f"{artefact.name} differs between two builds of the same commit")
    session.run("twine", "check", "--strict", str(wheel), str(sdist))
    session.run("check-wheel-contents", str(wheel))
    _run_from_the_wheel(session, wheel)


def _quick_start(language: str) -> str:
    """The program of the quick start, as its page prints it."""
    page = (HERE / "docs" / language / "quickstart.md").read_text(encoding="utf-8")
    return page.split("```python\n")[1].split("```")[0]


def _last_commit_time(session: nox.Session) -> str:
    time = session.run("git", "log", "-1", "--format=%ct", external=True, silent=True)
    return str(time).strip()


def _run_from_the_wheel(session: nox.Session, wheel: Path) -> None:
    """Install the wheel where nothing else is, run the demo and the quick start there, and list what came with it."""
    empty = (Path(session.create_tmp()) / "empty").resolve()
    shutil.rmtree(empty, ignore_errors=True)
    empty.mkdir()
    session.run("virtualenv", "--quiet", str(empty / "env"))
    python = str(empty / "env" / ("Scripts" if os.name == "nt" else "bin") / "python")
    session.run(python, "-m", "pip", "install", "--quiet", f"{wheel}[cli,sandbox]", external=True)
    with session.chdir(empty):
        session.run(str(Path(python).with_name("wechatpay")), "demo", external=True, env={"PYTHONPATH": ""})
        for language in ("en", "zh"):
            (empty / "shop.py").write_text(_quick_start(language), encoding="utf-8")
            session.run(python, "shop.py", external=True, env={"PYTHONPATH": ""})
    for origin in (empty / "env").rglob("direct_url.json"):
        origin.unlink()  # says where on this machine the wheel lay, and the SBOM would repeat it
    sbom = HERE / "dist" / "sbom.cdx.json"
    session.run("cyclonedx-py", "environment", python, "--output-reproducible", "--output-file", str(sbom))
