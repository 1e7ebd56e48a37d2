"""What is told of failure clusters: what scans make of them, not what people do."""

from typing import Literal
from uuid import UUID

from spectral_platform.changesets.clusters.models import FailureCluster
from spectral_platform.core.access import Caller
from spectral_platform.core.jobs import News


class ClusterSeen(News):
    """A scan has found a new cluster, found a resolved one again, or looked for one twice in vain."""

    change: Literal["opened", "reopened", "resolved"]
    cluster_id: UUID
    agent_id: UUID | None
    scan_id: UUID
    size: int
    share: float
    severity: float

    @property
    def event(self) -> str:
        """``cluster.opened``, ``cluster.reopened`` or ``cluster.resolved``."""
        return f"cluster.{self.change}"


def cluster_seen(
    caller: Caller, cluster: FailureCluster, scan_id: UUID, change: Literal["opened", "reopened", "resolved"]
) -> ClusterSeen:
    """The news of what a scan made of a cluster."""
    return ClusterSeen(
        account_id=caller.account_id,
        workspace_id=caller.workspace,
        change=change,
        cluster_id=cluster.id,
        agent_id=cluster.agent_id,
        scan_id=scan_id,
        size=cluster.size,
        share=cluster.share,
        severity=cluster.severity,
    )
