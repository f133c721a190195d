"""`wechatpay doctor`: checks each part of a configuration, and says the cure for what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import anyio
import click
import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from wechatpay_async.client import Wechatpay
from wechatpay_async.crypto.keys import (
    PUBLIC_KEY_ID_PREFIX,
    certificate_serial,
    load_certificate,
    load_platform_key,
    load_private_key,
    normalise_serial,
    same_key,
)
from wechatpay_async.errors import APIError, ConfigError, NotFound, SignatureError, TransportError
from wechatpay_async.settings import DEFAULT_BASE_URL

from .output import NO
from .settings import Settings, pass_settings

__all__ = ["Check", "check_offline", "doctor"]

_SOON = timedelta(days=60)


@dataclass(frozen=True)
class Check:
    """One part of the configuration: its name, whether it is right, what was found, and the cure, in both languages."""

    part: str
    good: bool
    english: str
    chinese: str
    cure: str = ""
    cure_zh: str = ""


def _good(part: str, english: str, chinese: str) -> Check:
    return Check(part, good=True, english=english, chinese=chinese)


def _bad(part: str, english: str, chinese: str, cure: str = "", cure_zh: str = "") -> Check:
    return Check(part, good=False, english=english, chinese=chinese, cure=cure, cure_zh=cure_zh or cure)


@click.command()
@click.option("--online", is_flag=True, help="Ask WeChat Pay too: reachability, clock, keys, with one harmless query.")
@pass_settings
def doctor(settings: Settings, *, online: bool) -> None:
    """Check the configuration, part by part."""
    environ, output = settings.environ(), settings.output
    checks = check_offline(environ, now=time.time())
    if online and all(check.good for check in checks):
        checks += anyio.run(_check_online, settings)
    if output.as_json:
        document = [
            {
                "part": each.part,
                "good": each.good,
                "text": output.choose(each.english, each.chinese),
                "cure": output.choose(each.cure, each.cure_zh),
            }
            for each in checks
        ]
        output.document(document)
    for check in checks:
        output.mark(good=check.good, text=f"{check.part}: {output.choose(check.english, check.chinese)}")
        if check.cure:
            output.line(f"  → {output.choose(check.cure, check.cure_zh)}")
    if not all(check.good for check in checks):
        raise SystemExit(NO)


def check_offline(environ: Mapping[str, str], *, now: float) -> list[Check]:
    """Everything that can be checked without a network. `now` is in seconds."""
    key, key_check = _load(
        "WECHATPAY_PRIVATE_KEY",
        environ,
        lambda text: load_private_key(text, password=environ.get("WECHATPAY_PRIVATE_KEY_PASSWORD") or None),
    )
    checks: list[Check | None] = [_check_mchid(environ.get("WECHATPAY_MCHID", "")), key_check]
    checks += _check_certificate(environ, key, now)
    checks += _check_platform_key(environ, key, now)
    checks += [_check_secret(environ, "WECHATPAY_APIV3_KEY", needed=True), _check_secret(environ, "WECHATPAY_SECRET", needed=False)]
    checks.append(_check_whole(environ))
    return [check for check in checks if check is not None]


def _check_mchid(mchid: str) -> Check:
    if not mchid:
        return _bad("WECHATPAY_MCHID", "missing", "缺少", "the merchant number, 8 to 10 digits", "商户号，8 到 10 位数字")
    if not (mchid.isascii() and mchid.isdigit()):
        cure, cure_zh = "an appid begins with wx; the merchant number is digits alone", "wx 开头的是 appid；商户号只有数字"
        return _bad("WECHATPAY_MCHID", "no merchant number", "不是商户号", cure, cure_zh)
    return _good("WECHATPAY_MCHID", mchid, mchid)


def _load(name: str, environ: Mapping[str, str], load: Callable[[str], Any]) -> tuple[Any, Check]:
    text = environ.get(name, "")
    if not text:
        return None, _bad(name, "missing", "缺少", "set it to a path, file://… or the PEM text", "填写路径、file://… 或 PEM 文本")
    try:
        loaded = load(text)
    except ConfigError as error:
        return None, _bad(name, error.message, error.message, error.hint or "")
    size = f"RSA, {loaded.key_size} bits" if isinstance(loaded, RSAPrivateKey) else "read"
    return loaded, _good(name, size, size)


def _check_certificate(environ: Mapping[str, str], key: RSAPrivateKey | None, now: float) -> list[Check]:
    """The merchant's certificate against its key and its serial, and how long it lives."""
    serial = environ.get("WECHATPAY_SERIAL", "")
    if not environ.get("WECHATPAY_MERCHANT_CERT"):
        if not serial:
            command = "openssl x509 -in apiclient_cert.pem -noout -serial"
            cure, cure_zh = f"{command}, or set WECHATPAY_MERCHANT_CERT", f"{command}，或设置 WECHATPAY_MERCHANT_CERT"
            return [_bad("WECHATPAY_SERIAL", "missing", "缺少", cure, cure_zh)]
        return [_check_serial(serial)]
    certificate, check = _load("WECHATPAY_MERCHANT_CERT", environ, lambda text: load_certificate(text, parameter="WECHATPAY_MERCHANT_CERT"))
    if certificate is None:
        return [check]
    own = certificate_serial(certificate)
    end: datetime = certificate.not_valid_after_utc
    left = end - datetime.fromtimestamp(now, UTC)
    lasts = left > _SOON
    life = Check(
        "WECHATPAY_MERCHANT_CERT",
        lasts,
        f"{own}, ends {end.date()} ({left.days} days)",
        f"{own}，{end.date()} 到期（还有 {left.days} 天）",
        "" if lasts else "make a new one in the merchant platform, API security, and change key and serial together",
        "" if lasts else "在商户平台「API 安全」申请新证书，私钥与序列号要一起更换",
    )
    checks = [life]
    if key is not None:
        fits = same_key(key, certificate.public_key())
        checks.append(
            Check(
                "key pair",
                fits,
                "belongs together" if fits else "the key is not the certificate's",
                "成对" if fits else "私钥与证书不是一对",
                "" if fits else "apiclient_key.pem and apiclient_cert.pem of one download",
                "" if fits else "使用同一次下载的 apiclient_key.pem 和 apiclient_cert.pem",
            )
        )
    if serial:
        same = serial.upper().replace(":", "") == own
        checks.append(
            Check(
                "WECHATPAY_SERIAL",
                same,
                own if same else f"the certificate's is {own}",
                own if same else f"证书的序列号是 {own}",
                "" if same else "leave it out",
                "" if same else "不必填写",
            )
        )
    return checks


