"""Types of the notifications: a `TypedDict` for each decrypted resource, and the overloads that lead from a name to it."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment

from wechatpay_async import catalog
from wechatpay_async.catalog import API, Event, Schema

from .names import camel
from .shapes import Source
from .typed_dicts import Definition, Wire, define_whole

__all__ = ["event_sources", "events_stub"]

#: The fields of an APIv2 notification that hold another message, encrypted.
CIPHERTEXTS = ("event_ciphertext", "req_info")


@dataclass(frozen=True)
class TypedEvent:
    """A notification and the `TypedDict` of what it says, or none where nothing is published."""

    event: Event
    definitions: tuple[Definition, ...]
    resource: str | None


def event_sources() -> list[Source]:
    """What is defined for `types.events` and `types.v2_events`."""
    by_module = {"events": _typed("v3"), "v2_events": _typed("v2")}
    return [Source(name, tuple(each for event in events for each in event.definitions)) for name, events in by_module.items()]


def events_stub(templates: Environment) -> str:
    """The text of `events/__init__.pyi`."""
    v3, v2 = _typed("v3"), _typed("v2")
    names = dict.fromkeys(each.event.event for each in v3 + v2)
    return templates.get_template("events.pyi.jinja").render(events=v3, names=names)


def _typed(api: API) -> list[TypedEvent]:
    return [_v3_event(event) if api == "v3" else _v2_event(event) for event in catalog.events() if event.api == api]


def _v3_event(event: Event) -> TypedEvent:
    if not event.resource.get("properties"):
        return TypedEvent(event, (), None)
    name = f"{camel(event.event)}Resource"
    return TypedEvent(event, _defined(name, event, event.resource, Wire(xml=False, request=False)), name)


def _v2_event(event: Event) -> TypedEvent:
    """An APIv2 notification is one message; where that has a ciphertext, the message inside is the resource."""
    wire = Wire(xml=True, request=False)
    properties = event.resource.get("properties", {})
    encrypted = next((name for name in CIPHERTEXTS if name in properties), None)
    if encrypted is None:
        name = f"V2{camel(event.event)}Notification"
        return TypedEvent(event, _defined(name, event, event.resource, wire), name)
    name, envelope = f"V2{camel(event.event)}Resource", f"V2{camel(event.event)}Envelope"
    inside = properties[encrypted].get("contentSchema", {})
    outside: Schema = {**event.resource, "properties": {**properties, encrypted: {"type": "string", "title": "密文"}}}
    return TypedEvent(event, (*_defined(name, event, inside, wire), *_defined(envelope, event, outside, wire)), name)


def _defined(name: str, event: Event, schema: Schema, wire: Wire) -> tuple[Definition, ...]:
    return tuple(define_whole(name, schema, f"{event.title}: {event.event}", wire))
