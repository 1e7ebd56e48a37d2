"""Reading scans, their events, what they cost and what they found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import exists, func, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.paging import Filter, Page, PageRequest, paginate
from spectral_platform.core.values import Moment
from spectral_platform.llm.models import ModelCall, ScanBudget
from spectral_platform.llm.providers.availability import REPLAY
from spectral_platform.llm.queries import Spending, get_budget, has_calls_of, sum_spending
from spectral_platform.optimizers.reflection import TriedEdit
from spectral_platform.scans.errors import ArtifactLinkNotFound, ArtifactNotFound, ScanNotFound, StepNotFound
from spectral_platform.scans.links import ArtifactLink
from spectral_platform.scans.models import Scan, ScanAgent, ScanArtifact, ScanCandidate, ScanDocument, ScanEvent
from spectral_platform.scans.outlook import WINDOW, AutonomyOutlook, look_ahead
from spectral_platform.scans.states import ScanStatus, Trigger
from spectral_platform.scans.steps import Step, list_steps, step_events
from spectral_platform.workspaces.policies.autonomy import Autonomy
from spectral_platform.workspaces.policies.queries import get_policy
from spectral_platform.workspaces.queries import is_workspace_open

COLUMNS = {"created_at": Scan.created_at}
ARTIFACT_COLUMNS = {"path": ScanArtifact.path}
EVENT_COLUMNS = {"sequence": ScanEvent.sequence}
REMEMBERED = 20
OUTCOMES = {
    "no_gain": "no gain in an earlier scan",
    "harms_authority_a": "harm in an earlier scan: it breaks the domain standard",
    "breaks_constraint": "in an earlier scan it broke a hard limit",
    "invalid": "invalid in an earlier scan",
}
"""What a proposer is told of edits that earlier scans dropped: no figure, because those are of cases that it may not see."""


class ScanFilter(Filter):
    """Which scans to list."""

    status: ScanStatus | None = Field(default=None, description="Only scans that stand here.")
    agent_id: UUID | None = Field(default=None, description="Only scans that cover this agent.")
    trigger: Trigger | None = Field(default=None, description="Only scans started so.")
    schedule_id: UUID | None = Field(default=None, description="Only scans that this schedule started.")
    since: Moment | None = Field(default=None, description="Asked for at this time or later.")
    until: Moment | None = Field(default=None, description="Asked for before this time.")


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


async def find_scan_on(session: AsyncSession, workspace_id: UUID, agent_ids: Collection[UUID]) -> UUID | None:
    """A scan on one of the agents that has not ended."""
    active = select(ScanAgent.scan_id).where(ScanAgent.workspace_id == workspace_id, ScanAgent.is_active)
    return await session.scalar(active.where(ScanAgent.agent_id.in_(agent_ids)).limit(1))


async def has_ended(session: AsyncSession, caller: Caller, scan_id: UUID) -> bool:
    """Whether a scan has ended, read without its settings and findings: whoever follows it asks at every event."""
    statement = select(Scan.status).where(Scan.id == scan_id, Scan.workspace_id == caller.workspace)
    status = await session.scalar(statement)
    if status is None:
        raise ScanNotFound(scan_id)
    return status in Scan.lifecycle.terminal


async def get_scan(session: AsyncSession, caller: Caller, scan_id: UUID) -> ScanView:
    """One scan of the workspace."""
    scan = await find_scan(session, caller, scan_id)
    return _view(scan, await get_budget(session, caller.workspace, scan_id))


async def get_autonomy_outlook(session: AsyncSession, caller: Caller) -> AutonomyOutlook:
    """What every mode of autonomy would let through at the pace of the last weeks."""
    now = clock.now()
    has_effect = func.jsonb_typeof(type_coerce(Scan.verdict, JSONB)["effect"]) == "object"
    comparisons, since = (
        await session.execute(
            select(func.count(), func.min(Scan.created_at)).where(
                Scan.workspace_id == caller.workspace, Scan.created_at > now - WINDOW, has_effect
            )
        )
    ).one()
    mode = (await get_policy(session, caller, Autonomy)).mode
    return look_ahead(mode, comparisons=comparisons, since=since, now=now)


async def list_scans(session: AsyncSession, caller: Caller, *, filter: ScanFilter, page: PageRequest) -> Page[ScanView]:
    """The scans of the workspace."""
    equal = filter.equals(status=Scan.status, trigger=Scan.trigger, schedule_id=Scan.schedule_id)
    statement = Scan.in_workspace(caller.workspace).where(*equal)
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


async def list_events_after(
    session: AsyncSession, caller: Caller, scan_id: UUID, *, after: int, limit: int
) -> Sequence[ScanEvent]:
    """The next events of a scan after a sequence number, in order."""
    statement = ScanEvent.in_workspace(caller.workspace).where(ScanEvent.scan_id == scan_id, ScanEvent.sequence > after)
    return (await session.scalars(statement.order_by(ScanEvent.sequence).limit(limit))).all()


async def list_scan_steps(session: AsyncSession, caller: Caller, scan_id: UUID) -> tuple[Step, ...]:
    """The steps of a scan: each phase for each of its agents."""
    scan = await find_scan(session, caller, scan_id)
    return list_steps(scan, await _list_all_events(session, caller, scan_id))


async def get_scan_step(session: AsyncSession, caller: Caller, scan_id: UUID, step_id: UUID) -> Step:
    """One step of a scan."""
    return _named(await list_scan_steps(session, caller, scan_id), step_id)


async def list_step_logs(
    session: AsyncSession, caller: Caller, scan_id: UUID, step_id: UUID, *, after: int
) -> Sequence[ScanEvent]:
    """The events of a step after a sequence number, in order."""
    scan = await find_scan(session, caller, scan_id)
    events = await _list_all_events(session, caller, scan_id)
    step = _named(list_steps(scan, events), step_id)
    return [event for event in step_events(events, step.phase, step.agent_id) if event.sequence > after]


def _named(steps: Sequence[Step], step_id: UUID) -> Step:
    step = next((step for step in steps if step.id == step_id), None)
    if step is None:
        raise StepNotFound(step_id)
    return step


async def _list_all_events(session: AsyncSession, caller: Caller, scan_id: UUID) -> Sequence[ScanEvent]:
    """A scan has some dozens: one for each phase, candidate, look and finding."""
    statement = ScanEvent.in_workspace(caller.workspace).where(ScanEvent.scan_id == scan_id)
    return (await session.scalars(statement.order_by(ScanEvent.sequence))).all()


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


async def list_scan_artifacts(session: AsyncSession, caller: Caller, scan_id: UUID, *, page: PageRequest) -> Page[ScanArtifact]:
    """The files of a scan, without their contents."""
    await find_scan(session, caller, scan_id)
    statement = ScanArtifact.in_workspace(caller.workspace).where(ScanArtifact.scan_id == scan_id)
    return await paginate(session, statement, page, columns=ARTIFACT_COLUMNS, tiebreak=ScanArtifact.id)


async def get_scan_artifact(session: AsyncSession, caller: Caller, scan_id: UUID, artifact_id: UUID) -> ScanArtifact:
    """One file of a scan, without its content."""
    scan = await find_scan(session, caller, scan_id)
    statement = ScanArtifact.in_workspace(caller.workspace).where(ScanArtifact.scan_id == scan_id)
    artifact = await session.scalar(statement.where(ScanArtifact.id == artifact_id))
    if artifact is None:
        raise ArtifactNotFound(artifact_id, scan.status)
    return artifact


async def read_scan_artifact(session: AsyncSession, caller: Caller, scan_id: UUID, path: str) -> bytes:
    """The content of a scan's file by its path. Raises ``ArtifactNotFound`` also while the scan has not completed."""
    scan = await find_scan(session, caller, scan_id)
    content = await session.scalar(
        select(ScanArtifact.content).where(
            ScanArtifact.workspace_id == caller.workspace, ScanArtifact.scan_id == scan_id, ScanArtifact.path == path
        )
    )
    if content is None:
        raise ArtifactNotFound(path, scan.status)
    return content


