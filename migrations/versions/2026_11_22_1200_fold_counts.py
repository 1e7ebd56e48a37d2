"""Let regular work add up what was counted of ingestion long ago, in every workspace."""

from alembic import op

revision = "0020"
down_revision = "0024"
branch_labels = None
depends_on = None

OLD = "period < now() - interval '1 day' AND current_setting('spectral.upkeep', true) = 'on'"


def upgrade() -> None:
    op.execute(f"CREATE POLICY upkeep ON ingest_counts TO spectral_app USING ({OLD}) WITH CHECK ({OLD})")


def downgrade() -> None:
    op.execute("DROP POLICY upkeep ON ingest_counts")
