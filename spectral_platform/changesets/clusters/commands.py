"""Recording what scans find and deciding about it."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.changesets.clusters import queries
from spectral_platform.changesets.clusters.errors import ClusterMerged
from spectral_platform.changesets.clusters.findings import ClusterFinding, FailureFinding, TrendPoint
from spectral_platform.changesets.clusters.models import ClusterFailure, ClusterSighting, FailureCluster
from spectral_platform.changesets.clusters.news import ClusterSeen, cluster_seen
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.jobs import publish
from spectral_platform.core.lifecycle import move
from spectral_platform.samples.commands import add_traces
from spectral_platform.traces.models import Trace

LONGEST_TREND = 30
UNSEEN_UNTIL_RESOLVED = 2
"""After so many scans in a row that looked and did not see a cluster, it counts as resolved."""
_AT_ONCE = 1_000
_OF_THE_CLUSTER = {"signature", "label", "agent_id", "cluster_id", "fingerprint", "failures"}
"""What of a finding its sighting does not keep."""


async def record_clusters(
    session: AsyncSession,
    caller: Caller,
    *,
    scan_id: UUID,
    findings: Sequence[ClusterFinding],
    changeset_id: UUID | None = None,
) -> list[FailureCluster]:
    """Add what a scan found to the workspace's clusters, in the order of the findings. A resolved one opens again.

    The findings say which clusters they are (``carrying.carry``); one that says nothing is a new one.
    """
    now = clock.now()
    known = await queries.lock_clusters(session, caller, [finding.cluster_id for finding in findings if finding.cluster_id])
    found: list[FailureCluster] = []
    news: list[ClusterSeen] = []
    for finding in findings:
        if finding.cluster_id is None:
            cluster = _see_first(caller, finding)
            session.add(cluster)
            news.append(cluster_seen(caller, cluster, scan_id, "opened"))
        else:
            cluster = known[finding.cluster_id]
            if await _see_again(session, cluster, finding):
                news.append(cluster_seen(caller, cluster, scan_id, "reopened"))
        cluster.last_seen_at = now
        cluster.unseen_scans = 0
        point = TrendPoint(scan_id=scan_id, at=now, size=finding.size, share=finding.share)
        cluster.trend = (*cluster.trend, point)[-LONGEST_TREND:]
        session.add(
            ClusterSighting(
                workspace_id=caller.workspace,
                scan_id=scan_id,
                changeset_id=changeset_id,
                cluster_id=cluster.id,
                **_figures(finding) | {"card": cluster.card},
            )
        )
        found.append(cluster)
    await session.flush()
    placed = [
        (failure.home or cluster.id, failure)
        for cluster, finding in zip(found, findings, strict=True)
        for failure in finding.failures
    ]
    await _clear(session, caller, {*(cluster.id for cluster in found), *(home for home, _ in placed)})
    await _record_failures(session, caller, placed, scan_id)
    if news:
        await publish(session, *news)
    return found


def _see_first(caller: Caller, finding: ClusterFinding) -> FailureCluster:
    return FailureCluster(
        id=clock.new_id(),
        workspace_id=caller.workspace,
        agent_id=finding.agent_id,
        signature=finding.signature,
        fingerprint=finding.fingerprint,
        label=finding.label,
        status=ClusterStatus.OPEN,
        reopened=False,
        trend=(),
        **_figures(finding),
    )


async def _see_again(session: AsyncSession, cluster: FailureCluster, finding: ClusterFinding) -> bool:
    """Let a known cluster be as it was found; answers whether it was resolved and opens again."""
    comes_back = cluster.status is ClusterStatus.RESOLVED
    if comes_back:
        await move(session, cluster, ClusterStatus.OPEN, reopened=True)
    before = cluster.share
    for name, value in _figures(finding).items():
        setattr(cluster, name, value)
    cluster.card = finding.card.model_copy(update={"share_change": finding.share - before})
    cluster.signature, cluster.fingerprint = finding.signature, finding.fingerprint
    if not cluster.is_named:
        cluster.label = finding.label
    return comes_back


def _figures(finding: ClusterFinding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in ClusterFinding.model_fields.keys() - _OF_THE_CLUSTER}


async def _clear(session: AsyncSession, caller: Caller, clusters: Collection[UUID]) -> None:
    """Forget the failures of earlier scans, except what happened in traces, which no later scan may look at again.

    What a person put here stays too: it is what later failures are recognised by.
    """
    await session.execute(
        delete(ClusterFailure).where(
            ClusterFailure.workspace_id == caller.workspace,
            ClusterFailure.cluster_id.in_(clusters),
            ClusterFailure.trace_id.is_(None),
            ~ClusterFailure.is_pinned,
        )
    )


async def _record_failures(
    session: AsyncSession, caller: Caller, placed: Sequence[tuple[UUID, FailureFinding]], scan_id: UUID
) -> None:
    """Keep the failures of this scan, each in its cluster. A trace that is gone has no failures."""
    traces = {failure.trace_id for _, failure in placed if failure.trace_id}
    if traces:
        present = await session.scalars(
            select(Trace.trace_id)
            .where(Trace.workspace_id == caller.workspace, Trace.trace_id.in_(traces))
            .with_for_update(key_share=True, read=True)
        )
        traces = set(present)
    found_at = {"workspace_id": caller.workspace, "scan_id": scan_id, "seen_at": clock.now()}
    rows = [
        failure.model_dump(exclude={"home"}) | found_at | {"id": clock.new_id(), "cluster_id": cluster_id}
        for cluster_id, failure in placed
        if failure.trace_id is None or failure.trace_id in traces
    ]
    statement = insert(ClusterFailure)
    told = ("likeness", "criterion", "feedback", "severity", "scan_id", "seen_at")
    statement = statement.on_conflict_do_update(
        index_elements=["cluster_id", "key"], set_={name: statement.excluded[name] for name in told}
    )
    for first in range(0, len(rows), _AT_ONCE):
        await session.execute(statement, rows[first : first + _AT_ONCE])


async def settle_unseen(
    session: AsyncSession, caller: Caller, *, scan_id: UUID, agent_ids: Collection[UUID], criteria: Collection[str]
) -> list[UUID]:
    """Count for each cluster that a scan looked for and did not see that it was not there; two in a row resolve it.

    A scan looks for the clusters of its agents whose criteria it evaluates. Answers those that are resolved by that.
    """
    rows = await session.scalars(
        FailureCluster.in_workspace(caller.workspace)
        .where(
            FailureCluster.agent_id.in_(agent_ids),
            FailureCluster.id.not_in(
                select(ClusterSighting.cluster_id).where(
                    ClusterSighting.workspace_id == caller.workspace, ClusterSighting.scan_id == scan_id
                )
            ),
            FailureCluster.merged_into_id.is_(None),
            FailureCluster.status.in_((ClusterStatus.OPEN, ClusterStatus.ACKNOWLEDGED)),
        )
        .order_by(FailureCluster.id)
        .with_for_update()
    )
    resolved = []
    for cluster in rows.all():
        if not set(cluster.fingerprint) & set(criteria):
            continue
        cluster.unseen_scans += 1
        if cluster.unseen_scans >= UNSEEN_UNTIL_RESOLVED:
            await session.flush()
            await move(session, cluster, ClusterStatus.RESOLVED)
            await publish(session, cluster_seen(caller, cluster, scan_id, "resolved"))
            resolved.append(cluster.id)
    await session.flush()
    return resolved


async def update_cluster(session: AsyncSession, caller: Caller, cluster_id: UUID, *, changes: dict[str, Any]) -> FailureCluster:
    """Change the named fields: ``status``, ``label`` or ``note``. A status that it has already is no move."""
    cluster = await standing(session, caller, cluster_id)
    to = changes.get("status", cluster.status)
    if to is not cluster.status:
        await move(session, cluster, to)
    for field in changes.keys() - {"status"}:
        setattr(cluster, field, changes[field])
    cluster.is_named = cluster.is_named or "label" in changes
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


async def standing(session: AsyncSession, caller: Caller, cluster_id: UUID) -> FailureCluster:
    """A cluster that stands for itself, locked. Raises ``ClusterMerged`` where it was merged into another."""
    cluster = await queries.get_cluster(session, caller, cluster_id, for_update=True)
    if cluster.merged_into_id is not None:
        raise ClusterMerged(cluster_id, cluster.merged_into_id)
    return cluster


async def make_regression_samples(
    session: AsyncSession, caller: Caller, cluster_id: UUID, *, sample_set_id: UUID, dedupe: bool, at_most: int
) -> tuple[int, dict[str, str]]:
    """Samples of the cluster's traces, those seen last first, so that later scans look whether it comes back.

    Answers how many, and for each trace that was refused the reason.
    """
    cluster = await standing(session, caller, cluster_id)
    return await add_traces(
        session,
        caller,
        sample_set_id,
        trace_ids=await queries.list_cluster_traces(session, caller, cluster.id),
        tags=("regression", f"cluster:{cluster_id}"),
        dedupe=dedupe,
        at_most=at_most,
    )
