"""Reading traces as trajectories."""

from collections.abc import Collection, Sequence
from datetime import datetime
from math import ceil
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, String, Text, and_, any_, case, cast, exists, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.evaluations.scores.queries import TOOL_NAMES
from spectral_platform.evaluations.trajectories.detectors import LONGEST_READ
from spectral_platform.evaluations.trajectories.recordings import Recording
from spectral_platform.evaluations.trajectories.trajectory import TRANSIENT, Step, Trajectory, error_class
from spectral_platform.llm.messages import ToolCall
from spectral_platform.samples.models import PublishedSample, Sample
from spectral_platform.traces.models import Span, Trace
from spectral_platform.traces.queries import list_inputs_and_outputs
from spectral_platform.traces.spans import SpanKind, SpanStatus

MOST_STEPS = 300
"""So many spans of a trace are read, the first ones: a trace with very many hides none of another's."""
MOST_RECORDED_TRACES = 10_000
"""What tools answered is read from so many traces of an agent, the newest."""
MOST_RECORDINGS = 50_000
MOST_RECORDED_CHARACTERS = 50_000_000
"""A scan holds no more of them than this in memory."""
LONGEST_RESULT_BYTES = 100_000
TURNS_OF = 500
"""How often a run calls tools is told by so many traces, the newest."""
FINISH_REASONS = (
    *("gen_ai.response.finish_reasons", "llm.finish_reason", "ai.response.finishReason"),
    "gen_ai.completion.0.finish_reason",
)
"""The attributes in which instrumentations say why a model stopped."""
_OWN_SPANS = and_(Span.workspace_id == Trace.workspace_id, Span.day == Trace.day, Span.trace_id == Trace.trace_id)


async def list_traffic(
    session: AsyncSession, caller: Caller, *, agent_ids: Collection[UUID], since: datetime, until: datetime, limit: int
) -> Sequence[Trace]:
    """Traces of these agents that began in the window, the newest first; without those that became samples.

    A sample may be sealed, and what is found in its trace would tell of it.
    """
    statement = Trace.in_workspace(caller.workspace).where(
        Trace.agent_id.in_(agent_ids), Trace.started_at >= since, Trace.started_at < until, _no_sample(caller)
    )
    rows = await session.scalars(statement.order_by(Trace.started_at.desc(), Trace.trace_id.desc()).limit(limit))
    return rows.all()


async def list_trajectories(session: AsyncSession, caller: Caller, traces: Sequence[Trace]) -> dict[str, Trajectory]:
    """Traces as trajectories, by their ids. Long texts are cut where no detector reads on."""
    tool = func.coalesce(*(func.jsonb_extract_path_text(Span.attributes, key) for key in TOOL_NAMES), Span.name)
    is_model = Span.kind == SpanKind.LLM
    number = func.row_number().over(partition_by=Span.trace_id, order_by=(Span.started_at, Span.span_id))
    among = (
        select(
            Span.trace_id,
            Span.span_id,
            Span.kind,
            case((Span.kind == SpanKind.AGENT, func.coalesce(Span.agent_name, Span.name)), else_=tool).label("name"),
            func.left(Span.input, LONGEST_READ + 1).label("input"),
            func.left(Span.output, LONGEST_READ + 1).label("output"),
            Span.status,
            Span.status_message,
            case((is_model, func.left(cast(Span.attributes, Text), LONGEST_READ + 1))).label("seen"),
            func.coalesce(*(func.jsonb_extract_path_text(Span.attributes, key) for key in FINISH_REASONS)).label("finish"),
            number.label("number"),
        )
        .join(Trace, _OWN_SPANS)
        .where(
            Trace.workspace_id == caller.workspace,
            Trace.trace_id.in_([trace.trace_id for trace in traces]),
            Span.kind.in_((SpanKind.AGENT, SpanKind.LLM, SpanKind.TOOL, SpanKind.RETRIEVAL)),
        )
        .subquery()
    )
    rows = await session.execute(select(among).where(among.c.number <= MOST_STEPS).order_by(among.c.trace_id, among.c.number))
    steps: dict[str, list[Step]] = {}
    for row in rows:
        steps.setdefault(row.trace_id, []).append(
            Step(
                kind=row.kind,
                name=row.name,
                span_id=row.span_id,
                arguments=row.input,
                result=row.output,
                error=(row.status_message or row.output or "error") if row.status is SpanStatus.ERROR else None,
                seen=row.seen,
                finish=row.finish.strip('[]" ').partition('"')[0].casefold() if row.finish else None,
            )
        )
    texts = await list_inputs_and_outputs(session, traces)
    return {
        trace.trace_id: Trajectory(
            question=texts[trace.trace_id][0] or "",
            answer=texts[trace.trace_id][1] or "",
            steps=tuple(steps.get(trace.trace_id, ())),
        )
        for trace in traces
    }


