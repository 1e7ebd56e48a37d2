"""What the worker does for schedules: it starts the scan of a run that waits, once, or writes down why not."""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import system_caller
from spectral_platform.core.errors import SpectralError, UnavailableError
from spectral_platform.core.jobs import JobContext, job, publish
from spectral_platform.core.lifecycle import move
from spectral_platform.scans.commands import start_scan
from spectral_platform.scans.errors import ScanAlreadyActive
from spectral_platform.scans.schedules import queries
from spectral_platform.scans.schedules.deciding import Decision, decide
from spectral_platform.scans.schedules.models import ScanSchedule, ScheduleRun
from spectral_platform.scans.schedules.news import ScheduleDisabled
from spectral_platform.scans.schedules.states import DisabledReason, Reason, RunStatus
from spectral_platform.scans.schedules.work import StartRun
from spectral_platform.scans.states import Trigger

logger = structlog.get_logger(__name__)

FAULT = Decision(Reason.FAULT, "Something went wrong on our side; the worker's log has the details.")


async def give_up_run(context: JobContext, work: StartRun) -> None:
    """End a run that a fault of ours stopped; the traceback is in the log."""
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        held = await _hold(session, work)
        if held is not None:
            await _end(session, *held, RunStatus.REFUSED, FAULT)


@job(StartRun, on_failure=give_up_run)
async def start_run(context: JobContext, work: StartRun) -> None:
    """Start the run's scan in the transaction that writes down that it started; doing so again does nothing."""
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        held = await _hold(session, work)
        if held is None:
            return
        schedule, run = held
        moment = clock.now()
        decision = await decide(session, context.settings, schedule, at=moment)
        if decision.plan is not None:
            decision = await _start(session, schedule, run, decision)
        if decision.plan is not None:
            return
        if decision.starts_at is not None:
            run.starts_at, run.ordered_at, run.sla_due_at = decision.starts_at, None, schedule.sla_end(decision.starts_at)
            await session.flush()
            return
        await _end(
            session, schedule, run, RunStatus.REFUSED if decision.reason is Reason.REFUSED else RunStatus.SKIPPED, decision
        )


async def _hold(session: AsyncSession, work: StartRun) -> tuple[ScanSchedule, ScheduleRun] | None:
    """The schedule and its run, if that still waits, both for this transaction alone: the schedule first, as everybody does."""
    run = await session.get(ScheduleRun, work.run_id)
    if run is None:
        return None
    schedule = await session.get(ScanSchedule, run.schedule_id, with_for_update=True)
    if schedule is None:  # deleted meanwhile, and the run with it
        return None
    await session.refresh(run, with_for_update=True)
    if run.status is not RunStatus.WAITING or run.starts_at > clock.now():
        return None
    return schedule, run


async def _start(session: AsyncSession, schedule: ScanSchedule, run: ScheduleRun, decision: Decision) -> Decision:
    """Start what was decided. Somebody may have been faster since, or have taken away what was planned with."""
    assert decision.plan is not None
    try:
        async with session.begin_nested():
            view = await start_scan(session, schedule.caller(), decision.plan, trigger=Trigger.SCHEDULE, schedule_id=schedule.id)
    except UnavailableError:
        raise
    except ScanAlreadyActive as refusal:
        return Decision(Reason.SCAN_ACTIVE, refusal.detail)
    except SpectralError as refusal:
        return Decision(Reason.REFUSED, refusal.detail)
    await move(session, run, RunStatus.STARTED, scan_id=view.scan.id)
    logger.info("schedule_started", schedule_id=str(schedule.id), scan_id=str(view.scan.id))
    return decision


async def _end(session: AsyncSession, schedule: ScanSchedule, run: ScheduleRun, status: RunStatus, decision: Decision) -> None:
    """Write down why a run starts nothing, and disable a schedule that keeps failing."""
    await move(session, run, status, reason=decision.reason, detail=decision.detail, sla_due_at=None)
    logger.info("schedule_not_started", schedule_id=str(schedule.id), reason=str(decision.reason))
    if schedule.enabled and (decision.reason is Reason.FAILING or await queries.keeps_failing(session, schedule)):
        schedule.disabled_at, schedule.disabled_reason, schedule.next_due_at = clock.now(), DisabledReason.FAILING, None
        await session.flush()
        caller = system_caller(schedule.account_id, schedule.workspace_id)
        reason = DisabledReason.FAILING
        await record(session, caller, action="schedule.disabled", resource="schedule", resource_id=schedule.id, reason=reason)
        await publish(
            session,
            ScheduleDisabled(
                account_id=schedule.account_id, workspace_id=schedule.workspace_id, schedule_id=schedule.id, reason=reason
            ),
        )
        logger.warning("schedule_disabled", schedule_id=str(schedule.id), reason=str(reason))
