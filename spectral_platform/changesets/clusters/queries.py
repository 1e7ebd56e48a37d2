"""Reading failure clusters and the failures in them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from spectral_platform.changesets.clusters.errors import ClusterNotFound
from spectral_platform.changesets.clusters.models import ClusterFailure, ClusterSighting, FailureCluster
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate

COLUMNS = {
    "created_at": FailureCluster.created_at,
    "last_seen_at": FailureCluster.last_seen_at,
    "size": FailureCluster.size,
    "severity": FailureCluster.severity,
}
FAILURE_COLUMNS = {"seen_at": ClusterFailure.seen_at, "severity": ClusterFailure.severity}
MOST_TRACES = 10_000
"""So many traces of a cluster are looked through, those seen last."""
SIGHTING_COLUMNS = {
    "created_at": ClusterSighting.created_at,
    "size": ClusterSighting.size,
    "severity": ClusterSighting.severity,
}


async def list_clusters(
    session: AsyncSession,
    caller: Caller,
    *,
    status: ClusterStatus | None = None,
    agent_id: UUID | None = None,
    page: PageRequest,
) -> Page[FailureCluster]:
    """The clusters of the workspace, with the figures of the last scan that saw each; without those merged into others."""
    statement = FailureCluster.in_workspace(caller.workspace).where(FailureCluster.merged_into_id.is_(None))
    if status is not None:
        statement = statement.where(FailureCluster.status == status)
    if agent_id is not None:
        statement = statement.where(FailureCluster.agent_id == agent_id)
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


async def get_sighting(session: AsyncSession, caller: Caller, *, changeset_id: UUID, cluster_id: UUID) -> ClusterSighting:
    """One cluster as the changeset's scan saw it."""
    sighting = await session.scalar(
        ClusterSighting.in_workspace(caller.workspace)
        .where(ClusterSighting.changeset_id == changeset_id, ClusterSighting.cluster_id == cluster_id)
        .options(joinedload(ClusterSighting.cluster))
    )
    if sighting is None:
        raise ClusterNotFound(cluster_id)
    return sighting


async def get_cluster(session: AsyncSession, caller: Caller, cluster_id: UUID, *, for_update: bool = False) -> FailureCluster:
    """One cluster of the workspace, as it is now."""
    statement = FailureCluster.in_workspace(caller.workspace).where(FailureCluster.id == cluster_id)
    if for_update:
        statement = statement.with_for_update()
    cluster = await session.scalar(statement.execution_options(populate_existing=True))
    if cluster is None:
        raise ClusterNotFound(cluster_id)
    return cluster


async def lock_clusters(session: AsyncSession, caller: Caller, cluster_ids: Collection[UUID]) -> dict[UUID, FailureCluster]:
    """Clusters of the workspace as they are now, locked, by id."""
    rows = await session.scalars(
        FailureCluster.in_workspace(caller.workspace)
        .where(FailureCluster.id.in_(cluster_ids))
        .order_by(FailureCluster.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {cluster.id: cluster for cluster in rows}


def _in_cluster(caller: Caller, cluster_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Which failures a cluster shows: its own, and those of the clusters that were merged into it."""
    family = (
        select(FailureCluster.id)
        .where(
            FailureCluster.workspace_id == caller.workspace,
            or_(FailureCluster.id == cluster_id, FailureCluster.merged_into_id == cluster_id),
        )
        .scalar_subquery()
    )
    return ClusterFailure.workspace_id == caller.workspace, ClusterFailure.cluster_id.in_(family)


async def list_cluster_failures(
    session: AsyncSession, caller: Caller, cluster_id: UUID, *, page: PageRequest
) -> Page[ClusterFailure]:
    """The failures in a cluster."""
    await get_cluster(session, caller, cluster_id)
    statement = select(ClusterFailure).where(*_in_cluster(caller, cluster_id))
    return await paginate(session, statement, page, columns=FAILURE_COLUMNS, tiebreak=ClusterFailure.id)


async def list_cluster_traces(session: AsyncSession, caller: Caller, cluster_id: UUID) -> list[str]:
    """The traces in a cluster, those seen last first."""
    cluster = await get_cluster(session, caller, cluster_id)
    seen = func.max(ClusterFailure.seen_at)
    rows = await session.scalars(
        select(ClusterFailure.trace_id)
        .where(*_in_cluster(caller, cluster_id), ClusterFailure.trace_id.is_not(None))
        .group_by(ClusterFailure.trace_id)
        .order_by(seen.desc(), ClusterFailure.trace_id)
        .limit(MOST_TRACES)
    )
    return list(dict.fromkeys([*(trace_id for trace_id in rows if trace_id), *cluster.exemplar_trace_ids]))


async def list_failures(session: AsyncSession, caller: Caller, cluster_id: UUID) -> Sequence[ClusterFailure]:
    """All failures that a cluster shows, in the order of their keys, locked."""
    rows = await session.scalars(
        select(ClusterFailure).where(*_in_cluster(caller, cluster_id)).order_by(ClusterFailure.key).with_for_update()
    )
    return rows.all()


async def hold_clusters(session: AsyncSession, caller: Caller) -> None:
    """Let one transaction at a time recognise or rearrange the clusters of a workspace, until it ends."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"clusters {caller.workspace}", 0))))


async def list_known(
    session: AsyncSession, caller: Caller, agent_id: UUID | None
) -> tuple[Sequence[FailureCluster], dict[UUID, list[tuple[str, bool]]]]:
    """The clusters of an agent, the oldest first, and by cluster what its failures read like and whether each is pinned."""
    clusters = await session.scalars(
        FailureCluster.in_workspace(caller.workspace)
        .where(FailureCluster.agent_id.is_not_distinct_from(agent_id))
        .order_by(FailureCluster.created_at, FailureCluster.id)
    )
    known = clusters.all()
    failures: dict[UUID, list[tuple[str, bool]]] = defaultdict(list)
    rows = await session.execute(
        select(ClusterFailure.cluster_id, ClusterFailure.likeness, ClusterFailure.is_pinned).where(
            ClusterFailure.workspace_id == caller.workspace, ClusterFailure.cluster_id.in_([cluster.id for cluster in known])
        )
    )
    for cluster_id, likeness, is_pinned in rows:
        failures[cluster_id].append((likeness, is_pinned))
    return known, failures
