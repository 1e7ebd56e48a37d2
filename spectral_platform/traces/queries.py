"""Reading traces, their spans, their feedback, and what ingestion has counted."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import orjson
from pydantic import AwareDatetime, Field, TypeAdapter
from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, String, and_, any_, cast, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.models import Account, AccountStatus
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.core.values import Moment, Value
from spectral_platform.traces.counting import Measure, beginning_of, reason_and_sender
from spectral_platform.traces.errors import FeedbackLinkNotFound, TraceNotFound
from spectral_platform.traces.links import FeedbackLink
from spectral_platform.traces.models import Feedback, IngestCount, Span, Trace, TraceCount, TraceStatus
from spectral_platform.traces.spans import SpanKind
from spectral_platform.workspaces.models import Workspace

COUNTED_EXACTLY = 10_000
SPANS_PER_PAGE = 1_000
UNKNOWN = -1
"""Where an unknown cost or token count stands in the order: below everything that is known."""


class TraceSort(StrEnum):
    """The orders of a list of traces; a leading ``-`` = descending."""

    STARTED_AT = "started_at"
    STARTED_AT_DESC = "-started_at"
    DURATION_MS = "duration_ms"
    DURATION_MS_DESC = "-duration_ms"
    TOTAL_TOKENS = "total_tokens"
    TOTAL_TOKENS_DESC = "-total_tokens"
    COST_USD = "cost_usd"
    COST_USD_DESC = "-cost_usd"


_KEYS: dict[str, tuple[ColumnElement[Any], TypeAdapter[Any]]] = {
    "started_at": (Trace.started_at.expression, TypeAdapter(AwareDatetime)),
    "duration_ms": (Trace.duration_ms.expression, TypeAdapter(int)),
    "total_tokens": (func.coalesce(Trace.total_tokens, UNKNOWN), TypeAdapter(int)),
    "cost_usd": (func.coalesce(Trace.cost_usd, UNKNOWN), TypeAdapter(Decimal)),
}


class TraceFilter(Value):
    """Which traces; every condition that is given must hold."""

    agent_id: UUID | None = Field(default=None, description="Only traces of this agent.")
    status: TraceStatus | None = Field(default=None, description="Only traces that went well (`ok`) or failed (`error`).")
    workflow: str | None = Field(default=None, description="Only traces of this workflow.")
    model: str | None = Field(default=None, description="Only traces in which this model was called.")
    session_id: str | None = Field(default=None, description="Only traces of this conversation.")
    user_id: str | None = Field(default=None, description="Only traces of this end user.")
    tag: str | None = Field(default=None, description="Only traces that carry this tag.")
    since: Moment | None = Field(default=None, description="Only traces that began at this time or later.")
    until: Moment | None = Field(default=None, description="Only traces that began before this time.")
    min_duration_ms: int | None = Field(default=None, ge=0, le=2**62, description="Only traces that took at least so long.")
    min_cost_usd: Decimal | None = Field(default=None, ge=0, description="Only traces known to have cost at least so much.")
    has_feedback: bool | None = Field(default=None, description="Only traces with, or without, feedback.")
    search: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Only traces with this text in their name, input or output, whatever its case; or the trace of this id.",
    )


_CONDITIONS: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    "agent_id": lambda value: Trace.agent_id == value,
    "status": lambda value: Trace.status == value,
    "workflow": lambda value: Trace.workflow == value,
    "model": lambda value: Trace.models.contains([value]),
    "session_id": lambda value: Trace.session_id == value,
    "user_id": lambda value: Trace.user_id == value,
    "tag": lambda value: Trace.tags.contains([value]),
    "since": lambda value: Trace.started_at >= value,
    "until": lambda value: Trace.started_at < value,
    "min_duration_ms": lambda value: Trace.duration_ms >= value,
    "min_cost_usd": lambda value: Trace.cost_usd >= value,
    "has_feedback": lambda value: Trace.feedback_count > 0 if value else Trace.feedback_count == 0,
    "search": lambda value: or_(
        Trace.name.icontains(value, autoescape=True),
        Trace.input.icontains(value, autoescape=True),
        Trace.output.icontains(value, autoescape=True),
        Trace.trace_id == value.lower(),
    ),
}


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list of traces: behind the trace with this id and this value of the sort key."""

    sort: TraceSort
    value: Any
    trace_id: str

    def encode(self) -> str:
        """The position as a cursor: opaque, and bound to its order."""
        _, kind = _KEYS[self.sort.removeprefix("-")]
        parts = [self.sort.value, kind.dump_python(self.value, mode="json"), self.trace_id]
        return urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")

    @classmethod
    def decode(cls, cursor: str) -> Self:
        """Read a cursor. Raises ``ValueError`` for anything that ``encode`` did not make."""
        sort, value, trace_id = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        _, kind = _KEYS[TraceSort(sort).removeprefix("-")]
        return cls(sort=TraceSort(sort), value=kind.validate_python(value), trace_id=TypeAdapter(str).validate_python(trace_id))


