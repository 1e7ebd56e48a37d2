"""Create sample sets, samples and published versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("sample_sets", "samples", "sample_set_versions", "published_samples")


def upgrade() -> None:
    op.create_table(
        "sample_sets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("published_version", sa.Integer(), nullable=True),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_sample_sets_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sample_sets")),
    )
    op.create_index(op.f("ix_sample_sets_workspace_id"), "sample_sets", ["workspace_id"], unique=False)
    op.create_table(
        "samples",
        sa.Column("sample_set_id", sa.Uuid(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["sample_set_id"], ["sample_sets.id"], name=op.f("fk_samples_sample_set_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_samples_workspace_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
        sa.UniqueConstraint("sample_set_id", "content_hash", name=op.f("uq_samples_sample_set_id_content_hash")),
    )
    op.create_index(op.f("ix_samples_workspace_id"), "samples", ["workspace_id"], unique=False)
    op.create_table(
        "sample_set_versions",
        sa.Column("sample_set_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("sample_count", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["sample_set_id"], ["sample_sets.id"], name=op.f("fk_sample_set_versions_sample_set_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_sample_set_versions_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sample_set_versions")),
        sa.UniqueConstraint("sample_set_id", "number", name=op.f("uq_sample_set_versions_sample_set_id_number")),
    )
    op.create_index(op.f("ix_sample_set_versions_workspace_id"), "sample_set_versions", ["workspace_id"], unique=False)
    op.create_table(
        "published_samples",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("content_group", sa.String(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["sample_set_versions.id"], name=op.f("fk_published_samples_version_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_published_samples_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version_id", "content_hash", name=op.f("pk_published_samples")),
    )
    op.create_index(op.f("ix_published_samples_workspace_id"), "published_samples", ["workspace_id"], unique=False)
    op.create_index(
        op.f("ix_published_samples_workspace_id_fingerprint"), "published_samples", ["workspace_id", "fingerprint"], unique=False
    )
    for table in TABLES:
        for statement in tenant_policy(table):
            op.execute(statement)
    op.execute("REVOKE UPDATE, DELETE ON sample_set_versions FROM spectral_app")
    op.execute("REVOKE UPDATE, DELETE ON published_samples FROM spectral_app")
