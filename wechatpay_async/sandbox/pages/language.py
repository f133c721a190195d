"""The pages in Chinese and English: the English sentence is the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

__all__ = ["CHINESE", "Language", "choose", "translator"]

Language = Literal["en", "zh"]

_LANGUAGES: dict[str | None, Language] = {"en": "en", "zh": "zh"}

CHINESE = {
    "SANDBOX": "沙箱",
    "This is not WeChat Pay. No money moves here.": "这不是真正的微信支付，这里不会有任何资金变动。",
    "Skip to the content": "跳到正文",
    "Pages": "页面",
    "Language": "语言",
    "Start": "首页",
    "Cashier": "收银台",
    "Calls": "接口调用",
    "Orders": "单据",
    "Notifications": "回调通知",
    "Merchants": "商户",
    "Merchant": "商户",
    "Merchant number": "商户号",
    "Certificate serial": "证书序列号",
    "Platform key": "平台密钥",
    "Mode": "模式",
    "Sandbox clock": "沙箱时钟",
    "Move the clock ahead": "将时钟拨快",
    "1 minute": "1分钟",
    "1 hour": "1小时",
    "1 day": "1天",
    "Orders lapse, refunds arrive and notifications are repeated as if the time had passed.": (
        "订单到期、退款到账、通知重发，如同时间真的过去了一样。"
    ),
    "Act as the payer: pay, cancel, or let it expire.": "以付款人的身份操作：支付、取消，或任其过期。",
    "Every call, and why a signature did not fit.": "每一次调用，以及签名为何不符。",
    "Everything that has state, with its history.": "所有有状态的单据及其经过。",
    "What the merchant was told, and what it answered.": "通知了商户什么，商户如何应答。",
    "Scan": "扫一扫",
    "code_url, prepay_id or order number": "code_url、prepay_id 或商户订单号",
    "Open": "打开",
    "Nothing waits for the payer.": "没有等待付款人操作的单据。",
    "Waits for the payer": "等待付款人操作",
    "Nothing was found for this number.": "未找到该单号。",
    "JSAPI parameters": "JSAPI 调起参数",
    "Parameters of WeixinJSBridge.invoke, as JSON": "WeixinJSBridge.invoke 的参数（JSON）",
    "Check and open the cashier": "校验并调起收银台",
    "On a page of your own, load this script first; it stands in for WeChat's:": "在自己的页面上先加载此脚本，它代替微信内的同名对象：",
    "Payment": "支付",
    "Combined payment": "合单支付",
    "Pay-score order": "支付分订单",
    "Transfer to the user": "商家转账",
    "Contract": "委托代扣签约",
    "Amount": "金额",
    "Payee": "收款方",
    "Description": "商品描述",
    "Order number": "商户订单号",
    "Number": "单号",
    "Kind": "类型",
    "State": "状态",
    "Expires": "失效时间",
    "Trade type": "交易类型",
    "Part": "子单",
    "Deposit or risk amount": "风险金额",
    "Service": "服务",
    "Remark": "备注",
    "Transaction number": "微信支付订单号",
    "Pay": "支付",
    "Cancel": "取消",
    "Let it expire": "任其过期",
    "Do not type the password": "不输入密码",
    "Confirm": "确认",
    "Pay now": "立即支付",
    "Receive the money": "确认收款",
    "Agree": "同意签约",
    "Back to the cashier": "返回收银台",
    "Back to the merchant": "返回商户",
    "Letting it expire moves the sandbox's clock ahead, for everything in it.": "“任其过期”会拨快整个沙箱的时钟。",
    "QR code of the native order": "Native 订单的二维码",
    "Done.": "操作完成。",
    "Cancelled by the payer. The order can still be paid.": "付款人已取消，订单仍可支付。",
    "The sandbox refused:": "沙箱拒绝：",
    "paySign does not fit": "paySign 不正确",
    "The pay-score signature does not fit": "支付分签名不正确",
    "The parameters cannot be used": "参数无法使用",
    "Close": "关闭",
    "The parameters are not a JSON object of strings.": "参数须为值均为字符串的 JSON 对象。",
    "These parameters are missing: ": "缺少参数：",
    "signType must be RSA, MD5 or HMAC-SHA256.": "signType 须为 RSA、MD5 或 HMAC-SHA256。",
    "An APIv3 order must be signed with RSA.": "APIv3 订单须用 RSA 签名。",
    "An APIv2 order must be signed with MD5 or HMAC-SHA256.": "APIv2 订单须用 MD5 或 HMAC-SHA256 签名。",
    "No order has this prepay_id.": "没有订单使用此 prepay_id。",
    "appId is not the one that the order was placed with.": "appId 与下单时的不一致。",
    "This call is not known to the stand-in.": "代用对象不支持此调用。",
    "No transfer has this package.": "没有转账单使用此 package。",
    "No pay-score order has this package.": "没有支付分订单使用此 package。",
    "No pay-score order has this number.": "没有支付分订单使用此单号。",
    "Signed with the APIv2 key, HMAC-SHA256; expected:": "须以 APIv2 密钥用 HMAC-SHA256 签名，应为：",
    "What should be signed": "待签名串",
    "Expected": "应为",
    "Signed": "实际签名",
    "Line": "行",
    "same": "相同",
    "differs": "不同",
    "(empty line)": "（空行）",
    "method": "请求方法",
    "request target": "请求路径",
    "timestamp": "时间戳",
    "nonce": "随机串",
    "body": "请求报文主体",
    "No calls yet.": "还没有调用。",
    "Time": "时间",
    "Call": "调用",
    "Answer": "应答",
    "Signature": "签名",
    "fits": "相符",
    "does not fit": "不符",
    "not checked": "未校验",
    "Request": "请求",
    "Headers": "头部",
    "Body": "主体",
    "no answer: the connection was broken on purpose": "没有应答：连接被故意中断",
    "Fault on purpose": "故意的故障",
    "Operation": "接口",
    "none in the catalogue": "目录中没有",
    "Why the signature does not fit": "签名为何不符",
    "What was signed was found:": "找到了实际签名的内容：",
    "Why the request was refused": "请求为何被拒绝",
    "bytes of binary data": "字节的二进制数据",
    "All calls": "全部调用",
    "Refunds": "退款",
    "Pay-score orders": "支付分订单",
    "Transfers": "转账",
    "Profit sharing": "分账",
    "Receivers": "接收方",
    "Nothing here yet.": "还没有内容。",
    "Placed": "创建时间",
    "Refund": "退款",
    "of": "，原单",
    "Event": "事件",
    "Address": "地址",
    "Taken": "商户已接收",
    "waiting": "待发送",
    "taken": "已接收",
    "given up": "已停止",
    "Next attempt": "下次发送",
    "Attempts": "次数",
    "Send again": "再次发送",
    "Send again: ": "再次发送：",
    "Deliveries": "发送记录",
    "Attempt": "第几次",
    "What came back": "商户应答",
    "Content": "内容",
    "No attempts yet.": "还没有发送过。",
    "No notifications yet.": "还没有通知。",
    "genuine": "正常",
    "duplicate": "重复",
    "probe": "探测",
    "forged": "伪造",
    "lost": "丢失",
    "Page not found": "页面不存在",
    "The page cannot be shown": "页面无法显示",
    "The method must be in capitals.": "请求方法须为大写。",
    "Timestamp and nonce have changed places.": "时间戳与随机串的位置颠倒。",
    "The last line must end with a newline too.": "最后一行也须以换行符结尾。",
    "Lines end with CR LF; it must be LF alone.": "各行以 CR LF 结尾，须只用 LF。",
    "The query string is missing from the request target.": "请求路径缺少查询参数。",
    "The request target must be signed as it is sent, percent-encoded.": "请求路径须按发送时的样子（百分号编码后）签名。",
    "The request target must not have scheme and host.": "请求路径不能带协议和域名。",
    "Another body was signed than was sent.": "签名的报文主体与发送的不是同一个。",
    "The body is missing from the message.": "待签名串缺少请求报文主体。",
    "A request without a body must be signed with an empty line.": "没有报文主体的请求，待签名串最后须为空行。",
    "The body was serialised anew: other bytes were signed than were sent.": "报文主体被重新序列化：签名的字节与发送的不同。",
    "The signature is not base64.": "签名不是 base64。",
    "Signed with a key that is not this merchant's, or not with RSA PKCS#1 v1.5 and SHA-256.": (
        "签名所用的私钥不是该商户的，或未使用 RSA PKCS#1 v1.5 与 SHA-256。"
    ),
    "Signed with the key of another merchant.": "用了另一个商户的私钥签名。",
    "Signed with SHA-1; it must be SHA-256.": "用了 SHA-1 签名，须用 SHA-256。",
    "The key is right, the message is not: none of the usual mistakes gives this signature.": (
        "私钥正确，但待签名串不对：常见的错误都不能得出此签名。"
    ),
    "string to sign": "待签名串",
    "The signature is no MD5 and no HMAC-SHA256 in hexadecimal.": "签名不是十六进制的 MD5 或 HMAC-SHA256。",
    "The signature must be in capitals.": "签名须为大写。",
    "Fields must be sorted by their names.": "参数须按名称排序。",
    "Fields without a value must not be signed.": "值为空的参数不参与签名。",
    "Values must be signed as they are, not percent-encoded.": "参数值须以原始值签名，不能百分号编码。",
    "Values must be signed as they are, not escaped for XML.": "参数值须以原始值签名，不能用 XML 转义后的值。",
    "A field was sent that was not signed.": "发送了没有参与签名的参数。",
    "The key must follow as one more field, &key=.": "密钥须以 &key= 接在最后。",
    "The key is missing at the end, &key=.": "待签名串最后缺少 &key= 密钥。",
    "Signed with the APIv3 key; APIv2 has a key of its own.": "用了 APIv3 密钥签名，须用 APIv2 密钥。",
    "Signed with MD5; sign_type says HMAC-SHA256.": "用了 MD5 签名，而 sign_type 为 HMAC-SHA256。",
    "Signed with HMAC-SHA256; sign_type must say so.": "用了 HMAC-SHA256 签名，sign_type 须为 HMAC-SHA256。",
    "None of the usual mistakes gives this signature: the key may be another one than the merchant's.": (
        "常见的错误都不能得出此签名：密钥可能不是该商户的。"
    ),
    "The package must be signed with its prefix prepay_id=.": "package 须带 prepay_id= 前缀签名。",
}


def choose(wanted: str | None, kept: str | None, accepted: str) -> Language:
    """The language of a page: what was switched to, what was kept in the cookie, else the browser's order of preference."""
    for choice in (wanted, kept):
        if choice in _LANGUAGES:
            return _LANGUAGES[choice]
    ranked: list[tuple[float, int, Language]] = []
    for position, part in enumerate(accepted.split(",")):
        tag, _, weight = part.strip().partition(";q=")
        primary = tag.partition("-")[0].lower()
        if primary in _LANGUAGES:
            ranked.append((-_weight(weight), position, _LANGUAGES[primary]))
    return min(ranked)[2] if ranked else "en"


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def translator(language: Language) -> Callable[[str], str]:
    """`_` of the templates. A sentence that is not translated shows in English."""
    return (lambda text: CHINESE.get(text, text)) if language == "zh" else (lambda text: text)
