"""Sensitive fields: which values of an operation travel encrypted, and sealing and unsealing them at any depth.

Source: https://pay.weixin.qq.com/doc/v3/merchant/4013053257. The catalogue marks the fields (`"sensitive": true`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from wechatpay_async.crypto import rsa
from wechatpay_async.errors import DecryptionError, InvalidData
from wechatpay_async.protocol.sealed import Sealed

if TYPE_CHECKING:
    from wechatpay_async.catalog import Event, Operation
    from wechatpay_async.catalog.model import Value

#: Opens one base64 ciphertext. Raises `DecryptionError`.
Decrypt: TypeAlias = Callable[[str], bytes]

_QUERY_ROOT = "$query"


@dataclass(frozen=True, slots=True)
class Encryption:
    """How values are sealed: for whom, and how many bytes of UTF-8 one value can have."""

    encrypt: Callable[[bytes], str] = field(repr=False)
    limit: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the sensitive values of one body lie: this value itself, some of its fields, or its items."""

    sensitive: bool = False
    fields: Mapping[str, Plan] = field(default_factory=dict[str, "Plan"])
    items: Plan | None = None


def oaep_encryption(key: RSAPublicKey) -> Encryption:
    """Sealing for the owner of `key`: RSA-OAEP, 214 bytes at most for 2,048 bits."""
    return Encryption(lambda plaintext: rsa.oaep_encrypt(key, plaintext), rsa.oaep_limit(key))


def oaep_decryption(key: RSAPrivateKey) -> Decrypt:
    """Unsealing with the merchant's private key: RSA-OAEP."""
    return lambda ciphertext: rsa.oaep_decrypt(key, ciphertext)


def pkcs1v15_decryption_by_explicit_choice(key: RSAPrivateKey) -> Decrypt:
    """Unsealing what the old international API sealed, with its padding of PKCS#1 v1.5.

    That padding is an oracle risk: never let anybody who can send ciphertexts see whether this succeeds.
    """
    return lambda ciphertext: rsa.pkcs1v15_decrypt_by_explicit_choice(key, ciphertext)


@cache
def body_plan(operation: Operation) -> Plan | None:
    """The plan of the request body; None where nothing in it is sensitive."""
    return compile_plan(operation.body)


@cache
def form_plan(operation: Operation) -> Plan | None:
    """The plan of an upload's `meta`, before it is made a JSON text."""
    return _merge(compile_plan(part.get("contentSchema", part)) for part in operation.form if part["name"] == "meta")


@cache
def query_plan(operation: Operation) -> Plan | None:
    """The plan of the query parameters, as a mapping by their names."""
    plans = {parameter["name"]: compile_plan(parameter) for parameter in operation.query_params}
    fields = {name: plan for name, plan in plans.items() if plan is not None}
    return Plan(fields=fields) if fields else None


@cache
def answer_plan(operation: Operation, status: int) -> Plan | None:
    """The plan of the answer's body under this HTTP status."""
    return compile_plan(operation.responses.get(str(status)))


@cache
def event_plan(event: Event) -> Plan | None:
    """The plan of a notification's decrypted resource: some of its fields are encrypted once more."""
    return compile_plan(event.resource)


def compile_plan(schema: Value | None) -> Plan | None:
    """The plan of one schema, alternatives (`anyOf`) taken together; None where nothing in it is sensitive."""
    if schema is None:
        return None
    compiled = {name: compile_plan(part) for name, part in schema.get("properties", {}).items()}
    own = Plan(
        sensitive=schema.get("sensitive", False),
        fields={name: plan for name, plan in compiled.items() if plan is not None},
        items=compile_plan(schema.get("items")),
    )
    return _merge([own if own != Plan() else None, *(compile_plan(part) for part in schema.get("anyOf", []))])


def seal(data: Any, plan: Plan | None, encryption: Encryption, *, root: str = "$") -> Any:
    """A copy of `data` in which the plan's values are encrypted. `data` is never changed.

    Empty text, `None` and `Sealed` values stay as they are. `root` begins the paths in errors.
    Raises `InvalidData` for a value that is no text, or too long for the key.
    """
    return _rewrite(data, plan, root, lambda value, path: _seal_value(value, encryption, path))


def seal_query(params: Mapping[str, Any], plan: Plan | None, encryption: Encryption) -> dict[str, Any]:
    """A copy of the query parameters in which the plan's values are encrypted; a parameter may be a list of values."""
    sealed = dict(params)
    for name, part in plan.fields.items() if plan is not None else ():
        value = sealed.get(name)
        if isinstance(value, (list, tuple)) and part.sensitive:
            part = Plan(items=part)
        if name in sealed:
            sealed[name] = seal(value, part, encryption, root=f"{_QUERY_ROOT}.{name}")
    return sealed


