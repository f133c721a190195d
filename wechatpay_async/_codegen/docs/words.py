"""The few words that generated pages need, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["LANGUAGES", "WORDS", "Language", "Words"]

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


@dataclass(frozen=True)
class Words:
    """The text of generated pages in one language."""

    service: str
    operation: str
    event: str
    name: str
    operations: str
    operations_intro: str
    events: str
    events_intro: str
    call: str
    call_intro: str
    path_values: str
    query: str
    body: str
    upload: str
    answer: str
    resource: str
    field: str
    kind: str
    required: str
    meaning: str
    empty_body: str
    file_body: str
    unpublished: str
    official: str
    no_official: str
    area: str
    callers: str
    host: str
    sensitive: str
    one_of: str
    at_most: str
    flags: Mapping[str, str]
    roles: Mapping[str, str]
    handler: str
    original_type: str


WORDS: Mapping[Language, Words] = {
    "en": Words(
        service="Service",
        operation="Operation",
        event="Notification",
        name="Name",
        operations="Operations",
        operations_intro="Every documented operation, by service, under its official name. Search finds names, paths and fields.",
        events="Notifications",
        events_intro="Every documented notification. One that is not listed is parsed too: its `resource` is then a plain mapping.",
        call="Call",
        call_intro="`wxpay` is the client of the [quick start](QUICKSTART).",
        path_values="Path values",
        query="Query (`params=`)",
        body="Body",
        upload="Upload",
        answer="Answer",
        resource="Decrypted resource",
        field="Field",
        kind="Type",
        required="Required",
        meaning="Meaning",
        empty_body="The answer has no body: `response.data` is `None`.",
        file_body="The answer is a file: `response.data` is its bytes, and `.stream()` reads it piece by piece.",
        unpublished="No fields are published.",
        official="Official page",
        no_official="No official page is known.",
        area="Area",
        callers="Callers",
        host="Host",
        sensitive="encrypted on the way",
        one_of="one of",
        at_most="at most {0} characters",
        flags={
            "client_cert": "needs the merchant's client certificate (`merchant_cert=` or `pkcs12=`)",
            "unsigned": "the answer is not signed",
            "download": "answers with a file",
            "deprecated": "deprecated by WeChat Pay",
            "no_nonce": "sent without `nonce_str`",
        },
        roles={
            "服务商": "partner",
            "普通服务商": "ordinary partner",
            "直连商户": "direct merchant",
            "直连模式": "direct mode",
            "普通商户": "ordinary merchant",
            "微信支付商户": "merchant",
            "特约商户（直连模式）": "sub-merchant in direct mode",
            "电商平台": "e-commerce platform",
            "平台商户": "platform merchant",
            "微信平台商户": "WeChat platform merchant",
            "渠道商": "channel partner",
            "渠道服务商": "channel service provider",
            "机构模式": "institution mode",
            "从业机构": "payment institution",
            "从业机构（支付机构）": "payment institution",
            "从业机构（银行）": "bank",
        },
        handler="Handle it",
        original_type="Original type",
    ),
    "zh": Words(
        service="服务",
        operation="接口",
        event="通知",
        name="名称",
        operations="接口",
        operations_intro="全部公开接口，按服务排列。可以按名称、路径或字段名搜索。",
        events="通知",
        events_intro="全部公开的通知。没有列出的通知同样能解析，这时 `resource` 是普通的字典。",
        call="调用",
        call_intro="`wxpay` 是[五分钟上手](QUICKSTART)里的客户端。",
        path_values="路径参数",
        query="查询参数（`params=`）",
        body="请求体",
        upload="上传",
        answer="应答",
        resource="解密后的 resource",
        field="字段",
        kind="类型",
        required="必填",
        meaning="含义",
        empty_body="应答没有正文：`response.data` 为 `None`。",
        file_body="应答是一个文件：`response.data` 是它的字节；`.stream()` 可以分块读取。",
        unpublished="官方没有公布字段。",
        official="官方文档",
        no_official="没有已知的官方文档。",
        area="业务",
        callers="调用方",
        host="域名",
        sensitive="传输时加密",
        one_of="取值",
        at_most="最多 {0} 个字符",
        flags={
            "client_cert": "需要商户 API 证书双向认证（`merchant_cert=` 或 `pkcs12=`）",
            "unsigned": "应答没有签名",
            "download": "应答是文件",
            "deprecated": "微信支付已不推荐使用",
            "no_nonce": "不带 `nonce_str`",
        },
        roles={},
        handler="处理",
        original_type="原始类型",
    ),
}
