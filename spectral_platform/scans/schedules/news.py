"""What is told of schedules."""

from datetime import datetime
from uuid import UUID

from spectral_platform.core.jobs import News
from spectral_platform.scans.schedules.states import DisabledReason
from spectral_platform.webhooks.events import EventType


class SlaMissed(News):
    """A run's scan has not ended in the time that its schedule allows; without a scan it has not even started."""

    schedule_id: UUID
    run_id: UUID
    scan_id: UUID | None
    due_at: datetime
    sla_s: int

    @property
    def event(self) -> str:
        """Always the same."""
        return EventType.SCHEDULE_SLA_MISSED


class ScheduleDisabled(News):
    """A schedule was disabled because its runs kept failing."""

    schedule_id: UUID
    reason: DisabledReason

    @property
    def event(self) -> str:
        """Always the same."""
        return EventType.SCHEDULE_DISABLED
