"""The life of a schedule's run, why one does not start, and what becomes of missed ones."""

from enum import StrEnum

from spectral_platform.core.lifecycle import Lifecycle


class RunStatus(StrEnum):
    """Where a run stands. What its scan does after it has started is told by the scan."""

    WAITING = "waiting"
    STARTED = "started"
    SKIPPED = "skipped"
    REFUSED = "refused"


RUN = Lifecycle({RunStatus.WAITING: {RunStatus.STARTED, RunStatus.SKIPPED, RunStatus.REFUSED}})


class Reason(StrEnum):
    """Why a run starts now or does not."""

    READY = "ready"
    DISABLED = "disabled"
    NO_CRON = "no_cron"
    WORKSPACE_CLOSED = "workspace_closed"
    QUIET_HOURS = "quiet_hours"
    SCAN_ACTIVE = "scan_active"
    RUN_WAITING = "run_waiting"
    MISSED = "missed"
    FAILING = "failing"
    REFUSED = "refused"
    FAULT = "fault"


class DisabledReason(StrEnum):
    """Why a schedule starts nothing."""

    REQUESTED = "requested"
    FAILING = "failing"


class CatchUp(StrEnum):
    """What becomes of runs that were due while no worker ran."""

    SKIP = "skip"
    ONCE = "once"
