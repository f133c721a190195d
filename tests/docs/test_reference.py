"""The generated pages: every operation's example is called, every page is written, a site's faults are found."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.examples import ROOT
from wechatpay_async import Wechatpay, catalog
from wechatpay_async._codegen.docs.links import check_site
from wechatpay_async._codegen.docs.picture import draw, read_floors
from wechatpay_async._codegen.docs.reference import write_reference
from wechatpay_async._codegen.docs.sandbox_scope import write_sandbox_scope
from wechatpay_async._codegen.docs.tables import fill_tables
from wechatpay_async._codegen.docs.words import LANGUAGES, Language
from wechatpay_async.cli.error_codes import ERROR_CODES
from wechatpay_async.cli.names import chain_of
from wechatpay_async.cli.samples import call_source
from wechatpay_async.errors import APIError
from wechatpay_async.sandbox import Sandbox

#: What cannot be shown by one call alone, and why.
NEEDS_MORE = {
    "POST /mmpaymkttransfers/promotion/paywwsptrans2pocket": "wants the secret of a WeCom application",
    "POST /mmpaymkttransfers/sendredpack": "its example's number is another red packet's too",
    "POST /mmpaymkttransfers/sendworkwxredpack": "wants the secret of a WeCom application",
    "POST /v3/payscore/partner/serviceorder/direct-complete": "the documented example's sum is not its total",
    "POST /v3/payscore/serviceorder/direct-complete": "the documented example's sum is not its total",
    "POST /v3/transfer/batches": "the documented example's sum is not its total",
    "POST /v3/payscore/serviceorder/{out_order_no}/sync": "its example's service is another one",
    "POST /v3/vehicle/transactions/parking": "its scene wants parking_info, which is optional in general and so not in the example",
}


async def outcome(operation: catalog.Operation, wxpay: Wechatpay) -> str:
    """What came of calling an operation's example: "" for an answer, or the error."""
    code = compile(call_source(chain_of(operation), operation), operation.id, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    try:
        result = eval(code, {"wxpay": wxpay})  # noqa: S307 — our own examples
        if inspect.isawaitable(result):
            await result
    except APIError as error:
        return error.code
    return ""


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the pages are written for a reader, who has one
async def test_every_operations_example_is_accepted() -> None:
    """Most are answered; some are refused by the state of things (no such order, number used), which is what a lone example can do."""
    sandbox = Sandbox()
    async with Wechatpay(**sandbox.settings(), validate="off") as wxpay:
        outcomes = {each.id: await outcome(each, wxpay) for each in catalog.operations() if each.id not in NEEDS_MORE}

    assert {
        name: code for name, code in outcomes.items() if code in {"PARAM_ERROR", "SIGN_ERROR", "INVALID_PARAMETER", "XML_FORMAT_ERROR"}
    } == {}
    assert list(outcomes.values()).count("") > 1000


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_operation_and_event_has_a_page(language: Language, tmp_path: Path) -> None:
    write_reference(tmp_path, language)

    operations = [path for path in (tmp_path / "reference" / "operations").rglob("*.md") if path.name != "index.md"]
    events = [path for path in (tmp_path / "reference" / "events").glob("*.md") if path.name != "index.md"]
    assert len(operations) == sum(1 for _ in catalog.operations())
    assert len(events) == sum(1 for _ in catalog.events())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_column_of_a_table_has_a_name(language: Language, tmp_path: Path) -> None:
    """A screen reader reads a column's name before each of its cells."""
    write_reference(tmp_path, language)

    pages = [*(ROOT / "docs" / language / "guides").glob("*.md"), *tmp_path.rglob("*.md")]
    head = re.compile(r"^(\|.*\|)\n\|[-:| ]+\|$", re.MULTILINE)
    nameless = [
        (page.name, found[1])
        for page in pages
        for found in head.finditer(page.read_text(encoding="utf-8"))
        if not all(cell.strip() for cell in found[1].strip("|").split("|"))
    ]
    assert nameless == []


def test_a_page_shows_call_fields_and_official_page(tmp_path: Path) -> None:
    write_reference(tmp_path, "en")

    page = (tmp_path / "reference" / "operations" / "payscore" / "post-payscore-partner-serviceorder-out_order_no-modify.md").read_text(
        "utf-8"
    )
    assert "await wxpay.v3.payscore.partner.serviceorder._out_order_no_.modify.post(" in page
    assert "| `post_payments[].amount` | integer |  |" in page
    assert "<https://pay.weixin.qq.com/doc/v3/partner/4012692360>" in page
    assert "Callers: partner" in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_errors_page_has_every_code(language: Language, tmp_path: Path) -> None:
    (tmp_path / "errors.md").write_text("<!-- error codes -->\n<!-- benchmarks -->", encoding="utf-8")

    fill_tables(tmp_path, language, tmp_path / "none.json")

    text = (tmp_path / "errors.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in text for code in ERROR_CODES)
    assert "`nox -s bench`" in text


def test_the_figures_are_written_as_people_read_them(tmp_path: Path) -> None:
    figure = {
        "name": "rows",
        "unit": "rows/s",
        "ours": 190647.6,
        "theirs": 0.03451058,
        "ratio": 1.12283,
        "spread": [0.6, 2],
        "goal": "0.60",
    }
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({"machine": {"python": "3.11.7", "cores": 2}, "figures": [figure]}), encoding="utf-8")
    page = tmp_path / "performance.md"
    page.write_text("<!-- benchmarks -->", encoding="utf-8")

    fill_tables(tmp_path, "en", figures)

    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Python 3.11.7, 2 cores."
    assert lines[-1] == "| rows | 190,648 rows/s | 0.03451 rows/s | 1.123 | 0.600 … 2.000 | 0.60 |"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_errors_page_has_every_class(language: Language) -> None:
    from wechatpay_async import errors

    text = (ROOT / "docs" / language / "errors.md").read_text(encoding="utf-8")
    named: list[Any] = [name for name in errors.__all__ if name != "WechatpayError"]
    assert [name for name in named if f"### {name}\n" not in text and f"`{name}`" not in text] == []


def site(folder: Path, pages: dict[str, str]) -> Path:
    for name, body in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"<!doctype html><html><body>{body}</body></html>", encoding="utf-8")
    return folder


