"""Let regular work forget deliveries that ended, of every tenant."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ENDED = "status <> 'pending' AND current_setting('spectral.upkeep', true) = 'on'"


def upgrade() -> None:
    op.create_index(op.f("ix_webhook_deliveries_created_at"), "webhook_deliveries", ["created_at"], unique=False)
    for action in ("SELECT", "DELETE"):
        op.execute(f"CREATE POLICY upkeep_{action.lower()} ON webhook_deliveries FOR {action} TO spectral_app USING ({ENDED})")


def downgrade() -> None:
    for action in ("SELECT", "DELETE"):
        op.execute(f"DROP POLICY upkeep_{action.lower()} ON webhook_deliveries")
    op.drop_index(op.f("ix_webhook_deliveries_created_at"), table_name="webhook_deliveries")
