"""Doing what the clock asks for.

Starting is two steps. Whoever finds a schedule due moves it on and writes down a run that waits, in one transaction under the
schedule's lock, so each time is taken once whatever number of workers look. The worker is then told to start the run: that is an
order of the queue, which outlives whoever takes it up, and a run that waits too long is ordered again.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from zoneinfo import ZoneInfoNotFoundError

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.core.access import CallerKind
from spectral_platform.core.database import bind_upkeep
from spectral_platform.core.jobs import JobContext, enqueue, publish
from spectral_platform.scans.models import Scan
from spectral_platform.scans.schedules import queries
from spectral_platform.scans.schedules.models import ScanSchedule, ScheduleRun
from spectral_platform.scans.schedules.news import SlaMissed
from spectral_platform.scans.schedules.states import CatchUp, Reason, RunStatus
from spectral_platform.scans.schedules.timing import latest_due
from spectral_platform.scans.schedules.work import StartRun
from spectral_platform.scans.states import Trigger
from spectral_platform.workspaces.queries import is_open

logger = structlog.get_logger(__name__)

Listing = Callable[[AsyncSession], Awaitable[list[queries.Pending]]]
Action = Callable[[AsyncSession, queries.Pending], Awaitable[None]]

LATE = timedelta(minutes=5)
"""How long after its time a run is still on time; later, it was missed."""
KEPT_FOR = timedelta(days=90)
MOST_FORGOTTEN_AT_ONCE = 1_000


async def dispatch_schedules(context: JobContext) -> None:
    """Write down due runs, have waiting ones started and tell of those that take too long, in every tenant.

    Each thing is its own transaction under its own lock, and whatever another worker holds is passed over. Where more is pending
    than is read at once it goes on without a pause, for as long as that changes anything.
    """
    before: list[list[queries.Pending]] = []
    while True:
        pending = [await _act_on(context, listed, act) for listed, act in DUTIES]
        if pending == before or max(map(len, pending)) < queries.MOST_AT_ONCE:
            return
        before = pending


async def _act_on(context: JobContext, listed: Listing, act: Action) -> list[queries.Pending]:
    """Act on all that is pending of one kind, as far as it is read at once."""
    async with context.database.transaction() as session:
        pending = await listed(session)
    for each in pending:
        try:
            async with context.database.transaction(account_id=each.account_id, workspace_id=each.workspace_id) as session:
                await act(session, each)
        except ZoneInfoNotFoundError as fault:  # this host has an older database of zones than the one that took the schedule
            logger.error("zone_unknown", id=str(each.id), exc_info=fault)
    return pending


async def forget_runs(context: JobContext) -> None:
    """Forget runs, of whatever tenant, that are older than ``KEPT_FOR``; their scans stay."""
    are_more = True
    while are_more:
        async with context.database.transaction() as session:
            are_more = await _forget_some(session)


async def take_due(session: AsyncSession, pending: queries.Pending) -> None:
    """Write down the run of a schedule that is due, and when it is due next.

    However many times were missed while no worker ran, they come to one run or, if the schedule says so, to none.
    """
    moment = clock.now()
    schedule = await session.get(ScanSchedule, pending.id, with_for_update={"skip_locked": True})
    if schedule is None or schedule.cron is None or schedule.next_due_at is None or schedule.next_due_at > moment:
        return
    first = schedule.next_due_at
    latest = latest_due(schedule.cron, schedule.timezone, first=first, until=moment)
    schedule.plan_next(moment)
    if not await is_open(session, schedule.workspace_id):
        return  # what nobody may use is due for nobody
    reason = detail = None
    if moment - latest > LATE and schedule.catch_up is CatchUp.SKIP:
        reason, detail = Reason.MISSED, f"A run was due at {first:%Y-%m-%d %H:%M} UTC, and no worker ran."
    elif await queries.find_waiting_run(session, schedule.id) is not None:
        reason, detail = Reason.RUN_WAITING, "An earlier run still waits to start."
    starts_at = schedule.release(latest)
    session.add(
        ScheduleRun(
            account_id=schedule.account_id,
            workspace_id=schedule.workspace_id,
            schedule_id=schedule.id,
            trigger=Trigger.SCHEDULE,
            requested_by=f"{CallerKind.SCHEDULE}:{schedule.id}",
            status=RunStatus.WAITING if reason is None else RunStatus.SKIPPED,
            reason=reason,
            detail=detail,
            due_at=latest,
            starts_at=starts_at,
            sla_due_at=schedule.sla_end(starts_at) if reason is None else None,
        )
    )
    await session.flush()


async def order_run(session: AsyncSession, pending: queries.Pending) -> None:
    """Have the worker start a run that waits for nothing any more."""
    run = await session.get(ScheduleRun, pending.id, with_for_update={"skip_locked": True})
    moment = clock.now()
    if run is None or run.status is not RunStatus.WAITING or run.starts_at > moment:
        return
    if run.ordered_at is not None and run.ordered_at > moment - queries.ORDERED_AGAIN_AFTER:
        return
    run.ordered_at = moment
    await session.flush()
    await enqueue(session, StartRun(account_id=run.account_id, workspace_id=run.workspace_id, run_id=run.id))


async def settle_sla(session: AsyncSession, pending: queries.Pending) -> None:
    """Look whether a run whose time is up had ended by then, and tell of one that had not."""
    run = await session.get(ScheduleRun, pending.id, with_for_update={"skip_locked": True})
    moment = clock.now()
    if run is None or run.sla_settled_at is not None or run.sla_due_at is None or run.sla_due_at > moment:
        return
    run.sla_settled_at = moment
    scan = await session.get(Scan, run.scan_id) if run.scan_id is not None else None
    if scan is None or scan.finished_at is None or scan.finished_at > run.sla_due_at:
        run.sla_missed_at = run.sla_due_at
        news = SlaMissed(
            account_id=run.account_id,
            workspace_id=run.workspace_id,
            schedule_id=run.schedule_id,
            run_id=run.id,
            scan_id=run.scan_id,
            due_at=run.due_at,
            sla_s=round((run.sla_due_at - run.starts_at).total_seconds()),
        )
        await publish(session, news)
        logger.warning("sla_missed", schedule_id=str(run.schedule_id), run_id=str(run.id))
    await session.flush()


DUTIES: tuple[tuple[Listing, Action], ...] = (
    (queries.list_due_schedules, take_due),
    (queries.list_unstarted_runs, order_run),
    (queries.list_unsettled_runs, settle_sla),
)


async def _forget_some(session: AsyncSession) -> bool:
    """Forget some of the old runs: whether more are left."""
    await bind_upkeep(session)
    old = select(ScheduleRun.id).where(ScheduleRun.status != RunStatus.WAITING, ScheduleRun.created_at < clock.now() - KEPT_FOR)
    forgotten = await session.scalars(
        delete(ScheduleRun)
        .where(ScheduleRun.id.in_(old.limit(MOST_FORGOTTEN_AT_ONCE)))
        .returning(ScheduleRun.id)
        .execution_options(synchronize_session=False)
    )
    return len(forgotten.all()) == MOST_FORGOTTEN_AT_ONCE
