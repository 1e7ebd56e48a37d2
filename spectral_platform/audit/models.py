"""Rows of the audit log: one chain of entries for each account."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.columns import AccountOwned, Identified
from spectral_platform.core.database import Base


class AuditEntry(Identified, AccountOwned, Base):
    """One change. The application role may insert and read entries, never update or delete them."""

    __tablename__ = "audit_entries"
    __table_args__ = (UniqueConstraint("account_id", "sequence"),)

    sequence: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    workspace_id: Mapped[UUID | None] = mapped_column(index=True)
    action: Mapped[str]
    resource: Mapped[str]
    resource_id: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    previous_hash: Mapped[str]
    entry_hash: Mapped[str]


class AuditHead(Base):
    """The end of an account's chain; locking it makes the entries of an account a sequence."""

    __tablename__ = "audit_heads"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    entry_hash: Mapped[str]
