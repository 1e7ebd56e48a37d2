"""What can go wrong with failure clusters."""

from uuid import UUID

from spectral_platform.core.errors import NotFoundError


class ClusterNotFound(NotFoundError):
    """The failure cluster does not exist in this workspace."""

    def __init__(self, cluster_id: UUID) -> None:
        super().__init__(f"Cluster {cluster_id} not found.")
