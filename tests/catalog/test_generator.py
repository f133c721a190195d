"""The generator's catalogue step: what is shipped is what the facts and the overrides give."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from wechatpay_async._codegen import __main__ as command
from wechatpay_async._codegen.catalogue import DATA, corrected_facts, write_catalogue
from wechatpay_async._codegen.corrections import OVERRIDES, read_corrections
from wechatpay_async._codegen.facts_store import FACTS, read_facts, service_of, write_facts
from wechatpay_async._codegen.faults import FaultyCatalogue
from wechatpay_async._codegen.intake import compare, difference, take_in


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def operation(path: str, **parts: Any) -> dict[str, Any]:
    return {"api": "v3", "method": "GET", "path": path, "title": "查询", "responses": {"200": None}, **parts}


def event(name: str, **parts: Any) -> dict[str, Any]:
    return {"api": "v3", "event": name, "title": "通知", **parts}


def folder_of(tmp_path: Path, operations: list[dict[str, Any]], events: list[dict[str, Any]]) -> Path:
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "operations.jsonl").write_text("\n".join(map(json.dumps, operations)), encoding="utf-8")
    (source / "events.jsonl").write_text("\n".join(map(json.dumps, events)), encoding="utf-8")
    return source


def test_the_shipped_data_is_what_the_generator_writes_and_what_is_gone_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "gone.jsonl").write_text("", encoding="utf-8")
    write_catalogue(data=tmp_path)
    assert contents(tmp_path) == contents(DATA)


def test_every_correction_explains_itself() -> None:
    for correction in read_corrections():
        assert all(correction[key] for key in ("what", "why", "source")), correction


def test_corrections_stand_with_their_service_and_the_rules_for_all_by_themselves() -> None:
    for path in OVERRIDES.glob("*.json"):
        for correction in json.loads(path.read_text(encoding="utf-8")):
            if "operation" in correction:
                api = "v3" if "/v3/" in correction["operation"] else "v2"
                assert service_of({"api": api, "path": correction["operation"].split(" ")[1]}) == path.stem


def test_the_facts_stay_as_they_were_taken_in(tmp_path: Path) -> None:
    facts = read_facts()
    operations = [fact for service, lines in facts.items() if service != "events" for fact in lines]
    write_facts(operations, facts["events"], tmp_path)
    assert contents(tmp_path) == contents(FACTS)


def test_a_keyword_is_no_name_for_a_module() -> None:
    assert service_of(operation("/v3/global/refunds")) == "global_"
    assert service_of(operation("/v3/fund-app/x")) == "fund_app"
    assert service_of({"api": "v2", "path": "/pay/unifiedorder"}) == "v2_pay"


def test_a_new_catalogue_is_reported(tmp_path: Path) -> None:
    facts = tmp_path / "facts"
    first = take_in(folder_of(tmp_path, [operation("/v3/a/x"), operation("/v3/b/y")], [event("A.B")]), facts)
    assert first.report() == "+ GET /v3/a/x\n+ GET /v3/b/y\n+ v3 A.B\n3 added, 0 changed, 0 gone"
    changed = [operation("/v3/a/x", title="新", docs=["https://pay.weixin.qq.com/1"]), operation("/v3/c/z", base_url="https://h.qq.com/")]
    second = take_in(folder_of(tmp_path, changed, [event("A.B")]), facts)
    assert second.report() == "+ GET /v3/c/z on https://h.qq.com/\n~ GET /v3/a/x: docs, title\n- GET /v3/b/y\n1 added, 1 changed, 1 gone"
    assert sorted(path.name for path in facts.iterdir()) == ["a.jsonl", "c.jsonl", "events.jsonl"]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(folder_of(tmp_path, [operation("/v3/a/x")], []))
    done: list[str] = []
    monkeypatch.setattr(command, "compare", partial(compare, folder=tmp_path / "facts"))
    monkeypatch.setattr(command, "take_in", partial(take_in, folder=tmp_path / "facts"))
    monkeypatch.setattr(command, "write_catalogue", lambda: done.append("catalogue"))
    monkeypatch.setattr(command, "write_types", lambda: done.append("types"))
    assert command.main(["diff", source]) == "+ GET /v3/a/x\n1 added, 0 changed, 0 gone\n"
    assert done == []
    assert command.main(["import", source]) == "+ GET /v3/a/x\n1 added, 0 changed, 0 gone\n"
    assert command.main([]) == ""
    assert done == ["catalogue", "types"] * 2


def test_the_usage() -> None:
    with pytest.raises(SystemExit, match="usage: python -m wechatpay_async._codegen"):
        command.main(["import"])
    done = subprocess.run([sys.executable, "-m", "wechatpay_async._codegen", "import"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: python -m wechatpay_async._codegen")


def test_nothing_new() -> None:
    assert difference([operation("/v3/a/x")], [operation("/v3/a/x")]).report() == "0 added, 0 changed, 0 gone"


def test_an_apiv2_notification_and_a_host_get_the_common_shape(tmp_path: Path) -> None:
    body = {"type": "object", "properties": {"mch_id": {"type": "string"}}}
    source = folder_of(tmp_path, [operation("/v3/a/x", base_url="https://h.qq.com/")], [{**event("paid"), "api": "v2", "body": body}])
    take_in(source, tmp_path / "facts")
    (tmp_path / "overrides").mkdir()
    facts = corrected_facts(tmp_path / "facts", tmp_path / "overrides")
    assert facts["events"] == [{"api": "v2", "event": "paid", "title": "通知", "resource": body}]
    assert facts["a"][0]["base_url"] == "https://h.qq.com"


def test_a_catalogue_with_faults_is_refused(tmp_path: Path) -> None:
    body = {"type": "object", "properties": {"total": {"type": "number", "example": 1}}}
    take_in(folder_of(tmp_path, [operation("/v3/a/x", body=body)], []), tmp_path / "facts")
    (tmp_path / "overrides").mkdir()
    with pytest.raises(
        FaultyCatalogue, match=r"a whole number is typed as a real one: GET /v3/a/x /body/properties/total: number, example 1"
    ):
        write_catalogue(tmp_path / "facts", tmp_path / "overrides", tmp_path / "data")
    assert not (tmp_path / "data").exists()
