"""Every example of the documentation runs, against the sandbox."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.docs.examples import LANGUAGES, PAGES, ROOT, examples
from wechatpay_async import Wechatpay
from wechatpay_async.sandbox import Sandbox


def title(page: Path) -> str:
    return page.relative_to(ROOT / "docs").as_posix()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the pages are written for a reader, who has one
@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=title)
async def test_the_examples_of_a_page_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # some pages write files
    sandbox = Sandbox()
    settings = sandbox.settings()
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    async with Wechatpay(**settings) as wxpay:
        names: dict[str, Any] = {"wxpay": wxpay, "sandbox": sandbox, "__name__": "example"}
        for example in examples(page):
            await example.run(names)
    capsys.readouterr()


def environment(settings: dict[str, Any]) -> dict[str, str]:
    """What `Wechatpay.from_env()` reads, for the sandbox's merchant."""
    key_id, key = next(iter(settings["certs"].items()))
    text = {name: value if isinstance(value, str) else value.decode() for name, value in settings.items() if isinstance(value, str | bytes)}
    return {
        "WECHATPAY_MCHID": text["mchid"],
        "WECHATPAY_SERIAL": text["serial"],
        "WECHATPAY_PRIVATE_KEY": text["private_key"],
        "WECHATPAY_APIV3_KEY": text["apiv3_key"],
        "WECHATPAY_PUBLIC_KEY_ID": key_id,
        "WECHATPAY_PUBLIC_KEY": key if isinstance(key, str) else key.decode(),
        "WECHATPAY_BASE_URL": text["base_url"],
    }


def test_both_languages_have_the_same_pages() -> None:
    english, chinese = ({path.relative_to(ROOT / "docs" / language) for path in PAGES if language in path.parts} for language in LANGUAGES)

    assert english == chinese


@pytest.mark.parametrize("page", [page for page in PAGES if "en" in page.relative_to(ROOT).parts], ids=title)
def test_a_page_says_the_same_in_both_languages(page: Path) -> None:
    """As many headings, and as many examples; the words are the translator's."""
    twin = ROOT / "docs" / "zh" / page.relative_to(ROOT / "docs" / "en")
    shapes = [
        [line.split(" ")[0] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(("#", "```"))]
        for path in (page, twin)
    ]

    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_in_the_navigation(language: str) -> None:
    folder = ROOT / "docs" / language
    settings = tomllib.loads((folder / "zensical.toml").read_text(encoding="utf-8"))["project"]
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}

    assert set(re.findall(r"'([^']+\.md)'", repr(settings["nav"]))) == written | {
        "reference/operations/index.md",
        "reference/events/index.md",
    }
