"""Rows of workspaces and their members."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from spectral_platform.accounts.models import AccountMember, User
from spectral_platform.core.access import WorkspaceRole
from spectral_platform.core.columns import AccountOwned, Identified, SoftDeleted, Timestamped, state_column
from spectral_platform.core.database import Base

DEFAULT_WORLD_MODEL = "general-agent-conduct@1.0.0"
RESTORABLE_FOR = timedelta(days=30)
"""How long a deleted workspace can be restored; then it is erased."""


class Workspace(Identified, AccountOwned, SoftDeleted, Timestamped, Base):
    """The tenant that agents, traces and scans live in."""

    __tablename__ = "workspaces"
    __table_args__ = (UniqueConstraint("id", "account_id"),)  # what memberships point at

    name: Mapped[str]
    world_model: Mapped[str] = mapped_column(default=DEFAULT_WORLD_MODEL)
    scan_defaults: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


Index("ix_workspaces_deleted_at", Workspace.deleted_at, postgresql_where=Workspace.deleted_at.is_not(None))


class WorkspaceMember(AccountOwned, Timestamped, Base):
    """A person's place in a workspace; both belong to the same account, or there is no such row."""

    __tablename__ = "workspace_members"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "account_id"], ["workspaces.id", "workspaces.account_id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["user_id", "account_id"], ["account_members.user_id", "account_members.account_id"], ondelete="CASCADE"
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    role: Mapped[WorkspaceRole] = mapped_column(state_column(WorkspaceRole, "role"))

    person: Mapped[AccountMember] = relationship(lazy="raise", viewonly=True)

    @property
    def user(self) -> User:
        """The person."""
        return self.person.user
