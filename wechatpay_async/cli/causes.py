"""Why a signature fails: the usual causes, each with its cure, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["CAUSES", "PARTS_ZH", "Cause"]


class Cause(NamedTuple):
    """One cause, and what to do about it."""

    english: str
    cure: str
    chinese: str
    cure_zh: str


#: The parts of a message, of a request and of a notification, in Chinese; names of headers and fields stay as they are.
PARTS_ZH: Final[Mapping[str, str]] = MappingProxyType(
    {
        "body": "正文",
        "certificate": "证书",
        "headers": "请求头",
        "message": "签名串",
        "method": "请求方法",
        "nonce": "随机串",
        "private key": "私钥",
        "request target": "请求路径",
        "signature": "签名",
        "timestamp": "时间戳",
    }
)

#: By the name that `wechatpay --json explain` gives.
CAUSES: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        # requests
        "authorization_malformed": Cause(
            "the Authorization header is not in the form that WeChat Pay reads",
            'send: WECHATPAY2-SHA256-RSA2048 mchid="…",nonce_str="…",signature="…",timestamp="…",serial_no="…", no spaces',
            "Authorization 头的格式不对",
            '应为：WECHATPAY2-SHA256-RSA2048 mchid="…",nonce_str="…",signature="…",timestamp="…",serial_no="…"，逗号后不要空格',
        ),
        "body_differs": Cause(
            "the body that was signed is not the body that was sent",
            "make the body to bytes once, sign those bytes and send those bytes",
            "签名的请求体与发送的请求体不同",
            "请求体只生成一次字节，签名和发送都用它",
        ),
        "body_missing": Cause(
            "the body was sent and not signed",
            "the fifth line is the whole body, exactly as sent",
            "发送了请求体，却没有参与签名",
            "第五行应是完整的请求体，与发送的一致",
        ),
        "body_extra": Cause(
            "a body was signed and none was sent",
            "for GET, and for a POST without a body, the fifth line is empty",
            "签名里有请求体，实际没有发送",
            "GET 以及没有请求体的 POST，第五行为空",
        ),
        "body_multipart": Cause(
            "the whole multipart body of an upload was signed",
            "for an upload the fifth line is the JSON text of the part `meta` alone",
            "对上传接口的整个 multipart 请求体签了名",
            "上传接口的第五行只是 `meta` 部分的 JSON 文本",
        ),
        "body_reserialised": Cause(
            "the same JSON was written twice, in two ways: with other white space, escapes or order",
            "make the body to bytes once; for a notification verify request.body, not what a framework parsed",
            "同一份 JSON 被序列化了两次：空白、转义或顺序不同",
            "请求体只序列化一次；通知要用原始的请求体验签，不要用框架解析后的内容",
        ),
        "body_encoding": Cause(
            "the body was signed in another encoding than UTF-8",
            "encode to UTF-8 before signing and before sending",
            "签名时请求体的编码不是 UTF-8",
            "签名和发送之前都用 UTF-8 编码",
        ),
        "clock": Cause(
            "the timestamp is five minutes or more away from the clock",
            "run NTP on this machine, and make the timestamp for each attempt",
            "时间戳与当前时间相差五分钟以上",
            "用 NTP 校准时钟，每次尝试都重新生成时间戳",
        ),
        "crlf": Cause(
            "the lines end in \\r\\n",
            "each of the lines ends in one \\n",
            "换行是 \\r\\n",
            "每一行都以单个 \\n 结束",
        ),
        "host_in_target": Cause(
            "the second line has the host in it",
            "the second line is the path and the query alone, from the slash on",
            "第二行包含了域名",
            "第二行只有路径和查询，从斜杠开始",
        ),
        "key_mismatch": Cause(
            "the messages are the same, so the key is wrong: the private key does not belong to the certificate whose serial is sent",
            "take apiclient_key.pem and the serial of apiclient_cert.pem from one download; check with `wechatpay doctor`",
            "签名串一致，所以是密钥不对：私钥与所发序列号的证书不是一对",
            "使用同一次下载的 apiclient_key.pem 与 apiclient_cert.pem 的序列号；用 `wechatpay doctor` 检查",
        ),
        "mchid_differs": Cause(
            "the Authorization header names another merchant than the one whose key signed",
            "a partner signs as itself (sp_mchid), never as its sub-merchant",
            "Authorization 里的商户号不是签名密钥所属的商户",
            "服务商用自己的商户号（sp_mchid）签名，不要用特约商户号",
        ),
        "method_case": Cause(
            "the method was signed in another case or is another one",
            "the first line is the method in capitals, as sent",
            "请求方法的大小写不对，或不是同一个方法",
            "第一行是大写的请求方法，与发送的一致",
        ),
        "milliseconds": Cause(
            "the timestamp is in milliseconds",
            "seconds since 1970, ten digits",
            "时间戳是毫秒",
            "应为秒，十位数字",
        ),
        "no_final_newline": Cause(
            "the message lacks the newline at its very end",
            "five lines, each ended by \\n, the fifth too",
            "签名串缺少结尾的换行",
            "共五行，每行以 \\n 结束，包括第五行",
        ),
        "nonce_differs": Cause(
            "the nonce in the message is not the one in the Authorization header",
            "make it once for an attempt, and use it in both places",
            "签名串与 Authorization 里的随机串不同",
            "每次尝试只生成一次，两处使用同一个",
        ),
        "order_swapped": Cause(
            "timestamp and nonce are in each other's line",
            "the third line is the timestamp, the fourth the nonce",
            "时间戳与随机串的行颠倒了",
            "第三行是时间戳，第四行是随机串",
        ),
        "query_encoding": Cause(
            "the query was signed in another encoding than it was sent in",
            "sign the request target as the HTTP library sends it, percent-encoded",
            "签名时查询参数的编码与发送的不同",
            "对 HTTP 库实际发送的、已百分号编码的请求目标签名",
        ),
        "query_missing": Cause(
            "the query was sent and not signed",
            "the second line is the path and, after a ?, the query",
            "查询参数没有参与签名",
            "第二行是路径加上 ? 后的查询",
        ),
        "scheme": Cause(
            "the scheme of the Authorization header is wrong",
            "WECHATPAY2-SHA256-RSA2048 (below /brand/: WECHATPAY-BRAND-SHA256-RSA2048)",
            "Authorization 的认证类型不对",
            "应为 WECHATPAY2-SHA256-RSA2048（/brand/ 下为 WECHATPAY-BRAND-SHA256-RSA2048）",
        ),
        "serial_is_platform": Cause(
            "serial_no is a key of WeChat Pay's, not the merchant's",
            "serial_no in Authorization is the serial of apiclient_cert.pem; WeChat Pay's goes into the header Wechatpay-Serial",
            "serial_no 是微信支付的，不是商户的",
            "Authorization 里的 serial_no 是 apiclient_cert.pem 的序列号；微信支付的序列号放在 Wechatpay-Serial 头里",
        ),
        "serial_differs": Cause(
            "serial_no is not the serial of the configured merchant certificate",
            "after a new certificate, change key and serial together",
            "serial_no 不是所配置商户证书的序列号",
            "更换证书后，私钥和序列号要一起更换",
        ),
        "signature_encoding": Cause(
            "the signature is not the base64 of an RSA-2048 signature",
            "SHA256withRSA, PKCS#1 v1.5, 256 bytes, in plain base64: not hex, not URL-safe, not MD5 or HMAC",
            "签名不是 RSA-2048 签名的 base64",
            "SHA256withRSA、PKCS#1 v1.5、256 字节、标准 base64：不是十六进制、不是 URL 安全的 base64、不是 MD5 或 HMAC",
        ),
        "target_differs": Cause(
            "the path that was signed is not the path that was sent",
            "sign the request target exactly as it leaves",
            "签名的路径与发送的路径不同",
            "对实际发送的请求目标签名",
        ),
        "timestamp_differs": Cause(
            "the timestamp in the message is not the one in the Authorization header",
            "make it once for an attempt, and use it in both places",
            "签名串与 Authorization 里的时间戳不同",
            "每次尝试只生成一次，两处使用同一个",
        ),
        # notifications and answers
        "apiv3_key_missing": Cause(
            "there is no APIv3 key to open the resource with",
            "set WECHATPAY_APIV3_KEY; the merchant platform sets it under API security",
            "没有用来解密的 APIv3 密钥",
            "设置 WECHATPAY_APIV3_KEY；在商户平台「API 安全」里设置",
        ),
        "apiv3_key_wrong": Cause(
            "the signature is right and the resource does not open: another APIv3 key",
            "the APIv3 key was changed in the merchant platform, or belongs to another merchant; set the current one",
            "签名正确，但 resource 打不开：APIv3 密钥不对",
            "APIv3 密钥在商户平台被修改过，或属于别的商户；请换成当前的",
        ),
        "associated_data_changed": Cause(
            "the resource does not open as it is: its ciphertext, nonce or associated data was changed",
            "hand the resource on as it came; base64 must not be decoded and encoded again",
            "resource 打不开：密文、随机串或附加数据被改动",
            "原样传递 resource，不要重新编码 base64",
        ),
        "certificate_not_held": Cause(
            "signed with a platform certificate that is not held",
            'set platform_keys="auto" to download certificates, or add this one to certs=',
            "用没有持有的平台证书签名",
            '设置 platform_keys="auto" 自动下载，或把它加进 certs=',
        ),
        "empty_body": Cause(
            "the body is empty: something read it before",
            "read the raw body first; a request's stream can be read once",
            "正文为空：在此之前已被读取",
            "先读取原始正文；请求流只能读一次",
        ),
        "header_missing": Cause(
            "a Wechatpay-* header is missing",
            "a proxy, a WAF or a framework dropped it; or the sender is not WeChat Pay",
            "缺少 Wechatpay-* 头",
            "被代理、WAF 或框架丢弃；或者发送者不是微信支付",
        ),
        "html": Cause(
            "the body is an HTML page",
            "it comes from a proxy, a login or a WAF, not from WeChat Pay",
            "正文是 HTML 页面",
            "它来自代理、登录页或 WAF，而不是微信支付",
        ),
        "key_under_other_serial": Cause(
            "the signature fits a key that is filed under another serial",
            "the keys in certs= are mixed up: file each under its own serial",
            "签名与放在另一个序列号下的公钥相符",
            "certs= 里的公钥放错了：每个都要放在自己的序列号下",
        ),
        "not_json": Cause(
            "the body is no JSON",
            "verify the raw body as it came",
            "正文不是 JSON",
            "使用原样的正文",
        ),
        "platform_key_is_merchants": Cause(
            "the key filed as WeChat Pay's is the merchant's own",
            "certs= holds WeChat Pay's public key (pub_key.pem) or platform certificates, not apiclient_cert.pem",
            "当作微信支付公钥的其实是商户自己的",
            "certs= 放的是微信支付公钥（pub_key.pem）或平台证书，不是 apiclient_cert.pem",
        ),
        "probe": Cause(
            "a probe: WeChat Pay signed this wrong on purpose, to see it refused",
            "nothing is wrong; answer with an error, it is sent again properly",
            "探测流量：微信支付故意签错，看你是否拒绝",
            "没有问题；以错误应答，随后会正确地重发",
        ),
        "public_key_not_held": Cause(
            "signed with WeChat Pay's public key, which is not held",
            "add it to certs=: merchant platform, API security, WeChat Pay public key",
            "用没有持有的微信支付公钥签名",
            "加进 certs=：商户平台「API 安全」里的微信支付公钥",
        ),
        "serial_is_merchants": Cause(
            "Wechatpay-Serial is the merchant's own serial",
            "no message of WeChat Pay's has that: the headers are not the ones that came",
            "Wechatpay-Serial 是商户自己的序列号",
            "微信支付的消息不会如此：这些头不是收到的原样",
        ),
        "trailing_white_space": Cause(
            "the body has white space at its end that was not signed",
            "something appended a newline (an editor, if it was pasted here); verify the raw body",
            "正文末尾有未参与签名的空白",
            "有东西追加了换行（若是粘贴的，可能是编辑器）；请用原始正文验签",
        ),
        "byte_order_mark": Cause(
            "the body begins with a byte order mark that was not signed",
            "keep the body as it came; the mark was added on the way",
            "正文开头有未参与签名的 BOM",
            "保持正文原样；BOM 是途中加上的",
        ),
        "xml": Cause(
            "the body is XML: a notification of APIv2",
            "a refund without notify_url, or one from the merchant platform, notifies in XML even for an APIv3 order: send notify_url",
            "正文是 XML：APIv2 的通知",
            "没有 notify_url 的退款或商户平台发起的退款，即使订单是 APIv3 的也用 XML 通知；每笔退款请带上 notify_url",
        ),
        "body_or_key": Cause(
            "the signature fits neither the body nor any usual change of it",
            "the body was changed on the way, or the key filed under this serial is not WeChat Pay's",
            "签名与正文不符，也不是任何常见的改动",
            "正文在途中被改动，或该序列号下的公钥不是微信支付的",
        ),
        "message_or_key": Cause(
            "the signature fits neither the request nor any usual mistake about it",
            "the private key belongs to another certificate, or something else was signed: give the signed message with --message",
            "签名与请求不符，也不是任何常见的错误",
            "私钥属于另一张证书，或签的是别的内容：请用 --message 给出签名串",
        ),
        "registration": Cause(
            "the signature fits the request and the configured key: WeChat Pay does not have this certificate under this serial",
            "compare the serial in the merchant platform (API security); a new certificate takes effect a few minutes after it was made",
            "签名与请求及所配置的密钥相符：微信支付那边该序列号下不是这张证书",
            "核对商户平台「API 安全」里的序列号；新证书生成几分钟后才生效",
        ),
    }
)
