"""Reads a multipart upload as strictly as it was asked for: the meta as signed, the digest that fits, ASCII names.

https://pay.weixin.qq.com/doc/v3/merchant/4012760432
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography.hazmat.primitives import hashes

from wechatpay_async.catalog import Operation, Parameter

from .wire import Refusal, Request, as_object

__all__ = ["Part", "check_upload", "read_parts"]

_BOUNDARY = re.compile(r"multipart/form-data\s*;\s*boundary=([0-9A-Za-z'()+_,\-./:=?]{1,70})", re.IGNORECASE)
_DISPOSITION = re.compile(r'form-data; name="([^"\r\n]+)"(?:; filename="([^"\r\n]*)")?')
_IN_META = ("filename", "file_name", "sha256", "file_digest", "digest")


@dataclass(frozen=True)
class Part:
    """One part of a form."""

    name: str
    filename: str | None
    media_type: str | None
    content: bytes


def _refuse(message: str, field: str = "Content-Type") -> NoReturn:
    raise Refusal(400, "PARAM_ERROR", message, {"location": "body", "field": field})


def read_parts(request: Request) -> dict[str, Part]:
    """The parts by name. Raises `Refusal` for a missing or quoted boundary and for anything that is not a well-formed form."""
    found = _BOUNDARY.fullmatch(request.headers.get("content-type", ""))
    if found is None:
        _refuse("Http头Content-Type须为multipart/form-data，并带有不加引号的boundary")
    fence = b"--" + found[1].encode()
    if not request.body.startswith(fence + b"\r\n"):
        _refuse("请求体须以boundary开头")
    body, end, tail = request.body.partition(b"\r\n" + fence + b"--")
    if not end or tail not in {b"", b"\r\n"}:
        _refuse("请求体须以boundary加--结尾")
    parts: dict[str, Part] = {}
    for block in body[len(fence) + 2 :].split(b"\r\n" + fence + b"\r\n"):
        part = _read_part(block)
        if part.name in parts:
            _refuse(f"表单字段 {part.name} 重复", part.name)
        parts[part.name] = part
    return parts


def _read_part(block: bytes) -> Part:
    head, blank, content = block.partition(b"\r\n\r\n")
    if not blank:
        _refuse("表单字段缺少空行")
    try:
        lines = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        _refuse("表单头部须为ASCII，中文文件名请放在meta中")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    found = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    if found is None:
        _refuse("表单字段的Content-Disposition格式错误")
    return Part(found[1], found[2], headers.get("content-type"), content)


def check_upload(operation: Operation, parts: Mapping[str, Part]) -> dict[str, Any]:
    """The form's values: the meta's fields and the plain ones. Raises `Refusal`."""
    known = {parameter["name"]: parameter for parameter in operation.form}
    for name in parts:
        if name not in known:
            _refuse(f"表单字段 {name} 不存在", name)
    for name, parameter in known.items():
        if name not in parts and parameter.get("required"):
            _refuse(f"表单字段 {name} 是必填的", name)
    values: dict[str, Any] = {}
    for name, part in parts.items():
        if known[name].get("type") == "file":
            _check_file(part)
        elif known[name].get("format") == "json":
            values |= _read_meta(known[name], part)
        else:
            values[name] = part.content.decode("utf-8", "replace")
    file = next((parts[name] for name in parts if known[name].get("type") == "file"), None)
    if file is not None:
        _check_digest(values, file.content)
    return values


def _check_file(part: Part) -> None:
    if not part.filename:
        _refuse("文件字段须带有filename", part.name)
    if not part.media_type or "/" not in part.media_type:
        _refuse("文件字段须带有Content-Type", part.name)
    if not part.content:
        _refuse("文件内容为空", part.name)


def _read_meta(parameter: Parameter, part: Part) -> dict[str, Any]:
    if part.filename is not None:
        _refuse("meta字段不能带有filename", "meta")
    if part.media_type is not None and part.media_type.partition(";")[0].strip() != "application/json":
        _refuse("meta字段的Content-Type须为application/json", "meta")
    try:
        values = as_object(json.loads(part.content.decode("utf-8")))
    except ValueError:
        _refuse("meta字段须为JSON", "meta")
    if values is None:
        _refuse("meta字段须为JSON对象", "meta")
    schema = parameter.get("contentSchema", {})
    properties = schema.get("properties", {})
    needed = schema.get("required") or [name for name in _IN_META if name in properties]
    for name in needed:
        if not values.get(name):
            _refuse(f"meta缺少 {name}", f"meta.{name}")
    for name in values:
        if name not in properties:
            _refuse(f"meta的字段 {name} 不存在", f"meta.{name}")
    return values


def _check_digest(values: Mapping[str, Any], content: bytes) -> None:
    name = next((name for name in ("sha256", "file_digest", "digest") if name in values), None)
    if name is None:
        return
    told = f"{values.get('digest_alogrithm', '')}{values.get('digest_algorithm', '')}"
    digest = hashes.Hash(hashes.SM3() if "SM3" in told else hashes.SHA256())
    digest.update(content)
    if str(values[name]).lower() != digest.finalize().hex():
        _refuse(f"文件摘要 {name} 与文件内容不一致", f"meta.{name}")
