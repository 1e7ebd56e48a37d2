"""The JSON encoding of OTLP: hex ids, camel or snake case, integers as strings or numbers, unknown fields ignored."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from spectral_platform.otel.errors import MalformedBody, RefusedSpan
from spectral_platform.otel.json_values import attributes_in, count_in, enum_in, id_in, list_in, object_in, text_in, time_in
from spectral_platform.otel.mending import mended
from spectral_platform.otel.received import KINDS, Dropped, Facts, ReceivedSpan, beyond, stated, timestamp

STATUS_CODES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
SPAN_KINDS = {f"SPAN_KIND_{name.upper()}": kind for kind, name in KINDS.items()}

DROPPED = frozenset(
    spelt for part in ("Attributes", "Events", "Links") for spelt in (f"dropped{part}Count", f"dropped_{part.lower()}_count")
)
"""The fields that count what a sender left out; few spans have any."""


class JsonRequest:
    """A request in JSON. Anything of the wrong type inside a span refuses this span only."""

    def __init__(self, body: bytes) -> None:
        self._request = _parse(body)

    def groups(self) -> Iterator[tuple[Any, Any, Sequence[Any]]]:
        """Every resource and scope with its spans."""
        try:
            for resource_spans in list_in(object_in(self._request), "resourceSpans", "resource_spans"):
                for scope_spans in list_in(object_in(resource_spans), "scopeSpans", "scope_spans"):
                    yield resource_spans, scope_spans, list_in(object_in(scope_spans), "spans")
        except RefusedSpan as error:
            raise MalformedBody(f"The body is not an ExportTraceServiceRequest in JSON: {error}.") from None

    def read_resource(self, resource: Any) -> tuple[dict[str, Any], Facts]:
        """The attributes of a resource and what else is said of it."""
        said = object_in(resource.get("resource") or {})
        return attributes_in(list_in(said, "attributes")), stated(
            dropped_attributes_count=count_in(said, "droppedAttributesCount", "dropped_attributes_count"),
            entity_refs=[_entity(object_in(each)) for each in list_in(said, "entityRefs", "entity_refs")],
            schema_url=text_in(resource, "schemaUrl", "schema_url"),
        )

    def read_scope(self, scope: Any) -> Facts:
        """The instrumentation scope."""
        said = object_in(scope.get("scope") or {})
        return stated(
            name=text_in(said, "name"),
            version=text_in(said, "version"),
            attributes=attributes_in(list_in(said, "attributes")),
            dropped_attributes_count=count_in(said, "droppedAttributesCount", "dropped_attributes_count"),
            schema_url=text_in(scope, "schemaUrl", "schema_url"),
        )

    def name_of(self, span: Any) -> str:
        """The span's name, for a rejection to mention."""
        return str(span.get("name") or "") if isinstance(span, dict) else ""

    def read(self, span: Any) -> ReceivedSpan:
        """One span as plain values."""
        span = object_in(span)
        status = object_in(span.get("status") or {})
        started_ns = time_in(span, "startTimeUnixNano", "start_time_unix_nano")
        ended_ns = time_in(span, "endTimeUnixNano", "end_time_unix_nano")
        return ReceivedSpan(
            id_in(span, "traceId", "trace_id"),
            id_in(span, "spanId", "span_id"),
            id_in(span, "parentSpanId", "parent_span_id"),
            text_in(span, "name"),
            started_ns,
            ended_ns,
            enum_in(status.get("code"), STATUS_CODES),
            text_in(status, "message"),
            attributes_in(list_in(span, "attributes")),
            [_event(object_in(event)) for event in list_in(span, "events")],
            [_link(object_in(link)) for link in list_in(span, "links")],
            beyond(
                enum_in(span.get("kind"), SPAN_KINDS),
                count_in(span, "flags"),
                text_in(span, "traceState", "trace_state"),
                (0, 0, 0) if DROPPED.isdisjoint(span) else _dropped(span),
                started_ns,
                ended_ns,
            ),
        )


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return orjson.loads(mended(body))
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from None


def _dropped(span: dict[str, Any]) -> Dropped:
    return (
        count_in(span, "droppedAttributesCount", "dropped_attributes_count"),
        count_in(span, "droppedEventsCount", "dropped_events_count"),
        count_in(span, "droppedLinksCount", "dropped_links_count"),
    )


def _event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": text_in(event, "name"),
        "at": timestamp(time_in(event, "timeUnixNano", "time_unix_nano")),
        "attributes": attributes_in(list_in(event, "attributes")),
        **stated(dropped_attributes_count=count_in(event, "droppedAttributesCount", "dropped_attributes_count")),
    }


def _link(link: dict[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": id_in(link, "traceId", "trace_id"),
        "span_id": id_in(link, "spanId", "span_id"),
        "attributes": attributes_in(list_in(link, "attributes")),
        **stated(
            trace_state=text_in(link, "traceState", "trace_state"),
            flags=count_in(link, "flags"),
            dropped_attributes_count=count_in(link, "droppedAttributesCount", "dropped_attributes_count"),
        ),
    }


def _entity(reference: dict[str, Any]) -> dict[str, Any]:
    return stated(
        type=text_in(reference, "type"),
        id_keys=[str(key) for key in list_in(reference, "idKeys", "id_keys")],
        description_keys=[str(key) for key in list_in(reference, "descriptionKeys", "description_keys")],
        schema_url=text_in(reference, "schemaUrl", "schema_url"),
    )
