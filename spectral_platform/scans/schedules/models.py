"""Rows of schedules and of their runs."""

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core import clock
from spectral_platform.core.access import Caller, CallerKind, Scope
from spectral_platform.core.columns import AccountOwned, Created, Identified, PydanticJSON, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle
from spectral_platform.scans.schedules.states import RUN, CatchUp, DisabledReason, Reason, RunStatus
from spectral_platform.scans.schedules.timing import QuietHours, next_due
from spectral_platform.scans.settings import ScanSettings
from spectral_platform.scans.states import Trigger


class ScanSchedule(Identified, AccountOwned, WorkspaceOwned, Created, Base):
    """When scans start by themselves, and with what.

    ``version`` and ``updated_at`` tell of what people change. ``next_due_at`` is moved on by whoever starts runs; where it is
    null nothing is due. ``settings`` holds what was named and nothing else, so that the rest comes from the workspace's defaults.
    """

    __tablename__ = "scan_schedules"
    __table_args__ = (
        UniqueConstraint("workspace_id", "name"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="disabled_for_a_reason"),
        CheckConstraint("next_due_at IS NULL OR (disabled_at IS NULL AND cron IS NOT NULL)", name="due_by_the_clock"),
        Index("ix_scan_schedules_next_due_at", "next_due_at", postgresql_where=text("next_due_at IS NOT NULL")),
    )

    name: Mapped[str]
    cron: Mapped[str | None]
    timezone: Mapped[str]
    quiet_hours: Mapped[QuietHours | None] = mapped_column(PydanticJSON(QuietHours))
    catch_up: Mapped[CatchUp] = mapped_column(state_column(CatchUp, "catch_up"))
    sla_s: Mapped[int | None]
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    token_digest: Mapped[str]
    token_prefix: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    disabled_reason: Mapped[DisabledReason | None] = mapped_column(state_column(DisabledReason, "disabled_reason"))
    next_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)

    @property
    def enabled(self) -> bool:
        """Whether anything starts it."""
        return self.disabled_at is None

    @property
    def fingerprint(self) -> str:
        """What tells the schedule as it is now from what it was before a change."""
        return str(self.version)

    @property
    def request(self) -> ScanSettings:
        """What its scans are asked for."""
        return ScanSettings.model_validate(self.settings)

    @property
    def rhythm(self) -> tuple[str | None, str, bool]:
        """Everything that says when it is due."""
        return self.cron, self.timezone, self.enabled

    def plan_next(self, moment: datetime) -> None:
        """Be due at the first time after a moment."""
        is_timed = self.enabled and self.cron is not None
        self.next_due_at = next_due(self.cron, self.timezone, after=moment) if is_timed and self.cron else None

    def release(self, moment: datetime) -> datetime:
        """The first time from a moment on that is not in quiet hours."""
        return moment if self.quiet_hours is None else self.quiet_hours.release(moment, self.timezone)

    def sla_end(self, start: datetime) -> datetime | None:
        """When a scan that starts then has to have ended."""
        return None if self.sla_s is None else start + timedelta(seconds=self.sla_s)

    def caller(self) -> Caller:
        """The schedule as one who asks for scans: by the clock, or through whoever holds its token."""
        return Caller(
            kind=CallerKind.SCHEDULE,
            id=self.id,
            account_id=self.account_id,
            workspace_id=self.workspace_id,
            scopes=frozenset({Scope.WRITE_WORKSPACE}),
        )


class ScheduleRun(Identified, AccountOwned, WorkspaceOwned, Created, Base):
    """One time that a schedule was due or triggered, and what came of it.

    At most one run of a schedule waits, and the database sees to that. ``ordered_at`` is when the worker was last told to start a
    waiting run. ``sla_due_at`` is when its scan has to have ended, ``sla_settled_at`` when it was looked whether it had, and
    ``sla_missed_at`` tells that it had not.
    """

    __tablename__ = "scan_schedule_runs"
    __table_args__ = (
        Index("uq_scan_schedule_runs_one_waiting", "schedule_id", unique=True, postgresql_where=text("status = 'waiting'")),
        Index("ix_scan_schedule_runs_schedule_id_created_at", "schedule_id", "created_at"),
        Index("ix_scan_schedule_runs_starts_at", "starts_at", postgresql_where=text("status = 'waiting'")),
        Index(
            "ix_scan_schedule_runs_sla_due_at",
            "sla_due_at",
            postgresql_where=text("sla_due_at IS NOT NULL AND sla_settled_at IS NULL"),
        ),
        Index("ix_scan_schedule_runs_created_at", "created_at"),
    )
    lifecycle: ClassVar[Lifecycle[RunStatus]] = RUN

    schedule_id: Mapped[UUID] = mapped_column(ForeignKey("scan_schedules.id", ondelete="CASCADE"))
    scan_id: Mapped[UUID | None] = mapped_column(ForeignKey("scans.id", ondelete="SET NULL"), index=True)
    trigger: Mapped[Trigger] = mapped_column(state_column(Trigger, "trigger"))
    requested_by: Mapped[str]
    status: Mapped[RunStatus] = mapped_column(state_column(RunStatus, "status"), default=RunStatus.WAITING)
    reason: Mapped[Reason | None] = mapped_column(state_column(Reason, "reason"))
    detail: Mapped[str | None]
    overrides: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    variables: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ordered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sla_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sla_settled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sla_missed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
