"""Rows of kept answers."""

from datetime import datetime

from sqlalchemy import DateTime, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.database import Base


class KeptAnswer(Base):
    """The first answer to a request with an ``Idempotency-Key``. Only the client's key finds and opens it.

    Nothing is sealed while the request is being carried out, where that outlasts the transaction in which it was claimed.
    """

    __tablename__ = "kept_answers"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary)
    sealed: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
