"""A trace as the sum of its spans: one function that computes it anew from all of them.

Tokens and costs count once: a wrapper around a model call that reports the same usage again is a model span too, so only model
spans with no reporting model span anywhere beneath them are counted. Two instrumentations may also tell of one call beside each
other, as a client library's own and one put upon it do: then both know the same answer while both run. What cannot be summed is
taken from the span nearest to the root: parentless spans come first, then the earlier ones.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from spectral_platform.traces.spans import MODEL_KINDS

LOOKUPS = frozenset({"tool", "retrieval", "embedding", "other"})
MILLISECOND = timedelta(milliseconds=1)


class SpanFacts(NamedTuple):
    """What of a span its trace is computed from, and by which of two copies of it the one that stays is known."""

    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    started_at: datetime
    ended_at: datetime
    status: str
    workflow: str | None
    agent_id: UUID | None
    agent_name: str | None
    session_id: str | None
    user_id: str | None
    tags: Sequence[str]
    config_version: int | None
    model: str | None
    response_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    has_input: bool
    has_output: bool
    fullness: int
    digest: int

    @property
    def precedence(self) -> tuple[int, datetime, int]:
        """Of two copies of a span the one with the larger precedence stays: the fuller one. The rest makes the order total."""
        return self.fullness, self.ended_at, self.digest


class TraceSummary(NamedTuple):
    """What a trace is known by, as its row has it."""

    name: str
    workflow: str | None
    agent_id: UUID | None
    agent_name: str | None
    session_id: str | None
    user_id: str | None
    config_version: int | None
    started_at: datetime
    duration_ms: int
    status: str
    span_count: int
    models: list[str]
    tags: list[str]
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    cost_usd: Decimal | None
    unpriced_spans: int
    input_span_id: str | None
    output_span_id: str | None


def roll_up(spans: Iterable[SpanFacts]) -> TraceSummary:
    """Compute a trace from all of its spans, of which there is at least one, each given once and in any order."""
    ordered = sorted(spans, key=_nearest_root)
    root = ordered[0]
    counted = _counted(ordered)
    inputs, outputs = _sum(counted, "input_tokens"), _sum(counted, "output_tokens")
    began = min(span.started_at for span in ordered)
    return TraceSummary(
        name=root.name,
        workflow=_first(ordered, "workflow"),
        agent_id=_first(ordered, "agent_id"),
        agent_name=_first(ordered, "agent_name"),
        session_id=_first(ordered, "session_id"),
        user_id=_first(ordered, "user_id"),
        config_version=_first(ordered, "config_version"),
        started_at=began,
        duration_ms=(max(span.ended_at for span in ordered) - began) // MILLISECOND,
        status="error" if root.status != "ok" and any(span.status == "error" for span in ordered) else "ok",
        span_count=len(ordered),
        models=sorted({span.model for span in ordered if span.model is not None and span.kind in MODEL_KINDS}),
        tags=sorted({tag for span in ordered for tag in span.tags}),
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=None if inputs is None and outputs is None else (inputs or 0) + (outputs or 0),
        cost_usd=_sum(counted, "cost_usd"),
        unpriced_spans=sum(span.cost_usd is None for span in counted),
        input_span_id=next((span.span_id for span in ordered if span.has_input), None),
        output_span_id=_last_word(ordered),
    )


def _nearest_root(span: SpanFacts) -> tuple[bool, datetime, str]:
    return span.parent_span_id is not None, span.started_at, span.span_id


def _first(ordered: Sequence[SpanFacts], name: str) -> Any:
    for span in ordered:
        value = getattr(span, name)
        if value is not None:
            return value
    return None


def _last_word(ordered: Sequence[SpanFacts]) -> str | None:
    """What a trace answered is its root's output, else the last thing that something other than a tool or a lookup said."""

    def finality(span: SpanFacts) -> tuple[bool, bool, datetime, datetime, str]:
        return span.parent_span_id is None, span.kind not in LOOKUPS, span.ended_at, span.started_at, span.span_id

    root = ordered[0]
    if root.has_output and root.parent_span_id is None and (len(ordered) == 1 or ordered[1].parent_span_id is not None):
        return root.span_id  # as mostly: the only root speaks
    speaking = [span for span in ordered if span.has_output]
    return max(speaking, key=finality).span_id if speaking else None


def _counted(spans: Sequence[SpanFacts]) -> list[SpanFacts]:
    """The model spans whose usage counts: those that report some and wrap none that does."""
    reporting = [
        span
        for span in spans
        if span.kind in MODEL_KINDS
        and (span.input_tokens is not None or span.output_tokens is not None or span.cost_usd is not None)
    ]
    parents = {span.span_id: span.parent_span_id for span in spans}
    wrappers: set[str] = set()
    for span in reporting:
        above = span.parent_span_id
        while above is not None and above not in wrappers:
            wrappers.add(above)
            above = parents.get(above)
    return _told_once([span for span in reporting if span.span_id not in wrappers])


def _told_once(calls: list[SpanFacts]) -> list[SpanFacts]:
    """Of spans that tell of the same call, the one that started last: it is the nearest to the wire.

    An answer's id alone does not make two calls one: there are model servers that give each answer the same.
    """
    answers = [call.response_id for call in calls if call.response_id is not None]
    if len(set(answers)) == len(answers):
        return calls
    last: dict[str, SpanFacts] = {}
    doubled: set[str] = set()
    for call in sorted(calls, key=lambda span: (span.started_at, span.span_id)):
        if call.response_id is None:
            continue
        before = last.get(call.response_id)
        if before is not None and call.started_at < before.ended_at:
            doubled.add(before.span_id)
        last[call.response_id] = call
    return [call for call in calls if call.span_id not in doubled] if doubled else calls


def _sum(spans: Sequence[SpanFacts], name: str) -> Any:
    """The sum of what is known; None when nothing is."""
    known = [value for span in spans if (value := getattr(span, name)) is not None]
    return sum(known[1:], known[0]) if known else None
