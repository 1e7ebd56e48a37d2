"""What is told of webhooks."""

from uuid import UUID

from spectral_platform.core.jobs import News
from spectral_platform.webhooks.events import EventType
from spectral_platform.webhooks.states import DisabledReason


class WebhookDisabled(News):
    """A webhook does not take anything any more, and the workspace's other webhooks may tell somebody."""

    webhook_id: UUID
    reason: DisabledReason

    @property
    def event(self) -> str:
        """Always the same."""
        return EventType.WEBHOOK_DISABLED
