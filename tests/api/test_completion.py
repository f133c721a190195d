"""Completion where people type: in an editor, by a language server, and at run time, in IPython."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from tests.api.language_server import LanguageServer
from wechatpay_async import chain
from wechatpay_async.chain import Call
from wechatpay_async.response import Response

ROOT = Path(__file__).parent.parent.parent
HEAD = "from wechatpay_async import Wechatpay\n\nasync def call(wxpay: Wechatpay) -> None:\n    "


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    with LanguageServer(tmp_path_factory.mktemp("project"), ROOT) as server:
        yield server


def test_an_editor_completes_the_chain(editor: LanguageServer) -> None:
    names = editor.completions("chain.py", f"{HEAD}wxpay.v3.payscore.partner.serviceorder._out_order_no_.|")

    assert {"cancel", "complete", "modify", "pay", "sync"} <= names
    assert "misspelt" not in names


def test_an_editor_completes_both_spellings(editor: LanguageServer) -> None:
    names = editor.completions("spellings.py", f"{HEAD}wxpay.v3.pay.transactions.|")

    assert {"native", "outTradeNo", "out_trade_no"} <= names


def test_an_editor_completes_the_verbs(editor: LanguageServer) -> None:
    names = editor.completions("verbs.py", f"{HEAD}wxpay.v3.payscore.serviceorder._out_order_no_.modify.|")

    assert "post" in names
    assert "get" not in names


def test_an_editor_completes_the_fields_of_a_body(editor: LanguageServer) -> None:
    names = editor.completions(
        "fields.py", f"{HEAD}await wxpay.v3.payscore.partner.serviceorder._out_order_no_.modify.post({{'|'}}, out_order_no='1')"
    )

    assert {"'sub_mchid'", "'service_id'", "'post_payments'", "'total_amount'", "'reason'"} <= names


def test_an_editor_completes_a_field_without_a_quote(editor: LanguageServer) -> None:
    names = editor.completions("bare.py", f"{HEAD}await wxpay.v3.payscore.partner.serviceorder._out_order_no_.modify.post({{|")

    assert {"'sub_mchid'", "'post_payments'", "'total_amount'"} <= names


def test_an_editor_completes_path_values(editor: LanguageServer) -> None:
    names = editor.completions("path.py", f"{HEAD}await wxpay.v3.payscore.partner.serviceorder._out_order_no_.modify.post({{}}, out|)")

    assert "out_order_no=" in names


def test_an_editor_completes_the_fields_of_an_answer(editor: LanguageServer) -> None:
    names = editor.completions(
        "answer.py",
        f"{HEAD}response = await wxpay.v3.pay.transactions.id._transaction_id_.get(transaction_id='1', params={{'mchid': '1'}})\n"
        "    response.data['|']",
    )

    assert {"'trade_state'", "'transaction_id'"} <= names


def test_an_editor_completes_the_names_of_events(editor: LanguageServer) -> None:
    names = editor.completions(
        "events.py",
        "from wechatpay_async.deliveries import Dispatcher\n\ndef register(dispatcher: Dispatcher) -> None:\n    dispatcher.on('|')",
    )

    assert {"'TRANSACTION.SUCCESS'", "'refund-processed'"} <= names


def test_ipython_completes_the_chain_at_run_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    make_shell: Any = InteractiveShell  # IPython has no types
    shell = make_shell(config=Config(HistoryManager={"enabled": False}))
    shell.user_ns["v3"] = chain.root(NoClient(), "v3")
    typed = "v3.payscore.partner.serviceorder._out_order_no_."
    with provisionalcompleter():
        names = {completion.text for completion in shell.Completer.completions(typed, len(typed))}

    assert {"cancel", "modify", "pay", "post", "sync"} <= names


class NoClient:
    """Stands for the client of a chain on which nothing is called."""

    def execute(self, call: Call) -> Awaitable[Response[Any]]:
        raise AssertionError(call)

    def open_stream(self, call: Call) -> AbstractAsyncContextManager[httpx.Response]:
        raise AssertionError(call)
