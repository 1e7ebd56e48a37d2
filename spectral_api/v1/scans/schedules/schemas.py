"""Bodies of the schedules' endpoints."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, JsonValue
from pydantic.config import JsonDict
from pydantic_core import to_json

from spectral_api.schemas import Input, Output, Time
from spectral_api.v1.scans.schemas import ScanCreate
from spectral_platform.changesets.states import Outcome
from spectral_platform.scans.schedules.deciding import Decision
from spectral_platform.scans.schedules.queries import RunView, ScheduleView
from spectral_platform.scans.schedules.states import CatchUp, DisabledReason, Reason, RunStatus
from spectral_platform.scans.schedules.timing import Cron, QuietHours, Zone
from spectral_platform.scans.states import ScanStatus, Trigger

NAME = "What people call it; unique in the workspace."
CRON = (
    "When it is due: minute, hour, day of month (`L` = the last, `LW` = the last weekday), month, day of week (`FRI#2` = the"
    " second Friday, `5L` = the last one), or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."
    " null = only when it is triggered."
)
TIMEZONE = "The IANA time zone in which `cron` and `quiet_hours` are read."
QUIET_HOURS = "When no run starts by the clock; one that is due then waits until they end. null = never."
CATCH_UP = (
    "What becomes of runs that were missed by more than five minutes, because no worker ran: `once` = one run for all of them, as"
    " soon as there is a worker again; `skip` = none."
)
SLA_S = "Seconds from when a run may start until its scan should have ended; null = it takes as long as it takes."
ENABLED = "Whether anything starts it, the clock or a trigger."
SETTINGS = "What its scans are asked for, as in `POST scans`; what is absent is taken from `scan_defaults` at the time."
EXAMPLE: JsonDict = {
    "name": "Nightly",
    "cron": "30 2 * * mon-fri",
    "timezone": "Europe/Berlin",
    "quiet_hours": {"start": "06:00", "end": "20:00"},
    "catch_up": "once",
    "sla_s": 7200,
    "settings": {"budget": {"max_usd": "2.50"}, "max_candidates": 6},
}
MOST_VARIABLE_BYTES = 10_000


def _check_size(variables: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(to_json(variables)) > MOST_VARIABLE_BYTES:
        raise ValueError(f"variables take more than {MOST_VARIABLE_BYTES} bytes")
    return variables


Name = Annotated[str, Field(min_length=1, max_length=200, description=NAME)]
SlaSeconds = Annotated[int, Field(ge=1, le=30 * 86_400)]
Variables = Annotated[dict[str, JsonValue], Field(max_length=50), AfterValidator(_check_size)]


class ScheduleCreate(Input):
    """A whole schedule."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: Name
    cron: Cron | None = Field(default=None, description=CRON)
    timezone: Zone = Field(default="UTC", description=TIMEZONE)
    quiet_hours: QuietHours | None = Field(default=None, description=QUIET_HOURS)
    catch_up: CatchUp = Field(default=CatchUp.ONCE, description=CATCH_UP)
    sla_s: SlaSeconds | None = Field(default=None, description=SLA_S)
    enabled: bool = Field(default=True, description=ENABLED)
    settings: ScanCreate = Field(default=ScanCreate(), description=SETTINGS)

    def values(self) -> dict[str, Any]:
        """Every field, as the platform takes it."""
        return dict(self) | {"settings": self.settings.settings()}


class ScheduleUpdate(Input):
    """Changes to a schedule; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True, "cron": "0 4 * * *"}]})

    name: Name = ""
    cron: Cron | None = Field(default=None, description=CRON)
    timezone: Zone = Field(default="UTC", description=TIMEZONE)
    quiet_hours: QuietHours | None = Field(default=None, description=QUIET_HOURS)
    catch_up: CatchUp = Field(default=CatchUp.ONCE, description=CATCH_UP)
    sla_s: SlaSeconds | None = Field(default=None, description=SLA_S)
    enabled: bool = Field(default=True, description=ENABLED)
    settings: ScanCreate = Field(default=ScanCreate(), description=f"{SETTINGS} It is replaced as a whole.")

    def changes(self) -> dict[str, Any]:
        """The fields that were named, as the platform takes them."""
        named = {field: getattr(self, field) for field in self.model_fields_set}
        return named | ({"settings": self.settings.settings()} if "settings" in named else {})


class ScheduleTrigger(Input):
    """What to do differently this time."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"overrides": {"max_candidates": 4}, "variables": {"commit": "8f2c1e0"}}]}
    )

    overrides: ScanCreate = Field(
        default=ScanCreate(),
        description="Settings that go before the schedule's, for this scan alone. The schedule's own token may choose neither"
        " agents, rubric, objective nor who is told, and may lower the budget but not raise it.",
    )
    variables: Variables = Field(
        default={},
        description="Anything that the run should be known by, such as a commit; kept with the run and not looked into.",
    )


class LastScan(Output):
    """The scan that a schedule started last."""

    id: UUID = Field(description="The scan.")
    status: ScanStatus = Field(description="Where it stands.")
    trigger: Trigger = Field(description="What started it.")
    outcome: Outcome | None = Field(description="What it concluded; null until then.")
    created_at: Time = Field(description="When it was asked for.")
    finished_at: Time | None = Field(description="When it ended.")


