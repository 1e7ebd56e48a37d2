"""Diagnose: what the finalist mended and broke, cluster by cluster, on cases that may be shown."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set

from pydantic import JsonValue

from spectral_platform.changesets.clusters.clustering import Cluster
from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.scans.conversing import OutOfTime
from spectral_platform.scans.failures import case_of, detected_in, failures_of
from spectral_platform.scans.run import Contender, Run
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Trial, TrialPlan
from spectral_platform.worlds.splits import Split


async def diagnose(run: Run) -> None:
    """Fill in which training cases of each cluster the finalist mends and breaks, and how far what dev promised came true."""
    finalist = run.found.finalist
    if finalist is None:
        run.emit("diagnosed", "There is no finalist to attribute an effect to.")
        return
    try:
        await _complete_training(run, finalist)
    except (BudgetExhausted, OutOfTime):
        run.emit("diagnosis_cut_short", "The budget is spent; attribution covers the cases that were run.", level="warning")
    baseline = run.found.baseline[finalist.agent.agent_id]
    before = {key: failed_in(baseline[key]) for key in finalist.train}
    after = {key: failed_in(trial) for key, trial in finalist.train.items()}
    run.found.attribution = attribute(run.found.clusters[finalist.agent.agent_id], before, after)
    broken = [key for key, failed in after.items() if failed and not before[key]]
    run.found.newly_failing = len(broken)
    new = Counter(criterion for key, failed in after.items() for criterion in failed - before[key])
    mended = sum(int(row["mended"]) for row in run.found.attribution)
    run.emit(
        "diagnosed",
        f"On training cases the finalist mends {mended} failures by cluster and newly fails {len(broken)} cases.",
        clusters=run.found.attribution,
        newly_failing=len(broken),
        newly_failing_by_criterion=dict(new.most_common()),
        promised=_promised(run),
    )


def attribute(
    clusters: Sequence[Cluster], before: Mapping[str, Set[str]], after: Mapping[str, Set[str]]
) -> list[dict[str, str | int]]:
    """Of each cluster how many training cases the finalist mends, how many still fail so, and how many newly do.

    ``before`` and ``after`` say which criteria the baseline and the finalist fail, by case. A case is mended when none of what
    failed in it as the cluster does fails any more, and broken when it fails so only now.
    """
    rows: list[dict[str, str | int]] = []
    for cluster in clusters:
        members = {case_of(key) for key in cluster.members} & after.keys()
        criteria = set(cluster.fingerprint)
        still = {key for key in members if (after[key] & criteria if criteria else after[key])}
        broken = [key for key in after.keys() - members if after[key] & criteria and not before[key] & criteria]
        rows.append(
            {
                "signature": cluster.signature,
                "label": cluster.label,
                "cases": len(members),
                "mended": len(members - still),
                "still_failing": len(still),
                "broken": len(broken),
            }
        )
    return rows


def failed_in(trial: Trial) -> frozenset[str]:
    """The criteria that the trial's answer fails, and what detectors find in it."""
    return frozenset(failure.criterion for failure in (*failures_of(trial), *detected_in(trial)))


def _promised(run: Run) -> dict[str, JsonValue]:
    """How much of the gain on dev the holdout shows, and how much more the rubric sees of it than the domain standard."""
    if run.found.conclusion is None:
        return {}
    statistics = run.found.conclusion.statistics
    return {name: statistics.get(name) for name in ("transfer_ratio", "divergence", "dev_gain")}


async def _complete_training(run: Run, finalist: Contender) -> None:
    """Run the finalist on the training cases that it has not seen."""
    missing = [case for case in run.material.book.select(Split.TRAIN) if case.key not in finalist.train]
    plan = TrialPlan(phase=Phase.DIAGNOSE, candidate=finalist.candidate.key[:12], agent_id=finalist.agent.agent_id)
    for trial in await run.bench.run(finalist.candidate.config, missing, plan):
        finalist.train[trial.case.key] = trial
