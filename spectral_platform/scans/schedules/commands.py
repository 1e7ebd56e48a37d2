"""Writing schedules and triggering them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import Caller, CallerKind
from spectral_platform.core.database import conflict_as
from spectral_platform.core.lifecycle import move
from spectral_platform.core.settings import Settings
from spectral_platform.scans.commands import start_scan
from spectral_platform.scans.errors import ScanAlreadyActive
from spectral_platform.scans.notices.recipients import check_notify
from spectral_platform.scans.preflight import check_named, plan_scan, with_defaults
from spectral_platform.scans.queries import ScanView
from spectral_platform.scans.schedules import queries
from spectral_platform.scans.schedules.deciding import Decision, decide, find_stop
from spectral_platform.scans.schedules.errors import (
    OverrideRefused,
    ScheduleChanged,
    ScheduleIsDisabled,
    ScheduleNameTaken,
    TooManySchedules,
)
from spectral_platform.scans.schedules.models import ScanSchedule, ScheduleRun
from spectral_platform.scans.schedules.states import CatchUp, DisabledReason, RunStatus
from spectral_platform.scans.schedules.timing import QuietHours
from spectral_platform.scans.settings import Budget, ScanSettings
from spectral_platform.scans.states import Trigger
from spectral_platform.workspaces.commands import hold_workspace
from spectral_platform.workspaces.queries import get_workspace

MOST_SCHEDULES = 200
SHOWN_CHARACTERS = len(queries.TOKEN_PREFIX) + 4
NOT_BY_TOKEN = {"agent_ids", "rubric_id", "objective_id", "notify"}
"""What the holder of a token may not choose: tokens lie in the settings of other systems."""


async def create_schedule(
    session: AsyncSession,
    caller: Caller,
    server: Settings,
    *,
    name: str,
    settings: ScanSettings,
    cron: str | None = None,
    timezone: str = "UTC",
    quiet_hours: QuietHours | None = None,
    catch_up: CatchUp = CatchUp.ONCE,
    sla_s: int | None = None,
    enabled: bool = True,
) -> tuple[queries.ScheduleView, str]:
    """A new schedule and its token, which is never seen again.

    Raises ``ScanNotPossible`` when the settings name something that is not there, ``MailUnconfigured``, ``TooManySchedules`` and
    ``ScheduleNameTaken``.
    """
    await hold_workspace(session, caller)
    if await queries.count_schedules(session, caller) >= MOST_SCHEDULES:
        raise TooManySchedules(MOST_SCHEDULES)
    await _check_settings(session, caller, server, settings)
    token = crypto.new_secret(queries.TOKEN_PREFIX)
    schedule = ScanSchedule(
        id=clock.new_id(),
        account_id=caller.account_id,
        workspace_id=caller.workspace,
        name=name,
        cron=cron,
        timezone=timezone,
        quiet_hours=quiet_hours,
        catch_up=catch_up,
        sla_s=sla_s,
        settings=_named_only(settings),
    )
    _give_token(schedule, token)
    _switch(schedule, enabled=enabled)
    schedule.plan_next(clock.now())
    session.add(schedule)
    with conflict_as("uq_scan_schedules_workspace_id_name", ScheduleNameTaken(name)):
        await session.flush()
    await _record(session, caller, schedule, "created", name=name, cron=cron, timezone=timezone, enabled=enabled)
    return await queries.view_schedule(session, caller, schedule), token


async def update_schedule(
    session: AsyncSession,
    caller: Caller,
    server: Settings,
    schedule_id: UUID,
    *,
    changes: Mapping[str, Any],
    expected: Collection[str] | None = None,
) -> queries.ScheduleView:
    """Change what ``changes`` names. ``expected`` are fingerprints of which the schedule must have one.

    A run that waits goes by the quiet hours as they are now, and ends with the clock's hold on the schedule. Raises what
    ``create_schedule`` raises.
    """
    if "settings" in changes:
        await _check_settings(session, caller, server, changes["settings"])
    schedule = await _hold(session, caller, schedule_id, expected)
    rhythm = schedule.rhythm
    for field, value in changes.items():
        if field == "enabled":
            _switch(schedule, enabled=value)
        else:
            setattr(schedule, field, _named_only(value) if field == "settings" else value)
    moment = clock.now()
    if schedule.rhythm != rhythm:  # else what is due stays due, also where the same is written again
        schedule.plan_next(moment)
    schedule.version += 1
    schedule.updated_at = moment
    with conflict_as("uq_scan_schedules_workspace_id_name", ScheduleNameTaken(schedule.name)):
        await session.flush()
    await _plan_waiting(session, schedule, moment)
    await _record(session, caller, schedule, "updated", fields=sorted(changes), version=schedule.version)
    return await queries.view_schedule(session, caller, schedule)


async def delete_schedule(
    session: AsyncSession, caller: Caller, schedule_id: UUID, *, expected: Collection[str] | None = None
) -> None:
    """Remove a schedule with its token and the history of its runs. The scans that it started stay, and one that runs goes on."""
    schedule = await _hold(session, caller, schedule_id, expected)
    await session.delete(schedule)
    await session.flush()
    await _record(session, caller, schedule, "deleted", name=schedule.name)


async def rotate_schedule_token(session: AsyncSession, caller: Caller, schedule_id: UUID) -> tuple[queries.ScheduleView, str]:
    """A new token, never seen again; the one before is refused from now on."""
    schedule = await _hold(session, caller, schedule_id, None)
    token = crypto.new_secret(queries.TOKEN_PREFIX)
    _give_token(schedule, token)
    await session.flush()
    await _record(session, caller, schedule, "token_rotated")
    return await queries.view_schedule(session, caller, schedule), token


async def trigger_schedule(
    session: AsyncSession,
    caller: Caller,
    server: Settings,
    schedule_id: UUID,
    *,
    overrides: ScanSettings,
    variables: dict[str, JsonValue],
) -> ScanView:
    """Start a scan of the schedule now, quiet hours or not, with what is overridden of its settings.

    Raises ``ScheduleIsDisabled``, ``OverrideRefused``, and what starting a scan raises; then no run is written down.
    """
    schedule = await _hold(session, caller, schedule_id, None)
    if not schedule.enabled:
        raise ScheduleIsDisabled(schedule.id)
    is_by_token = caller.kind is CallerKind.SCHEDULE
    if is_by_token:
        await _check_overrides(session, caller, schedule, overrides)
    else:
        await check_notify(session, caller, server, overrides.notify)
    active = await queries.find_active_scan(session, schedule.id)
    if active is not None:
        raise ScanAlreadyActive(active)
    plan = await plan_scan(session, caller, server, with_defaults(schedule.settings, overrides))
    trigger = Trigger.WEBHOOK if is_by_token else Trigger.MANUAL
    view = await start_scan(session, caller, plan, trigger=trigger, schedule_id=schedule.id)
    moment = clock.now()
    run = ScheduleRun(
        account_id=schedule.account_id,
        workspace_id=schedule.workspace_id,
        schedule_id=schedule.id,
        scan_id=view.scan.id,
        trigger=trigger,
        requested_by=f"{caller.kind}:{caller.id}",
        status=RunStatus.STARTED,
        overrides=_named_only(overrides),
        variables=variables,
        due_at=moment,
        starts_at=moment,
        sla_due_at=schedule.sla_end(moment),
    )
    session.add(run)
    await session.flush()
    return view


async def explain_schedule(session: AsyncSession, caller: Caller, server: Settings, schedule_id: UUID) -> Decision:
    """What the schedule would do if it were due now; nothing of finding that out is kept."""
    schedule = await queries.find_schedule(session, caller, schedule_id)
    trial = await session.begin_nested()
    try:
        return await decide(session, server, schedule, at=clock.now())
    finally:
        await trial.rollback()


async def _check_overrides(session: AsyncSession, caller: Caller, schedule: ScanSchedule, overrides: ScanSettings) -> None:
    """Raise ``OverrideRefused`` where a token's holder asks for other things than the schedule's, or for more of them."""
    refused = sorted(NOT_BY_TOKEN & overrides.model_fields_set)
    if "budget" in overrides.model_fields_set:
        defaults = (await get_workspace(session, caller)).scan_defaults
        allowed = with_defaults(defaults, schedule.request).budget or Budget()
        asked = with_defaults(defaults, with_defaults(schedule.settings, overrides)).budget or Budget()
        higher = [limit for limit in sorted(Budget.model_fields) if getattr(asked, limit) > getattr(allowed, limit)]
        refused += [f"a higher budget.{limit}" for limit in higher]
    if refused:
        raise OverrideRefused(refused)


async def _plan_waiting(session: AsyncSession, schedule: ScanSchedule, moment: datetime) -> None:
    """Have the run that waits, if there is one, go by the schedule as it is now: it starts then, or never."""
    waiting = await queries.find_waiting_run(session, schedule.id)
    if waiting is None:
        return
    stop = find_stop(schedule)
    if stop is not None:
        await move(session, waiting, RunStatus.SKIPPED, reason=stop.reason, detail=stop.detail, sla_due_at=None)
        return
    waiting.starts_at, waiting.ordered_at = schedule.release(max(waiting.due_at, moment)), None
    waiting.sla_due_at = schedule.sla_end(waiting.starts_at)
    await session.flush()


async def _check_settings(session: AsyncSession, caller: Caller, server: Settings, settings: ScanSettings) -> None:
    await check_named(session, caller, settings)
    await check_notify(session, caller, server, settings.notify)


def _named_only(settings: ScanSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude_unset=True)


def _give_token(schedule: ScanSchedule, token: str) -> None:
    schedule.token_digest, schedule.token_prefix = crypto.digest_secret(token), token[:SHOWN_CHARACTERS]


def _switch(schedule: ScanSchedule, *, enabled: bool) -> None:
    """Enable or disable; a schedule that was disabled for another reason keeps it."""
    if enabled:
        schedule.disabled_at = schedule.disabled_reason = None
    elif schedule.disabled_at is None:
        schedule.disabled_at, schedule.disabled_reason = clock.now(), DisabledReason.REQUESTED


async def _hold(session: AsyncSession, caller: Caller, schedule_id: UUID, expected: Collection[str] | None) -> ScanSchedule:
    schedule = await queries.find_schedule(session, caller, schedule_id, for_update=True)
    if expected is not None and schedule.fingerprint not in expected:
        raise ScheduleChanged(schedule_id, schedule.version)
    return schedule


async def _record(session: AsyncSession, caller: Caller, schedule: ScanSchedule, verb: str, **detail: Any) -> None:
    await record(session, caller, action=f"schedule.{verb}", resource="schedule", resource_id=schedule.id, **detail)
