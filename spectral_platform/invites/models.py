"""Rows of invites."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core import clock
from spectral_platform.core.access import AccountRole, WorkspaceRole
from spectral_platform.core.columns import AccountOwned, Identified, PydanticJSON, Timestamped, state_column
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle
from spectral_platform.core.values import Value
from spectral_platform.invites.states import INVITE, InviteStatus


class WorkspaceGrant(Value):
    """A role in a workspace that comes with an invite."""

    workspace_id: UUID
    role: WorkspaceRole


class Invite(Identified, AccountOwned, Timestamped, Base):
    """A place in an account that one person may take. The token itself is nowhere; an accepted invite goes with its person."""

    __tablename__ = "invites"
    lifecycle: ClassVar[Lifecycle[InviteStatus]] = INVITE

    email: Mapped[str]
    account_role: Mapped[AccountRole] = mapped_column(state_column(AccountRole, "account_role"))
    workspaces: Mapped[list[WorkspaceGrant]] = mapped_column(PydanticJSON(list[WorkspaceGrant]))
    status: Mapped[InviteStatus] = mapped_column(state_column(InviteStatus, "status"), default=InviteStatus.PENDING)
    token_digest: Mapped[str] = mapped_column(unique=True)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    accepted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def standing(self) -> InviteStatus:
        """The status, or ``expired`` for one that waited too long."""
        late = self.status is InviteStatus.PENDING and self.expires_at <= clock.now()
        return InviteStatus.EXPIRED if late else self.status


Index(
    "uq_invites_one_pending",
    Invite.account_id,
    func.lower(Invite.email),
    unique=True,
    postgresql_where=Invite.status == InviteStatus.PENDING,
)
