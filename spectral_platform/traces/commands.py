"""Taking in spans and traces, and judging them."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import structlog
from sqlalchemy import delete, event, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller, CallerKind
from spectral_platform.core.database import bind_upkeep
from spectral_platform.core.metrics import SPANS
from spectral_platform.traces import ingest
from spectral_platform.traces.counting import KEPT_BY_HOUR, KEPT_FINE, SENDERS, period_of, tally
from spectral_platform.traces.errors import FeedbackLinkNotFound, SpanNotFound, TraceNotFound
from spectral_platform.traces.feedback import FeedbackSource
from spectral_platform.traces.links import FeedbackLink
from spectral_platform.traces.masking import mask_rejections, mask_spans
from spectral_platform.traces.models import ErasedTrace, Feedback, Span, Trace
from spectral_platform.traces.queries import linked_trace, spans_of
from spectral_platform.traces.spans import LONGEST_LABEL, Rejection, SpanDraft, cut_labels
from spectral_platform.traces.statements import FOLD_COUNTS, INDEX_WORDS, PLAN_BY_KEYS, SEE_WORDS, TAKE_DUE
from spectral_platform.workspaces.policies.queries import get_ingestion_policies

logger = structlog.get_logger(__name__)

MOST_FOLDED_AT_ONCE = 5_000
MOST_INDEXED_AT_ONCE = 500
INDEXING_LOCK = 0x5EC7_0002
UNFIT = ("22", "54")
"""The classes of Postgres' errors that say that data cannot be what it should be, or is too much; they come again with it."""
RATE_TRACE = text(
    """
    UPDATE traces SET (feedback_score, feedback_count) = (
        SELECT avg(score), count(*) FROM feedback WHERE workspace_id = :workspace_id AND trace_id = :trace_id
    )
    WHERE workspace_id = :workspace_id AND trace_id = :trace_id
    """
)
# What may be forgotten, and that it is old enough, is the policy's say.
FORGET_ERASED = text("DELETE FROM erased_traces WHERE erased_at < now() - interval '365 days'")


async def record_spans(
    session: AsyncSession,
    caller: Caller,
    *,
    drafts: Sequence[SpanDraft],
    rejections: Sequence[Rejection] = (),
    size_bytes: int,
) -> None:
    """Store the spans of one request, bring their traces up to date and count what arrived, refused spans included.

    Every way in comes by here, so here is where the workspace's masking happens. The transaction is bound to the
    caller's workspace.
    """
    ground = await ingest.survey(session, caller, drafts)
    masking = ground.masking
    if not masking.is_empty:
        await asyncio.to_thread(mask_spans, masking.masker, drafts)
        rejections = await asyncio.to_thread(mask_rejections, masking.masker, rejections)
    cut_labels(drafts)
    today = clock.now().date()
    rejections = [replace(each, sender=SENDERS.name(caller.workspace, each.sender[:LONGEST_LABEL], today)) for each in rejections]
    storing = ingest.Storing(ground, clock.now())
    new = await storing.store(await ingest.assemble(session, ground, drafts))
    counts = tally(drafts, rejections, stored=new.spans, traces=new.traces, erased=new.erased, size_bytes=size_bytes)
    await storing.finish(counts)
    duplicates = len(drafts) - new.spans - new.erased
    outcomes = {"stored": new.spans, "duplicate": duplicates, "erased": new.erased, "rejected": len(rejections)}
    event.listen(session.sync_session, "after_commit", lambda _: _measure(outcomes), once=True)


def _measure(outcomes: dict[str, int]) -> None:
    for outcome, count in outcomes.items():
        SPANS.labels(outcome).inc(count)


async def delete_trace(session: AsyncSession, caller: Caller, trace_id: str) -> None:
    """Erase a trace with its spans, its feedback and all words of it. Spans that come later are dropped."""
    trace = await session.scalar(Trace.in_workspace(caller.workspace).where(Trace.trace_id == trace_id).with_for_update())
    if trace is None:
        raise TraceNotFound(trace_id)
    erased = {"trace_id": trace_id, "erased_at": clock.now(), "erased_by_kind": caller.kind, "erased_by_id": caller.id}
    session.add(ErasedTrace(workspace_id=caller.workspace, **erased))
    await session.execute(delete(Span).where(*spans_of(trace)))
    await session.delete(trace)
    await record(session, caller, action="trace.deleted", resource="trace", resource_id=trace_id)


async def create_feedback_link(
    session: AsyncSession, caller: Caller, trace_id: str, *, span_id: str | None, shows_content: bool
) -> FeedbackLink:
    """Allow whoever gets the link to judge a trace or one of its spans."""
    trace = await session.scalar(Trace.in_workspace(caller.workspace).where(Trace.trace_id == trace_id))
    if trace is None:
        raise TraceNotFound(trace_id)
    await _require_span(session, trace, span_id)
    link = FeedbackLink(clock.new_id(), caller.account_id, caller.workspace, trace_id, span_id, shows_content)
    detail = {"link_id": str(link.id), "span_id": span_id, "shows_content": shows_content}
    await record(session, caller, action="feedback_link.created", resource="trace", resource_id=trace_id, **detail)
    return link


