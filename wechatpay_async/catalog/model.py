"""The shapes of a fact: schema, parameter, operation, event, and the tree of path segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias, TypedDict, cast

__all__ = ["API", "Event", "Operation", "OperationKey", "Parameter", "Schema", "SchemaType", "TreeNode", "Value"]

API = Literal["v2", "v3"]
SchemaType = Literal["string", "integer", "number", "boolean", "object", "array", "file"]


class _Value(TypedDict, total=False):
    """What a value must look like: the part of JSON Schema that the facts use, and two marks of WeChat Pay."""

    type: SchemaType
    title: str
    enum: list[str | int]
    format: str
    maxLength: int
    minLength: int
    maximum: int
    minimum: int
    maxItems: int
    minItems: int
    pattern: str
    #: An example value, as the official page prints it.
    example: str | int | float | bool | list[object] | dict[str, object]
    #: APIv2: the value stands in a CDATA section.
    cdata: bool
    #: The value travels RSA-OAEP encrypted.
    sensitive: bool


class Schema(_Value, total=False):
    """A value of a body; `required` lists the properties that must be there."""

    properties: dict[str, Schema]
    required: list[str]
    items: Schema
    anyOf: list[Schema]
    #: The document inside a string that carries JSON (or, once decrypted, XML) as text.
    contentSchema: Schema


class _Parameter(_Value, total=False):
    properties: dict[str, Schema]
    items: Schema
    anyOf: list[Schema]
    contentSchema: Schema


class Parameter(_Parameter):
    """A named value of the path, the query, the headers or an upload form; `required` says of itself whether it must be there."""

    name: str
    required: bool


#: Whatever describes a value.
Value: TypeAlias = Schema | Parameter


class OperationKey(NamedTuple):
    """What finds an operation: `operation(*key)`."""

    api: API
    method: str
    path: str


def _without_mark(parameter: Parameter) -> Schema:
    return cast("Schema", {key: value for key, value in parameter.items() if key not in ("name", "required")})


_FILLED_BY_CLIENT = frozenset({"sign", "sign_type", "nonce_str", "mch_id", "mchid", "combine_mch_id", "workwx_sign"})


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One documented operation.

    `path` is the template as on the wire, `/v3/pay/transactions/id/{transaction_id}`; APIv2 paths have no `/v2`.
    `service` names its data file. `base_url` is set where another host than `https://api.mch.weixin.qq.com` is called.
    `form` is not empty for a multipart upload, `download` says that the body of the answer is a file.
    """

    api: API
    method: str
    path: str
    service: str
    title: str
    tags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    docs: tuple[str, ...] = ()
    base_url: str | None = None
    path_params: tuple[Parameter, ...] = ()
    query_params: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    form: tuple[Parameter, ...] = ()
    body: Schema | None = None
    responses: Mapping[str, Schema | None] = field(default_factory=dict[str, "Schema | None"])
    client_cert: bool = False
    nonce: bool = True
    response_signed: bool = True
    download: bool = False
    deprecated: bool = False
    consumes: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`POST /v3/pay/transactions/native`."""
        return f"{self.method} {self.path}"

    @property
    def docs_url(self) -> str | None:
        """The first official page, where one is known."""
        return self.docs[0] if self.docs else None

    @property
    def query_schema(self) -> Schema:
        """The query as one object."""
        properties = {parameter["name"]: _without_mark(parameter) for parameter in self.query_params}
        return {"type": "object", "properties": properties, "required": [each["name"] for each in self.query_params if each["required"]]}

    @property
    def client_filled(self) -> frozenset[str]:
        """The APIv2 fields that the client fills in itself: nobody has to give them, though the operation requires them."""
        return _FILLED_BY_CLIENT if self.api == "v2" else frozenset()

    @property
    def is_upload(self) -> bool:
        """The body is multipart/form-data."""
        return bool(self.form)


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One documented notification.

    `event` is its `event_type`; an APIv2 notification without one has a made-up kebab name. `resource` is the schema of the decrypted
    resource (APIv2: of the whole body); it is empty where nothing is published.
    """

    api: API
    event: str
    title: str
    original_types: tuple[str, ...]
    resource: Schema
    docs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TreeNode:
    """One path segment of the documented paths.

    `children` goes by the segment as documented, placeholders in braces (`{transaction_id}`); a path that ends in a slash has a last
    segment "". `methods` are those that the path up to here has.
    """

    segment: str
    children: Mapping[str, TreeNode]
    methods: Mapping[str, OperationKey]
