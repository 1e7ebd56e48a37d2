"""Have the sessions of traces in their order of time, so that those of a day are counted without reading the traces."""

from alembic import op

revision = "0045"
down_revision = "0039"
branch_labels = None
depends_on = None

INDEX = "ix_traces_workspace_id_started_at"
COLUMNS = ["workspace_id", "started_at", "trace_id"]


def upgrade() -> None:
    op.drop_index(INDEX, "traces")
    op.create_index(INDEX, "traces", COLUMNS, postgresql_include=["session_id"])


def downgrade() -> None:
    op.drop_index(INDEX, "traces")
    op.create_index(INDEX, "traces", COLUMNS)
