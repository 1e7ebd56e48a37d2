"""Recognising what a scan found among the clusters that are known, so that an id stays with its failures.

Found and known clusters of an agent are matched by the Jaccard overlap of their failures, of which at least half must be
common, so that the overlaps are largest in sum (Kuhn 1955, the Hungarian method). What is left over is matched by an equal
signature, else by the same failing criteria where half of the smaller one's failures are in the larger: a cluster that shrinks
because the agent gets better is still the same one. What people decided stays: failures of a cluster that was merged go to the
one it was merged into, and of one that was split, to the part that they were moved to. Imported by worker processes only.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from scipy.optimize import linear_sum_assignment
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.changesets.clusters import queries
from spectral_platform.changesets.clusters.findings import ClusterFinding, FailureFinding
from spectral_platform.core.access import Caller

LEAST_JACCARD = 0.5
LEAST_CONTAINED = 0.5


@dataclass(frozen=True)
class Known:
    """A cluster that is known: what it is recognised by, and what people made of it.

    ``pinned`` are the likenesses of failures that a person put here.
    """

    id: UUID
    signature: str
    fingerprint: tuple[str, ...] = ()
    likenesses: frozenset[str] = frozenset()
    pinned: frozenset[str] = frozenset()
    merged_into: UUID | None = None
    split_from: UUID | None = None
    split_criterion: str | None = None


async def carry(session: AsyncSession, caller: Caller, findings: Sequence[ClusterFinding]) -> tuple[ClusterFinding, ...]:
    """The findings with the ids of the clusters that they are, none twice.

    No other scan of the workspace recognises any until the transaction ends.
    """
    await queries.hold_clusters(session, caller)
    carried: list[ClusterFinding] = []
    for agent_id in dict.fromkeys(finding.agent_id for finding in findings):
        rows, failures = await queries.list_known(session, caller, agent_id)
        known = [
            Known(
                id=row.id,
                signature=row.signature,
                fingerprint=row.fingerprint,
                likenesses=frozenset(likeness for likeness, _ in failures.get(row.id, ())),
                pinned=frozenset(likeness for likeness, is_pinned in failures.get(row.id, ()) if is_pinned),
                merged_into=row.merged_into_id,
                split_from=row.split_from_id,
                split_criterion=row.split_criterion,
            )
            for row in rows
        ]
        carried += recognise([finding for finding in findings if finding.agent_id == agent_id], known)
    return tuple(carried)


def recognise(findings: Sequence[ClusterFinding], known: Sequence[Known]) -> list[ClusterFinding]:
    """The findings of one agent as the clusters they are, the known ones first in the order in which they were found."""
    family = Family(known)
    matches = match(findings, family)
    shares: dict[UUID, list[ClusterFinding]] = defaultdict(list)
    new = []
    for place, finding in enumerate(findings):
        if place not in matches:
            new.append(finding)
            continue
        for cluster_id, part in family.divide(matches[place], finding):
            shares[cluster_id].append(part)
    return [join(cluster_id, parts) for cluster_id, parts in shares.items()] + new


@dataclass
class Family:
    """Known clusters with what was split from each and merged into each."""

    known: Sequence[Known]
    by_id: Mapping[UUID, Known] = field(init=False)
    children: Mapping[UUID, list[Known]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_id = {cluster.id: cluster for cluster in self.known}
        children: dict[UUID, list[Known]] = defaultdict(list)
        for cluster in self.known:
            if cluster.split_from in self.by_id:
                children[cluster.split_from].append(cluster)
        self.children = children

    @property
    def roots(self) -> list[Known]:
        """Clusters that were not split from another: what a scan, which knows of no split, would find."""
        return [cluster for cluster in self.known if cluster.split_from not in self.by_id]

    def whole(self, cluster: Known) -> frozenset[str]:
        """What a cluster is recognised by, with all that was split from it."""
        return cluster.likenesses.union(*(self.whole(child) for child in self.children.get(cluster.id, ())))

    def divide(self, root: Known, finding: ClusterFinding) -> list[tuple[UUID, ClusterFinding]]:
        """The finding in parts, each with the cluster that shows it."""
        if not finding.failures:
            return [(self._shown_by(root), finding)]
        placed: dict[UUID, list[FailureFinding]] = defaultdict(list)
        self._place(root, root, list(finding.failures), placed, set())
        return [(cluster_id, _part(finding, failures)) for cluster_id, failures in placed.items()]

    def _place(
        self,
        cluster: Known,
        home: Known,
        failures: list[FailureFinding],
        placed: dict[UUID, list[FailureFinding]],
        seen: set[UUID],
    ) -> None:
        seen.add(cluster.id)
        for child in self.children.get(cluster.id, ()):
            if child.id in seen:
                continue
            belongs = [
                failure for failure in failures if failure.likeness in child.pinned or failure.criterion == child.split_criterion
            ]
            if belongs:
                moved = {failure.key for failure in belongs}
                failures = [failure for failure in failures if failure.key not in moved]
                self._place(child, child, belongs, placed, seen)
        target = self.by_id.get(cluster.merged_into) if cluster.merged_into else None
        if target is not None:
            self._place(target, home, failures, placed, seen)
        elif failures:
            marked = home.id if home.id != cluster.id else None
            placed[cluster.id] += [failure.model_copy(update={"home": marked}) for failure in failures]

    def _shown_by(self, cluster: Known) -> UUID:
        while cluster.merged_into is not None and cluster.merged_into in self.by_id:
            cluster = self.by_id[cluster.merged_into]
        return cluster.id


def match(findings: Sequence[ClusterFinding], family: Family) -> dict[int, Known]:
    """Which known cluster each finding is, by its place; those that are none are missing."""
    roots = family.roots
    wholes = [family.whole(root) for root in roots]
    found = [frozenset(failure.likeness for failure in finding.failures) for finding in findings]
    matches: dict[int, Known] = {}
    taken: set[UUID] = set()

    def assign(score: Callable[[int, int], float]) -> None:
        rows = [place for place in range(len(findings)) if place not in matches]
        columns = [place for place, root in enumerate(roots) if root.id not in taken]
        if not rows or not columns:
            return
        scores = np.array([[score(row, column) for column in columns] for row in rows])
        for row, column in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
            if scores[row, column] > 0:
                matches[rows[row]] = roots[columns[column]]
                taken.add(roots[columns[column]].id)

    def jaccard(row: int, column: int) -> float:
        union = len(found[row] | wholes[column])
        overlap = len(found[row] & wholes[column]) / union if union else 0.0
        return overlap if overlap >= LEAST_JACCARD else 0.0

    def contained(row: int, column: int) -> float:
        smaller = min(len(found[row]), len(wholes[column]))
        share = len(found[row] & wholes[column]) / smaller if smaller else 0.0
        is_same_kind = findings[row].fingerprint == roots[column].fingerprint
        return share if is_same_kind and share >= LEAST_CONTAINED else 0.0

    assign(jaccard)
    assign(lambda row, column: float(findings[row].signature == roots[column].signature))
    assign(contained)
    return matches


def _part(finding: ClusterFinding, failures: Sequence[FailureFinding]) -> ClusterFinding:
    """What of a finding belongs to one cluster."""
    if len(failures) == len(finding.failures):
        return finding.model_copy(update={"failures": tuple(failures)})
    places = {failure.place for failure in failures}
    ratio = len(failures) / len(finding.failures)
    return finding.model_copy(
        update={
            "failures": tuple(failures),
            "size": len(places),
            "share": finding.share * ratio,
            "severity": sum(failure.severity for failure in failures) / len(failures),
            "exemplar_cases": tuple(case for case in finding.exemplar_cases if case in places),
            "exemplar_trace_ids": tuple(trace for trace in finding.exemplar_trace_ids if trace in places),
            "card": finding.card.model_copy(update={"failures": len(failures), **_counts(failures)}),
        }
    )


def join(cluster_id: UUID, parts: Sequence[ClusterFinding]) -> ClusterFinding:
    """Parts of findings as one cluster; what is told of it is told of the largest part."""
    largest = max(parts, key=lambda part: (part.size, part.signature))
    if len(parts) == 1:
        return largest.model_copy(update={"cluster_id": cluster_id})
    failures = tuple({failure.key: failure for part in parts for failure in part.failures}.values())
    size = sum(part.size for part in parts) if not failures else len({failure.place for failure in failures})
    return largest.model_copy(
        update={
            "cluster_id": cluster_id,
            "failures": failures,
            "size": size,
            "share": min(1.0, sum(part.share for part in parts)),
            "severity": sum(part.severity * part.size for part in parts) / sum(part.size for part in parts),
            "exemplar_cases": tuple(dict.fromkeys(case for part in parts for case in part.exemplar_cases))[:3],
            "exemplar_trace_ids": tuple(dict.fromkeys(trace for part in parts for trace in part.exemplar_trace_ids))[:3],
            "card": largest.card.model_copy(update={"failures": len(failures), **_counts(failures)}),
        }
    )


def _counts(failures: Sequence[FailureFinding]) -> dict[str, int]:
    return {
        "train_cases": len({failure.case_key for failure in failures if failure.case_key}),
        "traces": len({failure.trace_id for failure in failures if failure.trace_id}),
    }
