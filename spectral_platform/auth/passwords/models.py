"""Rows of promised password resets."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.columns import Created, Identified
from spectral_platform.core.database import Base


class PasswordReset(Identified, Created, Base):
    """One token that went out by mail; using it deletes the row.

    ``fingerprint`` is that of the person's email address and password at that time: a token is void once either has changed.
    """

    __tablename__ = "password_resets"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    fingerprint: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
