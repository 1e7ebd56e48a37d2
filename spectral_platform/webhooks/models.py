"""Rows of webhooks and of what was delivered to them."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field
from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core import clock
from spectral_platform.core.columns import (
    AccountOwned,
    Created,
    Identified,
    PydanticJSON,
    Timestamped,
    WorkspaceOwned,
    state_column,
)
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle
from spectral_platform.core.sealed_columns import Sealed
from spectral_platform.core.values import Value
from spectral_platform.webhooks.events import message_id
from spectral_platform.webhooks.states import DELIVERY, DeliveryStatus, DisabledReason


class Attempt(Value):
    """One try to deliver."""

    at: datetime = Field(description="When the request was made.")
    status_code: int | None = Field(description="What the receiver answered; null = no answer.")
    latency_ms: int | None = Field(description="How long the answer took; null = no answer.")
    error: str | None = Field(description="Why there was no answer, or why none was asked for; null = there was one.")
    response_excerpt: str | None = Field(description="How the answer's body begins; null = no answer.")


def unmade(reason: str) -> Attempt:
    """What is told of a try that was not made."""
    return Attempt(at=clock.now(), status_code=None, latency_ms=None, error=reason, response_excerpt=None)


class Webhook(Identified, AccountOwned, WorkspaceOwned, Timestamped, Base):
    """A URL that wants to be told. No ``events`` = all of them. ``failing_since`` is the first failure after the last success."""

    __tablename__ = "webhooks"
    __table_args__ = (
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="disabled_for_a_reason"),
        CheckConstraint("(previous_secret IS NULL) = (previous_secret_until IS NULL)", name="previous_secret_ends"),
    )

    url: Mapped[str]
    description: Mapped[str | None]
    events: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    secret: Mapped[str] = mapped_column(Sealed)
    previous_secret: Mapped[str | None] = mapped_column(Sealed)
    previous_secret_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    disabled_reason: Mapped[DisabledReason | None] = mapped_column(state_column(DisabledReason, "disabled_reason"))
    failing_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def enabled(self) -> bool:
        """Whether anything is delivered to it."""
        return self.disabled_at is None


class WebhookDelivery(Identified, WorkspaceOwned, Created, Base):
    """One message for one webhook. ``tries`` counts since it was last due, ``attempt_count`` since ever."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("webhook_id", "news_id"),
        Index("ix_webhook_deliveries_webhook_id_created_at", "webhook_id", "created_at"),
        Index("ix_webhook_deliveries_created_at", "created_at"),
    )
    lifecycle: ClassVar[Lifecycle[DeliveryStatus]] = DELIVERY

    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    news_id: Mapped[UUID]
    event: Mapped[str]
    payload: Mapped[str]
    status: Mapped[DeliveryStatus] = mapped_column(state_column(DeliveryStatus, "status"), default=DeliveryStatus.PENDING)
    tries: Mapped[int] = mapped_column(default=0)
    attempt_count: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[tuple[Attempt, ...]] = mapped_column(PydanticJSON(tuple[Attempt, ...]), default=())
    next_attempt_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def message_id(self) -> str:
        """The message's ``webhook-id``."""
        return message_id(self.news_id)
