"""Remember which traces were erased, so that spans which come later do not bring them back, and count those."""

import sqlalchemy as sa
from alembic import op

from spectral_platform.core.schema import tenant_policy

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None

MEASURES = "'received', 'stored', 'duplicate', 'erased', 'rejected', 'bytes', 'service', 'dialect', 'trace'"
# Regular work forgets them everywhere after a year; it sees no others.
OLD = "erased_at < now() - interval '365 days' AND current_setting('spectral.upkeep', true) = 'on'"


def upgrade() -> None:
    op.create_table(
        "erased_traces",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.String(length=32, collation="C"), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "erased_by_kind",
            sa.Enum("user", "key", "system", name="erased_by_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("erased_by_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_erased_traces_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "trace_id", name=op.f("pk_erased_traces")),
    )
    op.create_index(op.f("ix_erased_traces_erased_at"), "erased_traces", ["erased_at"])
    for statement in tenant_policy("erased_traces"):
        op.execute(statement)
    for action in ("SELECT", "DELETE"):
        op.execute(f"CREATE POLICY upkeep_{action.lower()} ON erased_traces FOR {action} TO spectral_app USING ({OLD})")
    op.execute("ALTER TABLE ingest_counts DROP CONSTRAINT ck_ingest_counts_measure")
    op.execute(f"ALTER TABLE ingest_counts ADD CONSTRAINT ck_ingest_counts_measure CHECK (measure IN ({MEASURES}))")
