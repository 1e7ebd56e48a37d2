"""The life of a failure cluster: what people decide about it, and that it opens again when it comes back."""

from enum import StrEnum

from spectral_platform.core.lifecycle import Lifecycle


class ClusterStatus(StrEnum):
    """What has been decided about a cluster."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"


CLUSTER = Lifecycle(
    {
        ClusterStatus.OPEN: {ClusterStatus.ACKNOWLEDGED, ClusterStatus.DISMISSED, ClusterStatus.RESOLVED},
        ClusterStatus.ACKNOWLEDGED: {ClusterStatus.OPEN, ClusterStatus.DISMISSED, ClusterStatus.RESOLVED},
        ClusterStatus.DISMISSED: {ClusterStatus.OPEN},
        ClusterStatus.RESOLVED: {ClusterStatus.OPEN},
    }
)
