"""Reading traces, their spans, their feedback, and what ingestion has counted."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    String,
    Subquery,
    and_,
    any_,
    cast,
    func,
    select,
    text,
    tuple_,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.traces.counting import Measure, beginning_of, reason_and_sender
from spectral_platform.traces.errors import FeedbackLinkNotFound, SearchTooBroad, TraceNotFound
from spectral_platform.traces.feedback import FeedbackSource
from spectral_platform.traces.links import FeedbackLink
from spectral_platform.traces.models import Feedback, IngestCount, Span, Trace, TraceCount
from spectral_platform.traces.selection import (
    PLACES,
    Position,
    TraceFilter,
    TraceSort,
    bind_search,
    conditions_of,
    found_without_traces,
)
from spectral_platform.traces.spans import SpanKind
from spectral_platform.workspaces.queries import is_workspace_open

COUNTED_EXACTLY = 10_000
SPANS_PER_PAGE = 1_000
LONGEST_SECONDS = 10
"""How long one statement of a list may take."""
QUERY_CANCELED = "57014"
_LIMIT = text(f"SELECT set_config('statement_timeout', '{LONGEST_SECONDS}s', true)")
PLAN_FOR_VALUES = text(
    """
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_hashjoin', 'off', true),
           set_config('enable_mergejoin', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)
    """
)
"""How a value is best found depends on how many have it, so no plan is kept. And no more is wanted than is counted:
who goes from one row to the next can stop there, where other joins would gather everything first."""

MERGE_LABELS = text("SET LOCAL enable_mergejoin = on")
"""Rows of labels lie in the order of time already: those of two are merged along it, and none is read beyond what is counted."""


@dataclass(frozen=True, slots=True)
class TracePage:
    """One page of traces. ``is_capped`` says that counting stopped at 10 000; ``next_cursor`` leads to the next page."""

    results: Sequence[Trace]
    total: int
    is_capped: bool
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted: ``limit`` traces, in this order, from a place on."""

    sort: TraceSort
    limit: int
    offset: int
    after: Position | None

    @property
    def columns(self) -> tuple[ColumnElement[Any], ColumnElement[str]]:
        """What of a listed trace has to be known to find the part."""
        return PLACES[self.sort.key].label("place"), Trace.trace_id.expression

    def of(self, traces: Subquery | CTE) -> Select[str]:
        """The ids of this part of some traces, of which ``columns`` are known."""
        place, trace_id = traces.c.place, traces.c.trace_id
        order = (place.desc(), trace_id.desc()) if self.sort.is_descending else (place.asc(), trace_id.asc())
        wanted = select(trace_id).order_by(*order).limit(self.limit).offset(self.offset)
        return wanted if self.after is None else wanted.where(self.after.is_before(place, trace_id))


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
    async with _in_time(session):
        return await _list_traces(session, caller, where, among, Window(sort=sort, limit=limit + 1, offset=offset, after=after))


@asynccontextmanager
async def _in_time(session: AsyncSession) -> AsyncIterator[None]:
    """Let each statement take its time and no more: words that nearly all traces say can have a phrase that hardly any says."""
    await session.execute(PLAN_FOR_VALUES)
    await session.execute(_LIMIT)
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == QUERY_CANCELED:
            raise SearchTooBroad(LONGEST_SECONDS) from error
        raise


