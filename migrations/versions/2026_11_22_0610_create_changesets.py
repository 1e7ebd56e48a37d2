"""Create changesets with their items and moves, failure clusters and their sightings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("changesets", "changeset_items", "changeset_moves", "failure_clusters", "cluster_sightings")


def upgrade() -> None:
    op.create_table(
        "changesets",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "proposed",
                "validated",
                "accepted",
                "applied",
                "rejected",
                "rolled_back",
                "superseded",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "outcome",
            sa.Enum(
                "improve",
                "rejected_tradeoff",
                "validated_no_change",
                "insufficient_evidence",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "risk",
            sa.Enum("low", "medium", "high", name="risk", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("explainability", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("verdict", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "performance_cards",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
        ),
        sa.Column(
            "framework_snapshot",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
        ),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rolled_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("superseded_by_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["superseded_by_id"], ["changesets.id"], name=op.f("fk_changesets_superseded_by_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_changesets_workspace_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changesets")),
        sa.UniqueConstraint("scan_id", name=op.f("uq_changesets_scan_id")),
    )
    op.create_index(op.f("ix_changesets_superseded_by_id"), "changesets", ["superseded_by_id"], unique=False)
    op.create_index(op.f("ix_changesets_workspace_id"), "changesets", ["workspace_id"], unique=False)
    op.create_table(
        "failure_clusters",
        sa.Column("signature", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "acknowledged",
                "dismissed",
                "resolved",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("reopened", sa.Boolean(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("severity", sa.Double(), nullable=False),
        sa.Column("exemplar_cases", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "exemplar_trace_ids",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
        ),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trend", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_failure_clusters_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failure_clusters")),
        sa.UniqueConstraint("workspace_id", "signature", name=op.f("uq_failure_clusters_workspace_id_signature")),
    )
    op.create_index(op.f("ix_failure_clusters_workspace_id"), "failure_clusters", ["workspace_id"], unique=False)
    op.create_table(
        "changeset_moves",
        sa.Column("changeset_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "from_status",
            sa.Enum(
                "proposed",
                "validated",
                "accepted",
                "applied",
                "rejected",
                "rolled_back",
                "superseded",
                name="from_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "to_status",
            sa.Enum(
                "proposed",
                "validated",
                "accepted",
                "applied",
                "rejected",
                "rolled_back",
                "superseded",
                name="to_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "actor_kind",
            sa.Enum("user", "key", "system", name="actor_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["changeset_id"], ["changesets.id"], name=op.f("fk_changeset_moves_changeset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_changeset_moves_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changeset_moves")),
    )
    op.create_index(op.f("ix_changeset_moves_changeset_id"), "changeset_moves", ["changeset_id"], unique=False)
    op.create_index(op.f("ix_changeset_moves_workspace_id"), "changeset_moves", ["workspace_id"], unique=False)
    op.create_table(
        "cluster_sightings",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("changeset_id", sa.Uuid(), nullable=True),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("severity", sa.Double(), nullable=False),
        sa.Column("exemplar_cases", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "exemplar_trace_ids",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["changeset_id"], ["changesets.id"], name=op.f("fk_cluster_sightings_changeset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["failure_clusters.id"], name=op.f("fk_cluster_sightings_cluster_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_cluster_sightings_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cluster_sightings")),
        sa.UniqueConstraint("scan_id", "cluster_id", name=op.f("uq_cluster_sightings_scan_id_cluster_id")),
    )
    op.create_index(op.f("ix_cluster_sightings_changeset_id"), "cluster_sightings", ["changeset_id"], unique=False)
    op.create_index(op.f("ix_cluster_sightings_cluster_id"), "cluster_sightings", ["cluster_id"], unique=False)
    op.create_index(op.f("ix_cluster_sightings_workspace_id"), "cluster_sightings", ["workspace_id"], unique=False)
    op.create_table(
        "changeset_items",
        sa.Column("changeset_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("agent_name", sa.String(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("proposed_config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("diff", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("rationale", sa.String(), nullable=False),
        sa.Column(
            "cluster_signatures",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
        ),
        sa.Column("accepted_version", sa.Integer(), nullable=True),
        sa.Column("approved_before", sa.Integer(), nullable=True),
        sa.Column("production_before", sa.Integer(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id", "base_version"],
            ["config_versions.agent_id", "config_versions.version"],
            name="fk_changeset_items_base_version",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_changeset_items_agent_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["changeset_id"], ["changesets.id"], name=op.f("fk_changeset_items_changeset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_changeset_items_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changeset_items")),
        sa.UniqueConstraint("changeset_id", "agent_id", name=op.f("uq_changeset_items_changeset_id_agent_id")),
    )
    op.create_index(op.f("ix_changeset_items_agent_id"), "changeset_items", ["agent_id"], unique=False)
    op.create_index(op.f("ix_changeset_items_workspace_id"), "changeset_items", ["workspace_id"], unique=False)
    for table in TABLES:
        for statement in tenant_policy(table):
            op.execute(statement)
    op.execute("REVOKE UPDATE, DELETE ON changeset_moves FROM spectral_app")
