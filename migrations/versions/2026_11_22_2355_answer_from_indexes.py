"""Count the sessions of an agent, and sort or narrow down what failed, by indexes alone, without reading the traces."""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

SESSIONS = "ix_traces_session_id"
FAILED = "ix_traces_failed"
WITH_AGENT = {
    SESSIONS: "(workspace_id, session_id, started_at, trace_id) INCLUDE (agent_id) WHERE session_id IS NOT NULL",
    FAILED: "(workspace_id, started_at, trace_id) INCLUDE (agent_id, duration_ms, total_tokens, cost_usd) WHERE status = 'error'",
}
BEFORE = {
    SESSIONS: "(workspace_id, session_id, started_at, trace_id) WHERE session_id IS NOT NULL",
    FAILED: "(workspace_id, started_at, trace_id) INCLUDE (agent_id) WHERE status = 'error'",
}


def replace(indexes: dict[str, str]) -> None:
    # Whoever stores traces goes on meanwhile. To wait for whoever reads takes as long as they read, and stops nobody. To drop an
    # index otherwise stops everybody behind who reads for long, as an export does, and gives up after all that was built.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        for name, definition in indexes.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_new")  # one that broke off halfway is there, but not valid
            op.execute(f"CREATE INDEX CONCURRENTLY {name}_new ON traces {definition}")
        for name in indexes:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # it is gone where this broke off behind it
        op.execute("SET lock_timeout = '5s'")
    for name in indexes:
        op.execute(f"ALTER INDEX {name}_new RENAME TO {name}")


def upgrade() -> None:
    replace(WITH_AGENT)


def downgrade() -> None:
    replace(BEFORE)
