"""Keep who approved of a changeset, and what is watched of those that the system applied."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0041"
down_revision = "0035"
branch_labels = None
depends_on = None

STATUSES = ("watching", "kept", "rolled_back", "stopped")


def upgrade() -> None:
    op.create_table(
        "changeset_approvals",
        sa.Column("changeset_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["changeset_id"], ["changesets.id"], name=op.f("fk_changeset_approvals_changeset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_changeset_approvals_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changeset_approvals")),
        sa.UniqueConstraint("changeset_id", "user_id", name=op.f("uq_changeset_approvals_changeset_id_user_id")),
    )
    op.create_index(op.f("ix_changeset_approvals_workspace_id"), "changeset_approvals", ["workspace_id"])
    op.create_table(
        "changeset_watches",
        sa.Column("changeset_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status", sa.Enum(*STATUSES, name="status", native_enum=False, create_constraint=True, length=40), nullable=False
        ),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evidence_needed", sa.Float(), nullable=False),
        sa.Column("baseline", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("readings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["changeset_id"], ["changesets.id"], name=op.f("fk_changeset_watches_changeset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_changeset_watches_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changeset_watches")),
        sa.UniqueConstraint("changeset_id", name=op.f("uq_changeset_watches_changeset_id")),
    )
    op.create_index(op.f("ix_changeset_watches_workspace_id"), "changeset_watches", ["workspace_id"])
    for table in ("changeset_approvals", "changeset_watches"):
        for statement in tenant_policy(table):
            op.execute(statement)
