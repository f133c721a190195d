"""`wechatpay certificates`: the platform certificates of a merchant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import anyio
import click
from cryptography import x509

from wechatpay_async.client import Wechatpay
from wechatpay_async.crypto.keys import certificate_serial
from wechatpay_async.errors import ConfigError, MalformedMessage, NotFound
from wechatpay_async.protocol import v3

from .keys import load_settings
from .output import NO
from .settings import Settings, pass_settings

__all__ = ["certificates"]

_WANTED = "the answer of GET /v3/certificates is wanted"


@click.command()
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Write each as SERIAL.pem into this folder.")
@click.option(
    "--from", "source", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read a downloaded answer instead of asking."
)
@pass_settings
def certificates(settings: Settings, to: Path | None, source: Path | None) -> None:
    """Download, list and verify platform certificates.

    They open with the APIv3 key, which is what they are trusted by. A merchant with the public key alone has none.
    """
    output = settings.output
    key = load_settings(settings.environ()).apiv3_key
    if key is None:
        raise ConfigError("apiv3_key", "missing", hint="set WECHATPAY_APIV3_KEY")
    answer = _read(source) if source else anyio.run(_download, settings.client(platform_keys="auto"))
    found = _open(answer, key)
    if not found:
        output.stop(NO, output.choose("no certificates: this merchant has the public key alone", "没有平台证书：该商户只有微信支付公钥"))
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        for serial, pem, _ in found:
            (to / f"{serial}.pem").write_bytes(pem)
    rows = [(serial, _day(certificate.not_valid_before_utc), _day(certificate.not_valid_after_utc)) for serial, _, certificate in found]
    if output.as_json:
        output.document([{"serial": serial, "from": start, "until": end} for serial, start, end in rows])
    output.table([output.choose("serial", "序列号"), output.choose("from", "生效"), output.choose("until", "失效")], rows)


async def _download(client: Wechatpay) -> object:
    async with client:
        try:
            response = await client.v3.certificates.get()
        except NotFound:
            return {"data": []}
        return response.data


def _read(source: Path) -> object:
    try:
        return json.loads(source.read_bytes())
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"{source} is no JSON: {error}", hint=_WANTED) from error


def _open(answer: object, apiv3_key: bytes) -> Sequence[tuple[str, bytes, x509.Certificate]]:
    """Decrypt each certificate, and check that its serial is the announced one. Raises `DecryptionError`, `MalformedMessage`."""
    opened: list[tuple[str, bytes, x509.Certificate]] = []
    for announced, sealed in _entries(answer):
        pem = v3.decrypt_resource(sealed, apiv3_key)
        try:
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError as error:
            raise MalformedMessage(f"what opens under {announced} is no certificate") from error
        serial = certificate_serial(certificate)
        if serial != announced:
            raise MalformedMessage(f"the certificate {serial} was announced as {announced}")
        opened.append((serial, pem, certificate))
    return opened


def _entries(answer: object) -> Iterator[tuple[object, Mapping[str, Any]]]:
    """Each announced serial with its sealed certificate."""
    entries = _object(answer).get("data")
    if not isinstance(entries, list):
        raise MalformedMessage("this is no list of certificates", hint=_WANTED)
    for entry in cast("list[object]", entries):
        fields = _object(entry)
        yield fields.get("serial_no"), _object(fields.get("encrypt_certificate"))


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedMessage("this is no list of certificates", hint=_WANTED)
    return cast("Mapping[str, Any]", value)


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
