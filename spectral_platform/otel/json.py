"""The JSON encoding of OTLP: hex ids, camel or snake case, integers as strings or numbers, unknown fields ignored."""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from spectral_platform.otel.errors import MalformedBody, RefusedSpan
from spectral_platform.otel.received import DEEPEST, ReceivedSpan, timestamp

ESCAPE = re.compile(
    rb"""(?P<whole> \\u d[89ab][0-9a-f]{2} \\u d[c-f][0-9a-f]{2} | \\u (?!d[89a-f]) | \\[^u] ) | \\u d[89a-f][0-9a-f]{2}""",
    re.IGNORECASE | re.VERBOSE,
)
"""One escape in a JSON string; ``whole`` unless it is half of a surrogate pair."""
REPLACEMENT = rb"\ufffd"
STATUS_CODES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def spans(body: bytes) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """The resources of a request, each with its attributes and its spans."""
    request = _parse(body)
    try:
        for resource_spans in _list(_object(request), "resourceSpans", "resource_spans"):
            resource_spans = _object(resource_spans)
            resource = _object(resource_spans.get("resource") or {})
            attributes = _attributes(_list(resource, "attributes"))
            yield (
                attributes,
                [
                    span
                    for scope_spans in _list(resource_spans, "scopeSpans", "scope_spans")
                    for span in _list(_object(scope_spans), "spans")
                ],
            )
    except RefusedSpan as error:
        raise MalformedBody(f"The body is not an ExportTraceServiceRequest in JSON: {error}.") from None


def _parse(body: bytes) -> Any:
    """The body as JSON. What cuts texts to a length may cut an emoji in two; its half must not cost the batch."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate" not in error.msg:
            raise MalformedBody(f"The body is not JSON: {error}.") from None
    try:
        return orjson.loads(ESCAPE.sub(lambda escape: escape["whole"] or REPLACEMENT, body))
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from None


def name_of(span: Any) -> str:
    """The span's name, for a rejection to mention."""
    return str(span.get("name", "")) if isinstance(span, dict) else ""


def read(span: Any) -> ReceivedSpan:
    """One span as plain values; anything of the wrong type refuses this span only."""
    span = _object(span)
    status = _object(span.get("status") or {})
    code = status.get("code") or 0
    return ReceivedSpan(
        trace_id=_text(span, "traceId", "trace_id").lower(),
        span_id=_text(span, "spanId", "span_id").lower(),
        parent_span_id=_text(span, "parentSpanId", "parent_span_id").lower(),
        name=_text(span, "name"),
        started_ns=_nanoseconds(span, "startTimeUnixNano", "start_time_unix_nano"),
        ended_ns=_nanoseconds(span, "endTimeUnixNano", "end_time_unix_nano"),
        status_code=STATUS_CODES.get(code, 0) if isinstance(code, str) else _integer(code),
        status_message=_text(status, "message"),
        attributes=_attributes(_list(span, "attributes")),
        events=[_event(_object(event)) for event in _list(span, "events")],
        links=[_link(_object(link)) for link in _list(span, "links")],
    )


def _event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": _text(event, "name"),
        "at": timestamp(_nanoseconds(event, "timeUnixNano", "time_unix_nano")),
        "attributes": _attributes(_list(event, "attributes")),
    }


def _link(link: dict[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": _text(link, "traceId", "trace_id").lower(),
        "span_id": _text(link, "spanId", "span_id").lower(),
        "attributes": _attributes(_list(link, "attributes")),
    }


def _field(holder: dict[str, Any], *names: str) -> Any:
    for name in names:
        value = holder.get(name)
        if value is not None:
            return value
    return None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusedSpan("an object is expected where there is none")
    return value


def _list(holder: dict[str, Any], *names: str) -> list[Any]:
    value = _field(holder, *names)
    if value is None:
        return []
    if not isinstance(value, list):
        raise RefusedSpan(f"{names[0]} is not a list")
    return value


def _text(holder: dict[str, Any], *names: str) -> str:
    value = _field(holder, *names)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RefusedSpan(f"{names[0]} is not a string")
    return value


def _nanoseconds(holder: dict[str, Any], *names: str) -> int:
    value = _integer(_field(holder, *names) or 0)
    if not 0 <= value < 1 << 64:
        raise RefusedSpan(f"{names[0]} is not a 64-bit time")
    return value


def _integer(value: Any) -> int:
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
    except ValueError:
        pass
    raise RefusedSpan("an integer is expected where there is none")


def _attributes(pairs: list[Any], depth: int = 0) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for pair in pairs:
        pair = _object(pair)
        attributes[_text(pair, "key")] = _value(pair.get("value"), depth)
    return attributes


def _value(value: Any, depth: int) -> Any:
    if value is None:
        return None
    if depth > DEEPEST:
        raise RefusedSpan(f"an attribute is nested deeper than {DEEPEST} levels")
    for name, content in _object(value).items():
        reader = _READERS.get(name)
        if reader is not None and content is not None:
            return reader(content, depth)
    return None


def _string(content: Any, depth: int) -> str:
    if not isinstance(content, str):
        raise RefusedSpan("an attribute's stringValue is not a string")
    return content


def _boolean(content: Any, depth: int) -> bool:
    if not isinstance(content, bool):
        raise RefusedSpan("an attribute's boolValue is not true or false")
    return content


def _signed(content: Any, depth: int) -> int:
    value = _integer(content)
    if not -(1 << 63) <= value < 1 << 63:
        raise RefusedSpan("an attribute's intValue does not fit in 64 bits")
    return value


def _double(content: Any, depth: int) -> float:
    try:
        return float(content)
    except (ValueError, TypeError, OverflowError):
        raise RefusedSpan("an attribute's doubleValue is not a number") from None


def _bytes(content: Any, depth: int) -> str:
    try:
        return b64encode(b64decode(content, validate=True)).decode()
    except (ValueError, TypeError):
        raise RefusedSpan("an attribute's bytesValue is not base64") from None


def _array(content: Any, depth: int) -> list[Any]:
    return [_value(item, depth + 1) for item in _list(_object(content), "values")]


def _mapping(content: Any, depth: int) -> dict[str, Any]:
    return _attributes(_list(_object(content), "values"), depth + 1)


_READERS: dict[str, Callable[[Any, int], Any]] = {
    "stringValue": _string,
    "boolValue": _boolean,
    "intValue": _signed,
    "doubleValue": _double,
    "bytesValue": _bytes,
    "arrayValue": _array,
    "kvlistValue": _mapping,
    "string_value": _string,
    "bool_value": _boolean,
    "int_value": _signed,
    "double_value": _double,
    "bytes_value": _bytes,
    "array_value": _array,
    "kvlist_value": _mapping,
}
