"""Doing what the clock asks for.

Starting is two steps. Whoever finds a schedule due moves it on and writes down a run that waits, in one transaction under the
schedule's lock, so each time is taken once whatever number of workers look. The worker is then told to start the run: that is an
order of the queue, which outlives whoever takes it up, and a run that waits too long is ordered again.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

import structlog
from cronsim import CronSimError
from pydantic import ValidationError
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

Row = TypeVar("Row", ScanSchedule, ScheduleRun)
Listing = Callable[[AsyncSession, Collection[UUID]], Awaitable[list[queries.Pending]]]
Action = Callable[[AsyncSession, Sequence[UUID]], Awaitable[None]]

UNREADABLE = (CronSimError, ValidationError, ZoneInfoNotFoundError)
"""What reading a schedule raises that another release, or a host with a newer database of zones, took."""
LATE = timedelta(minutes=5)
"""How long after its time a run is still on time; later, it was missed."""
KEPT_FOR = timedelta(days=90)
MOST_FORGOTTEN_AT_ONCE = 1_000


async def dispatch_schedules(context: JobContext) -> None:
    """Write down due runs, have waiting ones started and tell of those that take too long, in every tenant.

    What is pending in a workspace is one transaction of a few statements, however much it is; what another worker holds is passed
    over, and what is unreadable is looked at once. Where more is pending than is read at once it goes on without a pause, for as
    long as that changes anything.
    """
    before: list[list[queries.Pending]] = []
    unreadable: set[UUID] = set()
    while True:
        pending = [await _act_on(context, listed, act, unreadable) for listed, act in DUTIES]
        if pending == before or max(map(len, pending)) < queries.MOST_AT_ONCE:
            return
        before = pending


async def _act_on(context: JobContext, listed: Listing, act: Action, unreadable: set[UUID]) -> list[queries.Pending]:
    """Act on all that is pending of one kind, as far as it is read at once, and add to ``unreadable`` what is."""
    async with context.database.transaction() as session:
        pending = await listed(session, unreadable)
    of_workspaces: dict[tuple[UUID, UUID], list[UUID]] = {}
    for each in pending:
        of_workspaces.setdefault((each.account_id, each.workspace_id), []).append(each.id)
    for place, ids in of_workspaces.items():
        try:
            await _act_at_once(context, place, ids, act)
        except UNREADABLE:
            unreadable |= await _act_one_by_one(context, place, ids, act)
    return pending


async def _act_at_once(context: JobContext, place: tuple[UUID, UUID], ids: Sequence[UUID], act: Action) -> None:
    account_id, workspace_id = place
    async with context.database.transaction(account_id=account_id, workspace_id=workspace_id) as session:
        await act(session, ids)


async def _act_one_by_one(context: JobContext, place: tuple[UUID, UUID], ids: Sequence[UUID], act: Action) -> set[UUID]:
    """Act on what is readable, so that what is not, which is returned, holds up nothing else, whosever it is."""
    unreadable = set()
    for each in ids:
        try:
            await _act_at_once(context, place, [each], act)
        except UNREADABLE as fault:
            logger.error("schedule_unreadable", id=str(each), exc_info=fault)
            unreadable.add(each)
    return unreadable


async def forget_runs(context: JobContext) -> None:
    """Forget runs, of whatever tenant, that are older than ``KEPT_FOR``; their scans stay."""
    are_more = True
    while are_more:
        async with context.database.transaction() as session:
            are_more = await _forget_some(session)


async def take_due(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Write down the runs of schedules of one workspace that are due, and when these are due next."""
    moment = clock.now()
    due = [
        each for each in await _hold(session, ScanSchedule, ids) if each.next_due_at is not None and each.next_due_at <= moment
    ]
    if not due:
        return
    waiting = await queries.list_with_waiting_run(session, [schedule.id for schedule in due])
    runs = [_take(schedule, moment, is_waiting=schedule.id in waiting) for schedule in due]
    if await is_open(session, due[0].workspace_id):  # what nobody may use is due for nobody
        session.add_all(runs)
    await session.flush()


def _take(schedule: ScanSchedule, moment: datetime, *, is_waiting: bool) -> ScheduleRun:
    """The run of a schedule that is due, which is due next from now on.

    However many times were missed while no worker ran, they come to one run or, if the schedule says so, to none.
    """
    first = schedule.next_due_at
    assert first is not None
    assert schedule.cron is not None
    latest = latest_due(schedule.cron, schedule.timezone, first=first, until=moment)
    schedule.plan_next(moment)
    reason = detail = None
    if moment - latest > LATE and schedule.catch_up is CatchUp.SKIP:
        reason, detail = Reason.MISSED, f"A run was due at {first:%Y-%m-%d %H:%M} UTC, and no worker ran."
    elif is_waiting:
        reason, detail = Reason.RUN_WAITING, "An earlier run still waits to start."
    starts_at = schedule.release(latest)
    return ScheduleRun(
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


async def order_runs(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Have the worker start runs of one workspace that wait for nothing any more."""
    moment = clock.now()
    ready = [
        run
        for run in await _hold(session, ScheduleRun, ids)
        if run.status is RunStatus.WAITING
        and run.starts_at <= moment
        and (run.ordered_at is None or run.ordered_at <= moment - queries.ORDERED_AGAIN_AFTER)
    ]
    if not ready:
        return
    for run in ready:
        run.ordered_at = moment
    await session.flush()
    await enqueue(session, *(StartRun(account_id=run.account_id, workspace_id=run.workspace_id, run_id=run.id) for run in ready))


async def settle_slas(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Look whether runs of one workspace whose time is up had ended by then, and tell of those that had not."""
    moment = clock.now()
    over = [
        run
        for run in await _hold(session, ScheduleRun, ids)
        if run.sla_settled_at is None and run.sla_due_at is not None and run.sla_due_at <= moment
    ]
    scans = select(Scan.id, Scan.finished_at).where(Scan.id.in_([run.scan_id for run in over if run.scan_id is not None]))
    finished_at: dict[UUID | None, datetime | None] = dict((await session.execute(scans)).all())
    missed = []
    for run in over:
        assert run.sla_due_at is not None
        run.sla_settled_at = moment
        ended = finished_at.get(run.scan_id)
        if ended is None or ended > run.sla_due_at:
            run.sla_missed_at = run.sla_due_at
            missed.append(_missed(run, run.sla_due_at))
            logger.warning("sla_missed", schedule_id=str(run.schedule_id), run_id=str(run.id))
    await session.flush()
    if missed:
        await publish(session, *missed)


def _missed(run: ScheduleRun, sla_due_at: datetime) -> SlaMissed:
    return SlaMissed(
        account_id=run.account_id,
        workspace_id=run.workspace_id,
        schedule_id=run.schedule_id,
        run_id=run.id,
        scan_id=run.scan_id,
        due_at=run.due_at,
        sla_s=round((sla_due_at - run.starts_at).total_seconds()),
    )


async def _hold(session: AsyncSession, kind: type[Row], ids: Sequence[UUID]) -> Sequence[Row]:
    """Those of the rows that no other transaction holds, for this one alone, in the order of ``ids``."""
    free = select(kind).where(kind.id.in_(ids)).with_for_update(skip_locked=True)
    held = {row.id: row for row in await session.scalars(free)}
    return [held[each] for each in ids if each in held]


DUTIES: tuple[tuple[Listing, Action], ...] = (
    (queries.list_due_schedules, take_due),
    (queries.list_unstarted_runs, order_runs),
    (queries.list_unsettled_runs, settle_slas),
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
