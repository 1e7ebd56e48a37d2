"""Rows of identities, and of logins that were begun with a provider."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.columns import Created, Identified
from spectral_platform.core.database import Base


class Identity(Identified, Created, Base):
    """Who a person is to an issuer. It outlasts a change of the email address, on either side."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str]
    subject: Mapped[str]


class OAuthLogin(Identified, Created, Base):
    """A login that was begun with a provider; coming back deletes the row.

    ``sealed`` is what only this server may know until then. One that was begun by redirect ``is_bound`` to the browser.
    """

    __tablename__ = "oauth_logins"

    state_digest: Mapped[str] = mapped_column(unique=True)
    provider: Mapped[str]
    is_bound: Mapped[bool]
    sealed: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
