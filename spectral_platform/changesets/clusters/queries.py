"""Reading failure clusters."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from spectral_platform.changesets.clusters.errors import ClusterNotFound
from spectral_platform.changesets.clusters.models import ClusterSighting, FailureCluster
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate

COLUMNS = {
    "created_at": FailureCluster.created_at,
    "last_seen_at": FailureCluster.last_seen_at,
    "size": FailureCluster.size,
    "severity": FailureCluster.severity,
}
SIGHTING_COLUMNS = {
    "created_at": ClusterSighting.created_at,
    "size": ClusterSighting.size,
    "severity": ClusterSighting.severity,
}


async def list_clusters(
    session: AsyncSession, caller: Caller, *, status: ClusterStatus | None, page: PageRequest
) -> Page[FailureCluster]:
    """The clusters of the workspace, with the figures of the last scan that saw each."""
    statement = FailureCluster.in_workspace(caller.workspace)
    if status is not None:
        statement = statement.where(FailureCluster.status == status)
    return await paginate(session, statement, page, columns=COLUMNS, tiebreak=FailureCluster.id)


async def list_sightings(
    session: AsyncSession, caller: Caller, *, changeset_id: UUID, page: PageRequest
) -> Page[ClusterSighting]:
    """The clusters that the changeset's scan saw, with its figures."""
    statement = (
        ClusterSighting.in_workspace(caller.workspace)
        .where(ClusterSighting.changeset_id == changeset_id)
        .options(joinedload(ClusterSighting.cluster))
    )
    return await paginate(session, statement, page, columns=SIGHTING_COLUMNS, tiebreak=ClusterSighting.id)


async def get_cluster(session: AsyncSession, caller: Caller, cluster_id: UUID) -> FailureCluster:
    """One cluster of the workspace, as it is now."""
    cluster = await session.scalar(
        FailureCluster.in_workspace(caller.workspace)
        .where(FailureCluster.id == cluster_id)
        .execution_options(populate_existing=True)
    )
    if cluster is None:
        raise ClusterNotFound(cluster_id)
    return cluster


async def lock_clusters(session: AsyncSession, caller: Caller, signatures: Collection[str]) -> Sequence[FailureCluster]:
    """The clusters with these signatures, locked in the order of their signatures."""
    rows = await session.scalars(
        select(FailureCluster)
        .where(FailureCluster.workspace_id == caller.workspace, FailureCluster.signature.in_(signatures))
        .order_by(FailureCluster.signature)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return rows.all()
