"""Rows of failed attempts."""

from datetime import datetime

from sqlalchemy import DateTime
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.database import Base


class FailedAttempts(Base):
    """How often somebody failed lately, and until when they have to wait."""

    __tablename__ = "failed_attempts"

    subject: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    locked_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    forgotten_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
