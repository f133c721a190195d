"""`wechatpay decrypt`, `sign` and `verify`: the protocol's cryptography, for debugging another system."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import click

from wechatpay_async.crypto import rsa
from wechatpay_async.crypto.keys import load_platform_key
from wechatpay_async.errors import ConfigError, MalformedMessage
from wechatpay_async.protocol import v3

from .keys import load_settings
from .output import NO, WRONG
from .settings import Settings, pass_settings, read_argument, read_text

__all__ = ["decrypt", "sign", "verify"]


@click.command()
@click.argument("text")
@pass_settings
def decrypt(settings: Settings, text: str) -> None:
    """Open a notification, its `resource`, or one sensitive field.

    TEXT is JSON (opened with the APIv3 key) or the base64 of a field (opened with the merchant's private key): as it is, @file, or - for
    standard input.
    """
    content = read_text(text).strip()
    if not content:
        raise click.BadParameter("nothing to decrypt")
    merchant = load_settings(settings.environ())
    if not content.startswith("{"):
        plain = rsa.oaep_decrypt(merchant.private_key, content).decode("utf-8", "backslashreplace")
        if settings.output.as_json:
            settings.output.document({"plaintext": plain})
        else:
            click.echo(plain)
        return
    try:
        value = cast("Mapping[str, Any]", json.loads(content))
    except (ValueError, RecursionError) as error:
        settings.output.stop(WRONG, settings.output.choose(f"no JSON: {error}", f"不是 JSON：{error}"))
    if merchant.apiv3_key is None:
        raise ConfigError("apiv3_key", "missing", hint="set WECHATPAY_APIV3_KEY")
    resource: object = value.get("resource", value)
    if not isinstance(resource, Mapping):
        raise MalformedMessage("resource is no object", hint="give the whole notification, or its resource")
    opened = v3.decrypt_resource(cast("Mapping[str, Any]", resource), merchant.apiv3_key)
    settings.output.document(v3.decode_json(opened))


@click.command()
@click.argument("message")
@pass_settings
def sign(settings: Settings, message: str) -> None:
    """Sign a message (as it is, @file, or -), byte for byte, with the merchant's private key; prints base64.

    APIv3 signs lines that each end in a newline: mind the last one.
    """
    content = read_argument(message)
    signature = rsa.sign(load_settings(settings.environ()).private_key, content)
    if settings.output.as_json:
        settings.output.document({"signature": signature, "bytes": len(content), "ends_in_newline": content.endswith(b"\n")})
    else:
        click.echo(signature)


@click.command()
@click.argument("message")
@click.argument("signature")
@click.option("--key", help="A public key or certificate (path or PEM) instead of the configured one of WeChat Pay.")
@click.option("--serial", help="Which of the configured keys, where there are several.")
@pass_settings
def verify(settings: Settings, message: str, signature: str, key: str | None, serial: str | None) -> None:
    """Verify a base64 signature over a message (as it is, @file, or -), byte for byte."""
    content = read_argument(message)
    if key is not None:
        keys = [load_platform_key(serial or "PUB_KEY_ID_GIVEN", key, parameter="--key")]
    else:
        configured = load_settings(settings.environ()).platform_keys
        keys = [each for each in configured if serial in (None, each.serial)]
        if not keys:
            held = ", ".join(each.serial for each in configured) or "none"
            raise ConfigError(
                "WECHATPAY_PUBLIC_KEY", "no such key of WeChat Pay is configured", hint=f"held: {held}; --key gives one by hand"
            )
    good = [each.serial for each in keys if rsa.verify(each.public_key, content, signature)]
    output = settings.output
    if good:
        output.mark(good=True, text=output.choose("the signature fits", "签名正确"))
        if output.as_json:
            output.document({"valid": True, "serial": good[0]})
        return
    output.stop(NO, output.choose("the signature does not fit", "签名不符"), valid=False, tried=[each.serial for each in keys])
