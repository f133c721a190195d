"""A language server over its standard input and output, asked as an editor asks it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.patience import PATIENCE


class LanguageServer:
    """Pyright's language server in one folder, from `initialize` to `exit`."""

    def __init__(self, folder: Path, search: Path) -> None:
        self._folder = folder
        self._settings = {
            "python": {"pythonPath": sys.executable, "analysis": {"extraPaths": [str(search)], "diagnosticMode": "openFilesOnly"}}
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pyright.langserver", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._last_id = 0

    def __enter__(self) -> Self:
        self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": self._folder.as_uri(),
                "workspaceFolders": [{"uri": self._folder.as_uri(), "name": "test"}],
                "capabilities": {"workspace": {"configuration": True}},
            },
        )
        self._notify("initialized", {})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.request("shutdown", None)
        self._notify("exit", None)
        self._process.communicate(timeout=PATIENCE)

    def completions(self, name: str, text: str) -> set[str]:
        """What is offered at the `|` in the text."""
        before, _, after = text.partition("|")
        uri = (self._folder / name).as_uri()
        self._notify("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "python", "version": 1, "text": before + after}})
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        found: Any = self.request(
            "textDocument/completion", {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
        )
        return {item["label"] for item in found["items"]}

    def request(self, method: str, parameters: Any) -> Any:
        """Ask, answer what the server asks meanwhile, and wait for the result."""
        watchdog = threading.Timer(PATIENCE, self._process.kill)
        watchdog.start()
        try:
            return self._result(method, parameters)
        finally:
            watchdog.cancel()

    def _result(self, method: str, parameters: Any) -> Any:
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": parameters})
        while True:
            message = self._receive()
            if message.get("id") == self._last_id and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]
            if "id" in message:
                self._answer(message)

    def _answer(self, asked: dict[str, Any]) -> None:
        result: Any = None
        if asked["method"] == "workspace/configuration":
            result = [self._settings.get(item.get("section"), self._settings["python"]["analysis"]) for item in asked["params"]["items"]]
        self._send({"id": asked["id"], "result": result})

    def _notify(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the language server has ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message