def seal_text(text: str, encryption: Encryption, *, path: str = "$") -> Sealed:
    """One text, encrypted. Raises `InvalidData` where it is too long for the key, or no text."""
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise InvalidData(path, f"a sensitive value is text, got {type(text).__name__}")
    return Sealed(_seal_value(text, encryption, path))


def unseal(data: Any, plan: Plan | None, decrypt: Decrypt, *, root: str = "$") -> Any:
    """A copy of `data` in which the plan's values are decrypted. Empty text and `None` stay as they are.

    Raises `DecryptionError` whose `field` is the path of the value that does not open.
    """
    return _rewrite(data, plan, root, lambda value, path: _unseal_value(value, decrypt, path))


def unseal_text(ciphertext: str, decrypt: Decrypt, *, path: str | None = None) -> str:
    """One text, decrypted. Raises `DecryptionError`."""
    if not isinstance(ciphertext, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise DecryptionError(f"expected a ciphertext, got {type(ciphertext).__name__}", field=path)
    text: str = _unseal_value(ciphertext, decrypt, path)
    return text


def count(data: Any, plan: Plan | None) -> int:
    """How many values the plan finds in `data`: each costs a private-key operation (about 0.7 ms) to unseal."""
    if plan is None:
        return 0
    return sum(1 for _ in _values(data, plan))


def _merge(plans: Iterable[Plan | None]) -> Plan | None:
    merged: Plan | None = None
    for plan in plans:
        if merged is None or plan is None:
            merged = merged or plan
            continue
        names = dict.fromkeys([*merged.fields, *plan.fields])
        merged = Plan(
            sensitive=merged.sensitive or plan.sensitive,
            fields={name: part for name in names if (part := _merge([merged.fields.get(name), plan.fields.get(name)]))},
            items=_merge([merged.items, plan.items]),
        )
    return merged


def _rewrite(data: Any, plan: Plan | None, path: str, change: Callable[[Any, str], Any]) -> Any:
    """A copy of `data` along the plan; what the plan does not reach is shared with the original."""
    if plan is None:
        return data
    if isinstance(data, Mapping) and plan.fields:
        fields = dict(cast("Mapping[str, Any]", data))
        for name, part in plan.fields.items():
            if name in fields:
                fields[name] = _rewrite(fields[name], part, f"{path}.{name}", change)
        return fields
    if isinstance(data, (list, tuple)) and plan.items:
        items = cast("Sequence[Any]", data)
        return [_rewrite(item, plan.items, f"{path}[{place}]", change) for place, item in enumerate(items)]
    return change(cast("object", data), path) if plan.sensitive else cast("object", data)


def _values(data: Any, plan: Plan) -> Iterator[str]:
    if isinstance(data, Mapping):
        for name, part in plan.fields.items():
            yield from _values(cast("Mapping[str, Any]", data).get(name), part)
    elif isinstance(data, (list, tuple)) and plan.items:
        for item in cast("Sequence[Any]", data):
            yield from _values(item, plan.items)
    elif isinstance(data, str) and data and plan.sensitive:
        yield data


def _seal_value(value: Any, encryption: Encryption, path: str) -> Any:
    if value is None or isinstance(value, Sealed) or value == "":
        return value
    if not isinstance(value, str):
        raise InvalidData(path, f"a sensitive field is text, got {type(value).__name__}", hint="convert it with str()")
    try:
        plaintext = value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidData(path, "it is no valid Unicode text", hint="half a surrogate pair: the text was cut or decoded wrongly") from None
    if len(plaintext) > encryption.limit:
        raise InvalidData(
            path,
            f"{len(plaintext)} bytes are too long to encrypt, {encryption.limit} are the most",
            hint="a value that is encrypted already is passed as Sealed(value)",
        )
    return encryption.encrypt(plaintext)


def _unseal_value(value: Any, decrypt: Decrypt, path: str | None) -> Any:
    if value is None or value == "":
        return value
    if not isinstance(value, str):
        raise DecryptionError(f"expected a ciphertext, got {type(value).__name__}", field=path)
    try:
        return decrypt(value).decode("utf-8")
    except UnicodeDecodeError:
        raise DecryptionError("it opens, but to no UTF-8 text", hint="was it encrypted for this merchant?", field=path) from None
    except DecryptionError as error:
        raise DecryptionError(error.message, hint=error.hint, field=path) from None
