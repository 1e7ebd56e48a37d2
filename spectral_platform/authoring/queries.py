"""Reading what drafts and suggestions are made from, and what was decided on suggestions."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import String, any_, cast, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.configuration import PromptTemplate
from spectral_platform.agents.queries import find_newest_version, get_agent, get_config_version
from spectral_platform.authoring.drafting import Comment, Exchange, Observed
from spectral_platform.authoring.models import SuggestionDecision
from spectral_platform.authoring.suggesting import measurement, suggest
from spectral_platform.authoring.suggestions import (
    BrokenRule,
    ClusterSeen,
    Found,
    Grounds,
    Opinion,
    Suggestion,
    SuggestionStatus,
)
from spectral_platform.changesets.clusters.models import FailureCluster
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.evaluations.objectives.queries import list_named_dimensions
from spectral_platform.evaluations.rubrics.models import RubricVersion
from spectral_platform.evaluations.rubrics.queries import get_rubric
from spectral_platform.evaluations.scores.models import TraceScore
from spectral_platform.evaluations.scores.queries import list_subjects, list_traces_to_score
from spectral_platform.scans.queries import find_last_clusters
from spectral_platform.traces.feedback import FeedbackSource
from spectral_platform.traces.models import Feedback
from spectral_platform.worlds.rules import AppliesTo, Rule, load_world

WINDOW = timedelta(days=30)
MOST_TRACES = 100
MOST_FEEDBACK = 500
MOST_OPINIONS = 10_000
MOST_VERSIONS = 5
MOST_SCORES = 20_000
UNSETTLED = (ClusterStatus.OPEN, ClusterStatus.ACKNOWLEDGED)
PEOPLE = (FeedbackSource.HUMAN, FeedbackSource.USER)


async def observe_agent(session: AsyncSession, caller: Caller, agent_id: UUID) -> Observed:
    """What is known of the agent. Traces that became samples are left out, so that no draft quotes a sealed case.

    Raises ``AgentNotFound``.
    """
    agent = await get_agent(session, caller, agent_id)
    version = (
        await find_newest_version(session, caller, agent_id)
        if agent.approved_version is None
        else await get_config_version(session, caller, agent_id, agent.approved_version)
    )
    template: PromptTemplate | None = version.config.template if version else None
    now = clock.now()
    trace_ids = await list_traces_to_score(
        session, caller, agent_ids=[agent.id], since=now - WINDOW, until=now, limit=MOST_TRACES
    )
    subjects = list((await list_subjects(session, caller, trace_ids)).values())
    feedback = await session.execute(
        select(Feedback.dimension, Feedback.comment, Feedback.score)
        .where(Feedback.workspace_id == caller.workspace, Feedback.trace_id.in_(trace_ids), Feedback.source.in_(PEOPLE))
        .order_by(Feedback.created_at.desc(), Feedback.id)
        .limit(MOST_FEEDBACK)
    )
    judged = feedback.all()
    return Observed(
        agent_name=agent.name,
        template=template,
        exchanges=tuple(Exchange(input=subject.input, output=subject.output) for subject in subjects),
        latencies_ms=tuple(subject.latency_ms for subject in subjects if subject.latency_ms is not None),
        costs_usd=tuple(subject.cost_usd for subject in subjects if subject.cost_usd is not None),
        has_retrieval=any(subject.context for subject in subjects),
        comments=tuple(
            Comment(text=comment, dimension=dimension) for dimension, comment, score in judged if comment and score < 0
        ),
        rated_dimensions=tuple(dimension for dimension, _, _ in judged if dimension),
    )


@dataclass(frozen=True, slots=True)
class SuggestionView:
    """A suggestion with what became of it; ``version`` is the rubric's, after the decision if there was one."""

    suggestion: Suggestion
    rubric_id: UUID
    status: SuggestionStatus
    version: int
    decided_at: datetime | None


async def list_suggestions(
    session: AsyncSession, caller: Caller, rubric_id: UUID, *, status: SuggestionStatus, limit: int, offset: int
) -> Page[SuggestionView]:
    """The suggestions for a rubric in one status: pending ones as the evidence is now, decided ones as they were."""
    rubric = await get_rubric(session, caller, rubric_id)
    own = SuggestionDecision.in_workspace(caller.workspace).where(SuggestionDecision.rubric_id == rubric_id)
    if status is not SuggestionStatus.PENDING:
        page = await paginate(
            session,
            own.where(SuggestionDecision.status == status),
            PageRequest(limit=limit, offset=offset, sort="-decided_at"),
            columns={"decided_at": SuggestionDecision.decided_at},
            tiebreak=SuggestionDecision.suggestion_id,
        )
        return Page([_decided(decision) for decision in page.results], page.total, limit, offset)
    found = await asyncio.to_thread(suggest, await load_grounds(session, caller, rubric))
    among = own.where(SuggestionDecision.suggestion_id.in_([each.id for each in found]))
    decided = {decision.suggestion_id for decision in await session.scalars(among)}
    views = [
        SuggestionView(each, rubric_id, SuggestionStatus.PENDING, rubric.version, None)
        for each in found
        if each.id not in decided
    ]
    return Page(views[offset : offset + limit], len(views), limit, offset)


