"""One merchant and one WeChat Pay with keys of their own, and a way to run the command as a shell does."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wechatpay_async.cli.app import wechatpay
from wechatpay_async.cli.run import write_settings
from wechatpay_async.sandbox import Sandbox

NOW = 1_767_225_600
APIV3_KEY = "0123456789abcdef0123456789abcdef"
SERIAL = "3775B6A45ACD588826D15E583A95F5DD40AE1F3C"
KEY_ID = "PUB_KEY_ID_0119000001092025010100"
ORDER: dict[str, Any] = {
    "appid": "wxd678efh567hg6787",
    "mchid": "1900000109",
    "description": "一本书",
    "out_trade_no": "SHELL001",
    "notify_url": "https://shop.example.com/notify",
    "amount": {"total": 4200},
}


@dataclass(frozen=True)
class Keys:
    """The merchant's key and WeChat Pay's, made for this run."""

    merchant: rsa.RSAPrivateKey
    platform: rsa.RSAPrivateKey

    @staticmethod
    def sign(key: rsa.RSAPrivateKey, message: bytes) -> str:
        """SHA256withRSA in base64, by `cryptography` alone."""
        return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys(rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def environ(keys: Keys) -> dict[str, str]:
    """The settings of the merchant."""
    return {
        "WECHATPAY_MCHID": "1900000109",
        "WECHATPAY_SERIAL": SERIAL,
        "WECHATPAY_PRIVATE_KEY": pem(keys.merchant),
        "WECHATPAY_PUBLIC_KEY_ID": KEY_ID,
        "WECHATPAY_PUBLIC_KEY": public_pem(keys.platform),
        "WECHATPAY_APIV3_KEY": APIV3_KEY,
        "LANG": "C",
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, str]]:
    """A sandbox on a port, and an env file for it."""
    sandbox = Sandbox()
    with sandbox.serve() as url:
        yield sandbox, str(write_settings(sandbox.settings(base_url=url), tmp_path_factory.mktemp("shop")))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`run("describe", "…", env={…}, stdin=b"…")`, as from a shell with that environment alone."""

    def invoke(*arguments: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None) -> Result:
        for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            monkeypatch.delenv(name, raising=False)
        return CliRunner().invoke(wechatpay, arguments, env=dict(env or {}), input=stdin, catch_exceptions=False)

    return invoke


@pytest.fixture
def explain(run: Callable[..., Result], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`explain(text, …, message=b"…", env={…})` gives the verdict as JSON."""

    def invoke(*texts: bytes, message: bytes | None = None, env: Mapping[str, str] | None = None, language: str = "en") -> dict[str, Any]:
        files: list[str] = []
        for number, text in enumerate(texts):
            path = tmp_path / f"{number}.txt"
            path.write_bytes(text)
            files.append(str(path))
        options = ["--at", str(NOW)]
        if message is not None:
            (tmp_path / "message").write_bytes(message)
            options += ["--message", str(tmp_path / "message")]
        result = run("--json", "--lang", language, "explain", *files, *options, env=env)
        verdict: dict[str, Any] = json.loads(result.stdout)
        verdict["exit_code"] = result.exit_code
        return verdict

    return invoke


def pem(key: rsa.RSAPrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def sealed(plain: dict[str, Any], key: str = APIV3_KEY) -> dict[str, str]:
    """A notification's `resource`."""
    nonce, data = b"abcdefghijkl", b"transaction"
    ciphertext = AESGCM(key.encode()).encrypt(nonce, json.dumps(plain).encode(), data)
    return {
        "original_type": "transaction",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(ciphertext).decode(),
        "associated_data": data.decode(),
        "nonce": nonce.decode(),
    }
