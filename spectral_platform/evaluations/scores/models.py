"""Rows of the scores of traces."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Numeric, String
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.columns import Created, WorkspaceOwned
from spectral_platform.core.database import Base


class TraceScore(WorkspaceOwned, Created, Base):
    """What one dimension of a rubric's version found in a trace, by the newest evaluation.

    ``score`` is None where the dimension does not apply. ``judge_model`` and ``simulated`` are None when code evaluated, and
    ``cost_usd`` is None when that was free or has no known price. ``scan_id`` names the scan that evaluated, if one did.
    """

    __tablename__ = "trace_scores"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "trace_id"],
            ["traces.workspace_id", "traces.trace_id"],
            name="fk_trace_scores_trace",
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["rubric_id", "rubric_version"],
            ["rubric_versions.rubric_id", "rubric_versions.version"],
            name="fk_trace_scores_rubric_version",
            ondelete="CASCADE",
        ),
        CheckConstraint("score BETWEEN 0 AND 1", name="score_range"),
        CheckConstraint("(score IS NULL) = (passed IS NULL)", name="score_and_passed"),
        CheckConstraint("(judge_model IS NULL) = (simulated IS NULL)", name="judge_and_simulated"),
    )

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    rubric_id: Mapped[UUID] = mapped_column(primary_key=True)
    rubric_version: Mapped[int] = mapped_column(primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    trace_id: Mapped[str] = mapped_column(String(32, collation="C"), primary_key=True)
    score: Mapped[float | None]
    passed: Mapped[bool | None]
    feedback: Mapped[str]
    evidence: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    evaluator: Mapped[str]
    judge_model: Mapped[str | None]
    simulated: Mapped[bool | None]
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(18, 9))
    scan_id: Mapped[UUID | None] = mapped_column(ForeignKey("scans.id", ondelete="SET NULL"))


Index("ix_trace_scores_trace_id", TraceScore.workspace_id, TraceScore.trace_id)
Index("ix_trace_scores_scan_id", TraceScore.scan_id, postgresql_where=TraceScore.scan_id.is_not(None))
