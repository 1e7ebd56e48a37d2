"""Endpoints of failure clusters."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Security

from spectral_api.dependencies import Database
from spectral_api.paging import Limit, Offset, Results, envelope
from spectral_api.problems import problems
from spectral_api.routing import Router
from spectral_api.security import authenticate
from spectral_api.v1.changesets.clusters import schemas
from spectral_api.v1.refusals import IN_WORKSPACE
from spectral_platform.changesets.clusters import commands, queries
from spectral_platform.changesets.clusters.errors import ClusterNotFound
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.changesets.errors import ChangesetNotFound
from spectral_platform.changesets.queries import get_changeset
from spectral_platform.core.access import Caller, Scope
from spectral_platform.core.errors import InvalidTransitionError
from spectral_platform.core.paging import PageRequest

router = Router()
Reader = Annotated[Caller, Security(authenticate, scopes=[Scope.READ_WORKSPACE])]
Writer = Annotated[Caller, Security(authenticate, scopes=[Scope.WRITE_WORKSPACE])]
ORDER = "Order; a leading `-` = descending."


@router.get(
    "/clusters", response_model=Results[schemas.Cluster], summary="List failure clusters", responses=problems(*IN_WORKSPACE)
)
async def list_clusters(
    workspace_id: UUID,
    caller: Reader,
    database: Database,
    status: Annotated[ClusterStatus | None, Query(description="Only clusters with this status.")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
    sort: Annotated[
        Literal["created_at", "-created_at", "last_seen_at", "-last_seen_at", "size", "-size", "severity", "-severity"],
        Query(description=ORDER),
    ] = "-created_at",
) -> Any:
    """List the failure clusters of all scans, each with the figures of the last scan that saw it."""
    page = PageRequest(limit=limit, offset=offset, sort=sort)
    return envelope(await queries.list_clusters(database, caller, status=status, page=page))


@router.get(
    "/clusters/{cluster_id}",
    response_model=schemas.Cluster,
    summary="Get a failure cluster",
    responses=problems(*IN_WORKSPACE, ClusterNotFound),
)
async def get_cluster(workspace_id: UUID, cluster_id: UUID, caller: Reader, database: Database) -> Any:
    """Show one failure cluster."""
    return await queries.get_cluster(database, caller, cluster_id)


@router.patch(
    "/clusters/{cluster_id}",
    response_model=schemas.Cluster,
    summary="Decide about a failure cluster",
    responses=problems(*IN_WORKSPACE, ClusterNotFound, InvalidTransitionError),
)
async def update_cluster(
    workspace_id: UUID, cluster_id: UUID, body: schemas.ClusterUpdate, caller: Writer, database: Database
) -> Any:
    """Acknowledge, dismiss or resolve a cluster, open it again, rename it or leave a note."""
    return await commands.update_cluster(database, caller, cluster_id, changes=body.model_dump(exclude_unset=True))


@router.get(
    "/{changeset_id}/clusters",
    response_model=Results[schemas.Cluster],
    summary="List a changeset's failure clusters",
    responses=problems(*IN_WORKSPACE, ChangesetNotFound),
)
async def list_changeset_clusters(
    workspace_id: UUID,
    changeset_id: UUID,
    caller: Reader,
    database: Database,
    limit: Limit = 20,
    offset: Offset = 0,
    sort: Annotated[
        Literal["created_at", "-created_at", "size", "-size", "severity", "-severity"], Query(description=ORDER)
    ] = "-created_at",
) -> Any:
    """List the failure clusters that the changeset's scan saw, with its figures."""
    await get_changeset(database, caller, changeset_id)
    page = PageRequest(limit=limit, offset=offset, sort=sort)
    return envelope(await queries.list_sightings(database, caller, changeset_id=changeset_id, page=page))