async def answer_feedback_link(
    session: AsyncSession, link: FeedbackLink, *, score: float, comment: str | None, corrected_output: str | None
) -> Feedback:
    """Judge by a link. What was said by it before is replaced: of one link there is one feedback."""
    statement = await linked_trace(session, link)
    trace = await session.scalar(statement.with_for_update(key_share=True, of=Trace))
    if trace is None:
        raise FeedbackLinkNotFound
    masking, _ = await get_ingestion_policies(session, link.workspace_id)
    feedback = await session.scalar(Feedback.in_workspace(link.workspace_id).where(Feedback.link_id == link.id))
    if feedback is None:
        feedback = Feedback(
            workspace_id=link.workspace_id,
            trace_id=link.trace_id,
            span_id=link.span_id,
            source=FeedbackSource.USER,
            author_kind=CallerKind.SYSTEM,
            link_id=link.id,
        )
        session.add(feedback)
    feedback.score, feedback.created_at = score, clock.now()
    feedback.comment = masking.masker.optional(comment)
    feedback.corrected_output = masking.masker.optional(corrected_output)
    await session.flush()
    await session.execute(RATE_TRACE, {"workspace_id": link.workspace_id, "trace_id": link.trace_id})
    return feedback


async def _require_span(session: AsyncSession, trace: Trace, span_id: str | None) -> None:
    if span_id is None:
        return
    if await session.scalar(select(Span.span_id).where(*spans_of(trace), Span.span_id == span_id)) is None:
        raise SpanNotFound(trace.trace_id, span_id)


async def prune_erased(session: AsyncSession) -> None:
    """Forget, in every workspace, which traces were erased more than a year ago."""
    await bind_upkeep(session)
    await session.execute(FORGET_ERASED)


async def fold_counts(session: AsyncSession) -> bool:
    """Add up some counts of ingestion, of whatever workspace: old ones by the hour, older ones by the day. Whether more are left.

    What was counted stays exact, and so does every sum by hour or day.
    """
    await bind_upkeep(session)
    now, folded = clock.now(), 0
    for unit, kept_for in (("hour", KEPT_FINE), ("day", KEPT_BY_HOUR)):
        before = period_of(now - kept_for).replace(hour=0, minute=0)
        values = {"unit": unit, "before": before, "most": MOST_FOLDED_AT_ONCE}
        folded = max(folded, await session.scalar(text(FOLD_COUNTS), values) or 0)
    return folded == MOST_FOLDED_AT_ONCE


async def index_words(session: AsyncSession) -> bool:
    """Make the words of some traces searchable, of whatever workspace, in the order in which they came. Whether more are left.

    This is done by one at a time: of two who looked at a trace, the one who saw less might write last.
    """
    await session.execute(select(func.pg_advisory_xact_lock(INDEXING_LOCK)))
    await session.execute(text(PLAN_BY_KEYS))
    await bind_upkeep(session)
    taken = (await session.execute(text(TAKE_DUE), {"most": MOST_INDEXED_AT_ONCE})).all()
    due: dict[UUID, set[str]] = defaultdict(set)
    for workspace_id, trace_id in taken:
        due[workspace_id].add(trace_id)
    for workspace_id, trace_ids in due.items():
        await session.execute(text(SEE_WORDS), {"workspace_id": workspace_id})
        await _index(session, workspace_id, sorted(trace_ids))
    return len(taken) == MOST_INDEXED_AT_ONCE


async def _index(session: AsyncSession, workspace_id: UUID, trace_ids: list[str]) -> None:
    """Index the words of traces, all but those that Postgres refuses to take apart: who comes behind must not wait for them."""
    try:
        async with session.begin_nested():
            await session.execute(text(INDEX_WORDS), {"workspace_id": workspace_id, "trace_ids": trace_ids})
    except DBAPIError as error:
        if not str(getattr(error.orig, "sqlstate", None)).startswith(UNFIT):
            raise
        if len(trace_ids) == 1:
            logger.warning("words_not_indexed", workspace_id=str(workspace_id), trace_id=trace_ids[0], exc_info=error)
            return
        middle = len(trace_ids) // 2
        await _index(session, workspace_id, trace_ids[:middle])
        await _index(session, workspace_id, trace_ids[middle:])


async def create_feedback(
    session: AsyncSession,
    caller: Caller,
    trace_id: str,
    *,
    score: float,
    source: FeedbackSource,
    span_id: str | None = None,
    dimension: str | None = None,
    comment: str | None = None,
    corrected_output: str | None = None,
) -> Feedback:
    """Judge a trace or one of its spans; the trace's score is the mean of all its feedback."""
    rated = Trace.in_workspace(caller.workspace).where(Trace.trace_id == trace_id)
    trace = await session.scalar(rated.with_for_update(key_share=True))
    if trace is None:
        raise TraceNotFound(trace_id)
    await _require_span(session, trace, span_id)
    masking, _ = await get_ingestion_policies(session, caller.workspace)
    feedback = Feedback(
        workspace_id=caller.workspace,
        trace_id=trace_id,
        span_id=span_id,
        score=score,
        dimension=masking.masker.optional(dimension),
        comment=masking.masker.optional(comment),
        corrected_output=masking.masker.optional(corrected_output),
        source=source,
        author_kind=caller.kind,
        author_id=caller.id,
    )
    session.add(feedback)
    await session.flush()
    await session.execute(RATE_TRACE, {"workspace_id": caller.workspace, "trace_id": trace_id})
    return feedback
