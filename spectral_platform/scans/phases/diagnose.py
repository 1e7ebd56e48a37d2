"""Diagnose: what the finalist mended and broke, cluster by cluster, on cases that may be shown."""

from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.scans.failures import case_of, failures_of
from spectral_platform.scans.run import Contender, Run
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import OutOfTime, TrialPlan
from spectral_platform.worlds.splits import Split


async def diagnose(run: Run) -> None:
    """Fill in which training cases of each cluster the finalist mends, and which cases it breaks."""
    finalist = run.found.finalist
    if finalist is None:
        await run.emit("diagnosed", "There is no finalist to attribute an effect to.")
        return
    try:
        await _complete_training(run, finalist)
    except (BudgetExhausted, OutOfTime):
        await run.emit("diagnosis_cut_short", "The budget is spent; attribution covers the cases that were run.", level="warning")
    clusters = run.found.clusters[finalist.agent.agent_id]
    attribution: list[dict[str, str | int]] = []
    mended = 0
    for cluster in clusters:
        members = {case_of(key) for key in cluster.members} & finalist.train.keys()
        criteria = set(cluster.fingerprint)
        still = {
            key
            for key in members
            if any(not criteria or failure.criterion in criteria for failure in failures_of(finalist.train[key]))
        }
        mended += len(members - still)
        attribution.append(
            {
                "signature": cluster.signature,
                "label": cluster.label,
                "cases": len(members),
                "mended": len(members - still),
                "still_failing": len(still),
            }
        )
    baseline = run.found.baseline[finalist.agent.agent_id]
    broken = sorted(key for key, trial in finalist.train.items() if failures_of(trial) and not failures_of(baseline[key]))
    run.found.attribution = attribution
    run.found.newly_failing = len(broken)
    await run.emit(
        "diagnosed",
        f"On training cases the finalist mends {mended} failures by cluster and newly fails {len(broken)} cases.",
        clusters=attribution,
        newly_failing=len(broken),
    )


async def _complete_training(run: Run, finalist: Contender) -> None:
    """Run the finalist on the training cases that it has not seen."""
    missing = [case for case in run.material.book.select(Split.TRAIN) if case.key not in finalist.train]
    plan = TrialPlan(phase=Phase.DIAGNOSE, candidate=finalist.candidate.key[:12])
    for trial in await run.bench.run(finalist.candidate.config, missing, plan):
        finalist.train[trial.case.key] = trial
