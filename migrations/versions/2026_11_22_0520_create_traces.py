"""Create traces, spans, feedback and the counters of ingestion."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("traces", "spans", "feedback", "ingest_counts")


def upgrade() -> None:
    op.create_table(
        "ingest_counts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "measure",
            sa.Enum(
                "received",
                "stored",
                "duplicate",
                "rejected",
                "bytes",
                "service",
                "dialect",
                name="measure",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sample", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_ingest_counts_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "period", "measure", "label", "slot", name=op.f("pk_ingest_counts")),
    )
    op.create_table(
        "traces",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.String(length=32, collation="C"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("agent_name", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column(
            "status", sa.Enum("ok", "error", name="status", native_enum=False, create_constraint=True, length=40), nullable=False
        ),
        sa.Column("span_count", sa.Integer(), nullable=False),
        sa.Column("input", sa.TEXT(), nullable=True),
        sa.Column("output", sa.TEXT(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("total_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", sa.Numeric(), nullable=True),
        sa.Column("unpriced_spans", sa.Integer(), nullable=False),
        sa.Column("models", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("config_version", sa.Integer(), nullable=True),
        sa.Column("feedback_score", sa.Double(), nullable=True),
        sa.Column("feedback_count", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_traces_agent_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_traces_workspace_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("workspace_id", "trace_id", name=op.f("pk_traces")),
    )
    op.create_index(
        "ix_traces_agent_id_started_at",
        "traces",
        ["agent_id", "started_at"],
        unique=False,
        postgresql_where=sa.text("agent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_traces_session_id",
        "traces",
        ["workspace_id", "session_id"],
        unique=False,
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )
    op.create_index("ix_traces_workspace_id_started_at", "traces", ["workspace_id", "started_at", "trace_id"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.String(length=32, collation="C"), nullable=False),
        sa.Column("span_id", sa.String(length=16, collation="C"), nullable=True),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=True),
        sa.Column("comment", sa.String(), nullable=True),
        sa.Column("corrected_output", sa.String(), nullable=True),
        sa.Column(
            "source",
            sa.Enum("human", "user", "code", name="source", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column(
            "author_kind",
            sa.Enum("user", "key", "system", name="author_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("score BETWEEN -1 AND 1", name=op.f("ck_feedback_score_range")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "trace_id"], ["traces.workspace_id", "traces.trace_id"], name="fk_feedback_trace", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_feedback_workspace_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index("ix_feedback_workspace_id_trace_id", "feedback", ["workspace_id", "trace_id"], unique=False)
    op.create_table(
        "spans",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.String(length=32, collation="C"), nullable=False),
        sa.Column("span_id", sa.String(length=16, collation="C"), nullable=False),
        sa.Column("parent_span_id", sa.String(length=16, collation="C"), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "agent",
                "llm",
                "tool",
                "retrieval",
                "embedding",
                "chain",
                "other",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum("unset", "ok", "error", name="status", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("status_message", sa.String(), nullable=True),
        sa.Column("dialect", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=True),
        sa.Column("workflow", sa.String(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("agent_name", sa.String(), nullable=True),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("config_version", sa.Integer(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("input", sa.TEXT(), nullable=True),
        sa.Column("output", sa.TEXT(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", sa.Numeric(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("events", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("links", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("resource", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fullness", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "trace_id"], ["traces.workspace_id", "traces.trace_id"], name="fk_spans_trace", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "trace_id", "span_id", name=op.f("pk_spans")),
    )
    for table in TABLES:
        for statement in tenant_policy(table):
            op.execute(statement)
