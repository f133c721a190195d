"""Names to an operation: an attribute chain becomes a path, a verb on it becomes a `Call`.

    wxpay.v3.payscore.partner.serviceorder._out_order_no_.modify.post({...}, out_order_no="1234")
    -> Call(POST, "/v3/payscore/partner/serviceorder/1234/modify", {...})

The names follow the documented JS shape (`outTradeNo`, `_out_trade_no_`) or snake case. A name that the catalogue knows in several
spellings keeps all of them open until a later name or the verb decides; a name that it does not know becomes a segment by the JS rules,
so that an operation published tomorrow works today.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, Protocol, cast
from urllib.parse import quote, unquote

import httpx

from wechatpay_async.errors import RequestError
from wechatpay_async.response import Response
from wechatpay_async.spelling import nearest

# The catalogue is imported by the first chain: importing the package loads none of it.
if TYPE_CHECKING:
    from wechatpay_async.catalog import Operation, TreeNode

__all__ = ["Call", "Caller", "Node", "attribute_names", "documented", "normalise", "root", "whole"]

API = Literal["v2", "v3"]
#: Stands for an argument that was not given, where `None` means something.
NOT_GIVEN: Final = cast("Any", object())

#: The methods that change nothing, however often they are executed.
READS: Final = frozenset({"GET", "HEAD"})

_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}")
_SAFE_LITERAL = "-._~!$&'()*+,;=:@"  # RFC 3986 pchar: what may stand in a segment as it is
_BIGGEST = 1 << 63
_DOT_SEGMENTS = frozenset({".", ".."})
# IPython and Jupyter ask every object for these; they look like placeholders and are none.
_PROBES = ("_ipython_", "_repr_")
# No names of segments: `keys` is how `dict()`, `**` and JSON encoders recognise a mapping, and the others would leave the path.
_NO_NAMES = frozenset({"keys", "", *_DOT_SEGMENTS})
# Segments of these names get a trailing underscore; `delete` is verb and segment in one and needs none.
_METHODS = frozenset({"get", "post", "put", "patch", "stream"})
# Beyond this many names, a node stops keeping its children: somebody is asking for values, not for names.
_CACHED_CHILDREN = 512


@dataclass(frozen=True, slots=True)
class Call:
    """One call, before it is made into a request: what the caller said and what the catalogue knows of it.

    `template` is the path with its placeholders, `path` the same filled and percent-encoded; both as on the wire (APIv2 without `/v2`).
    """

    api: API
    method: str
    template: str
    path: str
    operation: Operation | None = field(default=None, repr=False)
    data: Any = field(default=None, repr=False)  # None: an empty body
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    timeout: Any = field(default=NOT_GIVEN, repr=False)
    file: Any = field(default=None, repr=False)
    filename: str | None = field(default=None, repr=False)
    progress: Callable[[int, int | None], None] | None = field(default=None, repr=False)
    path_values: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def name(self) -> str:
        """`POST /v3/pay/transactions/native`, as logs and errors name the call: never a value in it."""
        return f"{self.method} {self.template}"


class Caller(Protocol):
    """What a chain is bound to: the client."""

    def execute(self, call: Call, /) -> Awaitable[Response[Any]]:
        """Make the call."""
        ...

    def open_stream(self, call: Call, /) -> AbstractAsyncContextManager[httpx.Response]:
        """Make the call and hand out the body as it arrives."""
        ...


class _Position(NamedTuple):
    """One reading of the names so far: its path segments and where the catalogue stands, if it still follows."""

    segments: tuple[str, ...]
    tree: TreeNode | None


class _Route(NamedTuple):
    """What a verb on a node means: computed once, then kept by the node."""

    api: API
    method: str
    template: str
    texts: tuple[str, ...]  # the template around its placeholders: one more than `names`
    names: tuple[str, ...]
    operation: Operation | None


def normalise(name: str) -> str:
    """A name in the chain as a path segment, by the JS rules: `outTradeNo` -> `out-trade-no`, `_out_trade_no_` -> `{out_trade_no}`."""
    if name[:1].isupper():
        name = name[0].lower() + name[1:]
    name = re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
    return re.sub(r"^([$_])(.*)\1$", r"{\2}", name)


def attribute_names(segment: str) -> tuple[str, ...]:
    """The spellings of a catalogued segment as an attribute, the JS one first: `out-trade-no` -> `outTradeNo`, `out_trade_no`."""
    placeholder = _PLACEHOLDER.fullmatch(segment)
    if placeholder:
        return (f"_{placeholder[1]}_",)
    js = re.sub(r"-([a-z])", lambda pair: pair[1].upper(), segment).replace("-", "_")
    snake = segment.replace("-", "_")
    return tuple(dict.fromkeys(f"{name}_" if keyword.iskeyword(name) or name in _METHODS else name for name in (js, snake)))


class Node:
    """A point in the chain. Attributes lead on, verbs make the call.

    Nodes are immutable and bound to one client. `node["text"]` is one literal segment, `node["{name}"]` a placeholder.
    """

    # Children are kept in the instance's __dict__: the next access costs no call of __getattr__.
    __slots__ = ("__dict__", "__weakref__", "_caller", "_positions", "_routes")
    _caller: Caller
    _positions: tuple[_Position, ...]
    _routes: dict[str, _Route]

    def __init__(self, caller: Caller, positions: Iterable[_Position]) -> None:
        set_once = object.__setattr__
        set_once(self, "_caller", caller)
        set_once(self, "_positions", tuple(positions))
        set_once(self, "_routes", {})

    def __getattr__(self, name: str) -> Node:
        private = name.startswith("_") and (not name.endswith("_") or name.startswith(("__", *_PROBES)) or len(name) < 3)
        if private or name in _NO_NAMES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        child = Node(self._caller, _follow(self._positions, name))
        if len(self.__dict__) < _CACHED_CHILDREN:
            self.__dict__[name] = child
        return child

    # `__getitem__` alone would make a node something to iterate over.
    __iter__ = None
    __contains__ = None

    def __getitem__(self, segment: str, /) -> Node:
        """One literal segment, percent-encoded once; `{name}` is a placeholder."""
        return Node(self._caller, _follow_literal(self._positions, segment))

    @property
    def delete(self) -> DeleteNode:
        """The verb DELETE, and the segment `delete`: `receivers.delete.post({...})`."""
        return DeleteNode(self)

    async def get(
        self,
        config: Mapping[str, Any] | None = None,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None = NOT_GIVEN,
        **path: str | int,
    ) -> Response[Any]:
        """GET. Returns the verified answer; raises what `wechatpay_async.errors` lists."""
        return await self._caller.execute(self._call("GET", None, config, params, headers, timeout, path))

    def stream(
        self,
        config: Mapping[str, Any] | None = None,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None = NOT_GIVEN,
        **path: str | int,
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """GET a file as a stream: `async with node.stream(...) as response: async for chunk in response.aiter_bytes(): …`."""
        return self._caller.open_stream(self._call("GET", None, config, params, headers, timeout, path))

    async def post(
        self,
        data: Any = None,
        /,
        config: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None = NOT_GIVEN,
        file: Any = None,
        filename: str | None = None,
        progress: Callable[[int, int | None], None] | None = None,
        **path: str | int,
    ) -> Response[Any]:
        """POST. `data` is the body (nothing sends an empty one, `{}` sends `{}`); `file` makes it an upload."""
        call = self._call("POST", data, config, params, headers, timeout, path, file, filename, progress)
        return await self._caller.execute(call)

    #: Calling a node is `post`, as in the JS shape.
    __call__ = post

    async def put(
        self,
        data: Any = None,
        /,
        config: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None = NOT_GIVEN,
        **path: str | int,
    ) -> Response[Any]:
        """PUT, with the arguments of `post`."""
        return await self._caller.execute(self._call("PUT", data, config, params, headers, timeout, path))

    async def patch(
        self,
        data: Any = None,
        /,
        config: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None = NOT_GIVEN,
        **path: str | int,
    ) -> Response[Any]:
        """PATCH, with the arguments of `post`."""
        return await self._caller.execute(self._call("PATCH", data, config, params, headers, timeout, path))

    def _call(
        self,
        method: str,
        data: Any,
        config: Mapping[str, Any] | None,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        timeout: Any,
        values: Mapping[str, str | int],
        file: Any = None,
        filename: str | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Call:
        route = self._route(method)
        given: dict[str, Any] = dict(values)
        if config is not None:
            params, headers = _merge_config(config, given, params, headers)
        for name, mapping in (("params", params), ("headers", headers)):
            if mapping is not None and not isinstance(mapping, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
                raise RequestError(f"{name}: expected a mapping, got {type(mapping).__name__}", hint=f'{name}={{"name": "value"}}')
        path_values = {name: _value(route, name, given) for name in route.names}
        _refuse_unknown(route, given)
        path = _filled(route, path_values)
        # A path written out, or with placeholders of the caller's own names, may still be a documented one.
        found = route.operation or _match(route, path)
        # Copies of what the caller may change while the call waits: what was checked is sent, and what was sent is asked about later.
        return Call(
            route.api,
            method,
            route.template,
            path,
            found,
            data.copy() if type(data) is dict else data,
            dict(params) if params else {},
            dict(headers) if headers else {},
            timeout,
            file,
            filename,
            progress,
            path_values,
        )

    def _route(self, method: str) -> _Route:
        return self._routes.get(method) or self._routes.setdefault(method, _route(self._positions, method))

    def __dir__(self) -> list[str]:
        known = (segment for position in self._positions if position.tree for segment in position.tree.children)
        names = {name for segment in known for name in attribute_names(segment)}
        return sorted(names | {*_METHODS, "delete"})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __str__(self) -> str:
        return "/".join(self._positions[0].segments)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return self._caller is other._caller and self._positions[0].segments == other._positions[0].segments

    def __hash__(self) -> int:
        return hash((id(self._caller), self._positions[0].segments))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a node is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a node is immutable: cannot delete {name!r}")

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, memo: object) -> Node:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a node is bound to its client and cannot be pickled: keep str(node), and use client.chain(text)")


class DeleteNode(Node):
    """`node.delete`: called, it is the verb DELETE; with a name behind it, the segment `delete`."""

    __slots__ = ("_parent",)
    _parent: Node

    def __init__(self, parent: Node) -> None:
        super().__init__(parent._caller, _follow(parent._positions, "delete"))
        object.__setattr__(self, "_parent", parent)

    async def __call__(  # type: ignore[override]  # a plain node has POST here, and uploads are no DELETE
        self,
        data: Any = None,
        /,
        config: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None = NOT_GIVEN,
        **path: str | int,
    ) -> Response[Any]:
        """DELETE. Where the operation takes a body, `data` is that; otherwise the first mapping is the config, as in the JS shape."""
        parent = self._parent
        route = parent._route("DELETE")
        if route.operation is None and (posting := self._route("POST")).operation is not None:
            return await self._caller.execute(self._call(posting.method, data, config, params, headers, timeout, path))
        takes_body = route.operation is not None and route.operation.body is not None
        if config is None and not takes_body:
            data, config = None, data
        return await self._caller.execute(parent._call("DELETE", data, config, params, headers, timeout, path))


def documented(node: Node) -> list[Operation]:
    """The documented operations at a node, at most one for each method."""
    positions = node._positions  # pyright: ignore[reportPrivateUsage] — a node shows its verbs only, and this is the chain's own module
    found = (_route(positions, method).operation for method in ("GET", "POST", "PUT", "PATCH", "DELETE"))
    return [operation for operation in found if operation is not None]


def root(caller: Caller, api: API) -> Node:
    """`client.v3`, `client.v2`: where the documented chains begin."""
    from wechatpay_async import catalog

    return Node(caller, [_Position((api,), catalog.tree(api))])


def whole(caller: Caller, path: str) -> Node:
    """`client.chain("v3/pay/transactions/id/{transaction_id}")`: a path as it is, in which nothing is rewritten.

    Raises `RequestError` for a path that has a query, a fragment or a dot segment.
    """
    if not isinstance(path, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise RequestError(f"a path is text, got {type(path).__name__}")
    text = path.removeprefix("/")
    if not text or "?" in text or "#" in text or "\\" in text or "://" in text:
        raise RequestError(f"not a path: {path!r}", hint='expected "v3/…" without host, query and fragment; a query goes into params=')
    segments = tuple(_written_out(segment) for segment in text.split("/"))
    if any(not segment for segment in segments[:-1]):
        raise RequestError(f"an empty segment in {path!r}")
    from wechatpay_async import catalog

    tree: TreeNode | None = catalog.tree("v2" if segments[0] == "v2" else "v3") if segments[0] in ("v2", "v3") else None
    for segment in segments[1:]:
        tree = tree.children.get(segment) if tree else None
    return Node(caller, [_Position(segments, tree)])


def _follow(positions: tuple[_Position, ...], name: str) -> list[_Position]:
    """All readings of one more name; by the JS rules where the catalogue has none."""
    spellings = _spellings(name)
    known = [
        _Position((*position.segments, segment), position.tree.children[segment])
        for position in positions
        if position.tree is not None
        for segment in spellings
        if segment in position.tree.children
    ]
    return known or [_Position((*positions[0].segments, _unknown(name)), None)]


def _follow_literal(positions: tuple[_Position, ...], segment: str) -> list[_Position]:
    if not isinstance(segment, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise RequestError(f"a path segment is text, got {type(segment).__name__}", hint=f'["{segment}"]')
    known = [
        _Position((*position.segments, segment), position.tree.children[segment])
        for position in positions
        if position.tree is not None and segment in position.tree.children
    ]
    if known:
        return known
    if not segment or segment in _DOT_SEGMENTS:
        raise RequestError(f"{segment!r} cannot be a path segment")
    return [_Position((*positions[0].segments, segment if _PLACEHOLDER.fullmatch(segment) else quote(segment, safe=_SAFE_LITERAL)), None)]


def _spellings(name: str) -> tuple[str, ...]:
    """The segments that a name may stand for, the most literal first."""
    bare = name[:-1] if name.endswith("_") and not name.startswith("_") else name
    js = normalise(bare)
    return tuple(dict.fromkeys((name, bare, js, js.replace("_", "-"), js.replace("-", "_"))))


def _unknown(name: str) -> str:
    """The segment for a name that the catalogue does not know: the JS rules, and the underscore that frees a keyword."""
    freed = name[:-1]
    if name.endswith("_") and (keyword.iskeyword(freed) or freed in _METHODS):
        return freed
    segment = normalise(name)
    return segment if _PLACEHOLDER.fullmatch(segment) else quote(segment, safe=_SAFE_LITERAL)


def _written_out(segment: str) -> str:
    """A segment of a whole path: kept as it is, but for what cannot stand in a path at all."""
    if unquote(segment) in _DOT_SEGMENTS:
        raise RequestError(f"{segment!r} would leave the path")
    if _PLACEHOLDER.fullmatch(segment):
        return segment
    if re.search(r"%(?![0-9A-Fa-f]{2})", segment):
        raise RequestError(f"a stray % in the segment {segment!r}", hint="percent-encode values, or use a {placeholder}")
    return quote(segment, safe=_SAFE_LITERAL + "%")


def _route(positions: tuple[_Position, ...], method: str) -> _Route:
    """What the verb means here: the first reading whose operation is documented, or else the first."""
    segments, operation = positions[0].segments, None
    for position in positions:
        found, trailing = _documented(position.tree, method)
        if found is not None:
            segments, operation = (*position.segments, *trailing), found
            break
    api: API = "v2" if segments[0] == "v2" else "v3"
    template = "/" + "/".join(segments[1:] if api == "v2" else segments)
    pieces = _PLACEHOLDER.split(template)
    return _Route(api, method, template, tuple(pieces[::2]), tuple(pieces[1::2]), operation)


def _documented(tree: TreeNode | None, method: str) -> tuple[Operation | None, tuple[str, ...]]:
    """The operation at this point, or at its trailing slash: two documented paths end in one."""
    if tree is None:
        return None, ()
    from wechatpay_async import catalog

    if method in tree.methods:
        return catalog.operation(*tree.methods[method]), ()
    slash = tree.children.get("")
    if slash is not None and method in slash.methods:
        return catalog.operation(*slash.methods[method]), ("",)
    return None, ()


def _match(route: _Route, path: str) -> Operation | None:
    from wechatpay_async import catalog

    found = catalog.match(route.method, path, api=route.api)
    return found[0] if found else None


def _merge_config(
    config: Mapping[str, Any],
    given: dict[str, Any],
    params: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None,
) -> tuple[Mapping[str, Any] | None, Mapping[str, str] | None]:
    """Take the second mapping of the JS shape apart: path values go to `given`, the rest is params and headers."""
    if not isinstance(config, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
        raise RequestError(f"config: expected a mapping, got {type(config).__name__}", hint="the body comes first, then the config")
    for name, value in config.items():
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] — callers without a type checker
            raise RequestError(f"config: expected names as text, got {type(name).__name__}")
        if name == "params" and params is None:
            params = value
        elif name == "headers" and headers is None:
            headers = value
        elif name in ("params", "headers") or name in given:
            raise RequestError(f"{name} is given twice: in the config and as a keyword")
        elif name == "timeout":
            raise RequestError("timeout does not go into the config", hint="timeout= is a keyword, in seconds")
        else:
            given[name] = value
    return params, headers


def _value(route: _Route, name: str, given: dict[str, Any]) -> str:
    """Take the value of one placeholder out of `given`, as text. Raises `RequestError` for one that is absent or cannot be a segment."""
    keyword_name = name if name in given else name.replace("-", "_")
    if keyword_name not in given:
        near = nearest(keyword_name, given)
        found = f"; did you mean it by {near[0]!r}?" if near else ""
        raise RequestError(f"{route.method} {route.template}: the path value {name} is missing", hint=f"pass {keyword_name}=…{found}")
    value = given.pop(keyword_name)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise RequestError(f"{name}: expected text or an integer as path value, got {type(value).__name__}")
    if isinstance(value, int) and not -_BIGGEST <= value < _BIGGEST:
        raise RequestError(f"{name}: the integer is beyond 64 bits")
    text = str(value)
    if not text or text in _DOT_SEGMENTS:
        raise RequestError(f"{name}: {text!r} cannot be a path segment")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RequestError(f"{name}: the text has half a surrogate pair", hint="it was decoded wrongly") from None
    return text


def _refuse_unknown(route: _Route, rest: Mapping[str, Any]) -> None:
    if not rest:
        return
    name = next(iter(rest))
    raise RequestError(f"{route.method} {route.template}: unknown argument {name}", hint=_suggestion(route, name))


def _suggestion(route: _Route, name: str) -> str:
    near = nearest(name, [*route.names, "params", "headers", "timeout"])
    if near:
        return f"did you mean {near[0]}?"
    documented = route.operation
    if documented is not None and any(parameter["name"] == name for parameter in documented.query_params):
        return f"{name} is a query parameter: params={{{name!r}: …}}"
    if documented is not None and name in cast("Mapping[str, Any]", documented.body or {}).get("properties", {}):
        return f"{name} is a field of the body: it goes into the first mapping"
    return f"path values here: {', '.join(route.names) or 'none'}; a query goes into params="


def _filled(route: _Route, values: Mapping[str, str]) -> str:
    if not route.names:
        return route.template
    pieces = [route.texts[0]]
    for name, text in zip(route.names, route.texts[1:], strict=True):
        # Nothing but the unreserved characters stays, so no later step sees anything to decode or to encode again.
        pieces += (quote(values[name], safe=""), text)
    return "".join(pieces)
