"""Reading traces as trajectories."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, and_, case, cast, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.evaluations.scores.queries import TOOL_NAMES
from spectral_platform.evaluations.trajectories.detectors import LONGEST_READ
from spectral_platform.evaluations.trajectories.trajectory import Step, Trajectory
from spectral_platform.samples.models import PublishedSample, Sample
from spectral_platform.traces.models import Span, Trace
from spectral_platform.traces.queries import list_inputs_and_outputs
from spectral_platform.traces.spans import SpanKind, SpanStatus

MOST_STEPS = 300
"""So many spans of a trace are read, the first ones: a trace with very many hides none of another's."""
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
        Trace.agent_id.in_(agent_ids), Trace.started_at >= since, Trace.started_at < until
    )
    for model in (Sample, PublishedSample):
        source = func.jsonb_extract_path_text(model.content, "source_trace_id")
        statement = statement.where(~exists().where(model.workspace_id == caller.workspace, source == Trace.trace_id))
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