async def get_linked_artifact(session: AsyncSession, link: ArtifactLink) -> ScanArtifact:
    """The file that a link is for, with its content, where its workspace is still there."""
    await bind_tenant(session, account_id=link.account_id, workspace_id=link.workspace_id)
    statement = ScanArtifact.in_workspace(link.workspace_id).where(
        ScanArtifact.id == link.artifact_id, is_workspace_open(link.workspace_id)
    )
    artifact = await session.scalar(statement.options(undefer(ScanArtifact.content)))
    if artifact is None:
        raise ArtifactLinkNotFound
    return artifact


async def list_tried_edits(session: AsyncSession, workspace_id: UUID, agent_id: UUID, *, base_key: str) -> list[TriedEdit]:
    """What earlier scans tried on this very config of an agent and found not to help, the newest last."""
    statement = (
        select(ScanCandidate.rationale, ScanCandidate.fate)
        .join(Scan, Scan.id == ScanCandidate.scan_id)
        .where(
            ScanCandidate.workspace_id == workspace_id,
            ScanCandidate.agent_id == agent_id,
            ScanCandidate.parent_key == base_key,
            ScanCandidate.fate.in_(OUTCOMES),
            Scan.status == ScanStatus.COMPLETED,
        )
        .order_by(ScanCandidate.created_at.desc(), ScanCandidate.position.desc())
        .limit(REMEMBERED)
    )
    rows = (await session.execute(statement)).all()
    return [TriedEdit(rationale=row.rationale, outcome=OUTCOMES[row.fate]) for row in reversed(rows)]


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
    if scan.started_at is not None and done and done < total and not is_over:
        elapsed = (clock.now() - scan.started_at).total_seconds()
        eta = round(elapsed * (total - done) / done)
    return ScanView(scan=scan, progress=Progress(done=done, total=total, percent=percent, eta_s=eta), budget=budget)


async def list_lineage(session: AsyncSession, scan: Scan) -> list[UUID]:
    """The scan and those that it retries: their answers need not be asked again."""
    lineage, parent = [scan.id], scan.retried_from
    while parent is not None:
        lineage.append(parent)
        parent = await session.scalar(select(Scan.retried_from).where(Scan.id == parent, Scan.workspace_id == scan.workspace_id))
    return lineage


async def is_replayed(session: AsyncSession, workspace_id: UUID, scan_id: UUID) -> bool:
    """Whether any answer of the scan, or of those that it retries, came from a cassette."""
    lineage = await list_lineage(session, await session.get_one(Scan, scan_id))
    return await has_calls_of(session, workspace_id, lineage, provider=REPLAY)
