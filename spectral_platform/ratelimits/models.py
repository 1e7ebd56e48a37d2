"""Rows of counted requests."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.database import Base


class RateWindow(Base):
    """What one bucket has used of the window that ends then. Not logged by Postgres: a crash forgets a minute's counts."""

    __tablename__ = "rate_windows"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    bucket: Mapped[str] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    used: Mapped[int] = mapped_column(BigInteger)
