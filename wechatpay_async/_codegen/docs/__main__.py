"""`python -m wechatpay_async._codegen.docs`: the site into site/, strict; `--serve` then serves it on loopback."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
from pathlib import Path

from .links import check_site
from .picture import draw, read_floors
from .reference import write_reference
from .sandbox_scope import write_sandbox_scope
from .tables import fill_tables
from .words import LANGUAGES, Language

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "docs"
STAGE = ROOT / "build" / "docs"
SITE = ROOT / "site"

#: The front door: English, unless the browser asks for Chinese.
FRONT_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>wechatpay-async</title>
<script>location.replace(navigator.language.startsWith("zh") ? "zh/index.html" : "en/index.html")</script>
<p><a href="en/index.html">English</a> · <a href="zh/index.html" lang="zh">中文</a></p>
"""


def build_site() -> int:
    """Build both languages and check every link. Returns the number of pages; exits with the findings where something is wrong."""
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir()
    (SITE / "index.html").write_text(FRONT_PAGE, encoding="utf-8")
    floors = read_floors(ROOT / "tests" / "test_floors.py")
    for language in LANGUAGES:
        (SOURCES / language / "floors.svg").write_text(draw(floors, language), encoding="utf-8")
        build_language(language)
    findings = check_site(SITE)
    if not findings.clean:
        raise SystemExit(findings.report())
    return findings.pages


def build_language(language: Language) -> None:
    """Gather the written and the generated pages of one language, and let Zensical make them into site/<language>."""
    stage = STAGE / language
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(SOURCES / language, stage / "pages", ignore=shutil.ignore_patterns("zensical.toml"))
    shutil.copytree(SOURCES / "assets", stage / "pages" / "assets")
    shutil.copyfile(SOURCES / language / "zensical.toml", stage / "zensical.toml")
    fill_tables(stage / "pages", language, SOURCES / "benchmarks.json")
    write_reference(stage / "pages", language)
    write_sandbox_scope(stage / "pages", language)
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=stage, check=True)
    (stage / "site" / "404.html").unlink()  # it is written for a site at the root of a host
    shutil.move(stage / "site", SITE / language)


def serve(port: int = 8000) -> None:
    """Serve the built site on loopback until interrupted."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        sys.stdout.write(f"http://127.0.0.1:{port}/  (stop with Ctrl-C)\n")
        server.serve_forever()


def main(arguments: list[str]) -> None:
    """Build, and serve where `--serve` asks for it."""
    pages = build_site()
    sys.stdout.write(f"{pages} pages in {SITE}, every link checked\n")
    if "--serve" in arguments:
        serve()


if __name__ == "__main__":
    main(sys.argv[1:])
