"""How a workspace is doing, and what an account has used: from counts that are kept, never by counting spans."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.models import Agent
from spectral_platform.changesets.clusters.models import FailureCluster
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.jobs import WORKER_SILENCE_S, queue_state
from spectral_platform.core.paging import Page, PageRequest
from spectral_platform.dashboard.errors import UsageTooLong
from spectral_platform.scans.models import Scan
from spectral_platform.scans.states import ScanStatus
from spectral_platform.traces.counting import Measure, period_of
from spectral_platform.traces.models import IngestCount
from spectral_platform.workspaces.models import Workspace

RECENT = timedelta(hours=24)
MOST_DAYS = 366

_USAGE = text(
    """
    WITH arrived AS (
        SELECT (period AT TIME ZONE 'UTC')::date AS day,
               sum(count) FILTER (WHERE measure = 'stored') AS spans,
               sum(count) FILTER (WHERE measure = 'trace') AS traces
        FROM ingest_counts
        WHERE workspace_id = :workspace_id AND period >= :since AND period < :until AND measure IN ('stored', 'trace')
        GROUP BY 1
    ),
    scanned AS (
        SELECT (scans.created_at AT TIME ZONE 'UTC')::date AS day,
               count(*) AS scans,
               sum(spent_usd) FILTER (WHERE NOT simulated) AS spend
        FROM scans LEFT JOIN scan_budgets ON scan_budgets.scan_id = scans.id
        WHERE scans.workspace_id = :workspace_id AND created_at >= :since AND created_at < :until
        GROUP BY 1
    )
    SELECT day, coalesce(spans, 0)::bigint AS spans, coalesce(traces, 0)::bigint AS traces, coalesce(scans, 0) AS scans,
           coalesce(spend, 0) AS model_spend_usd
    FROM arrived FULL JOIN scanned USING (day)
    """
)


class Condition(StrEnum):
    """How something is doing."""

    OK = "ok"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class Ingestion:
    """What arrives; the counts go back to the period of five minutes in which the last 24 hours began."""

    last_span_at: datetime | None
    spans_24h: int
    rejected_24h: int


@dataclass(frozen=True, slots=True)
class LastScan:
    """The newest scan."""

    scan_id: UUID
    status: ScanStatus
    outcome: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Worker:
    """Whether any worker is alive."""

    status: Condition
    detail: str


@dataclass(frozen=True, slots=True)
class WorkspaceHealth:
    """How a workspace is doing."""

    ingestion: Ingestion
    agents: int
    last_scan: LastScan | None
    open_clusters: int
    worker: Worker

    @property
    def status(self) -> Condition:
        """Degraded without a living worker, after a failed scan, or when more spans are refused than stored."""
        is_refusing = self.ingestion.rejected_24h > self.ingestion.spans_24h
        has_failed = self.last_scan is not None and self.last_scan.status is ScanStatus.FAILED
        return Condition.DEGRADED if is_refusing or has_failed or self.worker.status is not Condition.OK else Condition.OK


@dataclass(frozen=True, slots=True)
class UsageDay:
    """What a workspace used on one day, in UTC."""

    workspace_id: UUID
    workspace_name: str
    day: date
    spans: int
    traces: int
    scans: int
    model_spend_usd: Decimal


async def get_workspace_health(session: AsyncSession, caller: Caller) -> WorkspaceHealth:
    """How the workspace is doing."""
    agents = await session.scalar(select(func.count()).select_from(Agent.in_workspace(caller.workspace).subquery()))
    clusters = await session.scalar(
        select(func.count(FailureCluster.id)).where(
            FailureCluster.workspace_id == caller.workspace, FailureCluster.status == ClusterStatus.OPEN
        )
    )
    newest = await session.scalar(Scan.in_workspace(caller.workspace).order_by(Scan.created_at.desc(), Scan.id.desc()).limit(1))
    return WorkspaceHealth(
        ingestion=await _ingestion(session, caller),
        agents=agents or 0,
        last_scan=None if newest is None else _last_scan(newest),
        open_clusters=clusters or 0,
        worker=_worker((await queue_state(session)).silence_s),
    )


async def _ingestion(session: AsyncSession, caller: Caller) -> Ingestion:
    own = IngestCount.workspace_id == caller.workspace
    recent = await session.execute(
        select(IngestCount.measure, func.sum(IngestCount.count))
        .where(own, IngestCount.period >= period_of(clock.now() - RECENT))
        .where(IngestCount.measure.in_([Measure.STORED, Measure.REJECTED]))
        .group_by(IngestCount.measure)
    )
    counts = {row[0]: int(row[1]) for row in recent}
    stored = (own, IngestCount.measure == Measure.STORED)
    # Walking the primary key backwards finds the last period at once, however long the workspace has been counting.
    last = select(IngestCount.period).where(*stored).order_by(IngestCount.period.desc()).limit(1).scalar_subquery()
    at = await session.scalar(
        select(func.max(func.coalesce(IngestCount.counted_at, IngestCount.period))).where(*stored, IngestCount.period == last)
    )
    return Ingestion(at, counts.get(Measure.STORED, 0), counts.get(Measure.REJECTED, 0))


def _last_scan(scan: Scan) -> LastScan:
    outcome = None if scan.verdict is None else str(scan.verdict.outcome)
    return LastScan(scan.id, scan.status, outcome, scan.created_at, scan.finished_at)


def _worker(silence: float | None) -> Worker:
    if silence is None:
        return Worker(Condition.DEGRADED, "no worker has started")
    status = Condition.OK if silence <= WORKER_SILENCE_S else Condition.DEGRADED
    return Worker(status, f"last heartbeat {silence:.0f} s ago")


async def list_usage(
    session: AsyncSession, caller: Caller, *, since: date | None, until: date | None, page: PageRequest
) -> Page[UsageDay]:
    """What each workspace of the account used on each day on which it used anything, the newest first.

    By default of the last 30 days; ``until`` itself is left out. Deleted workspaces count until they are erased. Raises
    ``UsageTooLong``.
    """
    until = until or clock.now().astimezone(UTC).date() + timedelta(days=1)
    since = since or until - min(timedelta(days=30), until - date.min)
    if (until - since).days > MOST_DAYS:
        raise UsageTooLong(MOST_DAYS)
    window = {"since": datetime.combine(since, time(), UTC), "until": datetime.combine(until, time(), UTC)}
    workspaces = await session.execute(select(Workspace.id, Workspace.name).where(Workspace.account_id == caller.account_id))
    days: list[UsageDay] = []
    for workspace_id, name in workspaces.all():
        await bind_tenant(session, account_id=caller.account_id, workspace_id=workspace_id)
        rows = await session.execute(_USAGE, {"workspace_id": workspace_id, **window})
        days += [UsageDay(workspace_id, name, **row) for row in rows.mappings()]
    await bind_tenant(session, account_id=caller.account_id)
    days.sort(key=lambda each: (-each.day.toordinal(), each.workspace_name, each.workspace_id))
    shown = days[page.offset : page.offset + page.limit]
    return Page(results=shown, total=len(days), limit=page.limit, offset=page.offset)
