"""Merging and splitting clusters by hand, so that the next scan keeps to it."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.changesets.clusters import queries
from spectral_platform.changesets.clusters.commands import LONGEST_TREND, standing
from spectral_platform.changesets.clusters.errors import ClusterMergeRefused, ClusterSplitRefused
from spectral_platform.changesets.clusters.findings import TrendPoint
from spectral_platform.changesets.clusters.models import ClusterFailure, FailureCluster
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.core.access import Caller


async def merge_cluster(session: AsyncSession, caller: Caller, cluster_id: UUID, *, into: UUID) -> FailureCluster:
    """Let another cluster of the same agent stand for this one, now and in later scans. Doing so again changes nothing.

    Raises ``ClusterMergeRefused``, or ``ClusterMerged`` where either was merged into a third.
    """
    await queries.hold_clusters(session, caller)
    cluster = await queries.get_cluster(session, caller, cluster_id, for_update=True)
    if cluster_id == into:
        raise ClusterMergeRefused("they are the same")
    target = await standing(session, caller, into)
    if cluster.merged_into_id != into:
        cluster = await standing(session, caller, cluster_id)
        if cluster.agent_id != target.agent_id:
            raise ClusterMergeRefused("they are of different agents")
        _add(target, cluster)
        await session.execute(
            update(FailureCluster)
            .where(FailureCluster.workspace_id == caller.workspace, FailureCluster.merged_into_id == cluster_id)
            .values(merged_into_id=into)
        )
        cluster.merged_into_id = into
        await session.flush()
        target.size = len({failure.place for failure in await queries.list_failures(session, caller, into)}) or target.size
        await session.flush()
    await record(session, caller, action="cluster.merged", resource="cluster", resource_id=cluster_id, into=str(into))
    return await queries.get_cluster(session, caller, into)


def _add(target: FailureCluster, cluster: FailureCluster) -> None:
    """Add the figures of one cluster to another's."""
    points = {point.scan_id: point for point in target.trend}
    for point in cluster.trend:
        known = points.get(point.scan_id)
        points[point.scan_id] = (
            point
            if known is None
            else TrendPoint(
                scan_id=point.scan_id, at=point.at, size=known.size + point.size, share=min(1.0, known.share + point.share)
            )
        )
    both = target.size + cluster.size
    target.severity = (target.severity * target.size + cluster.severity * cluster.size) / both if both else target.severity
    target.size, target.share = both, min(1.0, target.share + cluster.share)
    target.trend = tuple(sorted(points.values(), key=lambda point: point.at))[-LONGEST_TREND:]
    target.last_seen_at = max(target.last_seen_at, cluster.last_seen_at)
    target.exemplar_cases = tuple(dict.fromkeys((*target.exemplar_cases, *cluster.exemplar_cases)))[:3]
    target.exemplar_trace_ids = tuple(dict.fromkeys((*target.exemplar_trace_ids, *cluster.exemplar_trace_ids)))[:3]


async def split_cluster(
    session: AsyncSession,
    caller: Caller,
    cluster_id: UUID,
    *,
    label: str,
    failure_ids: Collection[UUID] = (),
    criterion: str | None = None,
) -> FailureCluster:
    """Move these failures, or all that fail so, out of a cluster into a new one of this name.

    Later scans put what reads like the moved failures, or fails so, into the new one. Raises ``ClusterSplitRefused`` when that
    would be nothing or everything.
    """
    await queries.hold_clusters(session, caller)
    cluster = await standing(session, caller, cluster_id)
    failures = await queries.list_failures(session, caller, cluster_id)
    wanted = set(failure_ids)
    moved = [failure for failure in failures if failure.id in wanted or failure.criterion == criterion]
    if len(wanted - {failure.id for failure in moved}):
        raise ClusterSplitRefused("some of the failures are not in it")
    if not moved:
        raise ClusterSplitRefused("nothing in it fails so")
    if len(moved) == len(failures):
        raise ClusterSplitRefused("nothing would be left of it")
    rest = [failure for failure in failures if failure not in moved]
    part = _part_of(cluster, moved, share=len(moved) / len(failures), label=label, criterion=criterion)
    session.add(part)
    await session.flush()
    await session.execute(
        update(ClusterFailure)
        .where(ClusterFailure.workspace_id == caller.workspace, ClusterFailure.id.in_([failure.id for failure in moved]))
        .values(cluster_id=part.id, is_pinned=True)
        .execution_options(synchronize_session=False)
    )
    cluster.share *= len(rest) / len(failures)
    cluster.size, cluster.severity = len({failure.place for failure in rest}), _mean_severity(rest)
    cluster.exemplar_cases, cluster.exemplar_trace_ids = _exemplars(cluster, rest)
    await session.flush()
    await record(
        session,
        caller,
        action="cluster.split",
        resource="cluster",
        resource_id=cluster_id,
        into=str(part.id),
        failures=len(moved),
    )
    return await queries.get_cluster(session, caller, part.id)


def _part_of(
    cluster: FailureCluster, moved: Sequence[ClusterFailure], *, share: float, label: str, criterion: str | None
) -> FailureCluster:
    size = len({failure.place for failure in moved})
    cases, traces = _exemplars(cluster, moved)
    last = cluster.trend[-1:]
    return FailureCluster(
        workspace_id=cluster.workspace_id,
        agent_id=cluster.agent_id,
        signature=f"{cluster.signature}/{label}"[:200],
        fingerprint=(criterion,) if criterion else cluster.fingerprint,
        label=label,
        is_named=True,
        description=f"{len(moved)} failures out of: {cluster.label}",
        status=ClusterStatus.OPEN,
        reopened=False,
        size=size,
        share=cluster.share * share,
        severity=_mean_severity(moved),
        card=cluster.card.model_copy(
            update={
                "failures": len(moved),
                "train_cases": len({failure.case_key for failure in moved if failure.case_key}),
                "traces": len({failure.trace_id for failure in moved if failure.trace_id}),
            }
        ),
        exemplar_cases=cases,
        exemplar_trace_ids=traces,
        last_seen_at=cluster.last_seen_at,
        trend=tuple(TrendPoint(scan_id=point.scan_id, at=point.at, size=size, share=point.share * share) for point in last),
        split_from_id=cluster.id,
        split_criterion=criterion,
    )


def _mean_severity(failures: Sequence[ClusterFailure]) -> float:
    return sum(failure.severity for failure in failures) / len(failures)


def _exemplars(cluster: FailureCluster, failures: Sequence[ClusterFailure]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Up to three cases and three traces of these failures, those that stood for the cluster first."""
    cases = dict.fromkeys(failure.case_key for failure in failures if failure.case_key)
    traces = dict.fromkeys(failure.trace_id for failure in failures if failure.trace_id)
    return (
        tuple(sorted(cases, key=lambda case: case not in cluster.exemplar_cases))[:3],
        tuple(sorted(traces, key=lambda trace: trace not in cluster.exemplar_trace_ids))[:3],
    )
