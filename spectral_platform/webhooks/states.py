"""The life of a delivery, and why a webhook is disabled."""

from enum import StrEnum

from spectral_platform.core.lifecycle import Lifecycle


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


DELIVERY = Lifecycle(
    {
        DeliveryStatus.PENDING: {DeliveryStatus.DELIVERED, DeliveryStatus.DEAD},
        DeliveryStatus.DELIVERED: {DeliveryStatus.PENDING},  # by a replay
        DeliveryStatus.DEAD: {DeliveryStatus.PENDING},  # likewise
    },
    stamps={DeliveryStatus.DELIVERED: "finished_at", DeliveryStatus.DEAD: "finished_at"},
)


class DisabledReason(StrEnum):
    """Why nothing is delivered to a webhook."""

    REQUESTED = "requested"
    FAILING = "failing"
    GONE = "gone"
