"""Reading out traces by the million: in one snapshot, in the order in which they began, and in the same memory however many."""

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import ARRAY, ColumnElement, String, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database, bind_tenant
from spectral_platform.traces.listing import PLAN_FOR_VALUES, is_said_by, one_of
from spectral_platform.traces.models import Span, Trace
from spectral_platform.traces.queries import list_inputs_and_outputs
from spectral_platform.traces.selection import Position, TraceFilter, TraceSort, asks_for_words, bind_search, conditions_of

SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
TRACES_AT_ONCE = 200
SPANS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class TracePart:
    """Some of the spans of a trace, in the order in which they began; a long trace comes in several parts."""

    trace: Trace
    input: str | None
    output: str | None
    spans: Sequence[Span]
    is_first: bool
    is_last: bool


async def stream_traces(
    database: Database, caller: Caller, *, where: TraceFilter, among: Collection[str] | None = None
) -> AsyncGenerator[TracePart]:
    """Every trace that the filter chooses, part by part."""
    async with database.transaction() as session:
        await session.execute(SNAPSHOT)
        await bind_tenant(session, account_id=caller.account_id, workspace_id=caller.workspace)
        await session.execute(PLAN_FOR_VALUES)
        await bind_search(session, caller.workspace, where)
        # What many say is not gathered anew for each part.
        is_frequent = asks_for_words(where) and await is_said_by(session, caller.workspace, one_in=100)
        conditions = conditions_of(where, caller.workspace, asked_of_each=("search",) if is_frequent else ())
        after: Position | None = None
        while traces := await _next_traces(session, caller, conditions, among, after):
            texts = await list_inputs_and_outputs(session, traces)
            for few in _in_reach(traces):
                async for part in _parts(session, few, texts):
                    yield part
            after = Position.of(traces[-1], TraceSort.STARTED_AT)
            session.expunge_all()


async def _next_traces(
    session: AsyncSession,
    caller: Caller,
    conditions: Sequence[ColumnElement[bool]],
    among: Collection[str] | None,
    after: Position | None,
) -> Sequence[Trace]:
    listed = select(Trace.trace_id, Trace.started_at).where(Trace.workspace_id == caller.workspace, *conditions)
    if among is not None:
        listed = listed.where(Trace.trace_id == one_of(list(among)))
    if after is not None:
        listed = listed.where(after.is_before(Trace.started_at.expression, Trace.trace_id.expression))
    chosen = listed.order_by(Trace.started_at, Trace.trace_id).limit(TRACES_AT_ONCE).subquery()
    rows = await session.scalars(
        Trace.in_workspace(caller.workspace)
        .where(Trace.trace_id.in_(select(chosen.c.trace_id)))
        .order_by(Trace.started_at, Trace.trace_id)
    )
    return rows.all()


def _in_reach(traces: Sequence[Trace]) -> list[list[Trace]]:
    """Groups of traces whose spans are read together; a trace of many spans stands alone."""
    groups: list[list[Trace]] = []
    spans = SPANS_AT_ONCE
    for trace in traces:
        if spans + trace.span_count > SPANS_AT_ONCE:
            groups.append([])
            spans = 0
        groups[-1].append(trace)
        spans += trace.span_count
    return groups


async def _parts(
    session: AsyncSession, traces: Sequence[Trace], texts: dict[str, tuple[str | None, str | None]]
) -> AsyncGenerator[TracePart]:
    by_id = {trace.trace_id: trace for trace in traces}
    order = func.array_position(cast(list(by_id), ARRAY(String)), Span.trace_id)
    spans = await session.stream_scalars(
        select(Span)
        .where(
            Span.workspace_id == traces[0].workspace_id,
            Span.day.in_({trace.day for trace in traces}),
            Span.trace_id == one_of(list(by_id)),
        )
        .order_by(order, Span.started_at, Span.span_id),
        execution_options={"yield_per": SPANS_AT_ONCE},
    )
    waiting: TracePart | None = None
    async for few in spans.partitions():
        for trace_id, group in groupby(few, lambda span: span.trace_id):
            own = list(group)
            is_first = waiting is None or waiting.trace.trace_id != trace_id
            if waiting is not None:
                yield _told(waiting, is_last=is_first)
            waiting = TracePart(by_id[trace_id], *texts[trace_id], spans=own, is_first=is_first, is_last=True)
        for span in few:
            session.expunge(span)
    if waiting is not None:
        yield waiting


def _told(part: TracePart, *, is_last: bool) -> TracePart:
    return TracePart(part.trace, part.input, part.output, part.spans, part.is_first, is_last)