def _check_serial(serial: str) -> Check:
    try:
        found = normalise_serial(serial, parameter="WECHATPAY_SERIAL")
    except ConfigError as error:
        return _bad("WECHATPAY_SERIAL", error.message, error.message, error.hint or "")
    return _good("WECHATPAY_SERIAL", found, found)


def _check_platform_key(environ: Mapping[str, str], key: RSAPrivateKey | None, now: float) -> list[Check]:
    """WeChat Pay's key: which mode, and that it is not the merchant's own."""
    key_id, text = environ.get("WECHATPAY_PUBLIC_KEY_ID", ""), environ.get("WECHATPAY_PUBLIC_KEY", "")
    if not key_id and not text:
        if environ.get("WECHATPAY_PLATFORM_KEYS") == "auto":
            return [_good("platform keys", "certificates, downloaded", "平台证书，自动下载")]
        names = ("WECHATPAY_PUBLIC_KEY_ID", "WECHATPAY_PUBLIC_KEY", "WECHATPAY_PLATFORM_KEYS=auto")
        cure = "{} and {}, or {} for certificates".format(*names)
        cure_zh = "设置 {} 和 {}；使用平台证书的商户设置 {}".format(*names)
        return [_bad("platform keys", "none: no answer can be verified", "没有：无法验证任何应答", cure, cure_zh)]
    platform, check = _load(
        "WECHATPAY_PUBLIC_KEY", environ, lambda given: load_platform_key(key_id, given, parameter="WECHATPAY_PUBLIC_KEY")
    )
    if platform is None:
        return [check]
    if key is not None and same_key(key, platform.public_key):
        cure = "pub_key.pem from API security, WeChat Pay public key; not apiclient_cert.pem"
        cure_zh = "使用「API 安全」里下载的微信支付公钥 pub_key.pem，不是 apiclient_cert.pem"
        return [_bad("WECHATPAY_PUBLIC_KEY", "is the merchant's own key", "是商户自己的密钥", cure, cure_zh)]
    if key_id.startswith(PUBLIC_KEY_ID_PREFIX):
        return [_good("platform keys", f"public key {key_id}", f"微信支付公钥 {key_id}")]
    if platform.not_after is not None and platform.not_after <= datetime.fromtimestamp(now, UTC):
        return [_bad("platform keys", f"certificate {key_id} has ended", f"平台证书 {key_id} 已过期", "wechatpay certificates --to FOLDER")]
    return [_good("platform keys", f"certificate {key_id}", f"平台证书 {key_id}")]


