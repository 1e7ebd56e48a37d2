"""Keep the failures of clusters, and what people rearranged."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0039"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("failure_clusters", sa.Column("agent_id", sa.Uuid(), nullable=True))
    op.add_column("failure_clusters", sa.Column("is_named", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("failure_clusters", sa.Column("card", postgresql.JSONB(), nullable=False, server_default="{}"))
    op.add_column("failure_clusters", sa.Column("fingerprint", postgresql.JSONB(), nullable=False, server_default="[]"))
    op.add_column("failure_clusters", sa.Column("unseen_scans", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("failure_clusters", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.add_column("failure_clusters", sa.Column("split_from_id", sa.Uuid(), nullable=True))
    op.add_column("failure_clusters", sa.Column("split_criterion", sa.String(), nullable=True))
    op.add_column("cluster_sightings", sa.Column("card", postgresql.JSONB(), nullable=False, server_default="{}"))
    for table, column in (
        ("failure_clusters", "is_named"),
        ("failure_clusters", "card"),
        ("failure_clusters", "fingerprint"),
        ("failure_clusters", "unseen_scans"),
        ("cluster_sightings", "card"),
    ):
        op.alter_column(table, column, server_default=None)
    op.create_foreign_key(
        op.f("fk_failure_clusters_agent_id"), "failure_clusters", "agents", ["agent_id"], ["id"], ondelete="SET NULL"
    )
    for column, ondelete in (("merged_into_id", "CASCADE"), ("split_from_id", "SET NULL")):
        op.create_foreign_key(
            op.f(f"fk_failure_clusters_{column}"), "failure_clusters", "failure_clusters", [column], ["id"], ondelete=ondelete
        )
    for column in ("agent_id", "merged_into_id", "split_from_id"):
        op.create_index(op.f(f"ix_failure_clusters_{column}"), "failure_clusters", [column])
    # A cluster keeps its id and takes the signature of the last scan that saw it, so two may meet in one.
    op.drop_constraint("uq_failure_clusters_workspace_id_signature", "failure_clusters", type_="unique")
    op.create_index("ix_failure_clusters_workspace_id_signature", "failure_clusters", ["workspace_id", "signature"])
    op.create_table(
        "cluster_failures",
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("likeness", sa.String(), nullable=False),
        sa.Column("case_key", sa.String(), nullable=True),
        sa.Column("trace_id", sa.String(length=32, collation="C"), nullable=True),
        sa.Column("criterion", sa.String(), nullable=False),
        sa.Column("feedback", sa.String(), nullable=False),
        sa.Column("severity", sa.Double(), nullable=False),
        sa.Column("is_pinned", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["failure_clusters.id"], name=op.f("fk_cluster_failures_cluster_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_cluster_failures_workspace_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "trace_id"],
            ["traces.workspace_id", "traces.trace_id"],
            name="fk_cluster_failures_trace",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cluster_failures")),
        sa.UniqueConstraint("cluster_id", "key", name=op.f("uq_cluster_failures_cluster_id_key")),
    )
    op.create_index(op.f("ix_cluster_failures_workspace_id"), "cluster_failures", ["workspace_id"])
    op.create_index("ix_cluster_failures_workspace_id_trace_id", "cluster_failures", ["workspace_id", "trace_id"])
    for statement in tenant_policy("cluster_failures"):
        op.execute(statement)
