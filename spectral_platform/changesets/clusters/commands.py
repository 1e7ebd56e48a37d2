"""Recording what scans find and deciding about it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.changesets.clusters import queries
from spectral_platform.changesets.clusters.findings import ClusterFinding, TrendPoint
from spectral_platform.changesets.clusters.models import ClusterSighting, FailureCluster
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.lifecycle import move

LONGEST_TREND = 30


async def record_clusters(
    session: AsyncSession,
    caller: Caller,
    *,
    scan_id: UUID,
    findings: Sequence[ClusterFinding],
    changeset_id: UUID | None = None,
) -> list[FailureCluster]:
    """Add what a scan found to the workspace's clusters, in the order of the findings. A resolved one opens again."""
    if not findings:
        return []
    now = clock.now()
    by_signature = {finding.signature: finding for finding in findings}
    rows = [
        {
            "workspace_id": caller.workspace,
            "signature": finding.signature,
            "label": finding.label,
            "status": ClusterStatus.OPEN,
            "reopened": False,
            "created_at": now,
            "trend": (),
            **_figures(finding),
            "last_seen_at": now,
        }
        for _, finding in sorted(by_signature.items())
    ]
    await session.execute(insert(FailureCluster).values(rows).on_conflict_do_nothing())
    clusters = {cluster.signature: cluster for cluster in await queries.lock_clusters(session, caller, by_signature)}
    for signature, cluster in clusters.items():
        finding = by_signature[signature]
        if cluster.status is ClusterStatus.RESOLVED:
            await move(session, cluster, ClusterStatus.OPEN, reopened=True)
        for name, value in _figures(finding).items():
            setattr(cluster, name, value)
        cluster.last_seen_at = now
        point = TrendPoint(scan_id=scan_id, at=now, size=finding.size, share=finding.share)
        cluster.trend = (*cluster.trend, point)[-LONGEST_TREND:]
    found = [clusters[signature] for signature in by_signature]
    session.add_all(
        ClusterSighting(
            workspace_id=caller.workspace,
            scan_id=scan_id,
            changeset_id=changeset_id,
            cluster_id=cluster.id,
            **_figures(by_signature[cluster.signature]),
        )
        for cluster in found
    )
    await session.flush()
    return found


async def update_cluster(session: AsyncSession, caller: Caller, cluster_id: UUID, *, changes: dict[str, Any]) -> FailureCluster:
    """Change the named fields: ``status``, ``label`` or ``note``. A status that it has already is no move."""
    cluster = await queries.get_cluster(session, caller, cluster_id)
    to = changes.get("status", cluster.status)
    if to is not cluster.status:
        await move(session, cluster, to)
    for field in changes.keys() - {"status"}:
        setattr(cluster, field, changes[field])
    await session.flush()
    await record(
        session,
        caller,
        action="cluster.updated",
        resource="cluster",
        resource_id=cluster_id,
        fields=sorted(changes),
        status=cluster.status,
    )
    return await queries.get_cluster(session, caller, cluster_id)


def _figures(finding: ClusterFinding) -> dict[str, Any]:
    return finding.model_dump(exclude={"signature", "label"})
