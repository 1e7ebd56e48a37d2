"""Stored spans as OTLP/JSON again: what a receiver of ``ExportTraceServiceRequest`` makes the same spans of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from spectral_platform.otel.received import KINDS
from spectral_platform.traces.models import Span
from spectral_platform.traces.reports import DIALECT
from spectral_platform.traces.spans import SpanStatus

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
STATUS_CODES = {SpanStatus.UNSET: 0, SpanStatus.OK: 1, SpanStatus.ERROR: 2}
NUMBERS = {name: number for number, name in KINDS.items()}
COUNTS = {
    "dropped_attributes_count": "droppedAttributesCount",
    "dropped_events_count": "droppedEventsCount",
    "dropped_links_count": "droppedLinksCount",
    "flags": "flags",
    "trace_state": "traceState",
}
"""Facts that are written as they are, under the names that JSON has for them."""


def request_of(spans: Iterable[Span]) -> dict[str, Any]:
    """One request with these spans, by the resources and scopes that they came from."""
    resources: dict[bytes, dict[bytes, list[Span]]] = defaultdict(lambda: defaultdict(list))
    for span in spans:
        resource = orjson.dumps({"attributes": span.resource, "facts": span.otlp.get("resource") or {}})
        resources[resource][orjson.dumps(span.scope)].append(span)
    return {"resourceSpans": [_resource(scopes=scopes, **orjson.loads(key)) for key, scopes in resources.items()]}


def _resource(attributes: Mapping[str, Any], facts: Mapping[str, Any], scopes: Mapping[bytes, list[Span]]) -> dict[str, Any]:
    references = [
        {
            "type": each.get("type", ""),
            "idKeys": each.get("id_keys", []),
            "descriptionKeys": each.get("description_keys", []),
            "schemaUrl": each.get("schema_url", ""),
        }
        for each in facts.get("entity_refs", ())
    ]
    return {
        "resource": {
            "attributes": _attributes(attributes),
            **_counts(facts),
            **({"entityRefs": references} if references else {}),
        },
        "scopeSpans": [_scope(orjson.loads(key), spans) for key, spans in scopes.items()],
        **_schema(facts),
    }


def _scope(facts: Mapping[str, Any], spans: Iterable[Span]) -> dict[str, Any]:
    named = {name: facts[name] for name in ("name", "version") if name in facts}
    return {
        "scope": {**named, "attributes": _attributes(facts.get("attributes", {})), **_counts(facts)},
        "spans": [_span(span) for span in spans],
        **_schema(facts),
    }


def _span(span: Span) -> dict[str, Any]:
    facts = span.otlp
    status: dict[str, Any] = {"code": STATUS_CODES[span.status]}
    if span.status_message:
        status["message"] = span.status_message
    kind = facts.get("kind", 0)
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        **({"parentSpanId": span.parent_span_id} if span.parent_span_id else {}),
        "name": span.name,
        "kind": NUMBERS.get(kind, kind),
        "startTimeUnixNano": str(facts.get("start_time_unix_nano") or _nanoseconds(span.started_at)),
        "endTimeUnixNano": str(facts.get("end_time_unix_nano") or _nanoseconds(span.ended_at)),
        "attributes": _attributes(span.attributes | _told_in_words(span)),
        "events": [_event(event) for event in span.events],
        "links": [_link(link) for link in span.links],
        "status": status,
        **_counts(facts),
    }


def _told_in_words(span: Span) -> dict[str, Any]:
    """What a trace told without OpenTelemetry has beyond attributes, as OpenInference names it."""
    if span.dialect != DIALECT:
        return {}
    told: dict[str, Any] = {"openinference.span.kind": span.kind.upper(), "input.value": span.input, "output.value": span.output}
    told["tag.tags"] = list(span.tags) or None
    return {name: value for name, value in told.items() if value is not None}


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": event["name"],
        "timeUnixNano": str(_nanoseconds_of(event["at"])),
        "attributes": _attributes(event.get("attributes", {})),
        **_counts(event),
    }


def _link(link: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "traceId": link["trace_id"],
        "spanId": link["span_id"],
        "attributes": _attributes(link.get("attributes", {})),
        **_counts(link),
    }


def _counts(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {written: facts[name] for name, written in COUNTS.items() if name in facts}


def _schema(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"schemaUrl": facts["schema_url"]} if "schema_url" in facts else {}


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case str():
            return {"stringValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case dict():
            return {"kvlistValue": {"values": _attributes(value)}}
    return {}


def _nanoseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND * 1_000


def _nanoseconds_of(moment: str) -> int:
    """A time in RFC 3339, whose fraction may have nine digits."""
    seconds, _, fraction = moment.removesuffix("Z").partition(".")
    return _nanoseconds(datetime.fromisoformat(f"{seconds}+00:00")) + int(fraction[:9].ljust(9, "0") or 0)
