"""How a part of a list of traces is found, and how many traces there are, whatever is asked of a million."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CTE, ColumnElement, Select, String, Subquery, any_, cast, func, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.traces.errors import SearchTooBroad
from spectral_platform.traces.models import Trace, TraceCount, TraceWords
from spectral_platform.traces.selection import (
    ELSEWHERE,
    LABELS,
    PLACES,
    Position,
    TraceFilter,
    TraceSort,
    asked_for,
    asks_for_words,
    bind_search,
    conditions_of,
    found_without_traces,
    is_in_order,
)

COUNTED_EXACTLY = 10_000
LONGEST_SECONDS = 10
"""How long one statement of a list may take: words that nearly all traces say can have a phrase that hardly any says."""
QUERY_CANCELED = "57014"
PLAN_FOR_VALUES = text(
    """
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_hashjoin', 'off', true),
           set_config('enable_mergejoin', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)
    """
)
"""How a value is best found depends on how many have it, so no plan is kept. And no more is wanted than is counted:
who goes from one row to the next can stop there, where other joins would gather everything first."""
_PLAN_WITHIN_LIMIT = text(f"{PLAN_FOR_VALUES.text}, set_config('statement_timeout', '{LONGEST_SECONDS}s', true)")

WALKED = 1_000
"""So many traces a search looks at along the list before anything else, which tells how many say what is searched for."""
GATHERED = 2
"""To gather one trace from the index of words and put it in order takes as long as to look at so many along the list."""
MANY, PASSED = 1_000, 50_000
"""Of so many that were gathered, a page is met sooner among the first of the list than all are put in order."""
LEAST = {"min_duration_ms": "duration_ms", "min_cost_usd": "cost_usd"}
"""Filters by how much there is at least of something that traces can be ordered by."""
SAID_BY_MANY = 10
"""One in so many: what they say is looked up for one trace after the other, and what fewer say is gathered from the index."""
MERGE_LABELS = text("SET LOCAL enable_mergejoin = on")
"""Rows of labels lie in the order of time already: those of two are merged along it, and none is read beyond what is counted."""

PLAN_AS_USUAL = text(
    """
    SELECT set_config(name, reset_val, true) FROM pg_settings
    WHERE starts_with(name, 'enable_') OR name IN ('plan_cache_mode', 'max_parallel_workers_per_gather', 'statement_timeout')
    """
)
"""For whoever goes on in the same transaction: none of what lists are asked with holds any longer."""


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
        return self.rows_of(traces).with_only_columns(traces.c.trace_id)

    def rows_of(self, traces: Subquery | CTE) -> Select[Any]:
        """This part of some traces with their places."""
        place, trace_id = traces.c.place, traces.c.trace_id
        wanted = select(place, trace_id).order_by(*self.order_of(traces)).limit(self.limit).offset(self.offset)
        return wanted if self.after is None else wanted.where(self.after.is_before(place, trace_id))

    def order_of(self, traces: Subquery | CTE) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        """The order of some traces; ties are broken by their ids."""
        place, trace_id = traces.c.place, traces.c.trace_id
        return (place.desc(), trace_id.desc()) if self.sort.is_descending else (place.asc(), trace_id.asc())


@dataclass(frozen=True, slots=True)
class Part:
    """The ids of a part of a list, and how many traces the whole has; if ``is_capped``, at least so many."""

    trace_ids: Sequence[str]
    total: int
    is_capped: bool


async def find_part(
    session: AsyncSession, workspace_id: UUID, where: TraceFilter, among: Collection[str] | None, window: Window
) -> Part:
    """Find the part of the traces that a filter chooses. Raises ``SearchTooBroad`` when it would take longer than ten seconds."""
    await session.execute(_PLAN_WITHIN_LIMIT)
    try:
        return await _find(session, workspace_id, where, among, window)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == QUERY_CANCELED:
            raise SearchTooBroad(LONGEST_SECONDS) from error
        raise


async def _find(
    session: AsyncSession, workspace_id: UUID, where: TraceFilter, among: Collection[str] | None, window: Window
) -> Part:
    await bind_search(session, workspace_id, where)
    further: list[ColumnElement[bool]] = []
    every_trace = select(*window.columns).where(Trace.workspace_id == workspace_id)
    for name, key in LEAST.items():
        if (least := getattr(where, name)) is None:
            continue
        if not await _is_reached_by_many(session, workspace_id, key, least):
            if name == "min_cost_usd":
                dearest = func.array(ids_of_the_dearest(workspace_id, least).scalar_subquery())
                # As values, of which Postgres makes a table of hashes wherever it does not go by them. A list of its own it would
                # compare whole with each trace of a workspace that it takes for small, and join with each row of a label.
                further.append(Trace.trace_id == one_of((await session.scalars(select(dearest))).one()))
        elif among is None and asked_for(where) == {name}:
            listed = every_trace.where(*conditions_of(where, workspace_id))
            return Part((await session.scalars(window.of(listed.subquery()))).all(), COUNTED_EXACTLY, is_capped=True)
    if among is not None:
        further.append(Trace.trace_id == one_of(list(among)))
    # Of the few that are named each is asked: the planner does not know how few they are.
    of_each: tuple[str, ...] = LABELS if further else ()
    if asks_for_words(where):
        if is_in_order(where):
            walked = await _walk_words(session, workspace_id, where, further, window)
            if walked is not None:
                return walked
        elif await is_said_by(session, workspace_id, one_in=SAID_BY_MANY):
            of_each = (*of_each, "search")
    conditions = [*conditions_of(where, workspace_id, asked_of_each=of_each), *further]
    if not conditions:
        part = func.array(window.of(every_trace.subquery()).scalar_subquery())
        total, trace_ids = (await session.execute(select(_kept(workspace_id).scalar_subquery(), part))).one()
        return Part(trace_ids, int(total), is_capped=False)
    listed = every_trace.where(*conditions_of(where, workspace_id, asked_of_each=ELSEWHERE), *further)
    found = None if further else found_without_traces(where, workspace_id, order=window.sort.key)
    if found is not None and "place" in found.selected_columns:
        listed = found
        await session.execute(MERGE_LABELS)
    total, trace_ids = await _look_up(session, workspace_id, every_trace.where(*conditions) if found is None else found, window)
    if total <= COUNTED_EXACTLY:
        return Part(trace_ids, total, is_capped=False)
    return Part((await session.scalars(window.of(listed.subquery()))).all(), COUNTED_EXACTLY, is_capped=True)


async def is_said_by(session: AsyncSession, workspace_id: UUID, *, one_in: int) -> bool:
    """Whether one in so many of the newest 1 000 traces says what is searched for; Postgres does not know how many do."""
    newest = Window(sort=TraceSort.STARTED_AT_DESC, limit=WALKED, offset=0, after=None)
    every_trace = select(*newest.columns).where(Trace.workspace_id == workspace_id)
    said = await _walk(session, workspace_id, every_trace, newest, WALKED, enough=WALKED)
    return len(said.trace_ids) * one_in >= WALKED


@dataclass(frozen=True, slots=True)
class _Walk:
    """Those of the next traces that say what is searched for, in order; ``is_whole`` if these are all that there are.

    Where it ended, others may go on; ``end`` is None behind the last trace of the list.
    """

    trace_ids: Sequence[str]
    is_whole: bool
    end: Position | None


async def _walk_words(
    session: AsyncSession, workspace_id: UUID, where: TraceFilter, further: list[ColumnElement[bool]], window: Window
) -> Part | None:
    """The part if it is met along the list sooner than it would be gathered, as far as the first traces tell.

    Counting stops where the walk does: to gather what many say takes Postgres a tenth of a second, and for a phrase one.
    """
    others = conditions_of(where.model_copy(update={"search": None}), workspace_id)
    traces = select(*window.columns).where(Trace.workspace_id == workspace_id, *others, *further)
    first = await _walk(session, workspace_id, traces, replace(window, after=None), WALKED, enough=WALKED)
    met, end = (first.trace_ids, first.end) if window.after is None else ([], window.after)
    enough = window.offset + window.limit
    is_whole = first.is_whole
    if len(met) < enough and end is not None:
        many = await _worth_walking(session, workspace_id, first, enough - len(met))
        if many is None:
            return None
        rest = await _walk(session, workspace_id, traces, replace(window, after=end), many, enough=enough - len(met))
        met = [*met, *rest.trace_ids]
        if len(met) < enough and not rest.is_whole:
            return None
        is_whole = rest.is_whole
    page = met[window.offset : enough]
    if window.after is not None:
        return Part(page, max(len(first.trace_ids), len(page)), is_capped=not first.is_whole)
    return Part(page, len(met), is_capped=not is_whole)


async def _worth_walking(session: AsyncSession, workspace_id: UUID, first: _Walk, wanted: int) -> int | None:
    """At how many more traces to look for those that are wanted; None where to gather all that say it should take less."""
    if first.is_whole:
        return WALKED
    said = len(first.trace_ids) / WALKED
    kept = await session.scalar(_kept(workspace_id)) or 0
    expected = wanted / said if said else math.inf
    return math.ceil(2 * expected) + WALKED if expected <= GATHERED * said * int(kept) else None


async def _walk(
    session: AsyncSession, workspace_id: UUID, traces: Select[Any], window: Window, many: int, *, enough: int
) -> _Walk:
    near = replace(window, limit=many, offset=0).rows_of(traces.subquery()).cte("near")
    says = select(literal(True)).where(TraceWords.workspace_id == workspace_id, TraceWords.trace_id == near.c.trace_id)
    # In the order in which they are looked at: to sort them, all would have to be.
    said = select(near.c.trace_id).where(says.scalar_subquery()).limit(enough)
    place, trace_id = (select(column).offset(many - 1).limit(1).scalar_subquery() for column in (near.c.place, near.c.trace_id))
    met, *last = (await session.execute(select(func.array(said.scalar_subquery()), place, trace_id))).one()
    end = None if last[1] is None else Position(window.sort, *last)
    return _Walk(met, is_whole=end is None and len(met) < enough, end=end)


def _kept(workspace_id: UUID) -> Select[Any]:
    """How many traces a workspace has."""
    return select(func.coalesce(func.sum(TraceCount.count), 0)).where(TraceCount.workspace_id == workspace_id)


def one_of(trace_ids: Sequence[str]) -> ColumnElement[Any]:
    """What is equal to one of these ids."""
    return any_(cast(list(trace_ids), ARRAY(String)))


def _falling(workspace_id: UUID, key: str) -> Select[Any]:
    """All traces from the one on that has most of something."""
    place, trace_id = PLACES[key].label("place"), Trace.trace_id.expression
    return select(place, trace_id).where(Trace.workspace_id == workspace_id).order_by(place.desc(), trace_id.desc())


async def _is_reached_by_many(session: AsyncSession, workspace_id: UUID, key: str, least: int | Decimal) -> bool:
    """Whether more than 10 000 traces have so much of something, which the order by it tells without reading a trace."""
    next_one = await session.scalar(_falling(workspace_id, key).offset(COUNTED_EXACTLY).limit(1))
    return next_one is not None and next_one >= least


def ids_of_the_dearest(workspace_id: UUID, least: Decimal) -> Select[str]:
    """The traces that cost so much, if no more than 10 000 do: at the end of the order by cost.

    Under row-level security no index is used for comparing costs, but one is for their order.
    """
    dearest = _falling(workspace_id, "cost_usd").limit(COUNTED_EXACTLY).subquery()
    return select(dearest.c.trace_id).where(dearest.c.place >= least)


async def _look_up(session: AsyncSession, workspace_id: UUID, found: Select[Any], window: Window) -> tuple[int, Sequence[str]]:
    """How many traces are found, counted to one more than 10 000, and the ids of the part that is wanted if these are all.

    To gather them first takes the same time wherever they lie; to look for a page of them along the order could take forever.
    """
    matching = found.limit(COUNTED_EXACTLY + 1).cte("matching")
    total = select(func.count()).select_from(matching).scalar_subquery()
    if "place" in matching.c:
        page: ColumnElement[Any] = func.array(window.of(matching).where(total <= COUNTED_EXACTLY).scalar_subquery())
    else:
        # As one list of ids, which Postgres looks up in their order: a join would begin anew for each.
        ids = any_(func.array(select(matching.c.trace_id).scalar_subquery()))
        every_trace = select(*window.columns).where(Trace.workspace_id == workspace_id)
        placed = every_trace.where(Trace.trace_id == ids).subquery()
        gathered = func.array(window.of(placed).where(total <= COUNTED_EXACTLY).scalar_subquery())
        near = replace(window, limit=PASSED, offset=0).rows_of(every_trace.subquery()).subquery()
        # "Is true" keeps it a question to a table of hashes; as a join it would be a look at an index for each.
        is_found = near.c.trace_id.in_(select(matching.c.trace_id)).is_(True)
        met = select(near.c.trace_id).where(is_found, total.between(MANY, COUNTED_EXACTLY))
        part = func.array(met.limit(window.limit).offset(window.offset).scalar_subquery())
        passed = select(part.label("ids")).cte("passed").prefix_with("MATERIALIZED")
        is_full = func.cardinality(passed.c.ids) == window.limit
        page = func.coalesce(select(passed.c.ids).where(is_full).scalar_subquery(), gathered)
    row = (await session.execute(select(total, page))).one()
    return row[0], row[1]
