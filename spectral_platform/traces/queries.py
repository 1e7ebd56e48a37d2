"""Reading traces, their spans, their feedback, and what ingestion has counted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Enum,
    Row,
    Select,
    String,
    and_,
    any_,
    func,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.traces.counting import Measure, beginning_of, reason_and_sender
from spectral_platform.traces.errors import FeedbackLinkNotFound, TraceNotFound
from spectral_platform.traces.feedback import FeedbackSource
from spectral_platform.traces.links import FeedbackLink
from spectral_platform.traces.listing import Window, find_part, one_of
from spectral_platform.traces.models import Feedback, IngestCount, Span, Trace
from spectral_platform.traces.selection import (
    Position,
    SpanPosition,
    TraceFilter,
    TraceSort,
)
from spectral_platform.traces.spans import SpanKind
from spectral_platform.workspaces.queries import is_workspace_open

SPANS_PER_PAGE = 1_000
_UNSHOWN = {
    "workspace_id",
    "day",
    "workflow",
    "session_id",
    "user_id",
    "tags",
    "config_version",
    "response_id",
    "fullness",
    "digest",
    "received_at",
}
_SPANS = Span.__table__.c
"""Columns without the ORM, which would take every row apart and put it together once more: a third of the time of a thousand."""
_SHOWN = [
    type_coerce(column, String).label(column.name) if isinstance(column.type, Enum) else column
    for column in _SPANS
    if column.name not in _UNSHOWN
]


@dataclass(frozen=True, slots=True)
class TracePage:
    """One page of traces. ``is_capped`` says that counting stopped; ``next_cursor`` leads to the next page."""

    results: Sequence[Trace]
    total: int
    is_capped: bool
    next_cursor: str | None


async def list_traces(
    session: AsyncSession,
    caller: Caller,
    *,
    where: TraceFilter,
    sort: TraceSort = TraceSort.STARTED_AT_DESC,
    limit: int = 20,
    offset: int = 0,
    after: Position | None = None,
    among: Collection[str] | None = None,
) -> TracePage:
    """Traces of the workspace. Ties of the order are broken by the trace's id, so pages never overlap.

    ``among`` names those to choose from, by default all. Long inputs and outputs are only previewed. A trace whose cost or tokens
    are unknown comes below all others. Raises ``SearchTooBroad`` when it would take longer than ten seconds.
    """
    part = await find_part(
        session, caller.workspace, where, among, Window(sort=sort, limit=limit + 1, offset=offset, after=after)
    )
    shown = part.trace_ids[:limit]
    rows = await session.scalars(Trace.in_workspace(caller.workspace).where(Trace.trace_id == one_of(shown)))
    traces = {trace.trace_id: trace for trace in rows}
    results = [traces[trace_id] for trace_id in shown if trace_id in traces]
    next_cursor = Position.of(results[-1], sort).encode() if len(part.trace_ids) > limit and results else None
    return TracePage(results, part.total, part.is_capped, next_cursor)


async def get_trace(session: AsyncSession, caller: Caller, trace_id: str) -> Trace:
    """One trace; of its input and output the beginnings."""
    trace = await session.scalar(
        Trace.in_workspace(caller.workspace).where(Trace.trace_id == trace_id).execution_options(populate_existing=True)
    )
    if trace is None:
        raise TraceNotFound(trace_id)
    return trace


async def list_inputs_and_outputs(session: AsyncSession, traces: Sequence[Trace]) -> dict[str, tuple[str | None, str | None]]:
    """What went into traces of one workspace and what came out of them, whole, by their ids."""
    places = {(trace.trace_id, span_id) for trace in traces for span_id in (trace.input_span_id, trace.output_span_id) if span_id}
    rows = await session.execute(
        select(Span.trace_id, Span.span_id, Span.input, Span.output).where(
            Span.workspace_id.in_({trace.workspace_id for trace in traces}),
            Span.day.in_({trace.day for trace in traces}),
            tuple_(Span.trace_id, Span.span_id).in_(places),
        )
    )
    texts = {(row.trace_id, row.span_id): (row.input, row.output) for row in rows}
    nothing = (None, None)
    return {
        trace.trace_id: (
            texts.get((trace.trace_id, trace.input_span_id or ""), nothing)[0],
            texts.get((trace.trace_id, trace.output_span_id or ""), nothing)[1],
        )
        for trace in traces
    }


def spans_of(trace: Trace) -> tuple[ColumnElement[bool], ...]:
    """Where the spans of a trace lie; the day leads to their partition."""
    return Span.workspace_id == trace.workspace_id, Span.day == trace.day, Span.trace_id == trace.trace_id


async def list_spans(
    session: AsyncSession, trace: Trace, *, limit: int = SPANS_PER_PAGE, offset: int = 0, after: SpanPosition | None = None
) -> tuple[Sequence[Row[Any]], str | None]:
    """What is shown of a trace's spans in the order in which they began, and the cursor of the next page if there is one.

    Of a long trace the page is found by ids and times alone: to carry every whole row through a sort takes twice as long.
    """
    own = _SPANS.workspace_id == trace.workspace_id, _SPANS.day == trace.day, _SPANS.trace_id == trace.trace_id
    order = _SPANS.started_at, _SPANS.span_id
    wanted = own if after is None else (*own, after.is_before(*order))
    if trace.span_count > limit:
        page = select(_SPANS.span_id).where(*wanted).order_by(*order).limit(limit + 1).offset(offset)
        statement = select(*_SHOWN).where(*own, _SPANS.span_id == any_(func.array(page.scalar_subquery()))).order_by(*order)
    else:
        statement = select(*_SHOWN).where(*wanted).order_by(*order).limit(limit + 1).offset(offset)
    rows = (await session.execute(statement)).all()
    return rows[:limit], SpanPosition(rows[limit - 1].started_at, rows[limit - 1].span_id).encode() if rows[limit:] else None


@dataclass(frozen=True, slots=True)
class TraceTexts:
    """What a trace was asked, what it looked up, and how somebody says it should have answered."""

    input: str | None
    retrieved: str | None
    corrected_output: str | None


async def list_texts(session: AsyncSession, caller: Caller, trace_ids: Sequence[str]) -> dict[str, TraceTexts]:
    """The whole texts of some traces: lookups in the order in which they began, of several corrections the latest."""
    among = one_of(trace_ids)
    own_spans = and_(Span.workspace_id == Trace.workspace_id, Span.day == Trace.day, Span.trace_id == Trace.trace_id)
    inputs = await session.execute(
        select(Trace.trace_id, Span.input)
        .outerjoin(Span, and_(own_spans, Span.span_id == Trace.input_span_id))
        .where(Trace.workspace_id == caller.workspace, Trace.trace_id == among)
    )
    lookups = await session.execute(
        select(Span.trace_id, func.aggregate_strings(Span.output, "\n\n").aggregate_order_by(Span.started_at, Span.span_id))
        .join(Trace, own_spans)
        .where(Trace.workspace_id == caller.workspace, Trace.trace_id == among, Span.kind == SpanKind.RETRIEVAL)
        .group_by(Span.trace_id)
    )
    corrections = await session.execute(
        select(Feedback.trace_id, Feedback.corrected_output)
        .where(
            Feedback.workspace_id == caller.workspace,
            Feedback.trace_id == among,
            Feedback.span_id.is_(None),
            Feedback.corrected_output.is_not(None),
        )
        .order_by(Feedback.created_at, Feedback.id)
    )
    retrieved = {row[0]: row[1] for row in lookups}
    corrected = {row[0]: row[1] for row in corrections}
    return {row[0]: TraceTexts(row[1], retrieved.get(row[0]), corrected.get(row[0])) for row in inputs}


async def list_feedback(session: AsyncSession, caller: Caller, trace_id: str, *, page: PageRequest) -> Page[Feedback]:
    """What was thought of a trace and its spans."""
    await get_trace(session, caller, trace_id)
    return await paginate(
        session,
        Feedback.in_workspace(caller.workspace).where(Feedback.trace_id == trace_id),
        page,
        columns={"created_at": Feedback.created_at},
        tiebreak=Feedback.id,
    )


async def list_complaints(session: AsyncSession, caller: Caller, trace_ids: Sequence[str]) -> list[tuple[str, Feedback]]:
    """What people disliked of these traces as a whole, of several words of one trace on one dimension the latest."""
    rows = await session.scalars(
        Feedback.in_workspace(caller.workspace)
        .where(
            Feedback.trace_id == one_of(trace_ids),
            Feedback.span_id.is_(None),
            Feedback.source.in_((FeedbackSource.HUMAN, FeedbackSource.USER)),
        )
        .order_by(Feedback.created_at, Feedback.id)
    )
    latest = {(row.trace_id, row.dimension): row for row in rows}
    return [(trace_id, row) for (trace_id, _), row in latest.items() if row.score < 0]


async def get_linked_trace(session: AsyncSession, link: FeedbackLink) -> tuple[str | None, str | None, Feedback | None]:
    """What went in and came out, as far as the link lets it be shown, and what was thought by it already."""
    trace = await session.scalar(await linked_trace(session, link))
    if trace is None:
        raise FeedbackLinkNotFound
    question, answer = (await list_inputs_and_outputs(session, [trace]))[trace.trace_id] if link.shows_content else (None, None)
    given = Feedback.in_workspace(link.workspace_id).where(Feedback.link_id == link.id)
    return question, answer, await session.scalar(given)


async def linked_trace(session: AsyncSession, link: FeedbackLink) -> Select[Trace]:
    """The trace that a link is for, where its workspace is still there; the transaction is bound to that from here on."""
    await bind_tenant(session, account_id=link.account_id, workspace_id=link.workspace_id)
    return Trace.in_workspace(link.workspace_id).where(Trace.trace_id == link.trace_id, is_workspace_open(link.workspace_id))


@dataclass(frozen=True, slots=True)
class RejectionCount:
    """How many spans of one sender were refused for one reason, since when, and one of them."""

    reason: str
    sender: str
    count: int
    sample: str | None
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class IngestStatistics:
    """What arrived in a workspace over a window of time."""

    received: int
    stored: int
    rejected: int
    duplicates: int
    erased: int
    bytes: int
    spans_per_second: float
    by_service: dict[str, int]
    by_dialect: dict[str, int]
    rejections: list[RejectionCount]


async def get_statistics(session: AsyncSession, caller: Caller, *, window: timedelta) -> IngestStatistics:
    """What arrived within the window, to the period in which it begins: of five minutes, later of an hour, then of a day."""
    count = func.sum(IngestCount.count).cast(BigInteger).label("count")
    rows = await session.execute(
        IngestCount.in_workspace(caller.workspace)
        .where(IngestCount.period >= beginning_of(window, clock.now()))
        .with_only_columns(
            IngestCount.measure,
            IngestCount.label,
            count,
            func.max(IngestCount.sample).label("sample"),
            func.min(IngestCount.period).label("first_at"),
            func.max(func.coalesce(IngestCount.counted_at, IngestCount.period)).label("last_at"),
        )
        .group_by(IngestCount.measure, IngestCount.label)
        .order_by(count.desc(), IngestCount.label)
    )
    counts: dict[Measure, dict[str, int]] = {measure: {} for measure in Measure}
    rejections: list[RejectionCount] = []
    for measure, label, counted, sample, first_at, last_at in rows:
        counts[measure][label] = counted
        if measure is Measure.REJECTED:
            rejections.append(RejectionCount(*reason_and_sender(label), counted, sample, first_at, last_at))
    totals = {measure: sum(by_label.values()) for measure, by_label in counts.items()}
    return IngestStatistics(
        received=totals[Measure.RECEIVED],
        stored=totals[Measure.STORED],
        rejected=totals[Measure.REJECTED],
        duplicates=totals[Measure.DUPLICATE],
        erased=totals[Measure.ERASED],
        bytes=totals[Measure.BYTES],
        spans_per_second=round(totals[Measure.RECEIVED] / window.total_seconds(), 3),
        by_service=counts[Measure.SERVICE],
        by_dialect=counts[Measure.DIALECT],
        rejections=rejections,
    )
