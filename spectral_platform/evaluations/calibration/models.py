"""Rows of calibration: pairs of answers that people are asked about, and what was last known of a judge."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.access import CallerKind
from spectral_platform.core.columns import Created, Identified, PydanticJSON, Timestamped, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.core.values import Value
from spectral_platform.evaluations.calibration.certificates import CalibrationState


class RequestReason(StrEnum):
    """Why people are asked about this and nothing else."""

    LARGEST_DIFFERENCE = "largest_difference"
    """By the judge's word the two answers differ most: where it is wrong, it costs most."""
    UNIFORM = "uniform"
    """Drawn at random, so that the labels speak for all."""


class ArmMarks(Value):
    """What people say of both answers in one dimension: 1 as it should be, 0 not, ½ undecided."""

    baseline: float
    candidate: float


class LabelPair(Identified, WorkspaceOwned, Created, Base):
    """Two answers to one dev case, the baseline's and the finalist's, which people compare without knowing which is which.

    ``is_swapped`` says that the candidate's is shown first. ``inclusion_probability`` is that of having been chosen.
    """

    __tablename__ = "label_pairs"
    __table_args__ = (
        UniqueConstraint("scan_id", "case_key"),
        ForeignKeyConstraint(
            ["rubric_id", "rubric_version"],
            ["rubric_versions.rubric_id", "rubric_versions.version"],
            name="fk_label_pairs_rubric_version",
            ondelete="CASCADE",
        ),
        CheckConstraint("inclusion_probability > 0 AND inclusion_probability <= 1", name="inclusion_probability_range"),
        CheckConstraint("(marks IS NULL) = (labelled_at IS NULL)", name="marks_and_labelled_at"),
    )

    rubric_id: Mapped[UUID]
    rubric_version: Mapped[int]
    scan_id: Mapped[UUID] = mapped_column(ForeignKey("scans.id", ondelete="CASCADE"))
    case_key: Mapped[str]
    simulated: Mapped[bool]
    input: Mapped[str]
    context: Mapped[str | None]
    baseline_output: Mapped[str]
    candidate_output: Mapped[str]
    difference: Mapped[float]
    reason: Mapped[RequestReason] = mapped_column(state_column(RequestReason, "reason"))
    inclusion_probability: Mapped[float]
    is_swapped: Mapped[bool]
    marks: Mapped[dict[str, ArmMarks] | None] = mapped_column(PydanticJSON(dict[str, ArmMarks]))
    labelled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    labelled_by_kind: Mapped[CallerKind | None] = mapped_column(state_column(CallerKind, "labelled_by_kind"))
    labelled_by_id: Mapped[UUID | None]

    @property
    def answers(self) -> tuple[str, str]:
        """Both answers in the order in which they are shown."""
        shown = (self.baseline_output, self.candidate_output)
        return shown[::-1] if self.is_swapped else shown


Index("ix_label_pairs_rubric_id", LabelPair.rubric_id, LabelPair.rubric_version, LabelPair.case_key)


class JudgeCertificate(WorkspaceOwned, Timestamped, Base):
    """What was last known of the judge of one dimension, so that a change for the worse is noticed once."""

    __tablename__ = "judge_certificates"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    rubric_id: Mapped[UUID] = mapped_column(primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    rubric_version: Mapped[int]
    judge_model: Mapped[str]
    evaluator: Mapped[str]
    state: Mapped[CalibrationState] = mapped_column(state_column(CalibrationState, "state"))
    labels: Mapped[int]
    is_drifting: Mapped[bool]
