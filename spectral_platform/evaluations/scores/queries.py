"""Reading scores of traces, and traces as what evaluators look at."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.evaluations.evaluators.subjects import Subject
from spectral_platform.evaluations.scores.models import TraceScore
from spectral_platform.samples.models import PublishedSample, Sample
from spectral_platform.traces.feedback import FeedbackSource
from spectral_platform.traces.models import Feedback, Trace
from spectral_platform.traces.queries import list_inputs_and_outputs, list_texts

MOST_SCORES = 20_000
"""So many scores of a rubric's version are read at once, the newest first."""


async def list_trace_scores(
    session: AsyncSession,
    caller: Caller,
    *,
    rubric_id: UUID,
    rubric_version: int,
    dimension: str | None = None,
    trace_ids: Sequence[str] | None = None,
    limit: int = MOST_SCORES,
) -> Sequence[TraceScore]:
    """The scores of traces by one version of a rubric, the newest first."""
    statement = TraceScore.in_workspace(caller.workspace).where(
        TraceScore.rubric_id == rubric_id, TraceScore.rubric_version == rubric_version
    )
    if dimension is not None:
        statement = statement.where(TraceScore.dimension == dimension)
    if trace_ids is not None:
        statement = statement.where(TraceScore.trace_id.in_(trace_ids))
    newest_first = (TraceScore.created_at.desc(), TraceScore.trace_id.desc(), TraceScore.dimension)
    return (await session.scalars(statement.order_by(*newest_first).limit(limit))).all()


async def list_subjects(session: AsyncSession, caller: Caller, trace_ids: Sequence[str]) -> dict[str, Subject]:
    """Traces of the workspace as what evaluators look at, by their ids, in the order asked for.

    A trace that is not there, or gave no answer, is left out. The context is what its retrieval spans found, the expected output
    a correction that somebody gave as feedback.
    """
    rows = await session.scalars(Trace.in_workspace(caller.workspace).where(Trace.trace_id.in_(trace_ids)))
    traces = {trace.trace_id: trace for trace in rows}
    if not traces:
        return {}
    texts = await list_texts(session, caller, list(traces))
    answers = await list_inputs_and_outputs(session, list(traces.values()))
    subjects: dict[str, Subject] = {}
    for trace_id in trace_ids:
        question, answer = answers.get(trace_id, (None, None))
        if trace_id not in traces or answer is None:
            continue
        trace, known = traces[trace_id], texts.get(trace_id)
        subjects[trace_id] = Subject(
            input=question or "",
            output=answer,
            expected_output=known.corrected_output if known else None,
            context=known.retrieved if known else None,
            latency_ms=trace.duration_ms,
            cost_usd=None if trace.cost_usd is None else float(trace.cost_usd),
            total_tokens=trace.total_tokens,
        )
    return subjects


@dataclass(frozen=True, slots=True)
class ScoredBy:
    """Scores that need not be made again: by this version of a rubric and, if one is named, this judge.

    Those that the scan itself made do not count, so that a scan which starts over chooses as it did before.
    """

    rubric_id: UUID
    rubric_version: int
    judge_model: str | None
    scan_id: UUID


async def list_traces_to_score(
    session: AsyncSession,
    caller: Caller,
    *,
    agent_ids: Collection[UUID],
    since: datetime,
    until: datetime,
    limit: int,
    unless: ScoredBy | None = None,
) -> list[str]:
    """Traces of these agents, begun in the window, to score next: those that people gave feedback on, then the others.

    Of either the newest come first. Left out are traces that became samples, so that no score hints at a split, and those that
    ``unless`` names.
    """
    own = and_(Trace.workspace_id == caller.workspace, Trace.agent_id.in_(agent_ids), Trace.output.is_not(None))
    statement = select(Trace.trace_id).where(own, Trace.started_at >= since, Trace.started_at < until)
    for model in (Sample, PublishedSample):
        source = func.jsonb_extract_path_text(model.content, "source_trace_id")
        statement = statement.where(~exists().where(model.workspace_id == caller.workspace, source == Trace.trace_id))
    if unless is not None:
        statement = statement.where(~exists().where(*_scored_already(unless, caller.workspace)))
    by_people = exists().where(
        Feedback.workspace_id == Trace.workspace_id,
        Feedback.trace_id == Trace.trace_id,
        Feedback.source.in_((FeedbackSource.HUMAN, FeedbackSource.USER)),
    )
    newest_first = (Trace.started_at.desc(), Trace.trace_id.desc())
    judged = statement.where(Trace.feedback_count > 0, by_people).order_by(*newest_first).limit(limit)
    found = list(await session.scalars(judged))
    if len(found) < limit:
        others = statement.where(Trace.trace_id.not_in(found)).order_by(*newest_first).limit(limit - len(found))
        found += await session.scalars(others)
    return found


def _scored_already(unless: ScoredBy, workspace_id: UUID) -> tuple[ColumnElement[bool], ...]:
    by_judge = () if unless.judge_model is None else (TraceScore.judge_model == unless.judge_model,)
    return (
        TraceScore.workspace_id == workspace_id,
        TraceScore.rubric_id == unless.rubric_id,
        TraceScore.rubric_version == unless.rubric_version,
        TraceScore.trace_id == Trace.trace_id,
        TraceScore.scan_id.is_distinct_from(unless.scan_id),
        *by_judge,
    )
