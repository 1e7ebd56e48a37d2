"""Reading what autonomy rests on: what the system did, how its watches stand, and what production shows."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.changesets.autonomy.models import ChangesetWatch
from spectral_platform.changesets.autonomy.monitoring import USUAL, Metric, Tally
from spectral_platform.changesets.autonomy.states import WatchStatus
from spectral_platform.changesets.models import Changeset, ChangesetItem, ChangesetMove
from spectral_platform.changesets.states import ChangesetStatus
from spectral_platform.core import clock
from spectral_platform.core.access import Caller, CallerKind
from spectral_platform.traces.models import Trace, TraceStatus

A_DAY = timedelta(days=1)
MOST_BEFORE = 10_000
"""So many of the newest traces before a change are what it is held against; more would make the bound hardly narrower."""

MOST_SINCE = 100_000
"""So many of the first traces after a change are counted at each look. They show any regression that it brought; which were the
first has nothing to do with how they went, so the e-process over them keeps its level."""


async def find_watch(
    session: AsyncSession, caller: Caller, changeset_id: UUID, *, for_update: bool = False
) -> ChangesetWatch | None:
    """The watch over a changeset, as it is now; None where the system did not apply it."""
    statement = ChangesetWatch.in_workspace(caller.workspace).where(ChangesetWatch.changeset_id == changeset_id)
    statement = statement.with_for_update() if for_update else statement
    return await session.scalar(statement.execution_options(populate_existing=True))


async def count_applied_today(session: AsyncSession, caller: Caller) -> int:
    """How many changesets the system applied in the workspace within the last 24 hours."""
    found = await session.scalar(
        select(func.count())
        .select_from(ChangesetMove)
        .where(
            ChangesetMove.workspace_id == caller.workspace,
            ChangesetMove.to_status == ChangesetStatus.APPLIED,
            ChangesetMove.actor_kind == CallerKind.SYSTEM,
            ChangesetMove.at > clock.now() - A_DAY,
        )
    )
    return found or 0


async def find_watched(session: AsyncSession, caller: Caller, agent_ids: Collection[UUID]) -> set[UUID]:
    """Those of the agents for which production is watched now."""
    rows = await session.scalars(
        select(ChangesetItem.agent_id)
        .join(ChangesetWatch, ChangesetWatch.changeset_id == ChangesetItem.changeset_id)
        .where(
            ChangesetWatch.workspace_id == caller.workspace,
            ChangesetWatch.status == WatchStatus.WATCHING,
            ChangesetItem.agent_id.in_(agent_ids),
        )
    )
    return set(rows)


async def find_turned_down(session: AsyncSession, caller: Caller, changeset: Changeset) -> list[tuple[UUID, ChangesetStatus]]:
    """Changesets that proposed the very same config for one of the agents and were rejected or rolled back, with that."""
    same = [
        and_(ChangesetItem.agent_id == item.agent_id, ChangesetItem.proposed_config == item.proposed_config)
        for item in changeset.items
    ]
    rows = await session.execute(
        select(Changeset.id, Changeset.status)
        .join(ChangesetItem, ChangesetItem.changeset_id == Changeset.id)
        .where(
            Changeset.workspace_id == caller.workspace,
            Changeset.status.in_([ChangesetStatus.REJECTED, ChangesetStatus.ROLLED_BACK]),
            or_(false(), *same),
        )
        .order_by(Changeset.id.desc())
        .limit(1)
    )
    return [(row.id, row.status) for row in rows]


async def tally_before(session: AsyncSession, caller: Caller, agent_id: UUID, *, since: datetime, until: datetime) -> list[Tally]:
    """The newest of an agent's traces in a window, by metric; what is usual is read off them."""
    newest = _traces(caller, agent_id, since=since, until=until).order_by(Trace.started_at.desc()).limit(MOST_BEFORE).subquery()
    usual = (
        await session.execute(
            select(
                func.percentile_disc(USUAL).within_group(newest.c.cost_usd).label("cost"),
                func.percentile_disc(USUAL).within_group(newest.c.duration_ms).label("latency"),
            )
        )
    ).one()
    found = {Metric.COST: usual.cost, Metric.LATENCY: usual.latency}
    limits = {metric: float(limit) for metric, limit in found.items() if limit is not None}
    return await _tally(session, newest, agent_id, limits)


async def tally_since(
    session: AsyncSession,
    caller: Caller,
    agent_id: UUID,
    *,
    version: int,
    since: datetime,
    until: datetime,
    limits: Mapping[Metric, float],
) -> list[Tally]:
    """The first of an agent's traces in a window, by metric, without those that say that they ran on another version."""
    ran = or_(Trace.config_version.is_(None), Trace.config_version == version)
    first = _traces(caller, agent_id, since=since, until=until).where(ran).order_by(Trace.started_at).limit(MOST_SINCE)
    return await _tally(session, first.subquery(), agent_id, limits)


def _traces(
    caller: Caller, agent_id: UUID, *, since: datetime, until: datetime
) -> Select[TraceStatus, float | None, Decimal | None, int]:
    columns = (Trace.status, Trace.feedback_score, Trace.cost_usd, Trace.duration_ms)
    return select(*columns).where(
        Trace.workspace_id == caller.workspace,
        Trace.agent_id == agent_id,
        Trace.started_at >= since,
        Trace.started_at < until,
    )


async def _tally(session: AsyncSession, traces: Subquery, agent_id: UUID, limits: Mapping[Metric, float]) -> list[Tally]:
    bad: dict[Metric, tuple[ColumnElement[Any], ColumnElement[bool]]] = {
        Metric.ERRORS: (traces.c["status"], traces.c["status"] == TraceStatus.ERROR),
        Metric.FEEDBACK: (traces.c["feedback_score"], traces.c["feedback_score"] < 0),
        Metric.COST: (traces.c["cost_usd"], traces.c["cost_usd"] > limits.get(Metric.COST, 0.0)),
        Metric.LATENCY: (traces.c["duration_ms"], traces.c["duration_ms"] > limits.get(Metric.LATENCY, 0.0)),
    }
    counts = [
        count
        for metric, (said, is_bad) in bad.items()
        for count in (func.count(said).label(f"{metric}_all"), func.count().filter(is_bad).label(f"{metric}_bad"))
    ]
    row = (await session.execute(select(*counts))).one()._mapping
    return [
        Tally(
            agent_id=agent_id,
            metric=metric,
            traces=row[f"{metric}_all"],
            bad=row[f"{metric}_bad"],
            limit=limits.get(metric),
        )
        for metric in bad
        if metric in limits or metric in {Metric.ERRORS, Metric.FEEDBACK}
    ]
