"""`wechatpay explain`: reads what was pasted, and says why the signature failed."""

from __future__ import annotations

import ast
import json
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import click

from wechatpay_async.crypto.keys import load_platform_key
from wechatpay_async.merchant import Merchant

from .causes import CAUSES, PARTS_ZH
from .error_codes import ERROR_CODES
from .forensics import NotificationMaterial, RequestMaterial, Verdict, explain_notification, explain_request
from .keys import load_settings
from .output import NO, WRONG, Output
from .settings import Settings, pass_settings

__all__ = ["explain", "read_material"]

_REQUEST_LINE = re.compile(rb"^(GET|POST|PUT|PATCH|DELETE|get|post|put|patch|delete) (\S+)(?: HTTP/[\d.]+)?$")
_STATUS_LINE = re.compile(rb"^HTTP/[\d.]+ (\d{3})")
_PRINTED = re.compile(r"""^\s*(signed here|seen by server):\s+(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.MULTILINE)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--message", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The message that was signed, byte for byte.")
@click.option("--at", type=click.IntRange(0), help="The time to check against, in seconds since 1970, instead of now.")
@pass_settings
def explain(settings: Settings, files: tuple[Path, ...], message: Path | None, at: int | None) -> None:
    """Why a signature failed.

    FILES (or standard input) hold any of: the answer with SIGN_ERROR, the text of this package's error, the request as it was sent
    (`POST /v3/… HTTP/1.1`, headers, empty line, body), the headers and the body of a notification. With WECHATPAY_* set, signatures and
    resources are tried against the keys too.
    """
    output = settings.output
    texts = [path.read_bytes() for path in files] or [sys.stdin.buffer.read()]
    signed = None if message is None else message.read_bytes()
    material, codes = read_material(texts, signed)
    merchant = _merchant(settings)
    now = time.time() if at is None else at
    if material is None:
        _explain_codes(output, codes)
        return
    if isinstance(material, NotificationMaterial):
        verdict = explain_notification(material, merchant, now=now)
    else:
        verdict = explain_request(material, merchant, now=now)
    _show(output, verdict)


def read_material(texts: Iterable[bytes], signed: bytes | None = None) -> tuple[RequestMaterial | NotificationMaterial | None, list[str]]:
    """What the pasted texts are, put together; and the error codes that they name."""
    request = RequestMaterial(signed=signed)
    codes: list[str] = []
    for text in texts:
        head, body = _parted(text)
        first = head[0] if head else b""
        headers = _headers(head)
        if (line := _REQUEST_LINE.match(first)) and "authorization" in {name.lower() for name in headers}:
            request = replace(request, method=line[1].decode(), target=line[2].decode(), headers=headers, body=body)
        elif any(name.lower().startswith("wechatpay-") for name in headers) and not _is_error(first, body):
            return NotificationMaterial(headers, body), codes
        else:
            request = _with_answer(request, text if not headers else body, codes)
    known = request.is_sent or request.signed is not None or request.seen is not None
    return (request if known else None), codes


def _with_answer(request: RequestMaterial, text: bytes, codes: list[str]) -> RequestMaterial:
    """Add what an error answer, or the text of an error, or a bare message says."""
    printed = {found[1]: _unquoted(found["text"]) for found in _PRINTED.finditer(text.decode("utf-8", "replace"))}
    if printed:
        codes.append("SIGN_ERROR")
        return replace(request, signed=printed.get("signed here") or request.signed, seen=printed.get("seen by server") or request.seen)
    answer = _json(text)
    if answer is not None:
        codes.append(str(answer.get("code", "")))
        seen = _find(answer, "truncated_sign_message")
        return replace(request, seen=_bytes(seen) if seen else request.seen)
    codes += [word for word in re.findall(r"[A-Z][A-Z_]{3,}", text.decode("utf-8", "replace")) if word in ERROR_CODES]
    if text.count(b"\n") >= 3 and not codes:
        return replace(request, signed=request.signed or text)
    return request


def _unquoted(text: str) -> bytes:
    """What this package's error printed as a Python literal; nothing where it was changed on its way here."""
    try:
        return _bytes(str(ast.literal_eval(text)))
    except (SyntaxError, ValueError):
        return b""


def _bytes(text: str) -> bytes:
    """UTF-8; half a surrogate pair, which JSON may hold, is not lost."""
    return text.encode("utf-8", "surrogatepass")


def _parted(text: bytes) -> tuple[list[bytes], bytes]:
    """The lines before the first empty line, if they look like HTTP, and what follows."""
    head, separator, body = text.partition(b"\r\n\r\n") if b"\r\n\r\n" in text else text.partition(b"\n\n")
    lines = [line.rstrip(b"\r") for line in head.split(b"\n")]
    headers = [line for line in lines if re.match(rb"^[A-Za-z][A-Za-z0-9-]*:\s?\S", line)]
    looks_like_http = bool(headers) and (len(headers) >= len(lines) - 1)
    return (lines, body if separator else b"") if looks_like_http else ([], text)


def _headers(lines: Iterable[bytes]) -> dict[str, str]:
    pairs = (
        line.decode("utf-8", "replace").partition(":") for line in lines if not _REQUEST_LINE.match(line) and not _STATUS_LINE.match(line)
    )
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _is_error(first: bytes, body: bytes) -> bool:
    status = _STATUS_LINE.match(first)
    answer = _json(body)
    return bool(status and int(status[1]) >= 400) or (answer is not None and "code" in answer and "resource" not in answer)


def _json(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _find(value: object, name: str) -> str | None:
    """A text under this name, however deep: the server nests it differently at times."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, Mapping):
            mapping = cast("Mapping[str, object]", inner)
            if isinstance(found := mapping.get(name), str):
                return found
            waiting += mapping.values()
        elif isinstance(inner, list):
            waiting += cast("list[object]", inner)
    return None


def _merchant(settings: Settings) -> Merchant | None:
    """The configured merchant; None where there is no configuration at all."""
    environ = settings.environ()
    if not environ.get("WECHATPAY_MCHID"):
        return None
    # A platform key that is the merchant's own is refused when a client is made; here it is the very thing to explain.
    merchant = load_settings({**environ, "WECHATPAY_PUBLIC_KEY": "", "WECHATPAY_PUBLIC_KEY_ID": ""})
    key_id, key = environ.get("WECHATPAY_PUBLIC_KEY_ID"), environ.get("WECHATPAY_PUBLIC_KEY")
    if not (key_id and key):
        return merchant
    return replace(merchant, platform_keys=(load_platform_key(key_id, key, parameter="WECHATPAY_PUBLIC_KEY"),))


def _explain_codes(output: Output, codes: Iterable[str]) -> None:
    known = [ERROR_CODES[code] for code in codes if code in ERROR_CODES]
    if not known:
        output.stop(
            WRONG, output.choose("nothing that I can read: see wechatpay explain --help", "看不懂输入：见 wechatpay explain --help")
        )
    if output.as_json:
        output.document([each._asdict() for each in known])
        return
    for each in known:
        output.line(f"{each.code}  HTTP {each.status}", style="bold")
        output.line(output.choose(each.meaning, each.meaning_zh))
        output.line(f"→ {output.choose(each.cure, each.cure_zh)}")


def _part_zh(part: str) -> str:
    """`line 5, body` -> `第 5 行，正文`."""
    line, _, name = part.rpartition(", ")
    return (f"第 {line.removeprefix('line ')} 行，" if line else "") + PARTS_ZH.get(name, name)


def _show(output: Output, verdict: Verdict) -> None:
    cause = CAUSES.get(verdict.cause)
    if output.as_json:
        findings = [{"part": each.part, "good": each.good, "text": output.choose(each.english, each.chinese)} for each in verdict.findings]
        document: dict[str, Any] = {"cause": verdict.cause, "findings": findings}
        if cause is not None:
            document |= {"text": output.choose(cause.english, cause.chinese), "cure": output.choose(cause.cure, cause.cure_zh)}
        output.document(document)
    else:
        for each in verdict.findings:
            output.mark(good=each.good, text=output.choose(f"{each.part}: {each.english}", f"{_part_zh(each.part)}：{each.chinese}"))
        output.line()
        if cause is None:
            output.line(output.choose("nothing is wrong with what was given", "所给内容没有问题"), style="bold")
        else:
            output.line(output.choose(cause.english, cause.chinese), style="bold")
            output.line(f"→ {output.choose(cause.cure, cause.cure_zh)}")
    if cause is not None:
        raise SystemExit(NO)
