"""The life of a scan and the phases that it goes through."""

from enum import StrEnum

from spectral_platform.core.lifecycle import Lifecycle


class ScanStatus(StrEnum):
    """Where a scan stands."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """The seven phases, in order."""

    OBSERVE = "observe"
    DETECT = "detect"
    CLUSTER = "cluster"
    GENERATE = "generate"
    EVALUATE = "evaluate"
    DIAGNOSE = "diagnose"
    SAFETY = "safety"


class Trigger(StrEnum):
    """What started a scan."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    WEBHOOK = "webhook"
    SUPERVISOR = "supervisor"
    CHAT = "chat"


SCAN = Lifecycle(
    {
        ScanStatus.SCHEDULED: {ScanStatus.RUNNING, ScanStatus.CANCELLED},
        ScanStatus.RUNNING: {ScanStatus.COMPLETED, ScanStatus.FAILED, ScanStatus.CANCELLING},
        ScanStatus.CANCELLING: {ScanStatus.CANCELLED},
    },
    stamps={
        ScanStatus.RUNNING: "started_at",
        ScanStatus.COMPLETED: "finished_at",
        ScanStatus.FAILED: "finished_at",
        ScanStatus.CANCELLED: "finished_at",
    },
)
