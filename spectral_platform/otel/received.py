"""A span as OTLP defines it, read from either encoding, and the rules that one must keep to be stored."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from spectral_platform.otel.errors import RefusedSpan

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_NS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
CLOCK_SKEW = timedelta(days=1)
DEEPEST = 64

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")
NO_PARENT = frozenset({"", "0" * 16})


@dataclass(frozen=True, slots=True)
class Origin:
    """The resource that a span comes from: its attributes, and what they say about every span of it."""

    attributes: Mapping[str, Any]
    service: str | None
    workflow: str | None
    agent_name: str | None


@dataclass(slots=True)
class ReceivedSpan:
    """One span of a request: ids in lower-case hex, times in nanoseconds since 1970, values as plain Python ones."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    started_ns: int
    ended_ns: int
    status_code: int
    status_message: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[dict[str, Any]]


def instant(nanoseconds: int) -> datetime:
    """A time of OTLP as a datetime, cut to the microseconds that Postgres keeps."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def timestamp(nanoseconds: int) -> str:
    """A time of OTLP in RFC 3339."""
    return instant(nanoseconds).isoformat().replace("+00:00", "Z")


def latest_ns(now: datetime) -> int:
    """The latest time that a span may carry: senders' clocks are allowed to run a day ahead."""
    return int((now + CLOCK_SKEW).timestamp()) * 1_000_000_000


def check(span: ReceivedSpan, latest: int) -> None:
    """Refuse a span that breaks OpenTelemetry's own rules or that happened at an impossible time."""
    if not _TRACE_ID.fullmatch(span.trace_id):
        raise RefusedSpan("trace_id must be 16 bytes (32 hex digits), not all zero")
    if not _SPAN_ID.fullmatch(span.span_id):
        raise RefusedSpan("span_id must be 8 bytes (16 hex digits), not all zero")
    if span.parent_span_id not in NO_PARENT and not _SPAN_ID.fullmatch(span.parent_span_id):
        raise RefusedSpan("parent_span_id must be 8 bytes (16 hex digits)")
    if span.parent_span_id == span.span_id:
        raise RefusedSpan("the span is its own parent")
    if not EARLIEST_NS <= span.started_ns <= latest:
        raise RefusedSpan("the start time is before the year 2000 or more than a day ahead of the server's clock")
    if span.ended_ns == 0:
        raise RefusedSpan("the end time is missing")
    if span.ended_ns < span.started_ns:
        raise RefusedSpan("the span ends before it starts")
    if span.ended_ns > latest:
        raise RefusedSpan("the end time is more than a day ahead of the server's clock")
