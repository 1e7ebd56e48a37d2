"""Reading schedules and their runs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.errors import AccountSuspended
from spectral_platform.accounts.models import Account, AccountStatus
from spectral_platform.auth.errors import CredentialInvalid
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import Caller
from spectral_platform.core.database import bind_tenant, bind_upkeep
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.scans.models import Scan
from spectral_platform.scans.schedules.errors import ScheduleNotFound
from spectral_platform.scans.schedules.models import ScanSchedule, ScheduleRun
from spectral_platform.scans.schedules.states import RunStatus
from spectral_platform.scans.states import ScanStatus, Trigger
from spectral_platform.workspaces.queries import find_owner

COLUMNS = {"created_at": ScanSchedule.created_at, "name": ScanSchedule.name}
RUN_COLUMNS = {"created_at": ScheduleRun.created_at}
TOKEN_PREFIX = "sched_"
MOST_AT_ONCE = 200
ORDERED_AGAIN_AFTER = timedelta(minutes=10)
"""How long the worker may take over an order to start a run before it is given again; to start it twice does nothing."""
FAILURES_BEFORE_DISABLING = 5


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule with the scan that it started last, and the run that waits."""

    schedule: ScanSchedule
    last_scan: Scan | None
    waiting: ScheduleRun | None

    @property
    def next_run_at(self) -> datetime | None:
        """When its next run starts: a waiting one when quiet hours end, the next one when it is due and they do not hold it."""
        if self.waiting is not None:
            return self.waiting.starts_at
        due = self.schedule.next_due_at
        return None if due is None else self.schedule.release(due)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its scan, if it started one that is still there."""

    run: ScheduleRun
    scan: Scan | None

    @property
    def passed_sla(self) -> bool | None:
        """Whether the scan ended in time; None where no time is set, or while both is still possible."""
        deadline = self.run.sla_due_at
        if deadline is None or self.run.status in {RunStatus.SKIPPED, RunStatus.REFUSED}:
            return None
        ended = self.scan.finished_at if self.scan is not None else None
        if self.run.sla_missed_at is not None:
            return False
        if ended is not None:
            return ended <= deadline
        return None if clock.now() <= deadline else False


@dataclass(frozen=True, slots=True)
class Pending:
    """Something that is to be done for a schedule or a run, of whatever tenant."""

    id: UUID
    account_id: UUID
    workspace_id: UUID


async def list_schedules(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[ScheduleView]:
    """The schedules of the workspace."""
    found = await paginate(session, ScanSchedule.in_workspace(caller.workspace), page, columns=COLUMNS, tiebreak=ScanSchedule.id)
    views = await _view_all(session, caller, found.results)
    return Page(results=views, total=found.total, limit=found.limit, offset=found.offset)


async def get_schedule(session: AsyncSession, caller: Caller, schedule_id: UUID) -> ScheduleView:
    """One schedule of the workspace."""
    return await view_schedule(session, caller, await find_schedule(session, caller, schedule_id))


async def view_schedule(session: AsyncSession, caller: Caller, schedule: ScanSchedule) -> ScheduleView:
    """A schedule with what it did last and does next."""
    (view,) = await _view_all(session, caller, [schedule])
    return view


async def find_schedule(session: AsyncSession, caller: Caller, schedule_id: UUID, *, for_update: bool = False) -> ScanSchedule:
    """One schedule's row; ``for_update`` lets nobody else change it, or start a run of it, until the transaction ends."""
    statement = ScanSchedule.in_workspace(caller.workspace).where(ScanSchedule.id == schedule_id)
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    schedule = await session.scalar(statement)
    if schedule is None:
        raise ScheduleNotFound(schedule_id)
    return schedule


async def count_schedules(session: AsyncSession, caller: Caller) -> int:
    """How many schedules the workspace has."""
    counted = select(func.count()).select_from(ScanSchedule.in_workspace(caller.workspace).subquery())
    return await session.scalar(counted) or 0


async def list_schedule_runs(
    session: AsyncSession, caller: Caller, schedule_id: UUID, *, status: RunStatus | None, page: PageRequest
) -> Page[RunView]:
    """What came of the times at which the schedule was due or triggered."""
    await find_schedule(session, caller, schedule_id)
    statement = ScheduleRun.in_workspace(caller.workspace).where(ScheduleRun.schedule_id == schedule_id)
    if status is not None:
        statement = statement.where(ScheduleRun.status == status)
    found = await paginate(session, statement, page, columns=RUN_COLUMNS, tiebreak=ScheduleRun.id)
    started = [run.scan_id for run in found.results if run.scan_id is not None]
    scans = {scan.id: scan for scan in await session.scalars(Scan.in_workspace(caller.workspace).where(Scan.id.in_(started)))}
    views = [RunView(run, scans.get(run.scan_id) if run.scan_id else None) for run in found.results]
    return Page(results=views, total=found.total, limit=found.limit, offset=found.offset)


async def find_waiting_run(session: AsyncSession, schedule_id: UUID) -> ScheduleRun | None:
    """The run of a schedule that is due and has not started."""
    return await session.scalar(
        select(ScheduleRun).where(ScheduleRun.schedule_id == schedule_id, ScheduleRun.status == RunStatus.WAITING)
    )


