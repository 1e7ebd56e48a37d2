"""Reading scans, their events, what they cost and what they found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.llm.models import ModelCall, ScanBudget
from spectral_platform.llm.queries import Spending, get_budget, sum_spending
from spectral_platform.scans.errors import ScanNotFound
from spectral_platform.scans.models import Scan, ScanAgent, ScanCandidate, ScanDocument, ScanEvent
from spectral_platform.scans.states import ScanStatus, Trigger

COLUMNS = {"created_at": Scan.created_at}
EVENT_COLUMNS = {"sequence": ScanEvent.sequence}


@dataclass(frozen=True, slots=True)
class ScanFilter:
    """Which scans to list; None = any."""

    status: ScanStatus | None = None
    agent_id: UUID | None = None
    trigger: Trigger | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan has come, counted in answered model calls; the total is an estimate until the end."""

    done: int
    total: int
    percent: int
    eta_s: int | None


@dataclass(frozen=True, slots=True)
class ScanView:
    """A scan with its progress and what it has spent."""

    scan: Scan
    progress: Progress
    budget: ScanBudget


@dataclass(frozen=True, slots=True)
class Cost:
    """What a scan has cost, three ways."""

    scan: Scan
    budget: ScanBudget
    by_model: Sequence[Spending]
    by_phase: Sequence[Spending]
    by_purpose: Sequence[Spending]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a scan found."""

    view: ScanView
    candidates: Sequence[ScanCandidate]
    clusters: dict[str, list[dict[str, Any]]]


async def find_scan(session: AsyncSession, caller: Caller, scan_id: UUID) -> Scan:
    """One scan's row."""
    scan = await session.scalar(Scan.in_workspace(caller.workspace).where(Scan.id == scan_id))
    if scan is None:
        raise ScanNotFound(scan_id)
    return scan


async def get_scan(session: AsyncSession, caller: Caller, scan_id: UUID) -> ScanView:
    """One scan of the workspace."""
    scan = await find_scan(session, caller, scan_id)
    return _view(scan, await get_budget(session, caller.workspace, scan_id))


async def list_scans(session: AsyncSession, caller: Caller, *, filter: ScanFilter, page: PageRequest) -> Page[ScanView]:
    """The scans of the workspace."""
    statement = Scan.in_workspace(caller.workspace)
    if filter.status is not None:
        statement = statement.where(Scan.status == filter.status)
    if filter.trigger is not None:
        statement = statement.where(Scan.trigger == filter.trigger)
    if filter.agent_id is not None:
        covered = exists().where(ScanAgent.scan_id == Scan.id, ScanAgent.agent_id == filter.agent_id)
        statement = statement.where(covered)
    if filter.since is not None:
        statement = statement.where(Scan.created_at >= filter.since)
    if filter.until is not None:
        statement = statement.where(Scan.created_at < filter.until)
    found = await paginate(session, statement, page, columns=COLUMNS, tiebreak=Scan.id)
    budgets = {
        budget.scan_id: budget
        for budget in await session.scalars(
            ScanBudget.in_workspace(caller.workspace).where(ScanBudget.scan_id.in_([scan.id for scan in found.results]))
        )
    }
    views = [_view(scan, budgets[scan.id]) for scan in found.results]
    return Page(results=views, total=found.total, limit=found.limit, offset=found.offset)


async def list_scan_events(session: AsyncSession, caller: Caller, scan_id: UUID, *, page: PageRequest) -> Page[ScanEvent]:
    """The events of a scan."""
    await find_scan(session, caller, scan_id)
    statement = ScanEvent.in_workspace(caller.workspace).where(ScanEvent.scan_id == scan_id)
    return await paginate(session, statement, page, columns=EVENT_COLUMNS, tiebreak=ScanEvent.sequence)


async def get_scan_cost(session: AsyncSession, caller: Caller, scan_id: UUID) -> Cost:
    """What a scan has cost by model, phase and purpose."""
    workspace_id = caller.workspace
    return Cost(
        scan=await find_scan(session, caller, scan_id),
        budget=await get_budget(session, workspace_id, scan_id),
        by_model=await sum_spending(session, workspace_id, scan_id, by=[ModelCall.model, ModelCall.provider]),
        by_phase=await sum_spending(session, workspace_id, scan_id, by=[ModelCall.phase]),
        by_purpose=await sum_spending(session, workspace_id, scan_id, by=[ModelCall.purpose]),
    )


async def get_scan_report(session: AsyncSession, caller: Caller, scan_id: UUID) -> Report:
    """Everything that a scan found: candidates with their fates, clusters, verdict."""
    view = await get_scan(session, caller, scan_id)
    candidates = await session.scalars(
        ScanCandidate.in_workspace(caller.workspace).where(ScanCandidate.scan_id == scan_id).order_by(ScanCandidate.position)
    )
    clusters = await session.scalar(
        select(ScanDocument.document).where(
            ScanDocument.workspace_id == caller.workspace,
            ScanDocument.scan_id == scan_id,
            ScanDocument.name == "clusters",
        )
    )
    return Report(view=view, candidates=candidates.all(), clusters=clusters or {})


async def find_last_clusters(
    session: AsyncSession, caller: Caller, rubric_id: UUID
) -> tuple[Scan, dict[str, list[dict[str, Any]]]] | None:
    """The last completed scan by a rubric with the clusters that it found, by agent; None when there is no such scan."""
    by_rubric = func.jsonb_extract_path_text(Scan.settings, "rubric_id") == str(rubric_id)
    of_scan = (ScanDocument.scan_id == Scan.id) & (ScanDocument.name == "clusters")
    found = await session.execute(
        select(Scan, ScanDocument.document)
        .join(ScanDocument, of_scan)
        .where(Scan.workspace_id == caller.workspace, Scan.status == ScanStatus.COMPLETED, by_rubric)
        .order_by(Scan.created_at.desc(), Scan.id.desc())
        .limit(1)
    )
    row = found.one_or_none()
    return None if row is None else (row[0], row[1])


def _view(scan: Scan, budget: ScanBudget) -> ScanView:
    done = budget.spent_calls
    is_over = scan.status in Scan.lifecycle.terminal
    total = done if scan.status is ScanStatus.COMPLETED else max(done, scan.readiness.quote.model_calls)
    percent = 100 if scan.status is ScanStatus.COMPLETED else min(99, 100 * done // total if total else 0)
    eta = None
    if scan.started_at is not None and done and not is_over:
        elapsed = (clock.now() - scan.started_at).total_seconds()
        eta = round(elapsed * (total - done) / done)
    return ScanView(scan=scan, progress=Progress(done=done, total=total, percent=percent, eta_s=eta), budget=budget)
