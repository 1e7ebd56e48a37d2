"""Requests made field by field, and what becomes of them in either encoding."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from spectral_platform.otel.decoding import Decoded, decode
from spectral_platform.otel.encoding import Encoding
from tests.otel.payloads import as_json

LIMIT = 50_000_000
TRACE_ID = bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736")
SPAN_ID = bytes.fromhex("00f067aa0ba902b7")
OTHER_ID = bytes.fromhex("b7ad6b7169203331")
START = time.time_ns() // 1000 * 1000
END = START + 1_000_000

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What a sentence of the specification asks for, in our own words, and how we see whether it is so."""

    sentence: str
    given: Any
    expected: Any


def ids_of(cases: Sequence[Case]) -> list[str]:
    """The names of the cases."""
    return [case.sentence for case in cases]


def any_value(value: Any) -> AnyValue:
    """A plain value as OTLP has it; None is the value that is absent."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))
    return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes as OTLP has them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def span(with_attributes: Mapping[str, Any] | None = None, **fields: Any) -> Span:
    """A good span, but for the fields given."""
    good: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "name": "work",
        "start_time_unix_nano": START,
        "end_time_unix_nano": END,
        "attributes": pairs(with_attributes or {}),
    }
    return Span(**good | fields)


def request(
    *spans: Span,
    resource: Resource | None = None,
    resource_url: str = "",
    scope: InstrumentationScope | None = None,
    scope_url: str = "",
) -> ExportTraceServiceRequest:
    """A request with these spans; without any, with a good one."""
    scoped = ScopeSpans(spans=spans or [span()], scope=scope, schema_url=scope_url)
    group = ResourceSpans(resource=resource, scope_spans=[scoped], schema_url=resource_url)
    return ExportTraceServiceRequest(resource_spans=[group])


def read(body: bytes, encoding: Encoding) -> Decoded:
    """What is in a body."""
    return decode(body, encoding, None, limit_bytes=LIMIT, now=datetime.now(UTC))


def decoded(message: ExportTraceServiceRequest, encoding: Encoding) -> Decoded:
    """What becomes of a request in an encoding."""
    return read(message.SerializeToString() if encoding is Encoding.PROTOBUF else as_json(message), encoding)


def json_span(**fields: Any) -> Json:
    """A good span in JSON, but for the fields given; None leaves a field out."""
    good: Json = {
        "traceId": TRACE_ID.hex(),
        "spanId": SPAN_ID.hex(),
        "name": "work",
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(END),
    }
    return {name: value for name, value in (good | fields).items() if value is not None}


def json_request(*spans: Any) -> bytes:
    """A request in JSON with these spans and, last, a good one of the name ``good``."""
    good = json_span(spanId=OTHER_ID.hex(), name="good")
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [*spans, good]}]}]}).encode()
