"""What is told of judges."""

from enum import StrEnum
from uuid import UUID

from spectral_platform.core.jobs import News
from spectral_platform.evaluations.calibration.certificates import CalibrationState
from spectral_platform.webhooks.events import EventType


class DriftReason(StrEnum):
    """Why a judge is believed less than before."""

    AGREEMENT_FELL = "agreement_fell"
    JUDGE_CHANGED = "judge_changed"


class JudgeDrifted(News):
    """A judge that was believed agrees with people less than it did, or is not the same judge any more."""

    rubric_id: UUID
    rubric_version: int
    dimension: str
    reason: DriftReason
    state: CalibrationState
    judge_model: str

    @property
    def event(self) -> str:
        """Always the same."""
        return EventType.JUDGE_DRIFTED
