"""Confine memberships of workspaces to one account by key and to the bound workspace by policy."""

from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

OWN_ACCOUNT = "account_id = nullif(current_setting('spectral.account_id', true), '')::uuid"
BOUND_WORKSPACE = "nullif(current_setting('spectral.workspace_id', true), '')::uuid"
# Before a workspace is entered a person's memberships of all of them are read; inside one, only its own are.
CONDITION = f"{OWN_ACCOUNT} AND ({BOUND_WORKSPACE} IS NULL OR workspace_id = {BOUND_WORKSPACE})"


def upgrade() -> None:
    op.create_unique_constraint(op.f("uq_account_members_user_id_account_id"), "account_members", ["user_id", "account_id"])
    op.create_unique_constraint(op.f("uq_workspaces_id_account_id"), "workspaces", ["id", "account_id"])
    for column, owner, key in (("workspace_id", "workspaces", "id"), ("user_id", "account_members", "user_id")):
        name = op.f(f"fk_workspace_members_{column}")
        op.drop_constraint(name, "workspace_members", type_="foreignkey")
        op.create_foreign_key(name, "workspace_members", owner, [column, "account_id"], [key, "account_id"], ondelete="CASCADE")
    op.execute("DROP POLICY tenant ON workspace_members")
    op.execute(f"CREATE POLICY tenant ON workspace_members TO spectral_app USING ({CONDITION}) WITH CHECK ({CONDITION})")
