"""Note by which link feedback was given: of one link there is one."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feedback", sa.Column("link_id", sa.Uuid(), nullable=True))
    op.create_index(
        "uq_feedback_link_id",
        "feedback",
        ["workspace_id", "link_id"],
        unique=True,
        postgresql_where=sa.text("link_id IS NOT NULL"),
    )
