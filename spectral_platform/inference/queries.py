"""Reading the prompts that an agent's model calls were sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, tuple_, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.inference.inferring import Prompt
from spectral_platform.inference.prompts import read_prompt
from spectral_platform.traces.models import Span, Trace
from spectral_platform.traces.spans import SpanKind

TRACES_AT_ONCE = 200
SPANS_AT_ONCE = 20_000
CALLS_AT_ONCE = 100
MOST_TRACES = 20_000
MOST_OTHER_TRACES = 2_000
MOST_CHARACTERS = 80_000_000
"""Of all prompts together, with the turns and values that came with them; what is beyond is not read."""


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """A prompt and the model call that it was sent by, with what that call asked of the model besides."""

    trace_id: str
    span_id: str
    prompt: Prompt
    model: str | None
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SentPrompts:
    """The newest prompts of an agent. ``without_text`` counts model calls that do not say what was sent."""

    prompts: Sequence[SentPrompt]
    without_text: int
    is_complete: bool


PARAMETERS = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.max_tokens": "max_output_tokens",
}


async def list_prompts(
    session: AsyncSession, caller: Caller, agent_id: UUID, *, since: datetime | None, until: datetime | None, limit: int
) -> SentPrompts:
    """The prompts of the newest traces, at most so many. A model call is the nearest agent's above it, else the trace's.

    Where no trace is the agent's own, it is looked for within the newest traces of others.
    """
    found = await _read(session, caller, agent_id, since, until, limit, is_own=True)
    if not found.prompts and not found.without_text:
        found = await _read(session, caller, agent_id, since, until, limit, is_own=False)
    return found


async def _read(
    session: AsyncSession,
    caller: Caller,
    agent_id: UUID,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    *,
    is_own: bool,
) -> SentPrompts:
    wanted = Trace.in_workspace(caller.workspace).with_only_columns(Trace.trace_id, Trace.day, Trace.agent_id, Trace.span_count)
    if is_own:
        wanted = wanted.where(Trace.agent_id == agent_id)
    if since is not None:
        wanted = wanted.where(Trace.started_at >= since)
    if until is not None:
        wanted = wanted.where(Trace.started_at < until)
    wanted = wanted.order_by(Trace.started_at.desc(), Trace.trace_id.desc()).limit(MOST_TRACES if is_own else MOST_OTHER_TRACES)
    traces = (await session.execute(wanted)).all()
    prompts: list[SentPrompt] = []
    characters = without_text = 0
    for page in _pages(traces):
        seen: set[tuple[str, str]] = set()
        calls = await _find_calls(session, caller, page, agent_id)
        for first in range(0, len(calls), CALLS_AT_ONCE):
            for span in await _read_calls(session, caller, page, calls[first : first + CALLS_AT_ONCE]):
                known = {"user_id": span.user_id, "session_id": span.session_id}
                prompt = read_prompt(span.attributes, span.events, question=span.input, known=known)
                if prompt is None:
                    without_text += 1
                    continue
                if (span.trace_id, prompt.text) in seen:  # another step of the same run
                    continue
                seen.add((span.trace_id, prompt.text))
                characters += prompt.size
                if len(prompts) >= limit or characters > MOST_CHARACTERS:
                    return SentPrompts(prompts, without_text, is_complete=False)
                parameters = {PARAMETERS[name]: span.attributes[name] for name in PARAMETERS if name in span.attributes}
                prompts.append(SentPrompt(span.trace_id, span.span_id, prompt, span.model, parameters))
    return SentPrompts(prompts, without_text, is_complete=len(traces) < (MOST_TRACES if is_own else MOST_OTHER_TRACES))


def _pages(traces: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """The traces by id, some at a time: not too many, and not too many spans."""
    page: dict[str, Any] = {}
    spans = 0
    for trace in traces:
        if page and (len(page) == TRACES_AT_ONCE or spans + trace.span_count > SPANS_AT_ONCE):
            yield page
            page, spans = {}, 0
        page[trace.trace_id] = trace
        spans += trace.span_count
    if page:
        yield page


async def _find_calls(session: AsyncSession, caller: Caller, page: Mapping[str, Any], agent_id: UUID) -> list[tuple[str, str]]:
    """The agent's model calls in these traces, by trace and span, those of the newest trace first; not yet what they say."""
    rows = await session.execute(
        select(Span.trace_id, Span.span_id, Span.parent_span_id, Span.agent_id, Span.kind)
        .where(_within(caller, page))
        .order_by(Span.started_at, Span.span_id)
    )
    by_trace: dict[str, dict[str, Any]] = {trace_id: {} for trace_id in page}
    for row in rows:
        by_trace[row.trace_id][row.span_id] = row
    return [
        (trace_id, span.span_id)
        for trace_id, spans in by_trace.items()
        for span in spans.values()
        if span.kind == SpanKind.LLM and _actor(spans, span, page[trace_id].agent_id) == agent_id
    ]


async def _read_calls(
    session: AsyncSession, caller: Caller, page: Mapping[str, Any], calls: Sequence[tuple[str, str]]
) -> list[Any]:
    """What these model calls say, in their order."""
    within = {trace_id: page[trace_id] for trace_id, _ in calls}
    rows = await session.execute(
        select(
            Span.trace_id,
            Span.span_id,
            Span.model,
            Span.user_id,
            Span.session_id,
            Span.input,
            type_coerce(Span.attributes, JSONB).label("attributes"),
            type_coerce(Span.events, JSONB).label("events"),
        ).where(_within(caller, within), tuple_(Span.trace_id, Span.span_id).in_(calls))
    )
    found = {(row.trace_id, row.span_id): row for row in rows}
    return [found[call] for call in calls if call in found]


def _within(caller: Caller, page: Mapping[str, Any]) -> ColumnElement[bool]:
    return and_(
        Span.workspace_id == caller.workspace, Span.day.in_({row.day for row in page.values()}), Span.trace_id.in_(list(page))
    )


def _actor(spans: Mapping[str, Any], span: Any, otherwise: UUID | None) -> UUID | None:
    """The agent of a span, or of the nearest one above it that has one."""
    return next((each.agent_id for each in _upwards(spans, span) if each.agent_id is not None), otherwise)


def _upwards(spans: Mapping[str, Any], span: Any) -> Iterator[Any]:
    passed: set[str] = set()
    while span is not None and span.span_id not in passed:
        passed.add(span.span_id)
        yield span
        span = spans.get(span.parent_span_id)
