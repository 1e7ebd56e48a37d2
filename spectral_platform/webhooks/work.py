"""The orders that webhooks give to the worker."""

from typing import ClassVar
from uuid import UUID

from spectral_platform.core.jobs import Heard, Work


class NotifyWebhooks(Heard):
    """Make a delivery of the news for each webhook that wants it."""

    job: ClassVar[str] = "webhooks.notify"


class DeliverWebhook(Work):
    """Make the delivery's attempt of this number; when that has been made, the order has nothing left to do."""

    job: ClassVar[str] = "webhooks.deliver"

    webhook_id: UUID
    delivery_id: UUID
    attempt: int

    @property
    def lock(self) -> str:
        """One request at a time to each webhook, so that a slow one takes one place of the worker's and no more."""
        return f"webhook:{self.webhook_id}"
