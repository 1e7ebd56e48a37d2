"""Find traces by whatever they are filtered and ordered by."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

INDEXES = (
    "ix_traces_agent_id_started_at ON traces (agent_id, started_at, trace_id) INCLUDE (workspace_id, status)"
    " WHERE agent_id IS NOT NULL",
    "ix_traces_failed ON traces (workspace_id, started_at, trace_id) INCLUDE (agent_id) WHERE status = 'error'",
    "ix_traces_judged ON traces (workspace_id, started_at, trace_id) WHERE feedback_count > 0",
    "ix_traces_session_id ON traces (workspace_id, session_id, started_at, trace_id) WHERE session_id IS NOT NULL",
    "ix_traces_user_id ON traces (workspace_id, user_id, started_at, trace_id) WHERE user_id IS NOT NULL",
    "ix_traces_workflow ON traces (workspace_id, workflow, started_at, trace_id) WHERE workflow IS NOT NULL",
    "ix_traces_duration_ms ON traces (workspace_id, duration_ms, trace_id)",
    "ix_traces_total_tokens ON traces (workspace_id, coalesce(total_tokens, -1), trace_id)",
    "ix_traces_cost_usd ON traces (workspace_id, coalesce(cost_usd, -1), trace_id)",
)


def upgrade() -> None:
    op.drop_index("ix_traces_agent_id_started_at", "traces")
    op.drop_index("ix_traces_session_id", "traces")
    for index in INDEXES:
        op.execute(f"CREATE INDEX {index}")
    # Counting by an index alone needs pages that are known to be visible; by default they are looked at after a fifth is new.
    op.execute("ALTER TABLE traces SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)")