@dataclass(frozen=True, slots=True)
class TracePage:
    """One page of traces. ``is_capped`` says that counting stopped at 10 000; ``next_cursor`` leads to the next page."""

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
) -> TracePage:
    """Traces of the workspace. Ties of the order are broken by the trace's id, so pages never overlap.

    Long inputs and outputs are only previewed. A trace whose cost or tokens are unknown comes below all others.
    """
    statement = Trace.in_workspace(caller.workspace)
    conditions = [condition(value) for name, condition in _CONDITIONS.items() if (value := getattr(where, name)) is not None]
    statement = statement.where(*conditions)
    total, is_capped = await _count(session, caller, statement, is_filtered=bool(conditions))
    key, _ = _KEYS[sort.removeprefix("-")]
    place = tuple_(key, Trace.trace_id)
    if sort.startswith("-"):
        order = (key.desc(), Trace.trace_id.desc())
        behind = None if after is None else place < tuple_(after.value, after.trace_id)
    else:
        order = (key.asc(), Trace.trace_id.asc())
        behind = None if after is None else place > tuple_(after.value, after.trace_id)
    if behind is not None:
        statement = statement.where(behind)
    rows = (await session.scalars(statement.order_by(*order).limit(limit + 1).offset(offset))).all()
    next_cursor = _position_of(rows[limit - 1], sort).encode() if len(rows) > limit else None
    return TracePage(results=rows[:limit], total=total, is_capped=is_capped, next_cursor=next_cursor)


def _position_of(trace: Trace, sort: TraceSort) -> Position:
    name = sort.removeprefix("-")
    value = getattr(trace, name)
    _, kind = _KEYS[name]
    return Position(sort=sort, value=kind.validate_python(UNKNOWN) if value is None else value, trace_id=trace.trace_id)


async def _count(session: AsyncSession, caller: Caller, statement: Select[Trace], *, is_filtered: bool) -> tuple[int, bool]:
    if not is_filtered:
        kept = select(func.coalesce(func.sum(TraceCount.count), 0)).where(TraceCount.workspace_id == caller.workspace)
        return int(await session.scalar(kept) or 0), False
    counted = statement.with_only_columns(Trace.trace_id).limit(COUNTED_EXACTLY + 1).subquery()
    total = await session.scalar(select(func.count()).select_from(counted)) or 0
    return min(total, COUNTED_EXACTLY), total > COUNTED_EXACTLY


async def get_trace(session: AsyncSession, caller: Caller, trace_id: str) -> Trace:
    """One trace; of its input and output the beginnings."""
    trace = await session.scalar(
        Trace.in_workspace(caller.workspace).where(Trace.trace_id == trace_id).execution_options(populate_existing=True)
    )
    if trace is None:
        raise TraceNotFound(trace_id)
    return trace


async def get_input_and_output(session: AsyncSession, trace: Trace) -> tuple[str | None, str | None]:
    """What went into a trace and what came out of it, whole."""
    rows = await session.execute(
        select(Span.span_id, Span.input, Span.output).where(
            *spans_of(trace), Span.span_id.in_({trace.input_span_id, trace.output_span_id})
        )
    )
    texts = {row.span_id: row for row in rows}
    first, last = texts.get(trace.input_span_id), texts.get(trace.output_span_id)
    return first and first.input, last and last.output


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
    among = any_(cast(list(trace_ids), ARRAY(String)))
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


async def get_linked_trace(session: AsyncSession, link: FeedbackLink) -> tuple[str | None, str | None, Feedback | None]:
    """What went in and came out, as far as the link lets it be shown, and what was thought by it already."""
    trace = await session.scalar(await linked_trace(session, link))
    if trace is None:
        raise FeedbackLinkNotFound
    question, answer = await get_input_and_output(session, trace) if link.shows_content else (None, None)
    given = Feedback.in_workspace(link.workspace_id).where(Feedback.link_id == link.id)
    return question, answer, await session.scalar(given)


async def linked_trace(session: AsyncSession, link: FeedbackLink) -> Select[Trace]:
    """The trace that a link is for, where its workspace is still there; the transaction is bound to that from here on."""
    await bind_tenant(session, account_id=link.account_id, workspace_id=link.workspace_id)
    is_open = exists().where(
        Workspace.id == link.workspace_id,
        Workspace.deleted_at.is_(None),
        Account.id == Workspace.account_id,
        Account.deleted_at.is_(None),
        Account.status == AccountStatus.ACTIVE,
    )
    return Trace.in_workspace(link.workspace_id).where(Trace.trace_id == link.trace_id, is_open)


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
