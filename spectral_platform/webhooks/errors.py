"""What can go wrong with webhooks."""

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError


class WebhookNotFound(NotFoundError):
    """The webhook does not exist in this workspace."""

    def __init__(self, webhook_id: object) -> None:
        super().__init__(f"Webhook {webhook_id} not found.")


class DeliveryNotFound(NotFoundError):
    """The delivery does not exist in this workspace, or is too old to be kept."""

    def __init__(self, delivery_id: object) -> None:
        super().__init__(f"Delivery {delivery_id} not found.")


class TooManyWebhooks(BusinessRuleViolationError):
    """The workspace has as many webhooks as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"A workspace has at most {limit} webhooks. Delete one that is not used.", limit=limit)


class WebhookIsDisabled(BusinessRuleViolationError):
    """The webhook is disabled, so that nothing is delivered to it."""

    def __init__(self, webhook_id: object) -> None:
        super().__init__(f"Webhook {webhook_id} is disabled. Enable it first.")
