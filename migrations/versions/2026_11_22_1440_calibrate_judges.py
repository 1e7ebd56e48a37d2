"""Ask people about pairs of answers, and remember what is known of judges."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0036"
down_revision = "0030"
branch_labels = None
depends_on = None


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.create_table(
        "label_pairs",
        sa.Column("rubric_id", sa.Uuid(), nullable=False),
        sa.Column("rubric_version", sa.Integer(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("case_key", sa.String(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("input", sa.String(), nullable=False),
        sa.Column("context", sa.String(), nullable=True),
        sa.Column("baseline_output", sa.String(), nullable=False),
        sa.Column("candidate_output", sa.String(), nullable=False),
        sa.Column("difference", sa.Float(), nullable=False),
        sa.Column("reason", _choice("reason", "largest_difference", "uniform"), nullable=False),
        sa.Column("inclusion_probability", sa.Float(), nullable=False),
        sa.Column("is_swapped", sa.Boolean(), nullable=False),
        sa.Column("marks", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("labelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("labelled_by_kind", _choice("labelled_by_kind", "user", "key", "system"), nullable=True),
        sa.Column("labelled_by_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "inclusion_probability > 0 AND inclusion_probability <= 1", name=op.f("ck_label_pairs_inclusion_probability_range")
        ),
        sa.CheckConstraint("(marks IS NULL) = (labelled_at IS NULL)", name=op.f("ck_label_pairs_marks_and_labelled_at")),
        sa.ForeignKeyConstraint(
            ["rubric_id", "rubric_version"],
            ["rubric_versions.rubric_id", "rubric_versions.version"],
            name="fk_label_pairs_rubric_version",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_label_pairs_scan_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_label_pairs_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_pairs")),
        sa.UniqueConstraint("scan_id", "case_key", name=op.f("uq_label_pairs_scan_id_case_key")),
    )
    op.create_index(op.f("ix_label_pairs_workspace_id"), "label_pairs", ["workspace_id"], unique=False)
    op.create_index("ix_label_pairs_rubric_id", "label_pairs", ["rubric_id", "rubric_version", "case_key"], unique=False)
    op.create_table(
        "judge_certificates",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("rubric_id", sa.Uuid(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("rubric_version", sa.Integer(), nullable=False),
        sa.Column("judge_model", sa.String(), nullable=False),
        sa.Column("evaluator", sa.String(), nullable=False),
        sa.Column("state", _choice("state", "uncalibrated", "provisional", "calibrated"), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("is_drifting", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_judge_certificates_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "rubric_id", "dimension", name=op.f("pk_judge_certificates")),
    )
    for table in ("label_pairs", "judge_certificates"):
        for statement in tenant_policy(table):
            op.execute(statement)
