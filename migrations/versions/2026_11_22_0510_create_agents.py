"""Create agents, their dependencies, config versions and labels."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("agents", "agent_dependencies", "config_versions", "config_labels")


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column(
            "origin",
            sa.Enum("declared", "inferred", name="origin", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum("pending", "active", name="status", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_agents_workspace_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
    )
    op.create_index(op.f("ix_agents_workspace_id"), "agents", ["workspace_id"], unique=False)
    op.create_index(
        "uq_agents_workspace_id_name",
        "agents",
        ["workspace_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "agent_dependencies",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("depends_on_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("agent_id <> depends_on_id", name=op.f("ck_agent_dependencies_not_itself")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_agent_dependencies_agent_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["depends_on_id"], ["agents.id"], name=op.f("fk_agent_dependencies_depends_on_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_agent_dependencies_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("agent_id", "depends_on_id", name=op.f("pk_agent_dependencies")),
    )
    op.create_index(op.f("ix_agent_dependencies_depends_on_id"), "agent_dependencies", ["depends_on_id"], unique=False)
    op.create_index(op.f("ix_agent_dependencies_workspace_id"), "agent_dependencies", ["workspace_id"], unique=False)
    op.create_table(
        "config_versions",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "manual",
                "changeset",
                "rollback",
                "inference",
                name="source",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "author_kind",
            sa.Enum("user", "key", "system", name="author_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("changeset_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_config_versions_version_positive")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_config_versions_agent_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_config_versions_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_config_versions")),
        sa.UniqueConstraint("agent_id", "version", name=op.f("uq_config_versions_agent_id_version")),
    )
    op.create_index(op.f("ix_config_versions_changeset_id"), "config_versions", ["changeset_id"], unique=False)
    op.create_index(op.f("ix_config_versions_workspace_id"), "config_versions", ["workspace_id"], unique=False)
    op.create_table(
        "config_labels",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column(
            "label",
            sa.Enum("approved", "production", name="label", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id", "version"],
            ["config_versions.agent_id", "config_versions.version"],
            name="fk_config_labels_version",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_config_labels_agent_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_config_labels_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("agent_id", "label", name=op.f("pk_config_labels")),
    )
    op.create_index(op.f("ix_config_labels_workspace_id"), "config_labels", ["workspace_id"], unique=False)
    for table in TABLES:
        for statement in tenant_policy(table):
            op.execute(statement)
    op.execute("REVOKE UPDATE, DELETE ON config_versions FROM spectral_app")
