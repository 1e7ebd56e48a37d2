"""Keep which tools a model called beside what it said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model_calls", sa.Column("tool_calls", postgresql.JSONB(), server_default="[]", nullable=False))
    op.alter_column("model_calls", "tool_calls", server_default=None)
