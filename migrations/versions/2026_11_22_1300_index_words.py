"""Index the words of traces, apart from the traces and after them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

UPKEEP = "current_setting('spectral.upkeep', true) = 'on'"
# Conditions of policies come before all others, so this one may be looked up by the index although @@ is not leakproof.
SEARCHED = "words @@ nullif(current_setting('spectral.search', true), '')::tsquery"


def upgrade() -> None:
    op.create_table(
        "trace_words",
        sa.Column("trace_id", sa.String(length=32, collation="C"), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "trace_id"],
            ["traces.workspace_id", "traces.trace_id"],
            name="fk_trace_words_trace",
            ondelete="CASCADE",
        ),
        # The id comes first: who searches is to start from the words, never from all rows of the workspace.
        sa.PrimaryKeyConstraint("trace_id", "workspace_id", name=op.f("pk_trace_words")),
    )
    # The rows of a workspace that wait outside the index are looked through by every search.
    op.execute("CREATE INDEX ix_trace_words_words ON trace_words USING gin (words) WITH (gin_pending_list_limit = 512)")
    op.create_table(
        "trace_words_due",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.String(length=32, collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trace_words_due")),
    )
    for table in ("trace_words", "trace_words_due"):
        for statement in tenant_policy(table):
            op.execute(statement)
    op.execute(f"CREATE POLICY search ON trace_words AS RESTRICTIVE FOR SELECT TO spectral_app USING ({SEARCHED})")
    for action in ("SELECT", "DELETE"):
        op.execute(f"CREATE POLICY upkeep_{action.lower()} ON trace_words_due FOR {action} TO spectral_app USING ({UPKEEP})")
    op.execute(
        "INSERT INTO trace_words_due (workspace_id, trace_id) SELECT workspace_id, trace_id FROM traces ORDER BY created_at"
    )
