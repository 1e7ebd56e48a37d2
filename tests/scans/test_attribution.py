"""What a finalist mends and breaks, cluster by cluster."""

from spectral_platform.changesets.clusters.clustering import Cluster
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.scoring import DimensionEvaluation
from spectral_platform.scans.cases import Case
from spectral_platform.scans.failures import AGENT_ERROR, SEPARATOR
from spectral_platform.scans.phases.diagnose import attribute, failed_in
from spectral_platform.scans.trials import Trial, TrialStatus
from spectral_platform.worlds.splits import Split


def trial(key: str, *failed: str) -> Trial:
    case = Case(key=key, kind="sample", split=Split.TRAIN, content_group=key, input="Where is it?")
    found = tuple(
        DimensionEvaluation(
            key=name,
            weight=1,
            evaluation=Evaluation.failure("regex@1", "Do it.") if name in failed else Evaluation.success("regex@1"),
        )
        for name in ("sources", "tone")
    )
    if AGENT_ERROR in failed:
        return Trial(case=case, repeat=0, status=TrialStatus.AGENT_ERROR, output="", problem="Timed out.")
    return Trial(case=case, repeat=0, status=TrialStatus.ANSWERED, output="There.", dimensions=found)


def failed(trials: dict[str, Trial]) -> dict[str, frozenset[str]]:
    return {key: failed_in(trial) for key, trial in trials.items()}


def cluster(criterion: str, *cases: str) -> Cluster:
    return Cluster(
        signature=criterion,
        label=criterion,
        description="",
        members=tuple(f"{case}{SEPARATOR}{criterion}" for case in cases),
        medoids=(),
        fingerprint=(criterion,),
        terms=(),
        share=0.5,
        share_interval=(0.4, 0.6),
        severity=1,
        stability=None,
    )


def test_each_cluster_says_what_is_mended_what_is_left_and_what_is_broken() -> None:
    clusters = [cluster("sources", "a", "b"), cluster("tone", "a"), cluster(AGENT_ERROR, "c")]
    before = {"a": trial("a", "sources", "tone"), "b": trial("b", "sources"), "c": trial("c", AGENT_ERROR), "d": trial("d")}
    after = {"a": trial("a", "tone"), "b": trial("b", "sources"), "c": trial("c"), "d": trial("d", "tone")}

    rows = {row["signature"]: row for row in attribute(clusters, failed(before), failed(after))}

    told = {name: tuple(row[key] for key in ("cases", "mended", "still_failing", "broken")) for name, row in rows.items()}
    assert told == {"sources": (2, 1, 1, 0), "tone": (1, 0, 1, 1), AGENT_ERROR: (1, 1, 0, 0)}
