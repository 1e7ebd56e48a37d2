"""Rows of policies."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.columns import AccountOwned, Timestamped, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.workspaces.policies.kinds import PolicyKind


class WorkspacePolicy(AccountOwned, WorkspaceOwned, Timestamped, Base):
    """A policy that a workspace has decided on; a kind without a row is as it is by default."""

    __tablename__ = "workspace_policies"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[PolicyKind] = mapped_column(state_column(PolicyKind, "kind"), primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
