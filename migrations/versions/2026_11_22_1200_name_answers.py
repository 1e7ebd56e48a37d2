"""Keep what a provider calls its answer: it tells when two spans are about one call. Of what is stored it stays unknown."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("spans", sa.Column("response_id", sa.String(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("spans", "response_id")
