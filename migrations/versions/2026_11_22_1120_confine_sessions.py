"""Confine login sessions and their refresh tokens to the bound account by policy."""

import sqlalchemy as sa
from alembic import op

from spectral_platform.core.schema import tenant_policy

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

HELD_TOKEN = "digest = nullif(current_setting('spectral.token_digest', true), '')"


def upgrade() -> None:
    op.add_column("refresh_tokens", sa.Column("account_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE refresh_tokens t SET account_id = s.account_id FROM login_sessions s WHERE s.id = t.session_id")
    op.alter_column("refresh_tokens", "account_id", nullable=False)
    op.create_foreign_key(
        op.f("fk_refresh_tokens_account_id"), "refresh_tokens", "accounts", ["account_id"], ["id"], ondelete="CASCADE"
    )
    op.create_index(op.f("ix_refresh_tokens_account_id"), "refresh_tokens", ["account_id"], unique=False)
    op.create_index(op.f("ix_login_sessions_account_id"), "login_sessions", ["account_id"], unique=False)
    for statement in tenant_policy("login_sessions", column="account_id", setting="spectral.account_id"):
        op.execute(statement)
    for statement in tenant_policy("refresh_tokens", column="account_id", setting="spectral.account_id"):
        op.execute(statement)
    # Who holds a token may see its row: that is how a token tells its account.
    op.execute(f"CREATE POLICY held ON refresh_tokens FOR SELECT TO spectral_app USING ({HELD_TOKEN})")
