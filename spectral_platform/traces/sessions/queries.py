"""Reading conversations off the traces that they consist of: there is no table of sessions that could disagree with them.

The list walks the traces from the newest on and keeps those that are the latest of their session, each a look at an index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, and_, func, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from spectral_platform.core.access import Caller
from spectral_platform.core.values import Moment, Value
from spectral_platform.traces.listing import COUNTED_EXACTLY, PLAN_FOR_VALUES
from spectral_platform.traces.models import Trace, TraceStatus
from spectral_platform.traces.queries import list_inputs_and_outputs
from spectral_platform.traces.sessions.errors import SessionNotFound

FEW_TRACES = 50_000
"""Of so many the sessions are counted sooner than the sessions of all traces are passed over for them."""


class SessionFilter(Value):
    """Which sessions: those with a trace for which every condition that is given holds."""

    agent_id: UUID | None = Field(default=None, description="Only sessions that this agent served.")
    user_id: str | None = Field(default=None, description="Only sessions of this end user.")
    since: Moment | None = Field(default=None, description="Only sessions with a trace that began at this time or later.")
    until: Moment | None = Field(default=None, description="Only sessions with a trace that began before this time.")


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation as the sum of its traces; what nobody reported is None."""

    session_id: str
    user_id: str | None
    agents: list[str]
    trace_count: int
    error_count: int
    started_at: datetime
    last_at: datetime
    total_tokens: int | None
    cost_usd: Decimal | None
    feedback_score: float | None
    feedback_count: int

    @property
    def id(self) -> str:
        """The session's id, as its traces have it."""
        return self.session_id

    @property
    def status(self) -> TraceStatus:
        """It failed when one of its traces did."""
        return TraceStatus.ERROR if self.error_count else TraceStatus.OK


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page of sessions; ``is_capped`` says that counting stopped at 10 000."""

    results: Sequence[Session]
    total: int
    is_capped: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """One trace of a conversation with what went in and what came out, whole."""

    trace: Trace
    input: str | None
    output: str | None


Traces = type[Trace]


def _meets(traces: Traces, caller: Caller, where: SessionFilter) -> ColumnElement[bool]:
    conditions = [_within(traces, caller, where), traces.session_id.is_not(None)]
    if where.agent_id is not None:
        conditions.append(traces.agent_id == where.agent_id)
    if where.user_id is not None:
        conditions.append(traces.user_id == where.user_id)
    return and_(*conditions)


def _within(traces: Traces, caller: Caller, where: SessionFilter) -> ColumnElement[bool]:
    conditions = [traces.workspace_id == caller.workspace]
    if where.since is not None:
        conditions.append(traces.started_at >= where.since)
    if where.until is not None:
        conditions.append(traces.started_at < where.until)
    return and_(*conditions)


async def list_trace_sessions(
    session: AsyncSession, caller: Caller, *, where: SessionFilter, limit: int = 20, offset: int = 0
) -> SessionPage:
    """Sessions of the workspace, those with the newest traces first. A filter chooses among the sessions, not their traces."""
    await session.execute(PLAN_FOR_VALUES)
    total = await _count(session, caller, where)
    session_ids = await _latest(session, caller, where, limit=limit, offset=offset) if total > offset else []
    sums = await _sum_up(session, caller, session_ids)
    return SessionPage(
        results=[sums[session_id] for session_id in session_ids if session_id in sums],  # its last trace may just have gone
        total=min(total, COUNTED_EXACTLY),
        is_capped=total > COUNTED_EXACTLY,
    )


async def _count(session: AsyncSession, caller: Caller, where: SessionFilter) -> int:
    """How many sessions there are, counted to one more than 10 000: along their ids, or within little time along that."""
    traces = select(Trace.session_id).where(_meets(Trace, caller, where))
    if where.since is not None or where.until is not None:
        along_time = select(Trace.started_at).where(_within(Trace, caller, where)).order_by(Trace.started_at)
        if await session.scalar(along_time.offset(FEW_TRACES).limit(1)) is None:
            few = traces.order_by(Trace.started_at).limit(FEW_TRACES).subquery()
            traces = select(few.c.session_id)
    known = traces.distinct().limit(COUNTED_EXACTLY + 1).subquery()
    return await session.scalar(select(func.count()).select_from(known)) or 0


async def _latest(session: AsyncSession, caller: Caller, where: SessionFilter, *, limit: int, offset: int) -> list[str]:
    other = aliased(Trace)
    # A limit inside keeps the planner from joining all traces with all others.
    newer = (
        select(other.trace_id)
        .where(_meets(other, caller, where), other.session_id == Trace.session_id)
        .order_by(other.started_at.desc(), other.trace_id.desc())
        .limit(1)
        .lateral()
    )
    rows = await session.scalars(
        select(Trace.session_id)
        .join(newer, true())
        .where(_meets(Trace, caller, where), newer.c.trace_id == Trace.trace_id)
        .order_by(Trace.started_at.desc(), Trace.trace_id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [session_id for session_id in rows if session_id is not None]


async def _sum_up(session: AsyncSession, caller: Caller, session_ids: Sequence[str]) -> dict[str, Session]:
    rated = func.sum(Trace.feedback_score * Trace.feedback_count)
    rows = await session.execute(
        select(
            Trace.session_id,
            func.array_agg(Trace.user_id.distinct()).filter(Trace.user_id.is_not(None)),
            func.array_agg(Trace.agent_name.distinct()).filter(Trace.agent_name.is_not(None)),
            func.count(),
            func.count().filter(Trace.status == TraceStatus.ERROR),
            func.min(Trace.started_at),
            func.max(Trace.started_at + Trace.duration_ms * text("interval '1 ms'")),
            func.sum(Trace.total_tokens),
            func.sum(Trace.cost_usd),
            rated / func.nullif(func.sum(Trace.feedback_count), 0),
            func.sum(Trace.feedback_count),
        )
        .where(Trace.workspace_id == caller.workspace, Trace.session_id.in_(session_ids))
        .group_by(Trace.session_id)
    )
    return {
        row[0]: Session(
            session_id=row[0],
            user_id=row[1][0] if row[1] else None,
            agents=[name for name in row[2] or () if name is not None],
            trace_count=row[3],
            error_count=row[4],
            started_at=row[5],
            last_at=row[6],
            total_tokens=None if row[7] is None else int(row[7]),
            cost_usd=row[8],
            feedback_score=row[9],
            feedback_count=int(row[10]),
        )
        for row in rows
        if row[0] is not None
    }


async def get_trace_session(session: AsyncSession, caller: Caller, session_id: str) -> Session:
    """One session as the sum of its traces."""
    found = (await _sum_up(session, caller, [session_id])).get(session_id)
    if found is None:
        raise SessionNotFound(session_id)
    return found


async def list_turns(
    session: AsyncSession, caller: Caller, session_id: str, *, limit: int = 20, offset: int = 0
) -> Sequence[Turn]:
    """The traces of a session in the order in which they began."""
    traces = (
        await session.scalars(
            Trace.in_workspace(caller.workspace)
            .where(Trace.session_id == session_id)
            .order_by(Trace.started_at, Trace.trace_id)
            .limit(limit)
            .offset(offset)
        )
    ).all()
    texts = await list_inputs_and_outputs(session, traces)
    return [Turn(trace, *texts[trace.trace_id]) for trace in traces]
