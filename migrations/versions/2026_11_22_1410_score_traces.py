"""Keep what the dimensions of rubrics find in traces."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0032"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trace_scores",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("rubric_id", sa.Uuid(), nullable=False),
        sa.Column("rubric_version", sa.Integer(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("trace_id", sa.String(length=32, collation="C"), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("feedback", sa.String(), nullable=False),
        sa.Column("evidence", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("evaluator", sa.String(), nullable=False),
        sa.Column("judge_model", sa.String(), nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("scan_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name=op.f("ck_trace_scores_score_range")),
        sa.CheckConstraint("(score IS NULL) = (passed IS NULL)", name=op.f("ck_trace_scores_score_and_passed")),
        sa.CheckConstraint("(judge_model IS NULL) = (simulated IS NULL)", name=op.f("ck_trace_scores_judge_and_simulated")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "trace_id"],
            ["traces.workspace_id", "traces.trace_id"],
            name="fk_trace_scores_trace",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["rubric_id", "rubric_version"],
            ["rubric_versions.rubric_id", "rubric_versions.version"],
            name="fk_trace_scores_rubric_version",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_trace_scores_scan_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_trace_scores_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "rubric_id", "rubric_version", "dimension", "trace_id", name=op.f("pk_trace_scores")
        ),
    )
    op.create_index("ix_trace_scores_trace_id", "trace_scores", ["workspace_id", "trace_id"], unique=False)
    op.create_index(
        "ix_trace_scores_scan_id",
        "trace_scores",
        ["scan_id"],
        unique=False,
        postgresql_where=sa.text("scan_id IS NOT NULL"),
    )
    for statement in tenant_policy("trace_scores"):
        op.execute(statement)
