"""Let workspaces and accounts be deleted, workspaces decide on policies, and ingestion count traces and tell when it counted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UPKEEP = "current_setting('spectral.upkeep', true) = 'on'"
MEASURES = "'received', 'stored', 'duplicate', 'rejected', 'bytes', 'service', 'dialect', 'trace'"
STATEMENTS = [
    *tenant_policy("workspace_policies"),
    # Regular work finds what is due in every tenant before it enters one; what it finds holds nothing of theirs but ids.
    f"CREATE POLICY upkeep ON accounts FOR SELECT TO spectral_app USING (deleted_at IS NOT NULL AND {UPKEEP})",
    f"CREATE POLICY upkeep ON workspaces FOR SELECT TO spectral_app USING (deleted_at IS NOT NULL AND {UPKEEP})",
    f"CREATE POLICY upkeep ON workspace_policies FOR SELECT TO spectral_app USING (kind = 'retention' AND {UPKEEP})",
    "ALTER TABLE ingest_counts DROP CONSTRAINT ck_ingest_counts_measure",
    f"ALTER TABLE ingest_counts ADD CONSTRAINT ck_ingest_counts_measure CHECK (measure IN ({MEASURES}))",
]


def upgrade() -> None:
    op.add_column("accounts", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("workspaces", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_accounts_deleted_at", "accounts", ["deleted_at"], postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.create_index("ix_workspaces_deleted_at", "workspaces", ["deleted_at"], postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.add_column("ingest_counts", sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "workspace_policies",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "retention", "masking", "prices", "autonomy", name="kind", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_workspace_policies_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_workspace_policies_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "kind", name=op.f("pk_workspace_policies")),
    )
    op.create_index(op.f("ix_workspace_policies_account_id"), "workspace_policies", ["account_id"], unique=False)
    for statement in STATEMENTS:
        op.execute(statement)