def _check_secret(environ: Mapping[str, str], name: str, *, needed: bool) -> Check | None:
    """A 32-character key; the text never shows it."""
    value = environ.get(name, "")
    if not value and not needed:
        return None
    if not value:
        where, where_zh = "merchant platform, API security", "商户平台「API 安全」"
        return _bad(name, "missing: no notification can be opened", "缺少：无法解密通知", where, where_zh)
    size = len(value.encode())
    if size != 32:
        padded = len(value.strip()) == 32
        english, chinese = (" (white space around it)", "（首尾有空白）") if padded else ("", "")
        cure, cure_zh = "exactly 32 characters, as set in the merchant platform", "正好 32 个字符，与商户平台设置的一致"
        return _bad(name, f"{size} bytes{english}", f"{size} 字节{chinese}", cure, cure_zh)
    return _good(name, "32 bytes", "32 字节")


def _check_whole(environ: Mapping[str, str]) -> Check | None:
    """What the parts do not show by themselves: the client itself has the last word."""
    try:
        Wechatpay.from_env(environ)
    except ConfigError as error:
        return _bad("the client", error.message, error.message, error.hint or "")
    return None


async def _check_online(settings: Settings) -> list[Check]:
    """Reach the host, compare the clocks, and make one signed query for an order that does not exist."""
    base_url = settings.environ().get("WECHATPAY_BASE_URL") or DEFAULT_BASE_URL
    checks: list[Check] = []
    try:
        async with httpx.AsyncClient(timeout=10) as plain:
            answer = await plain.get(base_url)
    except httpx.TransportError as error:
        return [
            _bad(
                "network",
                f"{base_url}: {type(error).__name__}",
                f"{base_url}：{type(error).__name__}",
                "DNS, proxy, firewall: HTTPS to this host",
                "检查 DNS、代理、防火墙：到该域名的 HTTPS",
            )
        ]
    checks.append(_good("network", base_url, base_url))
    checks += _check_clock(answer.headers.get("date"), time.time())
    checks.append(await _check_query(settings))
    return checks


def _check_clock(date: str | None, now: float) -> list[Check]:
    if date is None:
        return []
    skew = now - parsedate_to_datetime(date).timestamp()
    good = abs(skew) < 60
    cure, cure_zh = ("", "") if good else ("run NTP: beyond 300 s everything is refused", "用 NTP 校准时钟：相差 300 秒以上会被拒绝")
    return [Check("clock", good, f"{skew:+.0f} s", f"{skew:+.0f} 秒", cure, cure_zh)]


async def _check_query(settings: Settings) -> Check:
    environ = settings.environ()
    try:
        async with settings.client() as client:
            await client.v3.pay.transactions.out_trade_no._out_trade_no_.get(
                params={"mchid": environ["WECHATPAY_MCHID"]}, out_trade_no="DOCTOR0000000000"
            )
    except NotFound:
        return _good("signature", "WeChat Pay verified a request", "微信支付验证了一个请求")
    except (APIError, SignatureError, TransportError) as error:
        return _bad("signature", str(error), str(error), error.hint or "wechatpay explain")
    return _good("signature", "WeChat Pay verified a request", "微信支付验证了一个请求")
