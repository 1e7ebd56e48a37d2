"""What a caller may ask of scans: quote, create, cancel, try again."""

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.commands import lock_agents
from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.jobs import enqueue, publish
from spectral_platform.core.lifecycle import move
from spectral_platform.core.settings import Settings
from spectral_platform.core.watching import tell
from spectral_platform.llm.commands import open_budget
from spectral_platform.llm.queries import get_budget
from spectral_platform.scans.errors import RetryNotPossible, ScanAlreadyActive, ScanNotPossible
from spectral_platform.scans.models import Scan, ScanAgent, events_topic
from spectral_platform.scans.news import scan_ended
from spectral_platform.scans.notices.recipients import check_notify
from spectral_platform.scans.preflight import plan_scan
from spectral_platform.scans.queries import ScanView, find_scan, find_scan_on, get_scan
from spectral_platform.scans.quoting import Readiness
from spectral_platform.scans.reckoning import Plan
from spectral_platform.scans.seeding import settle_seed
from spectral_platform.scans.settings import ScanSettings
from spectral_platform.scans.states import ScanStatus, Trigger
from spectral_platform.scans.work import ExecuteScan


async def quote_scan(session: AsyncSession, caller: Caller, server: Settings, *, request: ScanSettings) -> Readiness:
    """What a scan with these settings would take and could show; nothing is started."""
    await check_notify(session, caller, server, request.notify)
    return (await plan_scan(session, caller, server, request)).readiness


async def create_scan(session: AsyncSession, caller: Caller, server: Settings, *, request: ScanSettings) -> ScanView:
    """Start a scan because somebody asks for it.

    Raises what ``check_notify`` and ``plan_scan`` raise, and ``ScanAlreadyActive`` when an agent's last scan has not ended.
    """
    await check_notify(session, caller, server, request.notify)
    return await start_scan(session, caller, await plan_scan(session, caller, server, request), trigger=Trigger.MANUAL)


async def start_scan(
    session: AsyncSession, caller: Caller, plan: Plan, *, trigger: Trigger, schedule_id: UUID | None = None
) -> ScanView:
    """Schedule a scan as it was planned; the worker takes it up when this transaction commits.

    Raises ``ScanAlreadyActive`` when an agent's last scan has not ended.
    """
    settings = await settle_seed(session, caller.workspace, plan.settings)
    scan = Scan(
        id=clock.new_id(),
        workspace_id=caller.workspace,
        trigger=trigger,
        requested_by=f"{caller.kind}:{caller.id}",
        settings=settings,
        readiness=plan.readiness,
        simulated=plan.simulated,
        schedule_id=schedule_id,
    )
    await _start(session, caller, scan, plan)
    origin = {} if schedule_id is None else {"trigger": trigger, "schedule_id": str(schedule_id)}
    await record(session, caller, action="scan.created", resource="scan", resource_id=scan.id, seed=settings.seed, **origin)
    return await get_scan(session, caller, scan.id)


async def cancel_scan(session: AsyncSession, caller: Caller, scan_id: UUID) -> ScanView:
    """Stop a scan: one that waits is cancelled at once, one that runs within seconds. Raises ``InvalidTransitionError``."""
    scan = await find_scan(session, caller, scan_id)
    await session.refresh(scan, with_for_update=True)
    await _stop(session, caller, scan)
    await record(session, caller, action="scan.cancelled", resource="scan", resource_id=scan.id)
    return await get_scan(session, caller, scan.id)


async def stop_scans(session: AsyncSession, caller: Caller) -> None:
    """Stop every scan of a workspace that is going away."""
    active = Scan.in_workspace(caller.workspace).where(Scan.status.in_([ScanStatus.SCHEDULED, ScanStatus.RUNNING]))
    for scan in (await session.scalars(active.order_by(Scan.id).with_for_update())).all():
        await _stop(session, caller, scan)


async def _stop(session: AsyncSession, caller: Caller, scan: Scan) -> None:
    if scan.status is ScanStatus.SCHEDULED:
        await move(session, scan, ScanStatus.CANCELLED)
        await session.execute(update(ScanAgent).where(ScanAgent.scan_id == scan.id).values(is_active=False))
        await publish(session, scan_ended(caller.account_id, scan))
        await tell(session, events_topic(scan.id))
    else:
        await move(session, scan, ScanStatus.CANCELLING)


async def retry_scan(session: AsyncSession, caller: Caller, scan_id: UUID) -> ScanView:
    """A new scan with the settings and pinned versions of one that failed or was cancelled; its answers are not asked again."""
    former = await find_scan(session, caller, scan_id)
    if former.status not in {ScanStatus.FAILED, ScanStatus.CANCELLED}:
        raise RetryNotPossible(former.status)
    budget = await get_budget(session, caller.workspace, former.id)
    scan = Scan(
        id=clock.new_id(),
        workspace_id=caller.workspace,
        trigger=former.trigger,
        requested_by=f"{caller.kind}:{caller.id}",
        settings=former.settings,
        readiness=former.readiness,
        simulated=former.simulated,
        retried_from=former.id,
        schedule_id=former.schedule_id,
    )
    await _insert(session, caller, scan)
    await open_budget(
        session,
        workspace_id=caller.workspace,
        scan_id=scan.id,
        max_usd=budget.max_usd,
        max_calls=budget.max_calls,
        held_usd=budget.held_usd,
        held_calls=budget.held_calls,
    )
    await record(session, caller, action="scan.retried", resource="scan", resource_id=scan.id, retried_from=str(former.id))
    return await get_scan(session, caller, scan.id)


async def _start(session: AsyncSession, caller: Caller, scan: Scan, plan: Plan) -> None:
    await _insert(session, caller, scan)
    budget = plan.settings.budget
    await open_budget(
        session,
        workspace_id=caller.workspace,
        scan_id=scan.id,
        max_usd=budget.max_usd,
        max_calls=budget.max_model_calls,
        held_usd=plan.held_usd,
        held_calls=plan.held_calls,
    )


async def _insert(session: AsyncSession, caller: Caller, scan: Scan) -> None:
    pinned = {agent.agent_id for agent in scan.settings.agents}
    if (await lock_agents(session, caller, pinned)).keys() != pinned:
        raise ScanNotPossible("An agent was deleted or merged into another one meanwhile.", missing=["agents"])
    active = await find_scan_on(session, caller.workspace, pinned)
    if active is not None:  # and while the agents are locked nobody starts one
        raise ScanAlreadyActive(active)
    session.add(scan)
    await session.flush()
    session.add_all(
        ScanAgent(workspace_id=caller.workspace, scan_id=scan.id, agent_id=agent.agent_id) for agent in scan.settings.agents
    )
    await session.flush()
    await enqueue(session, ExecuteScan(account_id=caller.account_id, workspace_id=caller.workspace, scan_id=scan.id))
