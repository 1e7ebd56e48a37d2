"""Create model calls, budgets and profiles, and scans with their events, candidates and documents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


TABLES = (
    "model_calls",
    "model_profiles",
    "scan_agents",
    "scan_budgets",
    "scan_candidates",
    "scan_documents",
    "scan_events",
    "scans",
)


def upgrade() -> None:
    op.create_table(
        "model_profiles",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("purposes", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_model_profiles_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_model_profiles")),
    )
    op.create_table(
        "scans",
        sa.Column(
            "status",
            sa.Enum(
                "scheduled",
                "running",
                "cancelling",
                "completed",
                "failed",
                "cancelled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "phase",
            sa.Enum(
                "observe",
                "detect",
                "cluster",
                "generate",
                "evaluate",
                "diagnose",
                "safety",
                name="phase",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "trigger",
            sa.Enum(
                "manual",
                "schedule",
                "webhook",
                "supervisor",
                "chat",
                name="trigger",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("settings", postgresql.JSONB(), nullable=False),
        sa.Column("readiness", postgresql.JSONB(), nullable=False),
        sa.Column("verdict", postgresql.JSONB(), nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("changeset_id", sa.Uuid(), nullable=True),
        sa.Column("retried_from", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failure", postgresql.JSONB(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["retried_from"], ["scans.id"], name=op.f("fk_scans_retried_from"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_scans_workspace_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scans")),
    )
    op.create_index(op.f("ix_scans_workspace_id"), "scans", ["workspace_id"], unique=False)
    op.create_table(
        "model_calls",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "scoring",
                "detection",
                "reasoning",
                "agent_turn",
                "agent_tool",
                "customer_replay",
                "world_agent",
                "embedding",
                name="purpose",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("case_key", sa.String(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("is_simulated", sa.Boolean(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("finish_reason", sa.String(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_input_tokens", sa.Integer(), nullable=False),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_model_calls_scan_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_model_calls_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_calls")),
        sa.UniqueConstraint("scan_id", "key", name=op.f("uq_model_calls_scan_id_key")),
    )
    op.create_index(op.f("ix_model_calls_workspace_id"), "model_calls", ["workspace_id"], unique=False)
    op.create_table(
        "scan_agents",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_scan_agents_agent_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_scan_agents_scan_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_scan_agents_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scan_id", "agent_id", name=op.f("pk_scan_agents")),
    )
    op.create_index(op.f("ix_scan_agents_workspace_id"), "scan_agents", ["workspace_id"], unique=False)
    op.create_index("uq_scan_agents_one_active", "scan_agents", ["agent_id"], unique=True, postgresql_where=sa.text("is_active"))
    op.create_table(
        "scan_budgets",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("max_calls", sa.Integer(), nullable=False),
        sa.Column("held_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("held_calls", sa.Integer(), nullable=False),
        sa.Column("reserved_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("reserved_calls", sa.Integer(), nullable=False),
        sa.Column("spent_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("spent_calls", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("spent_calls + reserved_calls <= max_calls", name=op.f("ck_scan_budgets_calls_within_budget")),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_scan_budgets_scan_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_scan_budgets_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scan_id", name=op.f("pk_scan_budgets")),
    )
    op.create_index(op.f("ix_scan_budgets_workspace_id"), "scan_budgets", ["workspace_id"], unique=False)
    op.create_table(
        "scan_candidates",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("parent_key", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("component", sa.String(), nullable=False),
        sa.Column("config", postgresql.JSONB(), nullable=False),
        sa.Column("rationale", sa.String(), nullable=False),
        sa.Column("cluster_signature", sa.String(), nullable=True),
        sa.Column("fate", sa.String(), nullable=False),
        sa.Column("fate_detail", sa.String(), nullable=False),
        sa.Column("dev", postgresql.JSONB(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_scan_candidates_agent_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_scan_candidates_scan_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_scan_candidates_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scan_candidates")),
        sa.UniqueConstraint("scan_id", "agent_id", "key", name=op.f("uq_scan_candidates_scan_id_agent_id_key")),
    )
    op.create_index(op.f("ix_scan_candidates_workspace_id"), "scan_candidates", ["workspace_id"], unique=False)
    op.create_table(
        "scan_documents",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_scan_documents_scan_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_scan_documents_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scan_id", "name", name=op.f("pk_scan_documents")),
    )
    op.create_index(op.f("ix_scan_documents_workspace_id"), "scan_documents", ["workspace_id"], unique=False)
    op.create_table(
        "scan_events",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "phase",
            sa.Enum(
                "observe",
                "detect",
                "cluster",
                "generate",
                "evaluate",
                "diagnose",
                "safety",
                name="phase",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_scan_events_scan_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_scan_events_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scan_id", "sequence", name=op.f("pk_scan_events")),
        sa.UniqueConstraint("scan_id", "type", "subject", name=op.f("uq_scan_events_scan_id_type_subject")),
    )
    op.create_index(op.f("ix_scan_events_workspace_id"), "scan_events", ["workspace_id"], unique=False)
    for table in TABLES:
        for statement in tenant_policy(table):
            op.execute(statement)