async def list_recordings(
    session: AsyncSession,
    caller: Caller,
    *,
    agent_id: UUID,
    since: datetime,
    until: datetime,
    received_before: datetime,
    open_groups: Collection[str],
) -> list[Recording]:
    """What tools answered in an agent's traces, those of the newest trace first and within a trace in their order.

    Read are traces of the window that became no sample, and those whose samples are all in ``open_groups``, whenever they began:
    what was recorded of a sealed sample stays sealed. The transaction must see all samples (`worlds.readings.keeping`). Answers
    that are very long are left out, and so are errors that may pass: another time the tool might well have answered.
    """
    source = func.jsonb_extract_path_text(PublishedSample.content, "source_trace_id")
    published = exists().where(PublishedSample.workspace_id == caller.workspace, source == Trace.trace_id)
    is_open = PublishedSample.content_group == any_(cast(list(open_groups), ARRAY(String)))
    recorded = (
        select(Trace.workspace_id, Trace.day, Trace.trace_id, Trace.started_at)
        .where(
            Trace.workspace_id == caller.workspace,
            Trace.agent_id == agent_id,
            # As a list rather than a join: Postgres reads it once, not once for each trace.
            Trace.trace_id.not_in(
                select(source).where(PublishedSample.workspace_id == caller.workspace, source.is_not(None), ~is_open)
            ),
            or_(published, and_(Trace.started_at >= since, Trace.started_at < until, _no_sample(caller))),
        )
        .order_by(Trace.started_at.desc(), Trace.trace_id.desc())
        .limit(MOST_RECORDED_TRACES)
        .subquery()
    )
    is_error = Span.status == SpanStatus.ERROR
    answer = case((is_error, func.coalesce(Span.output, Span.status_message)), else_=Span.output)
    name = func.coalesce(*(func.jsonb_extract_path_text(Span.attributes, key) for key in TOOL_NAMES), Span.name)
    # Trace by trace, newest first, until there is enough: no plan may read everybody's spans for it.
    own = (
        select(Span.started_at, Span.span_id, name.label("name"), Span.input, answer.label("answer"), is_error.label("failed"))
        .where(
            Span.workspace_id == recorded.c.workspace_id,
            Span.day == recorded.c.day,
            Span.trace_id == recorded.c.trace_id,
            Span.kind == SpanKind.TOOL,
            Span.received_at < received_before,
            answer.is_not(None),
            func.octet_length(answer) <= LONGEST_RESULT_BYTES,
        )
        .order_by(Span.started_at, Span.span_id)
        .limit(MOST_STEPS)
        .lateral()
    )
    calls = (
        select(recorded.c.trace_id, own.c.name, own.c.input, own.c.answer, own.c.failed)
        .join(own, true())
        .order_by(recorded.c.started_at.desc(), recorded.c.trace_id.desc(), own.c.started_at, own.c.span_id)
        .limit(MOST_RECORDINGS)
    )
    recordings: list[Recording] = []
    size = 0
    stream = await session.stream(calls)
    async for trace_id, tool, arguments, result, failed in stream:
        if failed and error_class(result) in TRANSIENT:
            continue
        size += len(result) + len(arguments or "")
        if size > MOST_RECORDED_CHARACTERS:
            break
        recordings.append(Recording(trace_id=trace_id, call=ToolCall.read(tool, arguments), result=result))
    await stream.close()
    return recordings


async def count_tool_turns(
    session: AsyncSession, caller: Caller, agent_ids: Collection[UUID], *, since: datetime, until: datetime
) -> dict[UUID, int]:
    """How often each agent's tools were called in a run of late, rounded up; agents that called none are absent."""
    newest = (
        Trace.in_workspace(caller.workspace)
        .with_only_columns(Trace.workspace_id, Trace.day, Trace.trace_id)
        .where(Trace.started_at >= since, Trace.started_at < until)
        .order_by(Trace.started_at.desc(), Trace.trace_id.desc())
        .limit(TURNS_OF)
    )
    turns = {}
    for agent_id in agent_ids:
        recent = newest.where(Trace.agent_id == agent_id).subquery()
        own = and_(Span.workspace_id == recent.c.workspace_id, Span.day == recent.c.day, Span.trace_id == recent.c.trace_id)
        counted = select(func.count(Span.span_id), func.count(recent.c.trace_id.distinct())).select_from(
            recent.outerjoin(Span, and_(own, Span.kind == SpanKind.TOOL))
        )
        calls, traces = (await session.execute(counted)).one()
        if calls:
            turns[agent_id] = ceil(calls / traces)
    return turns


def _no_sample(caller: Caller) -> ColumnElement[bool]:
    """That a trace became no sample, which may be sealed."""
    return and_(
        *(
            ~exists().where(
                model.workspace_id == caller.workspace,
                func.jsonb_extract_path_text(model.content, "source_trace_id") == Trace.trace_id,
            )
            for model in (Sample, PublishedSample)
        )
    )
