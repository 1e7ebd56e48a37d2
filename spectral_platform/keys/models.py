"""Rows of API keys."""

from datetime import datetime

from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.columns import AccountOwned, Created, Identified, WorkspaceOwned
from spectral_platform.core.database import Base


class ApiKey(Identified, AccountOwned, WorkspaceOwned, Created, Base):
    """A key of one workspace. The secret itself is nowhere; ``prefix`` is what people recognise it by."""

    __tablename__ = "api_keys"

    name: Mapped[str]
    prefix: Mapped[str]
    secret_digest: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
