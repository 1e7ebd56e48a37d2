"""Dialects mix on one span in the wild, so each field of a draft is filled by the first dialect that has it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spectral_platform.otel.dialects.dialect import READERS, label
from spectral_platform.otel.dialects.genai import GENAI
from spectral_platform.otel.dialects.langsmith import LANGSMITH
from spectral_platform.otel.dialects.logfire import LOGFIRE
from spectral_platform.otel.dialects.openinference import OPENINFERENCE
from spectral_platform.otel.dialects.plain import PLAIN
from spectral_platform.otel.dialects.traceloop import TRACELOOP
from spectral_platform.otel.dialects.vercel import VERCEL
from spectral_platform.otel.received import NO_PARENT, Facts, ReceivedSpan, instant
from spectral_platform.traces.spans import SpanDraft, SpanKind, SpanStatus

# Those that build upon the conventions come before them, so that a span is told by who made it.
DIALECTS = (VERCEL, TRACELOOP, LANGSMITH, LOGFIRE, GENAI, OPENINFERENCE, PLAIN)
_ASKED = tuple(DIALECTS[position:] for position in range(len(DIALECTS)))
"""By the position of the first dialect spoken: which are asked for what takes more than one attribute."""
STATUSES = {1: SpanStatus.OK, 2: SpanStatus.ERROR}

# One table over all dialects: attribute → dialect, precedence, field and reader.
_KNOWN: dict[str, tuple[int, int, str, Callable[[Any], Any] | None]] = {}
for _position, _dialect in enumerate(DIALECTS):
    for _attribute, _field in _dialect.fields:
        _KNOWN.setdefault(_attribute, (_position, len(_KNOWN), _field, READERS[_field]))
    for _attribute in _dialect.vocabulary:
        _KNOWN.setdefault(_attribute, (_position, len(_KNOWN), "", None))

MOST_PLANS, LONGEST_PLANNED = 4096, 4096
Plan = tuple[int, tuple[tuple[str, str, Callable[[Any], Any]], ...]]
"""How attributes of certain names are read: the position of the first dialect spoken, and which attribute fills which field by
which reader, in the order of precedence."""
_plans: dict[tuple[str, ...], Plan] = {}
"""A sender's spans have few sets of names, so each is looked at once, and spans are then read without looking at every name."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The resource that spans come from, and what it says about every one of them where they are silent."""

    service: str | None = None
    workflow: str | None = None
    agent_name: str | None = None
    resource: Mapping[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def origin(attributes: Mapping[str, Any], facts: Facts) -> Origin:
    """What a resource says about its spans."""
    read, _ = _read(attributes)
    service = label(attributes.get("service.name"))
    named = service if service is not None and not service.startswith("unknown_service") else None
    return Origin(
        service=service,
        workflow=read.get("workflow") or named,
        agent_name=read.get("agent_name"),
        resource=attributes,
        facts={"resource": facts} if facts else {},
    )


def draft(span: ReceivedSpan, source: Origin, scope: Facts) -> SpanDraft:
    """Map a checked span to the one span model."""
    attributes, events = span.attributes, span.events
    fields, spoken = _read(attributes)
    revise = DIALECTS[spoken].revise
    if revise is not None:
        revise(span, fields)
    kind: SpanKind | None = None
    question: str | None = None
    answer: str | None = None
    for dialect in _ASKED[spoken]:
        kind = kind or dialect.kind(attributes)
        if question is None or answer is None:
            asked, answered = dialect.content(attributes, events)
            question, answer = question or asked, answer or answered
        if kind is not None and question is not None and answer is not None:
            break
    drafted = SpanDraft(
        span.trace_id,
        span.span_id,
        None if span.parent_span_id in NO_PARENT else span.parent_span_id,
        span.name,
        instant(span.started_ns),
        instant(span.ended_ns),
        attributes,
        events,
        span.links,
        source.resource,
        scope,
        span.facts | source.facts if source.facts else span.facts,
    )
    if kind is not None:
        drafted.kind = kind
    if span.status_code:
        drafted.status = STATUSES.get(span.status_code, SpanStatus.UNSET)
        drafted.status_message = _status_message(span)
    drafted.dialect = DIALECTS[spoken].name
    drafted.service, drafted.workflow, drafted.agent_name = source.service, source.workflow, source.agent_name
    drafted.input, drafted.output = question, answer
    for name, value in fields.items():
        setattr(drafted, name, value)
    if drafted.input_tokens == 0:
        _forget_empty_usage(drafted)
    if drafted.cached_input_tokens or drafted.cache_write_tokens:
        _include_cached(drafted)
    return drafted


def _read(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The fields that single attributes fill, and the position of the first dialect spoken."""
    names = tuple(attributes)
    spoken, steps = _plans.get(names) or _plan(names)
    fields: dict[str, Any] = {}
    for attribute, filled, reader in steps:
        if filled not in fields:
            read = reader(attributes[attribute])
            if read is not None:
                fields[filled] = read
    return fields, spoken


def _plan(names: tuple[str, ...]) -> Plan:
    """Find out how attributes of these names are read."""
    known = sorted((_KNOWN[name][1], name) for name in names if name in _KNOWN)
    spoken = min((_KNOWN[name][0] for _, name in known), default=len(DIALECTS) - 1)
    steps = ((name, filled, reader) for _, name in known for _, _, filled, reader in [_KNOWN[name]] if reader is not None)
    plan = spoken, tuple(steps)
    if sum(map(len, names)) <= LONGEST_PLANNED:
        if len(_plans) >= MOST_PLANS:
            _plans.clear()
        _plans[names] = plan
    return plan


def _status_message(span: ReceivedSpan) -> str | None:
    """Why a span failed: its own words, else the last exception recorded on it, else the type of its error."""
    if span.status_message:
        return span.status_message
    for event in reversed(span.events):
        if event["name"] == "exception" and isinstance(message := event["attributes"].get("exception.message"), str):
            return message
    return label(span.attributes.get("error.type"))


def _forget_empty_usage(drafted: SpanDraft) -> None:
    """Take a usage of nothing at all for none: who could not count, as of some streams, writes zeros."""
    if not drafted.output_tokens:
        drafted.input_tokens = drafted.output_tokens = None
        drafted.cached_input_tokens = drafted.cache_write_tokens = drafted.reasoning_tokens = None


def _include_cached(drafted: SpanDraft) -> None:
    """Make ``input_tokens`` include the cached ones, which some instrumentations report beside it.

    Nobody says which of the two was done; a part that is larger than the whole gives it away.
    """
    beside = (drafted.cached_input_tokens or 0) + (drafted.cache_write_tokens or 0)
    if drafted.input_tokens is not None and beside > drafted.input_tokens:
        drafted.input_tokens += beside
