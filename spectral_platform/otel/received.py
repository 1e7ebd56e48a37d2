"""A span as OTLP defines it, read from either encoding, and the rules that one must keep to be stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite, isnan
from typing import Any, Protocol

from spectral_platform.otel.errors import RefusedSpan
from spectral_platform.traces.spans import DEEPEST

EARLIEST_NS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
CLOCK_SKEW = timedelta(days=1)

NO_TRACE = "0" * 32
NO_SPAN = "0" * 16
NO_PARENT = frozenset({"", NO_SPAN})
KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}

Dropped = tuple[int, int, int]
"""How many attributes, events and links the sender left out."""
Facts = Mapping[str, Any]
"""What OTLP says beyond the span model, named as there; what is at its default is left out."""


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
    facts: dict[str, Any]


class Request(Protocol):
    """A request in one of the encodings. What it holds is handed out unread, so that a fault costs no more than what it is in."""

    def __init__(self, body: bytes) -> None: ...

    def groups(self) -> Iterator[tuple[Any, Any, Sequence[Any]]]:
        """Every resource and scope with the spans that come from there. Raises MalformedBody where there is no such shape."""

    def read_resource(self, resource: Any) -> tuple[dict[str, Any], Facts]:
        """The attributes of a resource and what else is said of it. Raises RefusedSpan, as the others do."""

    def read_scope(self, scope: Any) -> Facts:
        """The instrumentation scope."""

    def read(self, span: Any) -> ReceivedSpan:
        """One span as plain values."""

    def name_of(self, span: Any) -> str:
        """The span's name, for a rejection to mention."""


def stated(**facts: Any) -> dict[str, Any]:
    """Those of the facts that are not at their default."""
    return {name: fact for name, fact in facts.items() if fact}


def beyond(kind: int, flags: int, trace_state: str, dropped: Dropped, started_ns: int, ended_ns: int) -> dict[str, Any]:
    """What is said of a span beyond the span model. ``dropped`` counts attributes, events and links."""
    facts: dict[str, Any] = {}
    if kind:
        facts["kind"] = KINDS.get(kind, kind)
    if flags:
        facts["flags"] = flags
    if trace_state:
        facts["trace_state"] = trace_state
    if any(dropped):
        attributes, events, links = dropped
        facts |= stated(dropped_attributes_count=attributes, dropped_events_count=events, dropped_links_count=links)
    if started_ns % 1000:
        facts["start_time_unix_nano"] = started_ns
    if ended_ns % 1000:
        facts["end_time_unix_nano"] = ended_ns
    return facts


def instant(nanoseconds: int) -> datetime:
    """A time of OTLP as a datetime, cut to the microseconds that Postgres keeps.

    A float of seconds is finer than a microsecond for as long as spans are accepted, and no way to a datetime is faster.
    """
    return datetime.fromtimestamp(nanoseconds // 1000 / 1_000_000, UTC)


def timestamp(nanoseconds: int) -> str:
    """A time of OTLP in RFC 3339, to the microsecond, or to the nanosecond if it has some."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
    if not rest:
        return f"{moment}Z"
    return f"{moment}.{rest // 1000:06}Z" if rest % 1000 == 0 else f"{moment}.{rest:09}Z"


def number(value: float) -> float | str:
    """A double as JSON can hold it: what is no number is written as protobuf's JSON mapping does."""
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def latest_ns(now: datetime) -> int:
    """The latest time that a span may carry: senders' clocks are allowed to run a day ahead."""
    return int((now + CLOCK_SKEW).timestamp()) * 1_000_000_000


def check_depth(depth: int) -> None:
    """Refuse an array or a map that is in so many others already."""
    if depth >= DEEPEST:
        raise RefusedSpan(f"an attribute is nested deeper than {DEEPEST} levels")


def check(span: ReceivedSpan, latest: int) -> None:
    """Refuse a span that breaks OpenTelemetry's own rules or that happened at an impossible time."""
    if len(span.trace_id) != 32 or span.trace_id == NO_TRACE:
        raise RefusedSpan("trace_id must be 16 bytes (32 hex digits), not all zero")
    if len(span.span_id) != 16 or span.span_id == NO_SPAN:
        raise RefusedSpan("span_id must be 8 bytes (16 hex digits), not all zero")
    if span.parent_span_id and len(span.parent_span_id) != 16:
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
