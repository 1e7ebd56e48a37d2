"""Reading scores of traces, and traces as what evaluators look at."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.models import ConfigLabel, ConfigVersion
from spectral_platform.agents.versions import Label
from spectral_platform.core.access import Caller
from spectral_platform.core.settings import Settings
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject
from spectral_platform.evaluations.rubrics.models import RubricVersion
from spectral_platform.evaluations.scores.findings import NO_ANSWER, Answer, AnswerSource, Finding, by_code, found
from spectral_platform.evaluations.scores.models import TraceScore
from spectral_platform.llm.errors import ProviderUnconfigured
from spectral_platform.llm.messages import ToolCall
from spectral_platform.llm.providers.availability import has_real_provider, is_replayed, is_simulated, require_providers
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.queries import find_profile
from spectral_platform.otel.dialects.conversation import called, instructed
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.errors import SampleNotFound
from spectral_platform.samples.models import PublishedSample, Sample
from spectral_platform.traces.errors import TraceNotFound
from spectral_platform.traces.feedback import FeedbackSource
from spectral_platform.traces.models import Feedback, Span, Trace
from spectral_platform.traces.queries import list_inputs_and_outputs, list_texts
from spectral_platform.traces.spans import SpanKind

TOOL_NAMES = ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "traceloop.entity.name")
"""The attributes in which instrumentations name a tool; without any it is the span's name."""
MOST_TOOL_CALLS = 500
"""So many calls of a trace are read, the first ones: a trace with very many hides none of another's."""
_OWN_SPANS = and_(Span.workspace_id == Trace.workspace_id, Span.day == Trace.day, Span.trace_id == Trace.trace_id)
SIMULATED_JUDGE = "sim/judge"
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
    a correction that somebody gave as feedback. Of a trace of one span it is not known which tools were called.
    """
    rows = await session.scalars(Trace.in_workspace(caller.workspace).where(Trace.trace_id.in_(trace_ids)))
    traces = {trace.trace_id: trace for trace in rows}
    if not traces:
        return {}
    texts = await list_texts(session, caller, list(traces))
    answers = await list_inputs_and_outputs(session, list(traces.values()))
    tool_calls = await _list_tool_calls(session, caller, list(traces))
    prompts = await _list_system_prompts(session, caller, list(traces))
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
            tool_calls=tool_calls.get(trace_id, () if trace.span_count > 1 else None),
            system_prompt=prompts.get(trace_id),
        )
    return subjects


async def _list_tool_calls(session: AsyncSession, caller: Caller, trace_ids: Sequence[str]) -> dict[str, tuple[ToolCall, ...]]:
    """The tools that traces called, in the order in which the calls began: those with spans, else those that answers ask for."""
    name = func.coalesce(*(func.jsonb_extract_path_text(Span.attributes, key) for key in TOOL_NAMES), Span.name)
    number = func.row_number().over(partition_by=(Span.trace_id, Span.kind), order_by=(Span.started_at, Span.span_id))
    calling = (
        select(Span.trace_id, Span.kind, name.label("name"), Span.input, Span.output, number.label("number"))
        .join(Trace, _OWN_SPANS)
        .where(
            Trace.workspace_id == caller.workspace,
            Trace.trace_id.in_(trace_ids),
            or_(Span.kind == SpanKind.TOOL, and_(Span.kind == SpanKind.LLM, Span.output.startswith("[{", autoescape=True))),
        )
        .subquery()
        .c
    )
    rows = await session.execute(
        select(calling.trace_id, calling.kind, calling.name, calling.input, calling.output)
        .where(calling.number <= MOST_TOOL_CALLS)
        .order_by(calling.trace_id, calling.number)
    )
    made: dict[SpanKind, dict[str, list[ToolCall]]] = {SpanKind.TOOL: {}, SpanKind.LLM: {}}
    for trace_id, kind, called_name, arguments, output in rows:
        calls = [(called_name, arguments)] if kind is SpanKind.TOOL else called(output)
        if calls:
            made[kind].setdefault(trace_id, []).extend(ToolCall.read(*call) for call in calls)
    return {trace_id: tuple(calls) for trace_id, calls in (made[SpanKind.LLM] | made[SpanKind.TOOL]).items()}


async def _list_system_prompts(session: AsyncSession, caller: Caller, trace_ids: Sequence[str]) -> dict[str, str]:
    """What the first model call of each trace was instructed, where its instrumentation tells."""
    rows = await session.execute(
        select(Span.trace_id, Span.attributes)
        .ext(distinct_on(Span.trace_id))
        .join(Trace, _OWN_SPANS)
        .where(Trace.workspace_id == caller.workspace, Trace.trace_id.in_(trace_ids), Span.kind == SpanKind.LLM)
        .order_by(Span.trace_id, Span.started_at, Span.span_id)
    )
    prompts = {trace_id: instructed(attributes) for trace_id, attributes in rows}
    return {trace_id: prompt for trace_id, prompt in prompts.items() if prompt}


async def list_answers(
    session: AsyncSession, caller: Caller, *, trace_ids: Sequence[str] = (), sample_ids: Sequence[UUID] = ()
) -> list[Answer]:
    """The answers of these traces and samples, in the order asked for; those that are not there are left out.

    A sample's answer is that of the trace which it was made from, held against the sample's own context and expected output;
    where that trace is gone, or never was, it is the expected output itself.
    """
    rows = await session.scalars(Sample.in_workspace(caller.workspace).where(Sample.id.in_(sample_ids)))
    contents = {sample.id: sample.content for sample in rows}
    sources = [content.source_trace_id for content in contents.values() if content.source_trace_id]
    present = set(
        await session.scalars(select(Trace.trace_id).where(Trace.workspace_id == caller.workspace, Trace.trace_id.in_(trace_ids)))
    )
    subjects = await list_subjects(session, caller, [*present, *sources])
    answers = []
    for trace_id in dict.fromkeys(trace_ids):
        if trace_id in present:
            subject = subjects.get(trace_id)
            answers.append(Answer("trace", trace_id, subject, AnswerSource.TRACE if subject else None))
    for sample_id in dict.fromkeys(sample_ids):
        if sample_id in contents:
            content = contents[sample_id]
            answers.append(_answer_of_sample(sample_id, content, subjects.get(content.source_trace_id or "")))
    return answers


def _answer_of_sample(sample_id: UUID, content: SampleContent, given: Subject | None) -> Answer:
    case: dict[str, Any] = {"input": content.input_text, "expected_output": content.expected_output, "context": content.context}
    if given is not None:
        known = {name: value for name, value in case.items() if value is not None}
        subject = replace(given, **known, metadata=content.metadata)
        return Answer("sample", str(sample_id), subject, AnswerSource.TRACE)
    if content.expected_output is None:
        return Answer("sample", str(sample_id), None, None)
    subject = Subject(**case, output=content.expected_output, metadata=content.metadata)
    return Answer("sample", str(sample_id), subject, AnswerSource.EXPECTED_OUTPUT)


@dataclass(frozen=True, slots=True)
class JudgeChoice:
    """Which model judges in a workspace; where none does, ``reason`` says why and what to do.

    ``replayed`` says that a cassette answers in its place.
    """

    model: str | None
    reason: str = ""
    replayed: bool = False


async def choose_judge(session: AsyncSession, caller: Caller, server: Settings) -> JudgeChoice:
    """The judge that a scan would have: of the workspace's profile, else the server's model, else that of the simulator.

    The simulator judges only where every approved config runs on it.
    """
    profile = await find_profile(session, caller.workspace)
    if profile is not None:
        model = profile.get(Purpose.SCORING)
        if model is None:
            return JudgeChoice(None, "The workspace's model profile names no model for scoring.")
    else:
        model = server.usual_model
        if model is None and await _runs_on_the_simulator(session, caller):
            model = SIMULATED_JUDGE
        if model is None:
            return JudgeChoice(None, "No model is configured that could judge; set SPECTRAL_DEFAULT_MODEL and its provider.")
    try:
        require_providers(server, [model])
    except ProviderUnconfigured as unserved:
        return JudgeChoice(None, f"The judge's model cannot be asked. {unserved.detail}")
    return JudgeChoice(model, replayed=is_replayed(server, model))


async def find_embedding_model(session: AsyncSession, caller: Caller, server: Settings) -> str | None:
    """The real model that the workspace's profile names for embeddings; None where words are compared instead."""
    model = (await find_profile(session, caller.workspace) or {}).get(Purpose.EMBEDDING)
    return model if model is not None and has_real_provider(server, model) else None