class Schedule(Output):
    """When scans start by themselves, and with what."""

    id: UUID = Field(description="The schedule.")
    version: int = Field(description="Counts its changes, from 1; its entity tag.", examples=[1])
    name: str = Field(description=NAME)
    cron: str | None = Field(description=CRON, examples=["30 2 * * mon-fri"])
    timezone: str = Field(description=TIMEZONE, examples=["Europe/Berlin"])
    quiet_hours: QuietHours | None = Field(description=QUIET_HOURS)
    catch_up: CatchUp = Field(description=CATCH_UP)
    sla_s: int | None = Field(description=SLA_S)
    enabled: bool = Field(description=ENABLED)
    disabled_reason: DisabledReason | None = Field(
        description="Why nothing starts it: it was `requested`, or five runs in a row were refused or failed (`failing`)."
    )
    disabled_at: Time | None = Field(description="Since when nothing starts it; null = it is enabled.")
    settings: dict[str, Any] = Field(description=SETTINGS)
    next_run_at: Time | None = Field(
        description="When its next run starts, quiet hours reckoned in; null = when it is triggered."
    )
    last_scan: LastScan | None = Field(description="The scan that it started last.")
    token_prefix: str = Field(description="How its token begins.", examples=["sched_Ab3x"])
    created_at: Time = Field(description="When it was made.")
    updated_at: Time = Field(description="When somebody last changed it.")

    @classmethod
    def of(cls, view: ScheduleView) -> Self:
        """The body for a schedule as it was read."""
        return cls(**_of_schedule(view))


class ScheduleWithToken(Schedule):
    """A schedule with its new token, shown this once."""

    token: str = Field(
        description="Triggers the schedule as `Authorization: Bearer`, and does nothing else. It is shown only now; the server"
        " keeps a hash of it.",
        examples=["sched_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYq"],
    )

    @classmethod
    def once(cls, view: ScheduleView, token: str) -> Self:
        """The body for a schedule whose token is new."""
        return cls(**_of_schedule(view), token=token)


class Explanation(Output):
    """What a schedule would do if it were due now."""

    would_run: bool = Field(description="Whether a scan would start.")
    code: Reason = Field(description="Why, for programs.", examples=["scan_active"])
    reason: str = Field(description="Why, in words.", examples=["A scan would start now."])
    starts_at: Time | None = Field(description="When the run would start, if it would wait; null = it would not.")
    next_run_at: Time | None = Field(description="When its next run starts; null = when it is triggered.")

    @classmethod
    def of(cls, decision: Decision, view: ScheduleView) -> Self:
        """The body for a decision."""
        return cls(
            would_run=decision.would_run,
            code=decision.reason,
            reason=decision.detail,
            starts_at=decision.starts_at,
            next_run_at=view.next_run_at,
        )


class ScheduleRun(Output):
    """One time that a schedule was due or triggered, and what came of it."""

    id: UUID = Field(description="The run.")
    schedule_id: UUID = Field(description="The schedule.")
    trigger: Trigger = Field(
        description="`schedule` = by the clock, `webhook` = by the schedule's token, `manual` = by somebody."
    )
    requested_by: str = Field(
        description="Who asked for it, as kind and id.", examples=["user:0198c5a2-7b1e-7c3d-9f00-3b6f4c1d2e5a"]
    )
    status: RunStatus = Field(
        description="`waiting` = it starts at `starts_at`; `started` = its scan tells the rest; or see `reason`."
    )
    code: Reason | None = Field(description="Why it did not start, for programs.", examples=["scan_active"])
    reason: str | None = Field(description="Why it did not start, in words; null = it did, or waits.")
    overrides: dict[str, Any] = Field(description="What went before the schedule's settings.")
    variables: dict[str, Any] = Field(description="What it should be known by.")
    due_at: Time = Field(description="When it was due or triggered.")
    starts_at: Time = Field(description="When it may start: later than due if quiet hours held it.")
    scan_id: UUID | None = Field(description="Its scan; null without one.")
    scan_status: ScanStatus | None = Field(description="Where its scan stands.")
    outcome: Outcome | None = Field(description="What its scan concluded; null until then.")
    finished_at: Time | None = Field(description="When its scan ended.")
    passed_sla: bool | None = Field(
        description="Whether its scan ended in time (`true`) or not (`false`); null = no time is set, it may still do so, or"
        " there was nothing to start."
    )
    sla_due_at: Time | None = Field(description="When its scan should have ended; null = no time is set.")
    sla_missed_at: Time | None = Field(description="When it was too late; null = it is not.")
    created_at: Time = Field(description="When it was written down.")

    @classmethod
    def of(cls, view: RunView) -> Self:
        """The body for a run as it was read."""
        run, scan = view.run, view.scan
        own = cls.model_fields.keys() - {"code", "reason", "scan_status", "outcome", "finished_at", "passed_sla"}
        return cls(
            **{name: getattr(run, name) for name in own},
            code=run.reason,
            reason=run.detail,
            scan_status=scan.status if scan else None,
            outcome=scan.verdict.outcome if scan and scan.verdict else None,
            finished_at=scan.finished_at if scan else None,
            passed_sla=view.passed_sla,
        )


def _of_schedule(view: ScheduleView) -> dict[str, Any]:
    schedule, scan = view.schedule, view.last_scan
    own = Schedule.model_fields.keys() - {"next_run_at", "last_scan"}
    last = scan and LastScan(
        id=scan.id,
        status=scan.status,
        trigger=scan.trigger,
        outcome=scan.verdict.outcome if scan.verdict else None,
        created_at=scan.created_at,
        finished_at=scan.finished_at,
    )
    return {name: getattr(schedule, name) for name in own} | {"next_run_at": view.next_run_at, "last_scan": last}
