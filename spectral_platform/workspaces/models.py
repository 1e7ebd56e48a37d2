"""Rows of workspaces and their members."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.access import WorkspaceRole
from spectral_platform.core.columns import AccountOwned, Identified, Timestamped, state_column
from spectral_platform.core.database import Base

DEFAULT_WORLD_MODEL = "general-agent-conduct@1.0.0"


class Workspace(Identified, AccountOwned, Timestamped, Base):
    """The tenant that agents, traces and scans live in."""

    __tablename__ = "workspaces"

    name: Mapped[str]
    world_model: Mapped[str] = mapped_column(default=DEFAULT_WORLD_MODEL)
    scan_defaults: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class WorkspaceMember(AccountOwned, Timestamped, Base):
    """A person's place in a workspace."""

    __tablename__ = "workspace_members"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[WorkspaceRole] = mapped_column(state_column(WorkspaceRole, "role"))
