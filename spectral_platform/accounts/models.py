"""Rows of accounts, users and the bond between them."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from spectral_platform.core.access import AccountRole
from spectral_platform.core.columns import AccountOwned, Identified, SoftDeleted, Timestamped, state_column
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle


class AccountStatus(StrEnum):
    """Whether an account may be used."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class UserStatus(StrEnum):
    """Whether a person may come in."""

    ACTIVE = "active"
    REVOKED = "revoked"


ACCOUNT = Lifecycle({AccountStatus.ACTIVE: {AccountStatus.SUSPENDED}, AccountStatus.SUSPENDED: {AccountStatus.ACTIVE}})
USER = Lifecycle({UserStatus.ACTIVE: {UserStatus.REVOKED}, UserStatus.REVOKED: {UserStatus.ACTIVE}})


class Account(Identified, SoftDeleted, Timestamped, Base):
    """A customer: owns workspaces, has members. A deleted one is being erased."""

    __tablename__ = "accounts"
    lifecycle: ClassVar[Lifecycle[AccountStatus]] = ACCOUNT

    name: Mapped[str]
    status: Mapped[AccountStatus] = mapped_column(state_column(AccountStatus, "status"), default=AccountStatus.ACTIVE)


Index("ix_accounts_deleted_at", Account.deleted_at, postgresql_where=Account.deleted_at.is_not(None))


class User(Identified, Timestamped, Base):
    """A person. Email addresses are unique whatever their case."""

    __tablename__ = "users"
    lifecycle: ClassVar[Lifecycle[UserStatus]] = USER

    email: Mapped[str]
    display_name: Mapped[str | None]
    password_hash: Mapped[str | None]
    status: Mapped[UserStatus] = mapped_column(state_column(UserStatus, "status"), default=UserStatus.ACTIVE)


Index("uq_users_email", func.lower(User.email), unique=True)


class AccountMember(AccountOwned, Timestamped, Base):
    """A person's place in an account; a person has one."""

    __tablename__ = "account_members"
    __table_args__ = (UniqueConstraint("user_id", "account_id"),)  # what memberships of workspaces point at

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[AccountRole] = mapped_column(state_column(AccountRole, "role"))

    user: Mapped[User] = relationship(lazy="raise", viewonly=True)

    @property
    def is_active_administrator(self) -> bool:
        """Whether the person runs the account and may come in; operations staff run the one that they belong to."""
        return self.role is not AccountRole.MEMBER and self.user.status is UserStatus.ACTIVE