def test_a_clean_site_is_clean(tmp_path: Path) -> None:
    pages = {
        "index.html": '<a href="a/">a</a><a href="https://example.com/">out</a>',
        "a/index.html": '<h1 id="top"></h1><a href="../index.html#x"></a>',
    }
    pages["index.html"] += '<p id="x"></p><a href="a/index.html#top">t</a>'

    findings = check_site(site(tmp_path, pages))

    assert findings.clean
    assert findings.pages == 2
    assert findings.report() == ""


@pytest.mark.parametrize(
    ("pages", "finding"),
    [
        ({"index.html": '<a href="gone.html">x</a>'}, "dead link: index.html: gone.html"),
        ({"index.html": '<a href="#nowhere">x</a>'}, "dead link: index.html: #nowhere"),
        ({"index.html": '<a href="../../etc/passwd">x</a>'}, "dead link: index.html: ../../etc/passwd"),
        ({"index.html": "", "lonely.html": ""}, "not reached from the front page: lonely.html"),
        (
            {"index.html": '<script src="https://cdn.example.com/x.js"></script>'},
            "loaded from outside: index.html: https://cdn.example.com/x.js",
        ),
        (
            {"index.html": '<link rel="stylesheet" href="//fonts.example.com/x.css">'},
            "loaded from outside: index.html: //fonts.example.com/x.css",
        ),
    ],
)
def test_each_fault_of_a_site_is_found(pages: dict[str, str], finding: str, tmp_path: Path) -> None:
    assert check_site(site(tmp_path, pages)).report() == finding


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sandbox_says_what_has_state(language: Language, tmp_path: Path) -> None:
    write_sandbox_scope(tmp_path, language)

    page = (tmp_path / "reference" / "sandbox.md").read_text("utf-8")
    assert "[`POST /v3/pay/transactions/native`](operations/pay/post-pay-transactions-native.md)" in page
    assert "POST /v3/marketing/busifavor/stocks" not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_of_the_floors_has_every_module(language: Language) -> None:
    floors = read_floors(ROOT / "tests" / "test_floors.py")

    picture = draw(floors, language)

    assert [name for floor in floors for name in floor if not name.startswith("_") and f">{name}</text>" not in picture] == []


def test_every_code_that_the_sandbox_answers_is_explained() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "wechatpay_async" / "sandbox").rglob("*.py"))
    codes = re.compile(r'(?:(?:Refusal\(\s*\d+, |Declined\(|"code": )"|: \(")([A-Z_0-9]{6,})"')
    answered = set(codes.findall(source))

    assert len(answered) > 20
    assert answered - set(ERROR_CODES) == set()
