"""The protobuf encoding of OTLP, parsed by the compiled runtime and read straight into plain values."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError

from spectral_platform.otel.errors import MalformedBody, RefusedSpan
from spectral_platform.otel.messages import AnyValue, ExportTraceServiceRequest, KeyValue
from spectral_platform.otel.received import Facts, ReceivedSpan, beyond, check_depth, number, stated, timestamp

LONGEST_REPEATED = 128
"""Attributes of up to so many bytes are remembered, because the next span is likely to have some of them too."""
MOST_REMEMBERED = 20_000
LONGEST_TOLD = 10_000
NAMED, TEXT = 0x0A, b"\x12\x0a"
"""The tags of an attribute's name, of its value, and of a text in a value."""


class ProtobufRequest:
    """A request in protobuf."""

    def __init__(self, body: bytes) -> None:
        try:
            self._request = ExportTraceServiceRequest.FromString(body)
        except DecodeError:
            raise MalformedBody("The body is not an ExportTraceServiceRequest in protobuf.") from None

    def groups(self) -> Iterator[tuple[Any, Any, Sequence[Any]]]:
        """Every resource and scope with its spans."""
        for resource_spans in self._request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                yield resource_spans, scope_spans, scope_spans.spans

    def read_resource(self, resource: Any) -> tuple[dict[str, Any], Facts]:
        """The attributes of a resource and what else is said of it."""
        said = resource.resource
        return _attributes(said.attributes), stated(
            dropped_attributes_count=said.dropped_attributes_count,
            entity_refs=[_entity(each) for each in said.entity_refs],
            schema_url=_text(resource.schema_url),
        )

    def read_scope(self, scope: Any) -> Facts:
        """The instrumentation scope."""
        said = scope.scope
        return stated(
            name=_text(said.name),
            version=_text(said.version),
            attributes=_attributes(said.attributes),
            dropped_attributes_count=said.dropped_attributes_count,
            schema_url=_text(scope.schema_url),
        )

    def name_of(self, span: Any) -> str:
        """The span's name, for a rejection to mention."""
        return _text(span.name)

    def read(self, span: Any) -> ReceivedSpan:
        """One span as plain values."""
        started_ns, ended_ns, status = span.start_time_unix_nano, span.end_time_unix_nano, span.status
        events, links = span.events, span.links
        return ReceivedSpan(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            _text(span.name),
            started_ns,
            ended_ns,
            status.code,
            _text(message) if (message := status.message) else "",
            _attributes(span.attributes),
            [self._event(event) for event in events] if events else [],
            [self._link(link) for link in links] if links else [],
            beyond(
                span.kind,
                span.flags,
                _text(state) if (state := span.trace_state) else "",
                (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count),
                started_ns,
                ended_ns,
            ),
        )

    def _event(self, event: Any) -> dict[str, Any]:
        return {
            "name": _text(event.name),
            "at": timestamp(event.time_unix_nano),
            "attributes": _attributes(event.attributes),
            **stated(dropped_attributes_count=event.dropped_attributes_count),
        }

    def _link(self, link: Any) -> dict[str, Any]:
        return {
            "trace_id": link.trace_id.hex(),
            "span_id": link.span_id.hex(),
            "attributes": _attributes(link.attributes),
            **stated(
                trace_state=_text(link.trace_state),
                flags=link.flags,
                dropped_attributes_count=link.dropped_attributes_count,
            ),
        }


def _attribute(pair: bytes, depth: int = 0) -> tuple[str, Any]:
    if len(pair) > 2:  # most are texts under a short name, and the parser takes twice as long to tell which
        named = 2 + pair[1]
        between = _between(len(pair) - named)
        if pair[0] == NAMED and named < 130 and pair.startswith(between, named):
            return _name(pair[2:named]), str(pair[named + len(between) :], "utf-8", "replace")
    try:
        read = KeyValue.FromString(pair)
    except DecodeError:
        raise RefusedSpan("an attribute is not a KeyValue") from None
    value = read.value
    # Most attributes are strings, and asking for one is twice as fast as asking which kind it is.
    text = value.string_value
    return str(read.key, "utf-8", "replace"), str(text, "utf-8", "replace") if text else _value(value, depth)


@lru_cache(maxsize=LONGEST_TOLD)
def _between(length: int) -> bytes | tuple[()]:
    """What stands between the name of an attribute and a text, where it and the text take so many bytes; nothing fits some."""
    for size in range(4, min(length, 12) + 1):
        text = _varint(length - size)
        between = TEXT[:1] + _varint(1 + len(text) + length - size) + TEXT[1:] + text
        if len(between) == size:
            return between
    return ()


def _varint(number: int) -> bytes:
    """A number as protobuf writes it: seven bits a byte, the lowest first."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


@lru_cache(maxsize=MOST_REMEMBERED)
def _name(name: bytes) -> str:
    return _text(name)


def _value(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return None
        case "string_value":
            return _text(value.string_value)
        case "double_value":
            return number(value.double_value)
        case "bytes_value":
            return b64encode(value.bytes_value).decode()
        case "array_value":
            check_depth(depth)
            return [_item(item, depth + 1) for item in value.array_value.values]
        case "kvlist_value":
            check_depth(depth)
            # Not from what is remembered: what is allowed at the top may be nested too deeply further down.
            return dict(_attribute(pair, depth + 1) for pair in value.kvlist_value.values)
    return getattr(value, kind)


def _item(item: bytes, depth: int) -> Any:
    try:
        return _value(AnyValue.FromString(item), depth)
    except DecodeError:
        raise RefusedSpan("an item of an attribute is not an AnyValue") from None


class _Remembered(dict[bytes, tuple[str, Any]]):
    """What attributes say, whoever sent them: a name and a value that nobody may change. What is not there is read."""

    def __missing__(self, pair: bytes) -> tuple[str, Any]:
        read = _attribute(pair)
        if len(pair) <= LONGEST_REPEATED:
            if len(self) >= MOST_REMEMBERED:
                self.clear()
            self[pair] = read
        return read


_read = _Remembered().__getitem__


def _attributes(pairs: Iterable[bytes]) -> dict[str, Any]:
    """Attributes at the top: of a resource, a scope, a span, an event or a link."""
    return dict(map(_read, pairs))


def _text(text: bytes) -> str:
    """What cuts texts to a length may cut a character in two; its rest must not cost the span."""
    return str(text, "utf-8", "replace")


def _entity(reference: Any) -> dict[str, Any]:
    return stated(
        type=_text(reference.type),
        id_keys=[_text(key) for key in reference.id_keys],
        description_keys=[_text(key) for key in reference.description_keys],
        schema_url=_text(reference.schema_url),
    )