async def list_with_waiting_run(session: AsyncSession, schedule_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the schedules that have a run which is due and has not started."""
    waiting = select(ScheduleRun.schedule_id).where(
        ScheduleRun.schedule_id.in_(schedule_ids), ScheduleRun.status == RunStatus.WAITING
    )
    return set(await session.scalars(waiting))


async def find_active_scan(session: AsyncSession, schedule_id: UUID) -> UUID | None:
    """A scan of the schedule that has not ended."""
    return await session.scalar(
        select(Scan.id).where(Scan.schedule_id == schedule_id, Scan.status.not_in(Scan.lifecycle.terminal)).limit(1)
    )


async def keeps_failing(session: AsyncSession, schedule: ScanSchedule) -> bool:
    """Whether all of the last runs by the clock, since somebody changed the schedule, were refused or had scans that failed."""
    latest = await session.execute(
        select(ScheduleRun.status, Scan.status)
        .outerjoin(Scan, Scan.id == ScheduleRun.scan_id)
        .where(ScheduleRun.schedule_id == schedule.id, ScheduleRun.trigger == Trigger.SCHEDULE)
        .where(ScheduleRun.status.in_([RunStatus.STARTED, RunStatus.REFUSED]), ScheduleRun.created_at > schedule.updated_at)
        .order_by(ScheduleRun.created_at.desc(), ScheduleRun.id.desc())
        .limit(FAILURES_BEFORE_DISABLING)
    )
    failed = [run is RunStatus.REFUSED or scan is ScanStatus.FAILED for run, scan in latest]
    return len(failed) == FAILURES_BEFORE_DISABLING and all(failed)


async def resolve_token(session: AsyncSession, token: str, *, workspace_id: UUID | None, schedule_id: UUID | None) -> Caller:
    """The schedule whose token this is, as a caller; the transaction is bound to its workspace from here on.

    Raises ``CredentialInvalid``, also for another schedule's token, and ``AccountSuspended``.
    """
    account_id = None if workspace_id is None else await find_owner(session, workspace_id)
    if account_id is None or workspace_id is None:
        raise CredentialInvalid
    await bind_tenant(session, account_id=account_id, workspace_id=workspace_id)
    schedule = await session.scalar(
        ScanSchedule.in_workspace(workspace_id).where(
            ScanSchedule.id == schedule_id, ScanSchedule.token_digest == crypto.digest_secret(token)
        )
    )
    account = await session.scalar(select(Account).where(Account.id == account_id, Account.deleted_at.is_(None)))
    if schedule is None or account is None:
        raise CredentialInvalid
    if account.status is not AccountStatus.ACTIVE:
        raise AccountSuspended
    return schedule.caller()


async def list_due_schedules(session: AsyncSession, besides: Collection[UUID]) -> list[Pending]:
    """Schedules of every tenant that are due, the longest waiting first."""
    await bind_upkeep(session)
    return await _list_pending(
        session, ScanSchedule, besides, ScanSchedule.next_due_at <= clock.now(), by=ScanSchedule.next_due_at
    )


async def list_unstarted_runs(session: AsyncSession, besides: Collection[UUID]) -> list[Pending]:
    """Runs of every tenant that wait no longer for anything, and that the worker has not been told to start of late."""
    await bind_upkeep(session)
    moment = clock.now()
    return await _list_pending(
        session,
        ScheduleRun,
        besides,
        ScheduleRun.status == RunStatus.WAITING,
        ScheduleRun.starts_at <= moment,
        or_(ScheduleRun.ordered_at.is_(None), ScheduleRun.ordered_at <= moment - ORDERED_AGAIN_AFTER),
        by=ScheduleRun.starts_at,
    )


async def list_unsettled_runs(session: AsyncSession, besides: Collection[UUID]) -> list[Pending]:
    """Runs of every tenant whose time is up and of which nobody has looked whether they kept to it."""
    await bind_upkeep(session)
    return await _list_pending(
        session,
        ScheduleRun,
        besides,
        ScheduleRun.sla_due_at <= clock.now(),
        ScheduleRun.sla_settled_at.is_(None),
        by=ScheduleRun.sla_due_at,
    )


async def _list_pending(
    session: AsyncSession,
    kind: type[ScanSchedule | ScheduleRun],
    besides: Collection[UUID],
    *conditions: ColumnElement[bool],
    by: SQLColumnExpression[Any],
) -> list[Pending]:
    pending = select(kind.id, kind.account_id, kind.workspace_id).where(*conditions, kind.id.not_in(besides))
    statement = pending.order_by(by).limit(MOST_AT_ONCE)
    return [Pending(*row) for row in await session.execute(statement)]


async def _view_all(session: AsyncSession, caller: Caller, schedules: Sequence[ScanSchedule]) -> list[ScheduleView]:
    ids = [schedule.id for schedule in schedules]
    newest = (
        select(Scan.id)
        .where(Scan.schedule_id == ScanSchedule.id)
        .order_by(Scan.created_at.desc(), Scan.id.desc())
        .limit(1)
        .correlate(ScanSchedule)
        .scalar_subquery()
    )
    last = select(newest).where(ScanSchedule.workspace_id == caller.workspace, ScanSchedule.id.in_(ids))
    found = await session.scalars(Scan.in_workspace(caller.workspace).where(Scan.id.in_(last)))
    scans = {scan.schedule_id: scan for scan in found}
    waits: Select[ScheduleRun] = ScheduleRun.in_workspace(caller.workspace).where(
        ScheduleRun.schedule_id.in_(ids), ScheduleRun.status == RunStatus.WAITING
    )
    waiting = {run.schedule_id: run for run in await session.scalars(waits)}
    return [ScheduleView(schedule, scans.get(schedule.id), waiting.get(schedule.id)) for schedule in schedules]
