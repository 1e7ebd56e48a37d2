"""Let agents be aliases of others, and keep prompt text that agents share."""

import sqlalchemy as sa
from alembic import op

from spectral_platform.core.schema import tenant_policy

revision = "0029"
down_revision = "0033"
branch_labels = None
depends_on = None

SOURCES = ("manual", "changeset", "rollback", "inference")
AUTHORS = ("user", "key", "system")


def upgrade() -> None:
    op.add_column("agents", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_agents_merged_into_id"), "agents", "agents", ["merged_into_id"], ["id"], ondelete="CASCADE")
    op.create_index(op.f("ix_agents_merged_into_id"), "agents", ["merged_into_id"])
    op.create_table(
        "managed_templates",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("current_version", sa.Integer(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_managed_templates_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_managed_templates")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_managed_templates_workspace_id_name")),
    )
    op.create_index(op.f("ix_managed_templates_workspace_id"), "managed_templates", ["workspace_id"])
    op.create_table(
        "template_versions",
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column(
            "source", sa.Enum(*SOURCES, name="source", native_enum=False, create_constraint=True, length=40), nullable=False
        ),
        sa.Column(
            "author_kind",
            sa.Enum(*AUTHORS, name="author_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("changeset_id", sa.Uuid(), nullable=True),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_template_versions_version_positive")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["managed_templates.id"], name=op.f("fk_template_versions_template_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_template_versions_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("template_id", "version", name=op.f("pk_template_versions")),
    )
    op.create_index(op.f("ix_template_versions_workspace_id"), "template_versions", ["workspace_id"])
    for table in ("managed_templates", "template_versions"):
        for statement in tenant_policy(table):
            op.execute(statement)
    op.execute("REVOKE UPDATE, DELETE ON template_versions FROM spectral_app")
