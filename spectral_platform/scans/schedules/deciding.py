"""Whether a schedule starts a scan now: the one answer that the worker acts on and that people are told."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.errors import SpectralError, UnavailableError
from spectral_platform.core.settings import Settings
from spectral_platform.scans.preflight import plan_scan
from spectral_platform.scans.queries import find_scan_on
from spectral_platform.scans.reckoning import Plan
from spectral_platform.scans.schedules.models import ScanSchedule
from spectral_platform.scans.schedules.queries import (
    FAILURES_BEFORE_DISABLING,
    find_active_scan,
    keeps_failing,
)
from spectral_platform.scans.schedules.states import DisabledReason, Reason
from spectral_platform.workspaces.queries import is_open

FAILING = f"The last {FAILURES_BEFORE_DISABLING} runs were refused or their scans failed"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a schedule does at a moment, why, and from when on it may start if that is later; with a plan it starts a scan."""

    reason: Reason
    detail: str
    plan: Plan | None = None
    starts_at: datetime | None = None

    @property
    def would_run(self) -> bool:
        """Whether it starts a scan."""
        return self.plan is not None


async def decide(session: AsyncSession, server: Settings, schedule: ScanSchedule, *, at: datetime) -> Decision:
    """What the schedule does if it is due at this moment, in the order in which the reasons count.

    What planning writes on its way stays written only if the caller's transaction commits; what is refused leaves nothing.
    """
    hindrance = await _hindrance(session, schedule, at)
    if hindrance is not None:
        return hindrance
    active = await find_active_scan(session, schedule.id)
    if active is not None:
        return Decision(Reason.SCAN_ACTIVE, f"Its scan {active} has not ended yet.")
    try:
        async with session.begin_nested():
            plan = await plan_scan(session, schedule.caller(), server, schedule.request)
    except UnavailableError:
        raise
    except SpectralError as refusal:
        return Decision(Reason.REFUSED, refusal.detail)
    active = await find_scan_on(session, schedule.workspace_id, [agent.agent_id for agent in plan.settings.agents])
    if active is not None:
        return Decision(Reason.SCAN_ACTIVE, f"The scan {active} of one of its agents has not ended yet.")
    return Decision(Reason.READY, "A scan would start now.", plan=plan)


def find_stop(schedule: ScanSchedule) -> Decision | None:
    """What keeps the clock from starting anything, until somebody changes the schedule."""
    if schedule.disabled_reason is DisabledReason.FAILING:
        return Decision(Reason.DISABLED, f"The schedule was disabled: {FAILING}. Enable it when the cause is gone.")
    if not schedule.enabled:
        return Decision(Reason.DISABLED, "The schedule is disabled.")
    if schedule.cron is None:
        return Decision(Reason.NO_CRON, "The schedule has no cron: it runs only when it is triggered.")
    return None


async def _hindrance(session: AsyncSession, schedule: ScanSchedule, at: datetime) -> Decision | None:
    """What stands against the schedule itself, whatever it would scan."""
    if not await is_open(session, schedule.workspace_id):
        return Decision(Reason.WORKSPACE_CLOSED, "The workspace is deleted or its account suspended.")
    if (stop := find_stop(schedule)) is not None:
        return stop
    if await keeps_failing(session, schedule):
        return Decision(Reason.FAILING, f"{FAILING}; the schedule is disabled instead of running again.")
    released = schedule.release(at)
    if released > at:
        return Decision(
            Reason.QUIET_HOURS,
            f"It is in its quiet hours; a run that is due waits until {released:%Y-%m-%d %H:%M} UTC.",
            starts_at=released,
        )
    return None
