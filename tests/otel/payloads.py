"""OTLP bodies made by the stock OpenTelemetry SDK and encoder, in both encodings."""

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from spectral_platform.otel.decoding import decode
from spectral_platform.otel.encoding import Encoding
from spectral_platform.traces.spans import SpanDraft

HEX_IDS = ("traceId", "spanId", "parentSpanId")


def recorded(instrumented: Callable[[Tracer], None], resource: Mapping[str, str] | None = None) -> ExportTraceServiceRequest:
    """What the SDK would send for everything that the function traces."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource(resource or {"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumented(provider.get_tracer("tests"))
    provider.shutdown()
    return encode_spans(exporter.get_finished_spans())


def one_span(attributes: Mapping[str, Any], **resource: str) -> ExportTraceServiceRequest:
    """A request with a single span that carries these attributes."""

    def instrumented(tracer: Tracer) -> None:
        tracer.start_span("work", attributes=dict(attributes)).end()

    return recorded(instrumented, {key.replace("_", "."): value for key, value in resource.items()} or None)


def decoded(request: ExportTraceServiceRequest) -> SpanDraft:
    """What becomes of the only span of a request."""
    result = decode(request.SerializeToString(), Encoding.PROTOBUF, None, limit_bytes=1_000_000, now=datetime.now(UTC))
    assert not result.rejections
    (draft,) = result.drafts
    return draft


def draft_of(attributes: Mapping[str, Any], **resource: str) -> SpanDraft:
    """What becomes of a span that carries these attributes."""
    return decoded(one_span(attributes, **resource))


def as_json(request: ExportTraceServiceRequest, *, snake_case: bool = False) -> bytes:
    """The request in OTLP's JSON encoding: protobuf's own, but with ids in hex."""
    document = MessageToDict(request, preserving_proto_field_name=False)
    _hex_ids(document)
    return json.dumps(_snake_keys(document) if snake_case else document).encode()


def _hex_ids(value: Any) -> None:
    if isinstance(value, dict):
        for key in HEX_IDS:
            if key in value:
                value[key] = b64decode(value[key]).hex()
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _hex_ids(item)


def _snake_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key): _snake_keys(item)
            for key, item in value.items()
        }
    return [_snake_keys(item) for item in value] if isinstance(value, list) else value
