"""Let a watch over production end as inconclusive, which is what a silence is."""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def allow(*statuses: str) -> None:
    name = op.f("ck_changeset_watches_status")
    op.drop_constraint(name, "changeset_watches", type_="check")
    op.create_check_constraint(name, "changeset_watches", "status IN ({})".format(", ".join(f"'{each}'" for each in statuses)))


def upgrade() -> None:
    allow("watching", "kept", "inconclusive", "rolled_back", "stopped")
    op.execute("UPDATE changeset_watches SET status = 'inconclusive' WHERE status = 'kept' AND starts_with(reason, 'Only ')")


def downgrade() -> None:
    op.execute("UPDATE changeset_watches SET status = 'kept' WHERE status = 'inconclusive'")
    allow("watching", "kept", "rolled_back", "stopped")