async def find_decision(session: AsyncSession, caller: Caller, rubric_id: UUID, suggestion_id: UUID) -> SuggestionDecision | None:
    """What was decided on a suggestion, if anything was."""
    own = SuggestionDecision.in_workspace(caller.workspace).where(SuggestionDecision.rubric_id == rubric_id)
    return await session.scalar(own.where(SuggestionDecision.suggestion_id == suggestion_id))


async def load_grounds(session: AsyncSession, caller: Caller, rubric: RubricVersion) -> Grounds:
    """What suggestions for the rubric are made from. Only scores of traces count: scans keep none of a sealed case."""
    found = await _scores(session, caller, rubric)
    # As one array, because a statement takes 65 535 parameters.
    among = any_(cast(sorted({each.trace_id for each in found}), ARRAY(String)))
    opinions = await session.execute(
        select(Feedback.trace_id, Feedback.dimension, Feedback.score, Feedback.comment)
        .where(Feedback.workspace_id == caller.workspace, Feedback.trace_id == among, Feedback.source.in_(PEOPLE))
        .order_by(Feedback.created_at.desc(), Feedback.id)
        .limit(MOST_OPINIONS)
    )
    return Grounds(
        rubric_id=rubric.rubric_id,
        dimensions=rubric.dimensions,
        found=tuple(found),
        opinions=tuple(
            Opinion(trace_id=trace_id, dimension=dimension, score=score, comment=comment)
            for trace_id, dimension, score, comment in opinions
        ),
        clusters=await _clusters(session, caller, rubric.rubric_id),
        pinned=await list_named_dimensions(session, caller, rubric.rubric_id),
    )


async def _scores(session: AsyncSession, caller: Caller, rubric: RubricVersion) -> list[Found]:
    """The newest scores of each dimension, from every late version in which it measured what it measures now."""
    now = {dimension.key: measurement(dimension) for dimension in rubric.dimensions}
    same: set[tuple[int, str]] = set()
    for version in range(rubric.version, max(0, rubric.version - MOST_VERSIONS), -1):
        older = await get_rubric(session, caller, rubric.rubric_id, version=version)
        same |= {(version, each.key) for each in older.dimensions if now.get(each.key) == measurement(each)}
    rows = await session.execute(
        select(TraceScore.trace_id, TraceScore.dimension, TraceScore.score, TraceScore.passed, TraceScore.simulated)
        .where(
            TraceScore.workspace_id == caller.workspace,
            TraceScore.rubric_id == rubric.rubric_id,
            tuple_(TraceScore.rubric_version, TraceScore.dimension).in_(sorted(same)),
        )
        .order_by(TraceScore.rubric_version.desc(), TraceScore.created_at.desc(), TraceScore.trace_id, TraceScore.dimension)
        .limit(MOST_SCORES)
    )
    newest: dict[tuple[str, str], Found] = {}
    for trace_id, dimension, score, passed, simulated in rows:
        found = Found(trace_id=trace_id, dimension=dimension, score=score, passed=passed, simulated=bool(simulated))
        newest.setdefault((trace_id, dimension), found)
    return list(newest.values())


async def _clusters(session: AsyncSession, caller: Caller, rubric_id: UUID) -> tuple[ClusterSeen, ...]:
    """The clusters of the last scan by the rubric that nobody has settled, with the rules of the world model that they break."""
    last = await find_last_clusters(session, caller, rubric_id)
    if last is None:
        return ()
    scan, by_agent = last
    rules = {rule.key: _broken(rule) for rule in load_world(scan.settings.world_model).rules}
    documents = {document["signature"]: document for found in by_agent.values() for document in found}
    rows = await session.scalars(
        FailureCluster.in_workspace(caller.workspace)
        .where(FailureCluster.signature.in_(documents), FailureCluster.status.in_(UNSETTLED))
        .order_by(FailureCluster.size.desc(), FailureCluster.id)
    )
    return tuple(
        ClusterSeen(
            signature=row.signature,
            label=row.label,
            description=row.description,
            size=row.size,
            share=row.share,
            severity=row.severity,
            criteria=(criteria := tuple(documents[row.signature]["fingerprint"])),
            rules=tuple(rules[key] for key in criteria if key in rules),
            trace_ids=row.exemplar_trace_ids,
            simulated=scan.simulated,
        )
        for row in rows
    )


def _broken(rule: Rule) -> BrokenRule:
    """A rule as suggestions see it. What checks a stimulus made to test the rule fits no other question."""
    evaluator = rule.evaluator if rule.applies_to is AppliesTo.EVERY_ANSWER else None
    return BrokenRule.model_validate({"key": rule.key, "text": rule.text, "evaluator": evaluator})


def _decided(decision: SuggestionDecision) -> SuggestionView:
    return SuggestionView(decision.suggestion, decision.rubric_id, decision.status, decision.version, decision.decided_at)
