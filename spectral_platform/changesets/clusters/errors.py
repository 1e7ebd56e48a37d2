"""What can go wrong with failure clusters."""

from uuid import UUID

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError


class ClusterNotFound(NotFoundError):
    """The failure cluster does not exist in this workspace."""

    def __init__(self, cluster_id: UUID) -> None:
        super().__init__(f"Cluster {cluster_id} not found.")


class ClusterMerged(BusinessRuleViolationError):
    """The cluster was merged into another, which stands for it now."""

    def __init__(self, cluster_id: UUID, into: UUID) -> None:
        super().__init__(f"Cluster {cluster_id} was merged into {into}; ask for that one.", merged_into_id=str(into))


class ClusterMergeRefused(BusinessRuleViolationError):
    """The clusters cannot be one."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The clusters cannot be merged: {reason}.")


class ClusterSplitRefused(BusinessRuleViolationError):
    """The cluster cannot be split so."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The cluster cannot be split: {reason}.")
