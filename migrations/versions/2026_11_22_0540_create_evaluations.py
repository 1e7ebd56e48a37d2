"""Create rubrics, objectives and the sealed holdout."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("rubrics", "rubric_versions", "objectives", "holdout_registries", "case_splits", "holdout_exposures")


def upgrade() -> None:
    op.create_table(
        "rubrics",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_rubrics_workspace_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rubrics")),
    )
    op.create_index(op.f("ix_rubrics_workspace_id"), "rubrics", ["workspace_id"], unique=False)
    op.create_table(
        "rubric_versions",
        sa.Column("rubric_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("dimensions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_rubric_versions_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("rubric_id", "version", name=op.f("pk_rubric_versions")),
    )
    op.create_index(op.f("ix_rubric_versions_workspace_id"), "rubric_versions", ["workspace_id"], unique=False)
    op.create_table(
        "objectives",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("rubric_id", sa.Uuid(), nullable=False),
        sa.Column("terms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("constraints", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["rubric_id"], ["rubrics.id"], name=op.f("fk_objectives_rubric_id"), ondelete="NO ACTION"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_objectives_workspace_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objectives")),
    )
    op.create_index(op.f("ix_objectives_rubric_id"), "objectives", ["rubric_id"], unique=False)
    op.create_index(op.f("ix_objectives_workspace_id"), "objectives", ["workspace_id"], unique=False)
    op.create_index(
        "uq_objectives_one_default", "objectives", ["workspace_id"], unique=True, postgresql_where=sa.text("is_default")
    )
    op.create_table(
        "holdout_registries",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("split_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_holdout_registries_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_holdout_registries")),
    )
    op.create_table(
        "case_splits",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("content_group", sa.String(), nullable=False),
        sa.Column(
            "split",
            sa.Enum("train", "dev", "holdout", name="split", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_case_splits_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "content_group", name=op.f("pk_case_splits")),
    )
    op.create_table(
        "holdout_exposures",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("content_group", sa.String(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_holdout_exposures_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "content_group", "scan_id", name=op.f("pk_holdout_exposures")),
    )
    for table in TABLES:
        for statement in tenant_policy(table):
            op.execute(statement)
    op.execute("REVOKE UPDATE, DELETE ON rubric_versions FROM spectral_app")
    op.execute("REVOKE UPDATE, DELETE ON holdout_exposures FROM spectral_app")
