"""Let login sessions say when they were last used, and from where they were opened."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("login_sessions", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("login_sessions", sa.Column("user_agent", sa.String(length=400), nullable=True))
    op.add_column("login_sessions", sa.Column("ip", sa.String(length=45), nullable=True))
