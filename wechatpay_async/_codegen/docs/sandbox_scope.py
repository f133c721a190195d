"""The generated page that says what the sandbox does with each operation: real state, or an answer made from the schema."""

from __future__ import annotations

from pathlib import Path

from wechatpay_async import catalog
from wechatpay_async.sandbox.scope import has_state

from .reference import operation_file
from .words import Language

__all__ = ["write_sandbox_scope"]

_INTRO = {
    "en": """# What the sandbox does

{state} of {total} operations have real state: the official state machine, limits and error codes. The other {rest} are checked like them
(signature, fields, types, enums, encrypted fields) and answered by their schema: the same for the same seed, with what was sent, and a
query agrees with what was created before it. [Testing with the sandbox](../guides/sandbox.md)
""",
    "zh": """# 沙箱做什么

{total} 个接口中有 {state} 个有真实的状态：官方的状态机、限制和错误码。其余 {rest} 个同样校验（签名、字段、类型、枚举、加密字段），
按应答的结构生成结果：同一种子结果相同，带有请求中的值，先创建后查询前后一致。[用沙箱测试](../guides/sandbox.md)
""",
}
_HEAD = {"en": ("Service", "With state", "From the schema"), "zh": ("服务", "有状态", "按结构生成")}


def write_sandbox_scope(pages: Path, language: Language) -> None:
    """Write `reference/sandbox.md` below the folder of pages."""
    operations = list(catalog.operations())
    state = sum(map(has_state, operations))
    lines = [_INTRO[language].format(state=state, total=len(operations), rest=len(operations) - state)]
    lines.append("| {} | {} | {} |\n|---|---|---:|".format(*_HEAD[language]))
    for service in catalog.services():
        own = list(catalog.operations(service))
        named = [f"[`{each.id}`](operations/{service}/{operation_file(each)})" for each in own if has_state(each)]
        lines.append(f"| [{service}](operations/{service}/index.md) | {'<br>'.join(named)} | {len(own) - len(named)} |")
    path = pages / "reference" / "sandbox.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
