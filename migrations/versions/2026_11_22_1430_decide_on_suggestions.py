"""Keep what was decided on suggestions for rubrics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0031"
down_revision = "0029"
branch_labels = None
depends_on = None

STATUSES = ("pending", "accepted", "dismissed")


def upgrade() -> None:
    op.create_table(
        "suggestion_decisions",
        sa.Column("rubric_id", sa.Uuid(), nullable=False),
        sa.Column("suggestion_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(*STATUSES, name="status", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("suggestion", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rubric_id"], ["rubrics.id"], name=op.f("fk_suggestion_decisions_rubric_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_suggestion_decisions_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("rubric_id", "suggestion_id", name=op.f("pk_suggestion_decisions")),
    )
    op.create_index(op.f("ix_suggestion_decisions_workspace_id"), "suggestion_decisions", ["workspace_id"], unique=False)
    for statement in tenant_policy("suggestion_decisions"):
        op.execute(statement)
