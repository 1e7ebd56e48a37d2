"""Rows of login sessions and their refresh tokens."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.auth.devices import LONGEST_USER_AGENT
from spectral_platform.core.columns import AccountOwned, Created, Identified
from spectral_platform.core.database import Base


class LoginSession(Identified, AccountOwned, Created, Base):
    """One login; every token issued from it dies with it."""

    __tablename__ = "login_sessions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    user_agent: Mapped[str | None] = mapped_column(String(LONGEST_USER_AGENT))
    ip: Mapped[str | None] = mapped_column(String(45))


class RefreshToken(Identified, AccountOwned, Created, Base):
    """One refresh token of a session; a spent one that comes back ends the session."""

    __tablename__ = "refresh_tokens"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("login_sessions.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    spent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Visit(Base):
    """When a session of operations staff was last noted in the log of an account that is not their own."""

    __tablename__ = "visits"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("login_sessions.id", ondelete="CASCADE"), primary_key=True, index=True)
    noted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