async def _list_traces(
    session: AsyncSession, caller: Caller, where: TraceFilter, among: Collection[str] | None, window: Window
) -> TracePage:
    await bind_search(session, caller.workspace, where)
    further: list[ColumnElement[bool]] = []
    if where.min_cost_usd is not None:
        further += await among_the_dearest(session, caller.workspace, where.min_cost_usd)
    if among is not None:
        further.append(Trace.trace_id == _among(list(among)))
    conditions = [*conditions_of(where, caller.workspace), *further]
    every_trace = select(*window.columns).where(Trace.workspace_id == caller.workspace)
    listed = every_trace.where(*conditions_of(where, caller.workspace, along_order=True), *further)
    trace_ids: Sequence[str] = ()
    if conditions:
        found = None if further else found_without_traces(where, caller.workspace, order=window.sort.key)
        if found is not None and "place" in found.selected_columns:
            listed = found
            await session.execute(MERGE_LABELS)
        total, trace_ids = await _look_up(session, caller, every_trace.where(*conditions) if found is None else found, window)
    else:
        kept = select(func.coalesce(func.sum(TraceCount.count), 0)).where(TraceCount.workspace_id == caller.workspace)
        total = int(await session.scalar(kept) or 0)
    is_capped = bool(conditions) and total > COUNTED_EXACTLY
    if is_capped or not conditions:
        trace_ids = (await session.scalars(window.of(listed.subquery()))).all()
    shown = trace_ids[: window.limit - 1]
    rows = await session.scalars(Trace.in_workspace(caller.workspace).where(Trace.trace_id == _among(shown)))
    traces = {trace.trace_id: trace for trace in rows}
    results = [traces[trace_id] for trace_id in shown if trace_id in traces]
    next_cursor = Position.of(results[-1], window.sort).encode() if len(trace_ids) == window.limit and results else None
    return TracePage(results, COUNTED_EXACTLY if is_capped else total, is_capped, next_cursor)


async def among_the_dearest(session: AsyncSession, workspace_id: UUID, least: Decimal) -> list[ColumnElement[bool]]:
    """Where to look for traces that cost so much, if no more than 10 000 do: at the end of the order by cost.

    Under row-level security no index is used for comparing costs, but one is for their order.
    """
    place, trace_id = PLACES["cost_usd"].label("place"), Trace.trace_id.expression
    falling = select(place, trace_id).where(Trace.workspace_id == workspace_id).order_by(place.desc(), trace_id.desc())
    next_one = await session.scalar(falling.offset(COUNTED_EXACTLY).limit(1))
    if next_one is not None and next_one >= least:
        return []
    dearest = falling.limit(COUNTED_EXACTLY).subquery()
    return [trace_id.in_(select(dearest.c.trace_id).where(dearest.c.place >= least))]


async def _look_up(session: AsyncSession, caller: Caller, found: Select[Any], window: Window) -> tuple[int, Sequence[str]]:
    """How many traces are found, counted to one more than 10 000, and the ids of the part that is wanted if these are all.

    To gather them first takes the same time wherever they lie; to look for a page of them along the order could take forever.
    """
    matching = found.limit(COUNTED_EXACTLY + 1).cte("matching")
    total = select(func.count()).select_from(matching).scalar_subquery()
    placed: Subquery | CTE = matching
    if "place" not in matching.c:
        own = Trace.workspace_id == caller.workspace, Trace.trace_id == matching.c.trace_id
        placed = select(*window.columns).join(matching, and_(*own)).subquery()
    wanted = window.of(placed).where(total <= COUNTED_EXACTLY)
    row = (await session.execute(select(total, func.array(wanted.scalar_subquery())))).one()
    return row[0], row[1]


def _among(trace_ids: Sequence[str]) -> ColumnElement[Any]:
    return any_(cast(list(trace_ids), ARRAY(String)))


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


async def list_spans(session: AsyncSession, trace: Trace, *, offset: int = 0) -> Sequence[Span]:
    """The spans of a trace in the order in which they began, 1 000 at a time."""
    rows = await session.scalars(
        select(Span).where(*spans_of(trace)).order_by(Span.started_at, Span.span_id).limit(SPANS_PER_PAGE).offset(offset)
    )
    return rows.all()


@dataclass(frozen=True, slots=True)
class TraceTexts:
    """What a trace was asked, what it looked up, and how somebody says it should have answered."""

    input: str | None
    retrieved: str | None
    corrected_output: str | None


async def list_texts(session: AsyncSession, caller: Caller, trace_ids: Sequence[str]) -> dict[str, TraceTexts]:
    """The whole texts of some traces: lookups in the order in which they began, of several corrections the latest."""
    among = _among(trace_ids)
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
            Feedback.trace_id == _among(trace_ids),
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
