"""Create invites, and what the visits of operations staff to other accounts need."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spectral_platform.core.schema import tenant_policy

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

OWN_ACCOUNT = "account_id = nullif(current_setting('spectral.account_id', true), '')::uuid"
HELD_INVITE = "token_digest = nullif(current_setting('spectral.invite_digest', true), '')"
VISITED = "id = nullif(current_setting('spectral.visited_workspace_id', true), '')::uuid"
POLICIES = [
    "ALTER TABLE invites ENABLE ROW LEVEL SECURITY",
    # Who holds an invite's token may see its row: that is how an invite tells its account.
    f"CREATE POLICY tenant ON invites TO spectral_app USING ({OWN_ACCOUNT} OR {HELD_INVITE}) WITH CHECK ({OWN_ACCOUNT})",
    *tenant_policy("visits", column="account_id", setting="spectral.account_id"),
    # Operations staff name a workspace before it is known whose it is.
    f"CREATE POLICY visit ON workspaces FOR SELECT TO spectral_app USING ({VISITED})",
]


def state(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.create_table(
        "invites",
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("account_role", state("account_role", "owner", "operations", "member"), nullable=False),
        sa.Column("workspaces", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", state("status", "pending", "accepted", "revoked", "expired"), nullable=False),
        sa.Column("token_digest", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["accepted_by"], ["users.id"], name=op.f("fk_invites_accepted_by"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_invites_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invites")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_invites_token_digest")),
    )
    op.create_index(op.f("ix_invites_accepted_by"), "invites", ["accepted_by"], unique=False)
    op.create_index(op.f("ix_invites_account_id"), "invites", ["account_id"], unique=False)
    op.create_index(
        "uq_invites_one_pending",
        "invites",
        ["account_id", sa.literal_column("lower(email)")],
        unique=True,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "visits",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_visits_account_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["session_id"], ["login_sessions.id"], name=op.f("fk_visits_session_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "session_id", name=op.f("pk_visits")),
    )
    op.create_index(op.f("ix_visits_session_id"), "visits", ["session_id"], unique=False)
    for statement in POLICIES:
        op.execute(statement)
