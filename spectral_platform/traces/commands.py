"""Taking in spans and traces, and judging them."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.metrics import SPANS
from spectral_platform.traces import ingest
from spectral_platform.traces.counting import tally
from spectral_platform.traces.errors import SpanNotFound, TraceNotFound
from spectral_platform.traces.feedback import FeedbackSource
from spectral_platform.traces.masking import mask_rejections, mask_spans
from spectral_platform.traces.models import Feedback, Span, Trace
from spectral_platform.traces.queries import spans_of
from spectral_platform.traces.spans import Rejection, SpanDraft
from spectral_platform.workspaces.policies.queries import get_ingestion_policies

RATE_TRACE = text(
    """
    UPDATE traces SET (feedback_score, feedback_count) = (
        SELECT avg(score), count(*) FROM feedback WHERE workspace_id = :workspace_id AND trace_id = :trace_id
    )
    WHERE workspace_id = :workspace_id AND trace_id = :trace_id
    """
)


async def record_spans(
    session: AsyncSession,
    caller: Caller,
    *,
    drafts: Sequence[SpanDraft],
    rejections: Sequence[Rejection] = (),
    size_bytes: int,
) -> None:
    """Store the spans of one request, bring their traces up to date and count what arrived, refused spans included.

    Every way in comes by here, so here is where the workspace's masking happens.
    """
    masking, prices = await get_ingestion_policies(session, caller.workspace)
    if not masking.is_empty:
        await asyncio.to_thread(mask_spans, masking.masker, drafts)
        rejections = mask_rejections(masking.masker, rejections)
    new = await ingest.store_spans(session, caller.workspace, drafts, prices)
    await ingest.add_counts(
        session, caller.workspace, tally(drafts, rejections, stored=new.spans, traces=new.traces, size_bytes=size_bytes)
    )
    outcomes = {"stored": new.spans, "duplicate": len(drafts) - new.spans, "rejected": len(rejections)}
    event.listen(session.sync_session, "after_commit", lambda _: _measure(outcomes), once=True)


def _measure(outcomes: dict[str, int]) -> None:
    for outcome, count in outcomes.items():
        SPANS.labels(outcome).inc(count)


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
    if span_id is not None:
        spans = select(Span.span_id).where(*spans_of(trace), Span.span_id == span_id)
        if await session.scalar(spans) is None:
            raise SpanNotFound(trace_id, span_id)
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
