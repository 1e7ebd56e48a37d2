"""The protobuf encoding of OTLP, parsed by the compiled runtime and read straight into plain values."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spectral_platform.otel.errors import MalformedBody
from spectral_platform.otel.received import ReceivedSpan, timestamp


def spans(body: bytes) -> Iterator[tuple[dict[str, Any], list[Span]]]:
    """The resources of a request, each with its attributes and its spans."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError:
        raise MalformedBody("The body is not an ExportTraceServiceRequest in protobuf.") from None
    for resource_spans in request.resource_spans:
        attributes = _attributes(resource_spans.resource.attributes)
        yield attributes, [span for scope_spans in resource_spans.scope_spans for span in scope_spans.spans]


def name_of(span: Span) -> str:
    """The span's name, for a rejection to mention."""
    return span.name


def read(span: Span) -> ReceivedSpan:
    """One span as plain values."""
    return ReceivedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        status_code=span.status.code,
        status_message=span.status.message,
        attributes=_attributes(span.attributes),
        events=[
            {"name": event.name, "at": timestamp(event.time_unix_nano), "attributes": _attributes(event.attributes)}
            for event in span.events
        ],
        links=[
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
        ],
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    # Most attributes are strings, and asking for one is twice as fast as asking which kind it is.
    attributes: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        attributes[pair.key] = value.string_value or _value(value)
    return attributes


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return b64encode(value.bytes_value).decode()
    return None if kind is None else getattr(value, kind)