async def _runs_on_the_simulator(session: AsyncSession, caller: Caller) -> bool:
    """Whether there are approved configs and all of them are for models of the simulator."""
    approved = and_(
        ConfigLabel.agent_id == ConfigVersion.agent_id,
        ConfigLabel.version == ConfigVersion.version,
        ConfigLabel.label == Label.APPROVED,
    )
    model = func.jsonb_extract_path_text(ConfigVersion.config, "hyperparameters", "model")
    statement = select(model).join(ConfigLabel, approved).where(ConfigVersion.workspace_id == caller.workspace).distinct()
    models = (await session.scalars(statement)).all()
    return bool(models) and all(is_simulated(name) for name in models)


async def explain_rubric(
    session: AsyncSession,
    caller: Caller,
    server: Settings,
    *,
    rubric: RubricVersion,
    trace_id: str | None = None,
    sample_id: UUID | None = None,
) -> tuple[Answer, list[Finding]]:
    """Why each dimension of a rubric ran on a trace or sample, or did not, without asking a model.

    What a program evaluates is evaluated; of the judge it is told what it said last, else why it was not asked. Raises
    ``TraceNotFound`` or ``SampleNotFound``.
    """
    trace_ids, sample_ids = [trace_id] if trace_id else [], [sample_id] if sample_id else []
    answers = await list_answers(session, caller, trace_ids=trace_ids, sample_ids=sample_ids)
    if not answers:
        raise TraceNotFound(trace_id) if trace_id else SampleNotFound(sample_id)
    (answer,) = answers
    if answer.subject is None:
        return answer, [Finding(dimension, NO_ANSWER) for dimension in rubric.dimensions]
    judge = await choose_judge(session, caller, server)
    scores = await list_trace_scores(
        session,
        caller,
        rubric_id=rubric.rubric_id,
        rubric_version=rubric.version,
        trace_ids=trace_ids,
        limit=len(rubric.dimensions),
    )
    told = {score.dimension: score for score in scores if score.judge_model is not None}
    coded = {each.key: each for each in await asyncio.to_thread(by_code, rubric.dimensions, answer.subject)}
    return answer, [
        coded.get(dimension.key) or _told_by_judge(dimension, told.get(dimension.key), judge) for dimension in rubric.dimensions
    ]


def _told_by_judge(dimension: Dimension, score: TraceScore | None, judge: JudgeChoice) -> Finding:
    if score is None:
        asks = f"The judge {judge.model} has not been asked about this answer; preview asks it, and scans ask it about traces."
        return Finding(dimension, judge.reason or asks)
    evaluation = Evaluation(
        score=score.score,
        passed=score.passed,
        feedback=score.feedback,
        evidence=tuple(score.evidence),
        evaluator=score.evaluator,
    )
    by = "a scan" if score.scan_id else "a preview"
    read = found(dimension, evaluation)
    reason = f"{score.judge_model}, asked by {by} on {score.created_at:%Y-%m-%d}: {read.reason}"
    return Finding(dimension, reason, evaluation, score.judge_model, score.simulated, score.cost_usd)


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
