"""Endpoints of failure clusters."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response

from spectral_api.dependencies import Database
from spectral_api.paging import Limit, Offset, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.changesets.clusters import schemas
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.samples.schemas import Curated, RejectedTrace
from spectral_api.v1.traces.schemas import TraceResults
from spectral_platform.changesets.clusters import commands, queries, rearranging
from spectral_platform.changesets.clusters.errors import (
    ClusterMerged,
    ClusterMergeRefused,
    ClusterNotFound,
    ClusterSplitRefused,
)
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.changesets.errors import ChangesetNotFound
from spectral_platform.changesets.queries import get_changeset
from spectral_platform.core.errors import InvalidTransitionError
from spectral_platform.core.paging import PageRequest
from spectral_platform.samples.errors import SampleSetNotFound
from spectral_platform.traces.errors import SearchTooBroad
from spectral_platform.traces.queries import list_traces
from spectral_platform.traces.selection import TraceFilter

router = Router(prefix=IN_WORKSPACE + "/changesets", tags=["Changeset Clusters"])
ORDER = "Order; a leading `-` = descending."


@router.get("/clusters", response_model=Results[schemas.Cluster], summary="List failure clusters", responses=workspace_problems())
async def list_clusters(
    caller: Reader,
    database: Database,
    status: Annotated[ClusterStatus | None, Query(description="Only clusters with this status.")] = None,
    agent_id: Annotated[UUID | None, Query(description="Only clusters of this agent's failures.")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
    sort: Annotated[
        Literal["created_at", "-created_at", "last_seen_at", "-last_seen_at", "size", "-size", "severity", "-severity"],
        Query(description=ORDER),
    ] = "-created_at",
) -> Any:
    """List the failure clusters of all scans, each with the figures of the last scan that saw it.

    A cluster keeps its id from scan to scan. Those that were merged into another are not listed; it stands for them.
    """
    page = PageRequest(limit=limit, offset=offset, sort=sort)
    return envelope(await queries.list_clusters(database, caller, status=status, agent_id=agent_id, page=page))


@router.get(
    "/clusters/{cluster_id}",
    response_model=schemas.Cluster,
    summary="Get a failure cluster",
    responses=workspace_problems(ClusterNotFound),
)
async def get_cluster(cluster_id: UUID, caller: Reader, database: Database) -> Any:
    """Show one failure cluster."""
    return await queries.get_cluster(database, caller, cluster_id)


@router.patch(
    "/clusters/{cluster_id}",
    response_model=schemas.Cluster,
    summary="Decide about a failure cluster",
    responses=workspace_problems(ClusterNotFound, ClusterMerged, InvalidTransitionError),
)
async def update_cluster(cluster_id: UUID, body: schemas.ClusterUpdate, caller: Writer, database: Database) -> Any:
    """Acknowledge, dismiss or resolve a cluster, open it again, rename it or leave a note.

    A name that a person gave stays; without one the label follows the scans. A resolved cluster that a scan sees again opens
    again, a dismissed one stays dismissed. Two scans in a row that look for an open cluster and do not see it resolve it.
    """
    return await commands.update_cluster(database, caller, cluster_id, changes=body.model_dump(exclude_unset=True))


@router.get(
    "/clusters/{cluster_id}/failures",
    response_model=Results[schemas.ClusterFailure],
    summary="List the failures in a cluster",
    responses=workspace_problems(ClusterNotFound),
)
async def list_cluster_failures(
    cluster_id: UUID,
    caller: Reader,
    database: Database,
    limit: Limit = 20,
    offset: Offset = 0,
    sort: Annotated[Literal["seen_at", "-seen_at", "severity", "-severity"], Query(description=ORDER)] = "-severity",
) -> Any:
    """List what failed, in which training case or trace, and what was said of it."""
    page = PageRequest(limit=limit, offset=offset, sort=sort)
    return envelope(await queries.list_cluster_failures(database, caller, cluster_id, page=page))


@router.get(
    "/clusters/{cluster_id}/traces",
    response_model=TraceResults,
    summary="List the traces in a cluster",
    responses=workspace_problems(ClusterNotFound, SearchTooBroad),
)
async def list_cluster_traces(cluster_id: UUID, caller: Reader, database: Database, limit: Limit = 20, offset: Offset = 0) -> Any:
    """List the traces that fail so, newest first: those that any scan found, for as long as they are kept."""
    among = await queries.list_cluster_traces(database, caller, cluster_id)
    page = await list_traces(database, caller, where=TraceFilter(), limit=limit, offset=offset, among=among)
    return {
        "results": page.results,
        "pagination": {
            "total": page.total,
            "limit": limit,
            "offset": offset,
            "total_capped": page.is_capped,
            "next_cursor": page.next_cursor,
        },
    }


@router.post(
    "/clusters/{cluster_id}/merge",
    response_model=schemas.Cluster,
    summary="Merge a failure cluster into another",
    responses=workspace_problems(ClusterNotFound, ClusterMerged, ClusterMergeRefused),
)
async def merge_cluster(cluster_id: UUID, body: schemas.ClusterMerge, caller: Writer, database: Database) -> Any:
    """Let another cluster of the same agent stand for this one. Answers that other one, with the figures of both.

    Later scans keep to it: what they recognise as this cluster counts for the other. Doing it again changes nothing.
    """
    return await rearranging.merge_cluster(database, caller, cluster_id, into=body.into)


@router.post(
    "/clusters/{cluster_id}/split",
    status_code=201,
    response_model=schemas.Cluster,
    summary="Split a failure cluster",
    responses=workspace_problems(ClusterNotFound, ClusterMerged, ClusterSplitRefused),
)
async def split_cluster(
    cluster_id: UUID, body: schemas.ClusterSplit, caller: Writer, database: Database, response: Response
) -> Any:
    """Move failures out of a cluster into a new one: those named, or all that fail one criterion.

    Later scans keep to it: what reads like a failure that was moved, or fails that criterion, goes into the new cluster.
    """
    part = await rearranging.split_cluster(
        database, caller, cluster_id, label=body.label, failure_ids=body.failure_ids, criterion=body.criterion
    )
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/changesets/clusters/{part.id}"
    return part


@router.post(
    "/clusters/{cluster_id}/samples",
    status_code=201,
    summary="Make regression samples of a cluster",
    responses=workspace_problems(ClusterNotFound, ClusterMerged, SampleSetNotFound),
)
async def make_regression_samples(
    cluster_id: UUID, body: schemas.ClusterSampling, caller: Writer, database: Database, response: Response
) -> Curated:
    """Make samples of the cluster's traces, so that later scans notice when it comes back.

    They are tagged `regression` and `cluster:` with its id. Its training cases are samples already. A trace that was a sample's
    source is refused with the reason, as is one without an input.
    """
    created, reasons = await commands.make_regression_samples(
        database, caller, cluster_id, sample_set_id=body.sample_set_id, dedupe=body.dedupe, at_most=body.max
    )
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/samples/sets/{body.sample_set_id}/samples"
    return Curated(created=created, rejected=[RejectedTrace(trace_id=trace_id, reason=why) for trace_id, why in reasons.items()])


@router.get(
    "/{changeset_id}/clusters",
    response_model=Results[schemas.Cluster],
    summary="List a changeset's failure clusters",
    responses=workspace_problems(ChangesetNotFound),
)
async def list_changeset_clusters(
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


@router.get(
    "/{changeset_id}/clusters/{cluster_id}",
    response_model=schemas.Cluster,
    summary="Get a changeset's failure cluster",
    responses=workspace_problems(ChangesetNotFound, ClusterNotFound),
)
async def get_changeset_cluster(changeset_id: UUID, cluster_id: UUID, caller: Reader, database: Database) -> Any:
    """Show one failure cluster as the changeset's scan saw it."""
    await get_changeset(database, caller, changeset_id)
    return await queries.get_sighting(database, caller, changeset_id=changeset_id, cluster_id=cluster_id)
